//! Others change what is there, and people leave: drift, and `DeletionPolicy: Retain`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecordSet};
use serde_json::{Value, json};

use super::Act;
use super::stack::{ProtectionStack, Variant};
use super::updates::{NAME, settings};
use super::vigil::Vigil;
use super::writes::Writes;
use crate::deployment::output_of;
use crate::narration::{Seen, Step};
use crate::site::{ALARM, PROTECTION};
use crate::stage::Stage;

/// Until every edge has a change of the distribution, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn play(stage: &Stage<'_>, act: &Act) -> Result<()> {
    let stack = ProtectionStack::new(stage, NAME, &settings(stage, act));
    drift(stage, act).await?;
    retained(stage, act, &stack).await?;
    left(stage, act, &stack).await?;
    by_hand(stage, act, &stack).await
}

/// What somebody else has changed is told, and nothing of it is put back behind anyone's back.
async fn drift(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("Somebody changes a TTL, disables the health check and points a behaviour elsewhere", async |step| {
            let before = act.picture(stage).await?;
            let id = &act.site.distribution_id;
            let none = status(stage, act)?;
            ensure!(none["drift"] == json!([]), "expected no drift yet, and saw {}", none["drift"]);

            let records = act.site.failover_records(&stage.aws).await?;
            let secondary = records.last().context("there is no record")?;
            ttl(stage, act, secondary, 300).await?;
            let check = records[0].health_check_id().context("the primary has no health check")?.to_owned();
            stage.aws.route53.update_health_check().health_check_id(&check).disabled(true).send().await?;
            let found = stage.aws.distribution(id).await?;
            let text = String::from_utf8(found.bytes).context("the configuration is no UTF-8")?;
            let (ours, theirs) = (
                "<PathPattern>/checkout/*</PathPattern><TargetOriginId>failopen-www<",
                "<PathPattern>/checkout/*</PathPattern><TargetOriginId>api-eu<",
            );
            ensure!(text.contains(ours), "expected /checkout/* on our origin");
            stage.aws.write_distribution(id, &text.replacen(ours, theirs, 1)).await?;
            step.did("changed all three, as by the console");

            let changed = act.picture(stage).await?;
            let told = status(stage, act)?;
            let drifts: Vec<String> = told["drift"].as_array().into_iter().flatten().map(line).collect();
            for wanted in ["SECONDARY TTL", "Disabled", "behavior /checkout/* target"] {
                ensure!(drifts.iter().any(|drift| drift.contains(wanted)), "expected {wanted} in {drifts:?}");
            }
            for drift in &drifts {
                step.saw(drift);
            }
            ensure!(told["posture"] == "foreign", "expected the posture foreign, and saw {}", told["posture"]);
            stage.tick(&act.deployment.react).await?;
            act.is_still(stage, &changed, "hands off").await?;
            step.saw("posture foreign; after a tick nothing was put back behind anyone's back");

            stage.aws.write_distribution(id, &text).await?;
            stage.aws.route53.update_health_check().health_check_id(&check).disabled(false).send().await?;
            ttl(stage, act, secondary, secondary.ttl().unwrap_or_default()).await?;
            step.did("changed all three back");
            let none = status(stage, act)?;
            ensure!(none["drift"] == json!([]), "expected no drift any more, and saw {}", none["drift"]);
            act.is_still(stage, &before, "everything as before").await?;
            step.saw("status tells of no drift any more");
            Ok(())
        })
        .await
}

