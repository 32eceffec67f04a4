//! provision: the custom resource `Custom::FailOpenProtection`, and the plan of what it would do.
//!
//! Every request walks observe → judge → apply → respond (`handler.rs`). What is judged is in `failopen::preflight`, what
//! is written where is in `failopen::{records, health_check, wiring}`; here is the order, the waiting and the ledger.

mod alarm;
mod claim;
mod declared;
mod distribution;
mod engine;
mod entry;
mod establish;
mod event;
mod handler;
mod health_check;
mod hosts;
mod job;
mod names;
mod observation;
mod preview;
mod reach;
mod records;
mod removal;
mod respond;
mod sharing;
mod stop;
mod withdraw;

pub use engine::{Engine, NotAnArn};
pub use handler::handle;
