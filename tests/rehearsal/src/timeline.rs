//! What happened in a play, and what the viewers got, with the modelled time of each: the one record from which the terminal,
//! the expectations, the summary and the picture are made.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use crate::clock::{Clock, Moment, in_seconds};

/// Which way an answer came. The words are those of `status`, for what viewers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// Inspection has seen the request and the answer is good.
    Inspected,
    /// Good, not inspected, although the edge used the inspection origin: DNS led it to the application (layer 1).
    BypassedDns,
    /// Good, and not inspected, because the edge used the application's origin (layer 2).
    BypassedEdge,
    /// A 5xx, or no answer.
    Failed,
}

impl Class {
    pub(crate) const ALL: [Class; 4] = [Class::Inspected, Class::BypassedDns, Class::BypassedEdge, Class::Failed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Inspected => "inspected",
            Class::BypassedDns => "bypassed-dns",
            Class::BypassedEdge => "bypassed-edge",
            Class::Failed => "failed",
        }
    }

    pub(crate) fn is_bypassed(self) -> bool {
        matches!(self, Class::BypassedDns | Class::BypassedEdge)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One viewer's request and its answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Answer {
    /// When the viewer asked.
    pub(crate) at: Moment,
    /// How long the answer took.
    #[serde(serialize_with = "in_seconds")]
    pub(crate) took: Duration,
    /// Number of the edge, from 0.
    pub(crate) edge: usize,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// Whether the viewer keeps its connection with the edge.
    pub(crate) keep_alive: bool,
    /// Status; 0 where no answer came.
    pub(crate) status: u16,
    pub(crate) class: Class,
    /// Whether the edge used a connection with the origin that it had already.
    pub(crate) reused: bool,
}

impl Answer {
    /// When the viewer had the answer.
    pub(crate) fn ended(&self) -> Moment {
        self.at + self.took
    }
}

/// What kind of thing happened; figures and markers go by it, people by [`Event::text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Inspection begins to suffer from something.
    InspectionBroken,
    InspectionHealed,
    ApplicationBroken,
    ApplicationHealed,
    /// Route 53 takes inspection for unhealthy, or for healthy again.
    CheckUnhealthy,
    CheckHealthy,
    /// DNS answers the failover record with the application, or with inspection again.
    DnsToApplication,
    DnsToInspection,
    AlarmAlarm,
    AlarmOk,
    AlarmInsufficientData,
    /// An alarm's event was handed to react, or lost on the way.
    EventDelivered,
    EventLost,
    /// React asks flip to bypass, or to restore.
    DecidedBypass,
    DecidedRestore,
    /// React holds for another reason than before.
    DecidedHold,
    /// The distribution's configuration was changed so that every protected behaviour targets the application, inspection,
    /// or neither of these for all.
    WrittenBypassed,
    WrittenInspected,
    WrittenOther,
    /// A call to CloudFront was refused for its rate.
    Throttled,
    /// An edge has taken over a configuration.
    EdgeUpdated,
    /// All of them have.
    Deployed,
    /// What an operator, an infrastructure tool or the play itself did.
    Operator,
    Disturbance,
    ExpectationMet,
    ExpectationFailed,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Event {
    pub(crate) at: Moment,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

impl Event {
    /// The same event in the time of a play that began at `opened`.
    pub(crate) fn since(&self, opened: Moment) -> Event {
        Event { at: Moment::at(self.at - opened), ..self.clone() }
    }
}

/// What `status` called the traffic at a moment, to be held against what viewers got.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StatusSample {
    pub(crate) at: Moment,
    pub(crate) traffic: String,
    pub(crate) posture: String,
}

/// All that was recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// In the order in which they ended.
    pub(crate) answers: Vec<Answer>,
    /// In the order in which they were told; a time may be a little before that of the event before.
    pub(crate) events: Vec<Event>,
    pub(crate) statuses: Vec<StatusSample>,
    /// Calls to AWS by functions and operators, by service and operation, `cloudfront UpdateDistribution`.
    pub(crate) calls: BTreeMap<String, usize>,
    /// Wall time of the functions' own work that figures contain and the scale has stretched: what it was, and how long.
    pub(crate) work: Vec<(String, Duration)>,
}

