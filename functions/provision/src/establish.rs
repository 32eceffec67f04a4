//! Create and Update: both bring the world to what is declared, from wherever it is.
//!
//! The order is the promise that no name is ever without an answer and no behaviour without its origin: ledger row, health
//! check, records, every server has them, inspection is healthy, distribution, alarm, and only then what was replaced.

use std::collections::{BTreeMap, BTreeSet};

use failopen::answer::Outcome;
use failopen::finding::{Finding, summary};
use failopen::flip::posture;
use failopen::health_check;
use failopen::id::{HealthCheckId, PathPattern};
use failopen::ledger::{Answered, Lifecycle, Made, MadeHealthCheck, MadeRecords, Replaced, Row};
use failopen::port::{Apply, Clock, Observe};
use failopen::preflight::{Observed, Occasion, Questions, findings, refusing};
use failopen::properties::{self, Problem};
use failopen::records;
use failopen::spec::{Dns, Preflight, Spec};
use failopen::tombstone::Tombstone;
use failopen::wiring::uninspected;
use jiff::SignedDuration;

use crate::claim::{is_about_to_be_written, let_arrive};
use crate::declared::{Declared, certain};
use crate::entry::{Entry, answered, confirm_wanted, overtaken};
use crate::event::Kind;
use crate::hosts::last_look;
use crate::job::Job;
use crate::observation::{neighbors, observe};
use crate::respond::answer;
use crate::stop::Stop;
use crate::withdraw::{Deleting, on_the_way, withdraw};
use crate::{alarm, distribution, sharing};

/// Carries out a Create or Update. Returns the answer's body.
pub(crate) async fn establish<C: Observe + Apply, K: Clock>(job: &Job<'_, C, K>) -> Result<String, Stop> {
    let Declared { spec, mut problems, refused } = Declared::by(job.request.properties.expose(), &job.engine.allowed);
    let renamed = renamed(job);
    // By another name a protection looks like a stranger to itself, so what the account shows would say nothing.
    let is_itself = renamed.is_none();
    problems.extend(renamed);
    let spec = match spec {
        Some(spec) if refused.is_empty() && is_itself => spec,
        Some(_) | None => return Err(Stop::Refused { problems, findings: refused }),
    };
    let seen = Entry::arrive(job, &spec.name).await?;
    let neighbors = neighbors(job.cloud, job.clock).await?;
    let present = neighbors.rows.iter().find(|row| row.name == spec.name && row.owner == job.owner);
    if problems.is_empty()
        && let Some(body) = present.and_then(|row| answered(job, row))
    {
        return Ok(body);
    }
    if let Some(stop) = present.and_then(|row| overtaken(job, row)) {
        return Err(withdraw(job, &on_the_way(job, &spec), Deleting::IsLeftAlone, stop).await);
    }
    let observed = observe(job.cloud, job.clock, job.engine, &spec, &job.owner, neighbors, Occasion::Change).await?;
    let findings = certain(&problems, &spec, findings(&spec, &job.owner, &observed));
    if !findings.is_empty() {
        tracing::warn!(protection = %spec.name, step = "preflight", because = summary(&findings), "preflight has findings");
    }
    let mut refused = refusing(spec.preflight, &findings);
    // An Update that rolls a failed one back is not stopped here: it gets as far as it can.
    let settled = observed.row(&spec, &job.owner).filter(|row| row.lifecycle == Lifecycle::Active);
    refused.extend(settled.map(|row| job.engine.allowed.refusals_of_former(row, &spec)).unwrap_or_default());
    if !problems.is_empty() || !refused.is_empty() {
        return Err(Stop::Refused { problems, findings: refused });
    }
    match bring_about(job, &spec, &observed, &findings, seen.as_ref()).await {
        Err(Stop::Answered(body)) => Ok(body),
        outcome => outcome,
    }
}

/// Another name is another protection: CloudFormation would keep the physical id, and the old one would be orphaned.
fn renamed<C, K>(job: &Job<'_, C, K>) -> Option<Problem> {
    let before = job.request.physical_id.as_ref().filter(|_| job.request.kind == Kind::Update)?;
    let name = properties::name(job.request.properties.expose())?;
    (*before != job.owner.physical_id(&name)).then(|| Problem {
        property: "Name".to_owned(),
        fault: format!(
            "is `{}`, which is not the name this protection ({before}) was created with, and it cannot be changed: declare a \
             second resource with the new Name, then remove this one",
            name
        ),
        example: "the former Name".to_owned(),
    })
}

