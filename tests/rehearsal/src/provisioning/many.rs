//! Several applications on one engine, from the generator: two of one distribution with different applications, and one of
//! another distribution that shares a record.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Act;
use super::picture::Picture;
use super::stack::{ProtectionStack, events};
use super::vigil::Vigil;
use crate::deployment::{Deployment, settled};
use crate::site::{self, Site};
use crate::stage::Stage;

const STACK: &str = "failopen-protections";
/// Three protections one after the other, each with a health check that has to be healthy first.
const PATIENCE: Duration = Duration::from_secs(900);
/// Sections of the second application.
const API_PATHS: [&str; 2] = ["/api-eu/*", "/beta&preview/*"];

/// The engine alone, with the allow-lists that the generator prints.
pub(super) async fn deploy(stage: &Stage<'_>, site: Site) -> Result<Act> {
    let lists = stage
        .narration
        .step("infra/protections.py: what the engine has to allow for a file of applications", async |step| {
            std::fs::write(file(stage), lines(stage, &site))?;
            let printed = generate(stage, &["--allow-lists"])?;
            step.did("python3 infra/protections.py --allow-lists many.csv");
            step.saw(printed.trim());
            // As a shell splits it.
            let lists = printed.split_whitespace().filter_map(|list| list.split_once('='));
            Ok(lists.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>())
        })
        .await?;
    let own = ("CustomResourceResponseOrigin".to_owned(), stage.endpoint());
    // The updates use it, and no application of the file does.
    let mut parameters = lists;
    for (name, value) in &mut parameters {
        if name == "AllowedRecords" {
            *value = format!("{value},{}", site::SHOP_RECORD);
        }
    }
    parameters.push(own);
    let names = ["AllowedDistributions", "AllowedHostedZones", "AllowedRecords", "AllowedHostedZoneRoles"];
    let given = names.into_iter().chain(["CustomResourceResponseOrigin"]).filter_map(|wanted| {
        parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| (wanted, value.clone()))
    });
    let deployment = Deployment::create(stage, given.collect()).await?;
    let bare = Picture::take(stage, &site, "").await?;
    Ok(Act { site, deployment, parameters, other_zone: String::new(), bare })
}

pub(super) async fn play(stage: &Stage<'_>, act: &Act) -> Result<()> {
    made(stage, act).await?;
    refused(stage, act).await?;
    apart(stage, act).await?;
    removed(stage, act).await
}

async fn made(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step(
            "One template, three protections: two applications of one distribution, and a record that is shared",
            async |step| {
                let template = generate(stage, &[])?;
                let path = stage.workplace.temporary().join("protections.json");
                std::fs::write(&path, &template)?;
                step.did("python3 infra/protections.py many.csv > protections.json");
                let vigil = Vigil::begin(stage, &act.site, &[&act.site.zone_id], None);
                let body = format!("file://{}", path.display());
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
                    status == "CREATE_COMPLETE",
                    "expected CREATE_COMPLETE, and saw {status}: {:?}",
                    events(stage, STACK)?
                );
                let looks = vigil.end()?;
                step.saw(format!(
                    "stack {STACK}: {status}; {looks} looks meanwhile, and every behaviour led somewhere"
                ));
                let now = act.picture(stage).await?;
                let first = &act.site.distribution_id;
                for (path, protection) in
                    [("*", "www"), ("/checkout/*", "www"), (API_PATHS[0], "www-api"), (API_PATHS[1], "www-api")]
                {
                    let line = format!("{first}: {path} goes to failopen-{protection}");
                    ensure!(now.with(&line).count() == 1, "expected {line}");
                    step.saw(line);
                }
                let line = format!("{}: * goes to failopen-shop", act.site.second.id);
                ensure!(now.with(&line).count() == 1, "expected {line}");
                step.saw(line);
                let expected: Vec<String> = order(stage)?;
                ensure!(
                    expected == ["ProtectionwwwDashapi", "Protectionwww", "Protectionshop"],
                    "expected one after the other: {expected:?}"
                );
                step.saw(format!("CloudFormation made them one after the other: {}", expected.join(", ")));
                let checks = now.with("health check ").filter(|line| line.starts_with("health check ")).count();
                ensure!(checks == 3, "expected three health checks, and saw {checks}");
                Ok(())
            },
        )
        .await
}

/// Logical ids in the order in which they were made.
///
/// # Errors
/// Two protections of this stack were at work at the same time.
fn order(stage: &Stage<'_>) -> Result<Vec<String>> {
    let mut events = events(stage, STACK)?;
    events.retain(|event| event["ResourceType"] == "Custom::FailOpenProtection");
    // The newest comes first.
    events.reverse();
    let mut open: Option<String> = None;
    let mut made = Vec::new();
    for event in &events {
        let id = event["LogicalResourceId"].as_str().unwrap_or_default().to_owned();
        match event["ResourceStatus"].as_str() {
            Some("CREATE_IN_PROGRESS") if open.as_deref() != Some(&id) => {
                ensure!(open.is_none(), "{id} was begun while {open:?} was at work");
                open = Some(id);
            }
            Some("CREATE_COMPLETE") => {
                open = None;
                made.push(id);
            }
            _ => {}
        }
    }
    Ok(made)
}

