//! What provisioning would do: the answer of `{"action": "plan"}`, made by the same functions that decide the real writes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::alarm::{AlarmState, MetricAlarm};
use crate::document::Edit;
use crate::finding::{Finding, worst_first};
use crate::health_check::{self, Choice, choose};
use crate::id::{HealthCheckId, OwnerMark};
use crate::ledger::{Lifecycle, MadeDistribution, MadeRecords, Row};
use crate::port::{ChangeAction, ObservedHealthCheck, RecordSet};
use crate::preflight::{Observed, findings};
use crate::records::{self, Establishing};
use crate::spec::{HealthCheckSpec, Spec};
use crate::wiring::{Ours, distributions, uninspected, wire};

/// What provisioning would create, change, remove and leave alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Plan {
    pub plan: Vec<Step>,
    pub findings: Vec<Finding>,
    /// The same, for people.
    pub text: String,
}

/// One object and what would happen to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub action: Action,
    /// Kind and name: `record cq-origin-www.example.com PRIMARY`.
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Change,
    Keep,
    Remove,
    /// It is there already, is somebody else's and is as wanted: it is used as it is.
    Adopt,
}

impl Step {
    /// A step with the action that follows from what is there before and after.
    fn new(what: impl Into<String>, before: Option<String>, after: Option<String>) -> Self {
        let action = match (&before, &after) {
            (None, _) => Action::Create,
            (Some(_), None) => Action::Remove,
            (Some(before), Some(after)) if before == after => Action::Keep,
            (Some(_), Some(_)) => Action::Change,
        };
        Self { action, what: what.into(), before, after }
    }

    fn adopt(what: String, as_it_is: String) -> Self {
        Self { action: Action::Adopt, what, before: Some(as_it_is.clone()), after: Some(as_it_is) }
    }
}

/// What becomes of adopted things.
const STAYS: &str = "which stays when the protection is deleted";

/// Plans a Create or Update of `spec` for the resource marked `owner`.
pub fn plan(spec: &Spec, owner: &OwnerMark, observed: &Observed, react_function: &str) -> Plan {
    let findings = findings(spec, owner, observed);
    let row = observed.row(spec, owner);
    let check = check_choice(spec, row, observed);
    let check_id = match &check {
        Choice::Adopt(id) => id.clone(),
        Choice::Keep(present) | Choice::Update(present) => present.id.clone(),
        Choice::Create => HealthCheckId::new("(new)"),
    };
    let mut steps = vec![ledger_step(spec, row), check_step(spec, &check)];
    let records = record_steps(spec, owner, row, observed, &check_id);
    // The name goes on to answer without us.
    let stays = records.iter().all(|step| step.action == Action::Adopt);
    steps.extend(records);
    steps.extend(distribution_steps(spec, row, observed, stays));
    steps.push(alarm_step(spec, observed, &check_id, react_function));
    steps.extend(left_over_steps(spec, row, &check_id));
    let text = text(spec, &steps, &findings);
    Plan { plan: steps, findings, text }
}

/// The checks that exist and carry a CallerReference that the ledger recorded.
pub fn own_checks(
    row: Option<&Row>,
    observed: &BTreeMap<HealthCheckId, ObservedHealthCheck>,
) -> Vec<ObservedHealthCheck> {
    let references: Vec<&String> =
        row.into_iter().flat_map(health_check::claimed).filter_map(|made| made.caller_reference.as_ref()).collect();
    observed.values().filter(|check| references.contains(&&check.caller_reference)).cloned().collect()
}

fn check_choice(spec: &Spec, row: Option<&Row>, observed: &Observed) -> Choice {
    choose(&spec.health_check, &spec.inspection, &own_checks(row, &observed.health_checks))
}

fn ledger_step(spec: &Spec, row: Option<&Row>) -> Step {
    let state = |lifecycle| match lifecycle {
        Lifecycle::Creating => "creating",
        Lifecycle::Active => "active",
        Lifecycle::Updating => "updating",
        Lifecycle::Deleting => "deleting",
    };
    let what = format!("ledger row {}", spec.name);
    match row {
        Some(row) if row.spec == *spec => Step::new(what, Some(state(row.lifecycle).into()), Some("active".into())),
        Some(row) => Step::new(what, Some(state(row.lifecycle).into()), Some("active, with the new settings".into())),
        None => Step::new(what, None, Some("active".into())),
    }
}

