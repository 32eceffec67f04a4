//! observe → decide → check → apply, for every protection that an event points at.

use failopen::commands::Commands;
use failopen::decide::{inspection_health, wanted};
use failopen::decision::{Decision, Reason, Verdict};
use failopen::document::Document;
use failopen::failure::{ErrorType, Failure};
use failopen::flip;
use failopen::id::{AlarmName, ProtectionName};
use failopen::inability::{self, Inability};
use failopen::ledger::{Latch, Versioned};
use failopen::limits::{ATTEMPT, CALL, FLIP_LIFE, PROBE, SPARE, within};
use failopen::notice::{self, Seen};
use failopen::observe::{failover, read_drift};
use failopen::port::{Apply, Clock, Converge, Metric, Observe};
use failopen::posture::{Posture, Traffic, traffic};
use failopen::reach::FlipReach;
use failopen::rows::{Rows, UnreadableRow};
use futures_util::StreamExt;
use futures_util::future::join;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use crate::event::{self, Look};
use crate::ledger::{protection_of, without_ledger, without_protection, without_row};
use crate::observe::{Observed, Unreadable, alarm_names, drift_is_due, observe, settle};
use crate::signal::{Signalled, metrics, remember_and_tell};

/// Protections thought about at the same time: a hanging probe of one must not hold up the others.
const IN_FLIGHT: usize = 10;
/// Time kept back for asking flip, once, and for ending well before the deadline.
const TO_ASK: SignedDuration = ATTEMPT.saturating_add(SPARE);
/// Time kept back for remembering and telling.
const TO_TELL: SignedDuration = ATTEMPT.saturating_add(ATTEMPT).saturating_add(SPARE);
/// Time kept back from reading: what hangs is given up early enough to decide about the rest, probes included.
const TO_DECIDE: SignedDuration = PROBE.saturating_add(CALL).saturating_add(SPARE);

/// One line of the answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) protection: String,
    #[serde(flatten)]
    pub(crate) decision: Decision,
    pub(crate) posture: Posture,
    pub(crate) traffic: Traffic,
    /// `requested`: flip was asked to converge.
    pub(crate) flip: &'static str,
}

/// One protection, looked at and acted on as far as that was possible.
pub(crate) struct Handled {
    pub(crate) answer: Answer,
    pub(crate) undone: Vec<Inability>,
}

/// What all protections that one event points at have in common.
struct Round<'a, C, K> {
    commands: &'a Commands,
    cloud: &'a C,
    clock: &'a K,
    deadline: Timestamp,
    tells_unremembered: bool,
}

/// Handles one event.
///
/// # Errors
/// `InvalidRequest` for an event of no known form, `UnknownProtection` for a name without a ledger row. A ledger that
/// cannot be read is a decision (`LedgerUnavailable`), not an error. What can never be asked for, remembered or told is one, when
/// all protections have been handled, for an event whose answer nobody reads: nobody would hear of it otherwise.
pub async fn handle<C: Observe + Apply, K: Clock>(
    commands: &Commands,
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    event: Value,
) -> Result<Value, Failure> {
    if event::is_check(&event) {
        return check(cloud, clock, deadline).await;
    }
    let look = event::parse(&event).map_err(Failure::invalid)?;
    let decided = within(clock, deadline - SPARE, look_and_decide(commands, cloud, clock, deadline, look)).await;
    decided.unwrap_or_else(|| Err(out_of_time()))
}

/// Whether react could ask flip, found out without asking it: provision's preflight and people want to know beforehand.
async fn check<C: Observe, K: Clock>(cloud: &C, clock: &K, deadline: Timestamp) -> Result<Value, Failure> {
    let Some(asked) = within(clock, deadline - SPARE, cloud.flip_may_be_invoked()).await else {
        return Err(out_of_time());
    };
    let reach = FlipReach::of(asked);
    tracing::info!(reach = ?reach, "Asked whether flip may be invoked");
    let mut answer = json!(reach);
    answer["decisions"] = json!([]);
    Ok(answer)
}

/// A call has hung for so long that Lambda is about to end the function. As a failed event it reaches people; what was begun
/// is found by the next tick.
fn out_of_time() -> Failure {
    Failure::new(
        ErrorType::Unavailable,
        "react was not finished in time, because AWS or a probed host does not answer; the next tick looks again, and DNS \
         failover (layer 1) does not depend on it. Ask flip for status.",
    )
}

