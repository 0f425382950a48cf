//! The built program `heck` as a real process.

use super::PATIENCE;
use std::io::{BufRead as _, BufReader, Read};
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_heck"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HECK_")) {
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
            let err = self.all_err().to_owned();
            panic!("never said {part:?}; said {:?}, {err:?}", self.seen_out)
        })
    }

    /// Waits for a line of the log that has this in it.
    pub fn logs(&mut self, part: &str) -> String {
        find(&self.err, &mut self.seen_err, part)
            .unwrap_or_else(|| panic!("never logged {part:?}; logged {:?}", self.seen_err))
    }

    fn all_err(&mut self) -> &str {
        self.seen_err.extend(self.err.try_iter().flat_map(|line| [line, "\n".to_owned()]));
        &self.seen_err
    }

    /// The address at which gossip arrives.
    pub fn gossip(&mut self) -> String {
        let line = self.says("gossip");
        line.split_whitespace().nth(1).expect("an address follows").to_owned()
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
            assert!(start.elapsed() < PATIENCE, "it does not end; {:?}", self.all_err());
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