fn check_step(spec: &Spec, choice: &Choice) -> Step {
    let wanted = match &spec.health_check {
        HealthCheckSpec::Managed(managed) => health_check::describe(&managed.config(&spec.inspection)),
        HealthCheckSpec::Adopted { .. } => "adopted: never changed".to_owned(),
    };
    match choice {
        Choice::Adopt(id) => Step::new(format!("health check {id}"), Some(wanted.clone()), Some(wanted)),
        Choice::Keep(present) => Step::new(format!("health check {}", present.id), Some(wanted.clone()), Some(wanted)),
        Choice::Update(present) => {
            let before = health_check::describe(&present.config);
            // Settings that the line does not show, such as the regions, still change.
            let after = if before == wanted { format!("{wanted}, other settings as declared") } else { wanted };
            Step::new(format!("health check {}", present.id), Some(before), Some(after))
        }
        Choice::Create => Step::new("health check", None, Some(wanted)),
    }
}

fn record_steps(
    spec: &Spec,
    owner: &OwnerMark,
    row: Option<&Row>,
    observed: &Observed,
    check: &HealthCheckId,
) -> Vec<Step> {
    let Some(wanted) = MadeRecords::wanted(spec, check) else { return Vec::new() };
    let claimed = row.into_iter().flat_map(records::claimed);
    let Ok(Establishing { made, changes }) = records::establish(&wanted, claimed, owner, spec, &observed.records)
    else {
        return vec![Step {
            action: Action::Keep,
            what: format!("record {}", wanted.name),
            before: Some("not ours, see the findings".to_owned()),
            after: None,
        }];
    };
    let steps = made.pair(owner, &spec.name).map(|record| {
        if made.adopted.is_some() {
            return Step::adopt(record_name(&record), format!("{}, {STAYS}", records::describe(&record)));
        }
        let replaced = |change: &&crate::port::RecordChange| {
            change.action == ChangeAction::Delete && change.record.set_identifier == record.set_identifier
        };
        let is_new = changes.iter().any(|change| change.action == ChangeAction::Create && change.record == record);
        let before = if is_new {
            changes.iter().find(replaced).map(|change| records::describe(&change.record))
        } else {
            Some(records::describe(&record))
        };
        Step::new(record_name(&record), before, Some(records::describe(&record)))
    });
    steps.into()
}

fn record_name(record: &RecordSet) -> String {
    format!("record {} {}", record.name, record.set_identifier.as_deref().unwrap_or_default())
}

fn distribution_steps(spec: &Spec, row: Option<&Row>, observed: &Observed, stays: bool) -> Vec<Step> {
    let id = &spec.distribution;
    let refused = |before: &str| {
        vec![Step {
            action: Action::Keep,
            what: format!("distribution {id}"),
            before: Some(before.to_owned()),
            after: None,
        }]
    };
    let Some(document) = &observed.distribution else { return refused("not readable, see the findings") };
    let ours = row.and_then(|row| Ours::of(row, id));
    let Ok(wiring) = wire(document, spec, ours.as_ref(), &observed.others(spec)) else {
        return refused("not changed, see the findings");
    };
    let origin = |id: &crate::id::OriginId| format!("origin {id} of distribution {}", spec.distribution);
    let behavior =
        |pattern: &crate::id::PathPattern| format!("behavior {pattern} of distribution {}", spec.distribution);
    let mut steps: Vec<Step> = wiring
        .edits
        .iter()
        .map(|edit| match edit {
            Edit::AddOrigin { like, origin: new } => {
                let extras = document.extras(like);
                let extras =
                    if extras.is_empty() { String::new() } else { format!(", with its {}", extras.join(", ")) };
                let after = format!("{}:{}, otherwise like {like}{extras}", new.domain_name, new.https_port);
                Step::new(origin(&new.id), None, Some(after))
            }
            Edit::SetOriginDomain { id, from, to } => {
                Step::new(origin(id), Some(from.to_string()), Some(to.to_string()))
            }
            Edit::SetOriginPort { id, from, to } => {
                Step::new(origin(id), Some(format!("port {from}")), Some(format!("port {to}")))
            }
            Edit::RemoveOrigin { id } => Step::new(origin(id), Some("ours".to_owned()), None),
            Edit::Retarget { path_pattern, from, to } => {
                Step::new(behavior(path_pattern), Some(from.to_string()), Some(to.to_string()))
            }
            Edit::CloneBehavior { serving, path_pattern, target } => Step::new(
                behavior(path_pattern),
                None,
                Some(format!("{target}, a copy of `{serving}` directly above it")),
            ),
            Edit::RemoveBehavior { path_pattern } => Step::new(behavior(path_pattern), Some("ours".to_owned()), None),
        })
        .collect();
    let touched = |pattern| steps.iter().any(|step| step.what == behavior(pattern));
    let inspection = &wiring.made.inspection_origin;
    let is_doomed = ours.is_some_and(|ours| ours.doomed.contains(&spec.failover_record));
    let kept: Vec<Step> = wiring
        .made
        .behaviors
        .iter()
        .filter(|made| !touched(&made.path_pattern))
        .map(|made| {
            let target = wiring.after.serving(&made.path_pattern).target.clone();
            let is_adopted = made.original_target == *inspection && target == *inspection;
            let target = target.to_string();
            if is_adopted {
                return Step::adopt(
                    behavior(&made.path_pattern),
                    format!("{target}, {}", when_deleted(&wiring.made, stays && !is_doomed)),
                );
            }
            Step::new(behavior(&made.path_pattern), Some(target.clone()), Some(target))
        })
        .collect();
    let others = observed.others(spec);
    let left_out: Vec<Step> = uninspected(&wiring.after, &wiring.made, &others)
        .into_iter()
        .filter(|pattern| !touched(pattern))
        .map(|pattern| {
            let as_it_is = format!("{}, not inspected: Traffic does not name it", wiring.made.application_origin);
            Step::new(behavior(pattern), Some(as_it_is.clone()), Some(as_it_is))
        })
        .collect();
    if wiring.made.origin_adopted {
        let as_it_is = format!("{}:{}, {STAYS}", spec.failover_record, spec.origin_port);
        steps.push(Step::adopt(origin(&wiring.made.inspection_origin), as_it_is));
    }
    steps.extend(kept);
    steps.extend(left_out);
    steps
}

