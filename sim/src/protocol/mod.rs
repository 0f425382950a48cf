//! Protocols that run in the engine: heck's own node, the systems of the talk and other projects that it is compared
//! with, and a toy.

pub mod baseline;
pub mod bimodal;
pub mod broadcast_kv;
pub mod bytes;
pub mod central_broker;
pub mod heck;
pub mod judge;
pub mod naive_checks;
pub mod ping;
pub mod push_pull;
pub mod responsibility_graph;
pub mod roshi;
pub mod scuttlebutt;
pub mod total_order;
