//! The stack on the local AWS: built and deployed by the SAM CLI, read by the AWS CLI.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::narration::{Seen, Step};
use crate::site::{self, Site};
use crate::stage::Stage;

/// Name of the stack.
pub(crate) const STACK: &str = "failopen";

/// Name of a stack that declares the protection alone.
const PROTECTION_STACK: &str = "failopen-www";

/// Creation of a protection: preflight, and a health check that has to be healthy first.
const PROTECTION: Duration = Duration::from_secs(300);

/// Parameters of the engine; the others are the protection's.
const OF_THE_ENGINE: &str = "CustomResourceResponseOrigin";

/// Seconds of health before an automatic fail-back: long enough to look at it, short enough to wait for.
pub(crate) const HOLD_DOWN: Duration = Duration::from_secs(15);

/// The deployed engine.
#[derive(Clone)]
pub(crate) struct Deployment {
    pub(crate) provision: String,
    pub(crate) react: String,
    pub(crate) flip: String,
}

impl Deployment {
    /// `sam build` and `sam deploy` of the real template with these parameters, until CREATE_COMPLETE.
    pub(crate) async fn create(stage: &Stage<'_>, parameters: Vec<(&'static str, String)>) -> Result<Self> {
        stage
            .narration
            .step("The three functions are compiled for Lambda (minutes the first time)", async |step| {
                stage.tools.compile(step).await?;
                step.did("cargo lambda build --release");
                Ok(())
            })
            .await?;
        stage
            .narration
            .step("sam build", async |step| {
                stage.tools.build(step).await?;
                for function in ["ProvisionFunction", "ReactFunction", "FlipFunction"] {
                    let bootstrap = stage.tools.built().join(function).join("bootstrap");
                    let size = std::fs::metadata(&bootstrap)
                        .with_context(|| format!("sam build left no {}", bootstrap.display()))?
                        .len();
                    step.saw(format!("{function}: {:.1} MB", size as f64 / 1e6));
                }
                Ok(())
            })
            .await?;
        stage
            .narration
            .step("sam deploy: the real template, with waits of seconds instead of minutes", async |step| {
                let told: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
                step.did(format!("sam deploy with {}", told.join(" ")));
                stage.tools.deploy(STACK, &parameters, step).await?;
                let stack = describe(stage, STACK)?.context("sam deploy succeeded, and there is no stack")?;
                match stack["StackStatus"].as_str() {
                    Some("CREATE_COMPLETE") => step.saw(format!("stack {STACK}: CREATE_COMPLETE")),
                    status => bail!("expected the stack in CREATE_COMPLETE, and saw {status:?}"),
                }
                Ok(Deployment {
                    provision: output(&stack, "ProvisionFunctionArn")?,
                    react: output(&stack, "ReactFunctionArn")?,
                    flip: output(&stack, "FlipFunctionArn")?,
                })
            })
            .await
    }
}

impl Deployment {
    /// The same with two stacks: the engine alone, and the protection from infra/protection.yaml, which names an alarm of the
    /// user's own.
    pub(crate) async fn in_two(stage: &Stage<'_>, parameters: Vec<(&'static str, String)>) -> Result<Self> {
        let (mut engine, protection): (Vec<_>, Vec<_>) =
            parameters.into_iter().partition(|(name, _)| *name == OF_THE_ENGINE);
        let distribution = protection.iter().find(|(name, _)| *name == "DistributionId");
        engine.extend(distribution.map(|(_, id)| ("AllowedDistributions", id.clone())));
        let deployment = Self::create(stage, engine).await?;
        stage
            .narration
            .step("infra/protection.yaml: the protection, from a stack of its own", async |step| {
                let own = [("EngineStackName", STACK), ("AdditionalAlarms", site::OWN_ALARM)];
                let given = protection.iter().map(|(name, value)| match *name {
                    "ProtectionName" => ("Name", value.as_str()),
                    name => (name, value.as_str()),
                });
                let all: Vec<(&str, &str)> = own.into_iter().chain(given).collect();
                let told: Vec<String> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let list: Vec<Value> =
                    all.iter().map(|(name, value)| json!({"ParameterKey": name, "ParameterValue": value})).collect();
                // In a file, because values hold commas, which the AWS CLI's short form takes for its own.
                let file = stage.workplace.temporary().join("protection.json");
                std::fs::write(&file, serde_json::to_vec(&list)?)?;
                let template = stage.workplace.repository().join("infra/protection.yaml");
                let (body, parameters) =
                    (format!("file://{}", template.display()), format!("file://{}", file.display()));
                let create = ["cloudformation", "create-stack", "--stack-name", PROTECTION_STACK];
                let with = ["--template-body", &body, "--parameters", &parameters];
                stage.tools.aws(&[create.as_slice(), &with].concat())?;
                step.did(format!("aws cloudformation create-stack with {}", told.join(" ")));
                match settled(stage, PROTECTION_STACK, PROTECTION, step).await?.as_str() {
                    "CREATE_COMPLETE" => step.saw(format!("stack {PROTECTION_STACK}: CREATE_COMPLETE")),
                    status => bail!("expected the stack in CREATE_COMPLETE, and saw {status}"),
                }
                Ok(deployment)
            })
            .await
    }
}

