//! CloudWatch alarms.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, ComparisonOperator, CompositeAlarm, Dimension, MetricAlarm as SdkAlarm, StateValue, Statistic, Tag,
};
use failopen::alarm::{AlarmState, MetricAlarm, ObservedAlarm};
use failopen::id::{AlarmName, OwnerMark};
use failopen::port::{Fault, FaultKind};
use jiff::Timestamp;

use crate::fault::fault;

const DESCRIBE: &str = "DescribeAlarms";
const TAGS: &str = "ListTagsForResource";
const PUT: &str = "PutMetricAlarm";
const DELETE: &str = "DeleteAlarms";

/// Names that one DescribeAlarms may ask for (API reference).
const NAMES_A_CALL: usize = 100;

/// Tag that proves whose an alarm is; its value is the owner mark.
const OWNER_TAG: &str = "failopen:owner";

/// CloudWatch's alarms.
pub(crate) struct Alarms {
    client: Client,
}

impl Alarms {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// In the order of `names`, each exactly once.
    pub(crate) async fn read(&self, names: &[AlarmName]) -> Result<Vec<ObservedAlarm>, Fault> {
        let mut found = BTreeMap::new();
        for some in names.chunks(NAMES_A_CALL) {
            let mut pages = self
                .client
                .describe_alarms()
                .set_alarm_names(Some(some.iter().map(|name| name.as_str().to_owned()).collect()))
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .into_paginator()
                .send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| fault(DESCRIBE, error))?;
                let metric = page.metric_alarms().iter().filter_map(observed_metric);
                let composite = page.composite_alarms().iter().filter_map(observed_composite);
                found.extend(metric.chain(composite).map(|alarm| (alarm.name.clone(), alarm)));
            }
        }
        let in_order = names.iter().map(|name| match found.get(name) {
            Some(alarm) => alarm.clone(),
            None => ObservedAlarm::missing(name.clone()),
        });
        Ok(in_order.collect())
    }

    pub(crate) async fn owner(&self, arn: &str) -> Result<Option<OwnerMark>, Fault> {
        let output = self.client.list_tags_for_resource().resource_arn(arn).send().await;
        let output = output.map_err(|error| fault(TAGS, error))?;
        let tag = output.tags().iter().find(|tag| tag.key() == Some(OWNER_TAG));
        Ok(tag.and_then(Tag::value).map(OwnerMark::new))
    }

    pub(crate) async fn put(&self, name: &AlarmName, alarm: &MetricAlarm, owner: &OwnerMark) -> Result<(), Fault> {
        let dimensions =
            alarm.dimensions.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build());
        self.client
            .put_metric_alarm()
            .alarm_name(name.as_str())
            .alarm_description(&alarm.description)
            .actions_enabled(true)
            .namespace(&alarm.namespace)
            .metric_name(&alarm.metric_name)
            .set_dimensions(Some(dimensions.collect()))
            .statistic(Statistic::from(alarm.statistic.as_str()))
            .period(whole(alarm.period_seconds))
            .evaluation_periods(whole(alarm.evaluation_periods))
            .threshold(from_milli(alarm.threshold_milli))
            .comparison_operator(ComparisonOperator::from(alarm.comparison.as_str()))
            .treat_missing_data(&alarm.treat_missing_data)
            .set_alarm_actions(Some(alarm.alarm_actions.clone()))
            .set_ok_actions(Some(alarm.ok_actions.clone()))
            .set_insufficient_data_actions(Some(alarm.insufficient_data_actions.clone()))
            .tags(Tag::builder().key(OWNER_TAG).value(owner.as_str()).build())
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault(PUT, error))
    }

    pub(crate) async fn delete(&self, name: &AlarmName) -> Result<(), Fault> {
        let output = self.client.delete_alarms().alarm_names(name.as_str()).send().await;
        match output.map_err(|error| fault(DELETE, error)) {
            Ok(_) => Ok(()),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}

fn observed_metric(alarm: &SdkAlarm) -> Option<ObservedAlarm> {
    let statistic = alarm.statistic.as_ref().map(Statistic::as_str).or(alarm.extended_statistic.as_deref());
    let mut dimensions: Vec<(String, String)> = alarm
        .dimensions()
        .iter()
        .filter_map(|dimension| Some((dimension.name.clone()?, dimension.value.clone()?)))
        .collect();
    dimensions.sort();
    let metric = MetricAlarm {
        description: alarm.alarm_description.clone().unwrap_or_default(),
        namespace: alarm.namespace.clone().unwrap_or_default(),
        metric_name: alarm.metric_name.clone().unwrap_or_default(),
        dimensions,
        statistic: statistic.unwrap_or_default().to_owned(),
        period_seconds: unsigned(alarm.period),
        evaluation_periods: unsigned(alarm.evaluation_periods),
        threshold_milli: to_milli(alarm.threshold.unwrap_or_default()),
        comparison: alarm.comparison_operator.as_ref().map(|operator| operator.as_str().to_owned()).unwrap_or_default(),
        treat_missing_data: alarm.treat_missing_data.clone().unwrap_or_else(|| "missing".to_owned()),
        alarm_actions: alarm.alarm_actions().to_vec(),
        ok_actions: alarm.ok_actions().to_vec(),
        insufficient_data_actions: alarm.insufficient_data_actions().to_vec(),
    };
    Some(ObservedAlarm {
        name: AlarmName::new(alarm.alarm_name.as_deref()?),
        arn: alarm.alarm_arn.clone().unwrap_or_default(),
        state: state(alarm.state_value.as_ref()),
        since: since(alarm.state_transitioned_timestamp, alarm.state_updated_timestamp),
        actions_enabled: alarm.actions_enabled.unwrap_or_default(),
        metric: Some(metric),
    })
}

fn observed_composite(alarm: &CompositeAlarm) -> Option<ObservedAlarm> {
    Some(ObservedAlarm {
        name: AlarmName::new(alarm.alarm_name.as_deref()?),
        arn: alarm.alarm_arn.clone().unwrap_or_default(),
        state: state(alarm.state_value.as_ref()),
        since: since(alarm.state_transitioned_timestamp, alarm.state_updated_timestamp),
        actions_enabled: alarm.actions_enabled.unwrap_or_default(),
        metric: None,
    })
}

/// A state that this version does not know says as much about inspection as missing data.
fn state(value: Option<&StateValue>) -> AlarmState {
    match value {
        Some(StateValue::Ok) => AlarmState::Ok,
        Some(StateValue::Alarm) => AlarmState::Alarm,
        _ => AlarmState::InsufficientData,
    }
}

fn since(transitioned: Option<DateTime>, updated: Option<DateTime>) -> Option<Timestamp> {
    let time = transitioned.or(updated)?;
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

fn unsigned(number: Option<i32>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

fn whole(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "thresholds are small: well below the 52 bits of a float")]
fn from_milli(milli: i64) -> f64 {
    milli as f64 / 1000.0
}

#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and a threshold that large is nobody's")]
fn to_milli(threshold: f64) -> i64 {
    (threshold * 1000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_counts_and_not_a_new_reason() {
        let alarm = SdkAlarm::builder()
            .alarm_name("failopen-www-inspection")
            .state_value(StateValue::Alarm)
            .state_updated_timestamp(DateTime::from_secs(200))
            .state_transitioned_timestamp(DateTime::from_secs(100))
            .threshold(1.0)
            .dimensions(Dimension::builder().name("b").value("2").build())
            .dimensions(Dimension::builder().name("a").value("1").build())
            .build();
        let alarm = observed_metric(&alarm).expect("has a name");
        assert_eq!(alarm.state, AlarmState::Alarm);
        assert_eq!(alarm.since, Timestamp::from_second(100).ok());
        let metric = alarm.metric.expect("a metric alarm");
        assert_eq!(metric.threshold_milli, 1000);
        assert_eq!(metric.dimensions[0].0, "a");
        assert_eq!(metric.treat_missing_data, "missing");
    }

    #[test]
    fn a_composite_alarm_has_a_state_and_no_settings() {
        let alarm = CompositeAlarm::builder()
            .alarm_name("any")
            .state_value(StateValue::Ok)
            .state_updated_timestamp(DateTime::from_secs(5))
            .build();
        let alarm = observed_composite(&alarm).expect("has a name");
        assert_eq!((alarm.state, alarm.since, alarm.metric), (AlarmState::Ok, Timestamp::from_second(5).ok(), None));
    }

    #[test]
    fn an_unknown_state_is_missing_data_and_never_ok() {
        assert_eq!(state(None), AlarmState::InsufficientData);
        assert_eq!(state(Some(&StateValue::from("SOMETHING_NEW"))), AlarmState::InsufficientData);
    }
}
