//! A line that says what happens: words → [`Command`].

use super::command::{Command, Disturbance, Fault, Host, Side};
use super::expectation_grammar::expectation;
use super::forms;
use super::spelling::nearest;
use super::words::{Words, Wrong};
use crate::site::PROTECTION;

/// Reads what follows a command's first word.
type Reader = fn(&mut Words<'_>) -> Result<Command, Wrong>;

/// Commands by their first word.
const COMMANDS: [(&str, Reader); 22] = [
    ("wait", |words| words.duration().map(Command::Wait)),
    ("break", |words| Ok(Command::Break(host(words)?, fault(words)?))),
    ("heal", |words| host(words).map(Command::Heal)),
    ("lose", |words| lost_events(words).map(Command::AlarmEvents)),
    ("deliver", |words| delivered_events(words).map(Command::AlarmEvents)),
    ("stop", |words| {
        words.choice("thing to stop", &[("ticks", Command::Ticks(false)), ("reverting", Command::StopReverting)])
    }),
    ("start", |words| words.literally(&["ticks"]).map(|()| Command::Ticks(true))),
    ("throttle", |words| {
        words.literally(&["cloudfront"])?;
        words.duration().map(Command::ThrottleCloudFront)
    }),
    ("edit", |words| {
        words.literally(&["distribution", "comment"])?;
        comment(words).map(Command::EditComment)
    }),
    ("revert", |words| {
        words.literally(&["distribution", "every"])?;
        words.duration().map(Command::RevertEvery)
    }),
    ("pin", |words| {
        protection(words)?;
        let sides = [("inspected", Some(Side::Inspected)), ("bypassed", Some(Side::Bypassed)), ("hold", None)];
        Ok(Command::Pin(words.choice("pin", &sides)?, words.optional_for()?))
    }),
    ("unpin", |words| protection(words).map(|()| Command::Unpin)),
    ("unlatch", |words| protection(words).map(|()| Command::Unlatch)),
    ("bypass", |words| {
        protection(words)?;
        words.optional_for().map(Command::Bypass)
    }),
    ("restore", |words| {
        protection(words)?;
        words.optional_for().map(Command::Restore)
    }),
    ("force", |words| words.literally(&["dns", "to", "application"]).map(|()| Command::ForceDns(true))),
    ("release", |words| words.literally(&["dns"]).map(|()| Command::ForceDns(false))),
    ("ring", |words| words.literally(&["own", "alarm"]).map(|()| Command::OwnAlarm(true))),
    ("silence", |words| words.literally(&["own", "alarm"]).map(|()| Command::OwnAlarm(false))),
    ("remove", |words| words.literally(&["functions"]).map(|()| Command::RemoveFunctions)),
    ("delete", |words| words.literally(&["stack"]).map(|()| Command::DeleteStack)),
    ("expect", |words| expectation(words).map(Command::Expect)),
];

/// The whole of a line, without its layers and its remark.
pub(super) fn command(line: &str) -> Result<Command, Wrong> {
    let mut words = Words::of(line);
    let first = words.next().unwrap_or_default();
    let Some((_, read)) = COMMANDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(first)) else {
        return Err(unknown(first));
    };
    let command = read(&mut words)?;
    words.end()?;
    Ok(command)
}

fn unknown(first: &str) -> Wrong {
    let meant = nearest(first, COMMANDS.iter().map(|(name, _)| *name));
    let meant = meant.map(|name| format!(" Did you mean `{name}`?")).unwrap_or_default();
    format!("there is no command `{first}`.{meant} These are the commands:\n{}", forms::list())
}

fn host(words: &mut Words<'_>) -> Result<Host, Wrong> {
    words.choice("host", &[("inspection", Host::Inspection), ("application", Host::Application)])
}

/// The only protection that the stage has.
fn protection(words: &mut Words<'_>) -> Result<(), Wrong> {
    words.literally(&[PROTECTION])
}

