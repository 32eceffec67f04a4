//! Tells the actions apart; each is carried out by the module named after it.

use failopen::commands::Commands;
use failopen::failure::{ErrorType, Failure};
use failopen::port::{Apply, Clock, Observe};
use jiff::Timestamp;
use serde_json::Value;

use crate::answer::Answer;
use crate::request::{self, Request};
use crate::scene::row_of;
use crate::{break_glass, flips, overrides, status};

/// Handles one request.
///
/// # Errors
/// The contract's error types, each with one sentence that says what to do next.
pub async fn handle<C: Observe + Apply, K: Clock>(
    commands: &Commands,
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    event: Value,
) -> Result<Value, Failure> {
    let request = request::parse(&event).map_err(|problems| {
        Failure::invalid(format!("Nothing was changed: {problems}. Ask for {}", commands.list()))
    })?;
    tracing::info!(request = ?request, "Asked");
    let answer = match request {
        Request::Status(name) => return status::status(cloud, clock, deadline, name.as_ref()).await,
        Request::Plan(name) => {
            let row = row_of(cloud, &name).await?.row;
            let decision = status::one(cloud, clock, deadline, &row).await?.decision;
            flips::plan_next(cloud, clock, &name, &decision).await?
        }
        Request::Flip(request) => flips::flip_by_operator(cloud, clock, deadline, &request).await?,
        Request::BreakGlass(request) => break_glass::break_glass(cloud, clock, deadline, &request).await?,
        Request::Pin(request) => overrides::pin(cloud, clock, &request).await?,
        Request::Unpin(release) => overrides::unpin(cloud, clock, &release).await?,
        Request::Unlatch(release) => overrides::unlatch(cloud, clock, &release).await?,
        Request::Converge { request, dry_run } => flips::converge(cloud, clock, deadline, &request, dry_run).await?,
    };
    to_value(&answer)
}

fn to_value(answer: &Answer) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| {
        Failure::new(
            ErrorType::Unavailable,
            format!("The answer could not be written as JSON ({error}); ask for status."),
        )
    })
}
