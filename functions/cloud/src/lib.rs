//! The only crate that talks to AWS and to the network: it implements the ports of `failopen::port` and wires a handler
//! to the Lambda runtime. It decides nothing; every rule is in `failopen`.

mod answer;
mod clock;
mod cloud;
mod cloudfront;
mod cloudwatch;
mod connect;
mod environment;
mod fault;
mod handshake;
mod health_check;
mod health_probe;
mod ledger;
pub mod logs;
mod model_drift;
#[cfg(test)]
mod name_server;
mod names;
mod network;
mod policies;
mod probe;
mod reach;
mod reports;
mod route53;
mod runtime;
mod signals;
#[cfg(test)]
mod time_outs;
mod tls;
#[cfg(test)]
mod wire;

pub use clock::SystemClock;
pub use cloud::Cloud;
pub use connect::connect;
pub use environment::{ConfigError, Environment, environment};
pub use runtime::{Error, run};
