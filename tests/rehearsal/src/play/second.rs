//! A second distribution that shares the failover record, protected from a stack of its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Act;
use crate::deployment::{STACK, settled};
use crate::narration::Step;
use crate::site::{APPLICATION, FAILOVER_RECORD, INSPECTION};
use crate::stage::Stage;

const NAME: &str = "shop";
const STACK_OF_SECOND: &str = "failopen-shop";

/// Deletion waits for every edge and for a TTL.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn play(stage: &Stage<'_>, act: &Act) -> Result<()> {
    planned(stage, act).await?;
    deployed(stage, act).await?;
    adopted(stage, act).await
}

/// What the second protection is, as parameters of infra/protection.yaml and as properties.
fn settings(stage: &Stage<'_>, act: &Act) -> [(&'static str, String); 7] {
    [
        ("Name", NAME.to_owned()),
        ("DistributionId", act.site.second.id.clone()),
        ("FailoverRecord", FAILOVER_RECORD.to_owned()),
        ("InspectionHostname", INSPECTION.to_owned()),
        ("ApplicationHostname", APPLICATION.to_owned()),
        // The first protection holds the record; this one only uses it.
        ("Dns", "external".to_owned()),
        ("OriginPort", stage.origins.port().to_string()),
    ]
}

async fn planned(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("A second distribution that shares the record: the plan first", async |step| {
            let properties: serde_json::Map<String, Value> =
                settings(stage, act).into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
            let before = stage.aws.distribution(&act.site.second.id).await?;
            let request = json!({"action": "plan", "properties": properties});
            let answer = stage.tools.invoke(&act.deployment.provision, &request)?;
            step.did("aws lambda invoke of the provision function with {\"action\": \"plan\", …}");
            let steps = answer["plan"].as_array().context("the answer has no plan")?;
            ensure!(!steps.is_empty(), "expected steps, and saw {answer}");
            step.saw(answer["text"].as_str().context("the answer has no text")?);
            let now = stage.aws.distribution(&act.site.second.id).await?;
            ensure!(now == before, "a plan has changed the distribution");
            Ok(())
        })
        .await
}

async fn deployed(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("infra/protection.yaml: protected from a stack of its own, and released again", async |step| {
            create_stack(stage, act, step).await?;
            let document = stage.aws.distribution(&act.site.second.id).await?;
            let protected = format!("<DefaultCacheBehavior><TargetOriginId>failopen-{NAME}<");
            ensure!(
                String::from_utf8_lossy(&document.bytes).contains(&protected),
                "expected the default behaviour of {} on the origin failopen-{NAME}",
                act.site.second.id
            );
            step.saw(format!(
                "stack {STACK_OF_SECOND}: CREATE_COMPLETE; * of {} goes to failopen-{NAME}",
                act.site.second.id
            ));
            delete_stack(stage, step).await?;
            let document = stage.aws.distribution(&act.site.second.id).await?;
            ensure!(
                document.bytes == act.site.second.original.bytes,
                "the distribution {} is not byte for byte what it was",
                act.site.second.id
            );
            step.saw("deleted again; the distribution is byte for byte what it was");
            let records = act.site.failover_records(&stage.aws).await?;
            ensure!(
                records.len() == 2,
                "expected the first protection's two records untouched, and saw {}",
                records.len()
            );
            step.saw("the first protection's records are untouched");
            Ok(())
        })
        .await
}

/// The runbook followed by hand on the second distribution: the origin is there and the default behaviour uses it.
async fn adopted(stage: &Stage<'_>, act: &Act) -> Result<()> {
    let id = &act.site.second.id;
    stage
        .narration
        .step("Somebody has followed the runbook by hand: what is there is adopted, and left as it was", async |step| {
            let today = String::from_utf8(stage.aws.distribution(id).await?.bytes).context("no UTF-8")?;
            let made = by_hand(&today)?;
            write(stage, id, &made).await?;
            step.did(format!("added an origin {FAILOVER_RECORD} to {id}, and pointed the default behaviour at it"));
            let found = stage.aws.distribution(id).await?;

            create_stack(stage, act, step).await?;
            let now = stage.aws.distribution(id).await?;
            ensure!(
                now == found,
                "what was made by hand was written to (the ETag was {}, and is {})",
                found.etag,
                now.etag
            );
            step.saw("protected, and the distribution has the very ETag that it had");

            for (action, target) in [("bypass", application_of(&today)?), ("restore", FAILOVER_RECORD)] {
                let request = json!({"action": action, "protection": NAME, "reason": "a trial", "expiresIn": "1h"});
                let answer = stage.tools.invoke(&act.deployment.flip, &request)?;
                ensure!(answer["outcome"] == "changed", "expected {action} to change something, and saw {answer}");
                let now = String::from_utf8(stage.aws.distribution(id).await?.bytes).context("no UTF-8")?;
                ensure!(application_of(&now)? == target, "expected the default behaviour at {target} after {action}");
                step.saw(format!("{action}: the default behaviour goes to {target}"));
            }
            delete_stack(stage, step).await?;
            let now = stage.aws.distribution(id).await?;
            ensure!(now.bytes == found.bytes, "the distribution is not byte for byte what it was found as");
            step.saw("deleted again; origin and behaviour are as they were made by hand, byte for byte");
            write(stage, id, &today).await
        })
        .await
}

