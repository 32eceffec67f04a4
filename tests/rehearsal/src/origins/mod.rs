//! Inspection and application: real HTTPS servers on loopback addresses of their own, which suffer on command from what
//! services really suffer from.

mod answerer;
mod front;
mod house;
mod port;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::certificates::Authority;
use crate::clock::Clock;
use crate::connection::Connections;
use crate::script::Fault;

use answerer::{Answerer, Role};
use front::Front;
use house::{Certificates, House, Order};

/// The path that health checks ask for. Inspection passes it on like any other: it is as well as what it protects.
pub(crate) const HEALTH_PATH: &str = "/health";

/// Header on every answer of the application.
pub(crate) const SERVED_BY: &str = "x-served-by";
/// Header on every answer of inspection, beside the application's where it has passed that on.
pub(crate) const INSPECTED_BY: &str = "x-inspected-by";

/// Where the two stand. A CloudFront origin has one HTTPS port, and a protection has one for both hosts, so they differ in
/// the address.
const INSPECTION: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const APPLICATION: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

/// The two servers.
pub(crate) struct Origins {
    pub(crate) inspection: Origin,
    pub(crate) application: Origin,
}

impl Origins {
    /// Starts both on one port. Both certificates hold `shared` too: names that either may be asked for.
    pub(crate) fn start(
        authority: &Authority,
        clock: Clock,
        inspection: &str,
        application: &str,
        shared: &[&str],
    ) -> Result<Self> {
        let certificates = |own| Certificates::of(authority, &[&[own], shared].concat());
        let (of_inspection, of_application) = (certificates(inspection)?, certificates(application)?);
        let (inspection_door, application_door) = on_one_port()?;
        let upstream = Connections::with(application_door.local_addr()?, application, authority.client()?)?;
        Ok(Self {
            inspection: Origin::start(Role::Inspection(upstream), clock, inspection_door, of_inspection)?,
            application: Origin::start(Role::Application, clock, application_door, of_application)?,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.inspection.address.port()
    }
}

/// Takes a port that is free on both addresses.
fn on_one_port() -> Result<(TcpListener, TcpListener)> {
    for _ in 0..port::TRIES {
        let first = port::listen(SocketAddr::new(INSPECTION, 0))?;
        if let Ok(second) = port::listen(SocketAddr::new(APPLICATION, first.local_addr()?.port())) {
            return Ok((first, second));
        }
    }
    bail!(
        "no port is free on both {INSPECTION} and {APPLICATION}; nothing was deployed. Close some programs and try again."
    )
}

/// One server. It ends when it is dropped, and every connection with it.
pub(crate) struct Origin {
    address: SocketAddr,
    orders: mpsc::Sender<Order>,
    turns: watch::Receiver<bool>,
    house: JoinHandle<()>,
}

impl Origin {
    fn start(role: Role, clock: Clock, listener: TcpListener, certificates: Certificates) -> Result<Self> {
        let address = listener.local_addr()?;
        let (fronts, front) = watch::channel(Front::WELL);
        let (turns_told, turns) = watch::channel(true);
        let (orders, received) = mpsc::channel(1);
        let answerer = Arc::new(Answerer { role, clock, front });
        let house = House::new(address, listener, certificates, answerer, fronts, turns_told);
        Ok(Self { address, orders, turns, house: tokio::spawn(house.keep(clock, received)) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Suffers from `fault` from now on, instead of from whatever it suffered before.
    pub(crate) async fn suffer(&self, fault: Fault) -> Result<()> {
        if let Fault::Flapping(period) = fault {
            ensure!(!period.is_zero(), "flapping needs a period that is longer than no time");
        }
        self.order(Some(fault)).await
    }

    /// Is well from now on.
    pub(crate) async fn heal(&self) -> Result<()> {
        self.order(None).await
    }

    /// Whether it is well, as it changes: at every turn while it is flapping.
    pub(crate) fn turns(&self) -> watch::Receiver<bool> {
        self.turns.clone()
    }

    async fn order(&self, fault: Option<Fault>) -> Result<()> {
        let (done, outcome) = oneshot::channel();
        let gone = || format!("the server at {} has ended", self.address);
        self.orders.send(Order { fault, done }).await.ok().with_context(gone)?;
        outcome.await.with_context(gone)?
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.house.abort();
    }
}
