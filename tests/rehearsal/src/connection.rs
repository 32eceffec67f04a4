//! A client's connections with one HTTPS server: opened when they are needed, kept for later requests.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Error, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// Idle connections that are kept; what comes back beyond these is closed.
const KEPT: usize = 16;

/// How to reach a server, and the idle connections with it. Has no time limits of its own: whoever drops a request in the
/// middle closes its connection.
pub(crate) struct Connections {
    address: SocketAddr,
    name: ServerName<'static>,
    tls: TlsConnector,
    idle: Mutex<Vec<Connection>>,
}

impl Connections {
    /// With the server at `address`, whose certificate has to hold `name`.
    pub(crate) fn with(address: SocketAddr, name: &str, tls: TlsConnector) -> Result<Self> {
        let name = ServerName::try_from(name.to_owned()).with_context(|| format!("{name} is no name of a server"))?;
        Ok(Self { address, name, tls, idle: Mutex::default() })
    }

    /// Asks on a connection of its own, which is closed afterwards.
    pub(crate) async fn ask_once(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
        Ok(self.open().await?.ask(request).await?)
    }

    /// Asks on a kept connection where there is one, and keeps the connection.
    pub(crate) async fn ask(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
        while let Some(mut kept) = self.take() {
            match kept.ask(request).await {
                Ok(answer) => {
                    self.keep(kept);
                    return Ok(answer);
                }
                // The server has closed the connection since. Nothing of the request was sent, so it is sent elsewhere.
                Err(Unanswered::Unsent(returned)) => request = *returned,
                Err(Unanswered::Lost(error)) => return Err(error.into()),
            }
        }
        let mut fresh = self.open().await?;
        let answer = fresh.ask(request).await?;
        self.keep(fresh);
        Ok(answer)
    }

    async fn open(&self) -> Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(self.name.clone(), stream).await?;
        let (sender, driver) = handshake(TokioIo::new(stream)).await?;
        // How a connection ended is told to whoever waits for an answer on it.
        let driver = tokio::spawn(async move { drop(driver.await) });
        Ok(Connection { sender, driver })
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT && !connection.sender.is_closed() {
            idle.push(connection);
        }
    }
}

/// One connection. Dropping it closes it.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

/// Why there is no answer on a connection.
enum Unanswered {
    /// The connection was closed before anything of this request was sent.
    Unsent(Box<Request<Full<Bytes>>>),
    /// The server may have seen the request.
    Lost(hyper::Error),
}

impl From<Unanswered> for Error {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Unsent(_) => Error::msg("the server closed the connection before the request"),
            Unanswered::Lost(error) => error.into(),
        }
    }
}

impl Connection {
    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Unanswered> {
        if self.sender.ready().await.is_err() {
            return Err(Unanswered::Unsent(Box::new(request)));
        }
        let answer = self.sender.try_send_request(request).await.map_err(|mut failed| match failed.take_message() {
            Some(returned) => Unanswered::Unsent(Box::new(returned)),
            None => Unanswered::Lost(failed.into_error()),
        })?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(Unanswered::Lost)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::Authority;
    use crate::clock::{Clock, Scale};
    use crate::origins::Origins;
    use crate::script::Fault;

    #[tokio::test]
    async fn a_kept_connection_that_the_server_has_closed_is_replaced() {
        let authority = Authority::new().unwrap();
        let clock = Clock::start(Scale::DEFAULT);
        let origins = Origins::start(&authority, clock, "inspection.test", "application.test", &[]).unwrap();
        let application = &origins.application;
        let connections =
            Connections::with(application.address(), "application.test", authority.client().unwrap()).unwrap();
        let ask = || connections.ask(Request::get("/").header("host", "a.test").body(Full::default()).unwrap());
        assert_eq!(ask().await.unwrap().status(), 200);
        assert_eq!(connections.idle.lock().unwrap().len(), 1);
        assert_eq!(ask().await.unwrap().status(), 200);
        assert_eq!(connections.idle.lock().unwrap().len(), 1, "the kept connection was used again");
        application.suffer(Fault::Refused).await.unwrap();
        application.heal().await.unwrap();
        assert_eq!(ask().await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn a_certificate_has_to_hold_the_name_that_is_asked_for() {
        let authority = Authority::new().unwrap();
        let clock = Clock::start(Scale::DEFAULT);
        let origins = Origins::start(&authority, clock, "inspection.test", "application.test", &[]).unwrap();
        let address = origins.application.address();
        let connections = Connections::with(address, "inspection.test", authority.client().unwrap()).unwrap();
        let error = connections.ask_once(Request::get("/").body(Full::default()).unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{error:#}");
    }
}
