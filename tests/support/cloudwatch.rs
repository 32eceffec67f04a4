//! CloudWatch's alarms: PutMetricAlarm overwrites without a word, and tags count once.

use std::collections::BTreeMap;

use failopen::alarm::{AlarmState, MetricAlarm, ObservedAlarm};
use failopen::id::{AlarmName, OwnerMark};
use jiff::Timestamp;

use crate::refusal::Refusal;

/// Account and Region of everything in the fake.
pub const ACCOUNT: &str = "111122223333";
pub const REGION: &str = "us-east-1";

/// All alarms of the Region.
#[derive(Debug, Default)]
pub struct Alarms {
    alarms: BTreeMap<AlarmName, Alarm>,
}

#[derive(Debug)]
struct Alarm {
    settings: Option<MetricAlarm>,
    owner: Option<OwnerMark>,
    state: AlarmState,
    since: Timestamp,
    actions_enabled: bool,
}

impl Alarms {
    /// "PutMetricAlarm overwrites silently" and ignores tags on update; a new alarm starts INSUFFICIENT_DATA (DOC MODEL).
    /// That an update leaves the state alone is assumed.
    pub(crate) fn put(&mut self, name: &AlarmName, settings: &MetricAlarm, owner: &OwnerMark, now: Timestamp) {
        match self.alarms.get_mut(name) {
            Some(alarm) => alarm.settings = Some(settings.clone()),
            None => {
                let alarm = Alarm {
                    settings: Some(settings.clone()),
                    owner: Some(owner.clone()),
                    state: AlarmState::InsufficientData,
                    since: now,
                    actions_enabled: true,
                };
                self.alarms.insert(name.clone(), alarm);
            }
        }
    }

    /// An alarm that somebody else made; without settings it is a composite one.
    pub fn add(&mut self, name: AlarmName, settings: Option<MetricAlarm>, state: AlarmState, now: Timestamp) {
        let alarm = Alarm { settings, owner: None, state, since: now, actions_enabled: true };
        self.alarms.insert(name, alarm);
    }

    pub(crate) fn delete(&mut self, name: &AlarmName) {
        self.alarms.remove(name);
    }

    /// DescribeAlarms leaves out names that do not exist and takes at most 100 names (DOC cloudwatch-limits.md).
    pub(crate) fn describe(&self, names: &[AlarmName]) -> Vec<ObservedAlarm> {
        names.iter().map(|name| self.observe(name)).collect()
    }

    pub(crate) fn owner(&self, arn: &str) -> Result<Option<OwnerMark>, Refusal> {
        self.alarms
            .iter()
            .find(|(name, _)| arn_of(name) == arn)
            .map(|(_, alarm)| alarm.owner.clone())
            .ok_or_else(|| Refusal::not_found(format!("ResourceNotFoundException: {arn}")))
    }

    /// What an evaluation of the metric, or SetAlarmState, makes of it.
    pub fn set_state(&mut self, name: &AlarmName, state: AlarmState, now: Timestamp) {
        let alarm = self.alarms.get_mut(name).expect("the test names an alarm that it made");
        if alarm.state != state {
            alarm.state = state;
            alarm.since = now;
        }
    }

    /// DisableAlarmActions, or a mute rule: the state still changes, nobody is called.
    pub fn set_actions_enabled(&mut self, name: &AlarmName, enabled: bool) {
        self.alarms.get_mut(name).expect("the test names an alarm that it made").actions_enabled = enabled;
    }

    /// Someone else's edit of an alarm.
    pub fn edit(&mut self, name: &AlarmName, edit: impl FnOnce(&mut MetricAlarm)) {
        let alarm = self.alarms.get_mut(name).expect("the test names an alarm that it made");
        edit(alarm.settings.as_mut().expect("the test edits a metric alarm"));
    }

    pub fn remove(&mut self, name: &AlarmName) {
        self.alarms.remove(name);
    }

    pub fn names(&self) -> Vec<AlarmName> {
        self.alarms.keys().cloned().collect()
    }

    pub fn observe(&self, name: &AlarmName) -> ObservedAlarm {
        let Some(alarm) = self.alarms.get(name) else {
            return ObservedAlarm::missing(name.clone());
        };
        ObservedAlarm {
            name: name.clone(),
            arn: arn_of(name),
            state: alarm.state,
            since: Some(alarm.since),
            actions_enabled: alarm.actions_enabled,
            metric: alarm.settings.clone(),
        }
    }
}

pub fn arn_of(name: &AlarmName) -> String {
    format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}")
}
