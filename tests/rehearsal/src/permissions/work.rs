//! The pieces of work, through the deployed functions.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_route53::types::{HealthCheckConfig, HealthCheckType};
use serde_json::{Value, json};

use super::trials::Work;
use crate::aws::{Heard, RawDocument};
use crate::deployment::Deployment;
use crate::narration::Seen;
use crate::site::{self, Site};
use crate::stage::Stage;

const NAME: &str = "trial";

/// The reference of a check that is not the protection's.
const CALCULATED: &str = "calculated";
/// Seconds that provision is given where it must not get anywhere: less than it keeps back for its answer.
const NO_TIME: i32 = 30;
/// Seconds that the template gives it.
const ITS_TIME: i32 = 900;

/// What can be done, and with what.
pub(super) struct Crew<'a> {
    pub(super) stage: &'a Stage<'a>,
    pub(super) site: Site,
    pub(super) deployment: Deployment,
    pub(super) stack_id: String,
    /// How often the protection was removed. A Create that came with an id from before would be told apart from a new one.
    pub(super) removals: Cell<u32>,
    /// How often it was asked to change.
    pub(super) updates: Cell<u32>,
}

/// How a refusal was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sound {
    /// A function error, or FAILED to CloudFormation.
    Failed,
    /// A decision to hold.
    Held,
    /// A line of the log at WARN or ERROR.
    Logged,
}

impl Heard {
    /// How this invocation told that `action` was refused; `None` where it did not.
    pub(super) fn sound(&self, action: &str) -> Option<Sound> {
        let operation = super::operation(action);
        // A refusal is quoted whole, or by its code where the request holds secrets.
        let names = |text: &str| text.contains(action) || (text.contains("AccessDenied") && text.contains(operation));
        let loud = self.log.lines().any(|line| (line.contains("ERROR") || line.contains("WARN")) && names(line));
        if !names(&self.answer) && !loud {
            return None;
        }
        Some(if self.failed || self.answer.contains("\"FAILED\"") {
            Sound::Failed
        } else if self.answer.contains("\"hold\"") && names(&self.answer) {
            Sound::Held
        } else {
            Sound::Logged
        })
    }
}

impl Work {
    /// Whether the distribution has to be the same afterwards as before.
    pub(super) fn is_fenced(self) -> bool {
        match self {
            Work::Decide
            | Work::DecideAfterFlip
            | Work::DecideAgainstPosture
            | Work::Tick
            | Work::Status
            | Work::StatusOfAll
            | Work::Bypass => true,
            // They go on where the last trial stopped, and each step of theirs is a whole one.
            Work::Create | Work::Update | Work::UpdateToCalculated | Work::HandOver | Work::Delete => false,
        }
    }

    /// A bypass that only cannot count itself has happened.
    pub(super) fn moves_traffic_without(self, action: &str) -> bool {
        self == Work::Bypass && action == "cloudwatch:PutMetricData"
    }
}

