//! The alarm on inspection: described before it is written, because PutMetricAlarm overwrites silently.

use failopen::alarm::{AlarmState, MetricAlarm, ObservedAlarm};
use failopen::id::{AlarmName, HealthCheckId};
use failopen::port::{Apply, Clock, FaultKind, Observe};
use failopen::spec::Spec;

use crate::entry::{Entry, confirm_wanted};
use crate::job::Job;
use crate::stop::Stop;

/// Makes the alarm as declared; writes only where it differs.
pub(crate) async fn ensure<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    spec: &Spec,
    health_check: &HealthCheckId,
) -> Result<(), Stop> {
    let name = spec.name.alarm();
    let wanted = MetricAlarm::on_inspection(spec, health_check, &job.engine.react_function);
    if let Some((present, is_ours)) = find(job, &name).await? {
        if !is_ours {
            return Err(Stop::Failed(format!(
                "Name: there is an alarm {name} that this resource did not make, so it was not overwritten; remove it or \
                 choose another Name."
            )));
        }
        if present.metric.as_ref() == Some(&wanted) && present.actions_enabled && entry.row.made.alarm.is_some() {
            return Ok(());
        }
    }
    entry.save(job, |row| row.made.alarm = Some(name.clone())).await?;
    // CloudWatch takes no condition, so the last look at the ledger is right before each attempt: a late copy of this request
    // would point a newer one's alarm at a health check that is gone.
    let put = job.persist(async || match confirm_wanted(job, &spec.name).await {
        Ok(()) => job.cloud.put_alarm(&name, &wanted, &job.owner).await.map(Ok),
        Err(stop) => Ok(Err(stop)),
    });
    let put = put.await;
    put.map_err(|fault| Stop::fault("Writing the alarm", &fault))??;
    tracing::info!(
        protection = %spec.name,
        step = "alarm",
        outcome = "written",
        alarm = %name,
        "the alarm is as declared"
    );
    Ok(())
}

/// Removes the alarm if it carries our mark, and if `still` says so. Returns what was left because it does not.
pub(crate) async fn remove<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    name: &AlarmName,
    still: impl AsyncFn() -> Result<(), Stop>,
) -> Result<Option<String>, Stop> {
    let Some((_, is_ours)) = find(job, name).await? else { return Ok(None) };
    if !is_ours {
        return Ok(Some(format!("alarm {name}: it does not carry our mark")));
    }
    let removed = job.persist(async || match still().await {
        Ok(()) => job.cloud.delete_alarm(name).await.map(Ok),
        Err(stop) => Ok(Err(stop)),
    });
    removed.await.map_err(|fault| Stop::fault("Removing the alarm", &fault))??;
    tracing::info!(step = "alarm", outcome = "removed", alarm = %name, "the alarm is removed");
    Ok(None)
}

/// The alarm, and whether it carries our mark. `None`: there is none, or it went while we looked, because another request
/// is removing it.
async fn find<C: Observe, K: Clock>(
    job: &Job<'_, C, K>,
    name: &AlarmName,
) -> Result<Option<(ObservedAlarm, bool)>, Stop> {
    let found = job.persist(async || job.cloud.alarms(std::slice::from_ref(name)).await).await;
    let found = found.map_err(|fault| Stop::fault("Reading the alarm", &fault))?;
    let Some(present) = found.into_iter().find(|alarm| alarm.state != AlarmState::Missing) else { return Ok(None) };
    match job.persist(async || job.cloud.alarm_owner(&present.arn).await).await {
        Ok(owner) => Ok(Some((present, owner.as_ref() == Some(&job.owner)))),
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
        Err(fault) => Err(Stop::fault("Reading the alarm's tags", &fault)),
    }
}
