//! Reading everything that a decision rests on: first all alarms and distributions, each once, then the probes on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::rc::Rc;

use failopen::alarm::ObservedAlarm;
use failopen::decide::{Next, Situation, decide};
use failopen::decision::Decision;
use failopen::document::Document;
use failopen::id::{AlarmName, DistributionId};
use failopen::ledger::{Row, Versioned};
use failopen::limits::within;
use failopen::observe::{first_alive, inspection_as_origin};
use failopen::port::{Clock, Fault, FaultKind, Observe, ProbeOutcome};
use failopen::posture::Posture;
use failopen::probe;
use futures_util::StreamExt;
use futures_util::future::join;
use jiff::{SignedDuration, Timestamp};

/// Reads of different distributions that run at the same time; CloudFront publishes no rate, so stay small.
const IN_FLIGHT: usize = 5;
/// Drift is read this often: Route 53 allows few calls a second for the whole account.
const DRIFT_INTERVAL: SignedDuration = SignedDuration::from_mins(15);
/// Protections whose drift is read in one tick; the rest follow in the next ones.
const DRIFT_READS_A_TICK: usize = 4;
/// From one reading of drift to the next one in a tick. Each is two calls, and Route 53 takes five a second from all of the account
/// (Route 53 Developer Guide, "Quotas").
const DRIFT_PACE: SignedDuration = SignedDuration::from_secs(1);
/// The readings after the first one wait up to this long more, each protection its own time: other engines of the account tick at
/// the same second.
const DRIFT_JITTER_MILLISECONDS: u64 = 500;

/// One protection with all that was read about it.
pub(crate) struct Observed {
    pub(crate) versioned: Versioned,
    pub(crate) document: Result<Rc<Document>, Unreadable>,
    /// The protection's own alarm first. Empty where the alarms could not be read.
    pub(crate) alarms: Vec<ObservedAlarm>,
    /// When the reading began.
    pub(crate) at: Timestamp,
}

/// A distribution that could not be read, or not understood.
#[derive(Clone, Debug)]
pub(crate) struct Unreadable {
    pub(crate) why: String,
    /// Waiting does not help: no permission, gone, or malformed.
    pub(crate) permanent: bool,
}

/// The alarms that speak for a protection, its own first.
pub(crate) fn alarm_names(row: &Row) -> Vec<AlarmName> {
    let own = std::iter::once(row.name.alarm());
    own.chain(row.spec.additional_alarms.iter().cloned()).collect()
}

/// Reads alarms and distributions of all chosen protections. What has not answered by `until` counts as not readable: one
/// that hangs must not take the time that the others need.
pub(crate) async fn observe<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    until: Timestamp,
    chosen: Vec<Versioned>,
) -> Vec<Observed> {
    let at = clock.now();
    let (alarms, documents) =
        join(read_alarms(cloud, clock, until, &chosen), read_documents(cloud, clock, until, &chosen)).await;
    chosen
        .into_iter()
        .map(|versioned| {
            let document = documents
                .get(&distribution_of(&versioned.row))
                .cloned()
                .unwrap_or_else(|| Err(Unreadable { why: "it did not answer in time".to_owned(), permanent: false }))
                .and_then(|document| own_document(&versioned.row, document));
            let alarms = alarm_names(&versioned.row).iter().filter_map(|name| alarms.get(name).cloned()).collect();
            Observed { versioned, document, alarms, at }
        })
        .collect()
}

/// The alarms that speak for the chosen protections; none where they cannot be read.
async fn read_alarms<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    until: Timestamp,
    chosen: &[Versioned],
) -> BTreeMap<AlarmName, ObservedAlarm> {
    let names: BTreeSet<AlarmName> = chosen.iter().flat_map(|versioned| alarm_names(&versioned.row)).collect();
    let names: Vec<AlarmName> = names.into_iter().collect();
    let late = || Err(Fault::new(FaultKind::Unknown, "DescribeAlarms", "no answer in time"));
    match within(clock, until, cloud.alarms(&names)).await.unwrap_or_else(late) {
        Ok(alarms) => alarms.into_iter().map(|alarm| (alarm.name.clone(), alarm)).collect(),
        Err(fault) => {
            tracing::error!(error_type = ?fault.kind, %fault, "The alarms could not be read; every decision holds");
            BTreeMap::new()
        }
    }
}

