//! What follows `expect`: words → [`Expectation`]. The words of postures, traffic and reasons are those of the contract.

use std::time::Duration;

use super::command::{Bound, Expectation, Savior, Seen, Timing, Wanted};
use super::words::{Words, Wrong};

/// `traffic` of status.
pub(super) const TRAFFIC: [&str; 4] = ["inspected", "bypassed-dns", "bypassed-edge", "unknown"];
/// `posture` of status.
pub(super) const POSTURES: [&str; 4] = ["inspected", "bypassed", "mixed", "foreign"];
/// States of a CloudWatch alarm.
pub(super) const ALARM_STATES: [&str; 3] = ["ALARM", "OK", "INSUFFICIENT_DATA"];
/// `reason` of a decision, in the contract's order.
pub(super) const REASONS: [&str; 17] = [
    "LedgerUnavailable",
    "ForeignTarget",
    "Pinned",
    "PinnedPosture",
    "AlreadyThere",
    "EdgeOff",
    "NotifyOnly",
    "Latched",
    "NoHealthData",
    "FlipBudgetSpent",
    "Dwell",
    "ApplicationUnhealthy",
    "AlarmActive",
    "AwaitingOperator",
    "HoldDown",
    "InspectionUnhealthy",
    "HoldDownElapsed",
];
const SEEN: [(&str, Seen); 4] =
    [("inspected", Seen::Inspected), ("bypassed", Seen::Bypassed), ("served", Seen::Served), ("failed", Seen::Failed)];

