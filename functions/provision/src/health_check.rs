//! The health check on inspection: made once per request, found again after a crash, removed when nothing needs it.

use failopen::health_check::{Choice, choose, claimed, has_checkers, rests_on};
use failopen::id::HealthCheckId;
use failopen::ledger::{Lifecycle, MadeHealthCheck, Replaced, Row};
use failopen::mark::PROTECTION_TAG;
use failopen::port::{Apply, Clock, Fault, FaultKind, Observe, ObservedHealthCheck};
use failopen::spec::{HealthCheckSpec, ManagedHealthCheck, Spec};
use jiff::SignedDuration;

use crate::entry::Entry;
use crate::job::Job;
use crate::observation::own_checks;
use crate::stop::Stop;

/// GetHealthCheckStatus is allowed once a second in the whole account.
const POLL: SignedDuration = SignedDuration::from_secs(10);
/// New checks take minutes until every checker reports; beyond this, inspection is not healthy.
const HEALTHY_WITHIN: SignedDuration = SignedDuration::from_mins(9);

/// The check that the PRIMARY record and the alarm will use.
pub(crate) struct Chosen {
    pub(crate) id: HealthCheckId,
    /// Made, changed or named anew by this request: what its checkers said before means nothing any more.
    pub(crate) is_new: bool,
}

/// Makes the health check as declared.
pub(crate) async fn ensure<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    spec: &Spec,
) -> Result<Chosen, Stop> {
    let own = own_checks(job.cloud, job.clock, Some(&entry.row)).await;
    let own = own.map_err(|fault| Stop::fault("Reading the health checks", &fault))?;
    match (choose(&spec.health_check, &spec.inspection, &own), &spec.health_check) {
        (Choice::Adopt(id), _) => {
            let is_new = is_new(&entry.row, &id);
            use_check(job, entry, MadeHealthCheck { caller_reference: None, id: Some(id.clone()) }).await?;
            Ok(Chosen { id, is_new })
        }
        (Choice::Keep(present), _) => {
            use_check(job, entry, recorded(&present)).await?;
            // A retry finds the check that the first attempt made: to this request it is as new as it was then.
            let is_new = present.caller_reference == job.owner.caller_reference(&job.request.request_id);
            Ok(Chosen { id: present.id, is_new })
        }
        (Choice::Update(present), HealthCheckSpec::Managed(managed)) => {
            use_check(job, entry, recorded(&present)).await?;
            // Nothing else fences this write: an older request that is delivered again must not take a newer one's settings back.
            entry.confirm(job).await?;
            update(job, &present, managed, spec).await?;
            Ok(Chosen { id: present.id, is_new: true })
        }
        (Choice::Create, HealthCheckSpec::Managed(managed)) => {
            let id = create(job, entry, managed, spec).await?;
            Ok(Chosen { id, is_new: true })
        }
        (Choice::Update(_) | Choice::Create, HealthCheckSpec::Adopted { id }) => {
            Ok(Chosen { id: id.clone(), is_new: is_new(&entry.row, id) })
        }
    }
}

/// Whether traffic does not hang on an adopted check yet. The records tell, because they are written after it: a retry finds the
/// check in the row that the first attempt put there.
///
/// While an Update is unfinished, the last finished one still counts: going back to its check is a roll-back, which waits for
/// nothing.
fn is_new(row: &Row, id: &HealthCheckId) -> bool {
    let is_former = |spec: &HealthCheckSpec| match spec {
        HealthCheckSpec::Adopted { id: former } => former == id,
        HealthCheckSpec::Managed(_) => false,
    };
    if row.lifecycle == Lifecycle::Updating && is_former(&row.spec.health_check) {
        return false;
    }
    match (&row.made.records, &row.made.health_check) {
        (Some(records), _) => records.primary_health_check != *id,
        (None, made) => made.as_ref().is_none_or(|made| made.id.as_ref() != Some(id)),
    }
}

fn recorded(present: &ObservedHealthCheck) -> MadeHealthCheck {
    MadeHealthCheck { caller_reference: Some(present.caller_reference.clone()), id: Some(present.id.clone()) }
}

