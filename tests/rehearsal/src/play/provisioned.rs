//! What provisioning made, as AWS shows it.

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_route53::types::{HealthCheck, ResourceRecordSet};

use super::Act;
use crate::site::{
    ALARM, APPLICATION, APPLICATION_ORIGIN, FAILOVER_RECORD, INSPECTION, INSPECTION_ORIGIN, TRAFFIC, UNKNOWN_ELEMENT,
};
use crate::stage::Stage;

/// Layer 1 stands by itself; layer 2 watches and has nothing to do.
pub(super) async fn show(stage: &Stage<'_>, act: &Act) -> Result<()> {
    let narration = stage.narration;
    narration
        .step("Layer 1: what Route 53 has now, and would do with every function of ours deleted", async |step| {
            let records = act.site.failover_records(&stage.aws).await?;
            ensure!(records.len() == 2, "expected two records of {FAILOVER_RECORD}, and saw {}", records.len());
            for record in &records {
                step.saw(line(record));
            }
            let [primary, secondary] = [&records[0], &records[1]];
            ensure!(value(primary) == INSPECTION, "expected {INSPECTION} as the primary, and saw {}", line(primary));
            ensure!(
                value(secondary) == APPLICATION,
                "expected {APPLICATION} as the secondary, and saw {}",
                line(secondary)
            );
            let check =
                primary.health_check_id().context("the primary has no health check, so DNS would never fail over")?;
            let check = stage.aws.route53.get_health_check().health_check_id(check).send().await?;
            let check = check.health_check().context("GetHealthCheck answered without a check")?;
            step.saw(describe(check));
            let alias = stage.name_server.alias(FAILOVER_RECORD).await?;
            ensure!(alias.as_deref() == Some(INSPECTION), "expected DNS to answer {INSPECTION}, and saw {alias:?}");
            step.saw(format!("DNS answers {FAILOVER_RECORD} with {INSPECTION}"));
            Ok(())
        })
        .await?;
    narration
        .step("The distribution now: one more origin, the protected behaviours on it, nothing else moved", async |step| {
            let now = stage.aws.distribution(&act.site.distribution_id).await?;
            let text = String::from_utf8(now.bytes).context("the configuration is no UTF-8")?;
            let targets = act.site.targets(&stage.aws).await?;
            for pattern in TRAFFIC {
                match targets.get(pattern) {
                    Some(target) if target == INSPECTION_ORIGIN => step.saw(format!("{pattern} goes to {target}")),
                    target => bail!("expected {pattern} to go to {INSPECTION_ORIGIN}, and saw {target:?}"),
                }
            }
            ensure!(text.contains(UNKNOWN_ELEMENT), "the element {UNKNOWN_ELEMENT} is gone from the configuration");
            let origin = text.find(&format!("<Id>{INSPECTION_ORIGIN}</Id>")).and_then(|start| text.get(start..));
            let origin = origin.and_then(|origin| origin.split("</Origin>").next());
            let origin = origin.with_context(|| format!("there is no origin {INSPECTION_ORIGIN}"))?;
            for wanted in [FAILOVER_RECORD, "X-Origin-Verify", &format!("<HTTPSPort>{}</HTTPSPort>", stage.origins.port())] {
                ensure!(origin.contains(wanted), "expected {wanted} in the origin {INSPECTION_ORIGIN}, and it is not there");
            }
            step.saw(format!(
                "origin {INSPECTION_ORIGIN} is {FAILOVER_RECORD}, with the port and custom headers of \"{APPLICATION_ORIGIN}\""
            ));
            step.saw(format!("<{UNKNOWN_ELEMENT}> is still there"));
            Ok(())
        })
        .await?;
    narration
        .step("The alarm's first OK: a change of state that must change nothing", async |step| {
            let before = stage.aws.distribution(&act.site.distribution_id).await?;
            stage.alarm_in(step, "OK").await?;
            step.saw(format!("alarm {ALARM} is OK, and react has been told"));
            let decision = stage.decide(&act.deployment.react).await?;
            let because = crate::stage::expect(&decision, "/reason", "AlreadyThere")?;
            step.saw(format!("react: hold, AlreadyThere. {because}"));
            let after = stage.aws.distribution(&act.site.distribution_id).await?;
            ensure!(before.etag == after.etag, "expected ETag {}, and saw {}", before.etag, after.etag);
            step.saw(format!("ETag still {}", after.etag));
            Ok(())
        })
        .await
}

fn value(record: &ResourceRecordSet) -> &str {
    record.resource_records().first().map(|value| value.value().trim_end_matches('.')).unwrap_or_default()
}

fn line(record: &ResourceRecordSet) -> String {
    format!(
        "{} {} {} -> {}, TTL {}, health check {}",
        record.failover().map_or("no failover", |role| role.as_str()),
        record.r#type().as_str(),
        record.name().trim_end_matches('.'),
        value(record),
        record.ttl().unwrap_or_default(),
        record.health_check_id().unwrap_or("none"),
    )
}

fn describe(check: &HealthCheck) -> String {
    let Some(config) = check.health_check_config() else {
        return "a health check without settings".to_owned();
    };
    format!(
        "health check {}: {} {}:{}{} every {} s, threshold {}",
        check.id(),
        config.r#type().as_str(),
        config.fully_qualified_domain_name().unwrap_or_default(),
        config.port().unwrap_or_default(),
        config.resource_path().unwrap_or_default(),
        config.request_interval().unwrap_or_default(),
        config.failure_threshold().unwrap_or_default(),
    )
}
