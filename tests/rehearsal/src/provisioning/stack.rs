//! Stacks of protections, as somebody who has the AWS CLI makes, changes and removes them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::deployment::{STACK, describe, settled};
use crate::narration::Step;
use crate::stage::Stage;

/// A wait for health, for the edges, for a time to live, and a slow machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// A resource that CloudFormation cannot make, after the protection.
const LATER: &str = r#"
  Later:
    Type: Custom::Unmakeable
    DependsOn: Protection
    Properties:
      ServiceToken: !Sub "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:does-not-exist"
"#;
const TYPE: &str = "    Type: Custom::FailOpenProtection\n";
const OUTPUTS: &str = "\nOutputs:\n";

/// What is done to infra/protection.yaml before it is deployed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    /// Nothing.
    AsItIs,
    /// `DeletionPolicy: Retain`.
    Retained,
    /// A resource after the protection that cannot be made.
    Unmakeable,
}

/// A stack with one protection.
pub(super) struct ProtectionStack<'a> {
    stage: &'a Stage<'a>,
    name: &'static str,
    /// Parameters of infra/protection.yaml.
    pub(super) settings: Vec<(String, String)>,
}

impl<'a> ProtectionStack<'a> {
    pub(super) fn new(stage: &'a Stage<'a>, name: &'static str, settings: &[(&str, String)]) -> Self {
        let engine = ("EngineStackName".to_owned(), STACK.to_owned());
        let given = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Self { stage, name, settings: std::iter::once(engine).chain(given).collect() }
    }

    /// Other values for some parameters.
    pub(super) fn with(&self, changes: &[(&str, String)]) -> Vec<(String, String)> {
        let mut settings = self.settings.clone();
        for (name, value) in changes {
            settings.retain(|(known, _)| known != name);
            settings.push(((*name).to_owned(), value.clone()));
        }
        settings
    }

    /// `create-stack`, and the state in which it ends.
    pub(super) async fn create(&self, step: &Step<'_>) -> Result<String> {
        let body = self.body(&template(self.stage, Variant::AsItIs)?)?;
        self.send("create-stack", &body, &self.settings, step).await
    }

    /// `update-stack` to these settings, and the state in which it ends.
    pub(super) async fn update(
        &self,
        variant: Variant,
        settings: &[(String, String)],
        step: &Step<'_>,
    ) -> Result<String> {
        let body = self.body(&template(self.stage, variant)?)?;
        self.send("update-stack", &body, settings, step).await
    }

    /// `update-stack` to a template without the protection.
    pub(super) async fn without_protection(&self, step: &Step<'_>) -> Result<String> {
        let empty = json!({"Resources": {"Placeholder": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}});
        let body = self.body(&empty.to_string())?;
        self.send("update-stack", &body, &[], step).await
    }

    /// `delete-stack`, and the state in which it ends.
    pub(super) async fn delete(&self, step: &Step<'_>) -> Result<String> {
        self.stage.tools.aws(&["cloudformation", "delete-stack", "--stack-name", self.name])?;
        settled(self.stage, self.name, PATIENCE, step).await
    }

    /// Id of the stack.
    pub(super) fn id(&self) -> Result<String> {
        let stack = describe(self.stage, self.name)?.with_context(|| format!("there is no stack {}", self.name))?;
        stack["StackId"].as_str().map(str::to_owned).context("the stack has no id")
    }

    /// Why the protection failed last, as CloudFormation tells it.
    pub(super) fn failure(&self) -> Result<String> {
        let failed = |event: &&Value| {
            event["ResourceType"] == "Custom::FailOpenProtection"
                && event["ResourceStatus"].as_str().is_some_and(|status| status.ends_with("_FAILED"))
        };
        let events = self.events()?;
        let reason = events.iter().find(failed).and_then(|event| event["ResourceStatusReason"].as_str());
        reason.map(str::to_owned).with_context(|| format!("the protection of {} has not failed: {events:?}", self.name))
    }

    /// What CloudFormation told, the newest first.
    pub(super) fn events(&self) -> Result<Vec<Value>> {
        events(self.stage, self.name)
    }

    /// The template as a file.
    fn body(&self, template: &str) -> Result<String> {
        let file = self.stage.workplace.temporary().join(format!("{}-template", self.name));
        std::fs::write(&file, template)?;
        Ok(format!("file://{}", file.display()))
    }

    async fn send(&self, command: &str, body: &str, settings: &[(String, String)], step: &Step<'_>) -> Result<String> {
        let list: Vec<Value> =
            settings.iter().map(|(name, value)| json!({"ParameterKey": name, "ParameterValue": value})).collect();
        // In a file, because values hold commas, which the AWS CLI's short form takes for its own.
        let file = self.stage.workplace.temporary().join(format!("{}-parameters.json", self.name));
        std::fs::write(&file, serde_json::to_vec(&list)?)?;
        let parameters = format!("file://{}", file.display());
        let what = ["cloudformation", command, "--stack-name", self.name, "--template-body", body];
        self.stage.tools.aws(&[what.as_slice(), &["--parameters", &parameters]].concat())?;
        settled(self.stage, self.name, PATIENCE, step).await
    }
}

/// What CloudFormation told of a stack, the newest first.
pub(super) fn events(stage: &Stage<'_>, stack: &str) -> Result<Vec<Value>> {
    let answer = stage.tools.aws(&["cloudformation", "describe-stack-events", "--stack-name", stack])?;
    answer["StackEvents"].as_array().cloned().context("CloudFormation answered without events")
}

fn template(stage: &Stage<'_>, variant: Variant) -> Result<String> {
    let file = stage.workplace.repository().join("infra/protection.yaml");
    let text = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let (at, inserted) = match variant {
        Variant::AsItIs => return Ok(text),
        Variant::Retained => (TYPE, format!("{TYPE}    DeletionPolicy: Retain\n")),
        Variant::Unmakeable => (OUTPUTS, format!("{LATER}{OUTPUTS}")),
    };
    ensure!(text.matches(at).count() == 1, "infra/protection.yaml does not say {at:?} once, so it was not changed");
    Ok(text.replacen(at, &inserted, 1))
}
