//! One edge: it takes viewers' requests, and answers them by the configuration that has reached it.
//!
//! Nothing good is ever served from a cache: the lab's viewers ask for what must not be cached. Custom error pages are not
//! served either; an error comes as it is.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::clock::Clock;

use super::config::{Behaviour, Configuration};
use super::connections::Connector;
use super::error_cache::ErrorCache;
use super::forwarding::{Failure, Forwarded, Forwarding, Used};
use super::reply::Reply;

/// Wall time that a viewer has for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// An edge with all that it keeps for itself.
pub(crate) struct Edge {
    clock: Clock,
    configuration: RwLock<Arc<Configuration>>,
    forwarding: Forwarding,
    errors: Mutex<ErrorCache<Reply>>,
}

impl Edge {
    pub(crate) fn new(configuration: Arc<Configuration>, connector: Connector) -> Self {
        Self {
            clock: connector.clock,
            configuration: RwLock::new(configuration),
            forwarding: Forwarding::new(connector),
            errors: Mutex::new(ErrorCache::new()),
        }
    }

    /// Requests from now on are answered by this configuration.
    pub(crate) fn take_over(&self, configuration: Arc<Configuration>) {
        *self.configuration.write().unwrap_or_else(PoisonError::into_inner) = configuration;
    }

    fn configuration(&self) -> Arc<Configuration> {
        self.configuration.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn errors(&self) -> MutexGuard<'_, ErrorCache<Reply>> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves viewers for ever. Dropped, it cuts all of their connections.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, tls: Arc<ServerConfig>) {
        let acceptor = TlsAcceptor::from(tls);
        let mut viewers = JoinSet::new();
        loop {
            while viewers.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, _)) => {
                    viewers.spawn(self.clone().serve_viewer(stream, acceptor.clone()));
                }
                // Out of descriptors, say; they come back when viewers leave.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn serve_viewer(self: Arc<Self>, stream: TcpStream, acceptor: TlsAcceptor) {
        // Without effect on what is modelled, and small packets wait for nobody.
        let _ = stream.set_nodelay(true);
        let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else {
            return;
        };
        let service = service_fn(|request| self.respond(request));
        // A viewer that hangs up half-way is no concern of an edge's.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn respond(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let reply = match body.collect().await {
            Ok(body) => self.reply(&Request::from_parts(head, body.to_bytes())).await,
            Err(_broken) => Reply::own(StatusCode::BAD_REQUEST, "the request's body is not complete", ""),
        };
        Ok(reply.into_response())
    }

    async fn reply(&self, request: &Request<Bytes>) -> Reply {
        let configuration = self.configuration();
        let refuse = |why, origin| Reply::own(StatusCode::FORBIDDEN, why, origin);
        let host = requested_host(request);
        if !configuration.enabled || !configuration.serves(&host) {
            return refuse("no enabled distribution has this host", "");
        }
        let behaviour = configuration.behaviour(request.uri().path());
        if !behaviour.methods.contains(request.method()) {
            return refuse("this distribution does not allow the method", &behaviour.target);
        }
        let place = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let keeps_error = behaviour.keeps_errors && [Method::GET, Method::HEAD].contains(request.method());
        if keeps_error && let Some(error) = self.errors().get(&host, place, self.clock.now()) {
            return error.again();
        }
        let reply = self.ask_origin(&configuration, behaviour, &host, request).await;
        if keeps_error && reply.status().is_server_error() {
            let ttl = configuration.error_ttl(reply.status().as_u16());
            self.errors().keep(&host, place, self.clock.now(), ttl, reply.clone());
        }
        reply
    }

    async fn ask_origin(
        &self,
        configuration: &Configuration,
        behaviour: &Behaviour,
        host: &str,
        request: &Request<Bytes>,
    ) -> Reply {
        let forwarded = match configuration.origin(&behaviour.target) {
            Some(origin) => self.forwarding.forward(origin, behaviour.forwards_host.then_some(host), request).await,
            None => Forwarded { outcome: Err(Failure::NotServed), used: Used::None },
        };
        Reply::forwarded(&behaviour.target, forwarded)
    }
}

/// The host that the viewer asks for, in lower case. Its port is the lab's and not the model's.
fn requested_host(request: &Request<Bytes>) -> String {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().host().or(named).unwrap_or_default();
    host.split_once(':').map_or(host, |(host, _port)| host).to_ascii_lowercase()
}
