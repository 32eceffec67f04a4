//! Flips of a protection: `bypass`, `restore`, `converge` and `plan`.

use failopen::amend::{Amendment, Unamended, amend};
use failopen::decision::Decision;
use failopen::document::Document;
use failopen::failure::Failure;
use failopen::flip::{self, Begun, FlipPlan};
use failopen::id::ProtectionName;
use failopen::ledger::{FlippedBy, Pin, PinPosture, Versioned};
use failopen::limits::{SPARE, within};
use failopen::port::{Apply, Clock, Converge, Fault, Metric, Observe};
use failopen::posture::{Posture, Side};
use failopen::quote::quoted;
use jiff::{SignedDuration, Timestamp};

use crate::act::{Failed, act};
use crate::answer::{Answer, Change, Distribution, Outcome, PinView};
use crate::intent::Intent;
use crate::recording::{Counted, forget, record};
use crate::request::FlipRequest;
use crate::scene::{Scene, plan_of, scene, scene_of};

/// Time kept back for answering that a flip is in force, recorded or not.
const TO_ANSWER: SignedDuration = SPARE.saturating_add(SignedDuration::from_secs(1));

/// `bypass` and `restore`: pins the posture that it sets.
pub(crate) async fn flip_by_operator<C: Observe + Apply, K: Clock>(
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    request: &FlipRequest,
) -> Result<Answer, Failure> {
    let action = action_of(request.side);
    let scene = scene(cloud, &request.protection).await?;
    let plan = scene.plan(request.side)?;
    let now = clock.now();
    let pin = Pin {
        posture: match request.side {
            Side::Inspected => PinPosture::Inspected,
            Side::Bypassed => PinPosture::Bypassed,
        },
        reason: request.reason.clone(),
        requested_by: request.requested_by.clone(),
        since: now,
        expires_at: request.expires_in.ends_at(now),
    };
    if request.dry_run {
        let mut answer = scene.answer(action, Outcome::Planned, planned_words(&plan), now);
        answer.posture.after = plan.after;
        answer.behaviors = plan.changes;
        answer.pin = Some(PinView::from(&pin));
        return Ok(answer);
    }
    let intent = Intent {
        at: now,
        to: request.side,
        by: FlippedBy::Operator,
        reason: request.reason.clone(),
        requested_by: request.requested_by.clone(),
    };
    let mut replaced = scene.row.pin.clone();
    let written = amend(cloud, &request.protection, |row| {
        // Another operator may have pinned since the row was read. One that is ours already is of an earlier attempt of this very
        // write, which was applied although nobody said so: what that replaced is known.
        if row.pin.as_ref() != Some(&pin) {
            replaced = row.pin.replace(pin.clone());
        }
        row.record_pending(plan.before);
        row.pending = (!plan.changes.is_empty()).then(|| intent.pending(&plan));
        Amendment::Write
    });
    let written = written.await.map_err(|unamended| Failure::unamended(&request.protection, &unamended))?;
    let flipped = match as_written(cloud, scene, written, &intent).await {
        // Nothing but the distribution itself holds up what an operator wants.
        Ok(scene) => carry_out(cloud, clock, deadline, scene, intent, async |_| Ok(None)).await,
        Err(failure) => Err(Failed { failure, in_doubt: false }),
    };
    let mut answer = match flipped {
        Ok(answer) => answer,
        Err(failed) if failed.in_doubt => {
            return Err(pinned_still(failed.failure, &request.protection, "The pin of this request stays"));
        }
        // Nothing was flipped, so nothing is pinned either: the request is not half done.
        Err(failed) => return Err(unpinned(cloud, clock, &request.protection, &pin, replaced, failed.failure).await),
    };
    answer.action = action;
    answer.pin = Some(PinView::from(&pin));
    Ok(answer)
}

/// Takes back the pin of a request that has failed, so that the one that it replaced is in force again. The failure says what is in
/// force then, and where the pin cannot be taken back.
async fn unpinned<C: Observe + Apply, K: Clock>(
    cloud: &C,
    clock: &K,
    name: &ProtectionName,
    pin: &Pin,
    replaced: Option<Pin>,
    failure: Failure,
) -> Failure {
    let undone = amend(cloud, name, |row| match row.pin.as_ref() == Some(pin) {
        true => {
            row.pin.clone_from(&replaced);
            Amendment::Write
        }
        false => Amendment::Leave,
    });
    let fault = match undone.await {
        Ok(undone) => {
            // It may have expired by now.
            let in_force = undone.as_ref().and_then(|undone| undone.row.pin_at(clock.now()));
            let told = in_force.map(|pin| {
                let (which, again) = match replaced.as_ref() == Some(pin) {
                    true => ("that this request had replaced", " again"),
                    false => ("that came meanwhile", ""),
                };
                format!(
                    "{} The pin {which} ({}) is in force{again}; if that is not wanted, send {}.",
                    failure.message,
                    quoted(&pin.reason),
                    unpin(name)
                )
            });
            return match told {
                Some(message) => Failure { message, ..failure },
                None => failure,
            };
        }
        Err(Unamended { fault, .. }) => fault,
    };
    tracing::error!(protection = %name, error_type = ?fault.kind, %fault, "The pin of a failed request could not be taken back; send unpin");
    pinned_still(failure, name, &format!("But the pin of this request could not be taken back ({fault})"))
}

