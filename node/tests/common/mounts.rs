//! File systems that one test's processes alone see.

use crate::common::heck::{Heck, command_through};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// When set to 1, a machine on which a process may not have file systems of its own fails the tests instead of skipping
/// them.
const REQUIRED: &str = "HECK_REQUIRE_NAMESPACES";

/// File systems of their own, for as long as this is there: nothing of them is left when it ends, however it does.
pub struct Mounts {
    holder: Child,
}

impl Mounts {
    /// Runs the script, which mounts what it wants, and keeps what it has made. None where that is not possible and need
    /// not be.
    pub fn new(script: &str) -> Option<Self> {
        let mut unshare = Command::new("unshare");
        // Whoever holds the other end of its input is the test: it ends with that.
        unshare.args(["--mount", "sh", "-ec", &format!("{script}\necho made\ncat > /dev/null")]);
        let holder = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let complaint = match holder {
            Err(error) => error.to_string(),
            Ok(mut holder) => {
                let mut made = [0; 5];
                let is_made = holder.stdout.as_mut().is_some_and(|out| out.read_exact(&mut made).is_ok())
                    && made == *b"made\n";
                if is_made {
                    return Some(Self { holder });
                }
                holder.wait_with_output().map_or_else(
                    |error| error.to_string(),
                    |ended| String::from_utf8_lossy(&ended.stderr).into_owned(),
                )
            }
        };
        let what = format!("a process may not have file systems of its own here: {complaint}");
        assert!(std::env::var_os(REQUIRED).is_none_or(|value| value != "1"), "{what}, and {REQUIRED} is 1");
        eprintln!("skipped: {what}");
        None
    }

    /// `heck` with these arguments, in these file systems. Paths among the arguments have to be whole.
    pub fn spawn(&self, args: &[&str]) -> Heck {
        let inside = format!("--mount=/proc/{}/ns/mnt", self.holder.id());
        Heck::spawn(&mut command_through(&["nsenter", &inside, "--"], Path::new("/"), args))
    }

    /// Where a path of these file systems is for the test.
    pub fn path(&self, inside: &Path) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        Path::new(&root).join(inside.strip_prefix("/").unwrap_or(inside))
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        // One that has ended already is what was wanted.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