/// Parameters of a stack with a protection of the site.
pub(crate) fn with_protection(stage: &Stage<'_>, site: &Site) -> Vec<(&'static str, String)> {
    vec![
        ("ProtectionName", site::PROTECTION.to_owned()),
        ("DistributionId", site.distribution_id.clone()),
        ("FailoverRecord", site::FAILOVER_RECORD.to_owned()),
        ("InspectionHostname", site::INSPECTION.to_owned()),
        ("ApplicationHostname", site::APPLICATION.to_owned()),
        ("HostedZoneId", site.zone_id.clone()),
        ("Traffic", site::TRAFFIC.join(",")),
        ("OriginPort", stage.origins.port().to_string()),
        ("EdgeFailOpen", "automatic".to_owned()),
        ("HoldDownSeconds", HOLD_DOWN.as_secs().to_string()),
        ("MinimumDwellSeconds", "0".to_owned()),
        ("MaximumFlipsPerDay", "20".to_owned()),
        ("AllowedDistributions", site.second.id.clone()),
        ("AllowedRecords", site::SHOP_RECORD.to_owned()),
        ("CustomResourceResponseOrigin", stage.endpoint()),
    ]
}

/// Parameters of a stack with the engine alone, which may protect the site.
pub(crate) fn engine_alone(stage: &Stage<'_>, site: &Site) -> Vec<(&'static str, String)> {
    vec![
        ("AllowedDistributions", site.distribution_id.clone()),
        ("AllowedHostedZones", site.zone_id.clone()),
        ("AllowedRecords", site::FAILOVER_RECORD.to_owned()),
        ("CustomResourceResponseOrigin", stage.endpoint()),
    ]
}

/// One output of a described stack.
fn output(stack: &Value, key: &str) -> Result<String> {
    stack["Outputs"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|output| output["OutputKey"] == key)
        .and_then(|output| output["OutputValue"].as_str())
        .map(str::to_owned)
        .with_context(|| format!("the stack has no output {key}"))
}

/// One output of the deployed stack.
pub(crate) fn output_of(stage: &Stage<'_>, key: &str) -> Result<String> {
    output(&describe(stage, STACK)?.context("there is no stack")?, key)
}

/// A stack as CloudFormation describes it; `None` where it does not exist.
pub(crate) fn describe(stage: &Stage<'_>, stack: &str) -> Result<Option<Value>> {
    match stage.tools.aws(&["cloudformation", "describe-stacks", "--stack-name", stack]) {
        Ok(answer) => Ok(answer.pointer("/Stacks/0").cloned()),
        Err(error) if format!("{error:#}").contains("does not exist") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits until a stack is in a state that lasts, and returns that state; `DELETE_COMPLETE` for one that is gone.
pub(crate) async fn settled(stage: &Stage<'_>, stack: &str, patience: Duration, step: &Step<'_>) -> Result<String> {
    step.until(&format!("stack {stack} to settle"), patience, async || {
        let Some(found) = describe(stage, stack)? else {
            return Ok(Seen::Done("DELETE_COMPLETE".to_owned()));
        };
        let status = found["StackStatus"].as_str().unwrap_or_default().to_owned();
        if status.ends_with("IN_PROGRESS") {
            // The AWS CLI takes a second of processor time to say this.
            tokio::time::sleep(Duration::from_secs(1)).await;
            return Ok(Seen::NotYet(status));
        }
        Ok(Seen::Done(status))
    })
    .await
}
