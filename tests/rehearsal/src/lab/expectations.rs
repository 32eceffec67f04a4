//! Whether what must be seen is seen: verdicts over what was observed, and the way to observe it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::meddling::escaped;
use super::{Lab, parameters};
use crate::clock::Moment;
use crate::deployment::{STACK, describe};
use crate::report::agreement::contradicts;
use crate::script::{Bound, Expectation, Savior, Seen, Timing, Wanted};
use crate::site;
use crate::timeline::{Answer, Class, Kind, Record};

/// What viewers got in so long is what they get now.
const WINDOW: Duration = Duration::from_secs(60);

/// Fewer answers than this in the window say nothing.
const FEWEST: usize = 10;

/// Of a hundred answers, how many must be as expected.
const ALMOST_ALL: f64 = 0.99;

/// What is waited for without a time given: modelled, and at least so long on the wall, because the functions and the tools
/// are not faster than they are.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
const PATIENCE_ON_THE_WALL: Duration = Duration::from_secs(90);

/// An automatic restore may seem to come this much before the end of the hold-down: the function's clock and ours are read
/// one after the other.
const CLOCKS_APART: Duration = Duration::from_secs(1);

/// How often one looks, on the wall; and how often where the functions are asked, whose calls are counted.
const GLANCE: Duration = Duration::from_millis(500);
const QUESTION: Duration = Duration::from_millis(1500);

/// What one look saw.
struct Sight {
    is_met: bool,
    seen: String,
}

impl Sight {
    fn equal(wanted: &str, found: &str) -> Self {
        Self { is_met: wanted == found, seen: found.to_owned() }
    }
}

