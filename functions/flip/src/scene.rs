//! What a request is about: a protection's row and its distribution, read once.

use failopen::document::Document;
use failopen::failure::{ErrorType, Failure};
use failopen::flip::{self, FlipPlan, FlipRefusal};
use failopen::id::ProtectionName;
use failopen::ledger::{Lifecycle, MadeDistribution, Row, Versioned};
use failopen::port::Observe;
use failopen::posture::Side;
use jiff::Timestamp;

use crate::act::{Read, read, refused};
use crate::answer::{Answer, Change, Distribution, Outcome, PinView};

/// A protection and its distribution, as read at the beginning of a request.
pub(crate) struct Scene {
    pub(crate) row: Row,
    pub(crate) made: MadeDistribution,
    pub(crate) read: Read,
}

impl Scene {
    /// The flip of what was read.
    pub(crate) fn plan(&self, side: Side) -> Result<FlipPlan, Failure> {
        plan_of(&self.row, &self.made)(&self.read.document, side).map_err(|refusal| refused(&self.made.id, &refusal))
    }

    /// An answer about what is there, before anything is done.
    pub(crate) fn answer(&self, action: &'static str, outcome: Outcome, because: String, now: Timestamp) -> Answer {
        let posture = flip::posture(&self.read.document, &self.made);
        Answer {
            protection: Some(self.row.name.clone()),
            action,
            outcome,
            posture: Change { before: posture, after: posture },
            behaviors: Vec::new(),
            distribution: Distribution { id: self.made.id.clone(), etag: self.read.etag.clone(), status: None },
            because,
            pin: self.row.pin_at(now).map(PinView::from),
            at: now,
        }
    }
}

/// Plans a flip of this protection for any reading of its distribution.
pub(crate) fn plan_of<'a>(
    row: &'a Row,
    made: &'a MadeDistribution,
) -> impl Fn(&Document, Side) -> Result<FlipPlan, FlipRefusal> + 'a {
    move |document, side| flip::plan(document, made, &row.spec.failover_record, side)
}

/// The row of a protection, or who there is instead.
pub(crate) async fn row_of<C: Observe>(cloud: &C, name: &ProtectionName) -> Result<Versioned, Failure> {
    if let Some(versioned) = cloud.row(name).await.map_err(|fault| Failure::ledger(&fault))? {
        return Ok(versioned);
    }
    Err(unknown_protection(cloud, name).await)
}

async fn unknown_protection<C: Observe>(cloud: &C, name: &ProtectionName) -> Failure {
    let known = match cloud.rows().await {
        Ok(rows) => {
            let names: Vec<&str> = rows.names().into_iter().map(ProtectionName::as_str).collect();
            if names.is_empty() { "it knows none yet".to_owned() } else { format!("it knows {}", names.join(", ")) }
        }
        Err(fault) => format!("its list could not be read ({fault})"),
    };
    Failure::new(
        ErrorType::UnknownProtection,
        format!(
            "The ledger has no protection `{name}` ({known}); nothing was changed. Repeat the request with a name that exists."
        ),
    )
}

/// Reads the row and the distribution of a protection in service.
pub(crate) async fn scene<C: Observe>(cloud: &C, name: &ProtectionName) -> Result<Scene, Failure> {
    scene_of(cloud, row_of(cloud, name).await?.row).await
}

/// Reads the distribution of a protection in service.
pub(crate) async fn scene_of<C: Observe>(cloud: &C, row: Row) -> Result<Scene, Failure> {
    let made = in_service(&row)?;
    let read = read(cloud, &made.id).await?;
    Ok(Scene { row, made, read })
}

/// The distribution of a protection that is provisioned and not being deleted.
pub(crate) fn in_service(row: &Row) -> Result<MadeDistribution, Failure> {
    let wired = row.made.distribution.clone().filter(|made| made.written);
    match (row.lifecycle, wired) {
        (Lifecycle::Active | Lifecycle::Updating, Some(made)) => Ok(made),
        (Lifecycle::Deleting, _) => Err(not_in_service(&row.name, "is being deleted by CloudFormation")),
        (Lifecycle::Creating | Lifecycle::Active | Lifecycle::Updating, _) => {
            Err(not_in_service(&row.name, "is still being provisioned by CloudFormation"))
        }
    }
}

fn not_in_service(name: &ProtectionName, why: &str) -> Failure {
    Failure::new(
        ErrorType::Unavailable,
        format!(
            "Protection `{name}` {why}; nothing was changed. Wait for the stack, or use break-glass (`distribution`, `from`, \
             `to`) if traffic must move now."
        ),
    )
}
