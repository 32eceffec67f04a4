//! The checkers of one health check at work.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsConnector;

use super::check::Check;
use super::name_server::NameServer;
use super::probe::probe;
use super::verdict::{Finding, Health, Panel};
use crate::clock::Clock;

/// Sixteen checkers that probe until they are dropped.
pub(crate) struct Checkers {
    panel: Arc<Mutex<Panel>>,
    _task: JoinSet<()>,
}

impl Checkers {
    /// `tls` believes any certificate.
    pub(crate) fn start(check: Check, name_server: Arc<NameServer>, tls: TlsConnector, clock: Clock) -> Self {
        // RequestInterval cannot be changed after a check was made (Route 53 API Reference, `RequestInterval`).
        let interval = check.interval;
        let panel = Arc::new(Mutex::new(Panel::new(check)));
        let mut task = JoinSet::new();
        task.spawn(go_round(panel.clone(), interval, name_server, tls, clock));
        Self { panel, _task: task }
    }

    /// The check's settings, which may be new.
    pub(crate) fn update(&self, check: Check) {
        lock(&self.panel).update(check);
    }

    pub(crate) fn health(&self) -> Health {
        lock(&self.panel).health()
    }

    /// One finding that stands for the last ones of all.
    pub(crate) fn finding(&self) -> Option<Finding> {
        lock(&self.panel).finding().cloned()
    }
}

/// Lets one checker after the other probe, evenly spread over the check's interval. Assumed: real ones do not coordinate, and
/// come out about even. A probe runs by itself, so that a host which answers nothing delays no other checker.
async fn go_round(
    panel: Arc<Mutex<Panel>>,
    interval: Duration,
    name_server: Arc<NameServer>,
    tls: TlsConnector,
    clock: Clock,
) {
    let turn = clock.scale().wall(interval).div_f64(Panel::SEATS as f64).max(Duration::from_millis(1));
    let mut turns = tokio::time::interval(turn);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut probes = JoinSet::new();
    for seat in (0..Panel::SEATS).cycle() {
        turns.tick().await;
        while probes.try_join_next().is_some() {}
        let check = {
            let panel = lock(&panel);
            if !panel.is_working(seat) {
                continue;
            }
            panel.check().clone()
        };
        let (panel, name_server, tls) = (panel.clone(), name_server.clone(), tls.clone());
        probes.spawn(async move {
            // A name is resolved anew for every probe, to IPv4 (API Reference, `FullyQualifiedDomainName`).
            let resolve = || check.host.as_ref().and_then(|host| name_server.host(host));
            let address = check.address.or_else(resolve).map(|address| SocketAddr::new(address, check.port));
            let finding = probe(&check, address, &tls, clock).await;
            lock(&panel).hear(seat, finding);
        });
    }
}

fn lock(panel: &Mutex<Panel>) -> MutexGuard<'_, Panel> {
    panel.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;
    use crate::certificates::{Authority, trusting_all};
    use crate::clock::Scale;
    use crate::origins::Origins;
    use crate::route53::name_server::Host;
    use crate::script::Fault;

    const HOST: &str = "inspection.test";

    async fn begin(address: SocketAddr) -> Checkers {
        let name_server = NameServer::start([(HOST.to_owned(), Host::at(address).unwrap())].into()).await.unwrap();
        let check = Check { host: Some(HOST.to_owned()), port: address.port(), threshold: 2, ..Check::example() };
        let clock = Clock::start(Scale::new(20.0).unwrap());
        Checkers::start(check, Arc::new(name_server), trusting_all().unwrap(), clock)
    }

    async fn until(checkers: &Checkers, healthy: bool) -> Health {
        let wait = async {
            while checkers.health().healthy != healthy {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
        checkers.health()
    }

    #[tokio::test]
    async fn an_endpoint_that_dies_and_comes_back_is_seen_by_nearly_all_checkers() {
        let authority = Authority::new().unwrap();
        let origins =
            Origins::start(&authority, Clock::start(Scale::new(20.0).unwrap()), HOST, "application.test", &[]).unwrap();
        let checkers = begin(origins.inspection.address()).await;
        while checkers.finding().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(checkers.health().healthy);
        origins.inspection.suffer(Fault::Refused).await.unwrap();
        assert!(until(&checkers, false).await.percentage <= 18.0);
        origins.inspection.heal().await.unwrap();
        assert!(until(&checkers, true).await.percentage > 18.0);
    }

    #[tokio::test]
    async fn a_host_that_hangs_does_not_keep_the_other_checkers_waiting() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let checkers = begin(listener.local_addr().unwrap()).await;
        let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let waiting = most.clone();
        let host = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (open, most) = (open.clone(), most.clone());
                tokio::spawn(async move {
                    most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // Everything is read and nothing answered, until the checker gives up.
                    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        until(&checkers, false).await;
        host.abort();
        assert!(waiting.load(Ordering::SeqCst) > 1, "the checkers have waited for one another");
        assert!(!checkers.finding().unwrap().is_alive());
    }
}