impl Crew<'_> {
    pub(super) async fn document(&self) -> Result<RawDocument> {
        self.stage.aws.distribution(&self.site.distribution_id).await
    }

    /// Brings the world to where the work is due, with all permissions.
    pub(super) async fn prepare(&self, work: Work) -> Result<()> {
        match work {
            Work::Create | Work::HandOver | Work::Delete => Ok(()),
            Work::Update | Work::UpdateToCalculated => self.is_there().await,
            Work::Decide | Work::Status | Work::StatusOfAll | Work::Bypass => self.is_at_rest().await,
            Work::Tick => {
                self.is_at_rest().await?;
                self.forget_the_drift().await
            }
            Work::DecideAgainstPosture => {
                self.is_at_rest().await?;
                let pin = json!({
                    "action": "pin", "protection": NAME, "posture": "bypassed", "reason": "a trial", "expiresIn": "1h"
                });
                self.stage.aws.invoke(&self.deployment.flip, &pin).await.map(drop)
            }
            Work::DecideAfterFlip => {
                self.is_at_rest().await?;
                self.stage.aws.invoke(&self.deployment.flip, &bypass()).await.map(drop)
            }
        }
    }

    /// Does the work once.
    pub(super) async fn do_it(&self, work: Work) -> Result<Heard> {
        let Deployment { provision, react, flip } = &self.deployment;
        let aws = &self.stage.aws;
        match work {
            Work::Create => aws.hear(provision, &self.request("Create", 2)).await,
            Work::Update => aws.hear(provision, &self.update(3).await?).await,
            Work::UpdateToCalculated => {
                let check = self.calculated_check().await?;
                let mut update = self.update(2).await?;
                update["ResourceProperties"]["HealthCheck"] = json!({"HealthCheckId": check});
                aws.hear(provision, &update).await
            }
            Work::Delete => aws.hear(provision, &self.request("Delete", 2)).await,
            Work::HandOver => {
                self.give_provision(NO_TIME).await?;
                let heard = aws.hear(provision, &self.request("Delete", 2)).await;
                self.give_provision(ITS_TIME).await?;
                heard
            }
            Work::Decide | Work::DecideAfterFlip | Work::DecideAgainstPosture => {
                aws.hear(react, &json!({"action": "decide", "protection": NAME})).await
            }
            Work::Tick => aws.hear(react, &json!({"action": "tick"})).await,
            Work::Status => aws.hear(flip, &json!({"action": "status", "protection": NAME})).await,
            Work::StatusOfAll => aws.hear(flip, &json!({"action": "status"})).await,
            Work::Bypass => aws.hear(flip, &bypass()).await,
        }
    }

    /// A Create that went on to its end is undone, so that the next one has everything to do; an Update is repeated with all
    /// permissions, and taken back.
    pub(super) async fn tidy(&self, work: Work, heard: &Heard) -> Result<()> {
        if work == Work::Create && heard.answer.contains("SUCCESS") {
            ensure!(self.removed().await?, "the protection could not be removed with all permissions");
        }
        if work == Work::UpdateToCalculated {
            let answer = self.stage.aws.invoke(&self.deployment.provision, &self.update(2).await?).await?;
            ensure!(answer["outcome"] == "SUCCESS", "expected the roll-back to succeed, and saw {answer}");
            let check = self.calculated_check().await?;
            self.stage
                .aws
                .route53
                .delete_health_check()
                .health_check_id(check)
                .send()
                .await
                .context("DeleteHealthCheck")?;
        }
        if work == Work::Update {
            for threshold in [3, 2] {
                let answer = self.stage.aws.invoke(&self.deployment.provision, &self.update(threshold).await?).await?;
                ensure!(
                    answer["outcome"] == "SUCCESS",
                    "expected an Update to succeed with all permissions, and saw {answer}"
                );
            }
        }
        Ok(())
    }

    /// A check that is calculated from the protection's own.
    async fn calculated_check(&self) -> Result<String> {
        let checks = self.stage.aws.route53.list_health_checks().send().await?;
        if let Some(check) = checks.health_checks().iter().find(|check| check.caller_reference() == CALCULATED) {
            return Ok(check.id().to_owned());
        }
        let records = self.site.failover_records(&self.stage.aws).await?;
        let child =
            records.iter().find_map(|record| record.health_check_id()).context("no record has a health check")?;
        let config = HealthCheckConfig::builder()
            .r#type(HealthCheckType::Calculated)
            .health_threshold(1)
            .child_health_checks(child)
            .build()?;
        let request =
            self.stage.aws.route53.create_health_check().caller_reference(CALCULATED).health_check_config(config);
        let created = request.send().await.context("CreateHealthCheck")?;
        Ok(created.health_check().context("no check was made")?.id().to_owned())
    }

    /// Deletes the protection, and tells whether it is gone.
    async fn removed(&self) -> Result<bool> {
        let answer = self.stage.aws.invoke(&self.deployment.provision, &self.request("Delete", 2)).await?;
        let gone = answer["outcome"] == "SUCCESS";
        if gone {
            self.removals.set(self.removals.get() + 1);
        }
        Ok(gone)
    }

    /// The protection exists, healthy and inspected, nothing is pinned, and react has nothing to remember or tell.
    async fn is_at_rest(&self) -> Result<()> {
        self.is_there().await?;
        let (flip, react) = (&self.deployment.flip, &self.deployment.react);
        let restore = json!({"action": "restore", "protection": NAME, "reason": "a trial", "expiresIn": "1h"});
        self.stage.aws.invoke(flip, &restore).await?;
        self.stage.aws.invoke(flip, &json!({"action": "unpin", "protection": NAME})).await?;
        self.stage.aws.invoke(react, &json!({"action": "tick"})).await.map(drop)
    }

    async fn is_there(&self) -> Result<()> {
        let answer = self.stage.aws.invoke(&self.deployment.provision, &self.request("Create", 2)).await?;
        ensure!(
            answer["outcome"] == "SUCCESS",
            "expected the protection to be made with all permissions, and saw {answer}"
        );
        let alarm = format!("failopen-{NAME}-inspection");
        for _ in 0..150 {
            let found = self.stage.aws.cloudwatch.describe_alarms().alarm_names(&alarm).send().await?;
            let state = found.metric_alarms().first().and_then(|alarm| alarm.state_value());
            if state.is_some_and(|state| state.as_str() == "OK") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        bail!("alarm {alarm} was not OK after 30 seconds, although inspection is healthy")
    }

    /// Drift is read every quarter of an hour; here it is due at once.
    async fn forget_the_drift(&self) -> Result<()> {
        let table = crate::deployment::output_of(self.stage, "LedgerTableName")?;
        let key = json!({"protection": {"S": NAME}, "entry": {"S": "state"}});
        let found = self.ledger("GetItem", &json!({"TableName": table, "Key": key})).await?;
        let document = found.pointer("/Item/document/S").and_then(Value::as_str).context("the ledger has no row")?;
        let mut document: Value = serde_json::from_str(document)?;
        let watch = document["watch"].as_object_mut().context("the row has no watch")?;
        ensure!(
            watch.remove("drift_read_at").is_some(),
            "the row does not say when drift was read, so this proves nothing"
        );
        let request = json!({
            "TableName": table, "Key": key, "UpdateExpression": "SET #document = :document",
            "ExpressionAttributeNames": {"#document": "document"},
            "ExpressionAttributeValues": {":document": {"S": document.to_string()}},
        });
        self.ledger("UpdateItem", &request).await.map(drop)
    }

    async fn ledger(&self, operation: &str, input: &Value) -> Result<Value> {
        let headers = [
            ("x-amz-target", format!("DynamoDB_20120810.{operation}")),
            ("content-type", "application/x-amz-json-1.0".to_owned()),
        ];
        let answer = self.stage.aws.wire.send("dynamodb", "POST", "/", &headers, &serde_json::to_vec(input)?).await?;
        Ok(serde_json::from_slice(&answer.successful(operation)?.body)?)
    }

    async fn give_provision(&self, seconds: i32) -> Result<()> {
        let request = self.stage.aws.lambda.update_function_configuration().timeout(seconds);
        request.function_name(&self.deployment.provision).send().await.context("UpdateFunctionConfiguration").map(drop)
    }

    /// What provision answers to a request.
    pub(super) async fn provision(&self, request: &Value) -> Result<Value> {
        self.stage.aws.invoke(&self.deployment.provision, request).await
    }

    /// A request of CloudFormation about the protection, with this threshold of its health check.
    pub(super) fn request(&self, kind: &str, threshold: u32) -> Value {
        let mut request = json!({
            "RequestType": kind,
            "RequestId": format!("11111111-2222-3333-{:04}-000000000000", self.removals.get()),
            "ResponseURL": format!("{}/_ministack/cfn-response/trial", self.stage.endpoint()),
            "StackId": self.stack_id,
            "LogicalResourceId": "Trial",
            "ResourceType": "Custom::FailOpenProtection",
            "ResourceProperties": self.properties(threshold),
        });
        if kind != "Create" {
            request["PhysicalResourceId"] = json!(format!("failopen-{NAME}-000000000000"));
        }
        request
    }

    /// The next Update, to this threshold from the other one.
    async fn update(&self, threshold: u32) -> Result<Value> {
        // The mark of the owner, which the physical id ends with, stands in the records' names for each other, too.
        let records = self.site.failover_records(&self.stage.aws).await?;
        let set = records.first().and_then(|record| record.set_identifier());
        let id = set.and_then(|set| set.strip_suffix("-primary")).context("there is no primary record")?;
        self.updates.set(self.updates.get() + 1);
        let mut request = self.request("Update", threshold);
        request["RequestId"] =
            json!(format!("11111111-2222-3333-{:04}-{:012}", self.removals.get(), self.updates.get()));
        request["PhysicalResourceId"] = json!(id);
        request["OldResourceProperties"] = self.properties(5 - threshold);
        Ok(request)
    }

    fn properties(&self, threshold: u32) -> Value {
        json!({
            "ServiceToken": self.deployment.provision,
            "Name": NAME,
            "DistributionId": self.site.distribution_id,
            "FailoverRecord": site::FAILOVER_RECORD,
            "InspectionHostname": site::INSPECTION,
            "ApplicationHostname": site::APPLICATION,
            "HostedZoneId": self.site.zone_id,
            "Traffic": ["*"],
            "RecordTtl": "1",
            "HealthCheck": {"Path": "/", "FailureThreshold": threshold.to_string()},
            "OriginPort": self.stage.origins.port().to_string(),
            "EdgeFailOpen": "automatic",
            "HoldDownSeconds": "0",
            "MinimumDwellSeconds": "0",
            "MaximumFlipsPerDay": "100",
        })
    }

    /// After all the refusals in the middle of work, a Delete with all permissions leaves the account as it was.
    pub(super) async fn leaves_nothing_behind(&self) -> Result<()> {
        self.stage
            .narration
            .step("With all permissions, the protection is removed without a trace", async |step| {
                let gone =
                    async || Ok(if self.removed().await? { Seen::Done(()) } else { Seen::NotYet("FAILED".to_owned()) });
                step.until("the deletion", Duration::from_secs(60), gone).await?;
                let now = self.document().await?;
                ensure!(now.bytes == self.site.original.bytes, "the distribution is not byte for byte what it was");
                let records = self.site.failover_records(&self.stage.aws).await?;
                ensure!(records.is_empty(), "expected no record {}, and saw {}", site::FAILOVER_RECORD, records.len());
                let checks = self.stage.aws.route53.list_health_checks().send().await?;
                ensure!(
                    checks.health_checks().is_empty(),
                    "expected no health check, and saw {:?}",
                    checks.health_checks()
                );
                let alarm = format!("failopen-{NAME}-inspection");
                let alarms = self.stage.aws.cloudwatch.describe_alarms().alarm_names(&alarm).send().await?;
                ensure!(alarms.metric_alarms().is_empty(), "expected no alarm {alarm}, and it is still there");
                step.saw("the distribution is byte for byte what it was; records, health check and alarm are gone");
                Ok(())
            })
            .await
    }
}

fn bypass() -> Value {
    json!({"action": "bypass", "protection": NAME, "reason": "a trial", "requestedBy": "rehearsal", "expiresIn": "1h"})
}