/// The resource leaves its stack, and comes back.
async fn retained(stage: &Stage<'_>, act: &Act, stack: &ProtectionStack<'_>) -> Result<()> {
    stage
        .narration
        .step("DeletionPolicy: Retain: the protection leaves its stack, works, and comes back", async |step| {
            let before = act.picture(stage).await?;
            let status = stack.update(Variant::Retained, &stack.settings, step).await?;
            ensure!(status == "UPDATE_COMPLETE", "expected UPDATE_COMPLETE, and saw {status}");
            step.did("deployed the same with DeletionPolicy: Retain");
            let mut writes = Writes::listen(stage);
            let status = stack.without_protection(step).await?;
            ensure!(status == "UPDATE_COMPLETE", "expected UPDATE_COMPLETE, and saw {status}");
            let made = writes.made()?;
            ensure!(made.is_empty(), "expected no write, and saw {made:?}");
            act.is_still(stage, &before, "everything to stay").await?;
            step.saw("taken out of the stack: everything stays, and no call was made that changes anything");
            works(stage, act)?;
            step.saw("status, bypass, restore and unpin work as before");
            act.is_still(stage, &before, "everything as before").await?;

            let mut writes = Writes::listen(stage);
            let status = stack.update(Variant::AsItIs, &stack.settings, step).await?;
            ensure!(status == "UPDATE_COMPLETE", "expected UPDATE_COMPLETE, and saw {status}: {}", stack.failure()?);
            let made = writes.made()?;
            ensure!(made.is_empty(), "expected no write, and saw {made:?}");
            act.is_still(stage, &before, "everything as before").await?;
            step.saw("put back under the same logical id: taken over as it is, without a write");
            Ok(())
        })
        .await
}

/// The stack goes, and the protection stays; another stack does not get it.
async fn left(stage: &Stage<'_>, act: &Act, stack: &ProtectionStack<'_>) -> Result<()> {
    stage
        .narration
        .step("The stack is deleted with Retain: everything stays, and belongs to nobody else", async |step| {
            let with_policy = stack.with(&[("HoldDownSeconds", "901".to_owned())]);
            let status = stack.update(Variant::Retained, &with_policy, step).await?;
            ensure!(status == "UPDATE_COMPLETE", "expected UPDATE_COMPLETE, and saw {status}");
            let id = stack.id()?;
            let kept = act.picture(stage).await?;
            let status = stack.delete(step).await?;
            ensure!(status == "DELETE_COMPLETE", "expected DELETE_COMPLETE, and saw {status}");
            act.is_still(stage, &kept, "everything to stay").await?;
            works(stage, act)?;
            step.saw("the stack is gone; records, check, alarm, origin, targets and row stay, and flips work");

            let status = stack.create(step).await?;
            ensure!(status == "ROLLBACK_COMPLETE", "expected a refusal, and saw {status}");
            let reason = stack.failure()?;
            ensure!(
                reason.contains("one name has one owner") && reason.contains(&id),
                "expected the owner, and saw {reason}"
            );
            step.saw(reason);
            let status = stack.delete(step).await?;
            ensure!(status == "DELETE_COMPLETE", "expected the refused stack to be deleted, and saw {status}");
            act.is_still(stage, &kept, "everything to stay").await?;

            Ok(())
        })
        .await
}

