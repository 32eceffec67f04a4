//! Break-glass: a flip by distribution and origin ids alone. It works when the ledger does not, and tells it nothing. As soon as
//! the ledger answers, automation goes by what that says: a pin in force is carried out again, and an alarm that rings bypasses
//! again. Only a bypass that nothing speaks against is left to operators (`AwaitingOperator`).

use failopen::document::Document;
use failopen::failure::{ErrorType, Failure};
use failopen::flip::{break_glass_faults, plan_break_glass};
use failopen::id::DistributionId;
use failopen::port::{Apply, Clock, FaultKind, Observe};
use failopen::posture::{Posture, Side};
use jiff::Timestamp;
use serde_json::json;

use crate::act::{Unread, act, try_read};
use crate::answer::{Answer, Change, Distribution, Outcome};
use crate::request::BreakGlass;

/// Carries out `bypass` or `restore` with `distribution`, `from` and `to`.
pub(crate) async fn break_glass<C: Observe + Apply, K: Clock>(
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    request: &BreakGlass,
) -> Result<Answer, Failure> {
    let id = &request.distribution;
    let seen = try_read(cloud, id).await.map_err(|unread| unfound(id, unread))?;
    let plan = |document: &Document| plan_break_glass(document, &request.from, &request.to, &request.paths);
    let planned = plan(&seen.document).map_err(|_| misnamed(&seen.document, request))?;
    let action = match request.side {
        Side::Bypassed => "bypass",
        Side::Inspected => "restore",
    };
    // The plan knows only "there" and "not there": in the words of a restore, the two change places.
    let in_words = |posture: Posture| match (request.side, posture) {
        (Side::Inspected, Posture::Bypassed) => Posture::Inspected,
        (Side::Inspected, Posture::Inspected) => Posture::Bypassed,
        (Side::Bypassed | Side::Inspected, other) => other,
    };
    if request.dry_run {
        return Ok(Answer {
            protection: None,
            action,
            outcome: Outcome::Planned,
            posture: Change { before: in_words(planned.before), after: in_words(planned.after) },
            behaviors: planned.changes,
            distribution: Distribution { id: id.clone(), etag: seen.etag, status: None },
            because: "a dry run of break-glass: nothing was written".to_owned(),
            pin: None,
            at: clock.now(),
        });
    }
    let acted =
        act(cloud, clock, deadline, id, seen, plan, async |_| Ok(None)).await.map_err(|failed| failed.failure)?;
    let remark = acted.remark.map_or(String::new(), |remark| format!("; {remark}"));
    let because = match acted.changed {
        true => format!(
            "break-glass: {}{remark}; the ledger was not told, so as soon as it answers, automation carries a pin in force out again \
             within a minute, and with EdgeFailOpen `automatic` bypasses again while the alarm rings: send {} then",
            request.reason,
            pin_of(request)
        ),
        false => format!("break-glass: every named behaviour targets {} already", request.to),
    };
    tracing::warn!(
        decision = action,
        reason = request.reason,
        requested_by = request.requested_by,
        distribution = %id,
        etag_before = %acted.etag_before,
        etag_after = %acted.etag,
        changed = acted.changed,
        because,
        "Break-glass"
    );
    Ok(Answer {
        protection: None,
        action,
        outcome: if acted.changed { Outcome::Changed } else { Outcome::Unchanged },
        posture: Change { before: in_words(acted.plan.before), after: in_words(acted.plan.after) },
        behaviors: acted.plan.changes,
        distribution: Distribution { id: id.clone(), etag: acted.etag, status: acted.status },
        because,
        pin: None,
        at: clock.now(),
    })
}

/// The request that keeps what break-glass has done. Our own origins carry the name of their protection.
fn pin_of(request: &BreakGlass) -> String {
    let BreakGlass { from, to, reason, side, .. } = request;
    let name = [from, to].into_iter().find_map(|origin| origin.as_str().strip_prefix("failopen-")).unwrap_or("…");
    json!({"action": "pin", "posture": side, "protection": name, "reason": reason}).to_string()
}

/// Nothing was provisioned that could be deployed again: what was typed does not fit, so it is told what would.
fn misnamed(document: &Document, request: &BreakGlass) -> Failure {
    let BreakGlass { distribution, from, to, paths, .. } = request;
    let faults = break_glass_faults(document, from, to, paths);
    Failure::new(
        ErrorType::ForeignTarget,
        format!(
            "Nothing was changed in distribution {distribution}: {faults}. Send the same again with `from`, `to` and `paths` out of \
             these; \"dryRun\":true shows the change without making it."
        ),
    )
}

/// Whoever types an id may have mistyped it; what a protection's own distribution calls for is another matter.
fn unfound(id: &DistributionId, unread: Unread) -> Failure {
    match unread {
        Unread::Fault(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::AccessDenied) => {
            let mut failure = Failure::remote(&fault);
            failure.message = format!(
                "Nothing was changed: distribution {id} is none that this engine can read ({fault}). Check `distribution`: \
                 `aws cloudfront list-distributions --query 'DistributionList.Items[].[Id,Aliases.Items]'` shows the ids; one of \
                 another engine or account is changed there."
            );
            failure
        }
        other => other.failure(id),
    }
}
