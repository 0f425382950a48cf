//! What an earlier run that was killed has left behind: its namespaces with the processes in them, and its folder.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::Trouble;
use super::network::run;

/// What namespaces and folders are called, before the number of the process that made them.
pub const PREFIX: &str = "heck-sim-";

/// The process that made what is called like this.
fn maker(name: &str) -> Option<u32> {
    let number: String = name.strip_prefix(PREFIX)?.chars().take_while(char::is_ascii_digit).collect();
    number.parse().ok()
}

/// Whether what is called like this was left behind by a process that is there no more. Where its number has come to be
/// another one's, it is found another time.
fn is_left(name: &str) -> bool {
    maker(name).is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists())
}

/// Removes all of that, and tells how many namespaces and folders there were.
///
/// # Errors
/// When namespaces cannot be listed or removed.
pub fn remove(folder: &Path) -> Result<usize, Trouble> {
    let list = run(&["ip", "netns", "list"], "")?;
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    let left: Vec<&str> = names.filter(|name| is_left(name)).collect();
    for namespace in &left {
        for process in run(&["ip", "netns", "pids", namespace], "")?.split_whitespace() {
            // They are in a namespace that nobody but that run has put anything into.
            if let Some(process) = process.parse().ok().and_then(Pid::from_raw) {
                let _ = kill_process(process, Signal::KILL);
            }
        }
        run(&["ip", "netns", "delete", namespace], "")?;
    }
    let mut count = left.len();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_left(&entry.file_name().to_string_lossy()) && fs::remove_dir_all(entry.path()).is_ok() {
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_bears_the_number_of_a_process_that_is_gone_is_left_behind() {
        assert_eq!(maker("heck-sim-4711-0-router"), Some(4711));
        assert_eq!([maker("heck-sim-"), maker("heck-4711-0-hub"), maker("web")], [None; 3]);
        assert!(!is_left(&format!("{PREFIX}{}-0-n1", std::process::id())), "this one is alive");
        // No process has a number above the greatest that Linux gives.
        assert!(is_left("heck-sim-4194305-0-n1"));
    }
}
