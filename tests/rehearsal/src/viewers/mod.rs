//! Viewers: steady load on the edges, and what came of every single request.
//!
//! The load is open: a request is sent when its time has come, whether earlier ones are answered or not, as by people who
//! know nothing of one another. So an outage shows as requests that fail, not as fewer requests.

mod class;
mod mix;
mod party;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::timeline::Timeline;

use mix::Mix;
use party::Party;

/// Requests that may be on their way at once. One beyond them counts as failed: a site with so many open requests is down.
const IN_FLIGHT: usize = 500;

/// What viewers are to do.
pub(crate) struct Load {
    /// Requests in a second of wall time, all edges together.
    pub(crate) requests_per_second: f64,
    /// Asked in turn.
    pub(crate) edges: Vec<SocketAddr>,
    /// The site's name: SNI, name in the certificate and `Host`.
    pub(crate) host: String,
    /// File with the root certificates that viewers trust.
    pub(crate) roots: PathBuf,
    /// Id of the application's origin in the distribution; an answer that an edge has from it went around inspection by layer 2.
    pub(crate) application_origin: String,
    /// The same seed asks for the same things in the same order.
    pub(crate) seed: u64,
}

/// Viewers at work. They stop when they are dropped, and requests that are on their way then are forgotten.
pub(crate) struct Viewers {
    work: Work,
    stop: oneshot::Sender<()>,
}

impl Viewers {
    pub(crate) fn start(settings: Load, timeline: Arc<Timeline>) -> Result<Self> {
        let rate = settings.requests_per_second;
        ensure!(rate.is_finite() && rate > 0.0, "{rate} requests a second are no load");
        ensure!(!settings.edges.is_empty(), "viewers need an edge that they can ask");
        let mix = Mix::new(settings.edges.len(), settings.seed);
        let party = Arc::new(Party::of(settings, timeline)?);
        let (stop, stopped) = oneshot::channel();
        Ok(Self { work: Work(tokio::spawn(work(party, mix, rate, stopped))), stop })
    }

    /// Sends no further requests, and waits for the answers to those on their way, or until viewers give up.
    pub(crate) async fn stop(self) {
        let Self { mut work, stop } = self;
        drop(stop);
        // It ends in no other way than this one as long as we hold it.
        let _ = (&mut work.0).await;
    }
}

/// The task behind viewers, ended when it is dropped.
struct Work(JoinHandle<()>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends requests in equal distances of wall time until `stopped`, then waits for the last answers.
async fn work(party: Arc<Party>, mut mix: Mix, rate: f64, mut stopped: oneshot::Receiver<()>) {
    let begun = Instant::now();
    let mut requests = JoinSet::new();
    for number in 0_u32.. {
        // Counted from the beginning, so that a late request does not delay all that follow.
        let due = begun + Duration::from_secs_f64(f64::from(number) / rate);
        tokio::select! {
            _ = &mut stopped => break,
            () = tokio::time::sleep_until(due.into()) => {}
        }
        while requests.try_join_next().is_some() {}
        let wish = mix.next();
        if requests.len() < IN_FLIGHT {
            let party = party.clone();
            requests.spawn(async move { party.ask(wish).await });
        } else {
            party.turn_away(wish);
        }
    }
    while requests.join_next().await.is_some() {}
}
