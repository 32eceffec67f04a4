//! Reads everything that the verdicts of `failopen::preflight` need, before anything is changed.

use std::collections::BTreeMap;

use failopen::alarm::{AlarmState, ObservedAlarm};
use failopen::document::Document;
use failopen::failure::{ErrorType, Failure};
use failopen::finding::{Code, Finding, Target};
use failopen::health_check::claimed;
use failopen::id::{AlarmName, HealthCheckId, OwnerMark, ProtectionName};
use failopen::ledger::Row;
use failopen::port::{Clock, Fault, FaultKind, Observe, ObservedHealthCheck, ObservedZone, RecordSet};
use failopen::preflight::{Names, Observed, Occasion, Questions};
use failopen::rows::Rows;
use failopen::spec::{HealthCheckSpec, Spec, Zone};
use futures_util::future::{OptionFuture, join3};

use crate::engine::Engine;
use crate::hosts;
use crate::job::persist;
use crate::names::names;
use crate::reach;
use crate::stop::advice;

/// The ledger, as far as it can be read.
pub(crate) struct Neighbors {
    /// Every row, ours too where there is one.
    pub(crate) rows: Vec<Row>,
    pub(crate) unreadable: Vec<ProtectionName>,
}

/// Reads all of the ledger.
pub(crate) async fn neighbors<C: Observe, K: Clock>(cloud: &C, clock: &K) -> Result<Neighbors, Failure> {
    let Rows { readable, unreadable } = persist(clock, async || cloud.rows().await)
        .await
        .map_err(|fault| Failure { error_type: ErrorType::LedgerUnavailable, ..unread(&fault) })?;
    Ok(Neighbors {
        rows: readable.into_iter().map(|versioned| versioned.row).collect(),
        unreadable: unreadable.into_iter().map(|row| row.name).collect(),
    })
}

/// A read that failed while nothing was changed yet: what it means for a deployment.
fn unread(fault: &Fault) -> Failure {
    let message = format!("{fault}, so nothing was changed and traffic stays as it is: {}.", advice(fault.kind));
    Failure { message, ..Failure::remote(fault) }
}

/// Reads the world around one protection.
///
/// What is missing or forbidden becomes part of the observation, so that all of it can be reported together.
///
/// # Errors
/// A read whose outcome stays unknown: nothing can be said then.
pub(crate) async fn observe<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    engine: &Engine,
    spec: &Spec,
    owner: &OwnerMark,
    neighbors: Neighbors,
    occasion: Occasion,
) -> Result<Observed, Failure> {
    let Neighbors { rows, unreadable } = neighbors;
    let row = rows.iter().find(|row| row.name == spec.name && row.owner == *owner);
    let mut denied = Vec::new();
    let distribution = distribution(cloud, clock, spec, &mut denied).await?;
    let (zone, records) = match spec.dns.zone() {
        Some(zone) => read_zone(cloud, clock, zone, spec, &mut denied).await?,
        None => (None, Vec::new()),
    };
    let health_checks = health_checks(cloud, clock, spec, row).await?;
    let name = spec.name.alarm();
    let alarm_names: Vec<AlarmName> = std::iter::once(&name).chain(&spec.additional_alarms).cloned().collect();
    let alarms = persist(clock, async || cloud.alarms(&alarm_names).await).await.map_err(|fault| unread(&fault))?;
    let (own, others): (Vec<_>, Vec<_>) = alarms.into_iter().partition(|alarm| alarm.name == name);
    let alarm = own.into_iter().next().unwrap_or_else(|| ObservedAlarm::missing(name));
    let missing = others.into_iter().filter(|alarm| alarm.state == AlarmState::Missing);
    let alarm_owner = match alarm.arn.as_str() {
        "" => None,
        arn => persist(clock, async || cloud.alarm_owner(arn).await).await.map_err(|fault| unread(&fault))?,
    };
    let mut observed = Observed {
        distribution,
        zone,
        records,
        health_checks,
        alarm,
        alarm_owner,
        missing_alarms: missing.map(|alarm| alarm.name).collect(),
        rows,
        unreadable,
        application: None,
        hosts: None,
        reach: None,
        names: Names::default(),
        denied,
    };
    let questions = Questions::of(spec, observed.row(spec, owner), occasion);
    // Together: whoever asked for a plan is waiting.
    let (answers, names, reach) = join3(
        hosts::ask(cloud, clock, spec, owner, &questions, &observed),
        names(cloud, spec, &observed, &questions),
        OptionFuture::from(questions.reach.then(|| reach::ask(cloud, clock, engine, spec))),
    )
    .await;
    (observed.hosts, observed.application, observed.names) = (answers.hosts, answers.application, names);
    observed.reach = reach;
    Ok(observed)
}

