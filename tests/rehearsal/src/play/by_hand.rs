//! Runbooks that somebody has followed by hand: what is there is adopted, and left as it was.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, HealthCheckConfig, HealthCheckType, ResourceRecord, ResourceRecordSet,
    ResourceRecordSetFailover, RrType,
};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::Act;
use super::second::{NAME, create_stack, delete_stack, is_created, settings};
use crate::aws::RawDocument;
use crate::narration::{Seen, Step};
use crate::origins::HEALTH_PATH;
use crate::referee::Exchange;
use crate::site::{APPLICATION, FAILOVER_RECORD, INSPECTION, SHOP_RECORD};
use crate::stage::Stage;

/// Alarm of the second protection.
const ALARM: &str = "failopen-shop-inspection";
/// Not the template's default: what people chose has to be declared.
const TTL: i64 = 60;
/// Until provision has looked at the health check for the first time.
const PATIENCE: Duration = Duration::from_secs(300);
/// Lines of a function's log that are read back.
const LINES: usize = 2_000;

/// The origin is there and the default behaviour uses it; the record is the first protection's.
pub(super) async fn origin(stage: &Stage<'_>, act: &Act) -> Result<()> {
    let id = &act.site.second.id;
    stage
        .narration
        .step(
            "Somebody has added origin and behaviour by hand: they are adopted, and left as they were",
            async |step| {
                let (today, found) = pointed_by_hand(stage, act, FAILOVER_RECORD, step).await?;
                create_stack(stage, &settings(stage, act), step).await?;
                is_created(stage, step).await?;
                is_untouched(stage, id, &found).await?;
                step.saw("protected, and the distribution has the very ETag that it had");
                flipped(stage, act, &today, FAILOVER_RECORD, step).await?;
                delete_stack(stage, step).await?;
                let now = stage.aws.distribution(id).await?;
                ensure!(now.bytes == found.bytes, "the distribution is not byte for byte what it was found as");
                step.saw("deleted again; origin and behaviour are as they were made by hand, byte for byte");
                stage.aws.write_distribution(id, &today).await
            },
        )
        .await
}

/// Records and a calculated health check, too.
pub(crate) async fn everything(stage: &Stage<'_>, act: &Act) -> Result<()> {
    let id = &act.site.second.id;
    stage
        .narration
        .step(
            "Somebody has followed the whole runbook by hand, with a health check that watches another one",
            async |step| {
                let checks = Checks::make(stage).await?;
                step.did(format!("made a check on {INSPECTION} and a calculated one of it, {}", checks.calculated));
                change_records(stage, act, ChangeAction::Create, &checks.calculated).await?;
                step.did(format!("made the failover pair {SHOP_RECORD} with that, TTL {TTL}"));
                let (today, found) = pointed_by_hand(stage, act, SHOP_RECORD, step).await?;
                let records = act.site.records_of(&stage.aws, SHOP_RECORD).await?;
                ensure!(records.len() == 2, "expected a pair of records, and saw {records:?}");

                // As people do for a maintenance: nothing of theirs tells the checkers, only the metric does.
                checks.invert(stage, true).await?;
                let mut requests = stage.referee.listen();
                create_stack(stage, &declared(stage, act, &checks), step).await?;
                waits_for_the_metric(stage, &mut requests, step).await?;
                checks.invert(stage, false).await?;
                step.did("ended the inversion");
                is_created(stage, step).await?;
                let because = last_word(stage, "inspection is healthy").await?;
                ensure!(
                    because.contains("its metric HealthCheckStatus is 1"),
                    "expected the metric, and saw {because}"
                );
                step.saw("protected as soon as the check's metric HealthCheckStatus was 1");

                is_untouched(stage, id, &found).await?;
                let same = act.site.records_of(&stage.aws, SHOP_RECORD).await? == records;
                ensure!(same, "the records that were made by hand were written to");
                step.saw("records as they were, and the distribution has the very ETag that it had");
                let alarms = stage.aws.cloudwatch.describe_alarms().alarm_names(ALARM).send().await?;
                let watched = alarms.metric_alarms().iter().flat_map(|alarm| alarm.dimensions());
                let watched: Vec<&str> = watched.filter_map(|dimension| dimension.value()).collect();
                ensure!(
                    watched == [checks.calculated.as_str()],
                    "expected an alarm on the calculated check: {watched:?}"
                );
                step.saw(format!("the alarm {ALARM} is on the calculated check"));

                flipped(stage, act, &today, SHOP_RECORD, step).await?;
                delete_stack(stage, step).await?;
                let now = stage.aws.distribution(id).await?;
                ensure!(now.bytes == found.bytes, "the distribution is not byte for byte what it was found as");
                let same = act.site.records_of(&stage.aws, SHOP_RECORD).await? == records;
                ensure!(same, "the records are not what they were found as");
                let left = stage.aws.cloudwatch.describe_alarms().alarm_names(ALARM).send().await?;
                ensure!(left.metric_alarms().is_empty(), "expected no alarm {ALARM}, and it is still there");
                checks.are_both_there(stage).await?;
                step.saw("deleted again; records, both checks, origin and behaviour are as they were made by hand");

                stage.aws.write_distribution(id, &today).await?;
                change_records(stage, act, ChangeAction::Delete, &checks.calculated).await?;
                checks.remove(stage).await
            },
        )
        .await
}

