//! The alarm on inspection: described before it is written, because PutMetricAlarm overwrites silently.

use failopen::alarm::{AlarmState, MetricAlarm, ObservedAlarm};
use failopen::id::{AlarmName, HealthCheckId};
use failopen::port::{Apply, Clock, Observe};
use failopen::spec::Spec;

use crate::entry::Entry;
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
    let present = describe(job, &name).await?;
    if present.state != AlarmState::Missing {
        if !is_ours(job, &present).await? {
            return Err(Stop::Failed(format!(
                "Name: there is an alarm {name} that this resource did not make, so it was not overwritten; remove it or \
                 choose another Name."
            )));
        }
        if present.metric.as_ref() == Some(&wanted) && present.actions_enabled && entry.row.made.alarm.is_some() {
            return Ok(());
        }
    }
    entry
        .save(job, |row| {
            row.made.alarm = Some(name.clone());
        })
        .await?;
    let put = job.persist(async || job.cloud.put_alarm(&name, &wanted, &job.owner).await).await;
    put.map_err(|fault| Stop::fault("Writing the alarm", &fault))?;
    tracing::info!(
        protection = %spec.name,
        step = "alarm",
        outcome = "written",
        alarm = %name,
        "the alarm is as declared"
    );
    Ok(())
}

/// Removes the alarm if it carries our mark. Returns what was left because it does not.
pub(crate) async fn remove<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    name: &AlarmName,
) -> Result<Option<String>, Stop> {
    let present = describe(job, name).await?;
    if present.state == AlarmState::Missing {
        return Ok(None);
    }
    if !is_ours(job, &present).await? {
        return Ok(Some(format!("alarm {name}: it does not carry our mark")));
    }
    let removed = job.persist(async || job.cloud.delete_alarm(name).await).await;
    removed.map_err(|fault| Stop::fault("Removing the alarm", &fault))?;
    tracing::info!(step = "alarm", outcome = "removed", alarm = %name, "the alarm is removed");
    Ok(None)
}

async fn describe<C: Observe, K: Clock>(job: &Job<'_, C, K>, name: &AlarmName) -> Result<ObservedAlarm, Stop> {
    let found = job.persist(async || job.cloud.alarms(std::slice::from_ref(name)).await).await;
    let found = found.map_err(|fault| Stop::fault("Reading the alarm", &fault))?;
    Ok(found.into_iter().next().unwrap_or_else(|| ObservedAlarm::missing(name.clone())))
}

async fn is_ours<C: Observe, K: Clock>(job: &Job<'_, C, K>, present: &ObservedAlarm) -> Result<bool, Stop> {
    let owner = job.persist(async || job.cloud.alarm_owner(&present.arn).await).await;
    let owner = owner.map_err(|fault| Stop::fault("Reading the alarm's tags", &fault))?;
    Ok(owner.as_ref() == Some(&job.owner))
}
