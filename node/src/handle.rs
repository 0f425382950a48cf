//! What the rest of the program holds of a running node.

use crate::counters::Counters;
use crate::error::{CommandError, NodeError};
use crate::journal::{DiskWatch, Recovery};
use crate::probe::resolve::Resolver;
use crate::probe::{Hindrance, LastProbe, Places, ProbeStatus, Report};
use crate::trace::{Tracer, Write, noted};
use heck_core::effects::{Event, Refusal};
use heck_core::id::{Boot, Dot, Name};
use heck_core::input::Command;
use heck_core::node::View;
use heck_core::time::Time;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// The answer to a command.
pub(crate) type Answer = oneshot::Sender<Result<Option<Dot>, Refusal>>;
/// How a node's task ended, once it has.
pub(crate) type Ended = Option<Result<(), NodeError>>;

/// Looks at the node, and decides on a command or on none.
pub(crate) type Decide = Box<dyn FnOnce(View<'_>, Time) -> Option<Command> + Send>;

/// What a handle asks of the node's task that may write.
pub(crate) enum Request {
    /// Carry this out.
    Command { command: Command, answer: Answer },
    /// Carry out what this decides on, if anything.
    Decide { decide: Decide, answer: Answer },
}

/// What a handle asks of the node's task that writes nothing: it is heard also while the disk is behind.
pub(crate) enum Look {
    /// Let this look at the node.
    View(Box<dyn FnOnce(View<'_>, Time) + Send>),
    /// Answer once everything that is written so far is on disk.
    Synced(oneshot::Sender<()>),
    /// Sync what is written and stop.
    Stop,
}

/// Where a handle's wishes go.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) looks: mpsc::Sender<Look>,
}

/// A running node. Clones are handles to the same node, which stops when the last of them is gone.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    addr: SocketAddr,
    boot: Boot,
    recovery: Arc<Recovery>,
    wishes: Wishes,
    events: broadcast::WeakSender<Event>,
    ended: watch::Receiver<Ended>,
    observed: Observed,
}

/// What can be read of a node without asking its task.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) counters: Arc<Counters>,
    pub(crate) probes: Arc<Places>,
    pub(crate) disk: DiskWatch,
    pub(crate) is_mute: Arc<AtomicBool>,
    /// None where nobody is told of traces.
    pub(crate) tracer: Option<Tracer>,
}

impl NodeHandle {
    pub(crate) fn new(
        addr: SocketAddr,
        boot: Boot,
        recovery: Recovery,
        wishes: Wishes,
        events: &broadcast::Sender<Event>,
        ended: watch::Receiver<Ended>,
        observed: Observed,
    ) -> Self {
        let (recovery, events) = (Arc::new(recovery), events.downgrade());
        Self { addr, boot, recovery, wishes, events, ended, observed }
    }

    /// The address that the node is bound to, for datagrams and for streams.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The life that the node began with. It takes a higher one when it hears that this one was used before.
    #[must_use]
    pub const fn boot(&self) -> Boot {
        self.boot
    }

