//! What a fault means for whoever connects and asks. Nothing here does anything.

use std::time::Duration;

use super::HEALTH_PATH;
use crate::script::Fault;

/// What whoever connects meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// Connections are accepted, with this certificate, and requests are treated in this manner.
    Open(Certificate, Manner),
    /// Connections are refused.
    Shut,
    /// Packets disappear.
    Dark,
}

/// Which certificate is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certificate {
    Good,
    Expired,
    OtherName,
}

/// How requests are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Well,
    Hanging,
    Failing,
    /// Modelled time by which answers are late.
    Late(Duration),
    /// Well on the health path, failing on every other.
    FailingTraffic,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It is served after this modelled time.
    Served(Duration),
    /// 503.
    Unavailable,
    Never,
}

impl Front {
    pub(super) const WELL: Front = Front::Open(Certificate::Good, Manner::Well);

    /// The front of a server with `fault`; for flapping, its first half period.
    pub(super) fn of(fault: Option<Fault>) -> Self {
        let mannered = |manner| Front::Open(Certificate::Good, manner);
        match fault {
            None => Front::WELL,
            Some(Fault::Refused | Fault::Flapping(_)) => Front::Shut,
            Some(Fault::Blackhole) => Front::Dark,
            Some(Fault::Hangs) => mannered(Manner::Hanging),
            Some(Fault::Errors) => mannered(Manner::Failing),
            Some(Fault::Slow(late)) => mannered(Manner::Late(late)),
            Some(Fault::ExpiredCertificate) => Front::Open(Certificate::Expired, Manner::Well),
            Some(Fault::WrongName) => Front::Open(Certificate::OtherName, Manner::Well),
            Some(Fault::BrokenTraffic) => mannered(Manner::FailingTraffic),
        }
    }

    /// Whether connections that were opened under `earlier` stay open. A process that hung or was unreachable is replaced,
    /// and one with another certificate is started anew.
    pub(super) fn keeps_connections_of(self, earlier: Front) -> bool {
        match (earlier, self) {
            (Front::Open(..) | Front::Dark, Front::Dark) => true,
            (Front::Open(_, Manner::Hanging), Front::Open(_, now)) => now == Manner::Hanging,
            (Front::Open(before, _), Front::Open(now, _)) => before == now,
            (Front::Dark, Front::Open(..)) | (Front::Shut, _) | (_, Front::Shut) => false,
        }
    }

    /// What becomes of a request for `path`.
    pub(super) fn reply(self, path: &str) -> Reply {
        match self {
            Front::Open(_, Manner::Well) => Reply::Served(Duration::ZERO),
            Front::Open(_, Manner::Late(late)) => Reply::Served(late),
            Front::Open(_, Manner::FailingTraffic) if path == HEALTH_PATH => Reply::Served(Duration::ZERO),
            Front::Open(_, Manner::Failing | Manner::FailingTraffic) => Reply::Unavailable,
            Front::Open(_, Manner::Hanging) | Front::Shut | Front::Dark => Reply::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_traffic_leaves_the_health_path_well_and_nothing_else() {
        let front = Front::of(Some(Fault::BrokenTraffic));
        assert_eq!(front.reply(HEALTH_PATH), Reply::Served(Duration::ZERO));
        assert_eq!(front.reply("/"), Reply::Unavailable);
        assert_eq!(front.reply("/health/deep"), Reply::Unavailable);
    }

    #[test]
    fn connections_outlive_a_change_of_manner_and_no_restart() {
        let front = |fault| Front::of(Some(fault));
        assert!(front(Fault::Errors).keeps_connections_of(Front::WELL));
        assert!(Front::WELL.keeps_connections_of(front(Fault::Slow(Duration::from_secs(1)))));
        assert!(front(Fault::Blackhole).keeps_connections_of(Front::WELL));
        assert!(!Front::WELL.keeps_connections_of(front(Fault::Blackhole)));
        assert!(!Front::WELL.keeps_connections_of(front(Fault::Hangs)));
        assert!(!front(Fault::WrongName).keeps_connections_of(Front::WELL));
        assert!(!front(Fault::Refused).keeps_connections_of(Front::WELL));
    }
}
