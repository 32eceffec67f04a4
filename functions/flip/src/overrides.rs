//! Overrides of the automatic decision: `pin`, `unpin`, `unlatch`. They change the ledger, never the distribution, and
//! take effect while CloudFront's control plane does not answer; the failure then says that the ledger has them.

use failopen::amend::{Amendment, amend};
use failopen::failure::Failure;
use failopen::id::ProtectionName;
use failopen::ledger::{Pin, PinPosture, Row};
use failopen::port::{Apply, Clock, Observe};
use failopen::spec::EdgeFailOpen;
use jiff::Timestamp;

use crate::act::try_read;
use crate::answer::{Answer, Outcome, PinView};
use crate::request::{PinRequest, Release};
use crate::scene::{Scene, in_service, row_of};

/// `pin`: the override alone; react brings the posture there with its next tick.
pub(crate) async fn pin<C: Observe + Apply, K: Clock>(
    cloud: &C,
    clock: &K,
    request: &PinRequest,
) -> Result<Answer, Failure> {
    let effect = match request.posture {
        PinPosture::Hold => "automation leaves the posture as it is",
        PinPosture::Inspected => "react brings it to inspected within a minute and keeps it there",
        PinPosture::Bypassed => "react brings it to bypassed within a minute and keeps it there",
    };
    let order = Order { action: "pin", protection: &request.protection, dry_run: request.dry_run };
    change_row(cloud, clock, &order, |row, now| {
        let pin = Pin {
            posture: request.posture,
            reason: request.reason.clone(),
            requested_by: request.requested_by.clone(),
            since: now,
            expires_at: request.expires_in.ends_at(now),
        };
        let until = pin.expires_at.map_or("until unpin".to_owned(), |end| format!("until {end}"));
        row.pin = Some(pin);
        Effect { changed: true, because: format!("pinned {until} ({}): {effect}", request.reason) }
    })
    .await
}

/// `unpin`: hands the protection back to automation; hold-down starts anew.
pub(crate) async fn unpin<C: Observe + Apply, K: Clock>(
    cloud: &C,
    clock: &K,
    request: &Release,
) -> Result<Answer, Failure> {
    let order = Order { action: "unpin", protection: &request.protection, dry_run: request.dry_run };
    change_row(cloud, clock, &order, |row, now| {
        let changed = row.pin_at(now).is_some();
        row.pin_ended_at = if changed { Some(now) } else { row.last_pin_end(now) };
        row.pin = None;
        let because = match (changed, row.spec.automation.edge_fail_open) {
            (true, EdgeFailOpen::Automatic) => "the pin is gone: automation decides again, and hold-down starts anew",
            (true, EdgeFailOpen::Notify | EdgeFailOpen::Off) => {
                "the pin is gone, and EdgeFailOpen lets automation move nothing: traffic stays as it is until somebody sends \
                 `restore` or `bypass`"
            }
            (false, _) => "there was no pin: automation decides",
        };
        Effect { changed, because: because.to_owned() }
    })
    .await
}

/// `unlatch`: lets automation flip again; the daily budget counts from now.
pub(crate) async fn unlatch<C: Observe + Apply, K: Clock>(
    cloud: &C,
    clock: &K,
    request: &Release,
) -> Result<Answer, Failure> {
    let order = Order { action: "unlatch", protection: &request.protection, dry_run: request.dry_run };
    change_row(cloud, clock, &order, |row, now| {
        let changed = row.latch.take().is_some();
        if changed {
            row.unlatched_at = Some(now);
            // The next latch is another one, and people have to hear of it, however soon it comes.
            row.watch.latch_told_at = None;
        }
        let because = match changed {
            true => "the latch is released: automation may flip again, and the daily budget is full",
            false => "there was no latch: automation was free to flip",
        };
        Effect { changed, because: because.to_owned() }
    })
    .await
}

/// Which override, of what.
struct Order<'a> {
    action: &'static str,
    protection: &'a ProtectionName,
    dry_run: bool,
}

/// What an override comes to.
struct Effect {
    changed: bool,
    because: String,
}

/// Changes the row, or a copy of it for a dry run, and answers with what is there now.
async fn change_row<C: Observe + Apply, K: Clock>(
    cloud: &C,
    clock: &K,
    order: &Order<'_>,
    change: impl Fn(&mut Row, Timestamp) -> Effect,
) -> Result<Answer, Failure> {
    let now = clock.now();
    let mut row = row_of(cloud, order.protection).await?.row;
    in_service(&row)?;
    let mut effect = None;
    if order.dry_run {
        effect = Some(change(&mut row, now));
    } else {
        let amended = amend(cloud, order.protection, |fresh| {
            let before = fresh.clone();
            effect = Some(change(fresh, now));
            row = fresh.clone();
            if *fresh == before { Amendment::Leave } else { Amendment::Write }
        });
        amended.await.map_err(|unamended| Failure::unamended(order.protection, &unamended))?;
    }
    let effect =
        effect.unwrap_or(Effect { changed: false, because: "the protection has just been deleted".to_owned() });
    let outcome = match (order.dry_run, effect.changed) {
        (true, _) => Outcome::Planned,
        (false, true) => Outcome::Changed,
        (false, false) => Outcome::Unchanged,
    };
    tracing::info!(
        protection = %order.protection,
        decision = order.action,
        dry_run = order.dry_run,
        changed = effect.changed,
        because = effect.because,
        "Override"
    );
    let pin = row.pin_at(now).map(PinView::from);
    let made = in_service(&row)?;
    let read = try_read(cloud, &made.id).await.map_err(|unread| {
        let done = if order.dry_run { "This was a dry run" } else { "The ledger has it" };
        let (error_type, why) = unread.why();
        let message = format!(
            "{done} ({}), but distribution {} could not be read: {why}. Ask for `status` when AWS answers again.",
            effect.because, made.id
        );
        Failure::new(error_type, message)
    })?;
    let scene = Scene { row, made, read };
    let mut answer = scene.answer(order.action, outcome, effect.because, now);
    answer.pin = pin;
    Ok(answer)
}
