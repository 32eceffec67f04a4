//! One request being carried out: what every step needs, and how it waits.

use failopen::id::OwnerMark;
use failopen::limits::jittered;
use failopen::port::{Clock, Fault, FaultKind};
use failopen::tombstone::Sent;
use jiff::{SignedDuration, Timestamp};

use crate::engine::Engine;
use crate::event::{Kind, Request};
use crate::stop::Stop;

/// Attempts of one call that was throttled or got no answer, on top of those of the SDK.
const ATTEMPTS: u32 = 4;
/// Attempts of one call that was denied: a role that was made a moment ago is not known everywhere yet.
const ATTEMPTS_IF_DENIED: u32 = 3;
/// Between those.
const IAM_SETTLES: SignedDuration = SignedDuration::from_secs(5);
/// Time that a Create keeps back from waiting: more than what the work is cut off by, so that it ends by itself.
const RESERVE: SignedDuration = SignedDuration::from_secs(60);
/// Time that a Delete or Update keeps back: they go on in another invocation.
const RESERVE_TO_CONTINUE: SignedDuration = SignedDuration::from_secs(90);

/// One request of CloudFormation and the means to carry it out.
pub(crate) struct Job<'a, C, K> {
    pub(crate) engine: &'a Engine,
    pub(crate) cloud: &'a C,
    pub(crate) clock: &'a K,
    /// When Lambda cuts the function off.
    pub(crate) deadline: Timestamp,
    pub(crate) request: &'a Request,
    pub(crate) owner: OwnerMark,
}

impl<C, K: Clock> Job<'_, C, K> {
    /// Waits.
    ///
    /// # Errors
    /// [`Stop::OutOfTime`], at once, where the wait would leave too little time to end well.
    pub(crate) async fn pause(&self, duration: SignedDuration) -> Result<(), Stop> {
        let reserve = match self.request.kind {
            Kind::Create => RESERVE,
            Kind::Update | Kind::Delete => RESERVE_TO_CONTINUE,
        };
        if self.clock.now() + duration + reserve > self.deadline {
            return Err(Stop::OutOfTime);
        }
        self.clock.sleep(duration).await;
        Ok(())
    }

    /// The request, as far as it can be put in order with others.
    pub(crate) fn sent(&self) -> Sent {
        Sent::new(self.request.request_id.as_str(), self.request.response_url.expose())
    }

    pub(crate) async fn persist<T>(&self, call: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Fault> {
        persist(self.clock, call).await
    }
}

/// Makes a call that may be repeated (a read, or a write that does the same twice) until it says something definite.
pub(crate) async fn persist<T, K: Clock>(clock: &K, call: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut attempt = 1;
    loop {
        match call().await {
            Err(fault) if attempt < ATTEMPTS && matches!(fault.kind, FaultKind::Throttled | FaultKind::Unknown) => {
                clock.sleep(back_off(clock, attempt)).await;
                attempt += 1;
            }
            Err(fault) if attempt < ATTEMPTS_IF_DENIED && fault.kind == FaultKind::AccessDenied => {
                clock.sleep(jittered(IAM_SETTLES, clock.now())).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// 1, 2, 4, … 16 seconds, with jitter.
pub(crate) fn back_off<K: Clock>(clock: &K, attempt: u32) -> SignedDuration {
    jittered(SignedDuration::from_secs(1 << attempt.saturating_sub(1).min(4)), clock.now())
}
