//! flip: moves the protected behaviours of a distribution between inspection and the application, and answers for operators.
//!
//! The only function that writes `TargetOriginId` of a protection in service. Operators call it with `aws lambda invoke`,
//! react with `converge`. `handler.rs` tells the actions apart; `act.rs` is the one way in which a flip is written.

mod act;
mod answer;
mod break_glass;
mod fields;
mod flips;
pub mod handler;
mod intent;
mod overrides;
mod recording;
pub mod request;
mod scene;
mod status;

pub use handler::handle;
