//! Programs of other projects, which a machine may not have.

use std::env;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// Where a program is; none, with a line that says so, where it is missing. HECK_REQUIRE_PEERS demands them all.
pub fn find(program: &str, package: &str) -> Option<PathBuf> {
    let variable = format!("HECK_PEER_{}", program.to_uppercase());
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = env::var_os(&variable)
        .map(PathBuf::from)
        .or_else(|| folders.map(|folder| folder.join(program)).find(|path| path.is_file()));
    if found.is_none() {
        let what = format!("the program `{program}` is missing ({package}; {variable} may name it)");
        assert!(env::var_os("HECK_REQUIRE_PEERS").is_none(), "{what}");
        eprintln!("{what}: what it makes of heck's output is not tested");
    }
    found
}

/// A process that ends when this is dropped. What it writes is in a file.
pub struct Peer {
    child: Child,
    log: PathBuf,
}

impl Peer {
    /// Starts a program in a folder.
    pub fn start(program: &Path, args: &[&str], folder: &Path) -> Self {
        let log = folder.join("peer.log");
        let file = std::fs::File::create(&log).expect("a log");
        let err = file.try_clone().expect("a second handle");
        let mut command = Command::new(program);
        command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(file).stderr(err);
        Self { child: command.spawn().expect("the program starts"), log }
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        let mut text = String::new();
        let read = std::fs::File::open(&self.log).and_then(|mut file| file.read_to_string(&mut text));
        read.map_or_else(|error| error.to_string(), |_| text)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of loopback for a program that cannot choose one and tell: one that is free, and that the system gives to
/// nobody who asks for any.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 100) as u16 * 100;
    let ports = std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::SeqCst) % 100);
    ports
        .take(100)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("loopback has free ports")
}

/// What a program on loopback answers to a GET, head and body; what went wrong while it does not answer. Envoy takes
/// nothing below HTTP/1.1.
pub fn get(port: u16, path: &str) -> String {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(|_| String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = ask().unwrap_or_else(|error: std::io::Error| error.to_string());
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.to_lowercase().contains("transfer-encoding: chunked") => {
            format!("{head}\r\n\r\n{}", joined(body))
        }
        _ => answer,
    }
}

/// A body without the lengths of its chunks.
fn joined(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let Some((chunk, rest)) =
            usize::from_str_radix(length, 16).ok().and_then(|length| rest.split_at_checked(length))
        else {
            break;
        };
        whole.push_str(chunk);
        body = rest.strip_prefix("\r\n").unwrap_or(rest);
    }
    whole
}
