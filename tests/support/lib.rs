//! What the tests stand on: a stateful AWS in memory, a clock of its own, and a way to make any call of it fail.
//!
//! The fake keeps AWS's rules, not a list of expected calls, so that a handler is free in how it gets where it must. Each
//! rule names where it was read; one that was read nowhere is marked "assumed".

pub mod clock;
pub mod cloud;
pub mod cloudfront;
pub mod cloudwatch;
pub mod document;
pub mod engine;
pub mod events;
pub mod faults;
pub mod functions;
pub mod health;
pub mod inventory;
pub mod lambda;
pub mod ledger;
pub mod log;
pub mod logs;
pub mod loopback;
pub mod names;
pub mod outbox;
pub mod overlap;
mod ports;
pub mod probes;
mod provisioned;
pub mod refusal;
pub mod route53;
pub mod stack;
pub mod sweep;
pub mod template;
pub mod upkeep;
pub mod working_aws;
pub mod world;

pub use clock::{FakeClock, Impatient};
pub use cloud::FakeCloud;
pub use faults::Moment;
pub use log::{Call, Operation};
pub use logs::Logs;
pub use world::World;
