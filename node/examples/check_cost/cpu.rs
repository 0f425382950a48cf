//! What a process has used, as Linux says.

use std::fs;

/// Clock ticks a second in `/proc`: fixed by Linux's interface on all usual machines.
const TICKS_PER_S: f64 = 100.0;

/// CPU seconds that a process has used, in user and in kernel mode.
pub fn cpu_s(pid: u32) -> Option<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program may contain anything; fields count from behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok().map(|ticks| ticks / TICKS_PER_S);
    Some((ticks(11)?, ticks(12)?))
}

/// How many TCP connections all processes of this machine have begun to open.
pub fn opened() -> Option<u64> {
    let snmp = fs::read_to_string("/proc/net/snmp").ok()?;
    let values = snmp.lines().filter(|line| line.starts_with("Tcp:")).nth(1)?;
    values.split_whitespace().nth(5)?.parse().ok()
}

/// Resident memory of a process, in MB.
pub fn resident_mb(pid: u32) -> Option<f64> {
    memory_mb(pid, "VmRSS:")
}

/// What of it is the process's own, and not the file of its program.
pub fn anonymous_mb(pid: u32) -> Option<f64> {
    memory_mb(pid, "RssAnon:")
}

fn memory_mb(pid: u32, kind: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(kind))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kb| kb / 1_000.0)
}
