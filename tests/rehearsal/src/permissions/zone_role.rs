//! A zone of another account: reached by the role of infra/hosted-zone-access.yaml alone.
//!
//! The local AWS has one account with roles in it, so the role stands beside the engine. What makes it another account's is played
//! by taking every permission on zones out of provision's own role: what happens to the records then is done by the other role.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::roles::{Grant, take_away_all};
use super::work::Crew;
use crate::deployment::{STACK, describe, settled};
use crate::local_aws::ACCOUNT;
use crate::site::{self, Site};
use crate::stage::Stage;

const ZONE_STACK: &str = "hosted-zone-access";
const EXTERNAL_ID: &str = "a-secret-of-the-zone-s-owner";
const OTHER_EXTERNAL_ID: &str = "somebody-else-s-secret";
const PATIENCE: Duration = Duration::from_secs(120);

/// What provision's own role may do with zones.
const OWN: [&str; 4] = [
    "route53:GetHostedZone",
    "route53:ListResourceRecordSets",
    "route53:ChangeResourceRecordSets",
    "route53:GetChange",
];
const ASSUME: &str = "sts:AssumeRole";

/// Deploys the template for the zone's account. Returns the role's ARN.
pub(super) async fn deploy(stage: &Stage<'_>, site: &Site) -> Result<String> {
    stage
        .narration
        .step("infra/hosted-zone-access.yaml: a role for the hosted zone", async |step| {
            let template = stage.workplace.repository().join("infra/hosted-zone-access.yaml");
            let body = format!("file://{}", template.display());
            let parameters = [
                ("HostedZoneId", site.zone_id.as_str()),
                ("Records", site::FAILOVER_RECORD),
                ("EngineAccountId", ACCOUNT),
                ("EngineStackName", STACK),
                ("ExternalId", EXTERNAL_ID),
            ]
            .map(|(name, value)| format!("ParameterKey={name},ParameterValue={value}"));
            let create = ["cloudformation", "create-stack", "--stack-name", ZONE_STACK, "--template-body", &body];
            let with = ["--capabilities", "CAPABILITY_IAM", "--parameters"];
            let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
            stage.tools.aws(&[create.as_slice(), &with, &parameters].concat())?;
            let status = settled(stage, ZONE_STACK, PATIENCE, step).await?;
            ensure!(status == "CREATE_COMPLETE", "expected the stack in CREATE_COMPLETE, and saw {status}");
            let stack = describe(stage, ZONE_STACK)?.context("there is no stack")?;
            let outputs = stack["Outputs"].as_array().cloned().unwrap_or_default();
            let arn = outputs.iter().find(|output| output["OutputKey"] == "HostedZoneRoleArn");
            let arn = arn.and_then(|output| output["OutputValue"].as_str()).context("the stack names no role")?;
            step.saw(format!("stack {ZONE_STACK}: CREATE_COMPLETE; the role is {arn}"));
            Ok(arn.to_owned())
        })
        .await
}

/// Makes and removes a protection whose zone provision's own role may not touch.
pub(super) async fn prove(crew: &Crew<'_>, grants: &[Grant], role: &str) -> Result<()> {
    let stage = crew.stage;
    stage
        .narration
        .step("The zone is reached by the other role alone", async |step| {
            let of_provision = |wanted: &[&str]| -> Vec<&Grant> {
                let is_wanted = |grant: &&Grant| wanted.contains(&grant.action.as_str());
                grants.iter().filter(|grant| grant.function == "provision").filter(is_wanted).collect()
            };
            let (own, assume) = (of_provision(&OWN), of_provision(&[ASSUME]));
            ensure!(
                own.len() == OWN.len() && assume.len() == 1,
                "the role of provision is not as this step expects it"
            );
            take_away_all(stage, &[own.as_slice(), &assume].concat()).await?;
            let outcome = refused(crew, &request(crew, "Create", role, EXTERNAL_ID)).await;
            take_away_all(stage, &own).await?;
            outcome?;
            step.saw(format!("without {ASSUME}: FAILED, with the finding `permission`, and nothing was changed"));
            refused(crew, &request(crew, "Create", role, OTHER_EXTERNAL_ID)).await?;
            step.saw("with another external id: FAILED, with the finding `permission`, and nothing was changed");

            let created = crew.provision(&request(crew, "Create", role, EXTERNAL_ID)).await?;
            ensure!(created["outcome"] == "SUCCESS", "expected the Create to succeed by the role, and saw {created}");
            let records = crew.site.failover_records(&stage.aws).await?;
            ensure!(records.len() == 2, "expected two failover records, and saw {}", records.len());
            step.saw("made, with both records, while provision itself may neither read nor change any zone");

            let removed = crew.provision(&request(crew, "Delete", role, EXTERNAL_ID)).await?;
            ensure!(removed["outcome"] == "SUCCESS", "expected the Delete to succeed by the role, and saw {removed}");
            crew.removals.set(crew.removals.get() + 1);
            let records = crew.site.failover_records(&stage.aws).await?;
            ensure!(records.is_empty(), "expected no failover record, and saw {}", records.len());
            step.saw("removed again, by the same role");
            own[0].put_back(stage).await
        })
        .await?;
    stage.tools.aws(&["cloudformation", "delete-stack", "--stack-name", ZONE_STACK]).map(drop)
}

/// The role is of no use for this request, and the answer says so.
async fn refused(crew: &Crew<'_>, request: &Value) -> Result<()> {
    let told = crew.stage.own_log()?.lines.len();
    let refused = crew.provision(request).await?;
    ensure!(refused["outcome"] == "FAILED", "expected the Create to fail, and saw {refused}");
    let log = crew.stage.own_log()?.lines.split_off(told).join("\n");
    ensure!(log.contains("[permission]"), "the failure does not say that a permission is missing:\n{log}");
    ensure!(!log.contains(EXTERNAL_ID) && !log.contains(OTHER_EXTERNAL_ID), "the log holds the external id");
    let records = crew.site.failover_records(&crew.stage.aws).await?;
    ensure!(records.is_empty(), "expected no failover record, and saw {}", records.len());
    Ok(())
}

fn request(crew: &Crew<'_>, kind: &str, role: &str, external_id: &str) -> Value {
    let mut request = crew.request(kind, 2);
    let properties = &mut request["ResourceProperties"];
    properties["HostedZoneRoleArn"] = json!(role);
    properties["HostedZoneExternalId"] = json!(external_id);
    request
}
