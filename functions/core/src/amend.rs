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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ledger::Lifecycle;
    use crate::sample;
    use crate::sample_cloud::SampleCloud;

    /// A ledger with one row at version 7, whose next writes end in these faults.
    fn ledger(faults: &[FaultKind]) -> SampleCloud {
        let cloud = SampleCloud::default();
        *cloud.row.borrow_mut() = Some(Versioned { row: sample::row(), version: 7 });
        *cloud.faults.borrow_mut() = faults.to_vec();
        cloud
    }

    fn delete(cloud: &SampleCloud) -> Result<Option<Versioned>, Fault> {
        let change = |row: &mut Row| {
            row.lifecycle = Lifecycle::Deleting;
            Amendment::Write
        };
        amend(cloud, &ProtectionName::new("www"), change).now_or_never().expect("nothing waits here")
    }

    #[test]
    fn a_change_is_written_on_condition_of_what_was_read() {
        let cloud = ledger(&[]);
        let written = delete(&cloud).expect("no fault").expect("a row");
        assert_eq!((written.version, written.row.lifecycle), (8, Lifecycle::Deleting));
        assert_eq!(*cloud.row.borrow(), Some(written));
    }

    #[test]
    fn a_lost_race_is_run_again_on_what_the_winner_wrote() {
        let cloud = ledger(&[FaultKind::Stale, FaultKind::Stale]);
        let written = delete(&cloud).expect("the third try wins").expect("a row");
        assert_eq!((written.version, cloud.writes.get()), (10, 3));
        assert_eq!(written.row.logical_id, "written by somebody else, version 9");
        assert_eq!(written.row.lifecycle, Lifecycle::Deleting);
    }

    #[test]
    fn too_many_lost_races_are_a_stale_row_and_any_other_fault_ends_it_at_once() {
        let cloud = ledger(&[FaultKind::Stale; 20]);
        assert_eq!(delete(&cloud).expect_err("it gives up").kind, FaultKind::Stale);
        assert_eq!(cloud.writes.get(), ATTEMPTS);
        let cloud = ledger(&[FaultKind::Unknown]);
        assert_eq!(delete(&cloud).expect_err("the outcome is unknown").kind, FaultKind::Unknown);
        assert_eq!(cloud.writes.get(), 1, "what may have been written is not written blindly again");
    }

    #[test]
    fn what_asks_for_no_change_and_what_is_not_there_is_not_written() {
        let cloud = ledger(&[]);
        let left = amend(&cloud, &ProtectionName::new("www"), |_| Amendment::Leave).now_or_never().expect("ready");
        assert_eq!(left.expect("no fault").expect("a row").version, 7);
        let gone = amend(&cloud, &ProtectionName::new("api"), |_| Amendment::Write).now_or_never().expect("ready");
        assert_eq!(gone, Ok(None));
        assert_eq!(cloud.writes.get(), 0);
    }
}
