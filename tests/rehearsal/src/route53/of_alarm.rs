//! Health checks that rest on a CloudWatch alarm, for what no checker can reach.

use aws_sdk_cloudwatch::types::StateValue;
use aws_sdk_route53::types::{HealthCheckConfig, HealthCheckType, InsufficientDataHealthStatus};

/// A health check on a CloudWatch alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfAlarm {
    /// Name of the alarm; its Region is taken to be the rehearsal's.
    pub(crate) alarm: String,
    /// What it says while the alarm has no data; `None` for what it said last.
    without_data: Option<bool>,
    inverted: bool,
    pub(crate) disabled: bool,
}

impl OfAlarm {
    /// `None` for a check of any other type.
    pub(crate) fn read(config: &HealthCheckConfig) -> Option<Self> {
        let alarm = config.alarm_identifier().filter(|_| *config.r#type() == HealthCheckType::CloudwatchMetric)?;
        Some(Self {
            alarm: alarm.name().to_owned(),
            without_data: match config.insufficient_data_health_status() {
                Some(InsufficientDataHealthStatus::Healthy) => Some(true),
                Some(InsufficientDataHealthStatus::Unhealthy) => Some(false),
                _ => None,
            },
            inverted: config.inverted() == Some(true),
            disabled: config.disabled() == Some(true),
        })
    }

    /// By the alarm's state (Developer Guide, "How Amazon Route 53 determines the status of health checks that monitor CloudWatch
    /// alarms"; there Route 53 reads the alarm's data itself, which comes to the same but for the moment). `before` is what it
    /// said last. Assumed: without that it is taken for healthy before it is inverted, and so is one whose alarm is gone.
    pub(crate) fn is_healthy(&self, state: Option<&StateValue>, before: Option<bool>) -> bool {
        let said = match state {
            Some(StateValue::Ok) => Some(true),
            Some(StateValue::Alarm) => Some(false),
            _ => self.without_data,
        };
        // As for checks of an endpoint (API Reference, `Disabled`, `Inverted`).
        self.disabled || said.map_or(before.unwrap_or(!self.inverted), |well| well != self.inverted)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_route53::types::AlarmIdentifier;

    use super::*;

    fn example(without_data: Option<InsufficientDataHealthStatus>) -> OfAlarm {
        let alarm = AlarmIdentifier::builder().name("errors").region("us-east-1".into()).build().unwrap();
        let config = HealthCheckConfig::builder().r#type(HealthCheckType::CloudwatchMetric).alarm_identifier(alarm);
        let config = config.set_insufficient_data_health_status(without_data).build();
        OfAlarm::read(&config.unwrap()).unwrap()
    }

    #[test]
    fn it_says_what_the_alarm_says_and_without_data_what_it_is_told_to_or_said_last() {
        let (ok, alarm, none) = (StateValue::Ok, StateValue::Alarm, StateValue::InsufficientData);
        let (healthy, unhealthy) = (InsufficientDataHealthStatus::Healthy, InsufficientDataHealthStatus::Unhealthy);
        let last = InsufficientDataHealthStatus::LastKnownStatus;
        for inverted in [false, true] {
            let check = |without_data| OfAlarm { inverted, ..example(without_data) };
            for before in [None, Some(true), Some(false)] {
                assert_eq!(check(None).is_healthy(Some(&ok), before), !inverted);
                assert_eq!(check(None).is_healthy(Some(&alarm), before), inverted);
                for state in [None, Some(&none)] {
                    for remembers in [None, Some(last.clone())] {
                        assert_eq!(check(remembers).is_healthy(state, before), before.unwrap_or(!inverted));
                    }
                    assert_eq!(check(Some(healthy.clone())).is_healthy(state, before), !inverted);
                    assert_eq!(check(Some(unhealthy.clone())).is_healthy(state, before), inverted);
                }
            }
        }
        assert!(OfAlarm { disabled: true, ..example(None) }.is_healthy(Some(&alarm), Some(false)));
    }

    #[test]
    fn a_check_of_an_endpoint_is_none() {
        let config = HealthCheckConfig::builder().r#type(HealthCheckType::Https).build().unwrap();
        assert_eq!(OfAlarm::read(&config), None);
    }
}