/// A failure after which automation goes on with what the operator wanted.
fn pinned_still(failure: Failure, name: &ProtectionName, why: &str) -> Failure {
    let message = format!(
        "{} {why}, so automation tries the same within a minute: if that is not wanted, send {}.",
        failure.message,
        unpin(name)
    );
    Failure { message, ..failure }
}

fn unpin(name: &ProtectionName) -> String {
    format!("{{\"action\":\"unpin\",\"protection\":\"{name}\"}}")
}

/// `converge`: what react asks for. Held where it is old or the ledger has moved on.
pub(crate) async fn converge<C: Observe + Apply, K: Clock>(
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    request: &Converge,
    dry_run: bool,
) -> Result<Answer, Failure> {
    let mut scene = scene(cloud, &request.protection).await?;
    let now = clock.now();
    // A flip that is in force counts for dwell and budget, recorded or not: its maker may have died.
    let found = flip::posture(&scene.read.document, &scene.made);
    scene.row.record_pending(found);
    if let Some(why) = flip::converge_is_stale(&scene.row, request, now) {
        return Ok(held(&scene, &why, now));
    }
    let plan = scene.plan(request.posture)?;
    if dry_run {
        let mut answer = scene.answer("converge", Outcome::Planned, planned_words(&plan), now);
        answer.posture.after = plan.after;
        answer.behaviors = plan.changes;
        return Ok(answer);
    }
    if plan.changes.is_empty() {
        let because = format!("the posture is {} already", plan.after);
        return Ok(scene.answer("converge", Outcome::Unchanged, because, now));
    }
    let pinned = scene.row.pin_at(now).is_some();
    let intent = Intent {
        at: now,
        to: request.posture,
        by: if pinned { FlippedBy::Operator } else { FlippedBy::Automation },
        reason: format!("{}: {}", request.reason, request.because),
        requested_by: None,
    };
    let mut moved_on = None;
    let mut displaced = false;
    let written = amend(cloud, &request.protection, |row| {
        if intent.is_in(row) {
            // An earlier attempt of this very write was applied, although nobody said so.
            let begun = begun_with(&scene, &intent, displaced);
            moved_on = flip::begun_is_stale(row, &begun, false, request, now);
            return if moved_on.is_some() { intent.withdraw(row) } else { Amendment::Leave };
        }
        row.record_pending(found);
        // The row may have changed since it was read: an operator wins even in this moment.
        moved_on = flip::converge_is_stale(row, request, now);
        if moved_on.is_some() {
            return Amendment::Leave;
        }
        displaced = row.pending.is_some();
        row.pending = Some(intent.pending(&plan));
        Amendment::Write
    });
    let written = written.await.map_err(|unamended| Failure::unamended(&request.protection, &unamended))?;
    if let Some(why) = moved_on {
        return Ok(held(&scene, &why, now));
    }
    let scene = as_written(cloud, scene, written, &intent).await?;
    let begun = begun_with(&scene, &intent, displaced);
    let may_go_on = async |moved: bool| still_wanted(cloud, clock, request, &begun, moved).await;
    carry_out(cloud, clock, deadline, scene, intent, may_go_on).await.map_err(|failed| failed.failure)
}

fn begun_with(scene: &Scene, intent: &Intent, displaced: bool) -> Begun {
    Begun { at: intent.at, displaced, made: scene.made.clone(), record: scene.row.spec.failover_record.clone() }
}

/// Why a `converge` must not be written again after a write that was not accepted.
async fn still_wanted<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    request: &Converge,
    begun: &Begun,
    moved: bool,
) -> Result<Option<String>, Fault> {
    let gone = || Some("the protection is not in the ledger any more".to_owned());
    let found = cloud.row(&request.protection).await?;
    Ok(found.map_or_else(gone, |found| flip::begun_is_stale(&found.row, begun, moved, request, clock.now())))
}

fn held(scene: &Scene, why: &str, now: Timestamp) -> Answer {
    tracing::info!(protection = %scene.row.name, decision = "hold", because = why, "Held a request of react");
    scene.answer("converge", Outcome::Held, not_carried_out(why), now)
}

fn not_carried_out(why: &str) -> String {
    format!("not carried out: {why}")
}

/// The scene as the ledger had it when the intent went in. An Update may have given a behaviour up since the row was read, without a
/// write to the distribution, so that no ETag would stop a flip of it.
async fn as_written<C: Observe + Apply>(
    cloud: &C,
    scene: Scene,
    written: Option<Versioned>,
    intent: &Intent,
) -> Result<Scene, Failure> {
    let Some(Versioned { row, .. }) = written else { return Ok(scene) };
    let is_as_read = row.made.distribution.as_ref() == Some(&scene.made)
        && row.spec.failover_record == scene.row.spec.failover_record;
    if is_as_read {
        return Ok(Scene { row, ..scene });
    }
    let name = row.name.clone();
    let anew = scene_of(cloud, row).await;
    if anew.is_err() {
        forget(cloud, &name, intent).await;
    }
    anew
}

