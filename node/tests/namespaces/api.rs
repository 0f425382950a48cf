//! A client of a node's API, on the node's own host.

use crate::common::heck::{Answer, Api as Client};
use crate::network::Host;
use serde_json::Value;
use std::collections::BTreeMap;

/// One node's API, which it serves on its own host alone.
#[derive(Clone, Debug)]
pub struct Api {
    pub node: String,
    pub host: Host,
    pub client: Client,
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
    /// Sends a request, whose answer has to have this status.
    pub fn send(&self, method: &str, path: &str, body: &str, status: u16) -> Answer {
        let answer = self.host.inside(|| self.client.ask(method, path, body));
        let answer = answer.unwrap_or_else(|| panic!("{method} {path} of {} was not answered", self.node));
        assert_eq!(answer.status, status, "{method} {path} of {}: {}", self.node, answer.body);
        answer
    }

    pub fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, "", 200);
        serde_json::from_str(&answer.body).expect("the API answers in JSON")
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
        self.send("PUT", &format!("/v1/kv/{key}"), value, 204);
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
        let all = self.send("GET", "/metrics", "", 200).body;
        let value = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {all}"))
    }
}
