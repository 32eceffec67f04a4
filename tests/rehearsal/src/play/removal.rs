//! The stack is deleted in the middle of an outage: the site goes on, and nothing of ours remains.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::{Act, outage};
use crate::deployment::{STACK, settled};
use crate::site::{ALARM, CANARY, FAILOVER_RECORD, UNKNOWN_ELEMENT};
use crate::stage::Stage;

/// Deletion waits for every edge and for the record's TTL.
const PATIENCE: Duration = Duration::from_secs(300);

/// Lines of each function's log that are searched for secrets: all that a rehearsal writes.
const ALL: usize = 100_000;

/// Path of the pre-signed URLs that custom resources answer to.
const RESPONSE_URL: &str = "_ministack/cfn-response/";

pub(super) async fn play(stage: &Stage<'_>, act: &Act) -> Result<()> {
    outage::bypassed_again(stage, act).await?;
    // The logs go with the stack, so they are read before.
    secrets(stage).await?;
    removed(stage, act).await
}

async fn removed(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("The stack is deleted while bypassed", async |step| {
            stage.tools.aws(&["cloudformation", "delete-stack", "--stack-name", STACK])?;
            step.did(format!("aws cloudformation delete-stack --stack-name {STACK}"));
            let status = settled(stage, STACK, PATIENCE, step).await?;
            ensure!(status == "DELETE_COMPLETE", "expected the stack to be gone, and saw it in {status}");
            let now = stage.aws.distribution(&act.site.distribution_id).await?;
            if now.bytes != act.site.original.bytes {
                let at = now.bytes.iter().zip(&act.site.original.bytes).take_while(|(now, then)| now == then).count();
                let around = |bytes: &[u8]| {
                    let part = &bytes[at.saturating_sub(40).min(bytes.len())..(at + 80).min(bytes.len())];
                    String::from_utf8_lossy(part).into_owned()
                };
                bail!(
                    "the distribution is not what it was, from byte {at} on: it was {:?}, it is {:?}",
                    around(&act.site.original.bytes),
                    around(&now.bytes)
                );
            }
            step.saw(format!(
                "the distribution is byte for byte what it was: {} bytes, <{UNKNOWN_ELEMENT}> among them",
                now.bytes.len()
            ));
            let records = act.site.failover_records(&stage.aws).await?;
            ensure!(records.is_empty(), "expected no record {FAILOVER_RECORD}, and saw {}", records.len());
            let checks = stage.aws.route53.list_health_checks().send().await?;
            ensure!(
                checks.health_checks().is_empty(),
                "expected no health check, and saw {:?}",
                checks.health_checks()
            );
            let alarms = stage.aws.cloudwatch.describe_alarms().alarm_names(ALARM).send().await?;
            ensure!(alarms.metric_alarms().is_empty(), "expected no alarm {ALARM}, and it is still there");
            step.saw("records, health check and alarm are gone");
            Ok(())
        })
        .await
}

async fn secrets(stage: &Stage<'_>) -> Result<()> {
    stage
        .narration
        .step("No value of an origin header and no ResponseURL in any log", async |step| {
            let mut logs = stage.aws.function_logs(ALL).await?;
            logs.push(stage.own_log()?);
            for log in &logs {
                ensure!(!log.lines.is_empty(), "{} is empty, so its silence proves nothing", log.group);
                for secret in [CANARY, RESPONSE_URL] {
                    ensure!(!log.lines.iter().any(|line| line.contains(secret)), "{} contains {secret}", log.group);
                }
                step.saw(format!("{}: {} lines without one", log.group, log.lines.len()));
            }
            ensure!(logs.len() > 3, "expected the logs of three functions, and saw {} in all", logs.len());
            Ok(())
        })
        .await
}