impl Lab<'_> {
    /// Looks until it is seen, or for as long as it has to stay. What is seen is told either way.
    pub(super) async fn expect(&self, expectation: &Expectation) -> Result<String> {
        let clock = self.stage.clock;
        let begun = std::time::Instant::now();
        let pause = match &expectation.wanted {
            Wanted::Traffic(_) | Wanted::Posture(_) | Wanted::Reason(_) | Wanted::InspectedAfterHoldDown => QUESTION,
            Wanted::Viewers(_)
            | Wanted::Alarm(_)
            | Wanted::Flips(..)
            | Wanted::Undetected
            | Wanted::DistributionAsBefore
            | Wanted::CommentKept
            | Wanted::SavedBy(_) => GLANCE,
        };
        let (patience, stays) = match expectation.timing {
            Timing::Eventually(None) => (clock.scale().wall(PATIENCE).max(PATIENCE_ON_THE_WALL), false),
            Timing::Eventually(Some(modelled)) => (clock.scale().wall(modelled).max(PATIENCE_ON_THE_WALL), false),
            Timing::Stays(modelled) => (clock.scale().wall(modelled), true),
        };
        loop {
            let sight = match self.look(&expectation.wanted).await {
                Ok(sight) => sight,
                // A call that is refused or fails may be what the scenario plays.
                Err(error) if !stays => Sight { is_met: false, seen: format!("{error:#}") },
                Err(error) => return Err(error),
            };
            let is_over = begun.elapsed() >= patience;
            match (stays, sight.is_met) {
                (false, true) => return Ok(sight.seen),
                (true, false) => bail!("it did not stay so: {}", sight.seen),
                (true, true) if is_over => return Ok(sight.seen),
                (false, false) if is_over => {
                    bail!("not seen within {} s on the wall; seen was {}", patience.as_secs(), sight.seen)
                }
                (true, true) | (false, false) => tokio::time::sleep(pause).await,
            }
        }
    }

    async fn look(&self, wanted: &Wanted) -> Result<Sight> {
        let timeline = &self.stage.timeline;
        let now = self.stage.clock.now();
        Ok(match wanted {
            Wanted::Traffic(wanted) => {
                let status = self.status().await?;
                let traffic = text(&status, "/traffic");
                let contradiction = timeline.look(|record| contradiction(traffic, &window(record, now)));
                match contradiction {
                    Some(why) if traffic == wanted => Sight { is_met: false, seen: why },
                    Some(_) | None => Sight::equal(wanted, traffic),
                }
            }
            Wanted::Posture(wanted) => Sight::equal(wanted, text(&self.status().await?, "/posture")),
            Wanted::Reason(wanted) => Sight::equal(wanted, text(&self.status().await?, "/decision/reason")),
            Wanted::Viewers(wanted) => timeline.look(|record| viewers(*wanted, window(record, now))),
            Wanted::Alarm(wanted) => {
                let answer = self.stage.insides.cloudwatch.describe_alarms().alarm_names(site::ALARM).send().await?;
                let alarm = answer.metric_alarms().first().context("there is no alarm")?;
                Sight::equal(wanted, alarm.state_value().map_or("nothing", |state| state.as_str()))
            }
            Wanted::Flips(bound, count) => {
                let flips = self.flips();
                let is_met = match bound {
                    Bound::Exactly => flips == *count,
                    Bound::AtMost => flips <= *count,
                    Bound::AtLeast => flips >= *count,
                };
                Sight { is_met, seen: format!("{flips} flips") }
            }
            Wanted::Undetected => timeline.look(|record| {
                let opened = timeline.opened();
                let seen = record.events.iter().find(|event| event.kind == Kind::CheckUnhealthy && event.at >= opened);
                Sight {
                    is_met: seen.is_none(),
                    seen: seen.map_or("Route 53 saw nothing".to_owned(), |event| event.text.clone()),
                }
            }),
            Wanted::InspectedAfterHoldDown => self.inspected_after_hold_down(now).await?,
            Wanted::DistributionAsBefore => {
                if self.is_deleted.get() && describe(self.stage, STACK)?.is_some() {
                    return Ok(Sight { is_met: false, seen: "the stack is still there".to_owned() });
                }
                let found = self.stage.insides.distribution(&self.site.distribution_id).await?;
                let is_met = found.bytes == self.site.original.bytes;
                Sight {
                    is_met,
                    seen: format!("{} bytes, {}", found.bytes.len(), if is_met { "as before" } else { "other ones" }),
                }
            }
            Wanted::CommentKept => {
                let comment = self.comment.borrow().clone().context("no comment was edited")?;
                let found = self.stage.insides.distribution(&self.site.distribution_id).await?;
                let element = format!("<Comment>{}</Comment>", escaped(&comment));
                let is_met = String::from_utf8_lossy(&found.bytes).contains(&element);
                Sight { is_met, seen: format!("the comment {}", if is_met { "is there" } else { "is gone" }) }
            }
            Wanted::SavedBy(wanted) => timeline.look(|record| {
                let saved_by = savior(record);
                Sight { is_met: saved_by == *wanted, seen: format!("saved by {saved_by}") }
            }),
        })
    }

    async fn inspected_after_hold_down(&self, now: Moment) -> Result<Sight> {
        let posture = match &self.deployment {
            Some(_) => text(&self.status().await?, "/posture").to_owned(),
            None => "inspected".to_owned(),
        };
        let sight = self.stage.timeline.look(|record| viewers(Seen::Inspected, window(record, now)));
        if posture != "inspected" || !sight.is_met {
            return Ok(Sight { is_met: false, seen: format!("posture {posture}, viewers: {}", sight.seen) });
        }
        let hold_down = parameters::hold_down(self.script);
        let tolerance = self.stage.clock.scale().modelled(CLOCKS_APART);
        let (restored, unpinned) = (self.observer.restored(), self.unpinned.get());
        let waited = self.stage.timeline.look(|record| waited_before_restore(record, restored?, unpinned));
        if let Some(waited) = waited.filter(|waited| *waited + tolerance < hold_down) {
            bail!(
                "the restore was written {} s after the alarm was OK and no pin held, before the hold-down of {} s had passed",
                waited.as_secs(),
                hold_down.as_secs()
            );
        }
        Ok(sight)
    }

    /// What flip says of the protection.
    pub(super) async fn status(&self) -> Result<Value> {
        let deployment = self.deployment.as_ref().context("nothing is deployed that could be asked for its status")?;
        self.stage.insides.invoke(&deployment.flip, &json!({"action": "status", "protection": site::PROTECTION})).await
    }
}

/// How long flip's last restore has waited: since the last OK of the alarm before it, or since a pin ended that was later.
fn waited_before_restore(record: &Record, restored: Moment, unpinned: Option<Moment>) -> Option<Duration> {
    let ok = record.events.iter().rfind(|event| event.kind == Kind::AlarmOk && event.at <= restored);
    let since = [ok.map(|event| event.at), unpinned.filter(|unpinned| *unpinned <= restored)];
    Some(restored - since.into_iter().flatten().max()?)
}

/// The answers that viewers got in the last while.
fn window(record: &Record, now: Moment) -> Vec<Answer> {
    let recent = record.answers.iter().rev().take_while(|answer| now - answer.ended() <= WINDOW * 3);
    recent.filter(|answer| now - answer.ended() < WINDOW).cloned().collect()
}

