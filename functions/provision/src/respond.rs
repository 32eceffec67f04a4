//! The answer channel: one outcome for every request, whatever happens on the way.

use failopen::answer::{Answer, LONGEST_BODY, Outcome};
use failopen::failure::{ErrorType, Failure};
use failopen::id::{OwnerMark, ProtectionName};
use failopen::limits::{ANSWER, SPARE};
use failopen::port::{Clock, FaultKind, Respond};
use failopen::properties;
use failopen::response_url;
use failopen::secret::Secret;
use jiff::{SignedDuration, Timestamp};

use crate::engine::Engine;
use crate::event::Request;
use crate::job::{Job, back_off};
use crate::stop::Stop;

/// Deliveries tried where the URL refuses: what its signature rests on may not be known everywhere yet, but one that has
/// expired is never taken again.
const ATTEMPTS_IF_REFUSED: u32 = 5;
/// No attempt but the first begins later than this before Lambda's deadline: it may take its whole time.
const MARGIN: SignedDuration = ANSWER.saturating_add(SPARE);

/// Whether this request may be answered at all.
///
/// # Errors
/// `InvalidRequest`, and nothing is sent anywhere: whoever may invoke the function could otherwise make it send.
pub(crate) fn check(engine: &Engine, request: &Request) -> Result<(), Failure> {
    if !engine.is_home_of(&request.stack_id) {
        return Err(Failure::invalid(format!(
            "The request's StackId is not of account {} and Region {}, so it was not carried out and nothing was sent; declare \
             the resource in a stack beside the engine.",
            engine.account, engine.region
        )));
    }
    let allowed = response_url::Allowed {
        partition: &engine.partition,
        region: &engine.region,
        extra_origin: engine.response_origin.as_deref(),
    };
    response_url::check(request.response_url.expose(), allowed).map_err(|forbidden| {
        Failure::invalid(format!(
            "The request was not carried out and nothing was sent: {forbidden}. In a rehearsal, set the stack parameter \
             CustomResourceResponseOrigin to the local AWS."
        ))
    })?;
    let owner = OwnerMark::of(&request.stack_id, &request.logical_id);
    match failed(engine, request, &owner, &Stop::OutOfTime).fits() {
        true => Ok(()),
        false => Err(Failure::invalid(format!(
            "The request's ids are so long that no answer could repeat them within CloudFormation's {LONGEST_BODY} bytes, so it \
             was not carried out and nothing was sent; CloudFormation sends none like it."
        ))),
    }
}

/// The success answer of a job.
pub(crate) fn answer<C, K>(job: &Job<'_, C, K>, name: &ProtectionName, outcome: Outcome) -> Answer {
    to(job.request, job.owner.physical_id(name), outcome)
}

/// The answer for work that stopped.
pub(crate) fn failed(engine: &Engine, request: &Request, owner: &OwnerMark, stop: &Stop) -> Answer {
    to(request, physical_id(request, owner), Outcome::Failed { reason: stop.reason(), see: engine.see() })
}

/// The success answer of a Delete.
pub(crate) fn deleted(request: &Request, owner: &OwnerMark) -> Answer {
    to(request, physical_id(request, owner), Outcome::Success { data: Default::default() })
}

/// The id that CloudFormation knows, or the one it is to know. It never changes, in failures neither: CloudFormation would
/// take another one for a replacement and delete the former.
fn physical_id(request: &Request, owner: &OwnerMark) -> String {
    match (&request.physical_id, properties::name(request.properties.expose())) {
        (Some(known), _) if !known.is_empty() => known.clone(),
        (_, Some(name)) => owner.physical_id(&name),
        (_, None) => owner.unnamed(),
    }
}

fn to(request: &Request, physical_id: String, outcome: Outcome) -> Answer {
    Answer {
        outcome,
        physical_id,
        stack_id: request.stack_id.clone(),
        request_id: request.request_id.clone(),
        logical_id: request.logical_id.clone(),
    }
}

/// Delivers an answer: the same bytes again, at growing and jittered intervals, until they arrive or time is up.
///
/// # Errors
/// `Unavailable`: Lambda then delivers the event again, and the work, which is done, is answered once more.
pub(crate) async fn deliver<C: Respond, K: Clock>(
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    url: &Secret<String>,
    body: &str,
) -> Result<(), Failure> {
    let mut attempt = 1;
    loop {
        let fault = match cloud.answer(url, body).await {
            Ok(()) => return Ok(()),
            Err(fault) => fault,
        };
        let pause = back_off(clock, attempt);
        let is_hopeless = match fault.kind {
            FaultKind::Unknown | FaultKind::Throttled => false,
            FaultKind::NotFound
            | FaultKind::AccessDenied
            | FaultKind::Stale
            | FaultKind::Refused
            | FaultKind::Malformed => attempt >= ATTEMPTS_IF_REFUSED,
        };
        if is_hopeless || clock.now() + pause + MARGIN > deadline {
            return Err(Failure::new(
                ErrorType::Unavailable,
                format!(
                    "CloudFormation did not take the answer ({fault}); it repeats the request or times out by itself."
                ),
            ));
        }
        clock.sleep(pause).await;
        attempt += 1;
    }
}