/// The distributions of the chosen protections, each once, as far as they answer by `until`.
async fn read_documents<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    until: Timestamp,
    chosen: &[Versioned],
) -> BTreeMap<DistributionId, Result<Rc<Document>, Unreadable>> {
    let ids: BTreeSet<DistributionId> = chosen.iter().map(|versioned| distribution_of(&versioned.row)).collect();
    let readings = futures_util::stream::iter(ids).map(|id| async move {
        let document = read_document(cloud, &id).await;
        (id, document)
    });
    let mut readings = pin!(readings.buffer_unordered(IN_FLIGHT));
    let mut documents = BTreeMap::new();
    while let Some(Some((id, document))) = within(clock, until, readings.next()).await {
        documents.insert(id, document);
    }
    documents
}

/// CloudFront never changes a CallerReference: another one than was pinned at provisioning is another distribution's, and
/// says nothing about this protection.
fn own_document(row: &Row, document: Rc<Document>) -> Result<Rc<Document>, Unreadable> {
    let pinned = row.made.distribution.as_ref().map(|made| made.caller_reference.as_str());
    match pinned.is_none_or(|pinned| pinned == document.caller_reference()) {
        true => Ok(document),
        false => Err(Unreadable {
            why: "its CallerReference is not the one that this protection was set up with".to_owned(),
            permanent: true,
        }),
    }
}

/// The distribution that is wired, which during an Update may not be the one wanted.
fn distribution_of(row: &Row) -> DistributionId {
    row.made.distribution.as_ref().map_or_else(|| row.spec.distribution.clone(), |made| made.id.clone())
}

async fn read_document<C: Observe>(cloud: &C, id: &DistributionId) -> Result<Rc<Document>, Unreadable> {
    let raw = cloud.distribution(id).await.map_err(|fault| Unreadable {
        why: fault.to_string(),
        permanent: match fault.kind {
            FaultKind::AccessDenied | FaultKind::NotFound | FaultKind::Refused | FaultKind::Malformed => true,
            FaultKind::Throttled | FaultKind::Stale | FaultKind::Unknown => false,
        },
    })?;
    let document = Document::parse(&raw.bytes);
    document.map(Rc::new).map_err(|malformed| Unreadable { why: malformed.to_string(), permanent: true })
}

/// A decision and the probes that it took.
pub(crate) struct Settled {
    pub(crate) decision: Decision,
    pub(crate) application: Option<ProbeOutcome>,
}

/// Asks the pure decision, and finds out what it needs to know, until it is settled.
pub(crate) async fn settle<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    row: &Row,
    observed: &Observed,
    document: &Document,
    posture: Posture,
) -> Settled {
    let (mut application, mut inspection) = (None, None);
    loop {
        let situation = Situation {
            row,
            posture,
            alarms: &observed.alarms,
            application: application.as_ref(),
            inspection: inspection.as_ref(),
        };
        match decide(&situation, clock.now()) {
            Next::Settled(decision) => return Settled { decision, application },
            Next::ProbeApplication => {
                application = Some(first_alive(cloud, &probe::application(row, document)).await);
            }
            Next::ProbeInspection => {
                inspection = Some(inspection_as_origin(cloud, row, document).await);
            }
        }
    }
}

/// Which of the observed protections have their drift read on this tick, the longest unread first, and how long each waits before.
pub(crate) fn drift_is_due(observed: &[Observed], now: Timestamp) -> BTreeMap<String, SignedDuration> {
    // Those that are not looked at any further never get a time of reading, and would keep the others waiting for ever.
    let is_read = |seen: &&Observed| seen.document.is_ok() && seen.versioned.row.is_in_service();
    let mut due: Vec<(Option<Timestamp>, String)> = observed
        .iter()
        .filter(is_read)
        .map(|seen| (seen.versioned.row.watch.drift_read_at, seen.versioned.row.name.to_string()))
        .filter(|(read_at, _)| read_at.is_none_or(|at| now.duration_since(at) >= DRIFT_INTERVAL))
        .collect();
    due.sort();
    let paced = due.into_iter().take(DRIFT_READS_A_TICK).zip(0..);
    paced.map(|((_, name), before)| (name.clone(), pause(&name, before))).collect()
}

/// How long a reading of drift waits that comes after so many others.
fn pause(name: &str, before: i32) -> SignedDuration {
    if before == 0 {
        return SignedDuration::ZERO;
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let jitter = (hasher.finish() % DRIFT_JITTER_MILLISECONDS).cast_signed();
    DRIFT_PACE * before + SignedDuration::from_millis(jitter)
}
