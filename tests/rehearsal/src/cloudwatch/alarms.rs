//! The alarms on health checks, moved as CloudWatch moves them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_cloudwatch::types::{ComparisonOperator, MetricAlarm, StateValue, Statistic};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::delivery::Delivery;
use super::evaluation::{AlarmState, Comparison, Evaluation, MissingData, Rule};
use super::event::{AlarmEvent, StateOfAlarm, time};
use super::metrics::{CHECK_DIMENSION, Metrics, Minute, NAMESPACE, STATUS};
use crate::aws::Aws;
use crate::clock::{Clock, Moment};
use crate::timeline::{Kind, Timeline};

/// Assumed: modelled time after the end of a minute until its datapoint is evaluated. Route 53 says that "several minutes might
/// elapse" from a failure to the notification (Developer Guide, "Monitoring health checks using CloudWatch"); most of that is
/// detection and the minute itself.
pub(crate) const LAG: Duration = Duration::from_secs(15);

/// Seconds; alarms with another period are not modelled, nor would a shorter one be possible on this metric.
const PERIOD: i32 = 60;

/// Evaluates, and tells whoever has to know.
pub(crate) struct Alarms {
    aws: Aws,
    timeline: Arc<Timeline>,
    metrics: Arc<Metrics>,
    delivery: Arc<Delivery>,
}

impl Alarms {
    pub(crate) fn new(aws: Aws, timeline: Arc<Timeline>, metrics: Arc<Metrics>, delivery: Arc<Delivery>) -> Self {
        Self { aws, timeline, metrics, delivery }
    }

    /// Evaluates every alarm on a health check after this minute. Alarms with a period of a minute are evaluated every minute
    /// (CloudWatch API Reference, `PutMetricAlarm`); only a change of state does anything.
    pub(crate) async fn evaluate(&self, minute: Minute) -> Result<()> {
        let alarms = self.aws.cloudwatch.describe_alarms().send().await.context("DescribeAlarms")?;
        for alarm in alarms.metric_alarms() {
            let (Some((check, rule)), Some(present)) = (watched(alarm), state(alarm)) else {
                continue;
            };
            let range = minute.with_minutes_before(rule.range() as u64);
            let samples: Vec<_> = range
                .map(|minute| (minute, self.metrics.datapoint(check, minute).map(|datapoint| datapoint.status())))
                .collect();
            let evaluation = rule.evaluate(&samples, present);
            if evaluation.state != present {
                self.transit(alarm, &rule, &evaluation).await?;
            }
        }
        Ok(())
    }

    async fn transit(&self, alarm: &MetricAlarm, rule: &Rule, evaluation: &Evaluation) -> Result<()> {
        let (clock, name) = (self.timeline.clock(), alarm.alarm_name().unwrap_or_default());
        let reason = rule.reason(evaluation);
        let reason_data = reason_data(rule, evaluation, |moment| on_the_wall(clock, moment)).to_string();
        let request = self.aws.cloudwatch.set_alarm_state().alarm_name(name);
        let request = request.state_value(StateValue::from(evaluation.state.name()));
        request.state_reason(&reason).state_reason_data(&reason_data).send().await.context("SetAlarmState")?;
        self.timeline.tell(kind(evaluation.state), format!("{name} is in {}: {reason}", evaluation.state.name()));
        let state = StateOfAlarm {
            value: evaluation.state.name().to_owned(),
            reason,
            reason_data: Some(reason_data),
            since: Timestamp::now(),
        };
        let event = AlarmEvent { alarm, state, previous: StateOfAlarm::described(alarm) };
        self.delivery.deliver(&event, evaluation.state)
    }
}

fn kind(state: AlarmState) -> Kind {
    match state {
        AlarmState::Ok => Kind::AlarmOk,
        AlarmState::Alarm => Kind::AlarmAlarm,
        AlarmState::InsufficientData => Kind::AlarmInsufficientData,
    }
}

/// When a moment of the play is or was, for those who know nothing of the play.
fn on_the_wall(clock: Clock, moment: Moment) -> Timestamp {
    let ago = clock.scale().wall(clock.now() - moment);
    Timestamp::now().checked_sub(ago).unwrap_or_else(|_| Timestamp::now())
}

/// The state that an alarm is described in.
fn state(alarm: &MetricAlarm) -> Option<AlarmState> {
    match alarm.state_value()? {
        StateValue::Ok => Some(AlarmState::Ok),
        StateValue::Alarm => Some(AlarmState::Alarm),
        StateValue::InsufficientData => Some(AlarmState::InsufficientData),
        _ => None,
    }
}