type Reader = fn(&mut Words<'_>) -> Result<Expectation, Wrong>;

/// Expectations by their first word.
const EXPECTATIONS: [(&str, Reader); 12] = [
    ("traffic", |words| lasting(words, |words| words.one_of("traffic", &TRAFFIC).map(Wanted::Traffic))),
    ("posture", |words| lasting(words, |words| words.one_of("posture", &POSTURES).map(Wanted::Posture))),
    ("viewers", |words| lasting(words, |words| words.choice("thing that viewers get", &SEEN).map(Wanted::Viewers))),
    ("alarm", |words| lasting(words, |words| words.one_of("state of an alarm", &ALARM_STATES).map(Wanted::Alarm))),
    ("reason", |words| lasting(words, |words| words.one_of("reason", &REASONS).map(Wanted::Reason))),
    ("exactly", |words| flips(words, Bound::Exactly)),
    ("at", |words| {
        let bound = words.choice("bound", &[("most", Bound::AtMost), ("least", Bound::AtLeast)])?;
        flips(words, bound)
    }),
    ("route", |words| literally(words, &["53", "sees", "nothing"], Wanted::Undetected)),
    ("inspected", |words| literally(words, &["after", "hold-down"], Wanted::InspectedAfterHoldDown)),
    ("distribution", |words| literally(words, &["as", "before"], Wanted::DistributionAsBefore)),
    ("comment", |words| literally(words, &["kept"], Wanted::CommentKept)),
    ("saved", saved),
];

pub(super) fn expectation(words: &mut Words<'_>) -> Result<Expectation, Wrong> {
    words.choice("expectation", &EXPECTATIONS)?(words)
}

/// `X`, `X within D` or `stays X for D`.
fn lasting(
    words: &mut Words<'_>,
    wanted: impl Fn(&mut Words<'_>) -> Result<Wanted, Wrong>,
) -> Result<Expectation, Wrong> {
    if !(words.take("stays") || words.take("stay")) {
        let wanted = wanted(words)?;
        return sooner_or_later(words, wanted);
    }
    let wanted = wanted(words)?;
    words.literally(&["for"])?;
    Ok(Expectation { wanted, timing: Timing::Stays(words.duration()?) })
}

fn literally(words: &mut Words<'_>, rest: &[&'static str], wanted: Wanted) -> Result<Expectation, Wrong> {
    words.literally(rest)?;
    sooner_or_later(words, wanted)
}

fn flips(words: &mut Words<'_>, bound: Bound) -> Result<Expectation, Wrong> {
    let number = words.number()? as usize;
    words.choice("thing to count", &[("flips", ()), ("flip", ())])?;
    sooner_or_later(words, Wanted::Flips(bound, number))
}

fn saved(words: &mut Words<'_>) -> Result<Expectation, Wrong> {
    words.literally(&["by"])?;
    let savior = if words.take("nobody") {
        Savior::Nobody
    } else {
        words.choice("savior", &[("layer", ()), ("nobody", ())])?;
        words.choice("layer", &[("1", Savior::Layer1), ("2", Savior::Layer2)])?
    };
    sooner_or_later(words, Wanted::SavedBy(savior))
}

/// An optional `within D`.
fn sooner_or_later(words: &mut Words<'_>, wanted: Wanted) -> Result<Expectation, Wrong> {
    let at_the_latest: Option<Duration> = match words.take("within") {
        true => Some(words.duration()?),
        false => None,
    };
    if words.peek().is_some_and(|word| word.eq_ignore_ascii_case("for")) {
        return Err("what has to last is written with `stays`, such as `expect traffic stays inspected for 10m`; what may take \
                    its time is written with `within` in place of `for`"
            .to_owned());
    }
    Ok(Expectation { wanted, timing: Timing::Eventually(at_the_latest) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn read(text: &str) -> Result<Expectation, Wrong> {
        let mut words = Words::of(text);
        let expectation = expectation(&mut words)?;
        words.end()?;
        Ok(expectation)
    }

    #[test]
    fn everything_that_can_be_seen_has_its_words() {
        for (text, wanted) in [
            ("traffic bypassed-dns", Wanted::Traffic("bypassed-dns".into())),
            ("posture Bypassed", Wanted::Posture("bypassed".into())),
            ("viewers served", Wanted::Viewers(Seen::Served)),
            ("alarm alarm", Wanted::Alarm("ALARM".into())),
            ("alarm insufficient_data", Wanted::Alarm("INSUFFICIENT_DATA".into())),
            ("reason latched", Wanted::Reason("Latched".into())),
            ("exactly 1 flip", Wanted::Flips(Bound::Exactly, 1)),
            ("exactly 0 flips", Wanted::Flips(Bound::Exactly, 0)),
            ("at most 6 flips", Wanted::Flips(Bound::AtMost, 6)),
            ("at least 2 flips", Wanted::Flips(Bound::AtLeast, 2)),
            ("route 53 sees nothing", Wanted::Undetected),
            ("inspected after hold-down", Wanted::InspectedAfterHoldDown),
            ("distribution as before", Wanted::DistributionAsBefore),
            ("comment kept", Wanted::CommentKept),
            ("saved by layer 1", Wanted::SavedBy(Savior::Layer1)),
            ("saved by layer 2", Wanted::SavedBy(Savior::Layer2)),
            ("saved by nobody", Wanted::SavedBy(Savior::Nobody)),
        ] {
            let timing = Timing::Eventually(Some(5 * MINUTE));
            assert_eq!(
                read(&format!("{text} within 5m")),
                Ok(Expectation { wanted: wanted.clone(), timing }),
                "{text}"
            );
            assert_eq!(read(text), Ok(Expectation { wanted, timing: Timing::Eventually(None) }), "{text}");
        }
    }

    #[test]
    fn what_has_to_last_says_for_how_long() {
        let stays = |wanted| Ok(Expectation { wanted, timing: Timing::Stays(10 * MINUTE) });
        assert_eq!(read("traffic stays inspected for 10m"), stays(Wanted::Traffic("inspected".into())));
        assert_eq!(read("viewers stay failed for 10m"), stays(Wanted::Viewers(Seen::Failed)));
        assert_eq!(read("alarm stays OK for 10m"), stays(Wanted::Alarm("OK".into())));
        assert!(read("traffic stays inspected").unwrap_err().contains("for"));
        assert!(read("traffic inspected for 10m").unwrap_err().contains("expect traffic stays inspected for 10m"));
    }

    #[test]
    fn words_that_are_not_the_contracts_are_refused() {
        for (text, meant) in [
            ("traffic bypassed-dsn", "bypassed-dns"),
            ("posture bypased", "bypassed"),
            ("reason HoldDwon", "HoldDown"),
            ("viewers serverd", "served"),
            ("alarm OKK", "OK"),
            ("viewer served", "viewers"),
        ] {
            let wrong = read(text).unwrap_err();
            assert!(wrong.contains(&format!("Did you mean `{meant}`?")), "{text}: {wrong}");
        }
        assert!(read("saved by layer 3").unwrap_err().contains("1 or 2"));
    }

    #[test]
    fn the_contracts_words_are_read_from_the_contracts_types() {
        // The rehearsal does not depend on the core, so the core's own source is what its words are held against.
        let decision = include_str!("../../../../functions/core/src/decision.rs");
        for reason in REASONS {
            assert!(decision.contains(&format!("    {reason},\n")), "the core knows no reason {reason}");
        }
        let posture = include_str!("../../../../functions/core/src/posture.rs");
        for word in TRAFFIC.iter().chain(&POSTURES) {
            assert!(posture.contains(&format!("=> \"{word}\"")), "the core does not say {word}");
        }
    }
}
