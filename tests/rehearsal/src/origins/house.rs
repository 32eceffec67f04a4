//! The task that keeps one server: its port, its connections, and the turns of a fault that comes and goes.

use std::future::pending;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Error, Result};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::answerer::Answerer;
use super::front::{Certificate, Front};
use super::port::{self, DarkPort, patiently};
use crate::certificates::Authority;
use crate::clock::{Clock, Moment};
use crate::script::Fault;

/// A connection is closed with so many answers. Assumed for both servers: Apache httpd's default, MaxKeepAliveRequests. Without
/// such a limit an edge that is busy would keep a connection, and with it what DNS once said, for ever.
const REQUESTS_A_CONNECTION: u32 = 100;

/// Wall time until we accept again when the system has no descriptor left for a connection.
const EXHAUSTED: Duration = Duration::from_millis(20);

/// A fault to suffer from, or none, and whom to tell when it is so.
pub(super) struct Order {
    pub(super) fault: Option<Fault>,
    pub(super) done: oneshot::Sender<Result<()>>,
}

/// The certificates that one server can show.
pub(super) struct Certificates {
    good: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
    other_name: Arc<ServerConfig>,
}

impl Certificates {
    pub(super) fn of(authority: &Authority, names: &[&str]) -> Result<Self> {
        Ok(Self {
            good: authority.server(names)?,
            expired: authority.server_expired(names)?,
            other_name: authority.server(&["other.example"])?,
        })
    }

    fn acceptor(&self, certificate: Certificate) -> TlsAcceptor {
        TlsAcceptor::from(match certificate {
            Certificate::Good => self.good.clone(),
            Certificate::Expired => self.expired.clone(),
            Certificate::OtherName => self.other_name.clone(),
        })
    }
}

/// How the port is held.
enum Door {
    Open(TcpListener),
    Shut {
        _idle: TcpSocket,
    },
    Dark {
        _port: DarkPort,
    },
    /// Between two ways of holding it, and after a failure to take it again.
    Lost,
}

/// Turns of flapping, which all count from the first, so that they do not drift.
struct Flapping {
    begun: Moment,
    half: Duration,
    /// Turns so far; the first half period, refused, is none.
    turns: u32,
}

impl Flapping {
    fn next(&self) -> Moment {
        self.begun + self.half * (self.turns + 1)
    }

    /// The front after one more turn.
    fn turn(&mut self) -> Front {
        self.turns += 1;
        if self.turns % 2 == 1 { Front::WELL } else { Front::Shut }
    }
}

/// One server's port and connections. Dropping it ends them.
pub(super) struct House {
    address: SocketAddr,
    certificates: Certificates,
    answerer: Arc<Answerer>,
    door: Door,
    /// The present front, for the answerer and for connections.
    fronts: watch::Sender<Front>,
    well: watch::Sender<bool>,
    connections: JoinSet<()>,
    flapping: Option<Flapping>,
    /// Why the last turn of flapping failed: whoever gives the next order is told.
    trouble: Option<Error>,
}

impl House {
    pub(super) fn new(
        address: SocketAddr,
        listener: TcpListener,
        certificates: Certificates,
        answerer: Arc<Answerer>,
        fronts: watch::Sender<Front>,
        well: watch::Sender<bool>,
    ) -> Self {
        Self {
            address,
            certificates,
            answerer,
            door: Door::Open(listener),
            fronts,
            well,
            connections: JoinSet::new(),
            flapping: None,
            trouble: None,
        }
    }

