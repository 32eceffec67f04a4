//! The way of an alarm's event to the functions that the alarm names, and what may happen to it there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use aws_sdk_cloudwatch::types::MetricAlarm;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use tokio::task::JoinSet;

use super::evaluation::AlarmState;
use super::event::AlarmEvent;
use crate::aws::Aws;
use crate::script::Disturbance;
use crate::timeline::{Kind, Timeline};

/// Hands over events, until dropped.
pub(crate) struct Delivery {
    aws: Aws,
    timeline: Arc<Timeline>,
    ways: Mutex<Ways>,
}

/// What lies on the way, and what is on it.
struct Ways {
    disturbance: Disturbance,
    /// Events since the disturbance began.
    events: u32,
    under_way: JoinSet<()>,
}

/// What becomes of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lost,
    /// So often, so much later.
    Delivered {
        copies: u32,
        delay: Duration,
    },
}

/// The fate of an event, by its number since the disturbance began, from 0. Of every `of` events the first `lost` are lost.
fn fate(disturbance: Disturbance, number: u32) -> Fate {
    let (copies, delay) = match disturbance {
        Disturbance::Lose { lost, of } => match number.checked_rem(of) {
            Some(place) if place < lost => return Fate::Lost,
            Some(_) | None => (1, Duration::ZERO),
        },
        Disturbance::Copies(copies) => (copies, Duration::ZERO),
        Disturbance::Late(delay) => (1, delay),
        Disturbance::None => (1, Duration::ZERO),
    };
    Fate::Delivered { copies, delay }
}

impl Delivery {
    pub(crate) fn new(aws: Aws, timeline: Arc<Timeline>) -> Self {
        let ways = Ways { disturbance: Disturbance::None, events: 0, under_way: JoinSet::new() };
        Self { aws, timeline, ways: Mutex::new(ways) }
    }

    pub(crate) fn disturb(&self, disturbance: Disturbance) {
        let mut ways = self.ways();
        ways.disturbance = disturbance;
        ways.events = 0;
    }

    /// Sends the event to every function that the alarm names for this state, and does not wait until they have it.
    pub(crate) fn deliver(&self, event: &AlarmEvent<'_>, state: AlarmState) -> Result<()> {
        let payload = serde_json::to_vec(&event.payload())?;
        let alarm = event.alarm.alarm_name().unwrap_or_default();
        for function in functions(event.alarm, state) {
            let what = format!("{} of {alarm} for {}", state.name(), name(function));
            match self.next_fate() {
                Fate::Lost => self.timeline.tell(Kind::EventLost, format!("{what} is lost on the way")),
                Fate::Delivered { copies, delay } => {
                    for _ in 0..copies {
                        self.send(function.to_owned(), payload.clone(), what.clone(), delay);
                    }
                }
            }
        }
        Ok(())
    }

    fn next_fate(&self) -> Fate {
        let mut ways = self.ways();
        let fate = fate(ways.disturbance, ways.events);
        ways.events += 1;
        fate
    }

    /// An asynchronous invocation, as CloudWatch makes it. Assumed: the SDK's attempts are enough; CloudWatch goes on until the
    /// event is accepted, except where the function is missing or not permitted.
    fn send(&self, function: String, payload: Vec<u8>, what: String, delay: Duration) {
        let (aws, timeline) = (self.aws.clone(), self.timeline.clone());
        let mut ways = self.ways();
        while ways.under_way.try_join_next().is_some() {}
        ways.under_way.spawn(async move {
            timeline.clock().sleep(delay).await;
            let request = aws.lambda.invoke().function_name(function).invocation_type(InvocationType::Event);
            match request.payload(Blob::new(payload)).send().await {
                Ok(_) => timeline.tell(Kind::EventDelivered, format!("{what} is delivered")),
                Err(error) => {
                    // The error's own words without its insides, which are pages.
                    let why = error.message().or(error.code()).map_or_else(|| error.to_string(), str::to_owned);
                    timeline.tell(Kind::EventLost, format!("{what} cannot be delivered: {why}"));
                }
            }
        });
    }

    fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// ARNs of the functions that an alarm invokes when it enters a state.
fn functions(alarm: &MetricAlarm, state: AlarmState) -> Vec<&str> {
    let actions = match state {
        AlarmState::Ok => alarm.ok_actions(),
        AlarmState::Alarm => alarm.alarm_actions(),
        AlarmState::InsufficientData => alarm.insufficient_data_actions(),
    };
    let is_enabled = alarm.actions_enabled().unwrap_or(true);
    let arns = actions.iter().map(String::as_str);
    arns.filter(|action| is_enabled && action.starts_with("arn:aws:lambda:")).collect()
}

/// A function's name in its ARN.
fn name(arn: &str) -> &str {
    arn.split(":function:").nth(1).unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACT: &str = "arn:aws:lambda:us-east-1:111122223333:function:react";

    #[test]
    fn the_first_of_every_so_many_events_are_lost() {
        let lost = |lost, of| (0..6).map(move |number| fate(Disturbance::Lose { lost, of }, number) == Fate::Lost);
        assert!(lost(1, 3).eq([true, false, false, true, false, false]));
        assert!(lost(2, 3).eq([true, true, false, true, true, false]));
        assert!(lost(1, 1).all(|lost| lost));
        assert!(lost(0, 1).all(|lost| !lost));
    }

    #[test]
    fn events_arrive_as_often_and_as_late_as_they_are_meant_to() {
        let minute = Duration::from_secs(60);
        let delivered = |copies, delay| Fate::Delivered { copies, delay };
        assert_eq!(fate(Disturbance::None, 7), delivered(1, Duration::ZERO));
        assert_eq!(fate(Disturbance::Copies(5), 7), delivered(5, Duration::ZERO));
        assert_eq!(fate(Disturbance::Late(minute), 7), delivered(1, minute));
    }

    #[test]
    fn a_state_goes_to_its_own_actions_among_functions_and_only_while_they_are_enabled() {
        let alarm = |enabled| {
            MetricAlarm::builder()
                .actions_enabled(enabled)
                .alarm_actions("arn:aws:sns:us-east-1:111122223333:topic")
                .alarm_actions(REACT)
                .insufficient_data_actions(REACT)
                .build()
        };
        assert_eq!(functions(&alarm(true), AlarmState::Alarm), [REACT]);
        assert_eq!(functions(&alarm(true), AlarmState::InsufficientData), [REACT]);
        assert!(functions(&alarm(true), AlarmState::Ok).is_empty());
        assert!(functions(&alarm(false), AlarmState::Alarm).is_empty());
    }

    #[test]
    fn a_function_is_called_by_its_name() {
        assert_eq!(name(REACT), "react");
    }
}
