//! A flip as a plan: which protected behaviours change their target, and when nothing may be touched.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::decide::{budget_spent, dwelling};
use crate::decision::Reason;
use crate::document::{Document, Edit};
use crate::id::{Hostname, OriginId, PathPattern};
use crate::ledger::{Lifecycle, MadeDistribution, PendingFlip, PinPosture, Row};
use crate::limits::FLIP_LIFE;
use crate::port::Converge;
use crate::posture::{Posture, Side};
use crate::quote::quoted;
use crate::spec::EdgeFailOpen;

/// One behaviour that changes its target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BehaviorChange {
    pub path_pattern: PathPattern,
    pub from: OriginId,
    pub to: OriginId,
}

/// What a flip would write. Empty `changes`: the distribution is there already and nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct FlipPlan {
    pub before: Posture,
    pub after: Posture,
    pub changes: Vec<BehaviorChange>,
}

impl FlipPlan {
    /// The edits of the document, one a change.
    pub fn edits(&self) -> Vec<Edit> {
        self.changes
            .iter()
            .map(|change| Edit::Retarget {
                path_pattern: change.path_pattern.clone(),
                from: change.from.clone(),
                to: change.to.clone(),
            })
            .collect()
    }
}

/// Why a flip must not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlipRefusal {
    #[error("behaviour {path_pattern} targets {target}, which is neither {inspection} nor {application}")]
    ForeignTarget { path_pattern: PathPattern, target: OriginId, inspection: OriginId, application: OriginId },
    #[error("behaviour {path_pattern} is gone from the distribution")]
    BehaviorGone { path_pattern: PathPattern },
    #[error("origin {id} is gone from the distribution")]
    OriginGone { id: OriginId },
    #[error("origin {id} has the domain {found} instead of {expected}")]
    OriginChanged { id: OriginId, expected: String, found: String },
    #[error("the distribution's CallerReference is not the one this protection was set up with")]
    OtherDistribution,
}

/// The two origins between which behaviours may move, and nothing else (architecture: closed set).
struct ClosedSet<'a> {
    inspection: &'a OriginId,
    application: &'a OriginId,
}

impl ClosedSet<'_> {
    fn origin(&self, side: Side) -> &OriginId {
        match side {
            Side::Inspected => self.inspection,
            Side::Bypassed => self.application,
        }
    }

    fn side(&self, target: &OriginId) -> Option<Side> {
        if target == self.inspection {
            Some(Side::Inspected)
        } else if target == self.application {
            Some(Side::Bypassed)
        } else {
            None
        }
    }
}

/// What the distribution is configured to do with the protected behaviours.
pub fn posture(document: &Document, made: &MadeDistribution) -> Posture {
    let set = ClosedSet { inspection: &made.inspection_origin, application: &made.application_origin };
    let sides = made
        .behaviors
        .iter()
        .map(|protected| document.behavior(&protected.path_pattern).and_then(|behavior| set.side(&behavior.target)));
    combined(sides)
}

/// Plans the flip of all protected behaviours of a protection towards `side`.
///
/// # Errors
/// [`FlipRefusal`] where the distribution is not the one provisioned, a behaviour targets a third origin, or the origin to
/// go to is gone or leads elsewhere.
pub fn plan(
    document: &Document,
    made: &MadeDistribution,
    failover_record: &Hostname,
    side: Side,
) -> Result<FlipPlan, FlipRefusal> {
    if document.caller_reference() != made.caller_reference {
        return Err(FlipRefusal::OtherDistribution);
    }
    let paths = made.behaviors.iter().map(|protected| &protected.path_pattern);
    let plan = plan_paths(document, &made.inspection_origin, &made.application_origin, paths, side)?;
    if side == Side::Inspected
        && !plan.changes.is_empty()
        && let Some(origin) = document.origin(&made.inspection_origin)
        && !origin.leads_to(failover_record)
    {
        return Err(FlipRefusal::OriginChanged {
            id: origin.id.clone(),
            expected: failover_record.to_string(),
            found: origin.domain_name.clone(),
        });
    }
    Ok(plan)
}

