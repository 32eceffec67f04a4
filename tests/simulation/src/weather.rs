//! Which calls fail, and how: odds that one schedule has, and storms that come over it.
//!
//! Every schedule has its own mixture, and in most of them most kinds of fault are absent: where everything fails at once,
//! nothing gets far enough to go wrong in an interesting way.

use failopen::port::FaultKind;
use failopen_tests::Operation;

use crate::agenda::{MINUTE, Moment, SECOND};
use crate::chance::Chance;
use crate::fault::Fault;

/// In a thousand calls.
#[derive(Debug, Default)]
struct Odds {
    before: u32,
    after: u32,
    echo: u32,
    hang: u32,
    crash_before: u32,
    crash_after: u32,
    freeze: u32,
    answer_refused: u32,
    slow: u32,
}

/// A time in which many calls fail in one way.
#[derive(Debug)]
struct Storm {
    from: Moment,
    until: Moment,
    fault: Fault,
    service: Service,
    /// Of the calls that it concerns.
    per_mille: u32,
}

/// Who answers a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    All,
    CloudFront,
    Route53,
    CloudWatch,
    Ledger,
    /// Messages, metrics and invocations.
    Messages,
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Until it takes effect.
    pub(crate) request: Moment,
    /// Until its answer is read.
    pub(crate) answer: Moment,
    pub(crate) turn: Turn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Goes,
    /// Nothing is done.
    Fails(FaultKind, Fault),
    /// It is done, and the caller is told this.
    LosesAnswer(FaultKind, Fault),
    CrashesBefore,
    CrashesAfter,
    /// It is done, and the process gets no time any more until Lambda kills it.
    Freezes,
}

/// The odds and storms of one schedule.
#[derive(Debug)]
pub(crate) struct Weather {
    odds: Odds,
    storms: Vec<Storm>,
    /// In a thousand reads of the distribution.
    pub(crate) mangled: u32,
    /// In a thousand writes of the distribution.
    pub(crate) edit_before_put: u32,
    pub(crate) edit_after_put: u32,
}

impl Weather {
    pub(crate) fn draw(chance: &Chance, until: Moment) -> Self {
        let some = |likely: u32, odds: &[u32]| if chance.percent(likely) { *chance.pick(odds) } else { 0 };
        let odds = Odds {
            before: some(40, &[5, 20, 60]),
            after: some(45, &[20, 80, 250]),
            echo: some(40, &[50, 200, 400]),
            hang: some(35, &[3, 10, 30]),
            crash_before: some(40, &[3, 10, 30]),
            crash_after: some(40, &[3, 10, 30]),
            freeze: some(25, &[2, 8]),
            answer_refused: some(50, &[200, 500]),
            slow: some(50, &[20, 100, 300]),
        };
        let mut storms = Vec::new();
        while storms.len() < 4 && chance.percent(55) {
            storms.push(Storm::draw(chance, until));
        }
        Self {
            odds,
            storms,
            mangled: some(25, &[20, 100]),
            edit_before_put: some(45, &[300, 600, 900]),
            edit_after_put: some(30, &[300, 800]),
        }
    }

    /// What becomes of this call. Where it is calm, nothing but a little time passes.
    pub(crate) fn fate(&self, chance: &Chance, now: Moment, operation: Operation, is_calm: bool) -> Fate {
        let service = Service::of(operation);
        let slow = if is_calm { 0 } else { self.odds.slow };
        let mut fate = Fate { request: latency(chance, slow), answer: latency(chance, slow), turn: Turn::Goes };
        if is_calm {
            return fate;
        }
        let storm = self.storms.iter().find(|storm| storm.concerns(now, service) && chance.per_mille(storm.per_mille));
        if let Some(storm) = storm {
            fate.turn = storm.turn(chance, operation);
            if storm.fault == Fault::ControlPlaneDown || storm.fault == Fault::LedgerUnavailable {
                // The SDK has repeated it meanwhile.
                fate.answer = chance.between(SECOND, 20 * SECOND);
            }
            return fate;
        }
        let odds = &self.odds;
        let is_lossy = changes_something(operation);
        if chance.per_mille(odds.crash_before) {
            fate.turn = Turn::CrashesBefore;
        } else if chance.per_mille(odds.crash_after) {
            fate.turn = Turn::CrashesAfter;
        } else if chance.per_mille(odds.freeze) {
            fate.turn = Turn::Freezes;
        } else if chance.per_mille(odds.hang) {
            fate.answer = time_out(operation);
            fate.turn = match is_lossy && chance.percent(50) {
                true => Turn::LosesAnswer(FaultKind::Unknown, Fault::Hang),
                false => Turn::Fails(FaultKind::Unknown, Fault::Hang),
            };
        } else if chance.per_mille(odds.before) {
            fate.turn = Turn::Fails(FaultKind::Unknown, Fault::ErrorBeforeApply);
        } else if is_lossy && chance.per_mille(odds.after) {
            fate.turn = Turn::LosesAnswer(FaultKind::Unknown, Fault::ErrorAfterApply);
        } else if let Some(kind) = echo(operation).filter(|_| chance.per_mille(odds.echo)) {
            fate.turn = Turn::LosesAnswer(kind, Fault::EchoOfOwnWrite);
        }
        if operation == Operation::Answer && fate.turn == Turn::Goes && chance.per_mille(odds.answer_refused) {
            let kind = *chance.pick(&[FaultKind::Refused, FaultKind::Unknown, FaultKind::Unknown]);
            fate.turn = Turn::Fails(kind, Fault::ResponsePutFails);
        }
        fate
    }
}

