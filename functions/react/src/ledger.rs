//! What is left to do where the ledger, or one row of it, cannot be read: hold, and say so.

use failopen::commands::Commands;
use failopen::decision::{Decision, Reason};
use failopen::id::{AlarmName, ProtectionName};
use failopen::notice;
use failopen::port::{Apply, Clock, Fault, Message, Metric, Observe};
use failopen::posture::{Posture, Traffic};
use failopen::rows::UnreadableRow;
use serde_json::{Value, json};

use crate::event::Look;
use crate::handler::{Answer, publish};

/// One protection's row cannot be understood: it holds, and people hear of it once, however long that lasts. The others go on.
///
/// The message goes out before it is remembered: it may be sent twice, and is never lost.
pub(crate) async fn without_row<C: Apply>(commands: &Commands, cloud: &C, row: &UnreadableRow) -> Answer {
    let UnreadableRow { name, fault, told, .. } = row;
    tracing::error!(protection = %name, error_type = ?fault.kind, %fault, "The protection's row cannot be read; it holds");
    if !told {
        let sent = cloud.notify(&notice::unreadable_row(row, commands)).await;
        let noted = match sent {
            Ok(()) => cloud.note_told(row).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = noted {
            tracing::error!(protection = %name, error_type = ?fault.kind, %fault, "Nobody may have been told; the next tick tells again");
        }
    }
    let metric = |metric| Metric { name: metric, protection: name.clone(), value: 1 };
    publish(cloud, &[metric("Bypassed"), metric("DecisionErrors")]).await;
    let because = format!("its row in the ledger cannot be read ({fault}), so nothing is known about pins and targets");
    held(name.to_string(), because)
}

fn held(protection: String, because: String) -> Answer {
    Answer {
        protection,
        decision: Decision::hold(Reason::LedgerUnavailable, because),
        posture: Posture::Foreign,
        traffic: Traffic::Unknown,
        flip: "none",
    }
}

/// Nothing is known about pins, targets and history: every protection holds, and people hear of it.
///
/// There is no memory to tell a first message from a later one, so a tick tells only in the first minute of each quarter of
/// an hour; an alarm, which rings only on a change, always does.
pub(crate) async fn without_ledger<C: Observe + Apply, K: Clock>(
    commands: &Commands,
    cloud: &C,
    clock: &K,
    look: &Look,
    fault: &Fault,
) -> Value {
    let now = clock.now();
    tracing::error!(error_type = ?fault.kind, %fault, "The ledger cannot be read; every decision holds");
    let names: Vec<String> = match look {
        Look::Tick => vec!["*".to_owned()],
        Look::Protection(name) => vec![name.to_string()],
        Look::Alarms(alarms) => alarms.iter().filter_map(protection_of).collect(),
    };
    let minute = now.as_second().div_euclid(60) % 15;
    let tell = match look {
        Look::Tick => minute == 0,
        Look::Alarms(_) | Look::Protection(_) => true,
    };
    if tell {
        let message = Message {
            subject: "[failopen] the ledger cannot be read: automation holds".to_owned(),
            body: format!(
                "react could not read the ledger ({fault}), so layer 2 does nothing. DNS failover (layer 1) goes on by \
                 itself.\n\nNext, where traffic has to move meanwhile, break-glass, which needs no ledger (RUNBOOK.md says \
                 how to find the ids; leave `dryRun` out to make the change):\n{}\n",
                commands.break_glass()
            ),
        };
        if let Err(fault) = cloud.notify(&message).await {
            tracing::error!(error_type = ?fault.kind, %fault, "The notification was not sent");
        }
    }
    let errors: Vec<Metric> = names
        .iter()
        .map(|name| Metric { name: "DecisionErrors", protection: ProtectionName::new(name.as_str()), value: 1 })
        .collect();
    publish(cloud, &errors).await;
    let because = format!("the ledger cannot be read ({fault}), so nothing is known about pins and targets");
    let answers: Vec<Answer> = names.into_iter().map(|protection| held(protection, because.clone())).collect();
    json!({ "decisions": answers })
}

/// The protection whose own alarm this is, by the alarm's name.
fn protection_of(alarm: &AlarmName) -> Option<String> {
    let name = alarm.as_str().strip_prefix("failopen-")?.strip_suffix("-inspection")?;
    Some(name.to_owned())
}