/// Plans a break-glass flip: behaviours that target `from` go to `to`; those that are there already stay.
///
/// # Errors
/// As [`plan`].
pub fn plan_break_glass(
    document: &Document,
    from: &OriginId,
    to: &OriginId,
    paths: &[PathPattern],
) -> Result<FlipPlan, FlipRefusal> {
    // `to` plays the application's part: the words of the plan are turned round by the caller where it is a restore.
    plan_paths(document, from, to, paths.iter(), Side::Bypassed)
}

/// Everything for which a break-glass flip cannot be planned, one sentence's part each, and what it could have named instead:
/// whoever types ids in the middle of an outage should not have to try them one by one.
pub fn break_glass_faults(document: &Document, from: &OriginId, to: &OriginId, paths: &[PathPattern]) -> String {
    let mut faults = Vec::new();
    for (field, origin) in [("from", from), ("to", to)] {
        // A behaviour may come from a group, and cannot be sent to one.
        let is_group = field == "from" && document.origin_groups().contains(origin);
        if document.origin(origin).is_none() && !is_group {
            faults.push(format!("it has no origin {}, which `{field}` names", quoted(origin.as_str())));
        }
    }
    for path in paths {
        let named = quoted(path.as_str());
        match document.behavior(path) {
            None => faults.push(format!("it has no behaviour {named}")),
            Some(behavior) if behavior.target != *from && behavior.target != *to => {
                faults
                    .push(format!("behaviour {named} targets `{}`, which is neither `from` nor `to`", behavior.target));
            }
            Some(_) => {}
        }
    }
    let origins = document.origins().iter().map(|origin| format!("`{}` ({})", origin.id, origin.domain_name));
    let groups = document.origin_groups().iter().map(|group| format!("`{group}` (a group)"));
    let behaviors =
        document.behaviors().iter().map(|behavior| format!("{} to `{}`", behavior.path_pattern, behavior.target));
    let (faults, origins, behaviors) = (some(faults), some(origins.chain(groups)), some(behaviors));
    format!("{faults}. Its origins: {origins}. Its behaviours: {behaviors}")
}

/// The first of them: CloudFront lists behaviours in the order in which it tries them.
fn some(parts: impl IntoIterator<Item = String>) -> String {
    const ROOM: usize = 30;
    let parts: Vec<String> = parts.into_iter().collect();
    match parts.len().saturating_sub(ROOM) {
        0 => parts.join(", "),
        more => format!("{} and {more} more", parts[..ROOM].join(", ")),
    }
}

fn plan_paths<'p>(
    document: &Document,
    inspection: &OriginId,
    application: &OriginId,
    paths: impl Iterator<Item = &'p PathPattern>,
    side: Side,
) -> Result<FlipPlan, FlipRefusal> {
    let set = ClosedSet { inspection, application };
    let to = set.origin(side);
    let mut sides = Vec::new();
    let mut changes = Vec::new();
    for path_pattern in paths {
        let behavior = document
            .behavior(path_pattern)
            .ok_or_else(|| FlipRefusal::BehaviorGone { path_pattern: path_pattern.clone() })?;
        let present = set.side(&behavior.target).ok_or_else(|| FlipRefusal::ForeignTarget {
            path_pattern: path_pattern.clone(),
            target: behavior.target.clone(),
            inspection: inspection.clone(),
            application: application.clone(),
        })?;
        sides.push(Some(present));
        if present != side {
            changes.push(BehaviorChange {
                path_pattern: path_pattern.clone(),
                from: behavior.target.clone(),
                to: to.clone(),
            });
        }
    }
    if !changes.is_empty() && document.origin(to).is_none() {
        return Err(FlipRefusal::OriginGone { id: to.clone() });
    }
    Ok(FlipPlan { before: combined(sides.into_iter()), after: side.posture(), changes })
}

fn combined(sides: impl Iterator<Item = Option<Side>>) -> Posture {
    let mut seen: Option<Posture> = None;
    for side in sides {
        let Some(side) = side else { return Posture::Foreign };
        seen = Some(match seen {
            None => side.posture(),
            Some(posture) if posture == side.posture() => posture,
            Some(_) => Posture::Mixed,
        });
    }
    seen.unwrap_or(Posture::Foreign)
}

