//! An edge's connections with origins: how they are made, used, kept and taken again.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::clock::{Clock, Moment};

use super::names::Names;
use super::trust::Trust;

/// Where a connection leads. The address is not part of it: a connection is used whatever DNS says by now
/// (CloudFront Developer Guide, understanding-response-headers-policies: a reused connection has no DNS time).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Destination {
    /// The origin's domain name.
    pub(crate) domain: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Security {
    Plain,
    /// TLS, asking for the forwarded Host, or else for the origin's domain name. Assumed: the rule is not documented.
    Tls {
        server_name: String,
    },
}

/// Why there is no connection. Statuses are those of the CloudFront Developer Guide, http-502-bad-gateway and
/// http-504-gateway-timeout.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum Unconnected {
    #[error("the origin's name does not lead to an address")]
    Unresolved,
    #[error("the origin refuses connections")]
    Refused,
    #[error("the origin's certificate or TLS is not acceptable")]
    Untrusted,
    #[error("the origin does not accept a connection in time")]
    TimedOut,
}

/// Why a connection brought no answer.
#[derive(Debug, Error)]
pub(crate) enum Unanswered {
    #[error("the origin does not answer in time")]
    Silent,
    /// It was closed before the request was written.
    #[error("the connection was closed before")]
    Unsent,
    #[error("the origin closed the connection")]
    Broken,
}

/// An open connection, which ends when dropped.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

impl Connection {
    async fn over<S>(stream: S) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // An error reaches whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Self { sender, _driver: driver })
    }

    /// Sends a request and reads all of its answer. `read_timeout`, modelled, is the longest silence before the answer and
    /// within it (CloudFront Developer Guide, "Response timeout" in DownloadDistValuesOrigin).
    ///
    /// Assumed: an answer that stops halfway is no answer. CloudFront would have handed on its beginning.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Bytes>,
        read_timeout: Duration,
        clock: Clock,
    ) -> Result<Response<Bytes>, Unanswered> {
        let sending = async {
            self.sender.ready().await.map_err(|_closed| Unanswered::Unsent)?;
            self.sender.send_request(request.map(Full::new)).await.map_err(|error| match error.is_canceled() {
                true => Unanswered::Unsent,
                false => Unanswered::Broken,
            })
        };
        let (head, mut body) = clock.within(read_timeout, sending).await.ok_or(Unanswered::Silent)??.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = clock.within(read_timeout, body.frame()).await.ok_or(Unanswered::Silent)? {
            if let Some(data) = frame.map_err(|_broken| Unanswered::Broken)?.data_ref() {
                bytes.extend_from_slice(data);
            }
        }
        Ok(Response::from_parts(head, bytes.into()))
    }
}

/// Idle connections of one edge.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<Destination, Vec<Idle>>>,
}

struct Idle {
    connection: Connection,
    until: Moment,
}

impl Pool {
    /// The connection that was used last. Assumed; so a steady load keeps connections that a failover of DNS has left behind
    /// (no AWS statement was found on it).
    pub(crate) fn take(&self, destination: &Destination, now: Moment) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // What is too old is closed here, wherever it leads.
        idle.retain(|_, connections| {
            connections.retain(|idle| now < idle.until && !idle.connection.sender.is_closed());
            !connections.is_empty()
        });
        idle.get_mut(destination)?.pop().map(|idle| idle.connection)
    }

    pub(crate) fn keep(&self, destination: &Destination, connection: Connection, until: Moment) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.entry(destination.clone()).or_default().push(Idle { connection, until });
    }
}

/// Makes new connections.
pub(crate) struct Connector {
    pub(crate) names: Names,
    pub(crate) trust: Trust,
    pub(crate) clock: Clock,
}

impl Connector {
    /// Tries to connect so often, each time for so long, modelled (CloudFront Developer Guide, "Connection attempts" and
    /// "Connection timeout" in DownloadDistValuesOrigin).
    ///
    /// Assumed: an attempt ends with the TLS handshake, several addresses have their turns, and a handshake that failed is
    /// not tried again.
    pub(crate) async fn connect(
        &self,
        destination: &Destination,
        attempts: u32,
        timeout: Duration,
    ) -> Result<Connection, Unconnected> {
        let addresses = self.names.addresses(&destination.domain).await.map_err(|_unknown| Unconnected::Unresolved)?;
        let turns = addresses.iter().cycle().take(attempts.max(1) as usize);
        let mut failure = Unconnected::Unresolved;
        for address in turns {
            let address = SocketAddr::new((*address).into(), destination.port);
            failure = match self.clock.within(timeout, self.attempt(destination, address)).await {
                Some(Ok(connection)) => return Ok(connection),
                Some(Err(Unconnected::Untrusted)) => return Err(Unconnected::Untrusted),
                Some(Err(failure)) => failure,
                None => Unconnected::TimedOut,
            };
        }
        Err(failure)
    }

    async fn attempt(&self, destination: &Destination, address: SocketAddr) -> Result<Connection, Unconnected> {
        // Whatever DNS says, nothing in the lab leaves this machine.
        if !address.ip().is_loopback() {
            return Err(Unconnected::Refused);
        }
        let stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Unconnected::TimedOut,
            _ => Unconnected::Refused,
        })?;
        // Without effect on what is modelled, and small packets wait for nobody.
        let _ = stream.set_nodelay(true);
        let connected = match &destination.security {
            Security::Plain => Connection::over(stream).await,
            Security::Tls { server_name } => {
                let connector = self.trust.connector(&destination.domain).map_err(|_no_name| Unconnected::Untrusted)?;
                let name = ServerName::try_from(server_name.clone()).map_err(|_no_name| Unconnected::Untrusted)?;
                let stream = connector.connect(name, stream).await.map_err(|_refused| Unconnected::Untrusted)?;
                Connection::over(stream).await
            }
        };
        connected.map_err(|_closed| Unconnected::Refused)
    }
}
