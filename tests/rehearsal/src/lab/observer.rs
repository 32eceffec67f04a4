//! What the referee sees of the functions' calls, told as the story of a flip: asked, written, refused.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use crate::aws::Aws;
use crate::clock::Moment;
use crate::referee::Exchange;
use crate::script::Side;
use crate::site::{APPLICATION_ORIGIN, INSPECTION_ORIGIN, targets_in};
use crate::stage::Stage;
use crate::timeline::{Kind, Timeline};

/// Status of CloudFront's answer to calls that come too fast, and nothing else that is refused in a play.
const THROTTLED: u16 = 400;

/// Watches until it is dropped.
pub(super) struct Observer {
    task: JoinHandle<()>,
    flips: Arc<AtomicUsize>,
    restored: Arc<Mutex<Option<Moment>>>,
}

impl Observer {
    pub(super) fn start(stage: &Stage<'_>, distribution: &str) -> Self {
        let mut heard = stage.referee.listen();
        let flips = Arc::new(AtomicUsize::default());
        let restored = Arc::new(Mutex::default());
        let mut story = Story {
            insides: stage.insides.clone(),
            distribution: distribution.to_owned(),
            timeline: stage.timeline.clone(),
            flips: flips.clone(),
            restored: restored.clone(),
            asked: None,
            is_throttled: false,
        };
        let task = tokio::spawn(async move {
            loop {
                match heard.recv().await {
                    Ok(exchange) => story.goes_on(&exchange).await,
                    // The sums miss what was skipped; the story goes on.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        Self { task, flips, restored }
    }

    /// Accepted writes of the distribution by the functions so far.
    pub(super) fn flips(&self) -> usize {
        self.flips.load(Ordering::Relaxed)
    }
}

impl Observer {
    /// When the functions last wrote that every protected behaviour targets inspection.
    pub(super) fn restored(&self) -> Option<Moment> {
        *self.restored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Story {
    insides: Aws,
    distribution: String,
    timeline: Arc<Timeline>,
    flips: Arc<AtomicUsize>,
    restored: Arc<Mutex<Option<Moment>>>,
    /// When react asked flip last.
    asked: Option<Instant>,
    is_throttled: bool,
}

impl Story {
    async fn goes_on(&mut self, exchange: &Exchange) {
        self.timeline.called(&exchange.service, &exchange.operation);
        let at = self.timeline.clock().moment(exchange.ended);
        match exchange.operation.as_str() {
            "Invoke" => {
                if let Some((side, because)) = converge(exchange) {
                    self.asked = Some(exchange.begun);
                    let (kind, verb) = match side {
                        Side::Bypassed => (Kind::DecidedBypass, "bypass"),
                        Side::Inspected => (Kind::DecidedRestore, "restore"),
                    };
                    self.timeline.tell_at(at, kind, format!("react asks flip to {verb}: {because}"));
                }
            }
            "UpdateDistribution" if exchange.target.contains(&self.distribution) && exchange.status < 300 => {
                self.flips.fetch_add(1, Ordering::Relaxed);
                if let Some(asked) = self.asked.take() {
                    self.timeline.worked("flip, from react's request to CloudFront's yes", exchange.ended - asked);
                }
                let (kind, text) = self.written().await;
                if kind == Kind::WrittenInspected {
                    *self.restored.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
                }
                self.timeline.tell_at(at, kind, text);
            }
            _ => {}
        }
        let throttled = exchange.service == "cloudfront" && exchange.status == THROTTLED;
        if throttled && !self.is_throttled {
            self.timeline.tell_at(
                at,
                Kind::Throttled,
                format!("CloudFront refuses {} for its rate", exchange.operation),
            );
        }
        if exchange.service == "cloudfront" {
            self.is_throttled = throttled;
        }
    }

    /// What the distribution is like after a write.
    async fn written(&self) -> (Kind, String) {
        let Ok(document) = self.insides.distribution(&self.distribution).await else {
            return (Kind::WrittenOther, "CloudFront accepts a configuration that could not be read back".to_owned());
        };
        let targets = targets_in(&document.bytes).unwrap_or_default();
        let all = |origin: &str| !targets.is_empty() && targets.values().all(|target| target == origin);
        if all(APPLICATION_ORIGIN) {
            (
                Kind::WrittenBypassed,
                "CloudFront accepts the write: every protected behaviour targets the application".to_owned(),
            )
        } else if all(INSPECTION_ORIGIN) {
            (
                Kind::WrittenInspected,
                "CloudFront accepts the write: every protected behaviour targets inspection".to_owned(),
            )
        } else {
            (Kind::WrittenOther, format!("CloudFront accepts a configuration with the targets {targets:?}"))
        }
    }
}

/// What react asks flip for.
fn converge(exchange: &Exchange) -> Option<(Side, String)> {
    let request: Value = serde_json::from_slice(&exchange.sent).ok()?;
    if request["action"] != "converge" {
        return None;
    }
    let side = match request["posture"].as_str()? {
        "bypassed" => Side::Bypassed,
        "inspected" => Side::Inspected,
        _ => return None,
    };
    let [reason, because] = ["reason", "because"].map(|field| request[field].as_str().unwrap_or_default());
    Some((side, format!("{reason}, {because}")))
}
