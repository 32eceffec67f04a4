//! What a protection consists of after a Create or Update that succeeded: not only something of every kind, but what protects
//! (I18).
//!
//! Somebody else's act excuses only what it touches, and only where the last request could not have seen it.

use failopen::alarm::MetricAlarm;
use failopen::id::HealthCheckId;
use failopen::ledger::{Lifecycle, MadeHealthCheck, Replaced, Row};
use failopen::port::{FailoverRole, RecordSet};
use failopen_tests::world::{self, REACT_ARN};
use jiff::Timestamp;

use super::Violation;
use super::configuration::Configuration;
use super::past::Past;
use crate::stack::Request;
use crate::step::EditKind;
use crate::world::SimWorld;

/// After a Create or Update everything is there, as it was asked for, that nobody else took away or changed. `excused` are health
/// checks of a former life that may be left.
pub(crate) fn at_rest(
    world: &SimWorld,
    past: &Past,
    records: &[RecordSet],
    excused: &[HealthCheckId],
) -> Vec<Violation> {
    let Some(row) = &past.row else { return vec![but("there is no ledger row")] };
    let deployed = Deployed { world, row, asked: world.requests().last().cloned(), records };
    let mut found = deployed.row();
    found.extend(deployed.health_checks(excused));
    found.extend(deployed.pair());
    found.extend(deployed.alarm());
    let versions = world.versions();
    let last = versions.last().and_then(|last| Configuration::read(&last.bytes));
    let has_origin = last.is_some_and(|last| last.origin(&past.inspection).is_some());
    if !has_origin && !deployed.edited(EditKind::OriginRemoved) {
        found.push(but("its origin is missing"));
    }
    found
}

fn but(what: impl AsRef<str>) -> Violation {
    Violation::new("I18", format!("the protection is deployed, but {}", what.as_ref()))
}

struct Deployed<'a> {
    world: &'a SimWorld,
    row: &'a Row,
    /// The last request, where there was one.
    asked: Option<Request>,
    records: &'a [RecordSet],
}

