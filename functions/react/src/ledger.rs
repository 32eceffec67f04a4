//! What is left to do where the ledger, or one row of it, cannot be read or is gone: hold, and say so.

use failopen::alarm::{AlarmState, ObservedAlarm};
use failopen::commands::{BREAK_GLASS, Commands};
use failopen::decision::{Decision, Reason};
use failopen::failure::{ErrorType, Failure};
use failopen::id::{AlarmName, ProtectionName};
use failopen::inability::Inability;
use failopen::notice;
use failopen::port::{Apply, Clock, Fault, Message, Metric, Observe};
use failopen::posture::{Posture, Traffic};
use failopen::properties;
use failopen::rows::UnreadableRow;
use serde_json::Value;

use crate::event::Look;
use crate::handler::{Answer, Handled, concluded, publish};

/// One protection's row cannot be understood: it holds, and people hear of it once, however long that lasts. The others go on.
///
/// That inspection is down is told by the alarm alone, which rings only on a change: nothing remembers it from tick to tick.
///
/// The message goes out before it is remembered: it may be sent twice, and is never lost.
pub(crate) async fn without_row<C: Observe + Apply>(
    commands: &Commands,
    cloud: &C,
    row: &UnreadableRow,
    look: &Look,
) -> Handled {
    let UnreadableRow { name, fault, told, .. } = row;
    tracing::error!(protection = %name, error_type = ?fault.kind, %fault, "The protection's row cannot be read; it holds");
    let mut undone = Vec::new();
    let is_down = match look.alarms().contains(&name.alarm()) {
        true => rings(cloud, &name.alarm()).await.unwrap_or_else(|fault| {
            tracing::error!(protection = %name, error_type = ?fault.kind, %fault, "The alarm could not be read");
            undone.push(Inability::lost(&notice::unreadable_row(row, true, commands).subject, &fault));
            false
        }),
        false => false,
    };
    if !told || is_down {
        let message = notice::unreadable_row(row, is_down, commands);
        let noted = match cloud.notify(&message).await {
            Ok(()) if *told => Ok(()),
            Ok(()) => {
                let noted = cloud.note_told(row).await;
                undone.extend(noted.as_ref().err().and_then(|fault| Inability::row(name, fault)));
                noted
            }
            Err(fault) => {
                // No tick repeats what the alarm alone tells.
                undone.extend(match is_down {
                    true => Some(Inability::lost(&message.subject, &fault)),
                    false => Inability::message(&message.subject, &fault),
                });
                Err(fault)
            }
        };
        if let Err(fault) = noted {
            tracing::error!(protection = %name, error_type = ?fault.kind, %fault, "Nobody may have been told; the next tick tells again");
        }
    }
    let metric = |metric| Metric { name: metric, protection: name.clone(), value: 1 };
    publish(cloud, &[metric("Bypassed"), metric("DecisionErrors")]).await;
    let because = format!("its row in the ledger cannot be read ({fault}), so nothing is known about pins and targets");
    Handled { answer: held(name.to_string(), because), undone }
}

/// Whether the alarm is in ALARM now, whatever the event says that it was.
async fn rings<C: Observe>(cloud: &C, alarm: &AlarmName) -> Result<bool, Fault> {
    let found = cloud.alarms(std::slice::from_ref(alarm)).await?;
    Ok(found.iter().any(|found| found.name == *alarm && found.state == AlarmState::Alarm))
}

/// An alarm that calls react, as a protection's own does, has such a name, too, and the ledger has no row of it. Where it is still there,
/// and the event is not from before the protection was deleted, nobody watches what it speaks for; only the alarm can tell of that,
/// because no tick knows of what has no row.
///
/// Nothing remembers that people were told: an alarm rings only on a change, so each event tells.
///
/// # Errors
/// `Unavailable` where that cannot be looked up or told: the failed event stays as a dead letter, which people hear of. Lambda does
/// not deliver it again.
pub(crate) async fn without_protection<C: Observe + Apply>(
    commands: &Commands,
    cloud: &C,
    name: ProtectionName,
) -> Result<Option<Answer>, Failure> {
    let alarm = name.alarm();
    let failed = |what: &str, fault: &Fault| {
        Failure::new(
            ErrorType::Unavailable,
            format!(
                "Alarm {alarm} has spoken, and the ledger has no row of `{name}`. {what} failed: {fault}. Look for that row (RUNBOOK.md, \
                 \"Restore the ledger\"); DNS failover (layer 1) does not depend on it."
            ),
        )
    };
    let found =
        cloud.alarms(std::slice::from_ref(&alarm)).await.map_err(|fault| failed("Reading that alarm", &fault))?;
    if !found.iter().any(ObservedAlarm::is_on_health_check) {
        return Ok(None);
    }
    tracing::error!(protection = %name, %alarm, "The alarm is there, but no row in the ledger; nobody watches the protection");
    publish(cloud, &[Metric { name: "DecisionErrors", protection: name.clone(), value: 1 }]).await;
    cloud.notify(&notice::missing_row(&name, commands)).await.map_err(|fault| failed("Telling people", &fault))?;
    let because = "its alarm has spoken, and the ledger has no row of it, so nothing is known about pins and targets";
    Ok(Some(held(name.to_string(), because.to_owned())))
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
/// There is no memory to tell a first message from a later one: [`Look::tells_unremembered`].
///
/// # Errors
/// Where people can never be told either, and nobody reads the answer.
pub(crate) async fn without_ledger<C: Observe + Apply, K: Clock>(
    commands: &Commands,
    cloud: &C,
    clock: &K,
    look: &Look,
    fault: &Fault,
) -> Result<Value, Failure> {
    tracing::error!(error_type = ?fault.kind, %fault, "The ledger cannot be read; every decision holds");
    let names: Vec<String> = match look {
        Look::Tick => vec!["*".to_owned()],
        Look::Protection(name) => vec![name.to_string()],
        Look::Alarm(_) | Look::Alarms(_) => {
            look.alarms().iter().filter_map(protection_of).map(|name| name.to_string()).collect()
        }
    };
    let mut undone = Vec::new();
    if look.tells_unremembered(clock.now()) {
        let message = Message {
            subject: "[failopen] the ledger cannot be read: automation holds".to_owned(),
            body: format!(
                "react could not read the ledger ({fault}), so layer 2 does nothing. DNS failover (layer 1) goes on by \
                 itself.\n\nNext, where traffic has to move meanwhile, {BREAK_GLASS}:\n{}\n",
                commands.break_glass()
            ),
        };
        if let Err(fault) = cloud.notify(&message).await {
            tracing::error!(error_type = ?fault.kind, %fault, "The notification was not sent");
            undone.extend(Inability::message(&message.subject, &fault));
        }
    }
    let errors: Vec<Metric> = names
        .iter()
        .map(|name| Metric { name: "DecisionErrors", protection: ProtectionName::new(name.as_str()), value: 1 })
        .collect();
    publish(cloud, &errors).await;
    let because = format!("the ledger cannot be read ({fault}), so nothing is known about pins and targets");
    let answers: Vec<Answer> = names.into_iter().map(|protection| held(protection, because.clone())).collect();
    concluded(commands, look, &answers, &undone)
}

/// The protection whose own alarm this is, by the alarm's name.
pub(crate) fn protection_of(alarm: &AlarmName) -> Option<ProtectionName> {
    let name = alarm.as_str().strip_prefix("failopen-")?.strip_suffix("-inspection")?;
    properties::protection_name(name)
}
