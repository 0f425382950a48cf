//! The built program `heck` as a real process.

use super::{PATIENCE, until};
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How a process ended, and all that it wrote.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

/// A process that runs; killed when dropped.
pub struct Heck {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    seen_out: String,
    seen_err: String,
}

/// `heck` with these arguments in this folder, with no setting from outside of the test, and on ports of the system's
/// choice unless the arguments say otherwise.
pub fn command(folder: &Path, args: &[&str]) -> Command {
    command_through(&[], folder, args)
}

/// The same, started by another program that turns into it.
pub fn command_through(launcher: &[&str], folder: &Path, args: &[&str]) -> Command {
    let mut words = launcher.iter().copied().chain([env!("CARGO_BIN_EXE_heck")]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    let is_setting =
        |name: &str| ["HECK_", "OTEL_", "TRACEPARENT"].iter().any(|start| name.starts_with(start));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command.env("HECK_BIND", "127.0.0.1:0").env("HECK_HTTP", "127.0.0.1:0");
    command.args(args).current_dir(folder);
    command
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Ended {
    let start = Instant::now();
    let mut process = Heck::spawn(&mut command);
    let status = process.status();
    process.end(status, start.elapsed())
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Heck {
    /// Starts a command.
    pub fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let out = lines(child.stdout.take().expect("it is piped"));
        let err = lines(child.stderr.take().expect("it is piped"));
        Self { child, out, err, seen_out: String::new(), seen_err: String::new() }
    }

    /// Waits for a line of standard output that has this in it.
    pub fn says(&mut self, part: &str) -> String {
        find(&self.out, &mut self.seen_out, part).unwrap_or_else(|| {
            let err = self.logged().to_owned();
            panic!("never said {part:?}; said {:?}, {err:?}", self.seen_out)
        })
    }

    /// Waits for a line of the log that has this in it.
    pub fn logs(&mut self, part: &str) -> String {
        find(&self.err, &mut self.seen_err, part)
            .unwrap_or_else(|| panic!("never logged {part:?}; logged {:?}", self.seen_err))
    }

    /// All that it has logged so far.
    pub fn logged(&mut self) -> &str {
        self.seen_err.extend(self.err.try_iter().flat_map(|line| [line, "\n".to_owned()]));
        &self.seen_err
    }

    /// The address at which gossip arrives.
    pub fn gossip(&mut self) -> String {
        let line = self.says("gossip");
        line.split_whitespace().nth(1).expect("an address follows").to_owned()
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        let start = Instant::now();
        let status = self.status();
        self.end(status, start.elapsed())
    }

    /// Ends it at once, as a crash does.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    fn status(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end; {:?}", self.logged());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(&mut self, status: ExitStatus, took: Duration) -> Ended {
        let rest = |lines: &Receiver<String>, seen: &mut String| {
            seen.extend(lines.iter().flat_map(|line| [line, "\n".to_owned()]));
            std::mem::take(seen)
        };
        let out = rest(&self.out, &mut self.seen_out);
        let err = rest(&self.err, &mut self.seen_err);
        Ended { code: status.code(), out, err, took }
    }
}

fn find(lines: &Receiver<String>, seen: &mut String, part: &str) -> Option<String> {
    let start = Instant::now();
    loop {
        let line = lines.recv_timeout(PATIENCE.saturating_sub(start.elapsed())).ok()?;
        seen.push_str(&line);
        seen.push('\n');
        if line.contains(part) {
            return Some(line);
        }
    }
}

impl Drop for Heck {
    fn drop(&mut self) {
        // One that has ended already is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the API of a node answered: status and body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// A way to ask the API of a node.
#[derive(Clone, Debug)]
pub struct Api {
    addr: String,
    token: String,
}

impl Heck {
    /// Its API, with the token of its data folder.
    pub fn api(&mut self, data_dir: &Path) -> Api {
        let line = self.says("  api ");
        let addr = line.split("http://").nth(1).expect("it speaks HTTP").to_owned();
        let token = fs::read_to_string(data_dir.join("api-token")).expect("it has a token");
        Api { addr, token: token.trim().to_owned() }
    }
}

impl Api {
    /// Where it is: host and port.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// Asks once; none when no whole answer came.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        self.ask_with("", method, path, body)
    }

    /// The same with further headers, each with the end of its line.
    pub fn ask_with(&self, headers: &str, method: &str, path: &str, body: &str) -> Option<Answer> {
        self.ask_for(PATIENCE, headers, method, path, body)
    }

    /// The same, and waits no longer than this for each part of the answer.
    pub fn ask_for(
        &self,
        patience: Duration,
        headers: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> Option<Answer> {
        let mut connection = TcpStream::connect(&self.addr).ok()?;
        connection.set_read_timeout(Some(patience)).ok()?;
        let Self { addr, token } = self;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n{headers}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, body: body.to_owned() })
    }

    /// Asks until the node serves, for it may only have begun to.
    pub fn until_ready(&self) {
        let ready = || self.ask("GET", "/readyz", "").map(|answer| answer.status);
        until("the node is ready", ready, |status| *status == Some(200));
    }
}
