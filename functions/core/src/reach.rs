//! Whether an alarm can start react, and whether react can ask flip: without the first a bypass is decided by the next tick
//! only, without the second there is no layer 2.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::PathPattern;
use crate::port::{Fault, FaultKind};

/// What CloudWatch is called where it invokes a function for an alarm (CloudWatch User Guide, "Invoke a Lambda function from
/// an alarm").
const ALARMS: &str = "lambda.alarms.cloudwatch.amazonaws.com";
/// What a function's policy has to allow it.
const INVOKE: &str = "lambda:InvokeFunction";

/// What was found out about the ways from an alarm to a flip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The account that the engine is in, and the alarm.
    pub account: String,
    /// ARN that the protection's alarm has, or will have.
    pub alarm_arn: String,
    /// React's own policy as JSON, `None` where it has none; or why it could not be read.
    pub policy: Result<Option<String>, String>,
    /// What react said of flip; or why react could not be asked.
    pub flip: Result<FlipReach, String>,
}

/// What react found when it asked Lambda whether it might invoke flip; its answer to `{"action": "check"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "flip", rename_all = "lowercase")]
pub enum FlipReach {
    Allowed,
    /// One line that says why not.
    Denied {
        why: String,
    },
    /// Lambda did not say. One line.
    Unknown {
        why: String,
    },
}

impl FlipReach {
    /// What the answer to a dry run of flip says. A fault that is neither a denial nor an absence may be over a moment later.
    pub fn of(asked: Result<(), Fault>) -> Self {
        let Err(fault) = asked else { return FlipReach::Allowed };
        let why = fault.to_string();
        match fault.kind {
            FaultKind::AccessDenied | FaultKind::NotFound => FlipReach::Denied { why },
            FaultKind::Throttled
            | FaultKind::Stale
            | FaultKind::Refused
            | FaultKind::Unknown
            | FaultKind::Malformed => FlipReach::Unknown { why },
        }
    }
}

impl Reach {
    /// Whether react's policy, where it could be read, lets the alarm start it.
    pub fn alarm_starts_react(&self) -> Result<bool, &str> {
        let policy = self.policy.as_ref().map_err(String::as_str)?;
        Ok(policy.as_deref().is_some_and(|policy| lets_in(policy, &self.alarm_arn, &self.account)))
    }
}

/// Whether a function's policy lets the alarm with this ARN invoke it.
///
/// A statement that is not understood in every part, a condition of another kind for example, lets nobody in and keeps nobody
/// out: Lambda's own answer may differ then, which is why this is a warning's matter and no refusal's.
fn lets_in(policy: &str, alarm_arn: &str, account: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Policy>(policy) else { return false };
    let mut allowed = false;
    for statement in policy.statement.into_vec() {
        let applies = statement.names_alarms() && statement.is_about_invoking();
        if applies && statement.holds_for(alarm_arn, account) {
            match statement.effect.as_str() {
                "Allow" => allowed = true,
                _ => return false,
            }
        }
    }
    allowed
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    statement: OneOrMany<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: String,
    principal: Option<Value>,
    action: Option<OneOrMany<String>>,
    #[serde(default)]
    condition: serde_json::Map<String, Value>,
}

/// IAM writes a list of one without its brackets.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }

    fn as_slice(&self) -> &[T] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }
}

impl Statement {
    fn names_alarms(&self) -> bool {
        match &self.principal {
            Some(Value::String(anybody)) => anybody == "*",
            Some(Value::Object(kinds)) => {
                kinds.get("Service").is_some_and(|services| texts(services).contains(&ALARMS))
            }
            _ => false,
        }
    }

    fn is_about_invoking(&self) -> bool {
        let actions = self.action.as_ref().map(OneOrMany::as_slice).unwrap_or_default();
        actions.iter().any(|action| like(&action.to_ascii_lowercase(), &INVOKE.to_ascii_lowercase()))
    }

    fn holds_for(&self, alarm_arn: &str, account: &str) -> bool {
        self.condition.iter().all(|(operator, keys)| {
            let Value::Object(keys) = keys else { return false };
            keys.iter().all(|(key, values)| {
                let actual = match key.to_ascii_lowercase().as_str() {
                    "aws:sourcearn" => alarm_arn,
                    "aws:sourceaccount" => account,
                    _ => return false,
                };
                texts(values).iter().any(|value| match operator.as_str() {
                    "StringEquals" => *value == actual,
                    // Both compare ARNs with wildcards (IAM User Guide, "ARN condition operators").
                    "ArnLike" | "ArnEquals" | "StringLike" => like(value, actual),
                    _ => false,
                })
            })
        })
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    }
}

