//! parse → check → carry out → respond: one outcome for every request, on every path.

use std::panic::AssertUnwindSafe;

use failopen::failure::{ErrorType, Failure};
use failopen::id::OwnerMark;
use failopen::limits::{ANSWER, CALL, SPARE, within};
use failopen::port::{Apply, Clock, Observe, Respond};
use failopen::properties;
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tracing::Instrument;

use crate::engine::Engine;
use crate::establish::establish;
use crate::event::{self, Event, Kind, Request};
use crate::job::Job;
use crate::preview::preview;
use crate::removal::remove;
use crate::respond::{check, deleted, deliver, failed};
use crate::stop::Stop;

/// Work that still runs this long before Lambda's deadline is cut off, so that the function can be invoked again and, where that
/// fails, the request can still be answered.
const CUT_OFF: SignedDuration = CALL.saturating_add(ANSWER).saturating_add(SPARE);
/// How long CloudFormation waits for a resource, unless its `ServiceTimeout` says less.
const SERVICE_TIMEOUT: SignedDuration = SignedDuration::from_secs(3600);
/// Less than this before CloudFormation stops waiting, another invocation would come too late.
const LAST_CALL: SignedDuration = SignedDuration::from_secs(120);

/// Handles one event.
///
/// # Errors
/// `InvalidRequest` for an event that is neither a request that may be answered nor a question; `Unavailable` where an
/// answer could not be delivered. Whatever goes wrong with the work itself is told to CloudFormation, and no error here.
pub async fn handle<C: Observe + Apply + Respond, K: Clock>(
    engine: &Engine,
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    event: Value,
) -> Result<Value, Failure> {
    match event::parse(event)? {
        Event::Plan(properties) => {
            let plan = within(clock, deadline - SPARE, preview(engine, cloud, clock, &properties)).await;
            plan.unwrap_or_else(|| Err(not_planned_in_time()))
        }
        Event::Resource(request) => {
            let name = properties::name(request.properties.expose());
            let protection = name.as_ref().map_or("", |name| name.as_str());
            let span = tracing::info_span!("request", protection, request_type = %request.kind);
            resource(engine, cloud, clock, deadline, &request).instrument(span).await
        }
    }
}

async fn resource<C: Observe + Apply + Respond, K: Clock>(
    engine: &Engine,
    cloud: &C,
    clock: &K,
    lambda_deadline: Timestamp,
    request: &Request,
) -> Result<Value, Failure> {
    check(engine, request)?;
    // Whoever may invoke the function chooses this time, and one that is to come would grant more time than there is.
    let started_at = request.started_at.map_or_else(|| clock.now(), |at| at.min(clock.now()));
    let patience_ends = started_at + service_timeout(request);
    let deadline = lambda_deadline.min(patience_ends);
    let owner = OwnerMark::of(&request.stack_id, &request.logical_id);
    let job = Job { engine, cloud, clock, deadline, request, owner: owner.clone() };

    let outcome = guarded(&job, deadline - CUT_OFF).await;
    let may_continue = request.kind != Kind::Create && clock.now() + LAST_CALL < patience_ends;
    if outcome == Err(Stop::OutOfTime) && may_continue {
        match cloud.invoke_again(&request.continuation(started_at)).await {
            Ok(()) => {
                tracing::info!(
                    step = "continue",
                    outcome = "invoked again",
                    %started_at,
                    "the work goes on in another invocation"
                );
                return Ok(json!({"requestType": request.kind.to_string(), "outcome": "continued"}));
            }
            Err(fault) => tracing::error!(
                step = "continue",
                outcome = "failed",
                %fault,
                "the work cannot go on in another invocation"
            ),
        }
    }
    let (body, status) = match &outcome {
        Ok(body) => (body.clone(), "SUCCESS"),
        Err(stop) => (failed(engine, request, &owner, stop).body(), "FAILED"),
    };
    match &outcome {
        Ok(_) => tracing::info!(step = "respond", outcome = status, "the request succeeded"),
        Err(stop) => tracing::error!(step = "respond", outcome = status, because = stop.reason(), "the request failed"),
    }
    deliver(cloud, clock, lambda_deadline, &request.response_url, &body).await?;
    Ok(json!({"requestType": request.kind.to_string(), "outcome": status}))
}

/// Does the work, and turns a panic and a hang into an outcome that can be answered.
async fn guarded<C: Observe + Apply, K: Clock>(job: &Job<'_, C, K>, cut_off: Timestamp) -> Result<String, Stop> {
    match within(job.clock, cut_off, AssertUnwindSafe(carry_out(job)).catch_unwind()).await {
        Some(Ok(outcome)) => outcome,
        Some(Err(_panic)) => Err(Stop::Failed(
            "The provision function met a defect of its own and stopped; what it had made is recorded in the ledger, so the \
             same request can be repeated, and a Delete removes it."
                .to_owned(),
        )),
        None => Err(Stop::OutOfTime),
    }
}

fn not_planned_in_time() -> Failure {
    Failure::new(
        ErrorType::Unavailable,
        "The plan was not made in time, because AWS does not answer; nothing was changed, because planning only reads. Ask again.",
    )
}

async fn carry_out<C: Observe + Apply, K: Clock>(job: &Job<'_, C, K>) -> Result<String, Stop> {
    match job.request.kind {
        Kind::Create | Kind::Update => establish(job).await,
        Kind::Delete => {
            remove(job).await?;
            Ok(deleted(job.request, &job.owner).body())
        }
    }
}

/// The resource's own `ServiceTimeout`, where it is a number of seconds that CloudFormation accepts.
fn service_timeout(request: &Request) -> SignedDuration {
    let value = request.properties.expose().get("ServiceTimeout");
    let seconds = value.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
    let seconds = seconds.filter(|seconds| (1..=SERVICE_TIMEOUT.as_secs()).contains(seconds));
    seconds.map_or(SERVICE_TIMEOUT, SignedDuration::from_secs)
}
