//! Signals that ask a node to stop, or to read its origins again.

use std::io;
use std::process;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Takes over the two signals; from now on they end nothing by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them and gives its name.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Calls this at each SIGHUP.
    pub(super) fn at_hangup(call: impl Fn() + Send + 'static) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                call();
            }
        });
        Ok(())
    }

    /// Ends the process at the next one.
    pub(super) fn end_at_next(mut self) {
        tokio::spawn(async move {
            self.next().await;
            super::complain("asked twice to stop: ending at once");
            process::exit(super::Exit::Unhealthy as i32);
        });
    }
}