impl Storm {
    fn draw(chance: &Chance, until: Moment) -> Self {
        let fault = *chance.pick(&[
            Fault::ThrottlingBurst,
            Fault::ExpiredToken,
            Fault::AccessDenied,
            Fault::LedgerUnavailable,
            Fault::ControlPlaneDown,
        ]);
        let services = [Service::CloudFront, Service::Route53, Service::CloudWatch, Service::Ledger, Service::Messages];
        let service = match fault {
            Fault::LedgerUnavailable => Service::Ledger,
            Fault::ControlPlaneDown => Service::CloudFront,
            Fault::ExpiredToken => Service::All,
            _ => *chance.pick(&services),
        };
        let longest = match fault {
            Fault::ExpiredToken => 3 * MINUTE,
            Fault::ControlPlaneDown => until,
            _ => 12 * MINUTE,
        };
        let from = chance.between(0, until);
        let until = from + chance.between(20 * SECOND, longest.max(30 * SECOND));
        Self { from, until, fault, service, per_mille: *chance.pick(&[500, 900, 1000]) }
    }

    fn concerns(&self, now: Moment, service: Option<Service>) -> bool {
        let Some(service) = service else { return false };
        self.from <= now && now < self.until && (self.service == Service::All || self.service == service)
    }

    fn turn(&self, chance: &Chance, operation: Operation) -> Turn {
        let kind = match self.fault {
            Fault::ThrottlingBurst => FaultKind::Throttled,
            Fault::ExpiredToken | Fault::AccessDenied => FaultKind::AccessDenied,
            _ => FaultKind::Unknown,
        };
        let may_have_been_done = kind == FaultKind::Unknown && changes_something(operation);
        match may_have_been_done && chance.percent(30) {
            true => Turn::LosesAnswer(kind, self.fault),
            false => Turn::Fails(kind, self.fault),
        }
    }
}

impl Service {
    /// `None` for what is not AWS.
    fn of(operation: Operation) -> Option<Self> {
        match operation {
            Operation::GetDistributionConfig
            | Operation::GetDistribution
            | Operation::UpdateDistribution
            | Operation::GetPolicy => Some(Service::CloudFront),
            Operation::GetHostedZone
            | Operation::ListResourceRecordSets
            | Operation::ChangeResourceRecordSets
            | Operation::GetChange
            | Operation::GetHealthCheck
            | Operation::ListHealthChecks
            | Operation::GetHealthCheckStatus
            | Operation::CreateHealthCheck
            | Operation::ChangeTagsForResource
            | Operation::UpdateHealthCheck
            | Operation::DeleteHealthCheck => Some(Service::Route53),
            Operation::DescribeAlarms
            | Operation::GetMetricStatistics
            | Operation::ListTagsForResource
            | Operation::PutMetricAlarm
            | Operation::DeleteAlarms => Some(Service::CloudWatch),
            Operation::Query | Operation::GetItem | Operation::PutItem => Some(Service::Ledger),
            Operation::GetReactPolicy
            | Operation::AskReact
            | Operation::DryRunFlip
            | Operation::InvokeFlip
            | Operation::InvokeAgain
            | Operation::Publish
            | Operation::PutMetricData => Some(Service::Messages),
            Operation::Probe
            | Operation::Handshakes
            | Operation::HealthProbe
            | Operation::Resolve
            | Operation::Answer => None,
        }
    }
}

/// Whether an answer that is lost leaves something done.
fn changes_something(operation: Operation) -> bool {
    match operation {
        Operation::InvokeFlip | Operation::InvokeAgain | Operation::Publish | Operation::Answer => true,
        other => other.is_write(),
    }
}

/// What the SDK's own repetition of a write that was done is answered. Its condition no longer holds, because of itself.
fn echo(operation: Operation) -> Option<FaultKind> {
    match operation {
        Operation::UpdateDistribution | Operation::PutItem | Operation::UpdateHealthCheck => Some(FaultKind::Stale),
        Operation::ChangeResourceRecordSets => Some(FaultKind::Refused),
        _ => None,
    }
}

/// When a call without an answer is given up: the operation time-outs of `failopen-cloud`.
fn time_out(operation: Operation) -> Moment {
    match operation {
        Operation::Probe | Operation::Handshakes | Operation::HealthProbe | Operation::Resolve | Operation::Answer => {
            10 * SECOND
        }
        _ => 20 * SECOND,
    }
}

fn latency(chance: &Chance, slow: u32) -> Moment {
    match chance.per_mille(slow) {
        true => chance.between(300_000, 4 * SECOND),
        false => chance.between(2_000, 150_000),
    }
}