/// Writes the flip, then records it. The intent is in the ledger already.
async fn carry_out<C: Observe + Apply, K: Clock>(
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    scene: Scene,
    intent: Intent,
    may_go_on: impl AsyncFn(bool) -> Result<Option<String>, Fault>,
) -> Result<Answer, Failed> {
    let Scene { row, made, read } = scene;
    let plan = plan_of(&row, &made);
    let plan = |document: &Document| plan(document, intent.to);
    let acted = match act(cloud, clock, deadline, &made.id, read, plan, may_go_on).await {
        Ok(acted) => acted,
        Err(failed) => {
            tracing::error!(
                protection = %row.name,
                distribution = %made.id,
                error_type = failed.failure.error_type.as_str(),
                because = failed.failure.message,
                "Not flipped"
            );
            if !failed.in_doubt {
                forget(cloud, &row.name, &intent).await;
            }
            return Err(failed);
        }
    };
    let now = clock.now();
    let recording = async {
        let recorded = record(cloud, &row.name, &intent, &acted, now).await;
        // One that could not be recorded has happened all the same.
        if acted.changed && !matches!(recorded, Ok(Counted::Already)) {
            let metric = Metric { name: "Flips", protection: row.name.clone(), value: 1 };
            if let Err(fault) = cloud.put_metrics(&[metric]).await {
                tracing::warn!(protection = %row.name, error_type = ?fault.kind, %fault, "Metric Flips was not published");
            }
        }
        recorded.err().map(|unamended| unamended.to_string())
    };
    // The flip is in force whatever becomes of this; the intent in the ledger tells the next tick.
    let recorded = within(clock, deadline - TO_ANSWER, recording).await;
    let unrecorded = recorded.unwrap_or_else(|| Some("there was no time left for it".to_owned()));
    let outcome = match (&acted.held, acted.changed) {
        (Some(_), _) => Outcome::Held,
        (None, true) => Outcome::Changed,
        (None, false) => Outcome::Unchanged,
    };
    let mut because = match (&acted.held, acted.changed, &acted.remark) {
        (Some(why), _, _) => not_carried_out(why),
        (None, true, None) => format!("{}; CloudFront needs some minutes until every edge has it", intent.reason),
        (None, true, Some(remark)) => format!("{}; {remark}", intent.reason),
        (None, false, _) => format!("the posture is {} already", acted.plan.after),
    };
    match unrecorded {
        Some(why) if acted.held.is_some() => {
            because = format!(
                "{because}; that it was begun stays in the ledger ({why}), which holds automation for a minute"
            );
        }
        Some(why) => because = format!("{because}; the flip could not be recorded ({why})"),
        None => {}
    }
    if acted.held.is_some() {
        tracing::info!(protection = %row.name, decision = "hold", because, "Held a request of react");
    } else {
        tracing::info!(
            protection = %row.name,
            decision = action_of(intent.to),
            reason = intent.reason,
            distribution = %made.id,
            etag_before = %acted.etag_before,
            etag_after = %acted.etag,
            changed = acted.changed,
            because,
            "Flip done"
        );
    }
    Ok(Answer {
        protection: Some(row.name.clone()),
        action: "converge",
        outcome,
        posture: Change { before: acted.plan.before, after: acted.plan.after },
        behaviors: acted.plan.changes,
        distribution: Distribution { id: made.id.clone(), etag: acted.etag, status: acted.status },
        because,
        pin: row.pin_at(now).map(PinView::from),
        at: now,
    })
}

/// `plan`: the flip that would come next, and what automation would do now.
pub(crate) async fn plan_next<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    name: &ProtectionName,
    decision: &Decision,
) -> Result<Answer, Failure> {
    let scene = scene(cloud, name).await?;
    let side = match flip::posture(&scene.read.document, &scene.made) {
        Posture::Bypassed => Side::Inspected,
        Posture::Inspected | Posture::Mixed | Posture::Foreign => Side::Bypassed,
    };
    let plan = scene.plan(side)?;
    let because = format!(
        "{} would change {}; automation now: {} ({})",
        action_of(side),
        count(plan.changes.len()),
        decision.because,
        decision.reason
    );
    let mut answer = scene.answer("plan", Outcome::Planned, because, clock.now());
    answer.posture.after = plan.after;
    answer.behaviors = plan.changes;
    Ok(answer)
}

fn action_of(side: Side) -> &'static str {
    match side {
        Side::Bypassed => "bypass",
        Side::Inspected => "restore",
    }
}

fn planned_words(plan: &FlipPlan) -> String {
    format!("a dry run: {} would change, and nothing was written", count(plan.changes.len()))
}

fn count(behaviors: usize) -> String {
    match behaviors {
        0 => "no behaviour".to_owned(),
        1 => "one behaviour".to_owned(),
        many => format!("{many} behaviours"),
    }
}
