//! CloudWatch's alarms on Route 53's health checks, which the local AWS only keeps: evaluation, and the events that follow.
//!
//! Alarms on anything else, composite alarms and actions that are no functions stay with the local AWS. A state that somebody
//! sets by hand lasts until the next evaluation; its event is not sent.

mod alarms;
mod delivery;
mod evaluation;
mod event;
mod metrics;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

pub(crate) use event::{AlarmEvent, StateOfAlarm};
pub(crate) use metrics::{CHECK_DIMENSION, Datapoint, Metrics, Minute, NAMESPACE, PERCENTAGE_HEALTHY, STATUS};

use crate::aws::Aws;
use crate::script::Disturbance;
use crate::timeline::Timeline;

use alarms::{Alarms, LAG};
use delivery::Delivery;

/// Runs until dropped.
pub(crate) struct CloudWatch {
    task: JoinHandle<()>,
    delivery: Arc<Delivery>,
    /// Why the last evaluation failed, if it did.
    trouble: Arc<Mutex<Option<String>>>,
}

impl CloudWatch {
    /// `aws` leads straight to the local AWS: what happens inside of AWS is no call of the product's.
    pub(crate) fn start(aws: Aws, timeline: Arc<Timeline>, metrics: Arc<Metrics>) -> Self {
        let delivery = Arc::new(Delivery::new(aws.clone(), timeline.clone()));
        let trouble = Arc::new(Mutex::new(None));
        let (told, clock) = (trouble.clone(), timeline.clock());
        let alarms = Alarms::new(aws, timeline, metrics, delivery.clone());
        let task = tokio::spawn(async move {
            let mut minute = Minute::of(clock.now());
            loop {
                clock.sleep_until(minute.end() + LAG).await;
                let outcome = alarms.evaluate(minute).await;
                *told.lock().unwrap_or_else(PoisonError::into_inner) = outcome.err().map(|error| format!("{error:#}"));
                minute = minute.next();
            }
        });
        Self { task, delivery, trouble }
    }

    /// From now on, this happens to the events of alarms. The count of events begins anew.
    pub(crate) fn disturb(&self, disturbance: Disturbance) {
        self.delivery.disturb(disturbance);
    }

    /// What keeps alarms from being evaluated, if anything does.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for CloudWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
