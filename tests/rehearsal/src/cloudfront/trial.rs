//! What the tests of edges put around them: a name server, origins, a viewer, and a small distribution.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::bail;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::{A, CNAME};
use hickory_resolver::proto::rr::{Name, RData, Record};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::aws::Wire;
use crate::certificates::trusting_all;

use super::config::Configuration;

pub(crate) const VIEWED: &str = "www.example.com";
pub(crate) const ORIGIN: &str = "origin.example.com";

/// A distribution with one origin, 2 attempts to connect of 10 s each, 20 s to read and 5 s of keep-alive. Its default
/// behaviour forwards the Host or not and keeps errors; `/live/*` is the same without caching, and `/bucket/*` a bucket.
pub(crate) fn distribution(port: u16, forwards_host: bool) -> Configuration {
    Configuration::parse(document(port, forwards_host).as_bytes()).unwrap()
}

fn document(port: u16, forwards_host: bool) -> String {
    let policy = match forwards_host {
        true => "216adef6-5c7f-47e4-b989-5492eafa07d3",
        false => "b689b0a8-53d0-40ab-baf2-68738e2966ac",
    };
    let methods = "<AllowedMethods><Items><Method>GET</Method><Method>HEAD</Method><Method>POST</Method></Items></AllowedMethods>";
    let behaviour = |target: &str, cache: &str| {
        format!(
            "<TargetOriginId>{target}</TargetOriginId>{methods}<CachePolicyId>{cache}</CachePolicyId>\
             <OriginRequestPolicyId>{policy}</OriginRequestPolicyId>"
        )
    };
    let cached = behaviour("the origin", "658327ea-f89d-4fab-a63d-7e88639e58f6");
    let live = behaviour("the origin", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad");
    let bucket = behaviour("the bucket", "658327ea-f89d-4fab-a63d-7e88639e58f6");
    format!(
        "<DistributionConfig xmlns='http://cloudfront.amazonaws.com/doc/2020-05-31/'>
         <Aliases><Items><CNAME>{VIEWED}</CNAME></Items></Aliases>
         <Origins><Items>
          <Origin><Id>the origin</Id><DomainName>{ORIGIN}</DomainName><OriginPath>/base</OriginPath>
           <CustomHeaders><Items><OriginCustomHeader><HeaderName>X-Secret</HeaderName><HeaderValue>canary</HeaderValue>
           </OriginCustomHeader></Items></CustomHeaders>
           <CustomOriginConfig><HTTPPort>80</HTTPPort><HTTPSPort>{port}</HTTPSPort>
            <OriginProtocolPolicy>https-only</OriginProtocolPolicy><OriginReadTimeout>20</OriginReadTimeout>
            <OriginKeepaliveTimeout>5</OriginKeepaliveTimeout></CustomOriginConfig>
           <ConnectionAttempts>2</ConnectionAttempts><ConnectionTimeout>10</ConnectionTimeout></Origin>
          <Origin><Id>the bucket</Id><DomainName>bucket.s3.amazonaws.com</DomainName><S3OriginConfig/></Origin>
         </Items></Origins>
         <DefaultCacheBehavior>{cached}</DefaultCacheBehavior>
         <CacheBehaviors><Items>
          <CacheBehavior><PathPattern>/live/*</PathPattern>{live}</CacheBehavior>
          <CacheBehavior><PathPattern>/bucket/*</PathPattern>{bucket}</CacheBehavior>
         </Items></CacheBehaviors>
         <Enabled>true</Enabled>
         </DistributionConfig>"
    )
}

pub(crate) fn host(name: &str, address: Ipv4Addr, ttl: u32) -> Record {
    Record::from_rdata(Name::from_ascii(format!("{name}.")).unwrap(), ttl, RData::A(A(address)))
}

pub(crate) fn alias(name: &str, target: &str, ttl: u32) -> Record {
    let target = Name::from_ascii(format!("{target}.")).unwrap();
    Record::from_rdata(Name::from_ascii(format!("{name}.")).unwrap(), ttl, RData::CNAME(CNAME(target)))
}

/// A name server with these records. It answers with those of the name that is asked for, and nothing about an alias's target.
pub(crate) struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Vec<Record>>>,
    _task: JoinSet<()>,
}

impl NameServer {
    pub(crate) async fn start(records: impl IntoIterator<Item = Record>) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(records.into_iter().collect::<Vec<_>>()));
        let served = zone.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                let mut answer = Message::from_vec(&buffer[..length]).unwrap().into_response();
                let asked = answer.queries[0].name().clone();
                let known = served.lock().unwrap().iter().filter(|record| record.name == asked).cloned().collect();
                answer.insert_answers(known);
                socket.send_to(&answer.to_vec().unwrap(), client).await.unwrap();
            }
        });
        Self { address, zone, _task: task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn replace(&self, records: impl IntoIterator<Item = Record>) {
        *self.zone.lock().unwrap() = records.into_iter().collect();
    }
}

/// What an origin does with requests.
#[derive(Clone, Copy)]
pub(crate) enum Manners {
    /// Answers with its name, and what it was asked for.
    Well,
    Hangs,
    Errors,
    /// Answers the first request of each connection, and cuts the connection at the second one.
    CutsAtSecond,
}

/// An HTTPS server on an address of its own.
pub(crate) struct Origin {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Origin {
    pub(crate) async fn start(
        name: &'static str,
        address: SocketAddr,
        tls: Arc<ServerConfig>,
        manners: Manners,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, counted) = (TlsAcceptor::from(tls.clone()), counted.clone());
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let heard = AtomicUsize::new(0);
                    let answering = service_fn(|request| {
                        counted.fetch_add(1, Ordering::Relaxed);
                        answer(name, manners, heard.fetch_add(1, Ordering::Relaxed), request)
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answering).await;
                });
            }
        });
        Self { address, requests, _task: task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many it has seen so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// `before`: how many requests the connection has brought already.
async fn answer(
    name: &str,
    manners: Manners,
    before: usize,
    request: Request<Incoming>,
) -> anyhow::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let heard = format!(
        "{name} heard {} {} for {} with {:?}",
        head.method,
        head.uri,
        head.headers["host"].to_str().unwrap_or_default(),
        body
    );
    let mut response = Response::new(Full::from(heard));
    match manners {
        Manners::Well => {}
        Manners::Hangs => std::future::pending().await,
        Manners::CutsAtSecond if before > 0 => bail!("cut"),
        Manners::CutsAtSecond => {}
        Manners::Errors => *response.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE,
    }
    Ok(response)
}

/// A viewer with a connection to an edge that it keeps.
pub(crate) struct Viewer {
    sender: SendRequest<Full<Bytes>>,
    _connection: JoinSet<()>,
}

/// What a viewer got.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) body: String,
    headers: hyper::HeaderMap,
}

impl Got {
    /// A header; empty where it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Viewer {
    pub(crate) async fn of(edge: SocketAddr) -> Self {
        let stream = TcpStream::connect(edge).await.unwrap();
        let name = ServerName::try_from(VIEWED).unwrap();
        let stream = trusting_all().unwrap().connect(name, stream).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let _ = connection.await;
        });
        Self { sender, _connection: task }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Got {
        self.ask(Method::GET, VIEWED, path, "").await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &'static str) -> Got {
        self.ask(Method::POST, VIEWED, path, body).await
    }

    pub(crate) async fn ask(&mut self, method: Method, host: &str, path: &str, body: &'static str) -> Got {
        let request = Request::builder().method(method).uri(path).header("host", host);
        let request = request.body(Full::from(body)).unwrap();
        self.sender.ready().await.unwrap();
        let (head, body) = self.sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Got { status: head.status.as_u16(), body: String::from_utf8_lossy(&body).into_owned(), headers: head.headers }
    }
}

/// A control plane with one distribution, which keeps what it is told about its status.
pub(crate) struct ControlPlane {
    address: SocketAddr,
    state: Arc<Mutex<Controlled>>,
    _task: JoinSet<()>,
}

struct Controlled {
    etag: String,
    document: String,
    reports: Vec<Value>,
}

impl ControlPlane {
    /// The distribution's origin is at `port`.
    pub(crate) async fn start(etag: &str, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let controlled = Controlled { etag: etag.to_owned(), document: document(port, false), reports: Vec::new() };
        let state = Arc::new(Mutex::new(controlled));
        let served = state.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let answering = |request: Request<Incoming>| async {
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let mut state = served.lock().unwrap();
                let answer = match (head.method.as_str(), head.uri.path()) {
                    ("GET", "/2020-05-31/distribution/D1/config") => state.document.clone(),
                    ("POST", "/2020-05-31/distribution/D1/status") => {
                        state.reports.push(serde_json::from_slice(&body).unwrap());
                        String::new()
                    }
                    _ => return Ok(Response::builder().status(404).body(Full::from(String::new())).unwrap()),
                };
                let response = Response::builder().header("etag", &state.etag).body(Full::from(answer)).unwrap();
                hyper::Result::<Response<Full<Bytes>>>::Ok(response)
            };
            while let Ok((stream, _)) = listener.accept().await {
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answering)).await;
            }
        });
        Self { address, state, _task: task }
    }

    pub(crate) fn wire(&self) -> Wire {
        Wire::to(self.address.port())
    }

    /// Somebody moves the distribution's origin to another port.
    pub(crate) fn update(&self, etag: &str, port: u16) {
        let mut state = self.state.lock().unwrap();
        state.etag = etag.to_owned();
        state.document = document(port, false);
    }

    pub(crate) fn reports(&self) -> Vec<Value> {
        self.state.lock().unwrap().reports.clone()
    }
}