/// Where the default behaviour goes.
fn application_of(document: &str) -> Result<&str> {
    let (_, rest) =
        document.split_once("<DefaultCacheBehavior><TargetOriginId>").context("there is no default behaviour")?;
    rest.split_once('<').map(|(target, _)| target).context("the default behaviour has no target")
}

/// A copy of the application's origin that leads to the failover record, named after it as the console proposes, and the default
/// behaviour at that.
fn by_hand(document: &str) -> Result<String> {
    let application = application_of(document)?;
    let begin = document.find(&format!("<Origin><Id>{application}</Id>")).context("there is no such origin")?;
    let end = begin + document[begin..].find("</Origin>").context("the origin has no end")? + "</Origin>".len();
    let origin = &document[begin..end];
    let (before, rest) = origin.split_once("<DomainName>").context("the origin has no host")?;
    let (_, after) = rest.split_once("</DomainName>").context("the host has no end")?;
    let before = before.replacen(application, FAILOVER_RECORD, 1);
    let added = format!("{before}<DomainName>{FAILOVER_RECORD}</DomainName>{after}");
    let with_origin = format!("{}{added}{}", &document[..end], &document[end..]);
    let (head, rest) = with_origin.split_once("<Origins><Quantity>").context("there is no list of origins")?;
    let (count, rest) = rest.split_once('<').context("the list of origins has no count")?;
    let more = format!("{head}<Origins><Quantity>{}<{rest}", count.parse::<u32>()? + 1);
    let target = "<DefaultCacheBehavior><TargetOriginId>";
    Ok(more.replacen(&format!("{target}{application}<"), &format!("{target}{FAILOVER_RECORD}<"), 1))
}

/// Edits a distribution as a person does.
async fn write(stage: &Stage<'_>, id: &str, document: &str) -> Result<()> {
    let etag = stage.aws.distribution(id).await?.etag;
    let path = format!("/2020-05-31/distribution/{id}/config");
    let headers = [("content-type", "application/xml".to_owned()), ("if-match", etag)];
    let answer = stage.aws.wire.send("cloudfront", "PUT", &path, &headers, document.as_bytes()).await?;
    answer.successful("UpdateDistribution").map(drop)
}

async fn create_stack(stage: &Stage<'_>, act: &Act, step: &Step<'_>) -> Result<()> {
    let template = stage.workplace.repository().join("infra/protection.yaml");
    let body = format!("file://{}", template.display());
    let mut parameters = vec![parameter("EngineStackName", STACK)];
    parameters.extend(settings(stage, act).iter().map(|(name, value)| parameter(name, value)));
    let create = ["cloudformation", "create-stack", "--stack-name", STACK_OF_SECOND, "--template-body", &body];
    let mut arguments = [create.as_slice(), &["--parameters"]].concat();
    arguments.extend(parameters.iter().map(String::as_str));
    stage.tools.aws(&arguments)?;
    step.did("aws cloudformation create-stack with infra/protection.yaml, Dns=external");
    let status = settled(stage, STACK_OF_SECOND, PATIENCE, step).await?;
    ensure!(status == "CREATE_COMPLETE", "expected the stack in CREATE_COMPLETE, and saw {status}");
    Ok(())
}

async fn delete_stack(stage: &Stage<'_>, step: &Step<'_>) -> Result<()> {
    stage.tools.aws(&["cloudformation", "delete-stack", "--stack-name", STACK_OF_SECOND])?;
    let status = settled(stage, STACK_OF_SECOND, PATIENCE, step).await?;
    ensure!(status == "DELETE_COMPLETE", "expected the stack to be gone, and saw it in {status}");
    Ok(())
}

fn parameter(name: &str, value: &str) -> String {
    format!("ParameterKey={name},ParameterValue={value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_adds_an_origin_and_moves_the_default_behaviour() {
        let before = "<D><Origins><Quantity>1</Quantity><Items><Origin><Id>app</Id><DomainName>a.example.com</DomainName>\
                      <OriginPath></OriginPath></Origin></Items></Origins><DefaultCacheBehavior><TargetOriginId>app\
                      </TargetOriginId></DefaultCacheBehavior></D>";
        let after = by_hand(before).expect("it has what it takes");
        assert_eq!(application_of(&after).expect("a target"), FAILOVER_RECORD);
        let added = format!(
            "</Origin><Origin><Id>{FAILOVER_RECORD}</Id><DomainName>{FAILOVER_RECORD}</DomainName><OriginPath>"
        );
        assert!(after.contains(&added) && after.contains("<Origins><Quantity>2<"), "{after}");
    }
}
