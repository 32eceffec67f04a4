//! What automation does with one protection: the rules of layer 2, in the order in which they are asked.
//!
//! The first rule that applies is the reason. Everything is level-triggered: the situation is what was read after the event
//! arrived, and the event itself plays no part.

use jiff::{SignedDuration, Timestamp};

use crate::alarm::{AlarmState, ObservedAlarm};
use crate::decision::{Decision, Reason};
use crate::ledger::{Lifecycle, PinPosture, Row};
use crate::port::ProbeOutcome;
use crate::posture::{Health, Posture, Side};
use crate::spec::{ApplicationCheck, EdgeFailOpen, FailBack};

/// Everything a decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    pub row: &'a Row,
    /// Read from the distribution after the event.
    pub posture: Posture,
    /// The protection's own alarm and the user's additional ones, read after the event.
    pub alarms: &'a [ObservedAlarm],
    /// Outcome of the application probe; `None` where none was made yet.
    pub application: Option<&'a ProbeOutcome>,
    /// Outcome of the inspection probe; `None` where none was made yet.
    pub inspection: Option<&'a ProbeOutcome>,
}

/// The answer of [`decide`]: a decision, or the one thing that has to be found out first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    Settled(Decision),
    /// Probe the application as CloudFront would, then ask again.
    ProbeApplication,
    /// Probe inspection as CloudFront would, then ask again.
    ProbeInspection,
}

/// Decides what to do with a protection now.
pub fn decide(situation: &Situation<'_>, now: Timestamp) -> Next {
    match before_direction(situation, now) {
        Before::Settled(decision) => Next::Settled(decision),
        Before::Towards(Side::Bypassed) => towards_bypass(situation),
        Before::Towards(Side::Inspected) => towards_restore(situation, now),
    }
}

/// Health of inspection as its own alarm tells it.
pub fn inspection_health(row: &Row, alarms: &[ObservedAlarm]) -> Health {
    let own = row.name.alarm();
    match alarms.iter().find(|alarm| alarm.name == own).map(|alarm| alarm.state) {
        Some(AlarmState::Ok) => Health::Healthy,
        Some(AlarmState::Alarm) => Health::Unhealthy,
        Some(AlarmState::InsufficientData | AlarmState::Missing) | None => Health::Unknown,
    }
}

/// Whether the alarms certainly say something, whatever the distribution is like: inspection's own is not silent, and together they
/// ask for a side. No decision is [`Reason::NoHealthData`] then.
pub(crate) fn is_health_known(row: &Row, alarms: &[ObservedAlarm]) -> bool {
    inspection_health(row, alarms) != Health::Unknown && wanted(alarms).is_some()
}

enum Before {
    Settled(Decision),
    Towards(Side),
}

