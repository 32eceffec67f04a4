//! `status`: everything an operator wants to know, read now.

use failopen::alarm::{AlarmState, ObservedAlarm};
use failopen::decide::{Next, Situation, decide, inspection_health};
use failopen::decision::{Decision, Reason};
use failopen::document::Document;
use failopen::drift::Drift;
use failopen::failure::{ErrorType, Failure};
use failopen::flip;
use failopen::id::{AlarmName, DistributionId, HealthCheckId, Hostname, ProtectionName};
use failopen::lead::Lead;
use failopen::ledger::Row;
use failopen::limits::{SPARE, within};
use failopen::observe::{failover, first_alive, inspection_as_origin, read_drift};
use failopen::port::{Clock, Observe, ProbeOutcome};
use failopen::posture::{Failover, Health, Posture, Traffic, traffic};
use failopen::probe;
use failopen::spec::ApplicationCheck;
use futures_util::StreamExt;
use futures_util::future::join5;
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::act::read;
use crate::answer::PinView;
use crate::scene::row_of;

/// Protections read at the same time when all are asked for.
const IN_FLIGHT: usize = 5;
/// Time kept back for answering with the others' status, well before the whole request is cut off.
const TO_ANSWER: SignedDuration = SPARE.saturating_add(SignedDuration::from_secs(2));

/// The contract's status of one protection.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Status {
    protection: ProtectionName,
    action: &'static str,
    traffic: Traffic,
    posture: Posture,
    alarm: AlarmView,
    health: HealthView,
    ledger: LedgerView,
    pin: Option<PinView>,
    pub(crate) decision: Decision,
    drift: Vec<DriftView>,
    distribution: DistributionView,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<DnsView>,
}

#[derive(Clone, Debug, Serialize)]
struct AlarmView {
    name: AlarmName,
    /// `None`: CloudWatch could not be asked. Only an alarm that it does not know is missing.
    #[serde(serialize_with = "state_or_unknown")]
    state: Option<AlarmState>,
    since: Option<Timestamp>,
}

fn state_or_unknown<S: Serializer>(state: &Option<AlarmState>, serializer: S) -> Result<S::Ok, S::Error> {
    match state {
        Some(state) => state.serialize(serializer),
        None => serializer.serialize_str("UNKNOWN"),
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HealthView {
    /// The Route 53 health check on inspection; `null` until provisioning has made it.
    health_check_id: Option<HealthCheckId>,
    inspection: Health,
    application: Health,
    /// `null` where no checker has reported, or the checkers cannot be read.
    checkers_healthy_percent: Option<u32>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LedgerView {
    last_flip_at: Option<Timestamp>,
    /// Automatic flips that count towards `MaximumFlipsPerDay`.
    flips_today: usize,
    latched: bool,
}

#[derive(Clone, Debug, Serialize)]
struct DriftView {
    #[serde(flatten)]
    drift: Drift,
    since: Timestamp,
}

#[derive(Clone, Debug, Serialize)]
struct DistributionView {
    id: DistributionId,
    /// `InProgress`, `Deployed`, or `Unknown` where it could not be read.
    status: String,
}

/// What another DNS service answers; left out with Route 53, whose records follow the health check.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DnsView {
    record: Hostname,
    /// `unknown` too while the distribution does not use the record, because nobody is asked then.
    leads_to: Lead,
}

/// Answers `status` for one protection, or for all under `protections`.
pub(crate) async fn status<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    name: Option<&ProtectionName>,
) -> Result<Value, Failure> {
    if let Some(name) = name {
        let row = row_of(cloud, name).await?.row;
        return to_value(&one(cloud, clock, deadline, &row).await?);
    }
    let rows = cloud.rows().await.map_err(|fault| Failure::ledger(&fault))?;
    let mut all: Vec<(&ProtectionName, Value)> = futures_util::stream::iter(&rows.readable)
        .map(|versioned| async move {
            let name = &versioned.row.name;
            let status = one(cloud, clock, deadline, &versioned.row).await.and_then(|status| to_value(&status));
            (name, status.unwrap_or_else(|failure| without_status(name, &failure)))
        })
        .buffered(IN_FLIGHT)
        .collect()
        .await;
    let unreadable = rows.unreadable.iter();
    all.extend(unreadable.map(|row| (&row.name, without_status(&row.name, &Failure::ledger(&row.fault)))));
    all.sort_by_key(|(name, _)| *name);
    let all: Vec<Value> = all.into_iter().map(|(_, status)| status).collect();
    Ok(json!({ "action": "status", "protections": all }))
}

/// One protection that cannot be read must not hide the others.
fn without_status(name: &ProtectionName, failure: &Failure) -> Value {
    json!({
        "protection": name,
        "action": "status",
        "error": {"errorType": failure.error_type.as_str(), "errorMessage": failure.message},
    })
}

fn to_value(status: &Status) -> Result<Value, Failure> {
    serde_json::to_value(status).map_err(|error| {
        Failure::new(
            ErrorType::Unavailable,
            format!("The status could not be written as JSON ({error}); nothing was changed."),
        )
    })
}

/// The status of one protection, in time to be answered whatever hangs.
pub(crate) async fn one<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    row: &Row,
) -> Result<Status, Failure> {
    let reading = read_all(cloud, clock, row);
    within(clock, deadline - TO_ANSWER, reading).await.unwrap_or_else(|| {
        Err(Failure::new(
            ErrorType::Unavailable,
            format!(
                "The status of `{}` could not be read in time, because AWS or a probed host does not answer; nothing was \
                 changed. Ask again, or look with `aws cloudfront get-distribution-config --id {}`.",
                row.name, row.spec.distribution
            ),
        ))
    })
}

