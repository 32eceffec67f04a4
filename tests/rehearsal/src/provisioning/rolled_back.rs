//! Updates that CloudFormation takes back, by sending the old properties: they end where they began.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::Act;
use super::stack::{ProtectionStack, Variant};
use super::updates::{NAME, settings};
use super::vigil::Vigil;
use super::writes::Writes;
use crate::origins::HEALTH_PATH;
use crate::site;
use crate::stage::Stage;

pub(super) async fn play(stage: &Stage<'_>, act: &Act) -> Result<()> {
    let stack = ProtectionStack::new(stage, NAME, &settings(stage, act));
    refused(stage, act, &stack).await?;
    half_way(stage, act, &stack).await
}

/// The protection's own Update is refused.
async fn refused(stage: &Stage<'_>, act: &Act, stack: &ProtectionStack<'_>) -> Result<()> {
    stage
        .narration
        .step("An Update that preflight refuses: nothing is written, there or back", async |step| {
            let before = act.picture(stage).await?;
            let mut writes = Writes::listen(stage);
            for (changed, word) in [
                (("InspectionHostname", "nobody.cequence.cloud"), "dns-unresolvable"),
                (("OriginPort", "8443"), "give that origin the other port first"),
                (("Name", "renamed"), "Refused, nothing was changed. Name is `renamed`"),
            ] {
                let changed = (changed.0, changed.1.to_owned());
                let status = stack.update(Variant::AsItIs, &stack.with(std::slice::from_ref(&changed)), step).await?;
                ensure!(status == "UPDATE_ROLLBACK_COMPLETE", "expected a roll-back of {changed:?}, and saw {status}");
                let reason = stack.failure()?;
                ensure!(reason.contains(word), "expected {word:?} in the refusal, and saw {reason}");
                step.saw(format!("{}={}: {status}, because {reason}", changed.0, changed.1));
            }
            let made = writes.made()?;
            ensure!(made.is_empty(), "expected no write, and saw {made:?}");
            act.is_still(stage, &before, "nothing to have changed").await?;
            step.saw("no call was made that changes anything, and nothing has changed");
            Ok(())
        })
        .await
}

/// The Update succeeds, another resource of the stack fails after it, and everything is sent back.
async fn half_way(stage: &Stage<'_>, act: &Act, stack: &ProtectionStack<'_>) -> Result<()> {
    stage
        .narration
        .step(
            "Everything at once, and another resource fails afterwards: CloudFormation sends the old properties",
            async |step| {
                let before = act.picture(stage).await?;
                let vigil = Vigil::begin(stage, &act.site, &[&act.site.zone_id, &act.other_zone], None);
                let mut writes = Writes::listen(stage);
                let before_it = times_updated(stack)?;
                let changes = [
                    ("FailoverRecord", site::OTHER_RECORD.to_owned()),
                    ("HostedZoneId", act.other_zone.clone()),
                    ("InspectionHostname", site::INSPECTION_ALIAS.to_owned()),
                    ("ApplicationHostname", site::APPLICATION_ALIAS.to_owned()),
                    ("Traffic", "/landing/*,/account/*".to_owned()),
                    ("RecordTtl", "60".to_owned()),
                    ("HealthCheckPath", HEALTH_PATH.to_owned()),
                    ("HealthCheckIntervalSeconds", "30".to_owned()),
                    ("AlarmEvaluationPeriods", "2".to_owned()),
                    ("EdgeFailOpen", "automatic".to_owned()),
                ];
                let status = stack.update(Variant::Unmakeable, &stack.with(&changes), step).await?;
                ensure!(status == "UPDATE_ROLLBACK_COMPLETE", "expected a roll-back, and saw {status}");
                let updated = times_updated(stack)? - before_it;
                ensure!(
                    updated == 2,
                    "expected the protection to have been changed and changed back, and saw {updated} updates"
                );
                let made = writes.made()?;
                let expected = [
                    "UpdateDistribution",
                    "ChangeResourceRecordSets",
                    "CreateHealthCheck",
                    "DeleteHealthCheck",
                    "PutMetricAlarm",
                ];
                ensure!(
                    expected.iter().all(|operation| made.contains(operation)),
                    "expected all of {expected:?}, and saw {made:?}"
                );
                act.is_still(stage, &before, "everything as before").await?;
                let looks = vigil.end()?;
                step.saw(format!(
                    "{status}: everything is as before, to the byte; every behaviour led somewhere in {looks} looks"
                ));
                Ok(())
            },
        )
        .await
}

/// How often the protection has been updated in its life.
fn times_updated(stack: &ProtectionStack<'_>) -> Result<usize> {
    let is_one =
        |event: &&Value| event["LogicalResourceId"] == "Protection" && event["ResourceStatus"] == "UPDATE_COMPLETE";
    Ok(stack.events()?.iter().filter(is_one).count())
}