/// The whole pair as it was made, declared.
fn declared(stage: &Stage<'_>, act: &Act, checks: &Checks) -> Vec<(&'static str, String)> {
    let own = [
        ("FailoverRecord", SHOP_RECORD.to_owned()),
        ("HostedZoneId", act.site.zone_id.clone()),
        ("RecordTtl", TTL.to_string()),
        ("HealthCheckId", checks.calculated.clone()),
    ];
    let others = settings(stage, act).into_iter().filter(|(name, _)| *name != "FailoverRecord" && *name != "Dns");
    others.chain(own).collect()
}

/// The health checks that were made by hand.
struct Checks {
    endpoint: String,
    calculated: String,
}

impl Checks {
    async fn make(stage: &Stage<'_>) -> Result<Self> {
        let endpoint = HealthCheckConfig::builder()
            .r#type(HealthCheckType::Https)
            .fully_qualified_domain_name(INSPECTION)
            .port(i32::from(stage.origins.port()))
            .resource_path(HEALTH_PATH)
            .request_interval(10)
            .failure_threshold(2)
            .enable_sni(true)
            .build()?;
        let endpoint = make(stage, "by-hand-endpoint", endpoint).await?;
        let calculated = HealthCheckConfig::builder()
            .r#type(HealthCheckType::Calculated)
            .child_health_checks(&endpoint)
            .health_threshold(1)
            .build()?;
        let calculated = make(stage, "by-hand-calculated", calculated).await?;
        Ok(Self { endpoint, calculated })
    }

    async fn invert(&self, stage: &Stage<'_>, inverted: bool) -> Result<()> {
        let update = stage.aws.route53.update_health_check().health_check_id(&self.calculated).inverted(inverted);
        update.send().await.context("UpdateHealthCheck")?;
        Ok(())
    }

    async fn are_both_there(&self, stage: &Stage<'_>) -> Result<()> {
        let listed = stage.aws.route53.list_health_checks().send().await?;
        for id in [&self.endpoint, &self.calculated] {
            ensure!(listed.health_checks().iter().any(|check| check.id() == id), "the health check {id} is gone");
        }
        Ok(())
    }

    async fn remove(&self, stage: &Stage<'_>) -> Result<()> {
        for id in [&self.calculated, &self.endpoint] {
            stage.aws.route53.delete_health_check().health_check_id(id).send().await.context("DeleteHealthCheck")?;
        }
        Ok(())
    }
}

async fn make(stage: &Stage<'_>, reference: &str, config: HealthCheckConfig) -> Result<String> {
    let create = stage.aws.route53.create_health_check().caller_reference(reference).health_check_config(config);
    let created = create.send().await.context("CreateHealthCheck")?;
    Ok(created.health_check().context("no check was made")?.id().to_owned())
}

/// The pair as the console names it, not as we would.
async fn change_records(stage: &Stage<'_>, act: &Act, action: ChangeAction, check: &str) -> Result<()> {
    let mut batch = ChangeBatch::builder();
    for (role, set, host, check) in [
        (ResourceRecordSetFailover::Primary, "cq-origin-shop-Primary", INSPECTION, Some(check.to_owned())),
        (ResourceRecordSetFailover::Secondary, "cq-origin-shop-Secondary", APPLICATION, None),
    ] {
        let record = ResourceRecordSet::builder()
            .name(SHOP_RECORD)
            .r#type(RrType::Cname)
            .set_identifier(set)
            .failover(role)
            .ttl(TTL)
            .resource_records(ResourceRecord::builder().value(host).build()?)
            .set_health_check_id(check)
            .build()?;
        batch = batch.changes(Change::builder().action(action.clone()).resource_record_set(record).build()?);
    }
    let change = stage.aws.route53.change_resource_record_sets().hosted_zone_id(&act.site.zone_id);
    change.change_batch(batch.build()?).send().await.context("ChangeResourceRecordSets")?;
    Ok(())
}

/// Adds an origin for `record`, and points the default behaviour at it. Returns the configuration before and after that.
async fn pointed_by_hand(stage: &Stage<'_>, act: &Act, record: &str, step: &Step<'_>) -> Result<(String, RawDocument)> {
    let id = &act.site.second.id;
    let today = String::from_utf8(stage.aws.distribution(id).await?.bytes).context("no UTF-8")?;
    stage.aws.write_distribution(id, &followed(&today, record)?).await?;
    step.did(format!("added an origin {record} to {id}, and pointed the default behaviour at it"));
    Ok((today, stage.aws.distribution(id).await?))
}