/// Records which check is in use; a managed one that was in use before waits among the replaced for its removal.
async fn use_check<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    current: MadeHealthCheck,
) -> Result<(), Stop> {
    entry
        .save(job, |row| {
            let is_current = |made: &MadeHealthCheck| {
                made.caller_reference.is_some() && made.caller_reference == current.caller_reference
            };
            // Another copy of this request may have made it since: an intent does not forget what it is called.
            let known = claimed(row).filter(|made| is_current(made)).find_map(|made| made.id.clone());
            let current = MadeHealthCheck { id: current.id.clone().or(known), ..current.clone() };
            if let Some(before) = row.made.health_check.take()
                && before.caller_reference.is_some()
            {
                row.made.replaced.push(Replaced::HealthCheck(before));
            }
            row.made.replaced.retain(|replaced| match replaced {
                Replaced::HealthCheck(made) => !is_current(made),
                Replaced::Records(_) | Replaced::Distribution(_) => true,
            });
            row.made.health_check = Some(current);
        })
        .await
}

async fn create<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    managed: &ManagedHealthCheck,
    spec: &Spec,
) -> Result<HealthCheckId, Stop> {
    let reference = job.owner.caller_reference(&job.request.request_id);
    // The intent first: a crash after the creation finds the check by this reference.
    use_check(job, entry, MadeHealthCheck { caller_reference: Some(reference.clone()), id: None }).await?;
    let config = managed.config(&spec.inspection);
    let created = job.persist(async || job.cloud.create_health_check(&reference, &config).await).await;
    let id = created.map_err(|fault| Stop::fault("Creating the health check", &fault))?;
    use_check(job, entry, MadeHealthCheck { caller_reference: Some(reference), id: Some(id.clone()) }).await?;
    let tags =
        [("Name".to_owned(), format!("failopen {}", spec.name)), (PROTECTION_TAG.to_owned(), spec.name.to_string())];
    if let Err(fault) = job.persist(async || job.cloud.tag_health_check(&id, &tags).await).await {
        // Tags are for people; nothing depends on them.
        tracing::warn!(
            protection = %spec.name,
            step = "health check",
            outcome = "untagged",
            %fault,
            "the health check has no tags"
        );
    }
    tracing::info!(
        protection = %spec.name,
        step = "health check",
        outcome = "created",
        health_check = %id,
        "the health check is made"
    );
    Ok(id)
}

async fn update<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    present: &ObservedHealthCheck,
    managed: &ManagedHealthCheck,
    spec: &Spec,
) -> Result<(), Stop> {
    let config = managed.config(&spec.inspection);
    let changed = job
        .persist(async || match job.cloud.update_health_check(&present.id, present.version, &config).await {
            // Somebody else's version, or the echo of our own write: either way the newest one has to become ours.
            Err(fault) if fault.kind == FaultKind::Stale => match job.cloud.health_check(&present.id).await? {
                Some(newest) => job.cloud.update_health_check(&newest.id, newest.version, &config).await,
                None => Err(fault),
            },
            outcome => outcome,
        })
        .await;
    changed.map_err(|fault| Stop::fault("Updating the health check", &fault))?;
    tracing::info!(
        protection = %spec.name,
        step = "health check",
        outcome = "updated",
        health_check = %present.id,
        "the health check is changed"
    );
    Ok(())
}

/// Waits until inspection is reported healthy, by the checkers or, where a check has none, by its metric: a new check counts as
/// healthy until then, which proves nothing.
pub(crate) async fn wait_until_healthy<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    row: &Row,
    spec: &Spec,
    id: &HealthCheckId,
) -> Result<(), Stop> {
    let give_up = job.clock.now() + HEALTHY_WITHIN;
    let has_checkers = loop {
        let check = job.persist(async || job.cloud.health_check(id).await).await;
        match check.map_err(|fault| Stop::fault("Reading the health check", &fault))? {
            Some(check) => break has_checkers(&check.config),
            // Made a moment ago, or removed by somebody: without it nothing is known about inspection.
            None if job.clock.now() >= give_up || job.pause(POLL).await.is_err() => {
                return Err(not_healthy(row, spec, id, "Route 53 does not know it"));
            }
            None => {}
        }
    };
    let mut seen = None;
    loop {
        let looked = if has_checkers { checkers(job, id).await } else { reported(job, id).await };
        let fault = match looked {
            Ok(Look { is_healthy: true, seen }) => {
                tracing::info!(
                    protection = %spec.name,
                    step = "health check",
                    outcome = "healthy",
                    because = seen,
                    "inspection is healthy"
                );
                return Ok(());
            }
            Ok(look) => {
                seen = Some(look.seen);
                None
            }
            Err(fault) => Some(fault),
        };
        // Waiting gives nobody a permission back.
        let is_denied = fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::AccessDenied);
        if is_denied || job.clock.now() >= give_up || job.pause(POLL).await.is_err() {
            return Err(match (fault, &seen) {
                (Some(fault), seen) if is_denied || seen.is_none() => unread(row, &fault),
                (_, seen) => {
                    let seen = seen.as_deref().unwrap_or("nothing has been reported yet");
                    not_healthy(row, spec, id, seen)
                }
            });
        }
    }
}

