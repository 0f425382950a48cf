//! The laws of the core, each with the planted bugs that it catches.

mod assignment;
mod claims;
mod clinic;
#[path = "../common/mod.rs"]
mod common;
mod confirmers;
mod deltas;
mod detectors;
mod exhaustive;
mod fences;
mod fleet;
mod freshness;
mod generations;
mod handover;
mod heartbeats;
mod holders;
mod honesty;
mod intervals;
mod join;
mod joining;
mod killers;
mod law;
mod lists;
mod log;
mod membership;
#[path = "../model/mod.rs"]
mod model;
mod outages;
mod owners;
mod repair;
mod schedule;
mod steps;
mod streams;
mod study;
mod verdicts;