    /// Serves, and obeys orders, as long as somebody may give them.
    pub(super) async fn keep(mut self, clock: Clock, mut orders: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                order = orders.recv() => {
                    let Some(Order { fault, done }) = order else { return };
                    let obeyed = self.obey(clock, fault).await;
                    // Whoever gave the order may have stopped waiting for it.
                    let _ = done.send(obeyed);
                }
                () = turn_due(&clock, self.flapping.as_ref()) => {
                    if let Some(flapping) = &mut self.flapping {
                        let front = flapping.turn();
                        self.trouble = self.show(front).await.err().or(self.trouble.take());
                    }
                }
                accepted = accept(&self.door) => self.welcome(accepted),
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    async fn obey(&mut self, clock: Clock, fault: Option<Fault>) -> Result<()> {
        self.flapping = None;
        self.show(Front::of(fault)).await?;
        if let Some(Fault::Flapping(period)) = fault {
            self.flapping = Some(Flapping { begun: clock.now(), half: period / 2, turns: 0 });
        }
        match self.trouble.take() {
            Some(trouble) => Err(trouble.context("a turn of the flapping before this has failed")),
            None => Ok(()),
        }
    }

    /// Shows `front` from now on.
    async fn show(&mut self, front: Front) -> Result<()> {
        let earlier = self.fronts.send_replace(front);
        if !front.keeps_connections_of(earlier) {
            self.connections.shutdown().await;
        }
        match (&self.door, front) {
            (Door::Open(_), Front::Open(..)) | (Door::Shut { .. }, Front::Shut) | (Door::Dark { .. }, Front::Dark) => {}
            (Door::Open(_) | Door::Shut { .. } | Door::Dark { .. } | Door::Lost, _) => self.rehang(front).await?,
        }
        self.well.send_if_modified(|well| std::mem::replace(well, front == Front::WELL) != *well);
        Ok(())
    }

    /// Holds the port in another way.
    async fn rehang(&mut self, front: Front) -> Result<()> {
        // Two sockets may share a port as long as only one listens, so a listener takes over from an idle one while that
        // keeps others away, and everybody else has to leave first.
        if !matches!(self.door, Door::Shut { .. }) {
            self.door = Door::Lost;
        }
        let address = self.address;
        self.door = match front {
            Front::Open(..) => Door::Open(patiently(|| port::listen(address)).await?),
            Front::Shut => Door::Shut { _idle: patiently(|| port::bind(address)).await? },
            Front::Dark => Door::Dark { _port: DarkPort::take(address).await? },
        };
        Ok(())
    }

    /// Serves a connection until its end, or leaves it silent when the port goes dark.
    fn welcome(&mut self, stream: TcpStream) {
        let front = self.answerer.front.clone();
        let Front::Open(certificate, _) = *front.borrow() else { return };
        let acceptor = self.certificates.acceptor(certificate);
        let answerer = self.answerer.clone();
        self.connections.spawn(async move {
            let mut conversation = pin!(converse(stream, acceptor, answerer));
            tokio::select! {
                biased;
                // Nobody polls the conversation any more: it stays open and unheeded until this task is ended.
                () = darkness(front) => pending().await,
                // A client that hangs up half-way is no concern of an origin's.
                _ = &mut conversation => {}
            }
        });
    }
}

async fn converse(stream: TcpStream, acceptor: TlsAcceptor, answerer: Arc<Answerer>) -> Result<()> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let answered = AtomicU32::new(0);
    let service = service_fn(|request| async {
        let mut answer = answerer.answer(request).await?;
        if answered.fetch_add(1, Ordering::Relaxed) + 1 >= REQUESTS_A_CONNECTION {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok::<_, hyper::Error>(answer)
    });
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}

async fn darkness(mut front: watch::Receiver<Front>) {
    if front.wait_for(|front| *front == Front::Dark).await.is_err() {
        pending().await
    }
}

/// The next connection, if the door is open.
async fn accept(door: &Door) -> TcpStream {
    let Door::Open(listener) = door else { return pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => tokio::time::sleep(EXHAUSTED).await,
        }
    }
}

async fn turn_due(clock: &Clock, flapping: Option<&Flapping>) {
    match flapping {
        Some(flapping) => clock.sleep_until(flapping.next()).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_flapping_count_from_the_first() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let mut flapping = Flapping { begun: Moment::at(minutes(3)), half: minutes(1), turns: 0 };
        assert_eq!(flapping.next(), Moment::at(minutes(4)));
        assert_eq!(flapping.turn(), Front::WELL);
        assert_eq!(flapping.turn(), Front::Shut);
        assert_eq!(flapping.next(), Moment::at(minutes(6)));
    }
}