/// The rules that do not depend on which way to go.
fn before_direction(situation: &Situation<'_>, now: Timestamp) -> Before {
    let Situation { row, posture, alarms, .. } = *situation;
    let hold = |reason, because: String| Before::Settled(Decision::hold(reason, because));

    if let Some(because) = not_in_service(row) {
        return hold(Reason::EdgeOff, because);
    }
    if posture == Posture::Foreign {
        return hold(
            Reason::ForeignTarget,
            "a protected behaviour targets an origin that is neither inspection nor the application, or is gone: hands off \
             until someone points it back or redeploys the protection"
                .into(),
        );
    }
    if let Some(pin) = row.pin_at(now) {
        let side = match pin.posture {
            PinPosture::Hold => None,
            PinPosture::Inspected => Some(Side::Inspected),
            PinPosture::Bypassed => Some(Side::Bypassed),
        };
        let until = pin.expires_at.map_or("without expiry".to_owned(), |end| format!("until {end}"));
        return Before::Settled(match side {
            Some(side) if side.posture() != posture => Decision::go(
                side,
                Reason::PinnedPosture,
                format!("an operator pinned {side} {until} ({}), and the posture is {posture}", pin.reason),
            ),
            Some(side) => Decision::hold(
                Reason::Pinned,
                format!("an operator pinned {side} {until} ({}), and that is the posture", pin.reason),
            ),
            None => Decision::hold(
                Reason::Pinned,
                format!("an operator pinned the posture {posture} as it is {until} ({})", pin.reason),
            ),
        });
    }
    let wanted = wanted(alarms);
    if let Some(side) = wanted
        && side.posture() == posture
    {
        return hold(Reason::AlreadyThere, format!("{}, and the posture is {posture}", alarm_words(alarms)));
    }
    match row.spec.automation.edge_fail_open {
        EdgeFailOpen::Off => {
            return hold(Reason::EdgeOff, format!("{}, but layer 2 is off (EdgeFailOpen=off)", alarm_words(alarms)));
        }
        EdgeFailOpen::Notify => {
            return hold(
                Reason::NotifyOnly,
                format!("{}, but layer 2 only notifies (EdgeFailOpen=notify)", alarm_words(alarms)),
            );
        }
        EdgeFailOpen::Automatic => {}
    }
    if let Some(latch) = &row.latch {
        return hold(
            Reason::Latched,
            format!("automation is latched since {} ({}) until an operator sends unlatch", latch.since, latch.because),
        );
    }
    let Some(side) = wanted else {
        return hold(
            Reason::NoHealthData,
            format!("{}, and missing data is no proof of anything", alarm_words(alarms)),
        );
    };
    if let Some(because) = budget_spent(row, now) {
        return hold(Reason::FlipBudgetSpent, because);
    }
    if let Some(because) = dwelling(row, now) {
        return hold(Reason::Dwell, because);
    }
    Before::Towards(side)
}

/// Why automation stands aside from a protection that is not fully in place.
fn not_in_service(row: &Row) -> Option<String> {
    let wired = row.made.distribution.as_ref().is_some_and(|made| made.written);
    match row.lifecycle {
        Lifecycle::Active | Lifecycle::Updating if wired => None,
        Lifecycle::Active | Lifecycle::Updating | Lifecycle::Creating => {
            Some("the protection is still being provisioned: layer 2 begins when CloudFormation is done".into())
        }
        Lifecycle::Deleting => Some("the protection is being deleted: layer 2 has stopped".into()),
    }
}

/// The posture that the alarms ask for. Any alarm asks for a bypass; only all of them OK ask for inspection.
pub fn wanted(alarms: &[ObservedAlarm]) -> Option<Side> {
    if alarms.iter().any(|alarm| alarm.state == AlarmState::Alarm) {
        Some(Side::Bypassed)
    } else if !alarms.is_empty() && alarms.iter().all(|alarm| alarm.state == AlarmState::Ok) {
        Some(Side::Inspected)
    } else {
        None
    }
}

/// The alarms in words: those that ring, else those that say nothing, else that all are OK.
fn alarm_words(alarms: &[ObservedAlarm]) -> String {
    let named = |wanted: &[AlarmState]| -> Vec<&str> {
        alarms.iter().filter(|alarm| wanted.contains(&alarm.state)).map(|alarm| alarm.name.as_str()).collect()
    };
    let ringing = named(&[AlarmState::Alarm]);
    let missing = named(&[AlarmState::Missing]);
    let silent = named(&[AlarmState::InsufficientData]);
    if !ringing.is_empty() {
        format!("alarm {} is in ALARM", ringing.join(", "))
    } else if !missing.is_empty() {
        format!("alarm {} does not exist", missing.join(", "))
    } else if !silent.is_empty() {
        format!("alarm {} has no data", silent.join(", "))
    } else if alarms.is_empty() {
        "the alarms could not be read".to_owned()
    } else {
        let names: Vec<&str> = alarms.iter().map(|alarm| alarm.name.as_str()).collect();
        format!("alarm {} is OK", names.join(", "))
    }
}

/// Why the daily budget forbids another automatic flip.
pub(crate) fn budget_spent(row: &Row, now: Timestamp) -> Option<String> {
    let (done, most) = (row.automatic_flips_in_a_day(now), row.spec.automation.maximum_flips_per_day);
    (done >= most as usize).then(|| {
        format!(
            "automation made {done} flips in 24 hours and MaximumFlipsPerDay is {most}: it latches until an operator sends \
             unlatch"
        )
    })
}

