//! A second distribution that shares the failover record, protected from a stack of its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Act;
use crate::deployment::{STACK, settled};
use crate::narration::Step;
use crate::site::{APPLICATION, FAILOVER_RECORD, INSPECTION};
use crate::stage::Stage;

/// Name of the second protection.
pub(super) const NAME: &str = "shop";
const STACK_OF_SECOND: &str = "failopen-shop";

/// Deletion waits for every edge and for a TTL.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn play(stage: &Stage<'_>, act: &Act) -> Result<()> {
    planned(stage, act).await?;
    deployed(stage, act).await
}

/// What the second protection is, as parameters of infra/protection.yaml and as properties.
pub(super) fn settings(stage: &Stage<'_>, act: &Act) -> Vec<(&'static str, String)> {
    vec![
        ("Name", NAME.to_owned()),
        ("DistributionId", act.site.second.id.clone()),
        ("FailoverRecord", FAILOVER_RECORD.to_owned()),
        ("InspectionHostname", INSPECTION.to_owned()),
        ("ApplicationHostname", APPLICATION.to_owned()),
        // The first protection holds the record; this one only uses it.
        ("Dns", "external".to_owned()),
        ("OriginPort", stage.origins.port().to_string()),
    ]
}

async fn planned(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("A second distribution that shares the record: the plan first", async |step| {
            let properties: serde_json::Map<String, Value> =
                settings(stage, act).into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
            let before = stage.aws.distribution(&act.site.second.id).await?;
            let request = json!({"action": "plan", "properties": properties});
            let answer = stage.tools.invoke(&act.deployment.provision, &request)?;
            step.did("aws lambda invoke of the provision function with {\"action\": \"plan\", …}");
            let steps = answer["plan"].as_array().context("the answer has no plan")?;
            ensure!(!steps.is_empty(), "expected steps, and saw {answer}");
            step.saw(answer["text"].as_str().context("the answer has no text")?);
            let now = stage.aws.distribution(&act.site.second.id).await?;
            ensure!(now == before, "a plan has changed the distribution");
            Ok(())
        })
        .await
}

async fn deployed(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("infra/protection.yaml: protected from a stack of its own, and released again", async |step| {
            create_stack(stage, &settings(stage, act), step).await?;
            is_created(stage, step).await?;
            let document = stage.aws.distribution(&act.site.second.id).await?;
            let protected = format!("<DefaultCacheBehavior><TargetOriginId>failopen-{NAME}<");
            ensure!(
                String::from_utf8_lossy(&document.bytes).contains(&protected),
                "expected the default behaviour of {} on the origin failopen-{NAME}",
                act.site.second.id
            );
            step.saw(format!(
                "stack {STACK_OF_SECOND}: CREATE_COMPLETE; * of {} goes to failopen-{NAME}",
                act.site.second.id
            ));
            delete_stack(stage, step).await?;
            let document = stage.aws.distribution(&act.site.second.id).await?;
            ensure!(
                document.bytes == act.site.second.original.bytes,
                "the distribution {} is not byte for byte what it was",
                act.site.second.id
            );
            step.saw("deleted again; the distribution is byte for byte what it was");
            let records = act.site.failover_records(&stage.aws).await?;
            ensure!(
                records.len() == 2,
                "expected the first protection's two records untouched, and saw {}",
                records.len()
            );
            step.saw("the first protection's records are untouched");
            Ok(())
        })
        .await
}

/// Begins to create the second protection's stack.
pub(super) async fn create_stack(stage: &Stage<'_>, settings: &[(&str, String)], step: &Step<'_>) -> Result<()> {
    let template = stage.workplace.repository().join("infra/protection.yaml");
    let body = format!("file://{}", template.display());
    let mut parameters = vec![parameter("EngineStackName", STACK)];
    parameters.extend(settings.iter().map(|(name, value)| parameter(name, value)));
    let create = ["cloudformation", "create-stack", "--stack-name", STACK_OF_SECOND, "--template-body", &body];
    let mut arguments = [create.as_slice(), &["--parameters"]].concat();
    arguments.extend(parameters.iter().map(String::as_str));
    stage.tools.aws(&arguments)?;
    let told: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    step.did(format!("aws cloudformation create-stack with infra/protection.yaml and {}", told.join(" ")));
    Ok(())
}

/// Waits until it is there.
pub(super) async fn is_created(stage: &Stage<'_>, step: &Step<'_>) -> Result<()> {
    let status = settled(stage, STACK_OF_SECOND, PATIENCE, step).await?;
    ensure!(status == "CREATE_COMPLETE", "expected the stack in CREATE_COMPLETE, and saw {status}");
    Ok(())
}

pub(super) async fn delete_stack(stage: &Stage<'_>, step: &Step<'_>) -> Result<()> {
    stage.tools.aws(&["cloudformation", "delete-stack", "--stack-name", STACK_OF_SECOND])?;
    let status = settled(stage, STACK_OF_SECOND, PATIENCE, step).await?;
    ensure!(status == "DELETE_COMPLETE", "expected the stack to be gone, and saw it in {status}");
    Ok(())
}

fn parameter(name: &str, value: &str) -> String {
    format!("ParameterKey={name},ParameterValue={value}")
}