/// IAM's wildcards are those of a path pattern.
fn like(pattern: &str, text: &str) -> bool {
    PathPattern::new(pattern).covers(&PathPattern::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ALARM: &str = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:failopen-www-inspection";

    /// As Lambda keeps what the template's AWS::Lambda::Permission asks for.
    fn statement() -> Value {
        json!({
            "Sid": "engine-AlarmsInvokeReact",
            "Effect": "Allow",
            "Principal": {"Service": "lambda.alarms.cloudwatch.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:us-east-1:111122223333:function:react",
            "Condition": {
                "StringEquals": {"AWS:SourceAccount": "111122223333"},
                "ArnLike": {"AWS:SourceArn": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:failopen-*"}
            }
        })
    }

    fn reach(policy: Result<Option<String>, String>) -> Reach {
        Reach { account: "111122223333".to_owned(), alarm_arn: ALARM.to_owned(), policy, flip: Ok(FlipReach::Allowed) }
    }

    fn lets_in(statements: Value) -> bool {
        let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": statements});
        reach(Ok(Some(policy.to_string()))).alarm_starts_react().expect("it could be read")
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut changed = statement();
        *changed.pointer_mut(pointer).expect("the statement has it") = value;
        changed
    }

    #[test]
    fn the_template_s_own_permission_lets_the_alarm_in() {
        assert!(lets_in(json!([statement()])));
        assert!(lets_in(statement()), "a list of one may lack its brackets");
    }

    #[test]
    fn every_part_of_a_permission_counts() {
        for (pointer, value) in [
            ("/Principal/Service", json!("events.amazonaws.com")),
            ("/Principal", json!({"AWS": "arn:aws:iam::111122223333:root"})),
            ("/Action", json!("lambda:GetFunction")),
            ("/Condition/StringEquals/AWS:SourceAccount", json!("999999999999")),
            ("/Condition/ArnLike/AWS:SourceArn", json!("arn:aws:cloudwatch:us-east-1:111122223333:alarm:other-*")),
            ("/Condition/ArnLike", json!({"aws:PrincipalOrgID": "o-1"})),
            ("/Condition", json!({"DateLessThan": {"AWS:SourceArn": ALARM}})),
            ("/Condition", json!({"StringEquals": "not an object"})),
        ] {
            assert!(!lets_in(json!([with(pointer, value.clone())])), "{pointer} = {value}");
        }
        assert!(!lets_in(json!([])));
        for policy in [None, Some("no JSON".to_owned())] {
            assert_eq!(reach(Ok(policy)).alarm_starts_react(), Ok(false));
        }
        assert_eq!(reach(Err("denied".to_owned())).alarm_starts_react(), Err("denied"));
    }

    #[test]
    fn other_spellings_of_the_same_permission_count_too() {
        for (pointer, value) in [
            ("/Principal/Service", json!(["events.amazonaws.com", "lambda.alarms.cloudwatch.amazonaws.com"])),
            ("/Principal", json!("*")),
            ("/Action", json!(["lambda:GetFunction", "lambda:Invoke*"])),
            ("/Action", json!("LAMBDA:invokefunction")),
            ("/Condition", json!({})),
            ("/Condition", json!({"ArnEquals": {"aws:sourcearn": [ALARM, "arn:aws:cloudwatch:::alarm:x"]}})),
            ("/Condition", json!({"StringLike": {"AWS:SourceArn": "*:alarm:failopen-*-inspection"}})),
            ("/Condition", json!({"StringEquals": {"AWS:SourceArn": ALARM}})),
        ] {
            assert!(lets_in(json!([with(pointer, value.clone())])), "{pointer} = {value}");
        }
    }

    #[test]
    fn only_a_denial_and_an_absence_say_that_flip_may_not_be_invoked() {
        let of = |kind| FlipReach::of(Err(Fault::new(kind, "Invoke", "no")));
        let why = || "Invoke: no".to_owned();
        assert_eq!(FlipReach::of(Ok(())), FlipReach::Allowed);
        for kind in [FaultKind::AccessDenied, FaultKind::NotFound] {
            assert_eq!(of(kind), FlipReach::Denied { why: why() });
        }
        for kind in [FaultKind::Throttled, FaultKind::Refused, FaultKind::Unknown, FaultKind::Malformed] {
            assert_eq!(of(kind), FlipReach::Unknown { why: why() });
        }
    }

    #[test]
    fn what_react_answers_is_read_as_it_was_written() {
        let denied = FlipReach::Denied { why: "no".to_owned() };
        assert_eq!(serde_json::to_value(&denied).expect("plain"), json!({"flip": "denied", "why": "no"}));
        let allowed: FlipReach = serde_json::from_value(json!({"decisions": [], "flip": "allowed"})).expect("known");
        assert_eq!(allowed, FlipReach::Allowed);
    }

    #[test]
    fn a_denial_outweighs_a_permission_wherever_it_stands() {
        let denial = with("/Effect", json!("Deny"));
        assert!(!lets_in(json!([statement(), denial.clone()])));
        assert!(!lets_in(json!([denial, statement()])));
        let mut elsewhere = with("/Effect", json!("Deny"));
        *elsewhere.pointer_mut("/Condition/ArnLike/AWS:SourceArn").expect("there") =
            json!("arn:aws:cloudwatch:*:other");
        assert!(lets_in(json!([elsewhere, statement()])));
    }
}
