//! Being told to stop: SIGINT and SIGTERM end a run, after all that it began is taken down.

use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Trouble;

/// Tells whether to stop. From the first one on, signals no longer end the process by themselves.
#[derive(Clone, Debug)]
pub struct Stop {
    is_due: watch::Receiver<bool>,
}

impl Stop {
    /// Listens to the signals of this process.
    ///
    /// # Errors
    /// When the system lends no signals.
    pub fn listen() -> Result<Self, Trouble> {
        let failed = |error| Trouble::Failed(format!("the system lends no signals: {error}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (sender, is_due) = watch::channel(false);
        let listen = || Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?));
        let (mut interrupt, mut terminate) = runtime.block_on(async { listen() }).map_err(failed)?;
        let wait = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = sender.closed() => {}
            }
            sender.send_replace(true);
            // Whoever asks later has to find it out as well.
            sender.closed().await;
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(wait))
            .map_err(failed)?;
        Ok(Self { is_due })
    }

    /// Goes on unless it is time to stop.
    ///
    /// # Errors
    /// When it is.
    pub fn check(&self) -> Result<(), Trouble> {
        if *self.is_due.borrow() { Err(Trouble::Interrupted) } else { Ok(()) }
    }

    /// Waits until it is time to stop.
    pub async fn due(&self) {
        let mut is_due = self.is_due.clone();
        // Without anybody to say so it never is.
        if is_due.wait_for(|is_due| *is_due).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
