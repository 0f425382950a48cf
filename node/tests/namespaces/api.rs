//! A client of a node's API, on the node's own host.

use crate::network::Host;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Where every node serves its API: on its host alone.
pub const HTTP: &str = "127.0.0.1:7401";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One node's API.
#[derive(Clone, Debug)]
pub struct Api {
    pub node: String,
    pub host: Host,
    pub token: String,
}

/// What it answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// What a node says of an origin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    pub state: String,
    pub owner: String,
    pub by: String,
    pub hold: String,
}

impl Said {
    /// Whether the owner checks it, and says so.
    pub fn is_checked_by_owner(&self) -> bool {
        !self.owner.is_empty() && self.owner == self.by && self.hold == "held"
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Api {
    /// Sends a request and waits for its answer.
    pub fn try_send(&self, method: &str, path: &str, body: &[u8]) -> io::Result<Answer> {
        self.host.inside(|| exchange(method, path, &self.token, body))
    }

    /// The same, with a status that has to be.
    pub fn send(&self, method: &str, path: &str, body: &[u8], status: u16) -> Answer {
        let answer = self.try_send(method, path, body);
        let answer = answer.unwrap_or_else(|error| panic!("{method} {path} of {}: {error}", self.node));
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{method} {path} of {}: {text}", self.node);
        answer
    }

    pub fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, b"", 200);
        serde_json::from_slice(&answer.body).expect("the API answers in JSON")
    }

    /// The members that this node knows, with what it holds of them.
    pub fn members(&self) -> BTreeMap<String, String> {
        let members = self.get("/v1/members");
        let rows = members["members"].as_array().expect("a list");
        rows.iter().map(|row| (text(&row["name"]), text(&row["standing"]))).collect()
    }

    /// What it says of all origins.
    pub fn health(&self) -> BTreeMap<String, Said> {
        let health = self.get("/v1/health?details=true");
        let said = |row: &Value| Said {
            state: text(&row["state"]),
            owner: text(&row["owner"]),
            by: text(&row["said_by"]),
            hold: text(&row["hold"]),
        };
        let rows = health["health"].as_array().expect("a list");
        rows.iter().map(|row| (text(&row["name"]), said(row))).collect()
    }

    /// Writes a key, and returns when that is on the node's disk.
    pub fn put_key(&self, key: &str, value: &str) {
        self.send("PUT", &format!("/v1/kv/{key}"), value.as_bytes(), 204);
    }

    /// All keys with their values.
    pub fn keys(&self) -> BTreeMap<String, String> {
        let (mut keys, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let page = self.get(&format!("/v1/kv?limit=1000&values=true{cursor}"));
            let rows = page["keys"].as_array().expect("a list");
            keys.extend(rows.iter().map(|row| (text(&row["name"]), text(&row["value"]))));
            let Some(next) = page["next"].as_str() else { return keys };
            cursor = format!("&cursor={next}");
        }
    }

    /// A metric without labels.
    pub fn metric(&self, name: &str) -> u64 {
        let answer = self.send("GET", "/metrics", b"", 200);
        let all = String::from_utf8_lossy(&answer.body);
        let value = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {all}"))
    }
}

fn exchange(method: &str, path: &str, token: &str, body: &[u8]) -> io::Result<Answer> {
    let addr: SocketAddr = HTTP.parse().expect("it is an address");
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {HTTP}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut read = Vec::new();
    stream.read_to_end(&mut read)?;
    let torn = || io::Error::new(io::ErrorKind::UnexpectedEof, "the answer is torn");
    let end = read.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(torn)?;
    let status = std::str::from_utf8(&read[..end]).ok().and_then(|head| head.get(9..12)?.parse().ok());
    Ok(Answer { status: status.ok_or_else(torn)?, body: read.split_off(end + 4) })
}
