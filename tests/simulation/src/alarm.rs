//! CloudWatch: the alarm follows the metric of the health check, and its changes become events in any of the three forms.

use std::cell::{Cell, RefCell};

use failopen::alarm::{AlarmState, ObservedAlarm};
use failopen_tests::cloudwatch::{ACCOUNT, REGION};
use failopen_tests::world;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::agenda::{Act, Due, MINUTE, SECOND};
use crate::fault::Fault;
use crate::step::{Cause, Function, Happened};
use crate::world::SimWorld;

/// What the alarm has been given so far.
#[derive(Debug, Default)]
pub(crate) struct Metric {
    /// One a minute, newest last: whether it was bad, or `None` for no data.
    points: RefCell<Vec<Option<bool>>>,
    pub(crate) has_gap: Cell<bool>,
}

impl SimWorld {
    /// The minutely evaluation.
    pub(crate) fn evaluate_alarm(&self) {
        self.agenda.after(MINUTE, Due::Act(Act::EvaluateAlarm));
        let point = self.data_point();
        let metric = &self.scenario.metric;
        let mut points = metric.points.borrow_mut();
        points.push(point);
        let observed = self.cloud().cloudwatch().observe(&world::alarm());
        let Some(settings) = &observed.metric else { return };
        let periods = usize::try_from(settings.evaluation_periods).unwrap_or(1);
        let recent = &points[points.len().saturating_sub(periods)..];
        let longer = &points[points.len().saturating_sub(periods + 2)..];
        let state = if recent.len() == periods && recent.iter().all(|point| *point == Some(true)) {
            AlarmState::Alarm
        } else if recent.contains(&Some(false)) {
            AlarmState::Ok
        } else if longer.iter().all(Option::is_none) {
            // "Missing" data keeps the state until nothing at all is left in the evaluation range, which is longer than the
            // periods (CloudWatch user guide, "How alarm state is evaluated when data is missing").
            AlarmState::InsufficientData
        } else {
            observed.state
        };
        drop(points);
        self.set_alarm(&observed, state);
    }

    /// Whether the last minute of the metric was bad.
    fn data_point(&self) -> Option<bool> {
        let check = self.health_check()?;
        if self.scenario.metric.has_gap.get() || !self.cloud().health().ids().contains(&check) {
            return None;
        }
        // A disabled check is healthy and an inverted one says the contrary; what the checkers see decides otherwise.
        let host = self.cloud().health().is_healthy(&check, self.now());
        let saw_outage = self.hosts.inspection.was_unhealthy(self.agenda.now());
        let is_plain = host == self.hosts.inspection.is_up();
        Some(if is_plain { saw_outage } else { !host })
    }

    fn set_alarm(&self, before: &ObservedAlarm, state: AlarmState) {
        if before.state == state || before.state == AlarmState::Missing {
            return;
        }
        let now = self.now();
        self.cloud().cloudwatch().set_state(&world::alarm(), state, now);
        self.story.tell(|| format!("the alarm goes from {:?} to {state:?}", before.state));
        self.happened(Happened::AlarmChanged);
        if before.actions_enabled && state_word(state).is_some() {
            self.ring(state, now);
            // The user's own topic or rule carries the same change again, in another form.
            if self.chance.percent(20) {
                self.ring(state, now);
            }
        }
    }

    fn ring(&self, state: AlarmState, changed_at: Timestamp) {
        let event = alarm_event(self.chance.below(3), state, changed_at);
        self.post(Function::React, Cause::Alarm { changed_at }, event);
    }

    /// Events of changes from before the schedule that arrive only now.
    pub(crate) fn plan_stale_events(&self) {
        if !self.chance.percent(self.scenario.delivery.delay) {
            return;
        }
        for _ in 0..1 + self.chance.below(2) {
            let age = self.chance.between(2 * MINUTE, 360 * MINUTE);
            let state = *self.chance.pick(&[AlarmState::Alarm, AlarmState::Ok]);
            let changed_at = self.at(-age);
            let delivery = crate::delivery::Delivery {
                function: Function::React,
                cause: Cause::Alarm { changed_at },
                event: alarm_event(self.chance.below(3), state, changed_at),
                sent: -age,
                number: 0,
                attempts: 0,
            };
            let at = self.chance.between(0, self.scenario.faulty_for);
            self.agenda.at(at, Due::Deliver(Box::new(delivery)));
        }
    }

    /// Plans times in which the metric has no data.
    pub(crate) fn plan_gaps(&self) {
        if self.chance.percent(18) {
            let from = self.chance.between(0, self.scenario.faulty_for);
            let to = from + self.chance.between(2 * MINUTE, 15 * MINUTE);
            self.agenda.at(from, Due::Act(Act::MetricGap { ends: false }));
            self.agenda.at(to, Due::Act(Act::MetricGap { ends: true }));
        }
    }

    pub(crate) fn turn_metric(&self, ends: bool) {
        let begins = !ends && !self.is_calm();
        if begins && !self.scenario.metric.has_gap.get() {
            self.count(Fault::HealthDataMissing);
            self.story.tell(|| "the metric of the health check has no data".to_owned());
        }
        self.scenario.metric.has_gap.set(begins);
    }

    pub(crate) fn first_evaluation(&self) {
        self.agenda.after(self.chance.between(SECOND, MINUTE), Due::Act(Act::EvaluateAlarm));
    }
}

fn state_word(state: AlarmState) -> Option<&'static str> {
    match state {
        AlarmState::Ok => Some("OK"),
        AlarmState::Alarm => Some("ALARM"),
        AlarmState::InsufficientData => Some("INSUFFICIENT_DATA"),
        AlarmState::Missing => None,
    }
}

/// The change as CloudWatch, SNS or EventBridge tells it; nesting and spelling as in `tests/events`. The reason is text
/// that others can choose: it holds what breaks a line.
pub(crate) fn alarm_event(form: u32, state: AlarmState, changed_at: Timestamp) -> Value {
    let name = world::alarm();
    let arn = format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}");
    let value = state_word(state).unwrap_or("OK");
    let reason = "Threshold Crossed:\n1 datapoint \u{1b}[31m\"0.0\"\u{7}";
    let time = changed_at.to_string();
    match form {
        0 => json!({
            "source": "aws.cloudwatch", "alarmArn": arn, "accountId": ACCOUNT, "time": time, "region": REGION,
            "alarmData": {
                "alarmName": name, "state": {"value": value, "reason": reason, "timestamp": time},
                "configuration": {"metrics": []},
            },
        }),
        1 => {
            let message = json!({
                "AlarmName": name, "NewStateValue": value, "NewStateReason": reason, "StateChangeTime": time,
                "AlarmArn": arn, "Trigger": {"MetricName": "HealthCheckStatus"},
            });
            json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message.to_string()}}]})
        }
        _ => json!({
            "version": "0", "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch", "time": time,
            "resources": [arn], "detail": {"alarmName": name, "state": {"value": value, "reason": reason, "timestamp": time}},
        }),
    }
}
