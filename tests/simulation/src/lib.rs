//! Seeded simulation of the real handlers: provision, react and flip on an AWS in memory, on a clock of its own, with
//! everything going wrong that can.
//!
//! A *schedule* is one run of a small world: CloudFormation, a schedule of ticks, alarms, operators and other people's
//! pipelines act on it while calls fail, events get lost and processes die; then faults stop and the world comes to rest.
//! One number, its seed, decides everything, so it can be played again, bit for bit. [`run`] plays many on all cores.

mod agenda;
mod alarm;
mod calls;
mod campaign;
mod chance;
mod clock;
mod cloud;
mod delivery;
mod edits;
mod fault;
mod hosts;
pub mod invariants;
mod lives;
mod operator;
mod orders;
mod process;
pub mod removal;
mod scenario;
mod schedule;
mod stack;
mod step;
mod story;
mod weather;
mod world;

pub use calls::SimCloud;
pub use campaign::{Campaign, LARGE, LEAST, Summary, run};
pub use fault::{Fault, Tally};
pub use schedule::{Played, play};
pub use stack::{Request, RequestKind, RequestState};
pub use step::{
    Author, Called, Cause, Edit, EditKind, Ending, Function, Happened, Process, ProcessId, Put, Seen, Step, Version,
};
pub use world::{SimWorld, Turn};
