//! Inspection dies, and comes back; then it dies while the application is dead too.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Act;
use crate::cloudwatch::{AlarmEvent, StateOfAlarm};
use crate::deployment::HOLD_DOWN;
use crate::narration::{Seen, Step};
use crate::script::Fault;
use crate::site::{ALARM, APPLICATION, FAILOVER_RECORD, INSPECTION, PROTECTION};
use crate::stage::{Stage, expect};

/// An alarm event reaches react, react asks flip, flip writes: seconds, even on a slow machine.
const FLIP: Duration = Duration::from_secs(60);

/// How often one event is delivered in the step about duplicates.
const DELIVERIES: usize = 5;

pub(super) async fn play(stage: &Stage<'_>, act: &Act) -> Result<()> {
    bypassed(stage, act).await?;
    told_again(stage, act).await?;
    held_before_hold_down(stage, act).await?;
    inspected(stage, act).await?;
    application_dead(stage, act).await
}

async fn bypassed(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("Inspection dies", async |step| {
            stage.origins.inspection.suffer(Fault::Refused).await?;
            step.did(format!("stopped {INSPECTION}: it refuses connections"));
            Ok(())
        })
        .await?;
    stage
        .narration
        .step("Layer 1 fails open by itself, the alarm fires, layer 2 follows", async |step| {
            stage.alarm_in(step, "ALARM").await?;
            step.saw(format!("alarm {ALARM} is in ALARM, and react has been told"));
            dns_answers(stage, step, APPLICATION).await?;
            posture_is(stage, act, step, "bypassed").await
        })
        .await
}

async fn told_again(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("The same event five times more", async |step| {
            let event = alarm_event(stage).await?;
            let before = stage.aws.distribution(&act.site.distribution_id).await?;
            for _ in 0..DELIVERIES {
                let answer = stage.aws.invoke(&act.deployment.react, &event).await?;
                let decision = answer.pointer("/decisions/0").with_context(|| format!("no decision in {answer}"))?;
                expect(decision, "/reason", "AlreadyThere")?;
                expect(decision, "/flip", "none")?;
            }
            step.did(format!("invoked react with the alarm's event {DELIVERIES} times"));
            let after = stage.aws.distribution(&act.site.distribution_id).await?;
            ensure!(before.etag == after.etag, "expected ETag {}, and saw {}", before.etag, after.etag);
            step.saw(format!("hold, AlreadyThere, each time; ETag still {}", after.etag));
            Ok(())
        })
        .await
}

async fn held_before_hold_down(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("Inspection comes back, and nothing is hurried", async |step| {
            stage.origins.inspection.heal().await?;
            step.did(format!("started {INSPECTION}"));
            stage.alarm_in(step, "OK").await?;
            step.saw(format!("alarm {ALARM} is OK"));
            dns_answers(stage, step, INSPECTION).await?;
            let decision = stage.decide(&act.deployment.react).await?;
            let because = expect(&decision, "/reason", "HoldDown")?;
            step.saw(format!("react: hold, HoldDown. {because}"));
            let posture = act.site.posture(&stage.aws).await?;
            ensure!(posture == "bypassed", "expected the distribution to be bypassed still, and saw {posture}");
            Ok(())
        })
        .await
}

async fn inspected(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("After the hold-down time, traffic is inspected again", async |step| restored(stage, act, step).await)
        .await
}

/// Waits through the hold-down time and for the fail-back after it. Its cause is the schedule's tick, which is delivered
/// every second here, so that nobody waits for the minute.
pub(super) async fn restored(stage: &Stage<'_>, act: &Act, step: &Step<'_>) -> Result<()> {
    step.until("the fail-back", HOLD_DOWN + FLIP, async || {
        stage.tick(&act.deployment.react).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let posture = act.site.posture(&stage.aws).await?;
        Ok(if posture == "inspected" { Seen::Done(()) } else { Seen::NotYet(posture) })
    })
    .await?;
    step.did(format!("let the hold-down time of {} s pass, with the schedule's tick", HOLD_DOWN.as_secs()));
    step.saw("every protected behaviour goes to inspection");
    Ok(())
}

