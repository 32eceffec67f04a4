//! An alarm of the user's own that a protection names: CloudWatch keeps it, and the scenario says when it rings.
//!
//! It calls nobody. react reads it with every tick.

use anyhow::{Context, Result};
use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};

use crate::site::OWN_ALARM;
use crate::stage::Stage;
use crate::timeline::Kind;

/// Makes it, quiet: on the rate of errors that viewers get, as somebody may have it for long.
pub(crate) async fn create(stage: &Stage<'_>) -> Result<()> {
    stage
        .narration
        .step("An alarm of the user's own, on the errors that viewers get", async |step| {
            let request = stage.insides.cloudwatch.put_metric_alarm().alarm_name(OWN_ALARM);
            let request = request.namespace("AWS/CloudFront").metric_name("5xxErrorRate").statistic(Statistic::Average);
            let request = request.comparison_operator(ComparisonOperator::GreaterThanThreshold).threshold(5.0);
            let request = request.period(60).evaluation_periods(1);
            request.send().await.context("PutMetricAlarm")?;
            state(stage, StateValue::Ok).await?;
            step.did(format!("created the alarm {OWN_ALARM}"));
            Ok(())
        })
        .await
}

/// Lets it ring, or be quiet again.
pub(super) async fn set(stage: &Stage<'_>, rings: bool) -> Result<()> {
    let (value, kind, verb) = match rings {
        true => (StateValue::Alarm, Kind::AlarmAlarm, "rings"),
        false => (StateValue::Ok, Kind::AlarmOk, "is quiet again"),
    };
    state(stage, value).await?;
    stage.timeline.tell(kind, format!("the user's own alarm {OWN_ALARM} {verb}"));
    Ok(())
}

async fn state(stage: &Stage<'_>, value: StateValue) -> Result<()> {
    let request = stage.insides.cloudwatch.set_alarm_state().alarm_name(OWN_ALARM).state_value(value);
    request.state_reason("The rehearsal says so").send().await.context("SetAlarmState").map(drop)
}