async fn look_and_decide<C: Observe + Apply, K: Clock>(
    commands: &Commands,
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    look: Look,
) -> Result<Value, Failure> {
    let rows = match cloud.rows().await {
        Ok(rows) => rows,
        Err(fault) => return without_ledger(commands, cloud, clock, &look, &fault).await,
    };
    let round = Round { commands, cloud, clock, deadline, tells_unremembered: look.tells_unremembered(clock.now()) };
    let Chosen { readable: chosen, unreadable, missing } = choose(rows, &look)?;
    let observed = observe(cloud, clock, deadline - TO_DECIDE, chosen).await;

    let due = match look {
        Look::Tick => drift_is_due(&observed, clock.now()),
        Look::Alarm(_) | Look::Alarms(_) | Look::Protection(_) => Default::default(),
    };
    let read_drift_of = |seen: &Observed| due.get(seen.versioned.row.name.as_str()).copied();
    let mut handled: Vec<Handled> = futures_util::stream::iter(&observed)
        .map(|seen| one_protection(&round, seen, read_drift_of(seen)))
        .buffered(IN_FLIGHT)
        .collect()
        .await;
    for row in &unreadable {
        handled.push(without_row(commands, cloud, row, &look).await);
    }
    let (mut answers, undone): (Vec<Answer>, Vec<Vec<Inability>>) =
        handled.into_iter().map(|Handled { answer, undone }| (answer, undone)).unzip();
    if let Some(name) = missing {
        answers.extend(without_protection(commands, cloud, name).await?);
    }
    concluded(commands, &look, &answers, &undone.concat())
}

/// What the event is answered. One whose answer nobody reads fails where something is left undone for good.
pub(crate) fn concluded(
    commands: &Commands,
    look: &Look,
    answers: &[Answer],
    undone: &[Inability],
) -> Result<Value, Failure> {
    if let Some(failure) = inability::failure(commands, undone) {
        tracing::error!(
            error_type = failure.error_type.as_str(),
            because = failure.message,
            "Something is left undone for good"
        );
        if look.is_unattended() {
            return Err(failure);
        }
    }
    Ok(json!({ "decisions": answers }))
}

/// The protections that an event points at.
struct Chosen {
    /// In the order of their priority.
    readable: Vec<Versioned>,
    unreadable: Vec<UnreadableRow>,
    /// By its alarm alone: no row is its.
    missing: Option<ProtectionName>,
}

fn choose(rows: Rows, look: &Look) -> Result<Chosen, Failure> {
    let known: Vec<String> = rows.names().into_iter().map(ToString::to_string).collect();
    let points_at = |name: &ProtectionName, alarms: &[AlarmName]| match look {
        Look::Tick => true,
        Look::Protection(wanted) => name == wanted,
        Look::Alarm(_) | Look::Alarms(_) => alarms.iter().any(|alarm| look.alarms().contains(alarm)),
    };
    let Rows { mut readable, mut unreadable } = rows;
    readable.retain(|versioned| points_at(&versioned.row.name, &alarm_names(&versioned.row)));
    // Which other alarms speak for a protection is in the row that cannot be read.
    unreadable.retain(|row| points_at(&row.name, &[row.name.alarm()]));
    readable.sort_by(|a, b| (a.row.spec.priority, &a.row.name).cmp(&(b.row.spec.priority, &b.row.name)));
    let is_empty = readable.is_empty() && unreadable.is_empty();
    match look {
        Look::Protection(name) if is_empty => {
            return Err(Failure::new(
                ErrorType::UnknownProtection,
                format!("There is no protection `{name}`; the ledger knows: {}.", list_or_none(&known)),
            ));
        }
        Look::Alarm(_) | Look::Alarms(_) if is_empty => {
            let names: Vec<&str> = look.alarms().iter().map(AlarmName::as_str).collect();
            tracing::warn!(alarms = names.join(", "), "The alarm speaks for no protection of the ledger");
        }
        Look::Tick | Look::Protection(_) | Look::Alarm(_) | Look::Alarms(_) => {}
    }
    let missing = match look {
        Look::Alarm(name) if is_empty => protection_of(name),
        Look::Tick | Look::Protection(_) | Look::Alarm(_) | Look::Alarms(_) => None,
    };
    Ok(Chosen { readable, unreadable, missing })
}

