//! What each command of a scenario does.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::meddling::Habit;
use super::{Lab, own_alarm, parameters};
use crate::deployment::STACK;
use crate::script::{Command, Disturbance, Fault, Host, Layers, Side};
use crate::site::{APPLICATION, INSPECTION, PROTECTION};
use crate::timeline::Kind;

/// Who acts, and why, in every override.
const REASON: &str = "INC-42";

impl Lab<'_> {
    /// Does it; the answer is what was seen, where something was looked for.
    pub(super) async fn obey(&self, command: &Command) -> Result<Option<String>> {
        match command {
            Command::Wait(duration) => self.stage.clock.sleep(*duration).await,
            Command::Break(host, fault) => self.break_host(*host, *fault).await?,
            Command::Heal(host) => self.heal_host(*host).await?,
            Command::AlarmEvents(disturbance) => self.disturb(*disturbance),
            Command::Ticks(enabled) => {
                self.schedule.as_ref().context("there is no schedule without a stack")?.enable(*enabled);
                let verb = if *enabled { "starts" } else { "stops" };
                self.tell(Kind::Disturbance, format!("the schedule {verb}"));
            }
            Command::ThrottleCloudFront(duration) => {
                let until = std::time::Instant::now() + self.stage.clock.scale().wall(*duration);
                self.stage.referee.throttle_cloudfront(until);
                self.tell(
                    Kind::Disturbance,
                    format!("CloudFront refuses every call for its rate, for {} s", duration.as_secs()),
                );
            }
            Command::EditComment(comment) => {
                self.meddler.edit_comment(comment).await?;
                self.comment.replace(Some(comment.clone()));
            }
            Command::RevertEvery(period) => {
                let habit = Habit::of_reverting(self.meddler.clone(), self.before_outage.clone(), *period);
                self.habit.replace(Some(habit));
            }
            Command::StopReverting => drop(self.habit.take()),
            Command::Pin(side, expires) => {
                let posture = match side {
                    Some(Side::Inspected) => "inspected",
                    Some(Side::Bypassed) => "bypassed",
                    None => "hold",
                };
                self.ask("pin", json!({"posture": posture}), *expires).await?;
            }
            Command::Unpin => self.ask("unpin", json!({}), None).await?,
            Command::Unlatch => self.ask("unlatch", json!({}), None).await?,
            Command::Bypass(expires) => self.ask("bypass", json!({}), *expires).await?,
            Command::Restore(expires) => self.ask("restore", json!({}), *expires).await?,
            Command::ForceDns(forced) => {
                self.gdnsd.as_ref().context("no other DNS service is played with")?.force(*forced)?;
                let what = if *forced { "takes inspection for dead" } else { "leaves inspection to its check again" };
                self.tell(Kind::Operator, format!("an operator of the other DNS service {what}"));
            }
            Command::OwnAlarm(rings) => own_alarm::set(self.stage, *rings).await?,
            Command::RemoveFunctions => self.remove_functions().await?,
            Command::DeleteStack => self.delete_stack()?,
            Command::Expect(expectation) => return self.expect(expectation).await.map(Some),
        }
        Ok(None)
    }

    fn tell(&self, kind: Kind, text: String) {
        self.stage.timeline.tell(kind, text);
    }

    async fn break_host(&self, host: Host, fault: Fault) -> Result<()> {
        let (origin, kind, name) = match host {
            Host::Inspection => (&self.stage.origins.inspection, Kind::InspectionBroken, INSPECTION),
            Host::Application => (&self.stage.origins.application, Kind::ApplicationBroken, APPLICATION),
        };
        self.tell(kind, format!("{name} {fault}"));
        origin.suffer(fault).await?;
        if matches!(fault, Fault::Flapping(_)) {
            let (mut turns, timeline) = (origin.turns(), self.stage.timeline.clone());
            self.turns.borrow_mut().spawn(async move {
                while turns.changed().await.is_ok() {
                    let is_well = *turns.borrow_and_update();
                    timeline.tell(Kind::Disturbance, format!("{name} is {}", if is_well { "well" } else { "down" }));
                }
            });
        }
        if host == Host::Inspection && self.script.layers == Layers::ByHand {
            self.habit.replace(Some(Habit::by_hand(self.meddler.clone(), true)));
        }
        Ok(())
    }

    async fn heal_host(&self, host: Host) -> Result<()> {
        let (origin, kind, name) = match host {
            Host::Inspection => (&self.stage.origins.inspection, Kind::InspectionHealed, INSPECTION),
            Host::Application => (&self.stage.origins.application, Kind::ApplicationHealed, APPLICATION),
        };
        self.turns.borrow_mut().abort_all();
        origin.heal().await?;
        self.tell(kind, format!("{name} is well again"));
        if host == Host::Inspection && self.script.layers == Layers::ByHand {
            self.habit.replace(Some(Habit::by_hand(self.meddler.clone(), false)));
        }
        Ok(())
    }

    fn disturb(&self, disturbance: Disturbance) {
        self.stage.cloudwatch.disturb(disturbance);
        let text = match disturbance {
            Disturbance::Lose { lost, of } => format!("{lost} of {of} alarm events are lost from now on"),
            Disturbance::Copies(copies) => format!("every alarm event is delivered {copies} times from now on"),
            Disturbance::Late(delay) => format!("alarm events arrive {} s late from now on", delay.as_secs()),
            Disturbance::None => "alarm events arrive once, at once, from now on".to_owned(),
        };
        self.tell(Kind::Disturbance, text);
    }

    /// Asks flip as an operator does.
    async fn ask(&self, action: &str, fields: Value, expires: Option<std::time::Duration>) -> Result<()> {
        let deployment = self.deployment.as_ref().context("nothing is deployed that could be asked")?;
        let mut request = json!({"action": action, "protection": PROTECTION, "requestedBy": "rehearsal"});
        // What ends an override needs no reason but unlatch.
        if action != "unpin" {
            request["reason"] = json!(REASON);
        }
        if let Some(expires) = expires {
            request["expiresIn"] = json!(parameters::expires_in(self.stage.clock.scale(), expires));
        }
        for (name, value) in fields.as_object().into_iter().flatten() {
            request[name] = value.clone();
        }
        self.tell(Kind::Operator, format!("an operator asks flip: {request}"));
        let answer = self.stage.aws.invoke(&deployment.flip, &request).await?;
        if action == "unpin" {
            self.unpinned.set(Some(self.stage.clock.now()));
        }
        let because = answer["because"].as_str().unwrap_or("done");
        self.tell(Kind::Operator, format!("flip answers: {because}"));
        Ok(())
    }

    /// As if somebody had emptied the account of them: what is left is what AWS does by itself.
    async fn remove_functions(&self) -> Result<()> {
        let deployment = self.deployment.as_ref().context("nothing is deployed that could be removed")?;
        for function in [&deployment.react, &deployment.flip, &deployment.provision] {
            let removed = self.stage.insides.lambda.delete_function().function_name(function).send().await;
            removed.with_context(|| format!("{function} could not be deleted"))?;
        }
        let left = self.stage.insides.lambda.list_functions().send().await?;
        anyhow::ensure!(left.functions().is_empty(), "functions are left: {:?}", left.functions());
        self.tell(Kind::Disturbance, "every function is deleted from the account".to_owned());
        Ok(())
    }

    fn delete_stack(&self) -> Result<()> {
        self.tell(Kind::Operator, format!("an operator deletes the stack {STACK}"));
        self.stage.tools.aws(&["cloudformation", "delete-stack", "--stack-name", STACK])?;
        self.is_deleted.set(true);
        Ok(())
    }
}
