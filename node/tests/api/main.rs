//! The HTTP API over real sockets: a node in a thread, its API beside it, and a client.

#[path = "../common/mod.rs"]
mod common;

mod auth;
mod cancel;
mod dashboard;
mod health;
mod history;
mod hostile;
mod keys;
mod life;
mod limits;
mod messages;
mod metrics;
mod openapi;
#[path = "../common/origin.rs"]
mod origin;
mod origins;
mod seal;
mod served;
mod tls;