    /// What was found of an earlier life.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// What the node has counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.observed.counters
    }

    /// What the last probe of an origin by this node told; none when this node has not probed it for long. Whether it
    /// still checks the origin is up to [`View::check`].
    #[must_use]
    pub fn last_probe(&self, origin: &Name) -> Option<LastProbe> {
        self.observed.probes.last(origin)
    }

    /// Probes a target once, beside the checks of the node and without telling the protocol.
    ///
    /// # Errors
    /// When nothing was told of the target, with what hindered the node.
    pub(crate) async fn probe(
        &self,
        target: &str,
        timeout: Duration,
    ) -> Result<Report, (Hindrance, Box<str>)> {
        self.observed.probes.once(target, timeout).await
    }

    /// The resolver of the node's probes.
    pub(crate) fn resolver(&self) -> Resolver {
        self.observed.probes.resolver().clone()
    }

    /// The node's traces, if anyone is told of them.
    pub(crate) const fn tracer(&self) -> Option<&Tracer> {
        self.observed.tracer.as_ref()
    }

    /// How the node's disk does.
    pub(crate) const fn disk(&self) -> &DiskWatch {
        &self.observed.disk
    }

    /// Whether peers hear nothing of the node: it has begun a new life, and the disk does not take its name.
    #[must_use]
    pub fn is_mute(&self) -> bool {
        self.observed.is_mute.load(Ordering::Relaxed)
    }

    /// How the node's probes do.
    #[must_use]
    pub fn probe_status(&self) -> ProbeStatus {
        self.observed.probes.status()
    }

    /// Carries out a command. A write that is answered is on the local disk; the dot is that of the entry it
    /// made, none when nothing had to change. Dropping the future does not take the command back.
    ///
    /// # Errors
    /// When the node refuses, and nothing changed; or when it stops first.
    pub async fn command(&self, command: Command) -> Result<Option<Dot>, CommandError> {
        let write = Write::begin(self.tracer());
        let command = noted(write.as_ref().map(Write::context), command);
        let result = self.carry_out(command).await;
        if let Some(write) = write {
            write.end(&result);
        }
        result
    }

    async fn carry_out(&self, command: Command) -> Result<Option<Dot>, CommandError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Command { command, answer };
        self.wishes.requests.send(request).await.map_err(|_| CommandError::Stopped)?;
        answered.await.map_err(|_| CommandError::Stopped)?.map_err(CommandError::Refused)
    }

    /// Lets `decide` look at the node's state, and carries out the command that it decides on before anything else
    /// happens to the node: what a write depends on cannot change in between. Otherwise as
    /// [`command`](Self::command). What other nodes write at the same time is unknown here, as always.
    ///
    /// # Errors
    /// As [`command`](Self::command). Inside, what `decide` said against it; nothing changed then.
    pub async fn decide<E: Send + 'static>(
        &self,
        decide: impl FnOnce(View<'_>, Time) -> Result<Command, E> + Send + 'static,
    ) -> Result<Result<Option<Dot>, E>, CommandError> {
        let write = Write::begin(self.tracer());
        let context = write.as_ref().map(Write::context);
        let decide = move |view: View<'_>, now| decide(view, now).map(|command| noted(context, command));
        let result = self.carry_out_decision(decide).await;
        match (write, &result) {
            (Some(write), Ok(Ok(dot))) => write.end(&Ok(*dot)),
            (Some(write), Err(error)) => write.end(&Err(error.clone())),
            (Some(write), Ok(Err(_))) => write.forget(),
            (None, _) => {}
        }
        result
    }

    async fn carry_out_decision<E: Send + 'static>(
        &self,
        decide: impl FnOnce(View<'_>, Time) -> Result<Command, E> + Send + 'static,
    ) -> Result<Result<Option<Dot>, E>, CommandError> {
        let (answer, answered) = oneshot::channel();
        let (objection, mut objected) = oneshot::channel();
        let decide = Box::new(move |view: View<'_>, now| match decide(view, now) {
            Ok(command) => Some(command),
            Err(reason) => {
                // Whoever asked may have stopped waiting.
                let _ = objection.send(reason);
                None
            }
        });
        self.wishes
            .requests
            .send(Request::Decide { decide, answer })
            .await
            .map_err(|_| CommandError::Stopped)?;
        match answered.await {
            Ok(answer) => answer.map(Ok).map_err(CommandError::Refused),
            Err(_) => objected.try_recv().map(Err).map_err(|_| CommandError::Stopped),
        }
    }

    /// Lets `look` read the node's state, on the node's own task and between two of its steps: it should be
    /// brief. It also gets the node's time, which the ages of answers refer to.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn view<R: Send + 'static>(
        &self,
        look: impl FnOnce(View<'_>, Time) -> R + Send + 'static,
    ) -> Result<R, NodeError> {
        let (answer, answered) = oneshot::channel();
        let request = Look::View(Box::new(move |view, now| {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(look(view, now));
        }));
        self.wishes.looks.send(request).await.map_err(|_| NodeError::Gone)?;
        answered.await.map_err(|_| NodeError::Gone)
    }

    /// Waits until everything that the node has written by now is on its disk, what a [`view`](Self::view) has shown
    /// before included.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn synced(&self) -> Result<(), NodeError> {
        let (answer, answered) = oneshot::channel();
        self.wishes.looks.send(Look::Synced(answer)).await.map_err(|_| NodeError::Gone)?;
        answered.await.map_err(|_| NodeError::Gone)
    }

    /// Everything that happens to the node from now on, the answers to commands left out.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        // When the node has stopped there is nothing to hear: a channel without a sender says so.
        let receiver = match self.events.upgrade() {
            Some(events) => events.subscribe(),
            None => broadcast::channel(1).1,
        };
        Events { receiver }
    }

    /// Releases what the node holds, gives the news `grace` to spread, a few repair intervals say, and stops.
    ///
    /// # Errors
    /// When the node stopped for another reason.
    pub async fn leave(&self, grace: Duration) -> Result<(), NodeError> {
        if self.command(Command::Leave).await.is_ok() {
            tokio::time::sleep(grace).await;
        }
        self.shutdown().await
    }

    /// Syncs what is written and stops, without a word to the peers: for a restart.
    ///
    /// # Errors
    /// When the node stopped for another reason.
    pub async fn shutdown(&self) -> Result<(), NodeError> {
        // A node that is gone already is what was asked for, or `stopped` tells why.
        let _ = self.wishes.looks.send(Look::Stop).await;
        self.stopped().await
    }

    /// Waits until the node has stopped.
    ///
    /// # Errors
    /// When it was not asked to.
    pub async fn stopped(&self) -> Result<(), NodeError> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(Err(NodeError::Gone)),
            Err(_) => Err(NodeError::Gone),
        }
    }
}