/// Another stack wants what these have.
async fn refused(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step(
            "Another stack wants a behaviour and a record that are protected already: refused by name",
            async |step| {
                let before = act.picture(stage).await?;
                let overlap = [
                    ("Name", "intruder".to_owned()),
                    ("DistributionId", act.site.distribution_id.clone()),
                    ("FailoverRecord", site::SHOP_RECORD.to_owned()),
                    ("InspectionHostname", site::INSPECTION.to_owned()),
                    ("ApplicationHostname", site::API.to_owned()),
                    ("HostedZoneId", act.site.zone_id.clone()),
                    ("Traffic", API_PATHS[0].to_owned()),
                    ("OriginPort", stage.origins.port().to_string()),
                ];
                let mut record = overlap.clone();
                record[1].1 = act.site.second.id.clone();
                record[2].1 = site::API_RECORD.to_owned();
                for (settings, words) in
                    [(&overlap, ["behavior-overlap", "www-api"]), (&record, ["record-conflict", site::API_RECORD])]
                {
                    let stack = ProtectionStack::new(stage, "failopen-intruder", settings);
                    let status = stack.create(step).await?;
                    ensure!(status == "ROLLBACK_COMPLETE", "expected a refusal, and saw {status}");
                    let reason = stack.failure()?;
                    for word in words {
                        ensure!(reason.contains(word), "expected {word} in the refusal, and saw {reason}");
                    }
                    step.saw(reason);
                    ensure!(stack.delete(step).await? == "DELETE_COMPLETE", "the refused stack could not be deleted");
                }
                act.is_still(stage, &before, "nothing to have changed").await?;
                step.saw("nothing has changed");
                Ok(())
            },
        )
        .await
}

/// A flip of one protection is none of its neighbour.
async fn apart(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("One of two protections of a distribution is bypassed: the other stays inspected", async |step| {
            let before = act.picture(stage).await?;
            let first = &act.site.distribution_id;
            let bypass = json!({"action": "bypass", "protection": "www-api", "reason": "a trial", "expiresIn": "1h"});
            let answer = stage.tools.invoke(&act.deployment.flip, &bypass)?;
            ensure!(answer["outcome"] == "changed", "expected a flip, and saw {answer}");
            let change = act.picture(stage).await?.since(&before);
            let expected: Vec<String> =
                API_PATHS.iter().map(|path| format!("{first}: {path} goes to api-eu")).collect();
            ensure!(change.appeared == expected, "expected {expected:?}, and saw {change}");
            step.saw(change.to_string());
            let status: Value = stage.tools.invoke(&act.deployment.flip, &json!({"action": "status"}))?;
            let protections = status["protections"].as_array().context("status lists no protections")?;
            let postures: Vec<String> = protections
                .iter()
                .map(|one| {
                    format!(
                        "{} {}",
                        one["protection"].as_str().unwrap_or_default(),
                        one["posture"].as_str().unwrap_or_default()
                    )
                })
                .collect();
            ensure!(
                postures == ["shop inspected", "www inspected", "www-api bypassed"],
                "expected only www-api bypassed, and saw {postures:?}"
            );
            step.saw(format!("status: {}", postures.join(", ")));
            let restore = json!({"action": "restore", "protection": "www-api", "reason": "the trial is over"});
            stage.tools.invoke(&act.deployment.flip, &restore)?;
            stage.tools.invoke(&act.deployment.flip, &json!({"action": "unpin", "protection": "www-api"}))?;
            act.is_still(stage, &before, "everything as before").await?;
            step.saw("restored: the distribution is byte for byte what it was before");
            Ok(())
        })
        .await
}

async fn removed(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("The stack of all three is deleted", async |step| {
            let vigil = Vigil::begin(stage, &act.site, &[&act.site.zone_id], None);
            stage.tools.aws(&["cloudformation", "delete-stack", "--stack-name", STACK])?;
            let status = settled(stage, STACK, PATIENCE, step).await?;
            ensure!(status == "DELETE_COMPLETE", "expected DELETE_COMPLETE, and saw {status}");
            let looks = vigil.end()?;
            act.is_still(stage, &act.bare, "nothing to be left").await?;
            step.saw(format!(
                "both distributions are byte for byte what they were, and nothing is left ({looks} looks meanwhile)"
            ));
            Ok(())
        })
        .await
}

/// One application a line.
fn lines(stage: &Stage<'_>, site: &Site) -> String {
    let port = stage.origins.port();
    let (first, second, zone) = (&site.distribution_id, &site.second.id, &site.zone_id);
    let rows = [
        "Name,DistributionId,FailoverRecord,InspectionHostname,ApplicationHostname,HostedZoneId,Dns,Traffic,OriginPort"
            .to_owned(),
        format!(
            "www,{first},{},{},{},{zone},,\"*,/checkout/*\",{port}",
            site::FAILOVER_RECORD,
            site::INSPECTION,
            site::APPLICATION
        ),
        format!(
            "www-api,{first},{},{},{},{zone},,\"{}\",{port}",
            site::API_RECORD,
            site::INSPECTION,
            site::API,
            API_PATHS.join(",")
        ),
        format!(
            "shop,{second},{},{},{},,external,*,{port}",
            site::FAILOVER_RECORD,
            site::INSPECTION,
            site::APPLICATION
        ),
    ];
    rows.join("\n") + "\n"
}

fn file(stage: &Stage<'_>) -> std::path::PathBuf {
    stage.workplace.temporary().join("many.csv")
}

fn generate(stage: &Stage<'_>, options: &[&str]) -> Result<String> {
    let script = stage.workplace.repository().join("infra/protections.py");
    let output = Command::new("python3").arg(&script).args(options).arg(file(stage)).output().context("python3")?;
    ensure!(output.status.success(), "infra/protections.py failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).context("the generator printed no UTF-8")
}
