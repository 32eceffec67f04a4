//! Which changing calls the functions make meanwhile.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::referee::Exchange;
use crate::stage::Stage;

/// Operations that change what viewers, checkers or alarms depend on.
const CHANGING: [&str; 7] = [
    "UpdateDistribution",
    "ChangeResourceRecordSets",
    "CreateHealthCheck",
    "UpdateHealthCheck",
    "DeleteHealthCheck",
    "PutMetricAlarm",
    "DeleteAlarms",
];

/// Listens from its making on.
pub(super) struct Writes {
    heard: Receiver<Exchange>,
}

impl Writes {
    pub(super) fn listen(stage: &Stage<'_>) -> Self {
        Self { heard: stage.referee.listen() }
    }

    /// Every changing operation until now, once.
    ///
    /// # Errors
    /// More was said than can be remembered.
    pub(super) fn made(&mut self) -> Result<BTreeSet<&'static str>> {
        let mut made = BTreeSet::new();
        loop {
            match self.heard.try_recv() {
                Ok(exchange) => made.extend(CHANGING.iter().find(|operation| **operation == exchange.operation)),
                Err(TryRecvError::Empty) => return Ok(made),
                Err(TryRecvError::Lagged(missed)) => bail!("{missed} requests were missed"),
                Err(TryRecvError::Closed) => bail!("the referee is gone"),
            }
        }
    }
}
