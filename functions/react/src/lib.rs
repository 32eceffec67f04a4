//! react: a CloudWatch alarm, or the minute's tick, says where to look; this function looks, decides, and asks flip.
//!
//! It never writes to CloudFront. Every event walks observe → decide → check → apply (`handler.rs`).

pub mod event;
pub mod handler;
mod ledger;
mod observe;
mod signal;

pub use handler::handle;