/// What a health check says now.
struct Look {
    is_healthy: bool,
    /// For people.
    seen: String,
}

async fn checkers<C: Observe, K: Clock>(job: &Job<'_, C, K>, id: &HealthCheckId) -> Result<Look, Fault> {
    let checkers = job.cloud.checkers(id).await?;
    let seen = match checkers.healthy_percent() {
        Some(percent) => format!("{percent} % of {} checkers reach it", checkers.reporting),
        None => "no checker has reported yet".to_owned(),
    };
    Ok(Look { is_healthy: checkers.verdict() == Some(true), seen })
}

/// Of a check that is calculated from others or from an alarm, only its metric is known.
async fn reported<C: Observe, K: Clock>(job: &Job<'_, C, K>, id: &HealthCheckId) -> Result<Look, Fault> {
    let reported = job.cloud.reported_health(id).await?;
    let seen = match reported {
        Some(true) => "its metric HealthCheckStatus is 1",
        Some(false) => "its metric HealthCheckStatus is 0",
        None => "its metric HealthCheckStatus has no value in the last minutes",
    };
    Ok(Look { is_healthy: reported == Some(true), seen: seen.to_owned() })
}

/// Nothing is known about inspection: neither its owner nor its firewall can help.
fn unread(row: &Row, fault: &Fault) -> Stop {
    let what = match row.is_in_service() {
        true => {
            "The Update was not carried on, and the distribution stays as it is: reading what the health check reports"
        }
        false => "The distribution was not pointed at inspection: reading what the health check reports",
    };
    Stop::fault(what, fault)
}

fn not_healthy(row: &Row, spec: &Spec, id: &HealthCheckId, seen: &str) -> Stop {
    let meanwhile = match row.is_in_service() {
        true => format!(
            "and the Update was not carried on. The distribution uses {} as before; where this Update changed the check in use, DNS \
             may answer with the application, uninspected, until the roll-back has put its former settings back",
            row.spec.failover_record
        ),
        false => "and the distribution was not pointed at it".to_owned(),
    };
    Stop::Failed(format!(
        "InspectionHostname: health check {id} on {} did not become healthy ({seen}), {meanwhile}; let the checkers in, correct \
         HealthCheck, or set Preflight to `warn` to go on without waiting [health-check-not-healthy].",
        spec.inspection
    ))
}

/// A check of ours that was not removed.
pub(crate) struct LeftCheck {
    pub(crate) made: MadeHealthCheck,
    /// For people.
    pub(crate) why: String,
}

/// Removes checks that we made; one that another protection has adopted is left. Route 53 deletes a check that is in use all the
/// same, with effects that it calls unpredictable (API reference, DeleteHealthCheck), so whoever calls this has taken the
/// records away that name it. `gives_up` tells which row of the ledger is the one that gives them up; every other may rest on them.
///
/// Returns what was left.
pub(crate) async fn remove<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    row: &Row,
    doomed: &[MadeHealthCheck],
    gives_up: impl Fn(&Row) -> bool,
) -> Result<Vec<LeftCheck>, Stop> {
    let own = own_checks(job.cloud, job.clock, Some(row)).await;
    let mut own = own.map_err(|fault| Stop::fault("Reading the health checks", &fault))?;
    own.retain(|check| doomed.iter().any(|made| made.caller_reference.as_ref() == Some(&check.caller_reference)));
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let others = job.persist(async || job.cloud.rows().await).await;
    let others = others.map_err(|fault| Stop::fault("Reading the ledger", &fault))?.readable;
    let mut left = Vec::new();
    for check in own {
        let mut others = others.iter().map(|other| &other.row).filter(|other| !gives_up(other));
        if let Some(user) = others.find(|other| rests_on(other, &check.id)) {
            let why = format!("health check {}, which protection {} uses", check.id, user.name);
            left.push(LeftCheck { made: recorded(&check), why });
            continue;
        }
        match job.persist(async || job.cloud.delete_health_check(&check.id).await).await {
            Ok(()) => {
                tracing::info!(
                    protection = %row.name,
                    step = "health check",
                    outcome = "removed",
                    health_check = %check.id,
                    "the health check is removed"
                );
            }
            Err(fault) if fault.kind == FaultKind::Refused => {
                let why = format!("health check {} ({fault})", check.id);
                left.push(LeftCheck { made: recorded(&check), why });
            }
            Err(fault) => return Err(Stop::fault("Removing the health check", &fault)),
        }
    }
    Ok(left)
}
