//! The messages that people get: what happened, what it means for traffic, and what to run next.

use jiff::Timestamp;

use crate::alarm::{AlarmState, ObservedAlarm};
use crate::commands::Commands;
use crate::decision::Reason;
use crate::drift::Drift;
use crate::ledger::{Flip, FlippedBy, Queued, Row};
use crate::notice::Seen;
use crate::posture::{Health, Posture, Side, Traffic};

/// SNS accepts subjects of up to 100 characters.
const SUBJECT_LENGTH: usize = 100;

/// Writes the messages of one observation.
pub(crate) struct Letters<'a> {
    pub(crate) row: &'a Row,
    pub(crate) seen: &'a Seen<'a>,
    pub(crate) commands: &'a Commands,
    pub(crate) now: Timestamp,
    pub(crate) written: Vec<Queued>,
}

impl Letters<'_> {
    pub(crate) fn change(&mut self, before: Option<Traffic>) {
        let name = &self.row.name;
        let was = before.map_or(String::new(), |traffic| format!(" (was {traffic})"));
        let (headline, next_step) = match self.seen.traffic {
            Traffic::Inspected => ("traffic is inspected again".to_owned(), self.commands.status(name)),
            Traffic::BypassedDns => {
                let headline = match self.seen.inspection {
                    Health::Unhealthy => "inspection is down, DNS sends traffic to the application",
                    // Another DNS service than Route 53 has its own reasons.
                    Health::Healthy | Health::Unknown | Health::NotChecked => {
                        "DNS sends traffic to the application, uninspected"
                    }
                };
                (headline.to_owned(), self.look_or_bypass())
            }
            Traffic::BypassedEdge => {
                ("CloudFront sends traffic to the application, uninspected".to_owned(), self.look_or_restore())
            }
            Traffic::Unknown => {
                (format!("posture is {}, traffic is not known", self.seen.posture), self.look_or_bypass())
            }
        };
        let subject = format!("{}{was}", headline);
        self.send(&subject, self.cause(), &next_step);
    }

    pub(crate) fn reminder(&mut self, since: Timestamp) {
        let subject = format!("still not inspected: {} since {since}", self.seen.traffic);
        let next_step = match self.seen.posture {
            Posture::Bypassed => self.look_or_restore(),
            Posture::Inspected | Posture::Mixed | Posture::Foreign => self.look_or_bypass(),
        };
        self.send(&subject, self.cause(), &next_step);
    }

    /// A restore sends viewers to inspection and keeps automation away from it for hours: it is offered only where everything that
    /// speaks for inspection says that it is healthy.
    fn look_or_restore(&self) -> String {
        let name = &self.row.name;
        let is_refuted = self.seen.decision.reason == Reason::InspectionUnhealthy;
        let is_well =
            self.seen.inspection == Health::Healthy && self.seen.asked == Some(Side::Inspected) && !is_refuted;
        if is_well && self.row.is_in_service() { self.commands.restore(name) } else { self.commands.status(name) }
    }

    /// Where layer 2 only notifies, inspection is dead and CloudFront still points at it, the flip is up to whoever reads
    /// this; everywhere else the first thing to do is to look.
    fn look_or_bypass(&self) -> String {
        let name = &self.row.name;
        let is_theirs = self.seen.decision.reason == Reason::NotifyOnly && self.seen.inspection == Health::Unhealthy;
        match self.seen.posture {
            Posture::Inspected | Posture::Mixed if is_theirs => self.commands.bypass(name),
            Posture::Inspected | Posture::Mixed | Posture::Bypassed | Posture::Foreign => self.commands.status(name),
        }
    }

    pub(crate) fn no_health_data(&mut self, since: Timestamp) {
        let what = format!(
            "Nobody knows whether inspection is healthy since {since}: {}. Automation holds and does not bypass on missing \
             data. Look for a deleted or disabled health check or alarm.",
            self.seen.decision.because
        );
        self.send("no health data: automation holds", what, &self.commands.status(&self.row.name));
    }

    pub(crate) fn additional_alarm(&mut self) {
        self.send(
            "one of your own alarms is not OK, and layer 2 only notifies",
            self.cause(),
            &self.commands.status(&self.row.name),
        );
    }

    pub(crate) fn reverted(&mut self, flip: &Flip) {
        let what = format!(
            "Automation bypassed it at {}, inspection is still broken, and since then somebody else (a deployment, infrastructure \
             as code, the console) has moved it back. Automation bypasses it again when MinimumDwellSeconds have passed, and \
             latches after MaximumFlipsPerDay. Stop that deployment, or pin the posture that is meant. {}",
            flip.at,
            self.cause()
        );
        let next_step = match self.seen.inspection {
            Health::Unhealthy => self.commands.bypass(&self.row.name),
            Health::Healthy | Health::Unknown | Health::NotChecked => self.commands.status(&self.row.name),
        };
        self.send("the bypass was moved back by somebody else", what, &next_step);
    }

    pub(crate) fn foreign_target(&mut self) {
        let what = format!(
            "Someone pointed a protected behaviour of distribution {} at another origin, or removed it. Automation keeps its \
             hands off until that is undone or the protection is deployed again.",
            self.row.spec.distribution
        );
        self.send(
            "a protected behaviour targets a foreign origin: hands off",
            what,
            &self.commands.status(&self.row.name),
        );
    }

    pub(crate) fn deletion_unfinished(&mut self, since: Timestamp) {
        let what = format!(
            "CloudFormation began to delete the protection at {since} and has not finished, so automation has been stopped since \
             then. Delete the resource again, or declare it again in the same stack under the same logical id."
        );
        self.send("deletion not finished: automation is stopped", what, &self.commands.status(&self.row.name));
    }

    pub(crate) fn latched(&mut self, because: &str) {
        let what = format!(
            "Automation has stopped flipping: {because}. The posture stays as it is; operators are not limited."
        );
        self.send("automation is latched: too many flips in 24 hours", what, &self.commands.unlatch(&self.row.name));
    }

    pub(crate) fn drifted(&mut self, drift: &[&Drift]) {
        let lines: Vec<String> = drift
            .iter()
            .map(|drift| format!("- {}: expected {}, found {}", drift.what, drift.expected, drift.found))
            .collect();
        let what = format!("What was provisioned is no longer as it should be:\n{}", lines.join("\n"));
        let subject = match drift {
            [only] => format!("drift: {}", only.what),
            _ => format!("drift: {} settings changed", drift.len()),
        };
        self.send(&subject, what, &self.commands.status(&self.row.name));
    }

    /// Whether a flip of ours made the posture that is seen. An older one that led to the same is no cause of what somebody else
    /// has done since.
    fn is_cause(&self, flip: &Flip) -> bool {
        // What has begun towards the same found things otherwise; nothing more is known of it yet.
        let is_overtaken = self.row.pending.as_ref().is_some_and(|pending| pending.to == flip.to);
        let is_news = self.row.watch.since.is_none_or(|since| flip.at >= since);
        let is_in_force = flip.to == Side::Bypassed && self.row.bypass_is_ours();
        flip.to.posture() == self.seen.posture && !is_overtaken && (is_news || is_in_force)
    }

    /// Why things are as they are: the flip that made them so, if we made one, and the decision now.
    fn cause(&self) -> String {
        let flip = self.row.flips.last().filter(|flip| self.is_cause(flip)).map(|flip| {
            let by = match flip.by {
                FlippedBy::Automation => "automation",
                FlippedBy::Operator => "an operator",
            };
            let verb = match flip.to {
                Side::Bypassed => "bypassed",
                Side::Inspected => "restored",
            };
            format!("At {} {by} {verb} it: {}. ", flip.at, flip.reason)
        });
        let decision = self.seen.decision;
        format!("{}Automation now: {} ({}).", flip.unwrap_or_default(), decision.because, decision.reason)
    }

    fn send(&mut self, subject: &str, what: String, next_step: &str) {
        let since =
            self.row.watch.since.filter(|_| self.row.watch.traffic == Some(self.seen.traffic)).unwrap_or(self.now);
        let body = format!(
            "Protection: {}\nDistribution: {}\n\n{what}\n\nTraffic now: {} (posture {}) since {since}.\n\nNext:\n{next_step}\n",
            self.row.name, self.row.spec.distribution, self.seen.traffic, self.seen.posture
        );
        self.written.push(Queued { at: self.now, subject: subject_line(&self.row.name.to_string(), subject), body });
    }
}

