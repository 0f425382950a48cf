//! Changes of state that wait to be told: bounded, the oldest go first when there are too many.

use crate::probe::resolve::BreakerState;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Changes that wait at most.
const LIMIT: usize = 4_096;

/// A change that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Waiting {
    pub id: String,
    pub body: String,
    pub queued: Instant,
}

#[derive(Debug)]
struct Held {
    waiting: VecDeque<Waiting>,
    /// Whether one is with the sender.
    is_one_out: bool,
    breaker: BreakerState,
}

/// What waits, and how the sender does.
#[derive(Debug)]
pub(crate) struct Queue {
    held: Mutex<Held>,
    pushed: Notify,
    emptied: Notify,
}

impl Default for Queue {
    fn default() -> Self {
        let held = Held { waiting: VecDeque::new(), is_one_out: false, breaker: BreakerState::Closed };
        Self { held: Mutex::new(held), pushed: Notify::new(), emptied: Notify::new() }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing panics while the lock is held, and what it guards is whole at any time.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a change; says whether another had to go for it.
    pub(super) fn push(&self, waiting: Waiting) -> bool {
        let mut held = self.lock();
        held.waiting.push_back(waiting);
        let is_over = held.waiting.len() > LIMIT;
        if is_over {
            held.waiting.pop_front();
        }
        drop(held);
        self.pushed.notify_one();
        is_over
    }

    /// The next change, once there is one. It counts as waiting until [`done`](Self::done) is called.
    pub(super) async fn next(&self) -> Waiting {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.pushed.notified().await;
        }
    }

    fn take(&self) -> Option<Waiting> {
        let mut held = self.lock();
        let next = held.waiting.pop_front();
        held.is_one_out = next.is_some();
        next
    }

    /// The change that the sender had is told, or given up.
    pub(super) fn done(&self) {
        self.lock().is_one_out = false;
        self.emptied.notify_waiters();
    }

    /// Notes how the sender does.
    pub(super) fn set_breaker(&self, breaker: BreakerState) {
        self.lock().breaker = breaker;
    }

    /// How the sender does.
    pub(crate) fn breaker(&self) -> BreakerState {
        self.lock().breaker
    }

    /// How many changes wait, the one that is under way included.
    pub(crate) fn waiting(&self) -> usize {
        let held = self.lock();
        held.waiting.len() + usize::from(held.is_one_out)
    }

    /// Waits until nothing waits.
    pub(super) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.waiting() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(number: usize) -> Waiting {
        Waiting { id: number.to_string(), body: String::new(), queued: Instant::now() }
    }

    #[tokio::test]
    async fn the_oldest_go_when_there_are_too_many_and_the_rest_keep_their_order() {
        let queue = Queue::default();
        let dropped = (0..LIMIT + 3).filter(|number| queue.push(change(*number))).count();
        assert_eq!((dropped, queue.waiting()), (3, LIMIT));
        for number in 3..6 {
            assert_eq!(queue.next().await.id, number.to_string());
        }
        assert_eq!(queue.waiting(), LIMIT - 3 + 1, "one is with the sender");
    }

    #[tokio::test]
    async fn a_queue_is_empty_once_the_last_is_told() {
        let queue = Queue::default();
        queue.emptied().await;
        queue.push(change(1));
        let _ = queue.next().await;
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), queue.emptied()).await;
        assert!(early.is_err());
        let (_, ()) = tokio::join!(queue.emptied(), async { queue.done() });
        assert_eq!(queue.waiting(), 0);
    }
}