async fn distribution<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    spec: &Spec,
    denied: &mut Vec<Finding>,
) -> Result<Option<Document>, Failure> {
    match persist(clock, async || cloud.distribution(&spec.distribution).await).await {
        Ok(raw) => Document::parse(&raw.bytes).map(Some).map_err(|malformed| {
            Failure::new(
                ErrorType::MalformedDistribution,
                format!(
                    "The configuration of {} cannot be read safely ({malformed}), so nothing is changed; look at it with `aws \
                     cloudfront get-distribution-config --id {}`.",
                    spec.distribution, spec.distribution
                ),
            )
        }),
        Err(fault) => absent_or_denied(&fault, "DistributionId", Target::Distribution, denied).map(|()| None),
    }
}

async fn read_zone<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    zone: &Zone,
    spec: &Spec,
    denied: &mut Vec<Finding>,
) -> Result<(Option<ObservedZone>, Vec<RecordSet>), Failure> {
    let present = match persist(clock, async || cloud.zone(zone).await).await {
        Ok(present) => present,
        Err(fault) => {
            absent_or_denied(&fault, "HostedZoneId", Target::Zone, denied)?;
            return Ok((None, Vec::new()));
        }
    };
    match persist(clock, async || cloud.records(zone, &spec.failover_record).await).await {
        Ok(records) => Ok((Some(present), records)),
        Err(fault) => {
            absent_or_denied(&fault, "HostedZoneId", Target::Zone, denied)?;
            Ok((Some(present), Vec::new()))
        }
    }
}

/// Absence is for the verdicts; a refusal is a finding at once; anything else leaves us knowing nothing.
fn absent_or_denied(fault: &Fault, property: &str, target: Target, denied: &mut Vec<Finding>) -> Result<(), Failure> {
    match fault.kind {
        FaultKind::NotFound => Ok(()),
        FaultKind::AccessDenied => {
            let message = format!(
                "the provision function may not read it ({fault}); add it to the Allowed… parameters of the engine's stack, or \
                 ask who runs the organisation's policies"
            );
            denied.push(Finding::structural(Code::Permission, property, target, message));
            Ok(())
        }
        FaultKind::Throttled | FaultKind::Stale | FaultKind::Refused | FaultKind::Unknown | FaultKind::Malformed => {
            Err(unread(fault))
        }
    }
}

/// The checks that the properties name and those that the ledger claims, as far as they exist.
async fn health_checks<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    spec: &Spec,
    row: Option<&Row>,
) -> Result<BTreeMap<HealthCheckId, ObservedHealthCheck>, Failure> {
    let mut found = BTreeMap::new();
    let adopted = match &spec.health_check {
        HealthCheckSpec::Adopted { id } => Some(id),
        HealthCheckSpec::Managed(_) => None,
    };
    for id in adopted.into_iter().chain(&spec.secondary_health_check) {
        let check = persist(clock, async || cloud.health_check(id).await).await;
        found.extend(check.map_err(|fault| unread(&fault))?.map(|check| (check.id.clone(), check)));
    }
    let own = own_checks(cloud, clock, row).await.map_err(|fault| unread(&fault))?;
    found.extend(own.into_iter().map(|check| (check.id.clone(), check)));
    Ok(found)
}

/// The checks that the ledger says we made, as far as they exist: by id, or by CallerReference where a crash lost the id.
pub(crate) async fn own_checks<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    row: Option<&Row>,
) -> Result<Vec<ObservedHealthCheck>, Fault> {
    let mut own = Vec::new();
    for made in row.into_iter().flat_map(claimed) {
        let Some(reference) = &made.caller_reference else { continue };
        let check = match &made.id {
            Some(id) => persist(clock, async || cloud.health_check(id).await).await?,
            None => persist(clock, async || cloud.health_check_by_reference(reference).await).await?,
        };
        own.extend(check.filter(|check| check.caller_reference == *reference));
    }
    Ok(own)
}
