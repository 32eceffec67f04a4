//! Everything that is in an account, in a form in which two accounts can be compared.

use std::collections::BTreeMap;

use failopen::id::DistributionId;

use crate::cloud::FakeCloud;
use crate::world::zone;

/// All objects that a protection consists of, ours and others'. Tags of health checks are left out: they are for people, and
/// a crash between creation and tagging costs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    pub distributions: BTreeMap<DistributionId, String>,
    pub records: Vec<String>,
    pub health_checks: Vec<String>,
    pub alarms: Vec<String>,
    pub rows: Vec<String>,
}

impl Inventory {
    pub fn of(cloud: &FakeCloud) -> Self {
        let mut records: Vec<String> =
            cloud.route53().all_records(&zone().id).iter().map(|record| format!("{record:?}")).collect();
        records.sort();
        let health = cloud.health();
        let checks = health.ids().into_iter().filter_map(|id| health.read(&id));
        let cloudwatch = cloud.cloudwatch();
        let alarm = |name| {
            let alarm = cloudwatch.observe(&name);
            format!("{name}: {:?}, actions {}", alarm.metric, alarm.actions_enabled)
        };
        let row = |mut row: failopen::ledger::Row| {
            // Ports that the origin had before are kept for roll-backs, and are no part of what there is.
            row.made.distribution.iter_mut().for_each(|made| made.origin_ports.truncate(1));
            format!("{} of {}: {:?} {:?} {:?}", row.name, row.owner, row.lifecycle, row.spec, row.made)
        };
        Self {
            distributions: cloud.cloudfront().all(),
            records,
            health_checks: checks
                .map(|check| format!("{} {}: {:?}", check.id, check.caller_reference, check.config))
                .collect(),
            alarms: cloudwatch.names().into_iter().map(alarm).collect(),
            rows: cloud.ledger().all().into_iter().map(|found| row(found.row)).collect(),
        }
    }

    /// The same with one name for every health check that this owner made: which of several alike it is says nothing.
    pub fn with_checks_alike(&self, owner: &str) -> Self {
        let ours = self.health_checks.iter().filter_map(|check| check.split_once(' '));
        let names: Vec<(&str, &str)> = ours
            .filter_map(|(id, rest)| Some((id, rest.split_once(':')?.0)))
            .filter(|(_, reference)| reference.starts_with(owner))
            .collect();
        let rename = |text: &String| {
            names.iter().fold(text.clone(), |text, (id, reference)| text.replace(id, "ours").replace(reference, "ours"))
        };
        let all = |texts: &[String]| texts.iter().map(rename).collect();
        Self {
            distributions: self.distributions.clone(),
            records: all(&self.records),
            health_checks: all(&self.health_checks),
            alarms: all(&self.alarms),
            rows: all(&self.rows),
        }
    }

    /// What is here and not there, distributions apart: those are changed on purpose.
    pub fn missing_from(&self, other: &Self) -> Vec<String> {
        let pairs = [
            (&self.records, &other.records),
            (&self.health_checks, &other.health_checks),
            (&self.alarms, &other.alarms),
            (&self.rows, &other.rows),
        ];
        pairs.iter().flat_map(|(here, there)| here.iter().filter(|what| !there.contains(what))).cloned().collect()
    }

    /// Where two accounts differ, for people; empty where they do not.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut differences: Vec<String> = other.missing_from(self).iter().map(|what| format!("+ {what}")).collect();
        differences.extend(self.missing_from(other).iter().map(|what| format!("- {what}")));
        for (id, here) in &self.distributions {
            let there = other.distributions.get(id).map_or("", String::as_str);
            if here != there {
                let start = here.bytes().zip(there.bytes()).take_while(|(one, other)| one == other).count();
                let around = |text: &str| {
                    text.get(start.saturating_sub(60)..).unwrap_or_default().chars().take(200).collect::<String>()
                };
                differences.push(format!("{id} from byte {start}: {} != {}", around(here), around(there)));
            }
        }
        differences
    }
}