/// Why the last automatic flip is too recent for another.
pub(crate) fn dwelling(row: &Row, now: Timestamp) -> Option<String> {
    let last = row.last_automatic_flip()?;
    let until = later(last.at, row.spec.automation.minimum_dwell_seconds);
    (now < until).then(|| {
        format!(
            "automation last flipped at {} and waits until {until} (MinimumDwellSeconds) before the next flip",
            last.at
        )
    })
}

fn towards_bypass(situation: &Situation<'_>) -> Next {
    let Situation { row, alarms, application, .. } = *situation;
    match (&row.spec.application_check, application) {
        (ApplicationCheck::Probe { .. }, None) => return Next::ProbeApplication,
        (ApplicationCheck::Probe { .. }, Some(outcome)) if !outcome.is_alive() => {
            return Next::Settled(Decision::hold(
                Reason::ApplicationUnhealthy,
                format!(
                    "{}, but the application {} would not serve either ({}): a bypass would help nobody",
                    alarm_words(alarms),
                    row.spec.application,
                    outcome_words(outcome)
                ),
            ));
        }
        (ApplicationCheck::Probe { .. }, Some(_)) | (ApplicationCheck::None, _) => {}
    }
    let checked = match row.spec.application_check {
        ApplicationCheck::Probe { .. } => "the application answers",
        ApplicationCheck::None => "the application is not checked (ApplicationCheck=none)",
    };
    Next::Settled(Decision::go(
        Side::Bypassed,
        Reason::AlarmActive,
        format!("{}, and {checked}: traffic goes to {}", alarm_words(alarms), row.spec.application),
    ))
}

fn towards_restore(situation: &Situation<'_>, now: Timestamp) -> Next {
    let Situation { row, posture, alarms, inspection, .. } = *situation;
    let hold = |reason, because: String| Next::Settled(Decision::hold(reason, because));
    if row.spec.automation.fail_back == FailBack::Manual {
        return hold(
            Reason::AwaitingOperator,
            format!(
                "inspection is healthy again, and FailBack=manual leaves the way back from {posture} to an operator"
            ),
        );
    }
    if !row.bypass_is_ours() {
        return hold(
            Reason::AwaitingOperator,
            format!(
                "the posture is {posture} by someone else's doing (console, break-glass or infrastructure as code), which \
                 automation does not reverse"
            ),
        );
    }
    let Some(healthy_since) = healthy_since(row, alarms, now) else {
        return hold(Reason::HoldDown, "it is not known since when inspection has been healthy".to_owned());
    };
    let until = later(healthy_since, row.spec.automation.hold_down_seconds);
    if now < until {
        return hold(
            Reason::HoldDown,
            format!(
                "inspection counts as healthy since {healthy_since} and must stay so until {until} (HoldDownSeconds)"
            ),
        );
    }
    match inspection {
        None => Next::ProbeInspection,
        Some(outcome) if !outcome.is_alive() => hold(
            Reason::InspectionUnhealthy,
            format!(
                "the alarm is OK, but a TLS-verified request to {} says otherwise ({}): traffic stays with the application",
                row.spec.inspection,
                outcome_words(outcome)
            ),
        ),
        Some(_) => Next::Settled(Decision::go(
            Side::Inspected,
            Reason::HoldDownElapsed,
            format!("inspection has been healthy since {healthy_since}, longer than the hold-down, and answers now"),
        )),
    }
}

/// Since when hold-down counts: the youngest of the alarms' OK and of the end of the last pin. `None` where an alarm does
/// not say since when it has been OK.
fn healthy_since(row: &Row, alarms: &[ObservedAlarm], now: Timestamp) -> Option<Timestamp> {
    let mut since = row.last_pin_end(now);
    for alarm in alarms {
        since = since.max(Some(alarm.since?));
    }
    since
}

fn outcome_words(outcome: &ProbeOutcome) -> String {
    match outcome {
        ProbeOutcome::Answered { status } => format!("it answers {status}"),
        ProbeOutcome::Failed { why } => why.clone(),
    }
}

fn later(at: Timestamp, seconds: u32) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
