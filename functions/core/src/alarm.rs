//! CloudWatch alarms as they were read, after an event said where to look.

use jiff::Timestamp;
use serde::Serialize;

use crate::id::{AlarmName, HealthCheckId};
use crate::spec::Spec;

/// State of an alarm, read with DescribeAlarms. An alarm that does not exist is [`AlarmState::Missing`], which is not OK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AlarmState {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "ALARM")]
    Alarm,
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
    #[serde(rename = "MISSING")]
    Missing,
}

/// One alarm as observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedAlarm {
    pub name: AlarmName,
    pub arn: String,
    pub state: AlarmState,
    /// When the state's *value* last changed (`StateTransitionedTimestamp`; `StateUpdatedTimestamp` also moves when only
    /// the reason does). `None` where CloudWatch said nothing.
    pub since: Option<Timestamp>,
    pub actions_enabled: bool,
    /// Settings, for metric alarms; `None` for a composite alarm.
    pub metric: Option<MetricAlarm>,
}

impl ObservedAlarm {
    /// The alarm that DescribeAlarms did not return.
    pub fn missing(name: AlarmName) -> Self {
        Self { name, arn: String::new(), state: AlarmState::Missing, since: None, actions_enabled: false, metric: None }
    }

    /// Whether it is there and watches a health check, as a protection's own alarm does.
    pub fn is_on_health_check(&self) -> bool {
        self.metric.as_ref().is_some_and(|metric| metric.metric_name == HEALTH_METRIC)
    }
}

/// Route 53's metric of a health check: 1 healthy, 0 not (Route 53 Developer Guide, "Monitoring health checks using CloudWatch").
const HEALTH_METRIC: &str = "HealthCheckStatus";

/// The settings of a metric alarm that matter to us; also what we ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricAlarm {
    pub description: String,
    pub namespace: String,
    pub metric_name: String,
    /// Dimension name and value, sorted.
    pub dimensions: Vec<(String, String)>,
    pub statistic: String,
    pub period_seconds: u32,
    pub evaluation_periods: u32,
    /// In thousandths, because a float has no equality: `1.0` is 1000.
    pub threshold_milli: i64,
    pub comparison: String,
    pub treat_missing_data: String,
    pub alarm_actions: Vec<String>,
    pub ok_actions: Vec<String>,
    pub insufficient_data_actions: Vec<String>,
}

impl MetricAlarm {
    /// The alarm of a protection: inspection as Route 53 sees it. Every change of state goes to react, also the one to
    /// INSUFFICIENT_DATA, because health that nobody measures any more must be told to somebody.
    ///
    /// The metric has one value a minute and only its minimum means anything (Route 53 Developer Guide, "Monitoring health
    /// checks using CloudWatch"). Missing data must not look healthy, nor be a reason to bypass.
    pub fn on_inspection(spec: &Spec, health_check: &HealthCheckId, react_function: &str) -> Self {
        let actions = vec![react_function.to_owned()];
        Self {
            description: format!("Failopen: inspection of `{}` ({}) as Route 53 sees it.", spec.name, spec.inspection),
            namespace: "AWS/Route53".to_owned(),
            metric_name: HEALTH_METRIC.to_owned(),
            dimensions: vec![("HealthCheckId".to_owned(), health_check.to_string())],
            statistic: "Minimum".to_owned(),
            period_seconds: 60,
            evaluation_periods: spec.alarm_evaluation_periods,
            threshold_milli: 1000,
            comparison: "LessThanThreshold".to_owned(),
            treat_missing_data: "missing".to_owned(),
            alarm_actions: actions.clone(),
            ok_actions: actions.clone(),
            insufficient_data_actions: actions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AlarmName, AlarmState, MetricAlarm, ObservedAlarm};
    use crate::sample::{own_alarm, spec};

    #[test]
    fn only_an_alarm_that_is_there_and_has_the_metric_of_a_health_check_watches_one() {
        let ours =
            MetricAlarm::on_inspection(&spec(), &"8d3f".into(), "arn:aws:lambda:us-east-1:111122223333:function:react");
        let other = MetricAlarm { metric_name: "5xxErrorRate".to_owned(), ..ours.clone() };
        let with = |metric| ObservedAlarm { metric, ..own_alarm(AlarmState::Alarm, 60) };
        assert!(with(Some(ours)).is_on_health_check());
        assert!(!with(Some(other)).is_on_health_check());
        assert!(!with(None).is_on_health_check(), "a composite alarm has no metric");
        assert!(!ObservedAlarm::missing(AlarmName::from("failopen-www-inspection")).is_on_health_check());
    }
}
