//! The edges' link to the control plane: it sees changes of the distribution, hands them to each edge in its time, and
//! reports when all have them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::aws::Wire;
use crate::clock::{Clock, Moment};
use crate::timeline::{Kind, Timeline};

use super::config::Configuration;
use super::edge::Edge;
use super::propagation::{Schedule, Version};

/// Modelled time between two looks at the distribution. It is little beside the delays that count from there.
const LOOK: Duration = Duration::from_secs(2);
/// Wall time that passes at least between two looks, for the sake of the local AWS.
const PAUSE: Duration = Duration::from_millis(100);

/// A distribution in the local AWS.
pub(crate) struct Control {
    wire: Wire,
    distribution: String,
}

impl Control {
    pub(crate) fn new(wire: Wire, distribution: String) -> Self {
        Self { wire, distribution }
    }

    /// From now on the local AWS calls the distribution deployed when it is told so, and not by itself.
    pub(crate) async fn take_charge(&self) -> Result<()> {
        self.report(&json!({"status": "Deployed", "held": true})).await
    }

    async fn report_deployed(&self) -> Result<()> {
        self.report(&json!({"status": "Deployed"})).await
    }

    async fn report(&self, status: &serde_json::Value) -> Result<()> {
        let path = format!("/2020-05-31/distribution/{}/status", self.distribution);
        let headers = [("content-type", "application/json".to_owned())];
        let answer = self.wire.send("cloudfront", "POST", &path, &headers, &serde_json::to_vec(status)?).await;
        let answer = answer.and_then(|answer| answer.successful("the report of a distribution's status"));
        answer.map(drop).with_context(|| format!("distribution {}", self.distribution))
    }

    /// The configuration, unless it is the one with the ETag that is known.
    pub(crate) async fn version(&self, known: Option<&str>, clock: Clock) -> Result<Option<Arc<Version>>> {
        let path = format!("/2020-05-31/distribution/{}/config", self.distribution);
        let answer = self.wire.send("cloudfront", "GET", &path, &[], b"").await?.successful("GetDistributionConfig")?;
        let etag = answer.header("etag").context("GetDistributionConfig answered without an ETag")?;
        if known == Some(etag.as_str()) {
            return Ok(None);
        }
        let configuration = Configuration::parse(&answer.body).with_context(|| format!("configuration {etag}"))?;
        Ok(Some(Arc::new(Version { etag, written: clock.now(), configuration: Arc::new(configuration) })))
    }
}

/// What keeps the edges from following the control plane, if anything does, for a play that waits in vain.
#[derive(Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    pub(crate) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note<T>(&self, outcome: Result<T>) -> Option<T> {
        let mut trouble = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *trouble = outcome.as_ref().err().map(|error| format!("{error:#}"));
        outcome.ok()
    }
}

/// Follows the control plane for ever.
pub(crate) struct Follower {
    pub(crate) control: Control,
    pub(crate) schedule: Schedule,
    /// The version that was seen last.
    pub(crate) latest: Arc<Version>,
    pub(crate) edges: Vec<Arc<Edge>>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) trouble: Trouble,
}

impl Follower {
    pub(crate) async fn follow(mut self) {
        let clock = self.timeline.clock();
        let pause = LOOK.max(clock.scale().modelled(PAUSE));
        let mut next_look = clock.now();
        // The version that all edges had at the start was in force before, and is no news.
        let mut reported = self.latest.etag.clone();
        loop {
            let next = self.schedule.next().map_or(next_look, |arrival| arrival.min(next_look));
            clock.sleep_until(next).await;
            if clock.now() >= next_look {
                self.look().await;
                next_look = clock.now() + pause;
            }
            let last_arrival = self.hand_over(clock.now());
            if self.schedule.is_settled() && reported != self.latest.etag {
                // Another change may have been written since; then this one's end is of no interest any more.
                let settled = self.look().await && self.schedule.is_settled();
                let done = settled && self.trouble.note(self.control.report_deployed().await).is_some();
                if done {
                    reported.clone_from(&self.latest.etag);
                    let text = format!("all {} edges have configuration {}", self.edges.len(), reported);
                    self.timeline.tell_at(last_arrival.unwrap_or(clock.now()), Kind::Deployed, text);
                }
            }
        }
    }

    /// Schedules what is new, and says whether the control plane could be asked.
    async fn look(&mut self) -> bool {
        let seen = self.control.version(Some(&self.latest.etag), self.timeline.clock()).await;
        let seen = self.trouble.note(seen);
        if let Some(Some(version)) = &seen {
            self.schedule.change(version);
            self.latest = version.clone();
        }
        seen.is_some()
    }

    /// Lets edges take over what has arrived, and returns the last time at which something has.
    fn hand_over(&mut self, now: Moment) -> Option<Moment> {
        let due = self.schedule.take_due(now);
        for arrival in &due {
            let Some(edge) = self.edges.get(arrival.edge) else {
                continue;
            };
            edge.take_over(arrival.version.configuration.clone());
            let delay = (arrival.at - arrival.version.written).as_secs();
            let text = format!("edge {} has configuration {} after {delay} s", arrival.edge, arrival.version.etag);
            self.timeline.tell_at(arrival.at, Kind::EdgeUpdated, text);
        }
        due.last().map(|arrival| arrival.at)
    }
}