fn list_or_none(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

async fn one_protection<C: Observe + Apply, K: Clock>(
    round: &Round<'_, C, K>,
    observed: &Observed,
    drift_after: Option<SignedDuration>,
) -> Handled {
    match &observed.document {
        Ok(document) => readable(round, observed, document, drift_after).await,
        Err(unreadable) => hands_off(round, observed, unreadable).await,
    }
}

async fn readable<C: Observe + Apply, K: Clock>(
    round: &Round<'_, C, K>,
    observed: &Observed,
    document: &Document,
    drift_after: Option<SignedDuration>,
) -> Handled {
    let Round { commands, cloud, clock, deadline, tells_unremembered } = *round;
    let before = &observed.versioned;
    let posture = match &before.row.made.distribution {
        Some(made) => flip::posture(document, made),
        None => Posture::Foreign,
    };
    // A flip that is in force counts, recorded or not.
    let mut recorded = before.row.clone();
    recorded.record_pending(posture);
    let row = &recorded;

    // Decide.
    let inspection = inspection_health(row, &observed.alarms);
    let (settled, failover) =
        join(settle(cloud, clock, row, observed, document, posture), failover(cloud, row, posture)).await;
    let traffic = traffic(posture, failover, inspection);
    let decision = settled.decision;

    // Check: a decision that comes too late to be carried out and recorded is left to the next tick.
    let now = clock.now();
    let in_time = now + TO_ASK <= deadline;

    // Apply: first what moves traffic, then what remembers and tells.
    let asked = match decision.decision.side() {
        Some(side) if in_time => {
            let request = Converge {
                protection: row.name.clone(),
                posture: side,
                reason: decision.reason.to_string(),
                because: decision.because.clone(),
                decided_at: now,
            };
            Some(cloud.request_converge(&request).await)
        }
        Some(_) | None => None,
    };
    let mut error = observed.alarms.is_empty() || (decision.decision != Verdict::Hold && !in_time);
    let mut undone = Vec::new();
    if let Some(Err(fault)) = &asked {
        error = true;
        undone.extend(decision.decision.side().and_then(|side| Inability::flip(&row.name, side, fault)));
        tracing::error!(protection = %row.name, error_type = ?fault.kind, %fault, "flip could not be asked; the next tick asks again");
    }
    let drift = match drift_after {
        // Whoever has just asked flip has more urgent things to remember and to tell.
        Some(pause) if asked.is_none() => {
            let reading = async {
                clock.sleep(pause).await;
                read_drift(cloud, row, Some(document), observed.alarms.first()).await
            };
            within(clock, deadline - TO_TELL, reading).await
        }
        Some(_) | None => None,
    };
    // One that may still be under way is left for flip to record.
    let is_under_way = before.row.pending.as_ref().is_some_and(|pending| now.duration_since(pending.at) < FLIP_LIFE);
    let mut after = if is_under_way { before.row.clone() } else { recorded.clone() };
    if decision.reason == Reason::FlipBudgetSpent {
        after.latch = Some(Latch { since: now, because: decision.because.clone() });
    }
    let in_service = row.made.distribution.as_ref().is_some_and(|made| made.written);
    if in_service {
        let seen = Seen {
            posture,
            traffic,
            inspection,
            asked: wanted(&observed.alarms),
            decision: &decision,
            alarms_are_known: !observed.alarms.is_empty(),
            drift: drift.as_deref(),
            observed_at: observed.at,
        };
        after.watch = notice::watch(&after, &seen, commands, now);
    }
    let signalled = remember_and_tell(cloud, before, after, now, tells_unremembered).await;
    error |= signalled.error;
    undone.extend(signalled.undone);
    if in_service {
        let application = settled.application.map(|outcome| outcome.is_alive());
        publish(cloud, &metrics(row, traffic, inspection, application, error)).await;
    }

    let requested = matches!(asked, Some(Ok(())));
    tracing::info!(
        protection = %row.name,
        decision = %decision.decision,
        reason = %decision.reason,
        distribution = %row.spec.distribution,
        posture = %posture,
        traffic = %traffic,
        flip_requested = requested,
        because = decision.because,
        "Decided"
    );
    let flip = if requested { "requested" } else { "none" };
    Handled { answer: Answer { protection: row.name.to_string(), decision, posture, traffic, flip }, undone }
}

/// The distribution cannot be read or understood: no write, one alert per episode.
async fn hands_off<C: Observe + Apply, K: Clock>(
    round: &Round<'_, C, K>,
    observed: &Observed,
    unreadable: &Unreadable,
) -> Handled {
    let Round { commands, cloud, clock, tells_unremembered, .. } = *round;
    let before = &observed.versioned;
    let row = &before.row;
    let now = clock.now();
    tracing::error!(
        protection = %row.name,
        distribution = %row.spec.distribution,
        because = unreadable.why,
        "The distribution cannot be read; nothing is changed"
    );
    let mut after = row.clone();
    after.watch = notice::watch_unreadable(row, &observed.alarms, &unreadable.why, unreadable.permanent, commands, now);
    let Signalled { undone, .. } = remember_and_tell(cloud, before, after, now, tells_unremembered).await;
    let inspection = inspection_health(row, &observed.alarms);
    publish(cloud, &metrics(row, Traffic::Unknown, inspection, None, true)).await;
    let because = format!("the distribution cannot be read ({}), so hands off", unreadable.why);
    let answer = Answer {
        protection: row.name.to_string(),
        decision: Decision::hold(Reason::ForeignTarget, because),
        posture: Posture::Foreign,
        traffic: Traffic::Unknown,
        flip: "none",
    };
    Handled { answer, undone }
}

pub(crate) async fn publish<C: Apply>(cloud: &C, metrics: &[Metric]) {
    if metrics.is_empty() {
        return;
    }
    if let Err(fault) = cloud.put_metrics(metrics).await {
        tracing::warn!(error_type = ?fault.kind, %fault, "Metrics were not published");
    }
}