async fn is_untouched(stage: &Stage<'_>, id: &str, found: &RawDocument) -> Result<()> {
    let now = stage.aws.distribution(id).await?;
    ensure!(now == *found, "what was made by hand was written to (the ETag was {}, and is {})", found.etag, now.etag);
    Ok(())
}

/// Waits until provision has asked for the metric more than once, and makes sure that nothing came of that yet.
async fn waits_for_the_metric(stage: &Stage<'_>, requests: &mut Receiver<Exchange>, step: &Step<'_>) -> Result<()> {
    let mut asked = 0;
    step.until("provision to ask for the health check's metric again", PATIENCE, async || {
        loop {
            match requests.try_recv() {
                Ok(exchange) => asked += usize::from(exchange.operation == "GetMetricStatistics"),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Closed) => bail!("the referee is gone"),
            }
        }
        Ok(if asked > 1 { Seen::Done(()) } else { Seen::NotYet(format!("{asked} requests GetMetricStatistics")) })
    })
    .await?;
    let alarms = stage.aws.cloudwatch.describe_alarms().alarm_names(ALARM).send().await?;
    ensure!(alarms.metric_alarms().is_empty(), "the alarm is there although the check is not healthy");
    step.saw("the check is inverted, so its metric is 0, and provision waits and asks again");
    Ok(())
}

/// The last line of provision's log about the second protection with this in it.
async fn last_word(stage: &Stage<'_>, text: &str) -> Result<String> {
    let logs = stage.aws.function_logs(LINES).await?;
    let mut provision = logs.iter().filter(|log| log.group.ends_with("-provision")).flat_map(|log| &log.lines);
    provision
        .rfind(|line| line.contains(text) && line.contains("\"shop\""))
        .cloned()
        .with_context(|| format!("no line says {text:?}"))
}

/// A bypass by hand, and a restore.
async fn flipped(stage: &Stage<'_>, act: &Act, today: &str, record: &str, step: &Step<'_>) -> Result<()> {
    for (action, target) in [("bypass", default_target(today)?), ("restore", record)] {
        let request = json!({"action": action, "protection": NAME, "reason": "a trial", "expiresIn": "1h"});
        let answer = stage.tools.invoke(&act.deployment.flip, &request)?;
        ensure!(answer["outcome"] == "changed", "expected {action} to change something, and saw {answer}");
        let now = String::from_utf8(stage.aws.distribution(&act.site.second.id).await?.bytes).context("no UTF-8")?;
        ensure!(default_target(&now)? == target, "expected the default behaviour at {target} after {action}");
        step.saw(format!("{action}: the default behaviour goes to {target}"));
    }
    Ok(())
}

/// Where the default behaviour goes.
fn default_target(document: &str) -> Result<&str> {
    let (_, rest) =
        document.split_once("<DefaultCacheBehavior><TargetOriginId>").context("there is no default behaviour")?;
    rest.split_once('<').map(|(target, _)| target).context("the default behaviour has no target")
}

/// A copy of the application's origin that leads to a failover record, named after it as the console proposes, and the default
/// behaviour at that.
fn followed(document: &str, record: &str) -> Result<String> {
    let application = default_target(document)?;
    let begin = document.find(&format!("<Origin><Id>{application}</Id>")).context("there is no such origin")?;
    let end = begin + document[begin..].find("</Origin>").context("the origin has no end")? + "</Origin>".len();
    let origin = &document[begin..end];
    let (before, rest) = origin.split_once("<DomainName>").context("the origin has no host")?;
    let (_, after) = rest.split_once("</DomainName>").context("the host has no end")?;
    let before = before.replacen(application, record, 1);
    let added = format!("{before}<DomainName>{record}</DomainName>{after}");
    let with_origin = format!("{}{added}{}", &document[..end], &document[end..]);
    let (head, rest) = with_origin.split_once("<Origins><Quantity>").context("there is no list of origins")?;
    let (count, rest) = rest.split_once('<').context("the list of origins has no count")?;
    let more = format!("{head}<Origins><Quantity>{}<{rest}", count.parse::<u32>()? + 1);
    let target = "<DefaultCacheBehavior><TargetOriginId>";
    Ok(more.replacen(&format!("{target}{application}<"), &format!("{target}{record}<"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_adds_an_origin_and_moves_the_default_behaviour() {
        let before = "<D><Origins><Quantity>1</Quantity><Items><Origin><Id>app</Id><DomainName>a.example.com</DomainName>\
                      <OriginPath></OriginPath></Origin></Items></Origins><DefaultCacheBehavior><TargetOriginId>app\
                      </TargetOriginId></DefaultCacheBehavior></D>";
        let after = followed(before, FAILOVER_RECORD).expect("it has what it takes");
        assert_eq!(default_target(&after).expect("a target"), FAILOVER_RECORD);
        let added = format!(
            "</Origin><Origin><Id>{FAILOVER_RECORD}</Id><DomainName>{FAILOVER_RECORD}</DomainName><OriginPath>"
        );
        assert!(after.contains(&added) && after.contains("<Origins><Quantity>2<"), "{after}");
    }
}