impl Deployed<'_> {
    /// Whether somebody else did this when the last request was sent already: what was done before, the request had to mend.
    fn edited(&self, kind: EditKind) -> bool {
        let since = self.asked.as_ref().map_or(Timestamp::MIN, |request| request.sent);
        self.world.edits().iter().any(|edit| edit.kind == kind && edit.at >= since)
    }

    /// Whether a number is that of the last request's properties; without a request, what the ledger was made with.
    ///
    /// Requests that were signed in the same second have no order for whoever has to tell from that which is older: any of them
    /// may be the one that wins.
    fn is_asked_for(&self, name: &str, number: Option<u32>, otherwise: u32) -> bool {
        let Some(last) = &self.asked else { return number == Some(otherwise) };
        let requests = self.world.requests();
        let same_second = requests.iter().filter(|request| request.sent.as_second() == last.sent.as_second());
        let wanted = |request: &Request| request.properties[name].as_str().and_then(|text| text.parse::<u32>().ok());
        same_second.map(wanted).any(|wanted| wanted == number)
    }

    fn row(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if self.row.lifecycle != Lifecycle::Active {
            found.push(but(format!("it is {:?}", self.row.lifecycle)));
        }
        let hold_down = self.row.spec.automation.hold_down_seconds;
        if !self.is_asked_for("HoldDownSeconds", Some(hold_down), hold_down) {
            found.push(but("its hold-down is not the one that was asked for last"));
        }
        found
    }

    fn check(&self) -> Option<HealthCheckId> {
        self.row.made.health_check.as_ref().and_then(|made| made.id.clone())
    }

    fn health_checks(&self, excused: &[HealthCheckId]) -> Vec<Violation> {
        let mut found = Vec::new();
        let ids = self.world.cloud().health().ids();
        let check = self.check().filter(|id| ids.contains(id));
        let config = check.as_ref().and_then(|id| self.world.cloud().health().read(id)).map(|check| check.config);
        match config {
            None => found.push(but("its health check does not exist")),
            Some(config) => {
                let is_blind = config.disabled && !self.edited(EditKind::HealthCheckDisabled)
                    || config.inverted && !self.edited(EditKind::HealthCheckInverted);
                if is_blind || config.host.as_ref() != Some(&world::inspection()) {
                    found.push(but(format!("its health check does not watch inspection: {config:?}")));
                }
            }
        }
        let replaced = self.row.made.replaced.iter().filter_map(|replaced| match replaced {
            Replaced::HealthCheck(MadeHealthCheck { id, .. }) => id.clone(),
            Replaced::Records(_) | Replaced::Distribution(_) => None,
        });
        let known: Vec<HealthCheckId> = check.into_iter().chain(replaced).chain(excused.iter().cloned()).collect();
        let unknown: Vec<&str> = ids.iter().filter(|id| !known.contains(id)).map(HealthCheckId::as_str).collect();
        if !unknown.is_empty() {
            found.push(but(format!("health checks are left that it does not know: {}", unknown.join(", "))));
        }
        found
    }

    /// PRIMARY leads to inspection and is watched by the check, SECONDARY leads to the application whatever happens.
    fn pair(&self) -> Vec<Violation> {
        if self.row.spec.dns.zone().is_none() || self.edited(EditKind::RecordsRemoved) {
            return Vec::new();
        }
        let present: Vec<&RecordSet> =
            self.records.iter().filter(|record| record.name == self.row.spec.failover_record).collect();
        let [one, other] = present.as_slice() else {
            return vec![but(format!("its name has {} records", present.len()))];
        };
        let (primary, secondary) = match one.failover {
            Some(FailoverRole::Primary) => (one, other),
            Some(FailoverRole::Secondary) | None => (other, one),
        };
        let check = self.check();
        let leads = |record: &RecordSet, role, host: &str| {
            let is_as_asked = self.is_asked_for("RecordTtl", record.ttl, self.row.spec.record_ttl);
            (is_as_asked || self.edited(EditKind::RecordTtl))
                && record.record_type == "CNAME"
                && record.failover == Some(role)
                && record.values == [host]
        };
        let mut found = Vec::new();
        let is_watched = check.is_some() && primary.health_check == check;
        if !is_watched || !leads(primary, FailoverRole::Primary, world::inspection().as_str()) {
            found.push(but(format!("its PRIMARY record is {primary:?}")));
        }
        let is_last = secondary.health_check.is_none() || secondary.health_check != check;
        if !is_last || !leads(secondary, FailoverRole::Secondary, world::application().as_str()) {
            found.push(but(format!("its SECONDARY record is {secondary:?}")));
        }
        found
    }

    /// The alarm watches the check that the ledger names, and its changes go to react.
    fn alarm(&self) -> Vec<Violation> {
        if self.edited(EditKind::AlarmDeleted) {
            return Vec::new();
        }
        let present = self.world.cloud().cloudwatch().observe(&world::alarm());
        let Some(settings) = &present.metric else { return vec![but("its alarm is missing")] };
        let mut found = Vec::new();
        // The AWS in memory does not enable actions again when an alarm is overwritten, so a mute of any time excuses.
        let was_muted = self.world.edits().iter().any(|edit| edit.kind == EditKind::AlarmMuted);
        if !present.actions_enabled && !was_muted {
            found.push(but("the actions of its alarm are disabled"));
        }
        let MetricAlarm { alarm_actions, ok_actions, insufficient_data_actions, .. } = settings;
        if [alarm_actions, ok_actions, insufficient_data_actions].iter().any(|actions| **actions != [REACT_ARN]) {
            found.push(but("its alarm does not call react"));
        }
        let watched = self.check().map(|id| ("HealthCheckId".to_owned(), id.to_string()));
        let metric = (settings.namespace.as_str(), settings.metric_name.as_str());
        if watched.is_none_or(|watched| settings.dimensions != [watched])
            || metric != ("AWS/Route53", "HealthCheckStatus")
        {
            found.push(but(format!("its alarm watches {metric:?} of {:?}", settings.dimensions)));
        }
        found
    }
}
