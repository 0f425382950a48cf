//! Probes: carrying out the checks that the protocol asks for.
//!
//! A [`Prober`] carries out one probe: it reads the target, resolves its name behind a deadline ([`resolve`]), lets the
//! [`guard`] judge the addresses, and connects to those that passed and to no others. HTTP without encryption goes over
//! hyper's client connection (`plain`), HTTPS over reqwest (`https`); `http` follows redirects, guarding each. gRPC goes over
//! h2 (`grpc`).
//!
//! The `runner` carries out all probes of a node, so many at once, and keeps what the last of each origin told.
//!
//! An origin answers for what an origin did. Whatever this machine lacked (descriptors, ports, a resolver that answers,
//! a file) is a [`Hindrance`] and tells nothing of the origin.

#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod grpc;
mod grpc_message;
pub mod guard;
mod http;
mod https;
mod local_files;
mod plain;
mod plan;
mod prober;
mod report;
pub mod resolve;
mod runner;
mod tcp;
mod tls;
mod traced;

pub use prober::Prober;
pub use report::{Hindrance, Phases, Report};
pub use runner::{LastProbe, ProbeConfig, ProbeStatus};
pub(crate) use runner::{Places, Runner};
pub(crate) use tls::{client_config, no_authorities};
