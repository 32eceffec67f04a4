//! What Lambda says of the engine's own functions.

use failopen::reach::FlipReach;
use serde_json::json;

/// The ways from an alarm to a flip, as the template makes them.
#[derive(Clone, Debug)]
pub struct Ways {
    /// Who may invoke react, as GetPolicy tells it.
    pub react_policy: Option<String>,
    /// What react hears where it asks whether it may invoke flip.
    pub flip: FlipReach,
}

impl Default for Ways {
    fn default() -> Self {
        let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": [{
            "Sid": "AlarmsInvokeReact",
            "Effect": "Allow",
            "Principal": {"Service": "lambda.alarms.cloudwatch.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:us-east-1:111122223333:function:react",
            "Condition": {
                "StringEquals": {"AWS:SourceAccount": "111122223333"},
                "ArnLike": {"AWS:SourceArn": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:failopen-*"}
            }
        }]});
        Self { react_policy: Some(policy.to_string()), flip: FlipReach::Allowed }
    }
}