async fn bring_about<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    spec: &Spec,
    observed: &Observed,
    findings: &[Finding],
    seen: Option<&Tombstone>,
) -> Result<String, Stop> {
    let mut first = Row::creating(job.owner.clone(), &job.request.stack_id, &job.request.logical_id, spec.clone());
    first.note_request(&job.sent());
    if job.request.kind == Kind::Create {
        first.created_by = Some(job.request.request_id.clone());
    }
    let mut entry = match Entry::begin(job, first, seen).await {
        Ok(entry) => entry,
        Err(stop @ (Stop::Superseded | Stop::Overtaken(_))) => {
            return Err(withdraw(job, &on_the_way(job, spec), Deleting::IsLeftAlone, stop).await);
        }
        Err(stop) => return Err(stop),
    };
    match take_steps(job, &mut entry, spec, observed, findings).await {
        Err(stop @ (Stop::Superseded | Stop::Overtaken(_))) => {
            Err(withdraw(job, &entry.row, Deleting::IsHelped, stop).await)
        }
        outcome => outcome,
    }
}

async fn take_steps<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    spec: &Spec,
    observed: &Observed,
    findings: &[Finding],
) -> Result<String, Stop> {
    let is_first = entry.row.lifecycle == Lifecycle::Creating;
    let waits = spec.preflight == Preflight::Enforce;
    let questions = Questions::of(spec, observed.row(spec, &job.owner), Occasion::Change);
    let check = crate::health_check::ensure(job, entry, spec).await?;
    if waits && !is_first {
        // Records that are in use change hands only when the new check is known to be healthy.
        if check.is_new {
            crate::health_check::wait_until_healthy(job, &entry.row, spec, &check.id).await?;
        }
        last_look(job, spec, observed, &questions).await?;
    }
    crate::records::ensure(job, entry, spec, &check.id).await?;
    if waits && is_first {
        crate::health_check::wait_until_healthy(job, &entry.row, spec, &check.id).await?;
        last_look(job, spec, observed, &questions).await?;
    }
    let ensured = distribution::ensure(job, entry, spec, &observed.others(spec)).await?;
    alarm::ensure(job, entry, spec, &check.id).await?;
    let mut left = ensured.left;
    left.extend(remove_replaced(job, entry, spec).await?);

    let made = entry.row.made.distribution.as_ref();
    let posture = made.map(|made| posture(&ensured.document, made).to_string());
    let others = observed.others(spec);
    let uninspected = made.map(|made| uninspected(&ensured.document, made, &others)).unwrap_or_default();
    let mut preflight = summary(findings);
    if !left.is_empty() {
        preflight = format!("{preflight}; left alone: {}", left.join("; "));
    }
    if !uninspected.is_empty() {
        preflight = format!("{preflight}; not inspected, because Traffic does not name them: {}", listed(&uninspected));
    }
    let data = data(spec, &entry.row, &check.id, posture.unwrap_or_default(), preflight);
    let body = answer(job, &spec.name, Outcome::Success { data }).body();
    finish(job, entry, spec, body).await
}

/// The first of them, quoted: an answer has little room, and the plan names all.
fn listed(patterns: &[&PathPattern]) -> String {
    const ROOM: usize = 400;
    let mut room = ROOM;
    let fits = |pattern: &&&PathPattern| {
        room = room.saturating_sub(pattern.as_str().len());
        room > 0
    };
    let shown: Vec<String> = patterns.iter().take_while(fits).map(|pattern| format!("`{pattern}`")).collect();
    match patterns.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The values of `Fn::GetAtt`.
fn data(
    spec: &Spec,
    row: &Row,
    check: &HealthCheckId,
    posture: String,
    preflight: String,
) -> BTreeMap<&'static str, String> {
    let made = row.made.distribution.as_ref();
    let application = made.map(|made| made.application_origin.to_string());
    let inspection = made.map(|made| made.inspection_origin.to_string());
    BTreeMap::from([
        ("FailoverRecord", spec.failover_record.to_string()),
        ("HealthCheckId", check.to_string()),
        ("InspectionOriginId", inspection.unwrap_or_default()),
        ("ApplicationOriginId", application.unwrap_or_default()),
        ("AlarmName", spec.name.alarm().to_string()),
        ("Posture", posture),
        ("PreflightSummary", preflight),
    ])
}

