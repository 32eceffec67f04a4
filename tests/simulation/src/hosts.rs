//! Inspection and the application: up, down, flapping, and what our probes and Route 53's checkers see of them.

use std::cell::Cell;

use failopen::port::ProbeOutcome;
use failopen_tests::world;

use crate::agenda::{Act, Due, MINUTE, Moment, SECOND};
use crate::fault::Fault;
use crate::world::SimWorld;

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    up: Cell<bool>,
    turned_at: Cell<Moment>,
    /// When the last outage began and ended.
    last_outage: Cell<Option<(Moment, Moment)>>,
}

impl Default for Host {
    fn default() -> Self {
        Self { up: Cell::new(true), turned_at: Cell::new(-MINUTE * 60 * 24), last_outage: Cell::new(None) }
    }
}

/// Failures in a row before the checkers call a host unhealthy: two, ten seconds apart.
const NOTICED: Moment = 20 * SECOND;

impl Host {
    pub(crate) fn is_up(&self) -> bool {
        self.up.get()
    }

    fn turn(&self, now: Moment) {
        if !self.up.get() {
            self.last_outage.set(Some((self.turned_at.get(), now)));
        }
        self.up.set(!self.up.get());
        self.turned_at.set(now);
    }

    /// Whether the checkers saw it down for long enough in the minute before `now`.
    pub(crate) fn was_unhealthy(&self, now: Moment) -> bool {
        let is_down = !self.up.get() && now - self.turned_at.get() >= NOTICED;
        let was_down = self.last_outage.get().is_some_and(|(from, to)| to - from >= NOTICED && now - to < MINUTE);
        is_down || was_down
    }
}

/// Both hosts, and the plans for them.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    pub(crate) inspection: Host,
    pub(crate) application: Host,
    /// When inspection turned last, for telling flapping from an outage.
    last_turn: Cell<Option<Moment>>,
}

impl SimWorld {
    /// Inspection goes down or comes back.
    pub(crate) fn turn_inspection(&self) {
        let now = self.agenda.now();
        self.hosts.inspection.turn(now);
        let is_up = self.hosts.inspection.is_up();
        self.cloud().health().set_host_up(&world::inspection(), is_up);
        if is_up {
            self.cloud().probes().unscript(&world::inspection());
        } else {
            let why = "connection refused".to_owned();
            self.cloud().probes().script(&world::inspection(), ProbeOutcome::Failed { why });
        }
        if self.hosts.last_turn.replace(Some(now)).is_some_and(|last| now - last <= 3 * MINUTE) {
            self.count(Fault::InspectionFlapping);
        }
        self.story.tell(|| format!("inspection {}", if is_up { "answers again" } else { "stops answering" }));
        self.note_turn(true, is_up);
    }

    /// The application goes down or comes back: for everybody, or only for those who look at its certificate.
    pub(crate) fn turn_application(&self) {
        self.hosts.application.turn(self.agenda.now());
        let is_up = self.hosts.application.is_up();
        let application = world::application();
        if is_up {
            self.cloud().health().set_host_up(&application, true);
            self.cloud().probes().unscript(&application);
        } else if self.chance.percent(40) {
            let why = "the certificate has expired".to_owned();
            self.cloud().probes().script(&application, ProbeOutcome::Failed { why });
            self.count(Fault::ApplicationCertificate);
        } else {
            self.cloud().health().set_host_up(&application, false);
            let outcome = if self.chance.percent(50) {
                ProbeOutcome::Failed { why: "connection refused".to_owned() }
            } else {
                ProbeOutcome::Answered { status: 503 }
            };
            self.cloud().probes().script(&application, outcome);
            self.count(Fault::ApplicationDown);
        }
        self.story.tell(|| format!("the application {}", if is_up { "answers again" } else { "fails" }));
        self.note_turn(false, is_up);
    }

    /// Plans the outages of a schedule.
    pub(crate) fn plan_outages(&self) {
        let end = self.scenario.faulty_for;
        let plan = |act, from: Moment, to: Moment| {
            self.agenda.at(from, Due::Act(act));
            self.agenda.at(to, Due::Act(act));
        };
        if self.scenario.flaps {
            let from = self.chance.between(0, end / 2);
            let period = self.chance.between(20, 150) * SECOND;
            let times = self.chance.between(4, 14);
            for turn in 0..times {
                let at = from + turn * period + self.chance.between(0, 9) * SECOND;
                self.agenda.at(at.min(end - SECOND), Due::Act(Act::TurnInspection));
            }
        } else {
            let mut at = 0;
            for _ in 0..self.chance.below(4) {
                let from = at + self.chance.between(10 * SECOND, end / 2);
                let to = from + self.chance.between(10 * SECOND, end / 2);
                if to >= end {
                    // It stays down, through the calm and beyond.
                    if from < end && self.chance.percent(60) {
                        self.agenda.at(from, Due::Act(Act::TurnInspection));
                    }
                    break;
                }
                plan(Act::TurnInspection, from, to);
                at = to;
            }
        }
        if self.scenario.application_fails {
            let from = self.chance.between(0, end * 3 / 4);
            let to = from + self.chance.between(30 * SECOND, end);
            self.agenda.at(from, Due::Act(Act::TurnApplication));
            if to < end {
                self.agenda.at(to, Due::Act(Act::TurnApplication));
            }
        }
    }
}
