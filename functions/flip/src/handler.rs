//! Tells the actions apart; each is carried out by the module named after it.

use failopen::commands::Commands;
use failopen::failure::{ErrorType, Failure};
use failopen::limits::{SPARE, within};
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
        Failure::invalid(format!("Nothing was changed: {problems}. The state of all protections: {}", commands.list()))
    })?;
    tracing::info!(request = ?request, "Asked");
    let answer = within(clock, deadline - SPARE, carry_out(cloud, clock, deadline, request)).await;
    answer.unwrap_or_else(|| Err(out_of_time(commands)))
}

async fn carry_out<C: Observe + Apply, K: Clock>(
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    request: Request,
) -> Result<Value, Failure> {
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

/// AWS has hung for so long that Lambda is about to end the function. What was sent before may be in force.
fn out_of_time(commands: &Commands) -> Failure {
    Failure::new(
        ErrorType::Unavailable,
        format!(
            "The request was not finished in time, because AWS does not answer, and whether it is in force is not known; DNS \
             failover (layer 1) does not depend on it. Ask for status, then run the same command again: {}",
            commands.list()
        ),
    )
}

fn to_value(answer: &Answer) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| {
        Failure::new(
            ErrorType::Unavailable,
            format!("The answer could not be written as JSON ({error}); ask for status."),
        )
    })
}