/// The last write: from here on automation acts on the protection. Returns the body to answer with: that of another copy
/// of this very request, where it was the first to finish.
async fn finish<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    spec: &Spec,
    body: String,
) -> Result<String, Stop> {
    let request_id = &job.request.request_id;
    entry
        .save(job, |row| {
            row.lifecycle = Lifecycle::Active;
            row.spec = spec.clone();
            if row.answered.as_ref().is_none_or(|answered| answered.request_id != *request_id) {
                let (request_id, body) = (request_id.clone(), body.clone());
                row.answered = Some(Answered { request_id, body });
            }
        })
        .await?;
    tracing::info!(protection = %spec.name, step = "ledger", outcome = "active", "the protection is active");
    Ok(entry.row.answered.as_ref().map_or(body, |answered| answered.body.clone()))
}

/// What an Update replaced, once nothing uses it any more.
struct Doomed {
    records: Vec<MadeRecords>,
    /// Adopted records that are no longer used, as they are told to people: they stay, and the ledger forgets them.
    released: Vec<String>,
    health_checks: Vec<MadeHealthCheck>,
    kept: Vec<Replaced>,
}

impl Doomed {
    /// Records of a name that is still the protection's stay until Delete: they may be what answers for it, in a zone that
    /// the other DNS service has not taken over yet. A health check stays as long as a record that stays names it.
    fn of(row: &Row, spec: &Spec) -> Self {
        let mut doomed =
            Self { records: Vec::new(), released: Vec::new(), health_checks: Vec::new(), kept: Vec::new() };
        // Also without records of ours, and where a check of ours is named as one that was there before.
        let mut needed: BTreeSet<HealthCheckId> =
            row.made.health_check.iter().filter_map(|made| made.id.clone()).collect();
        needed.extend(spec.secondary_health_check.clone());
        let mut given_away = BTreeSet::new();
        for made in records::claimed(row) {
            let is_present = row.made.records.as_ref() == Some(made);
            if is_present {
                needed.insert(made.primary_health_check.clone());
            } else if made.adopted.is_some() {
                // The pair is forgotten, and who needs the check with it: so it is given away together with the pair.
                given_away.extend(made.checks().cloned());
                doomed.released.push(made.stay());
            } else if made.name == spec.failover_record {
                needed.insert(made.primary_health_check.clone());
                doomed.kept.push(Replaced::Records(made.clone()));
            } else {
                doomed.records.push(made.clone());
            }
        }
        let present = row.made.health_check.as_ref();
        for made in health_check::claimed(row).filter(|made| Some(*made) != present) {
            if made.id.as_ref().is_some_and(|id| needed.contains(id)) {
                doomed.kept.push(Replaced::HealthCheck(made.clone()));
            } else if let Some(id) = made.id.as_ref().filter(|id| given_away.contains(id)) {
                doomed.released.push(format!("health check {id}: adopted records name it, so it stays"));
            } else {
                doomed.health_checks.push(made.clone());
            }
        }
        doomed
    }

    /// Somebody uses these records: they stay, and the checks that they rest on with them.
    fn keep(&mut self, made: &MadeRecords) {
        let is_needed = |check: &MadeHealthCheck| made.checks().any(|id| check.id.as_ref() == Some(id));
        self.records.retain(|doomed| doomed != made);
        let checks = self.health_checks.extract_if(.., |check| is_needed(check)).map(Replaced::HealthCheck);
        self.kept.extend(checks);
        self.kept.push(Replaced::Records(made.clone()));
    }
}

/// From here on nothing that was written into a former distribution is certain to be there.
pub(crate) fn give_up_former(made: &mut Made) {
    for replaced in &mut made.replaced {
        match replaced {
            Replaced::Distribution(former) => former.written = false,
            Replaced::Records(_) | Replaced::HealthCheck(_) => {}
        }
    }
}

