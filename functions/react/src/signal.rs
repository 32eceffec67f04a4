//! Telling people and CloudWatch: the watch is written first, and only its writer sends.

use failopen::amend::{Amendment, amend};
use failopen::id::ProtectionName;
use failopen::inability::Inability;
use failopen::ledger::{Queued, Row, Versioned, Watch};
use failopen::port::{Apply, Fault, FaultKind, Message, Metric, Observe};
use failopen::posture::{Health, Traffic};
use jiff::{SignedDuration, Timestamp};

/// A message queued this long ago was written by somebody who did not live to send it.
const ABANDONED: SignedDuration = SignedDuration::from_secs(60);

/// How remembering and telling went.
#[derive(Debug, Default)]
pub(crate) struct Signalled {
    /// Something failed, for now or for good.
    pub(crate) error: bool,
    pub(crate) undone: Vec<Inability>,
}

impl Signalled {
    fn failed(&mut self, inability: Option<Inability>) {
        self.error = true;
        self.undone.extend(inability);
    }
}

/// Writes what changed in the row, then sends the messages that are due, then forgets them.
///
/// Losing the race for the row means that another invocation saw the same and sends; nothing is sent here then. A row that can
/// never be written keeps nobody from hearing of an outage: it is told unremembered, as often as `tells_unremembered` allows.
pub(crate) async fn remember_and_tell<C: Observe + Apply>(
    cloud: &C,
    before: &Versioned,
    mut row: Row,
    now: Timestamp,
    tells_unremembered: bool,
) -> Signalled {
    let mut signalled = Signalled::default();
    let mut version = Some(before.version);
    // Whoever sends what somebody else has left says so in the row first: otherwise it would go out with every event while the row
    // cannot be written.
    for queued in row.watch.outbox.iter_mut().filter(|queued| now.duration_since(queued.at) >= ABANDONED) {
        queued.at = now;
    }
    if row != before.row {
        match cloud.put_row(&row, version).await {
            Ok(written) => version = Some(written),
            Err(fault) if fault.kind == FaultKind::Stale => {
                tracing::info!(protection = %row.name, "Somebody else wrote the row first; the next tick looks again");
                return signalled;
            }
            Err(fault) => {
                tracing::error!(protection = %row.name, error_type = ?fault.kind, %fault, "The ledger row could not be written");
                let inability = Inability::row(&row.name, &fault);
                let tells = inability.is_some() && tells_unremembered;
                signalled.failed(inability);
                if !tells {
                    return signalled;
                }
                version = None;
            }
        }
    }
    let due = |queued: &Queued| queued.at == now;
    if !row.watch.outbox.iter().any(due) {
        return signalled;
    }
    let (mut kept, mut sent) = (Vec::new(), Vec::new());
    for queued in std::mem::take(&mut row.watch.outbox) {
        if !due(&queued) {
            kept.push(queued);
            continue;
        }
        let message = Message { subject: queued.subject.clone(), body: queued.body.clone() };
        match cloud.notify(&message).await {
            Ok(()) => sent.push(queued),
            Err(fault) => {
                tracing::error!(protection = %row.name, error_type = ?fault.kind, %fault, subject = message.subject, "A notification was not sent; the next tick tries again");
                signalled.failed(Inability::message(&message.subject, &fault));
                kept.push(queued);
            }
        }
    }
    let Some(version) = version else { return signalled };
    row.watch = Watch { outbox: kept, ..row.watch };
    let cleared = match cloud.put_row(&row, Some(version)).await {
        // The flip that was asked for above writes its intent at this very moment.
        Err(fault) if fault.kind == FaultKind::Stale => forget(cloud, &row.name, &sent).await,
        outcome => outcome.map(|_| ()),
    };
    if let Err(fault) = cleared {
        // The messages went out; at worst one of them goes out twice.
        tracing::warn!(protection = %row.name, error_type = ?fault.kind, %fault, "The outbox could not be cleared");
        if let Some(inability) = Inability::row(&row.name, &fault) {
            signalled.failed(Some(inability));
        }
    }
    signalled
}

/// Takes messages that went out from the outbox of whatever row is there now.
async fn forget<C: Observe + Apply>(cloud: &C, name: &ProtectionName, sent: &[Queued]) -> Result<(), Fault> {
    let amended = amend(cloud, name, |row| {
        let before = row.watch.outbox.len();
        row.watch.outbox.retain(|queued| !sent.contains(queued));
        if row.watch.outbox.len() == before { Amendment::Leave } else { Amendment::Write }
    });
    amended.await.map(|_| ()).map_err(|unamended| unamended.fault)
}

/// The metrics of one protection.
pub(crate) fn metrics(
    row: &Row,
    traffic: Traffic,
    inspection: Health,
    application: Option<bool>,
    error: bool,
) -> Vec<Metric> {
    let metric = |name, value: bool| Metric { name, protection: row.name.clone(), value: u32::from(value) };
    let mut metrics = vec![metric("Bypassed", traffic != Traffic::Inspected), metric("DecisionErrors", error)];
    match inspection {
        Health::Healthy => metrics.push(metric("InspectionHealthy", true)),
        Health::Unhealthy => metrics.push(metric("InspectionHealthy", false)),
        Health::Unknown | Health::NotChecked => {}
    }
    if let Some(healthy) = application {
        metrics.push(metric("ApplicationHealthy", healthy));
    }
    metrics
}