/// The events of a node, in the order in which they happened.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Event>,
}

/// A subscriber was too slow: so many events were dropped before the next one that it hears. What they said can
/// be read from the node's state, except for messages that have expired since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missed(pub u64);

impl Events {
    /// Waits for the next event; none when the node has stopped.
    ///
    /// # Errors
    /// When events were dropped because they were not asked for in time.
    pub async fn next(&mut self) -> Result<Option<Event>, Missed> {
        match self.receiver.recv().await {
            Ok(event) => Ok(Some(event)),
            Err(broadcast::error::RecvError::Closed) => Ok(None),
            Err(broadcast::error::RecvError::Lagged(count)) => Err(Missed(count)),
        }
    }

    /// The next event that has happened already, as [`Events::next`] has it; none when there is none yet.
    pub(crate) fn try_next(&mut self) -> Option<Result<Option<Event>, Missed>> {
        match self.receiver.try_recv() {
            Ok(event) => Some(Ok(Some(event))),
            Err(broadcast::error::TryRecvError::Closed) => Some(Ok(None)),
            Err(broadcast::error::TryRecvError::Lagged(count)) => Some(Err(Missed(count))),
            Err(broadcast::error::TryRecvError::Empty) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heck_core::effects::Phase;

    #[tokio::test]
    async fn all_that_has_happened_is_there_at_once_however_much_it_is() {
        // One task may take 128 things from tokio's channels before it has to let others run.
        let (sender, receiver) = broadcast::channel(1_024);
        let mut events = Events { receiver };
        for _ in 0..1_000 {
            sender.send(Event::Phase(Phase::Serving)).unwrap();
        }
        let count = std::iter::from_fn(|| events.try_next()).take_while(Result::is_ok).count();
        assert_eq!(count, 1_000);
        drop(sender);
        assert_eq!(events.try_next(), Some(Ok(None)));
    }
}