fn fault(words: &mut Words<'_>) -> Result<Fault, Wrong> {
    type Kind = fn(&mut Words<'_>) -> Result<Fault, Wrong>;
    const FAULTS: [(&str, Kind); 9] = [
        ("refused", |_| Ok(Fault::Refused)),
        ("blackhole", |_| Ok(Fault::Blackhole)),
        ("hangs", |_| Ok(Fault::Hangs)),
        ("errors", |_| Ok(Fault::Errors)),
        ("slow", |words| words.duration().map(Fault::Slow)),
        ("expired-certificate", |_| Ok(Fault::ExpiredCertificate)),
        ("wrong-name", |_| Ok(Fault::WrongName)),
        ("broken-traffic", |_| Ok(Fault::BrokenTraffic)),
        ("flapping", |words| {
            words.literally(&["every"])?;
            words.duration().map(Fault::Flapping)
        }),
    ];
    words.choice("fault", &FAULTS)?(words)
}

fn lost_events(words: &mut Words<'_>) -> Result<Disturbance, Wrong> {
    let disturbance = if words.take("all") {
        Disturbance::Lose { lost: 1, of: 1 }
    } else {
        let lost = words.number()?;
        words.literally(&["in"])?;
        Disturbance::Lose { lost, of: at_least(lost.max(1), words.number()?)? }
    };
    words.literally(&["alarm", "events"])?;
    match disturbance {
        Disturbance::Lose { lost: 0, .. } => Err("to lose none, write `deliver alarm events as usual`".to_owned()),
        disturbance => Ok(disturbance),
    }
}

fn delivered_events(words: &mut Words<'_>) -> Result<Disturbance, Wrong> {
    words.literally(&["alarm", "events"])?;
    if words.take("as") {
        return words.literally(&["usual"]).map(|()| Disturbance::None);
    }
    match words.peek().map(str::parse) {
        Some(Ok(copies)) => {
            words.next();
            words.literally(&["times"])?;
            at_least(1, copies).map(Disturbance::Copies)
        }
        Some(Err(_)) => {
            let late = words.duration()?;
            words.literally(&["late"]).map(|()| Disturbance::Late(late))
        }
        None => Err("it ends where `5 times`, `5m late` or `as usual` has to follow".to_owned()),
    }
}

fn at_least(least: u32, number: u32) -> Result<u32, Wrong> {
    if number >= least { Ok(number) } else { Err(format!("{number} is too few here; it takes {least} or more")) }
}

/// A comment of a distribution has at most 128 characters (CloudFront API Reference, DistributionConfig).
fn comment(words: &mut Words<'_>) -> Result<String, Wrong> {
    const MOST: usize = 128;
    match words.take_rest() {
        "" => Err("it ends where the new comment has to follow".to_owned()),
        text if text.chars().count() > MOST => {
            Err(format!("the comment is longer than CloudFront's {MOST} characters"))
        }
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn wrong(line: &str) -> Wrong {
        command(line).expect_err(line)
    }

    #[test]
    fn every_fault_has_its_words() {
        for (words, fault) in [
            ("refused", Fault::Refused),
            ("blackhole", Fault::Blackhole),
            ("hangs", Fault::Hangs),
            ("errors", Fault::Errors),
            ("slow 8s", Fault::Slow(Duration::from_secs(8))),
            ("expired-certificate", Fault::ExpiredCertificate),
            ("wrong-name", Fault::WrongName),
            ("broken-traffic", Fault::BrokenTraffic),
            ("flapping every 10m", Fault::Flapping(10 * MINUTE)),
        ] {
            assert_eq!(command(&format!("break inspection {words}")), Ok(Command::Break(Host::Inspection, fault)));
        }
        assert_eq!(command("Break Application Refused"), Ok(Command::Break(Host::Application, Fault::Refused)));
        assert_eq!(command("heal application"), Ok(Command::Heal(Host::Application)));
    }

    #[test]
    fn events_are_lost_doubled_late_or_as_usual() {
        for (line, disturbance) in [
            ("lose 1 in 3 alarm events", Disturbance::Lose { lost: 1, of: 3 }),
            ("lose all alarm events", Disturbance::Lose { lost: 1, of: 1 }),
            ("deliver alarm events 5 times", Disturbance::Copies(5)),
            ("deliver alarm events 10m late", Disturbance::Late(10 * MINUTE)),
            ("deliver alarm events as usual", Disturbance::None),
        ] {
            assert_eq!(command(line), Ok(Command::AlarmEvents(disturbance)), "{line}");
        }
        assert_eq!(wrong("lose 3 in 2 alarm events"), "2 is too few here; it takes 3 or more");
        assert_eq!(wrong("lose 0 in 2 alarm events"), "to lose none, write `deliver alarm events as usual`");
        assert_eq!(wrong("deliver alarm events 0 times"), "0 is too few here; it takes 1 or more");
        assert!(wrong("deliver alarm events soon").contains("no duration"));
        assert!(wrong("deliver alarm events").contains("`as usual`"));
    }

    #[test]
    fn operators_pin_and_give_back() {
        assert_eq!(command("pin www bypassed for 2h"), Ok(Command::Pin(Some(Side::Bypassed), Some(120 * MINUTE))));
        assert_eq!(command("pin www hold"), Ok(Command::Pin(None, None)));
        assert_eq!(command("unpin www"), Ok(Command::Unpin));
        assert_eq!(command("unlatch www"), Ok(Command::Unlatch));
        assert_eq!(command("bypass www"), Ok(Command::Bypass(None)));
        assert_eq!(command("restore www for 1h"), Ok(Command::Restore(Some(60 * MINUTE))));
        assert_eq!(wrong("pin api bypassed"), "`api` stands where `www` has to");
        assert!(wrong("pin www bypased").contains("Did you mean `bypassed`?"));
    }

    #[test]
    fn the_rest_happens_to_the_account() {
        assert_eq!(command("wait 90s"), Ok(Command::Wait(Duration::from_secs(90))));
        assert_eq!(command("stop ticks"), Ok(Command::Ticks(false)));
        assert_eq!(command("start ticks"), Ok(Command::Ticks(true)));
        assert_eq!(command("throttle cloudfront 10m"), Ok(Command::ThrottleCloudFront(10 * MINUTE)));
        assert_eq!(command("revert distribution every 5m"), Ok(Command::RevertEvery(5 * MINUTE)));
        assert_eq!(command("stop reverting"), Ok(Command::StopReverting));
        assert_eq!(command("force dns to application"), Ok(Command::ForceDns(true)));
        assert_eq!(command("release dns"), Ok(Command::ForceDns(false)));
        assert_eq!(command("ring own alarm"), Ok(Command::OwnAlarm(true)));
        assert_eq!(command("silence own alarm"), Ok(Command::OwnAlarm(false)));
        assert_eq!(command("remove functions"), Ok(Command::RemoveFunctions));
        assert_eq!(command("delete stack"), Ok(Command::DeleteStack));
        let edited = Command::EditComment("Owner: Web  Platform".to_owned());
        assert_eq!(command("edit distribution comment Owner: Web  Platform"), Ok(edited));
        assert!(wrong("edit distribution comment").contains("new comment"));
        assert!(wrong(&format!("edit distribution comment {}", "x".repeat(129))).contains("128"));
    }

    #[test]
    fn an_unknown_command_is_answered_with_all_of_them() {
        let wrong = wrong("brake inspection");
        assert!(wrong.starts_with("there is no command `brake`. Did you mean `break`?"), "{wrong}");
        assert!(wrong.contains("heal inspection|application"), "{wrong}");
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_known_ones() {
        assert!(wrong("break inspektion refused").contains("Did you mean `inspection`?"));
        assert!(wrong("break inspection blackhol").contains("Did you mean `blackhole`?"));
        assert_eq!(wrong("stop reverting now"), "`now` is too much here; the command is complete without it");
    }
}
