//! Processes of their own, so that what each uses is told apart.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// A running process, which ends when this is dropped.
pub struct Process {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts a program with as many descriptors as the system lets it have, and waits for its first line if it is to
    /// say one.
    pub fn start(program: &str, arguments: &[String], says: bool) -> io::Result<(Self, String)> {
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\"", program])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(if says { Stdio::piped() } else { Stdio::null() })
            .stderr(if says { Stdio::inherit() } else { Stdio::null() })
            .spawn()?;
        let out = child.stdout.take();
        // From here on it is ended whatever happens.
        let process = Self { child, said: Arc::default() };
        let mut line = String::new();
        if let Some(out) = out {
            let mut out = BufReader::new(out);
            out.read_line(&mut line)?;
            let said = process.said.clone();
            std::thread::spawn(move || {
                for line in out.lines().map_while(Result::ok) {
                    said.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
        Ok((process, line.trim().to_owned()))
    }

    /// What it has said after its first line.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts this program again with other arguments.
    pub fn start_self(arguments: &[String]) -> io::Result<(Self, String)> {
        let program = std::env::current_exe()?;
        Self::start(&program.to_string_lossy(), arguments, true)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