async fn application_dead(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("The application and inspection die together", async |step| {
            stage.origins.application.suffer(Fault::Refused).await?;
            stage.origins.inspection.suffer(Fault::Refused).await?;
            step.did(format!("stopped {APPLICATION} and {INSPECTION}"));
            Ok(())
        })
        .await?;
    let before = stage.aws.distribution(&act.site.distribution_id).await?;
    stage
        .narration
        .step("A bypass towards a dead application helps nobody", async |step| {
            stage.alarm_in(step, "ALARM").await?;
            step.saw(format!("alarm {ALARM} is in ALARM"));
            let decision = stage.decide(&act.deployment.react).await?;
            let because = expect(&decision, "/reason", "ApplicationUnhealthy")?;
            step.saw(format!("react: hold, ApplicationUnhealthy. {because}"));
            let after = stage.aws.distribution(&act.site.distribution_id).await?;
            ensure!(before.etag == after.etag, "expected ETag {}, and saw {}", before.etag, after.etag);
            step.saw(format!("ETag still {}", after.etag));
            Ok(())
        })
        .await?;
    stage
        .narration
        .step("Both come back", async |step| {
            // Inspection is as well as what it protects, so it cannot come back first. It must not come back much later either:
            // with the alarm still firing, a living application would be reason enough for a bypass.
            stage.origins.application.heal().await?;
            stage.origins.inspection.heal().await?;
            step.did(format!("started {APPLICATION}, and {INSPECTION} right after it"));
            stage.alarm_in(step, "OK").await?;
            let posture = act.site.posture(&stage.aws).await?;
            ensure!(posture == "inspected", "expected the distribution to be inspected still, and saw {posture}");
            step.saw(format!("alarm {ALARM} is OK, traffic is inspected"));
            Ok(())
        })
        .await
}

/// Inspection dies once more, until traffic is bypassed.
pub(super) async fn bypassed_again(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("Inspection dies once more", async |step| {
            stage.origins.inspection.suffer(Fault::Refused).await?;
            step.did(format!("stopped {INSPECTION}"));
            stage.alarm_in(step, "ALARM").await?;
            posture_is(stage, act, step, "bypassed").await
        })
        .await
}

async fn posture_is(stage: &Stage<'_>, act: &Act, step: &Step<'_>, wanted: &str) -> Result<()> {
    step.until(&format!("the distribution to be {wanted}"), FLIP, async || {
        let posture = act.site.posture(&stage.aws).await?;
        Ok(if posture == wanted { Seen::Done(()) } else { Seen::NotYet(posture) })
    })
    .await?;
    for (pattern, target) in act.site.targets(&stage.aws).await? {
        step.saw(format!("{pattern} goes to \"{target}\""));
    }
    Ok(())
}

async fn dns_answers(stage: &Stage<'_>, step: &Step<'_>, wanted: &str) -> Result<()> {
    step.until(&format!("DNS to answer {wanted}"), FLIP, async || {
        let alias = stage.name_server.alias(FAILOVER_RECORD).await?;
        Ok(if alias.as_deref() == Some(wanted) { Seen::Done(()) } else { Seen::NotYet(format!("{alias:?}")) })
    })
    .await?;
    step.saw(format!("DNS answers {FAILOVER_RECORD} with {wanted}"));
    Ok(())
}

/// The event with which CloudWatch invoked react for the alarm's present state.
async fn alarm_event(stage: &Stage<'_>) -> Result<Value> {
    let answer = stage.aws.cloudwatch.describe_alarms().alarm_names(ALARM).send().await?;
    let alarm =
        answer.metric_alarms().first().with_context(|| format!("there is no alarm {ALARM} for {PROTECTION}"))?;
    let state = StateOfAlarm::described(alarm);
    // DescribeAlarms does not tell the state before, and react does not read it.
    let previous = StateOfAlarm { value: "OK".to_owned(), reason_data: None, ..state.clone() };
    Ok(AlarmEvent { alarm, state, previous }.payload())
}
