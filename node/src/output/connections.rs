//! Connections of an output: so many at once, and a task for each.

use super::Outlook;
use crate::counters::Count;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long to wait when the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(100);

/// How many connections there may be, and what counts those beyond, which are closed.
pub(super) struct Bound {
    pub most: usize,
    pub turned_away: Count,
}

/// Lets every connection have its conversation, until the task is ended.
pub(super) async fn serve<Conversation: Future<Output = ()> + Send + 'static>(
    listener: StdListener,
    bound: Bound,
    outlook: Arc<Outlook>,
    converse: impl Fn(TcpStream, Arc<Outlook>) -> Conversation,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let places = Arc::new(Semaphore::new(bound.most));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            // Without file descriptors every attempt fails at once.
            sleep(NO_ROOM).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            outlook.node.counters().bump(bound.turned_away);
            continue;
        };
        let conversation = converse(stream, outlook.clone());
        connections.spawn(async move {
            conversation.await;
            drop(place);
        });
    }
}