/// What was kept is removed by hand, as docs/infrastructure-as-code.md says, and the name is free again.
async fn by_hand(stage: &Stage<'_>, act: &Act, stack: &ProtectionStack<'_>) -> Result<()> {
    stage
        .narration
        .step("What was kept is removed by hand, and the name is free again", async |step| {
            let id = &act.site.distribution_id;
            let bypass =
                json!({"action": "bypass", "protection": PROTECTION, "reason": "we leave", "expiresIn": "never"});
            let answer = stage.tools.invoke(&act.deployment.flip, &bypass)?;
            ensure!(answer["posture"]["after"] == "bypassed", "expected a bypass, and saw {answer}");
            let original = std::str::from_utf8(&act.site.original.bytes).context("the configuration is no UTF-8")?;
            deployed(stage, id, step).await?;
            stage.aws.write_distribution(id, original).await?;
            deployed(stage, id, step).await?;
            let vigil = Vigil::begin(stage, &act.site, &[&act.site.zone_id, &act.other_zone], None);
            let records = act.site.failover_records(&stage.aws).await?;
            let ttl = records.iter().filter_map(ResourceRecordSet::ttl).max().unwrap_or_default();
            let ttl = Duration::from_secs(u64::try_from(ttl)?);
            step.pause("the records' time to live, before they are removed", stage.clock.scale().wall(ttl)).await;
            let check = records[0].health_check_id().context("the primary has no health check")?.to_owned();
            for record in records {
                change(stage, act, ChangeAction::Delete, record).await?;
            }
            stage.aws.cloudwatch.delete_alarms().alarm_names(ALARM).send().await.context("DeleteAlarms")?;
            stage.aws.route53.delete_health_check().health_check_id(check).send().await.context("DeleteHealthCheck")?;
            let table = output_of(stage, "LedgerTableName")?;
            let names = json!({":name": {"S": PROTECTION}}).to_string();
            let query =
                ["dynamodb", "query", "--table-name", &table, "--key-condition-expression", "protection = :name"];
            let rows = stage.tools.aws(&[query.as_slice(), &["--expression-attribute-values", &names]].concat())?;
            let rows = rows["Items"].as_array().context("the query answered no items")?;
            for row in rows {
                let key = json!({"protection": row["protection"], "entry": row["entry"]}).to_string();
                stage.tools.aws(&["dynamodb", "delete-item", "--table-name", &table, "--key", &key])?;
            }
            step.did(format!("bypass, origin, records, alarm, health check, and {} items of the ledger", rows.len()));
            vigil.end()?;
            let status = stack.create(step).await?;
            ensure!(
                status == "CREATE_COMPLETE",
                "expected the name to be free, and saw {status}: {}",
                stack.failure()?
            );
            step.saw(format!("a new stack takes the name: {status}"));
            let status = stack.delete(step).await?;
            ensure!(status == "DELETE_COMPLETE", "expected DELETE_COMPLETE, and saw {status}");
            step.saw(format!("and gives it back: {status}"));
            Ok(())
        })
        .await
}

/// Waits until every edge has the distribution's configuration.
async fn deployed(stage: &Stage<'_>, id: &str, step: &Step<'_>) -> Result<()> {
    step.until("the distribution to be Deployed", PATIENCE, async || {
        let told = stage.tools.aws(&["cloudfront", "get-distribution", "--id", id])?;
        let status = told["Distribution"]["Status"].as_str().unwrap_or_default().to_owned();
        Ok(if status == "Deployed" { Seen::Done(()) } else { Seen::NotYet(status) })
    })
    .await
}

/// A bypass, a restore and the end of its pin.
fn works(stage: &Stage<'_>, act: &Act) -> Result<()> {
    for action in ["bypass", "restore"] {
        let request = json!({"action": action, "protection": PROTECTION, "reason": "a trial", "expiresIn": "1h"});
        let answer = stage.tools.invoke(&act.deployment.flip, &request)?;
        ensure!(answer["outcome"] == "changed", "expected {action} to change something, and saw {answer}");
    }
    stage.tools.invoke(&act.deployment.flip, &json!({"action": "unpin", "protection": PROTECTION}))?;
    let told = status(stage, act)?;
    ensure!(told["posture"] == "inspected" && told["drift"] == json!([]), "expected all well, and saw {told}");
    Ok(())
}

fn status(stage: &Stage<'_>, act: &Act) -> Result<Value> {
    stage.tools.invoke(&act.deployment.flip, &json!({"action": "status", "protection": PROTECTION}))
}

fn line(drift: &Value) -> String {
    let text = |key: &str| drift[key].as_str().unwrap_or_default();
    format!("{}: expected {}, found {}", text("what"), text("expected"), text("found"))
}

async fn ttl(stage: &Stage<'_>, act: &Act, record: &ResourceRecordSet, seconds: i64) -> Result<()> {
    let mut record = record.clone();
    record.ttl = Some(seconds);
    change(stage, act, ChangeAction::Upsert, record).await
}

async fn change(stage: &Stage<'_>, act: &Act, action: ChangeAction, record: ResourceRecordSet) -> Result<()> {
    let change = Change::builder().action(action).resource_record_set(record).build()?;
    let batch = ChangeBatch::builder().changes(change).build()?;
    let send = stage.aws.route53.change_resource_record_sets().hosted_zone_id(&act.site.zone_id).change_batch(batch);
    send.send().await.context("ChangeResourceRecordSets")?;
    Ok(())
}
