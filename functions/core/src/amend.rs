//! Changing a ledger row without losing anybody else's change.

use crate::id::ProtectionName;
use crate::ledger::{Row, Versioned};
use crate::port::{Apply, Fault, FaultKind, Observe};

/// Attempts before giving up: every lost one means that somebody else's write succeeded.
const ATTEMPTS: usize = 6;

/// What the change wants done with the row that it has just seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amendment {
    Write,
    /// The row, as it is now, asks for no change.
    Leave,
}

/// Reads the row, lets `change` edit it, and writes it on condition of the version read; again on a lost race, with the
/// change applied to what the winner wrote. `Ok(None)`: the row does not exist.
///
/// # Errors
/// The fault of the read or the write; [`FaultKind::Stale`] after too many lost races.
pub async fn amend<C: Observe + Apply>(
    cloud: &C,
    name: &ProtectionName,
    mut change: impl FnMut(&mut Row) -> Amendment,
) -> Result<Option<Versioned>, Fault> {
    for _ in 0..ATTEMPTS {
        let Some(Versioned { mut row, version }) = cloud.row(name).await? else {
            return Ok(None);
        };
        match change(&mut row) {
            Amendment::Leave => return Ok(Some(Versioned { row, version })),
            Amendment::Write => {}
        }
        match cloud.put_row(&row, Some(version)).await {
            Ok(version) => return Ok(Some(Versioned { row, version })),
            Err(fault) if fault.kind == FaultKind::Stale => {}
            Err(fault) => return Err(fault),
        }
    }
    Err(Fault::new(FaultKind::Stale, "PutItem", format!("row {name} keeps changing under our hands")))
}