/// The health check whose status an alarm watches, and when it fires; `None` for an alarm on something else.
fn watched(alarm: &MetricAlarm) -> Option<(&str, Rule)> {
    let is_on_status = alarm.namespace() == Some(NAMESPACE)
        && alarm.metric_name() == Some(STATUS)
        && alarm.statistic() == Some(&Statistic::Minimum)
        && alarm.period() == Some(PERIOD);
    let dimension = alarm.dimensions().iter().find(|dimension| dimension.name() == Some(CHECK_DIMENSION));
    let check = dimension.filter(|_| is_on_status)?.value()?;
    let comparison = match alarm.comparison_operator()? {
        ComparisonOperator::LessThanThreshold => Comparison::LessThan,
        ComparisonOperator::LessThanOrEqualToThreshold => Comparison::LessThanOrEqual,
        ComparisonOperator::GreaterThanThreshold => Comparison::GreaterThan,
        ComparisonOperator::GreaterThanOrEqualToThreshold => Comparison::GreaterThanOrEqual,
        // The others are for anomaly detection.
        _ => return None,
    };
    let missing_data = match alarm.treat_missing_data() {
        Some("ignore") => MissingData::Ignore,
        Some("breaching") => MissingData::Breaching,
        Some("notBreaching") => MissingData::NotBreaching,
        Some(_) | None => MissingData::Missing,
    };
    let periods = usize::try_from(alarm.evaluation_periods()?).ok()?;
    // Without DatapointsToAlarm all have to breach.
    let needed = alarm.datapoints_to_alarm().and_then(|needed| usize::try_from(needed).ok()).unwrap_or(periods);
    Some((check, Rule { periods, needed, comparison, threshold: alarm.threshold()?, missing_data }))
}

/// What CloudWatch adds to its sentence, for programs.
fn reason_data(rule: &Rule, evaluation: &Evaluation, wall: impl Fn(Moment) -> Timestamp) -> Value {
    let evaluated: Vec<Value> = evaluation
        .evaluated
        .iter()
        .map(|(minute, value)| json!({"timestamp": time(wall(minute.begin())), "sampleCount": 1.0, "value": value}))
        .collect();
    let mut data = json!({
        "version": "1.0",
        "queryDate": time(Timestamp::now()),
        "statistic": "Minimum",
        "period": PERIOD,
        "recentDatapoints": evaluation.evaluated.iter().rev().map(|(_, value)| *value).collect::<Vec<f64>>(),
        "threshold": rule.threshold,
        "evaluatedDatapoints": evaluated,
    });
    if let Some((oldest, _)) = evaluation.evaluated.last() {
        data["startDate"] = json!(time(wall(oldest.begin())));
    }
    data
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::Dimension;
    use aws_sdk_cloudwatch::types::builders::MetricAlarmBuilder;

    use super::*;

    /// As provisioning makes it.
    fn alarm() -> MetricAlarmBuilder {
        MetricAlarm::builder()
            .namespace("AWS/Route53")
            .metric_name("HealthCheckStatus")
            .dimensions(Dimension::builder().name("HealthCheckId").value("check").build())
            .statistic(Statistic::Minimum)
            .period(60)
            .evaluation_periods(2)
            .threshold(1.0)
            .comparison_operator(ComparisonOperator::LessThanThreshold)
    }

    #[test]
    fn an_alarm_on_a_health_check_is_read_with_its_defaults() {
        let expected = Rule {
            periods: 2,
            needed: 2,
            comparison: Comparison::LessThan,
            threshold: 1.0,
            missing_data: MissingData::Missing,
        };
        assert_eq!(watched(&alarm().build()), Some(("check", expected)));
        let one_of_two = alarm().datapoints_to_alarm(1).treat_missing_data("notBreaching").build();
        let expected = Rule { needed: 1, missing_data: MissingData::NotBreaching, ..expected };
        assert_eq!(watched(&one_of_two), Some(("check", expected)));
    }

    #[test]
    fn alarms_on_anything_else_are_left_alone() {
        assert_eq!(watched(&alarm().metric_name("HealthCheckPercentageHealthy").build()), None);
        assert_eq!(watched(&alarm().namespace("AWS/Lambda").build()), None);
        assert_eq!(watched(&alarm().period(300).build()), None);
        assert_eq!(watched(&alarm().statistic(Statistic::Average).build()), None);
        let operator = ComparisonOperator::LessThanLowerThreshold;
        assert_eq!(watched(&alarm().comparison_operator(operator).build()), None);
    }

    #[test]
    fn programs_are_told_the_datapoints_with_times_of_the_real_clock() {
        let (_, rule) = watched(&alarm().build()).map(|(check, rule)| (check.to_owned(), rule)).unwrap();
        let minute = Minute::of(Moment::at(Duration::from_secs(120)));
        let evaluation = Evaluation { state: AlarmState::Alarm, evaluated: vec![(minute, 0.0)] };
        let begun: Timestamp = "2026-03-04T12:34:00Z".parse().unwrap();
        let data = reason_data(&rule, &evaluation, |moment| begun.checked_add(moment.since_begin()).unwrap());
        assert_eq!(data["startDate"], "2026-03-04T12:36:00.000+0000");
        assert_eq!(data["recentDatapoints"], json!([0.0]));
        let datapoint = json!([{"timestamp": "2026-03-04T12:36:00.000+0000", "sampleCount": 1.0, "value": 0.0}]);
        assert_eq!(data["evaluatedDatapoints"], datapoint);
    }
}
