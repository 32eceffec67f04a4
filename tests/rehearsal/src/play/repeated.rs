//! CloudFormation delivers at least once: a Create that arrives again, twice, makes nothing twice.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::Act;
use super::refused::inventory;
use crate::deployment::{HOLD_DOWN, STACK, describe};
use crate::site::{APPLICATION, FAILOVER_RECORD, INSPECTION, PROTECTION, TRAFFIC};
use crate::stage::{Stage, expect};

pub(super) async fn play(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("The Create event is delivered again, twice", async |step| {
            let before = inventory(stage, act).await?;
            let event = create_event(stage, act)?;
            for _ in 0..2 {
                let answer = stage.aws.invoke(&act.deployment.provision, &event).await?;
                expect(&answer, "/requestType", "Create")?;
                expect(&answer, "/outcome", "SUCCESS")?;
            }
            step.did("invoked the provision function with the same Create event, as CloudFormation's retries do");
            let after = inventory(stage, act).await?;
            ensure!(before == after, "expected nothing new; before: {before}; after: {after}");
            step.saw(format!("still {after}"));
            Ok(())
        })
        .await
}

/// A Create of the deployed protection, as CloudFormation sends it: every value is a string.
fn create_event(stage: &Stage<'_>, act: &Act) -> Result<Value> {
    let stack = describe(stage, STACK)?.unwrap_or_default();
    ensure!(stack["StackId"].is_string(), "there is no stack {STACK}");
    Ok(json!({
        "RequestType": "Create",
        "RequestId": "11111111-2222-3333-4444-555555555555",
        "ResponseURL": format!("{}/_ministack/cfn-response/again", stage.endpoint()),
        "StackId": stack["StackId"],
        "LogicalResourceId": "Protection",
        "ResourceType": "Custom::FailOpenProtection",
        "ResourceProperties": {
            "ServiceToken": act.deployment.provision,
            "Name": PROTECTION,
            "DistributionId": act.site.distribution_id,
            "FailoverRecord": FAILOVER_RECORD,
            "InspectionHostname": INSPECTION,
            "ApplicationHostname": APPLICATION,
            "HostedZoneId": act.site.zone_id,
            "Traffic": TRAFFIC,
            "HealthCheck": {"Path": "/"},
            "OriginPort": stage.origins.port().to_string(),
            "EdgeFailOpen": "automatic",
            "HoldDownSeconds": HOLD_DOWN.as_secs().to_string(),
            "MinimumDwellSeconds": "0",
            "MaximumFlipsPerDay": "20",
        },
    }))
}
