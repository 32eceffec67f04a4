//! What is plainly wrong with a distribution or a record, one case after the other: each is refused by its code and its
//! property, and leaves nothing behind.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::Act;
use super::refused::{failure, inventory};
use crate::deployment::settled;
use crate::site::{APPLICATION, FAILOVER_RECORD, INSPECTION};
use crate::stage::Stage;

const STACK: &str = "refused";

/// A refusal needs no call that could take long.
const PATIENCE: Duration = Duration::from_secs(120);

/// One wrong thing.
struct Case {
    told: &'static str,
    /// An edit of the second distribution's document, made in the console's stead: text, and what stands there instead.
    edit: Option<(&'static str, &'static str)>,
    properties: Value,
    property: &'static str,
    code: &'static str,
}

fn cases(act: &Act) -> Vec<Case> {
    let route53 = json!({"Dns": "route53", "HostedZoneId": act.site.zone_id});
    let case = |told, edit, properties, property, code| Case { told, edit, properties, property, code };
    vec![
        case(
            "a distribution that is disabled",
            Some((
                "<PriceClass>PriceClass_All</PriceClass><Enabled>true",
                "<PriceClass>PriceClass_All</PriceClass><Enabled>false",
            )),
            json!({}),
            "DistributionId",
            "distribution-disabled",
        ),
        case(
            "a staging distribution",
            Some(("<Staging>false", "<Staging>true")),
            json!({}),
            "DistributionId",
            "distribution-staging",
        ),
        case(
            "behaviours with different targets",
            None,
            json!({"Traffic": ["*", "/legacy/*"]}),
            "Traffic",
            "behavior-mixed-origins",
        ),
        case(
            "a behaviour on an origin group",
            None,
            json!({"Traffic": ["/media/*"]}),
            "Traffic",
            "behavior-origin-group",
        ),
        case("a behaviour on an S3 origin", None, json!({"Traffic": ["/static/*"]}), "Traffic", "origin-type"),
        case("a record that is somebody else's", None, route53, "FailoverRecord", "record-conflict"),
    ]
}

pub(super) async fn play(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step(
            "Six things that are plainly wrong, one stack each: refused by name, and nothing left behind",
            async |step| {
                let before = inventory(stage, act).await?;
                for case in cases(act) {
                    if let Some((from, to)) = case.edit {
                        edit(stage, act, from, to).await?;
                    }
                    let template = stage.workplace.run().join("refused.json");
                    std::fs::write(&template, serde_json::to_vec_pretty(&protection(stage, act, &case.properties)?)?)?;
                    let body = format!("file://{}", template.display());
                    stage.tools.aws(&[
                        "cloudformation",
                        "create-stack",
                        "--stack-name",
                        STACK,
                        "--template-body",
                        &body,
                    ])?;
                    let status = settled(stage, STACK, PATIENCE, step).await?;
                    ensure!(
                        status == "ROLLBACK_COMPLETE",
                        "{}: expected ROLLBACK_COMPLETE, and saw {status}",
                        case.told
                    );
                    let reason = failure(stage, STACK)?;
                    for word in [case.property, case.code] {
                        ensure!(reason.contains(word), "{}: expected {word} in: {reason}", case.told);
                    }
                    step.saw(format!("{}: {reason}", case.told));
                    stage.tools.aws(&["cloudformation", "delete-stack", "--stack-name", STACK])?;
                    settled(stage, STACK, PATIENCE, step).await?;
                    if let Some((from, to)) = case.edit {
                        edit(stage, act, to, from).await?;
                    }
                    let now = stage.aws.distribution(&act.site.second.id).await?;
                    ensure!(
                        now.bytes == act.site.second.original.bytes,
                        "{}: the distribution is not byte for byte what it was",
                        case.told
                    );
                }
                let after = inventory(stage, act).await?;
                ensure!(before == after, "expected nothing to be left behind; before: {before}; after: {after}");
                step.saw(format!("still {after}; the second distribution is byte for byte what it was"));
                Ok(())
            },
        )
        .await
}

/// A template with one protection of the second distribution, good but for `changes`.
fn protection(stage: &Stage<'_>, act: &Act, changes: &Value) -> Result<Value> {
    let mut properties: Map<String, Value> = Map::new();
    let good = json!({
        "ServiceToken": act.deployment.provision,
        "ServiceTimeout": 120,
        "Name": "refused",
        "DistributionId": act.site.second.id,
        "FailoverRecord": FAILOVER_RECORD,
        "InspectionHostname": INSPECTION,
        "ApplicationHostname": APPLICATION,
        "Dns": "external",
        "OriginPort": stage.origins.port(),
    });
    for values in [&good, changes] {
        properties.extend(values.as_object().context("properties are an object")?.clone());
    }
    Ok(json!({"Resources": {"Protection": {"Type": "Custom::FailOpenProtection", "Properties": properties}}}))
}

/// Edits the second distribution's document as its owner might.
async fn edit(stage: &Stage<'_>, act: &Act, from: &str, to: &str) -> Result<()> {
    let id = &act.site.second.id;
    let now = stage.aws.distribution(id).await?;
    let text = String::from_utf8(now.bytes)?;
    ensure!(text.contains(from), "the distribution does not contain {from}, so nothing would be proven");
    stage.aws.write_distribution(id, &text.replacen(from, to, 1)).await
}
