//! A second stack asks for a protection with bad values: refused as a whole, and nothing is left behind.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::Act;
use crate::deployment::settled;
use crate::site::{APPLICATION, INSPECTION, ZONE};
use crate::stage::Stage;

const STACK: &str = "bad-values";

/// Properties that the answer must name, all of them together.
const WRONG: [&str; 5] = ["DistributionId", "FailoverRecord", "ApplicationHostname", "Traffic", "HealthCheck"];

/// A refusal needs no call that could take long.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn play(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("Another stack with bad values: all problems in one answer, and nothing left behind", async |step| {
            let before = inventory(stage, act).await?;
            let template = stage.workplace.run().join("bad-values.json");
            std::fs::write(&template, serde_json::to_vec_pretty(&bad_values(&act.deployment.provision))?)?;
            let body = format!("file://{}", template.display());
            stage.tools.aws(&["cloudformation", "create-stack", "--stack-name", STACK, "--template-body", &body])?;
            step.did("asked for: an unknown distribution, a record at the apex, one host twice, a pattern twice, threshold 0");
            let status = settled(stage, STACK, PATIENCE, step).await?;
            ensure!(status == "ROLLBACK_COMPLETE", "expected stack {STACK} in ROLLBACK_COMPLETE, and saw {status}");
            let reason = failure(stage, STACK)?;
            step.saw(format!("CREATE_FAILED: {reason}"));
            for property in WRONG {
                ensure!(reason.contains(property), "expected {property} to be named in: {reason}");
            }
            let after = inventory(stage, act).await?;
            ensure!(before == after, "expected nothing to be left behind; before: {before}; after: {after}");
            step.saw(format!("still {after}"));
            stage.tools.aws(&["cloudformation", "delete-stack", "--stack-name", STACK])?;
            settled(stage, STACK, PATIENCE, step).await?;
            Ok(())
        })
        .await
}

fn bad_values(service_token: &str) -> Value {
    json!({
        "Resources": {"Protection": {"Type": "Custom::FailOpenProtection", "Properties": {
            "ServiceToken": service_token,
            "ServiceTimeout": 120,
            "Name": "bad-values",
            "DistributionId": "EDOESNOTEXIST",
            "FailoverRecord": ZONE,
            "InspectionHostname": INSPECTION,
            "ApplicationHostname": INSPECTION,
            "HostedZoneId": "ZDOESNOTEXIST",
            "Traffic": ["*", "*"],
            "HealthCheck": {"FailureThreshold": 0},
        }}}
    })
}

/// Why the protection could not be created, as CloudFormation tells it.
pub(super) fn failure(stage: &Stage<'_>, stack: &str) -> Result<String> {
    let answer = stage.tools.aws(&["cloudformation", "describe-stack-events", "--stack-name", stack])?;
    let events = answer["StackEvents"].as_array().context("CloudFormation answered without events")?;
    let failed = events.iter().find(|event| {
        event["ResourceStatus"] == "CREATE_FAILED" && event["ResourceType"] == "Custom::FailOpenProtection"
    });
    match failed.and_then(|event| event["ResourceStatusReason"].as_str()) {
        Some(reason) => Ok(reason.to_owned()),
        None => bail!("expected the protection to fail, and saw {events:?}"),
    }
}

/// Everything that a protection consists of, counted.
pub(super) async fn inventory(stage: &Stage<'_>, act: &Act) -> Result<String> {
    let checks = stage.aws.route53.list_health_checks().send().await?;
    let alarms = stage.aws.cloudwatch.describe_alarms().alarm_name_prefix("failopen-").send().await?;
    let records = stage.aws.route53.list_resource_record_sets().hosted_zone_id(&act.site.zone_id).send().await?;
    let document = stage.aws.distribution(&act.site.distribution_id).await?;
    Ok(format!(
        "{} health checks, {} alarms of ours, {} record sets in {ZONE}, ETag {}, application {APPLICATION}",
        checks.health_checks().len(),
        alarms
            .metric_alarms()
            .iter()
            .filter(|alarm| alarm.alarm_name().is_some_and(|name| name.ends_with("-inspection")))
            .count(),
        records.resource_record_sets().len(),
        document.etag,
    ))
}
