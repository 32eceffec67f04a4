//! The deployed roles: what they allow, and one action less of it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::deployment::STACK;
use crate::stage::Stage;

/// What IAM never denies, so that it can stand where a statement would have no action left.
const NEVER_DENIED: &str = "sts:GetCallerIdentity";

/// The three functions, by the names that their roles have in the template.
const ROLES: [(&str, &str); 3] = [("provision", "ProvisionRole"), ("react", "ReactRole"), ("flip", "FlipRole")];

/// One action that one statement of a role allows.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) function: &'static str,
    pub(super) statement: String,
    pub(super) action: String,
    role: String,
    policy: String,
    document: Value,
}

/// Everything that the roles of the stack allow, as CloudFormation made them.
pub(super) fn grants(stage: &Stage<'_>) -> Result<Vec<Grant>> {
    let resources = stage.tools.aws(&["cloudformation", "describe-stack-resources", "--stack-name", STACK])?;
    let mut grants = Vec::new();
    for (function, logical_id) in ROLES {
        let role = resources["StackResources"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|resource| resource["LogicalResourceId"] == logical_id)
            .and_then(|resource| resource["PhysicalResourceId"].as_str())
            .with_context(|| format!("the stack has no {logical_id}"))?;
        let policies = stage.tools.aws(&["iam", "list-role-policies", "--role-name", role])?;
        for policy in policies["PolicyNames"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let arguments = ["iam", "get-role-policy", "--role-name", role, "--policy-name", policy];
            let document = stage.tools.aws(&arguments)?["PolicyDocument"].clone();
            for statement in document["Statement"].as_array().into_iter().flatten() {
                for action in actions(statement) {
                    grants.push(Grant {
                        function,
                        statement: statement["Sid"].as_str().unwrap_or_default().to_owned(),
                        action,
                        role: role.to_owned(),
                        policy: policy.to_owned(),
                        document: document.clone(),
                    });
                }
            }
        }
    }
    Ok(grants)
}

/// Takes several actions of one policy out of it together.
pub(super) async fn take_away_all(stage: &Stage<'_>, grants: &[&Grant]) -> Result<()> {
    let first = grants.first().context("there is nothing to take away")?;
    let is_same = |grant: &&&Grant| grant.role == first.role && grant.policy == first.policy;
    ensure!(grants.iter().all(|grant| is_same(&grant)), "these actions stand in different policies");
    let document = first.document.clone();
    let less = grants.iter().fold(document, |document, grant| without(&document, &grant.statement, &grant.action));
    first.put(stage, &less).await
}

impl Grant {
    /// Takes the action out of its statement, in the deployed role.
    pub(super) async fn take_away(&self, stage: &Stage<'_>) -> Result<()> {
        self.put(stage, &without(&self.document, &self.statement, &self.action)).await
    }

    /// The role as it was deployed.
    pub(super) async fn put_back(&self, stage: &Stage<'_>) -> Result<()> {
        self.put(stage, &self.document).await
    }

    async fn put(&self, stage: &Stage<'_>, document: &Value) -> Result<()> {
        let form = [
            ("Action", "PutRolePolicy"),
            ("Version", "2010-05-08"),
            ("RoleName", &self.role),
            ("PolicyName", &self.policy),
            ("PolicyDocument", &document.to_string()),
        ];
        let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let headers = [("content-type", "application/x-www-form-urlencoded".to_owned())];
        let answer = stage.aws.wire.send("iam", "POST", "/", &headers, body.join("&").as_bytes()).await?;
        answer.successful("PutRolePolicy").map(drop)
    }
}

/// One action, or a list of them.
fn actions(statement: &Value) -> Vec<String> {
    match &statement["Action"] {
        Value::String(action) => vec![action.clone()],
        Value::Array(actions) => actions.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The document with one action less.
fn without(document: &Value, sid: &str, action: &str) -> Value {
    let mut document = document.clone();
    for statement in document["Statement"].as_array_mut().into_iter().flatten() {
        if statement["Sid"] == sid {
            let mut left: Vec<String> = actions(statement);
            left.retain(|kept| kept != action);
            if left.is_empty() {
                left.push(NEVER_DENIED.to_owned());
                statement["Resource"] = json!("*");
                if let Some(statement) = statement.as_object_mut() {
                    statement.remove("Condition");
                }
            }
            statement["Action"] = json!(left);
        }
    }
    document
}

/// A text as a value of a form.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_action_less_leaves_every_other_statement_as_it_was() {
        let document = json!({"Statement": [
            {"Sid": "A", "Effect": "Allow", "Action": ["x:One", "x:Two"], "Resource": "r"},
            {"Sid": "B", "Effect": "Allow", "Action": "x:One", "Resource": "s", "Condition": {"Null": {}}},
        ]});
        let less = without(&document, "A", "x:One");
        assert_eq!(less["Statement"][0]["Action"], json!(["x:Two"]));
        assert_eq!(less["Statement"][1], document["Statement"][1]);
        let less = without(&document, "B", "x:One");
        assert_eq!(less["Statement"][0], document["Statement"][0]);
        let empty = json!({"Sid": "B", "Effect": "Allow", "Action": [NEVER_DENIED], "Resource": "*"});
        assert_eq!(less["Statement"][1], empty);
    }

    #[test]
    fn a_form_holds_no_character_with_a_meaning_of_its_own() {
        assert_eq!(encoded("a b&c={é}"), "a%20b%26c%3D%7B%C3%A9%7D");
    }
}