/// How old a request of react may be before flip refuses to act on it.
const CONVERGE_LIFE: SignedDuration = SignedDuration::from_secs(120);

/// What an automatic flip began with.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Of its intent, which a newer flip, or the record of one, takes out of the row: no clock is needed to see that.
    pub at: Timestamp,
    /// Whether its intent took the place of another one, which was over by this function's clock alone.
    pub displaced: bool,
    /// What is protected, and by which record, as the ledger had it then.
    pub made: MadeDistribution,
    pub record: Hostname,
}

/// Why a `converge` that has begun must not be written again after a write that was not accepted: the ledger has moved on since.
/// `moved` says whether the distribution has changed since that write.
pub fn begun_is_stale(row: &Row, begun: &Begun, moved: bool, request: &Converge, now: Timestamp) -> Option<String> {
    // If the other flip was not over, the change is its doing.
    if begun.displaced && moved {
        return Some("another flip was begun before it, and the distribution has changed: react decides anew".into());
    }
    if row.made.distribution.as_ref() != Some(&begun.made) || row.spec.failover_record != begun.record {
        return Some("an Update has changed what is protected: react decides anew within a minute".into());
    }
    let is_its_own = |pending: &PendingFlip| pending.at == begun.at && pending.to == request.posture;
    if !row.pending.as_ref().is_some_and(is_its_own) {
        return Some("another flip has taken its place in the ledger since it was begun".into());
    }
    converge_is_stale(&Row { pending: None, ..row.clone() }, request, now)
}

/// Why a `converge` request must not be carried out any more: it is old, or the ledger has moved on since it was decided.
pub fn converge_is_stale(row: &Row, request: &Converge, now: Timestamp) -> Option<String> {
    let age = now.duration_since(request.decided_at);
    if age.abs() > CONVERGE_LIFE {
        return Some(format!("it was decided at {}, more than 120 s from now", request.decided_at));
    }
    match row.lifecycle {
        Lifecycle::Active | Lifecycle::Updating => {}
        Lifecycle::Creating => return Some("the protection is still being provisioned".into()),
        Lifecycle::Deleting => return Some("the protection is being deleted".into()),
    }
    if let Some(pin) = row.pin_at(now) {
        let agrees = match pin.posture {
            PinPosture::Hold => false,
            PinPosture::Inspected => request.posture == Side::Inspected,
            PinPosture::Bypassed => request.posture == Side::Bypassed,
        };
        // A pinned posture is the operator's will: neither latch nor budget nor dwell limits it.
        return (!agrees).then(|| format!("an operator has pinned the protection since ({})", pin.reason));
    }
    // Nobody has asked for the alarm or for a probe: the pin was the only reason.
    if request.reason == Reason::PinnedPosture.to_string() {
        return Some("the pin that it was decided for is gone".into());
    }
    if row.last_pin_end(now).is_some_and(|end| end > request.decided_at) {
        return Some("a pin has ended since it was decided, and hold-down starts anew".into());
    }
    if let Some(latch) = &row.latch {
        return Some(format!("automation is latched since {}", latch.since));
    }
    if let Some(flip) = row.flips.last().filter(|flip| flip.at > request.decided_at) {
        return Some(format!("there was a newer flip at {}", flip.at));
    }
    // One begun before the decision counts as well: its write may be on the way, and would make two flips of one.
    let may_be_written =
        |pending: &&PendingFlip| pending.at > request.decided_at || now.duration_since(pending.at).abs() < FLIP_LIFE;
    if let Some(pending) = row.pending.as_ref().filter(may_be_written) {
        return Some(format!("another flip was begun at {}, and it is not known yet what became of it", pending.at));
    }
    match row.spec.automation.edge_fail_open {
        EdgeFailOpen::Automatic => {}
        EdgeFailOpen::Off | EdgeFailOpen::Notify => {
            return Some("EdgeFailOpen is no longer automatic".into());
        }
    }
    budget_spent(row, now).or_else(|| dwelling(row, now))
}

#[cfg(test)]
#[path = "flip_tests.rs"]
mod tests;
