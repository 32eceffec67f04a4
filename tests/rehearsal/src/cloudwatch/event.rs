//! The event with which CloudWatch invokes a function for a metric alarm (CloudWatch User Guide, "Invoke a Lambda function from
//! an alarm").

use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue, Statistic};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A state that an alarm is or was in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateOfAlarm {
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub(crate) value: String,
    pub(crate) reason: String,
    /// JSON, as text.
    pub(crate) reason_data: Option<String>,
    /// When it began.
    pub(crate) since: Timestamp,
}

impl StateOfAlarm {
    /// The state that an alarm is described in. Where nothing says since when, it is since now.
    pub(crate) fn described(alarm: &MetricAlarm) -> Self {
        let since = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
        let since = since.and_then(|since| Timestamp::from_nanosecond(since.as_nanos()).ok());
        Self {
            value: alarm.state_value().map(StateValue::as_str).unwrap_or_default().to_owned(),
            reason: alarm.state_reason().unwrap_or_default().to_owned(),
            reason_data: alarm.state_reason_data().filter(|data| !data.is_empty()).map(str::to_owned),
            since: since.unwrap_or_else(Timestamp::now),
        }
    }

    fn told(&self) -> Value {
        let mut told = json!({"value": self.value, "reason": self.reason, "timestamp": time(self.since)});
        if let Some(data) = &self.reason_data {
            told["reasonData"] = json!(data);
        }
        told
    }
}

/// An alarm's change from one state to another.
pub(crate) struct AlarmEvent<'a> {
    pub(crate) alarm: &'a MetricAlarm,
    pub(crate) state: StateOfAlarm,
    pub(crate) previous: StateOfAlarm,
}

impl AlarmEvent<'_> {
    /// What a function is invoked with.
    pub(crate) fn payload(&self) -> Value {
        let alarm = self.alarm;
        let arn = alarm.alarm_arn().unwrap_or_default();
        // arn:aws:cloudwatch:REGION:ACCOUNT:alarm:NAME
        let mut parts = arn.split(':').skip(3);
        let (region, account) = (parts.next(), parts.next());
        let dimensions: Map<String, Value> = alarm
            .dimensions()
            .iter()
            .filter_map(|dimension| Some((dimension.name()?.to_owned(), json!(dimension.value()?))))
            .collect();
        json!({
            "source": "aws.cloudwatch", "alarmArn": arn, "accountId": account, "time": time(self.state.since), "region": region,
            "alarmData": {
                "alarmName": alarm.alarm_name(),
                "state": self.state.told(),
                "previousState": self.previous.told(),
                "configuration": {
                    "description": alarm.alarm_description().unwrap_or_default(),
                    "metrics": [{"id": "m1", "returnData": true, "metricStat": {
                        "metric": {"namespace": alarm.namespace(), "name": alarm.metric_name(), "dimensions": dimensions},
                        "period": alarm.period(), "stat": alarm.statistic().map(Statistic::as_str)
                    }}]
                }
            }
        })
    }
}

/// A time as CloudWatch writes it: `2026-03-04T12:36:15.490+0000`.
pub(super) fn time(timestamp: Timestamp) -> String {
    timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::Dimension;

    use super::*;

    /// The example of AWS's documentation, as the project keeps it, with the numbers of this one.
    #[test]
    fn an_event_has_every_field_of_a_real_one() {
        let dimension =
            Dimension::builder().name("HealthCheckId").value("11111111-2222-3333-4444-555555555555").build();
        let alarm = MetricAlarm::builder()
            .alarm_name("failopen-saas-health")
            .alarm_arn("arn:aws:cloudwatch:us-east-1:111122223333:alarm:failopen-saas-health")
            .alarm_description("SaaS health check seen by Route 53")
            .namespace("AWS/Route53")
            .metric_name("HealthCheckStatus")
            .dimensions(dimension)
            .period(60)
            .statistic(Statistic::Minimum)
            .build();
        let state = |value: &str, reason: &str, reason_data: Option<&str>, since: &str| StateOfAlarm {
            value: value.to_owned(),
            reason: reason.to_owned(),
            reason_data: reason_data.map(str::to_owned),
            since: since.parse().unwrap(),
        };
        let event = AlarmEvent {
            alarm: &alarm,
            state: state("ALARM", "Threshold Crossed: now", Some("{}"), "2026-03-04T12:36:15.49Z"),
            previous: state("OK", "Threshold Crossed: then", None, "2026-03-04T09:10:15.49Z"),
        };
        let expected = json!({
            "source": "aws.cloudwatch",
            "alarmArn": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:failopen-saas-health",
            "accountId": "111122223333", "time": "2026-03-04T12:36:15.490+0000", "region": "us-east-1",
            "alarmData": {
                "alarmName": "failopen-saas-health",
                "state": {
                    "value": "ALARM", "reason": "Threshold Crossed: now", "reasonData": "{}",
                    "timestamp": "2026-03-04T12:36:15.490+0000"
                },
                "previousState": {
                    "value": "OK", "reason": "Threshold Crossed: then", "timestamp": "2026-03-04T09:10:15.490+0000"
                },
                "configuration": {
                    "description": "SaaS health check seen by Route 53",
                    "metrics": [{
                        "id": "m1", "returnData": true,
                        "metricStat": {
                            "metric": {
                                "namespace": "AWS/Route53", "name": "HealthCheckStatus",
                                "dimensions": {"HealthCheckId": "11111111-2222-3333-4444-555555555555"}
                            },
                            "period": 60, "stat": "Minimum"
                        }
                    }]
                }
            }
        });
        assert_eq!(event.payload(), expected);
    }
}