/// What becomes of an adopted behaviour: nothing may be left at an origin whose records are removed.
fn when_deleted(made: &MadeDistribution, records_stay: bool) -> String {
    if records_stay {
        STAYS.to_owned()
    } else {
        format!(
            "which goes to {} when the protection is deleted, because the records that we make are removed then",
            made.application_origin
        )
    }
}

fn alarm_step(spec: &Spec, observed: &Observed, check: &HealthCheckId, react_function: &str) -> Step {
    let wanted = MetricAlarm::on_inspection(spec, check, react_function);
    let line = |alarm: &MetricAlarm| {
        let dimensions: Vec<&str> = alarm.dimensions.iter().map(|(_, value)| value.as_str()).collect();
        format!(
            "{} {} of {} below 1 for {} min",
            alarm.statistic,
            alarm.metric_name,
            dimensions.join(", "),
            alarm.evaluation_periods
        )
    };
    let what = format!("alarm {}", spec.name.alarm());
    let before = match (observed.alarm.state, &observed.alarm.metric) {
        (AlarmState::Missing, _) => None,
        (_, Some(present)) if *present == wanted => Some(line(&wanted)),
        (_, Some(present)) => Some(format!("{}, other settings", line(present))),
        (_, None) => Some("no metric alarm".to_owned()),
    };
    Step::new(what, before, Some(line(&wanted)))
}

/// What an Update replaces, and removes after every edge has stopped using it.
fn left_over_steps(spec: &Spec, row: Option<&Row>, check: &HealthCheckId) -> Vec<Step> {
    let Some(row) = row else { return Vec::new() };
    let mut steps = Vec::new();
    let elsewhere = distributions(row).filter(|made| made.id != spec.distribution);
    for made in elsewhere {
        let what = format!("protection in distribution {}", made.id);
        steps.push(Step::new(what, Some(made.inspection_origin.to_string()), None));
    }
    let zone = spec.dns.zone().map(|zone| &zone.id);
    for made in records::claimed(row).filter(|made| made.name != spec.failover_record || Some(&made.zone) != zone) {
        for record in made.pair(&row.owner, &row.name) {
            if made.adopted.is_some() {
                steps.push(Step::adopt(record_name(&record), format!("no longer used, {STAYS}")));
                continue;
            }
            steps.push(Step::new(record_name(&record), Some(records::describe(&record)), None));
        }
    }
    let managed = health_check::claimed(row).filter(|made| made.caller_reference.is_some());
    for id in managed.filter_map(|made| made.id.as_ref()).filter(|id| *id != check) {
        steps.push(Step::new(format!("health check {id}"), Some("ours".to_owned()), None));
    }
    steps
}

fn text(spec: &Spec, steps: &[Step], findings: &[Finding]) -> String {
    let mut text = format!("Protection {} in distribution {}\n", spec.name, spec.distribution);
    for step in steps {
        let Step { action, what, before, after } = step;
        let (verb, sign) = match action {
            Action::Create => ("create", '+'),
            Action::Change => ("change", '~'),
            Action::Keep => ("keep", '='),
            Action::Remove => ("remove", '-'),
            Action::Adopt => ("adopt", '='),
        };
        let detail = match (before, after) {
            (Some(before), Some(after)) if before != after => format!("{before} -> {after}"),
            (_, Some(only)) | (Some(only), None) => only.clone(),
            (None, None) => String::new(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{sign} {verb:<6} {what}: {detail}");
    }
    if findings.is_empty() {
        text.push_str("No findings.\n");
    }
    for finding in worst_first(findings) {
        let _ = writeln!(text, "! {finding}");
    }
    text
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