/// Takes the protection out of former distributions, then removes former records (after every edge has stopped using
/// them) and former health checks. Returns what was left alone.
async fn remove_replaced<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    spec: &Spec,
) -> Result<Vec<String>, Stop> {
    let_arrive(job, entry).await?;
    let mut doomed = Doomed::of(&entry.row, spec);
    let mut left = doomed.released.clone();
    let keeps_records = doomed.kept.iter().any(|kept| matches!(kept, Replaced::Records(_)));
    if matches!(spec.dns, Dns::External) && keeps_records {
        left.push(format!("the records of {} stay until the resource is deleted", spec.failover_record));
    }
    if entry.row.made.replaced.len() == doomed.kept.len() {
        return Ok(left);
    }
    let told = entry.row.intents;
    let mut handled = entry.row.made.clone();
    give_up_former(&mut handled);
    // A roll-back that comes after this must not take a behaviour that is restored for one that failed open.
    entry.save(job, |row| give_up_former(&mut row.made)).await?;
    let claims = distribution::claims(&entry.row);
    for ours in claims.iter().filter(|ours| ours.distribution != spec.distribution) {
        let taken_out = distribution::take_out(job, ours, async || confirm_wanted(job, &spec.name).await).await?;
        if !taken_out.in_use.is_empty() {
            return Err(Stop::Failed(format!(
                "DistributionId: in the former distribution {}, {}; point that elsewhere and try again.",
                ours.distribution,
                taken_out.in_use.join(", ")
            )));
        }
        left.extend(taken_out.left);
        if !taken_out.uses_records.is_empty() {
            // Nothing else looks there, so it is claimed until nobody uses them.
            let is_there = |replaced: &&Replaced| match replaced {
                Replaced::Distribution(made) => made.id == ours.distribution,
                Replaced::Records(_) | Replaced::HealthCheck(_) => false,
            };
            doomed.kept.extend(entry.row.made.replaced.iter().filter(is_there).cloned());
        }
        left.extend(taken_out.uses_records.into_iter().map(|user| {
            format!(
                "in the former distribution {}, {user}, which leads to records of this protection: they go when it is deleted, so \
                 point that elsewhere before",
                ours.distribution
            )
        }));
    }
    if let Some(ttl) = doomed.records.iter().map(|made| made.ttl).max() {
        for ours in &claims {
            distribution::wait_until_deployed(job, &ours.distribution).await?;
        }
        job.pause(SignedDuration::from_secs(i64::from(ttl))).await?;
        for made in doomed.records.clone() {
            let (own, names) = (claims.iter().map(|ours| &ours.distribution).collect(), [made.name.clone()]);
            let mut users = sharing::users(job, own, &names).await?;
            users.extend(sharing::sharers(job, &entry.row, &names).await?);
            if !users.is_empty() {
                left.push(format!(
                    "the records of {} are needed still ({}) and stay until a later Update or the deletion finds them unused",
                    made.name,
                    users.join(", ")
                ));
                doomed.keep(&made);
            }
        }
        let still = async || confirm_wanted(job, &spec.name).await;
        let changed = crate::records::remove(job, &entry.row, &doomed.records, still).await?;
        left.extend(changed.iter().map(|record| format!("record {}: {}", record.name, records::describe(record))));
    }
    let mut kept = doomed.kept.clone();
    // A roll-back that has gone back to a former check meanwhile rests on it.
    let present = entry.row.made.health_check.clone();
    let gives_up = |other: &Row| other.name == spec.name && other.made.health_check == present;
    for check in crate::health_check::remove(job, &entry.row, &doomed.health_checks, gives_up).await? {
        kept.push(Replaced::HealthCheck(check.made));
        left.push(check.why);
    }
    entry
        .save(job, |row| {
            // What another request has replaced meanwhile is not handled by this one, nor is what it has told anew.
            let is_handled = |replaced: &Replaced| {
                let is_on_its_way = match replaced {
                    Replaced::Distribution(made) => {
                        is_about_to_be_written(replaced) && (row.intents != told || made.id == spec.distribution)
                    }
                    Replaced::Records(_) | Replaced::HealthCheck(_) => false,
                };
                handled.replaced.contains(replaced) && !is_on_its_way
            };
            row.made.replaced.retain(|replaced| !is_handled(replaced) && !kept.contains(replaced));
            row.made.replaced.extend_from_slice(&kept);
        })
        .await?;
    Ok(left)
}