impl Record {
    /// What happened from `opened` on, with times from there.
    fn since(&self, opened: Moment) -> Record {
        let rebased = |at: Moment| Moment::at(at - opened);
        let keep = |at: Moment| at >= opened;
        Record {
            answers: self
                .answers
                .iter()
                .filter(|answer| keep(answer.at))
                .map(|answer| Answer { at: rebased(answer.at), ..answer.clone() })
                .collect(),
            events: self.events.iter().filter(|event| keep(event.at)).map(|event| event.since(opened)).collect(),
            statuses: self
                .statuses
                .iter()
                .filter(|sample| keep(sample.at))
                .map(|sample| StatusSample { at: rebased(sample.at), ..sample.clone() })
                .collect(),
            calls: self.calls.clone(),
            work: self.work.clone(),
        }
    }
}

/// Records, and tells whoever watches that something is new.
#[derive(Debug)]
pub(crate) struct Timeline {
    clock: Clock,
    /// When the play began: the stage was set, and all that was recorded before is its setting.
    opened: OnceLock<Moment>,
    record: Mutex<Record>,
    told: watch::Sender<usize>,
}

impl Timeline {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, opened: OnceLock::new(), record: Mutex::default(), told: watch::Sender::new(0) }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// The play begins now, once.
    pub(crate) fn open(&self) {
        let _ = self.opened.set(self.clock.now());
    }

    /// When the play began; the beginning of time until then.
    pub(crate) fn opened(&self) -> Moment {
        self.opened.get().copied().unwrap_or_default()
    }

    /// The play so far, in its own time: what was recorded before it began is left out.
    pub(crate) fn play(&self) -> Record {
        self.lock().since(self.opened())
    }

    /// Something happens now.
    pub(crate) fn tell(&self, kind: Kind, text: impl Into<String>) {
        self.tell_at(self.clock.now(), kind, text);
    }

    /// Something has happened.
    pub(crate) fn tell_at(&self, at: Moment, kind: Kind, text: impl Into<String>) {
        let mut record = self.lock();
        record.events.push(Event { at, kind, text: text.into() });
        let told = record.events.len();
        drop(record);
        self.told.send_replace(told);
    }

    pub(crate) fn answered(&self, answer: Answer) {
        self.lock().answers.push(answer);
    }

    pub(crate) fn status(&self, sample: StatusSample) {
        self.lock().statuses.push(sample);
    }

    pub(crate) fn called(&self, service: &str, operation: &str) {
        *self.lock().calls.entry(format!("{service} {operation}")).or_default() += 1;
    }

    pub(crate) fn worked(&self, what: impl Into<String>, wall: Duration) {
        self.lock().work.push((what.into(), wall));
    }

    /// Number of events told so far, as it changes.
    pub(crate) fn news(&self) -> watch::Receiver<usize> {
        self.told.subscribe()
    }

    /// Looks at the record; whoever does must not wait meanwhile.
    pub(crate) fn look<T>(&self, glance: impl FnOnce(&Record) -> T) -> T {
        glance(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Scale;

    #[test]
    fn a_play_begins_at_zero_and_without_what_came_before() {
        let record = Record {
            events: [5, 20]
                .map(|at| Event { at: Moment::at(Duration::from_secs(at)), kind: Kind::Operator, text: at.to_string() })
                .into(),
            ..Record::default()
        };
        let play = record.since(Moment::at(Duration::from_secs(15)));
        assert_eq!(play.events.len(), 1);
        assert_eq!(play.events[0].at, Moment::at(Duration::from_secs(5)));
        assert_eq!(play.events[0].text, "20");
    }

    #[test]
    fn whoever_watches_hears_of_every_event() {
        let timeline = Timeline::new(Clock::start(Scale::DEFAULT));
        let mut news = timeline.news();
        assert!(!news.has_changed().unwrap());
        timeline.tell(Kind::AlarmOk, "well");
        assert_eq!(*news.borrow_and_update(), 1);
    }
}