/// Reads one protection: distribution and alarms, then checkers, probes and drift side by side, so that one service that
/// hangs leaves time for the others.
async fn read_all<C: Observe, K: Clock>(cloud: &C, clock: &K, row: &Row) -> Result<Status, Failure> {
    let id = row.made.distribution.as_ref().map_or(&row.spec.distribution, |made| &made.id);
    let document = read(cloud, id).await?.document;
    let names: Vec<AlarmName> =
        std::iter::once(row.name.alarm()).chain(row.spec.additional_alarms.iter().cloned()).collect();
    let alarms = cloud.alarms(&names).await.unwrap_or_else(|fault| {
        tracing::warn!(protection = %row.name, error_type = ?fault.kind, %fault, "The alarms could not be read");
        Vec::new()
    });
    let own = alarms.first();
    let checkers = async {
        match row.made.health_check.as_ref().and_then(|made| made.id.as_ref()) {
            Some(check) => cloud.checkers(check).await.ok(),
            None => None,
        }
    };
    let posture = row.made.distribution.as_ref().map_or(Posture::Foreign, |made| flip::posture(&document, made));
    let (checkers, application, drift, status, failover) = join5(
        checkers,
        application_health(cloud, row, &document),
        read_drift(cloud, row, Some(&document), alarms.first()),
        cloud.distribution_status(id),
        failover(cloud, row, posture),
    )
    .await;
    let inspection = match checkers.and_then(|checkers| checkers.verdict()) {
        Some(true) => Health::Healthy,
        Some(false) => Health::Unhealthy,
        None => inspection_health(row, &alarms),
    };
    let decision = decision_now(cloud, clock, row, &document, posture, &alarms, application.outcome.as_ref()).await;
    let now = clock.now();
    let status = match status {
        Ok(status) => status.status,
        Err(_) => "Unknown".to_owned(),
    };
    Ok(Status {
        protection: row.name.clone(),
        action: "status",
        traffic: traffic(posture, failover, inspection),
        posture,
        alarm: AlarmView {
            name: row.name.alarm(),
            state: own.map(|alarm| alarm.state),
            since: own.and_then(|alarm| alarm.since),
        },
        health: HealthView {
            health_check_id: row.made.health_check.as_ref().and_then(|made| made.id.clone()),
            inspection,
            application: application.health,
            checkers_healthy_percent: checkers.and_then(|checkers| checkers.healthy_percent()),
        },
        ledger: LedgerView {
            last_flip_at: row.flips.last().map(|flip| flip.at),
            flips_today: row.automatic_flips_in_a_day(now),
            latched: row.latch.is_some(),
        },
        pin: row.pin_at(now).map(PinView::from),
        decision,
        drift: drift
            .into_iter()
            .map(|drift| {
                let known = row.watch.drift.iter().find(|seen| seen.what == drift.what);
                DriftView { since: known.map_or(now, |seen| seen.since), drift }
            })
            .collect(),
        distribution: DistributionView { id: id.clone(), status },
        dns: match failover {
            Failover::Route53 => None,
            Failover::External(leads_to) => Some(DnsView { record: row.spec.failover_record.clone(), leads_to }),
        },
    })
}

struct ApplicationView {
    health: Health,
    outcome: Option<ProbeOutcome>,
}

async fn application_health<C: Observe>(cloud: &C, row: &Row, document: &Document) -> ApplicationView {
    match (&row.spec.application_check, &row.spec.secondary_health_check) {
        (ApplicationCheck::Probe { .. }, _) => {
            let outcome = first_alive(cloud, &probe::application(row, document)).await;
            let health = if outcome.is_alive() { Health::Healthy } else { Health::Unhealthy };
            ApplicationView { health, outcome: Some(outcome) }
        }
        (ApplicationCheck::None, Some(check)) => {
            let health = match cloud.checkers(check).await.ok().and_then(|checkers| checkers.verdict()) {
                Some(true) => Health::Healthy,
                Some(false) => Health::Unhealthy,
                None => Health::Unknown,
            };
            ApplicationView { health, outcome: None }
        }
        (ApplicationCheck::None, None) => ApplicationView { health: Health::NotChecked, outcome: None },
    }
}

/// What automation would decide at this moment.
async fn decision_now<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    row: &Row,
    document: &Document,
    posture: Posture,
    alarms: &[ObservedAlarm],
    application: Option<&ProbeOutcome>,
) -> Decision {
    let mut inspection: Option<ProbeOutcome> = None;
    loop {
        let situation = Situation { row, posture, alarms, application, inspection: inspection.as_ref() };
        match decide(&situation, clock.now()) {
            Next::Settled(decision) => return decision,
            Next::ProbeInspection => {
                inspection = Some(inspection_as_origin(cloud, row, document).await);
            }
            // The application was probed already where its check asks for it.
            Next::ProbeApplication => {
                return Decision::hold(Reason::ApplicationUnhealthy, "the application was not probed");
            }
        }
    }
}
