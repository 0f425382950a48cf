//! The processes of a run: each a `heck node` on a host of its own, with a folder that outlives it.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Trouble;
use super::rules::addr_of;

const GOSSIP_PORT: u16 = 7400;
const API_PORT: u16 = 7401;
/// So much of its log is shown when a node has failed.
const LOG_SHOWN: usize = 12;

/// What all nodes of a run are started with.
#[derive(Clone, Debug)]
pub struct Program {
    /// The `heck` that is run.
    pub heck: PathBuf,
    /// The folder of the run, in which each node has one.
    pub folder: PathBuf,
    /// The file with the cluster's key.
    pub keys: PathBuf,
    /// The flags for the settings of the scenario.
    pub flags: Vec<String>,
}

/// One node: a process, or none while it is down.
pub struct Process {
    /// Its number.
    pub node: u32,
    namespace: String,
    child: Option<Child>,
    /// Whether it was told to end by itself.
    may_end: bool,
}

/// Where the API of a node is.
#[must_use]
pub fn api_of(node: u32) -> SocketAddr {
    SocketAddr::from((addr_of(node), API_PORT))
}

impl Program {
    /// Makes a key for the cluster of a run in `folder`.
    ///
    /// # Errors
    /// When the program does not make one, or the folder does not take it.
    pub fn new(heck: &Path, folder: &Path, flags: Vec<String>) -> Result<Self, Trouble> {
        let failed = |error: io::Error| Trouble::Failed(format!("{}: {error}", heck.display()));
        let made = bare(heck, folder).args(["keys", "generate"]).output().map_err(failed)?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(Trouble::Failed(format!("`heck keys generate`: {}", said.trim())));
        }
        let keys = folder.join("keys");
        fs::write(&keys, made.stdout).map_err(failed)?;
        Ok(Self { heck: heck.to_owned(), folder: folder.to_owned(), keys, flags })
    }

    fn data(&self, node: u32) -> PathBuf {
        self.folder.join(format!("node-{node}"))
    }

    fn log(&self, node: u32) -> PathBuf {
        self.folder.join(format!("node-{node}.log"))
    }

    /// The token of a node's API, once it has started.
    #[must_use]
    pub fn token(&self, node: u32) -> Option<String> {
        let token = fs::read_to_string(self.data(node).join("api-token")).ok()?;
        Some(token.trim().to_owned())
    }

    /// The last lines that a node logged.
    #[must_use]
    pub fn last_words(&self, node: u32) -> String {
        let log = fs::read_to_string(self.log(node)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_SHOWN)..].join("\n")
    }

    /// Takes the disk of a node that is down.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub fn lose_disk(&self, node: u32) -> Result<(), Trouble> {
        let data = self.data(node);
        fs::remove_dir_all(&data).map_err(|error| Trouble::Failed(format!("{}: {error}", data.display())))
    }
}

/// The program with no setting from outside of the run, and out of reach of the terminal's signals.
fn bare(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HECK_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).stdin(Stdio::null()).process_group(0);
    command
}

impl Process {
    /// A node that is down, on the host of this namespace.
    #[must_use]
    pub const fn new(node: u32, namespace: String) -> Self {
        Self { node, namespace, child: None, may_end: false }
    }

    /// Whether it runs, as far as anybody here has ended it.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// Starts it, with what its disk holds, to join through these nodes. Nothing happens to one that runs.
    ///
    /// # Errors
    /// When the system starts no process.
    pub fn start(&mut self, program: &Program, name: &str, through: &[u32]) -> Result<(), Trouble> {
        if self.is_up() {
            return Ok(());
        }
        let failed = |error: io::Error| Trouble::Failed(format!("{name}: {error}"));
        let log = program.log(self.node);
        let log = File::options().append(true).create(true).open(log).map_err(failed)?;
        let mut command = bare(Path::new("ip"), &program.folder);
        command.args(["netns", "exec", &self.namespace]).arg(&program.heck).arg("node");
        command.arg(format!("--name={name}"));
        command.arg(format!("--data-dir={}", program.data(self.node).display()));
        command.arg(format!("--bind={}:{GOSSIP_PORT}", addr_of(self.node)));
        command.arg(format!("--http={}", api_of(self.node)));
        command.arg(format!("--key-file={}", program.keys.display()));
        command.args(through.iter().map(|&peer| format!("--join={}:{GOSSIP_PORT}", addr_of(peer))));
        command.args(&program.flags).stdout(Stdio::null()).stderr(log);
        (self.child, self.may_end) = (Some(command.spawn().map_err(failed)?), false);
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            // One that has ended by itself meanwhile is found out elsewhere.
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }

    /// Lets it stand still.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it at once, as a crash does. Tells whether it ran.
    pub fn kill(&mut self) -> bool {
        let Some(mut child) = self.child.take() else { return false };
        let _ = child.kill();
        let _ = child.wait();
        true
    }

    /// It is told to leave, and will end by itself.
    pub const fn may_end(&mut self) {
        self.may_end = true;
    }

    /// Whether it has ended although nobody here ended it.
    pub fn has_failed(&mut self) -> bool {
        !self.may_end
            && self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_some()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
