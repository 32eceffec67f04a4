//! EventBridge's part: the schedule that invokes react every minute. What react answers is told when it changes, and what flip
//! calls the traffic then is kept.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::aws::Aws;
use crate::clock::Moment;
use crate::site::PROTECTION;
use crate::stage::Stage;
use crate::timeline::{Kind, StatusSample, Timeline};

/// The schedule in `template.yaml`: `rate(1 minute)`.
const PERIOD: Duration = Duration::from_secs(60);

/// Runs until it is dropped.
pub(super) struct Schedule {
    task: JoinHandle<()>,
    enabled: watch::Sender<bool>,
}

/// The local AWS would tick at minutes of the wall, which are many modelled ones apart, and while the schedule is said to have
/// stopped.
pub(super) fn switch_off_the_local_aws_s_own(stage: &Stage<'_>) -> Result<()> {
    let rules = stage.tools.aws(&["events", "list-rules"])?;
    let scheduled = |rule: &&Value| rule["ScheduleExpression"].is_string();
    let names: Vec<&str> = rules["Rules"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(scheduled)
        .filter_map(|rule| rule["Name"].as_str())
        .collect();
    ensure!(!names.is_empty(), "the stack has no schedule");
    for name in names {
        stage.tools.aws(&["events", "disable-rule", "--name", name])?;
    }
    Ok(())
}

impl Schedule {
    /// `aws`: clients past the referee, because a tick is EventBridge's call and none of the product's.
    pub(super) fn start(aws: Aws, react: String, flip: String, timeline: Arc<Timeline>) -> Self {
        let (enabled, is_enabled) = watch::channel(true);
        let task = tokio::spawn(async move {
            let clock = timeline.clock();
            let mut told = None;
            let mut next = clock.now() + PERIOD;
            loop {
                clock.sleep_until(next).await;
                next = next + PERIOD;
                // A tick that fails is the next one's business, as in AWS.
                if *is_enabled.borrow()
                    && let Ok(answer) = aws.invoke(&react, &json!({"action": "tick"})).await
                {
                    tell(&timeline, &answer, &mut told);
                }
                let asked = clock.now();
                if let Ok(status) = aws.invoke(&flip, &json!({"action": "status", "protection": PROTECTION})).await {
                    keep(&timeline, asked, &status);
                }
            }
        });
        Self { task, enabled }
    }

    /// Whether ticks are sent from now on.
    pub(super) fn enable(&self, enabled: bool) {
        self.enabled.send_replace(enabled);
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keeps what `status` calls the traffic.
fn keep(timeline: &Timeline, at: Moment, status: &Value) {
    let text = |field: &str| status[field].as_str().unwrap_or_default().to_owned();
    timeline.status(StatusSample { at, traffic: text("traffic"), posture: text("posture") });
}

/// Tells a hold whose reason is another than before. That react asks flip is told by the request itself.
fn tell(timeline: &Timeline, answer: &Value, told: &mut Option<String>) {
    let Some(decision) = answer.pointer("/decisions/0") else {
        return;
    };
    let text = |field: &str| decision[field].as_str().unwrap_or_default().to_owned();
    let reason = text("reason");
    if told.as_ref() != Some(&reason) && decision["decision"] == "hold" {
        timeline.tell(Kind::DecidedHold, format!("react holds: {reason}, {}", text("because")));
    }
    *told = Some(reason);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Scale};

    #[test]
    fn a_hold_is_told_once_for_each_reason_and_every_status_is_a_sample() {
        let timeline = Timeline::new(Clock::start(Scale::DEFAULT));
        let answer = |decision: &str, reason: &str| json!({"decisions": [{"decision": decision, "reason": reason, "because": "so", "traffic": "inspected", "posture": "inspected"}]});
        let mut told = None;
        for answer in [
            answer("hold", "AlreadyThere"),
            answer("hold", "AlreadyThere"),
            answer("bypass", "AlarmActive"),
            answer("hold", "AlreadyThere"),
            json!({"decisions": []}),
        ] {
            tell(&timeline, &answer, &mut told);
        }
        keep(&timeline, Moment::default(), &json!({"traffic": "bypassed-dns", "posture": "inspected"}));
        timeline.look(|record| {
            assert_eq!((record.statuses.len(), record.statuses[0].traffic.as_str()), (1, "bypassed-dns"));
            let told: Vec<&str> = record.events.iter().map(|event| event.text.as_str()).collect();
            assert_eq!(told, ["react holds: AlreadyThere, so"; 2]);
        });
    }
}
