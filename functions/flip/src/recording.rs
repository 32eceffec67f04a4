//! What the ledger is told once a flip has happened, or has not.

use failopen::amend::{Amendment, Unamended, amend};
use failopen::id::ProtectionName;
use failopen::ledger::Flip;
use failopen::port::{Apply, Observe};
use jiff::Timestamp;

use crate::act::Acted;
use crate::intent::Intent;

/// Whether a flip is one more.
pub(crate) enum Counted {
    Now,
    /// Another invocation has recorded the very same change.
    Already,
}

/// Records a flip that happened. Another invocation may have recorded the very same change meanwhile: it counts once.
pub(crate) async fn record<C: Observe + Apply>(
    cloud: &C,
    name: &ProtectionName,
    intent: &Intent,
    acted: &Acted,
    now: Timestamp,
) -> Result<Counted, Unamended> {
    let mut counted = Counted::Now;
    let amended = amend(cloud, name, |row| {
        if !acted.changed || row.has_counted(intent.to, intent.at, acted.status.is_some()) {
            counted = Counted::Already;
            return intent.withdraw(row);
        }
        counted = Counted::Now;
        row.record_flip(Flip {
            // A clock that was set back meanwhile makes no flip older than its own intent.
            at: now.max(intent.at),
            from: acted.plan.before,
            to: intent.to,
            by: intent.by,
            reason: intent.reason.clone(),
            requested_by: intent.requested_by.clone(),
            etag_after: Some(acted.etag.clone()),
        });
        Amendment::Write
    });
    amended.await.map(|_| ())?;
    Ok(counted)
}

/// The write was refused: no flip is on its way.
pub(crate) async fn forget<C: Observe + Apply>(cloud: &C, name: &ProtectionName, intent: &Intent) {
    if let Err(Unamended { fault, .. }) = amend(cloud, name, |row| intent.withdraw(row)).await {
        tracing::warn!(protection = %name, error_type = ?fault.kind, %fault, "The intent of a refused flip stays in the ledger");
    }
}