fn viewers(wanted: Seen, answers: Vec<Answer>) -> Sight {
    let share = |matches: fn(Class) -> bool| {
        answers.iter().filter(|answer| matches(answer.class)).count() as f64 / answers.len().max(1) as f64
    };
    let [inspected, bypassed, failed] =
        [share(|class| class == Class::Inspected), share(Class::is_bypassed), share(|class| class == Class::Failed)];
    let part = match wanted {
        Seen::Inspected => inspected,
        Seen::Bypassed => bypassed,
        Seen::Failed => failed,
        Seen::Served => inspected + bypassed,
    };
    let percent = |share: f64| (share * 100.0).round();
    Sight {
        is_met: answers.len() >= FEWEST && part >= ALMOST_ALL,
        seen: format!(
            "{} answers in a minute: {} % inspected, {} % bypassed, {} % failed",
            answers.len(),
            percent(inspected),
            percent(bypassed),
            percent(failed)
        ),
    }
}

/// What viewers got that cannot be, if the traffic were what status says.
fn contradiction(traffic: &str, answers: &[Answer]) -> Option<String> {
    let count = answers.iter().filter(|answer| contradicts(answer, traffic)).count();
    (count > 0).then(|| format!("status says {traffic}, and {count} answers of the last minute came the other way"))
}

/// Who brought the first answer around inspection since it broke last.
fn savior(record: &Record) -> Savior {
    let broken = record.events.iter().rfind(|event| event.kind == Kind::InspectionBroken).map(|event| event.at);
    let after = record.answers.iter().filter(|answer| broken.is_some_and(|broken| answer.ended() > broken));
    match after
        .filter(|answer| answer.class.is_bypassed())
        .min_by_key(|answer| answer.ended())
        .map(|answer| answer.class)
    {
        Some(Class::BypassedDns) => Savior::Layer1,
        Some(Class::BypassedEdge) => Savior::Layer2,
        Some(Class::Inspected | Class::Failed) | None => Savior::Nobody,
    }
}

fn text<'v>(answer: &'v Value, pointer: &str) -> &'v str {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or("nothing")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Event;

    fn answer(at: u64, class: Class, reused: bool) -> Answer {
        Answer {
            at: Moment::at(Duration::from_secs(at)),
            took: Duration::from_secs(1),
            edge: 0,
            method: "GET",
            path: "/",
            keep_alive: true,
            status: 200,
            class,
            reused,
        }
    }

    fn event(at: u64, kind: Kind) -> Event {
        Event { at: Moment::at(Duration::from_secs(at)), kind, text: String::new() }
    }

    #[test]
    fn one_failure_in_a_hundred_is_overlooked_and_two_are_not() {
        let mut answers: Vec<Answer> = (0..99).map(|at| answer(at, Class::BypassedDns, false)).collect();
        answers.push(answer(99, Class::Failed, false));
        assert!(viewers(Seen::Bypassed, answers.clone()).is_met);
        answers[0].class = Class::Failed;
        assert!(!viewers(Seen::Bypassed, answers).is_met);
        assert!(
            !viewers(Seen::Bypassed, vec![answer(0, Class::BypassedDns, false); FEWEST - 1]).is_met,
            "too few to tell"
        );
    }

    #[test]
    fn the_savior_is_the_layer_of_the_first_answer_around_inspection() {
        let mut record = Record { events: vec![event(10, Kind::InspectionBroken)], ..Record::default() };
        record.answers = vec![answer(5, Class::BypassedEdge, false), answer(12, Class::Failed, false)];
        assert_eq!(savior(&record), Savior::Nobody, "an answer before the outage saved nobody");
        record.answers.push(answer(14, Class::BypassedEdge, false));
        assert_eq!(savior(&record), Savior::Layer2);
        record.answers.push(answer(13, Class::BypassedDns, false));
        assert_eq!(savior(&record), Savior::Layer1);
    }

    #[test]
    fn hold_down_is_counted_from_the_last_ok_before_the_restore_and_from_the_end_of_a_pin() {
        let record = Record {
            events: vec![
                event(10, Kind::AlarmOk),
                event(20, Kind::AlarmAlarm),
                event(100, Kind::AlarmOk),
                event(2000, Kind::AlarmOk),
            ],
            ..Record::default()
        };
        let at = |second| Moment::at(Duration::from_secs(second));
        let waited = |unpinned| waited_before_restore(&record, at(1000), unpinned);
        assert_eq!(waited(None), Some(Duration::from_secs(900)));
        assert_eq!(waited(Some(at(400))), Some(Duration::from_secs(600)));
        assert_eq!(waited(Some(at(50))), Some(Duration::from_secs(900)));
        assert_eq!(waited_before_restore(&Record::default(), at(1000), None), None);
    }

    #[test]
    fn only_the_last_minute_counts() {
        let record =
            Record { answers: (0..300).map(|at| answer(at, Class::Inspected, false)).collect(), ..Record::default() };
        let recent = window(&record, Moment::at(Duration::from_secs(300)));
        assert_eq!(recent.len(), 60);
        assert!(recent.iter().all(|answer| answer.ended() > Moment::at(Duration::from_secs(240))));
    }
}