/// Writes the messages about a distribution that cannot be read.
pub(crate) struct UnreadableLetters<'a> {
    pub(crate) row: &'a Row,
    pub(crate) why: &'a str,
    pub(crate) since: Timestamp,
    pub(crate) commands: &'a Commands,
    pub(crate) now: Timestamp,
}

impl UnreadableLetters<'_> {
    pub(crate) fn unreadable(&self) -> Queued {
        let what = format!(
            "The distribution's configuration cannot be read since {}: {}. Nothing is changed while that lasts; DNS failover \
             (layer 1) goes on by itself.",
            self.since, self.why
        );
        self.letter("the distribution cannot be read: automation holds", &what)
    }

    /// Nobody would be told of it otherwise: what it means for traffic is in the distribution.
    pub(crate) fn inspection_down(&self, alarms: &[ObservedAlarm]) -> Queued {
        let ringing = alarms.iter().filter(|alarm| alarm.state == AlarmState::Alarm).map(|alarm| alarm.name.as_str());
        let what = format!(
            "Inspection is down: {} in ALARM. Failopen can neither read nor change the distribution since {} ({}), so layer 2 \
             does nothing while that lasts. DNS failover (layer 1) does not depend on that. See that viewers are served. flip has \
             permissions of its own: where it answers the command below, it can bypass as well.",
            ringing.collect::<Vec<_>>().join(", "),
            self.since,
            self.why
        );
        self.letter("inspection is down, and the distribution cannot be read", &what)
    }

    fn letter(&self, subject: &str, what: &str) -> Queued {
        let Self { row, commands, now, .. } = self;
        let traffic = row.watch.traffic.unwrap_or(Traffic::Unknown);
        Queued {
            at: *now,
            subject: subject_line(row.name.as_str(), subject),
            body: format!(
                "Protection: {}\nDistribution: {}\n\n{what}\n\nTraffic when last seen: {traffic}.\n\nNext:\n{}\n",
                row.name,
                row.spec.distribution,
                commands.status(&row.name)
            ),
        }
    }
}

/// A subject that reads alone: SNS wants printable ASCII, no line break, at most 100 characters.
pub(crate) fn subject_line(name: &str, text: &str) -> String {
    format!("[failopen] {name}: {text}")
        .chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { ' ' })
        .take(SUBJECT_LENGTH)
        .collect()
}
