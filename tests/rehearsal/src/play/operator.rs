//! An operator takes over, by the AWS CLI, and gives back.

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecordSet};
use serde_json::{Value, json};

use super::{Act, outage};
use crate::deployment::HOLD_DOWN;
use crate::site::PROTECTION;
use crate::stage::{Stage, expect};

pub(super) async fn play(stage: &Stage<'_>, act: &Act) -> Result<()> {
    bypass_by_hand(stage, act).await?;
    pin_outlives_health(stage, act).await?;
    plan(stage, act).await?;
    status(stage, act).await?;
    unpin(stage, act).await
}

async fn bypass_by_hand(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("An operator bypasses with the AWS CLI while all is well", async |step| {
            let request = json!({
                "action": "bypass", "protection": PROTECTION, "reason": "INC-42", "requestedBy": "rehearsal", "expiresIn": "1h"
            });
            step.did(format!("aws lambda invoke --function-name {} --payload '{request}'", act.deployment.flip));
            let answer = stage.tools.invoke(&act.deployment.flip, &request)?;
            let because = expect(&answer, "/outcome", "changed")?;
            expect(&answer, "/posture/before", "inspected")?;
            expect(&answer, "/posture/after", "bypassed")?;
            expect(&answer, "/pin/posture", "bypassed")?;
            expect(&answer, "/pin/reason", "INC-42")?;
            step.saw(format!("changed, pinned until {}. {because}", text(&answer, "/pin/expiresAt")));
            let posture = act.site.posture(&stage.aws).await?;
            ensure!(posture == "bypassed", "expected the distribution to be bypassed, and saw {posture}");
            step.saw("every protected behaviour goes to the application");
            Ok(())
        })
        .await
}

async fn pin_outlives_health(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("The pin outlives a healthy alarm", async |step| {
            let before = stage.aws.distribution(&act.site.distribution_id).await?;
            stage.alarm_in(step, "OK").await?;
            step.pause("the alarm stays OK for longer than the hold-down time", HOLD_DOWN).await;
            stage.tick(&act.deployment.react).await?;
            let decision = stage.decide(&act.deployment.react).await?;
            let because = expect(&decision, "/reason", "Pinned")?;
            step.saw(format!("react: hold, {}. {because}", text(&decision, "/reason")));
            let after = stage.aws.distribution(&act.site.distribution_id).await?;
            ensure!(before.etag == after.etag, "expected ETag {}, and saw {}", before.etag, after.etag);
            step.saw(format!("ETag still {}", after.etag));
            Ok(())
        })
        .await
}

async fn plan(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("Plan: what would be done, and nothing is", async |step| {
            let before = stage.aws.distribution(&act.site.distribution_id).await?;
            let answer =
                stage.tools.invoke(&act.deployment.flip, &json!({"action": "plan", "protection": PROTECTION}))?;
            expect(&answer, "/action", "plan")?;
            step.saw(format!("plan: {}", text(&answer, "/because")));
            let request = json!({"action": "restore", "protection": PROTECTION, "reason": "INC-42", "dryRun": true});
            let answer = stage.tools.invoke(&act.deployment.flip, &request)?;
            expect(&answer, "/outcome", "planned")?;
            for behavior in answer["behaviors"].as_array().into_iter().flatten() {
                let [pattern, from, to] = ["/pathPattern", "/from", "/to"].map(|field| text(behavior, field));
                step.saw(format!("dry run of restore: {pattern} from \"{from}\" to \"{to}\""));
            }
            let after = stage.aws.distribution(&act.site.distribution_id).await?;
            ensure!(before.etag == after.etag, "expected ETag {}, and saw {}", before.etag, after.etag);
            step.saw(format!("ETag still {}", after.etag));
            Ok(())
        })
        .await
}

async fn status(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("Status, with a record that somebody has changed by hand", async |step| {
            let records = act.site.failover_records(&stage.aws).await?;
            let primary = records.first().context("there is no failover record")?;
            let mut slow = primary.clone();
            slow.ttl = Some(300);
            upsert(stage, act, slow).await?;
            step.did("set the primary's TTL to 300 in the console's stead");
            let answer =
                stage.tools.invoke(&act.deployment.flip, &json!({"action": "status", "protection": PROTECTION}))?;
            step.saw(serde_json::to_string_pretty(&answer)?);
            expect(&answer, "/posture", "bypassed")?;
            expect(&answer, "/traffic", "bypassed-edge")?;
            expect(&answer, "/alarm/state", "OK")?;
            expect(&answer, "/pin/reason", "INC-42")?;
            expect(&answer, "/health/inspection", "healthy")?;
            let drift = answer["drift"].as_array().map(Vec::as_slice).unwrap_or_default();
            if !drift.iter().any(|drift| drift["found"] == "300") {
                bail!("expected the TTL of 300 in the drift, and saw {drift:?}");
            }
            upsert(stage, act, primary.clone()).await?;
            step.did("set the TTL back");
            Ok(())
        })
        .await
}

async fn upsert(stage: &Stage<'_>, act: &Act, record: ResourceRecordSet) -> Result<()> {
    let change = Change::builder().action(ChangeAction::Upsert).resource_record_set(record).build()?;
    let batch = ChangeBatch::builder().changes(change).build()?;
    let request = stage.aws.route53.change_resource_record_sets().hosted_zone_id(&act.site.zone_id).change_batch(batch);
    request.send().await.context("ChangeResourceRecordSets").map(drop)
}

async fn unpin(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("The operator gives back: hold-down starts anew, then traffic is inspected", async |step| {
            let answer =
                stage.tools.invoke(&act.deployment.flip, &json!({"action": "unpin", "protection": PROTECTION}))?;
            ensure!(answer["pin"].is_null(), "expected no pin any more, and saw {answer}");
            step.did("aws lambda invoke … {\"action\": \"unpin\"}");
            let decision = stage.decide(&act.deployment.react).await?;
            let because = expect(&decision, "/reason", "HoldDown")?;
            step.saw(format!("react: hold, HoldDown. {because}"));
            outage::restored(stage, act, step).await
        })
        .await
}

fn text<'v>(answer: &'v Value, pointer: &str) -> &'v str {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or("nothing")
}
