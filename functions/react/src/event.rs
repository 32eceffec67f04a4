//! The six forms in which react is called. An event only says *where to look*; nothing else of it is used.
//!
//! The structs of `aws_lambda_events` refuse metric-math alarms, composite alarms without a suppressor and SNS messages
//! without `AlarmArn`, so the few fields that matter are read leniently here.

use failopen::id::{AlarmName, ProtectionName};
use failopen::properties::protection_name;
use failopen::quote::json;
use jiff::Timestamp;
use serde_json::Value;

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// At the protections for which this alarm speaks, which has invoked react itself: whoever made it named react in its actions.
    Alarm(AlarmName),
    /// At those for which these speak, which react hears of through somebody else.
    Alarms(Vec<AlarmName>),
    /// At all of them: the schedule's tick.
    Tick,
    /// At one of them, asked for by name.
    Protection(ProtectionName),
}

impl Look {
    /// The alarms that the event is about.
    pub fn alarms(&self) -> &[AlarmName] {
        match self {
            Look::Alarm(name) => std::slice::from_ref(name),
            Look::Alarms(names) => names,
            Look::Tick | Look::Protection(_) => &[],
        }
    }

    /// Whether nobody reads the answer. Of a failure Lambda keeps a dead letter then; who asks for a decision gets it.
    pub(crate) fn is_unattended(&self) -> bool {
        match self {
            Look::Tick | Look::Alarm(_) | Look::Alarms(_) => true,
            Look::Protection(_) => false,
        }
    }

    /// Whether people are told now of what nothing remembers that they were told of: by a tick only in the first minute of each
    /// quarter of an hour; by an alarm, which rings only on a change, always.
    pub(crate) fn tells_unremembered(&self, now: Timestamp) -> bool {
        match self {
            Look::Tick => now.as_second().div_euclid(60) % 15 == 0,
            Look::Alarm(_) | Look::Alarms(_) | Look::Protection(_) => true,
        }
    }
}

/// Whether the event asks for no protection, but for what react is able to do.
pub(crate) fn is_check(event: &Value) -> bool {
    event.get("action").and_then(Value::as_str) == Some("check")
}

/// Reads an event of any of the five forms.
///
/// # Errors
/// One sentence that names what is not understood.
pub fn parse(event: &Value) -> Result<Look, String> {
    if let Some(action) = event.get("action") {
        return parse_action(action, event);
    }
    if let Some(records) = event.get("Records").and_then(Value::as_array) {
        let names: Vec<AlarmName> = records.iter().filter_map(alarm_of_sns_record).collect();
        return if names.is_empty() {
            Err("field `Records` holds no SNS message about a CloudWatch alarm".to_owned())
        } else {
            Ok(Look::Alarms(names))
        };
    }
    if let Some(detail) = event.get("detail") {
        let arn = event.pointer("/resources/0").and_then(Value::as_str).and_then(alarm_of_arn);
        return arn
            .or_else(|| text(detail, "alarmName"))
            .map(|name| Look::Alarms(vec![name]))
            .ok_or_else(|| "the EventBridge event names no alarm in `resources` or `detail.alarmName`".to_owned());
    }
    if event.get("alarmArn").is_some() || event.get("alarmData").is_some() {
        let arn = event.get("alarmArn").and_then(Value::as_str).and_then(alarm_of_arn);
        return arn
            .or_else(|| event.get("alarmData").and_then(|data| text(data, "alarmName")))
            .map(Look::Alarm)
            .ok_or_else(|| "the alarm event names no alarm in `alarmArn` or `alarmData.alarmName`".to_owned());
    }
    Err("the event is none of: a CloudWatch alarm action, the same inside SNS, EventBridge's `CloudWatch Alarm State \
         Change`, {\"action\":\"tick\"}, {\"action\":\"decide\",\"protection\":\"…\"}, {\"action\":\"check\"}"
        .to_owned())
}

fn parse_action(action: &Value, event: &Value) -> Result<Look, String> {
    match action.as_str() {
        Some("tick") => Ok(Look::Tick),
        Some("decide") => event
            .get("protection")
            .ok_or_else(|| "field `protection` is missing: `decide` needs the name of one".to_owned())
            .and_then(|name| {
                let read = name.as_str().and_then(protection_name);
                let rule = "not the name of a protection, which has 1 to 32 characters of a-z, 0-9 and -";
                read.map(Look::Protection).ok_or_else(|| format!("field `protection` is {}, {rule}", json(name)))
            }),
        _ => Err(format!("field `action` is {}; react knows `tick`, `decide` and `check`", json(action))),
    }
}

fn alarm_of_sns_record(record: &Value) -> Option<AlarmName> {
    let message = record.pointer("/Sns/Message")?.as_str()?;
    let message: Value = serde_json::from_str(message).ok()?;
    let arn = message.get("AlarmArn").and_then(Value::as_str).and_then(alarm_of_arn);
    arn.or_else(|| text(&message, "AlarmName"))
}

/// `arn:aws:cloudwatch:us-east-1:111122223333:alarm:NAME`; the name itself may hold colons.
fn alarm_of_arn(arn: &str) -> Option<AlarmName> {
    let (prefix, name) = arn.split_once(":alarm:")?;
    let is_alarm = prefix.starts_with("arn:") && prefix.contains(":cloudwatch:");
    (is_alarm && !name.is_empty()).then(|| AlarmName::new(name))
}

fn text(value: &Value, field: &str) -> Option<AlarmName> {
    value.get(field)?.as_str().filter(|text| !text.is_empty()).map(AlarmName::new)
}
