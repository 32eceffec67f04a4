//! The decisions of Failopen, and nothing else.
//!
//! State in, decision out. Nothing here reads a clock, an environment variable, a file or a socket: `now` and everything
//! observed are arguments, so that every rule can be tested as a table. The functions around it (`provision`, `react`,
//! `flip`) observe, ask this crate what to do, check the answer and apply it.

pub mod alarm;
pub mod amend;
pub mod answer;
pub mod commands;
pub mod decide;
pub mod decision;
pub mod document;
pub mod drift;
pub mod failure;
pub mod finding;
pub mod flip;
pub mod forwarding;
pub mod handshake;
pub mod health_check;
pub mod health_probe;
pub mod id;
pub mod inability;
pub mod lead;
pub mod ledger;
mod letters;
pub mod limits;
pub mod mark;
pub mod notice;
pub mod observe;
pub mod plan;
pub mod port;
pub mod posture;
pub mod preflight;
pub mod probe;
pub mod properties;
pub mod quote;
pub mod reach;
pub mod records;
pub mod resolution;
pub mod response_url;
pub mod rows;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod sample_cloud;
pub mod secret;
pub mod spec;
pub mod tombstone;
mod watch;
pub mod wiring;
