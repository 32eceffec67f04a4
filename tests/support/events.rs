//! Payloads as AWS sends them, from `tests/events`. Account, Region, names and ids are invented; nesting and spelling are
//! not.

use serde_json::Value;

macro_rules! fixtures {
    ($($(#[$doc:meta])* $name:ident => $file:literal),+ $(,)?) => {$(
        $(#[$doc])*
        pub fn $name() -> Value {
            serde_json::from_str(include_str!(concat!("../events/", $file)))
                .unwrap_or_else(|error| panic!("{} is not JSON: {error}", $file))
        }
    )+};
}

fixtures! {
    /// CloudWatch invokes the function directly: a metric alarm goes to ALARM.
    alarm_metric => "alarm-metric.json",
    /// The same going back to OK.
    alarm_metric_ok => "alarm-metric-ok.json",
    /// The first state of every new alarm.
    alarm_metric_insufficient_data => "alarm-metric-insufficient-data.json",
    /// A metric-math alarm: a metric without `metricStat`.
    alarm_metric_math => "alarm-metric-math.json",
    /// A composite alarm without a suppressor.
    alarm_composite => "alarm-composite.json",
    /// A composite alarm with a suppressor.
    alarm_composite_suppressor => "alarm-composite-suppressor.json",
    /// The direct payload with fields that nobody has seen yet.
    alarm_unknown_fields => "alarm-unknown-fields.json",
    /// An alarm of the same account that no protection has.
    alarm_of_nobody => "alarm-of-nobody.json",
    /// Through SNS.
    alarm_sns => "alarm-sns.json",
    /// Through SNS, from before messages carried AlarmArn.
    alarm_sns_without_arn => "alarm-sns-without-arn.json",
    /// Through EventBridge.
    alarm_eventbridge => "alarm-eventbridge.json",
    /// The schedule's tick.
    tick => "tick.json",
    /// An explicit question.
    decide => "decide.json",
    /// CloudFormation asks for a new protection.
    cloudformation_create => "cloudformation-create.json",
    /// CloudFormation changes one.
    cloudformation_update => "cloudformation-update.json",
    /// CloudFormation removes one.
    cloudformation_delete => "cloudformation-delete.json",
    /// The Delete that follows a cancelled Create, with an invented physical id.
    cloudformation_delete_invented_id => "cloudformation-delete-invented-id.json",
}

/// Every event form of an alarm that goes to ALARM, with a name for messages.
pub fn every_alarm_form() -> Vec<(&'static str, Value)> {
    vec![
        ("metric alarm", alarm_metric()),
        ("metric-math alarm", alarm_metric_math()),
        ("composite alarm without a suppressor", alarm_composite()),
        ("composite alarm with a suppressor", alarm_composite_suppressor()),
        ("unknown extra fields", alarm_unknown_fields()),
        ("SNS", alarm_sns()),
        ("SNS without AlarmArn", alarm_sns_without_arn()),
        ("EventBridge", alarm_eventbridge()),
        ("tick", tick()),
        ("decide", decide()),
    ]
}
