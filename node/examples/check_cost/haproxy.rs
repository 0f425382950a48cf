//! The same checks by HAProxy, where it is installed.

use crate::checker::Work;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether it is installed.
pub fn is_there() -> bool {
    let asked = Command::new("haproxy").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Writes a configuration for one thread that makes these checks, and the arguments that start it.
pub fn configure(work: &Work, dir: &Path) -> io::Result<Vec<String>> {
    let seconds = work.interval.as_millis();
    let mut text =
        String::from("global\n maxconn 200\n nbthread 1\n spread-checks 0\ndefaults\n mode http\n");
    text.push_str(" timeout connect 2s\n timeout server 2s\n timeout client 2s\n timeout check 2s\n");
    // It refuses to start without a way in; nobody uses this one.
    let socket = dir.join("unused.sock");
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "frontend unused\n bind unix@{}\n default_backend checked\nbackend checked",
        socket.display()
    );
    if work.kind == "http" {
        text.push_str(" option httpchk\n http-check connect\n http-check send meth GET uri /health ver HTTP/1.1 hdr Host a hdr Connection close\n");
    }
    for origin in 0..work.origins {
        let _ = writeln!(text, " server s{origin} {} check inter {seconds}ms", work.addr(origin));
    }
    let path = dir.join("haproxy.cfg");
    std::fs::write(&path, text)?;
    Ok(vec!["-db".into(), "-f".into(), path.to_string_lossy().into_owned()])
}
