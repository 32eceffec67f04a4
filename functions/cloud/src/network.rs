//! Names, connections and single HTTP requests outside AWS's API: probes and custom-resource answers.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::OnceLock;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::client::conn::http1;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::names::NameServers;
use crate::tls::Tls;

/// All addresses of a host together; CloudFront itself waits 1 to 10 seconds an attempt.
const CONNECT: Duration = Duration::from_secs(3);
/// Addresses that are tried.
const ADDRESSES: u32 = 3;
/// One query of a name server; two are made.
const QUERY: Duration = Duration::from_secs(2);
/// What is read of an answer's body before the connection is closed, where nobody looks into it.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;

/// The network as the functions use it themselves.
pub(crate) struct Network {
    /// A DNS server to ask instead of the system's, for probes.
    pub(crate) name_server: Option<SocketAddr>,
    /// Built by the first probe.
    resolver: OnceLock<Result<TokioResolver, String>>,
    /// Built by the first question of preflight.
    pub(crate) names: OnceLock<Result<NameServers, String>>,
    pub(crate) tls: Tls,
}

impl Network {
    pub(crate) fn new(name_server: Option<SocketAddr>) -> Self {
        Self { name_server, resolver: OnceLock::new(), names: OnceLock::new(), tls: Tls::default() }
    }

    /// Addresses of a host, IPv4 where there are any. The error is one line for people.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        if let Ok(literal) = host.parse() {
            return Ok(vec![literal]);
        }
        // The final dot keeps search domains out.
        match self.resolver()?.lookup_ip(format!("{host}.")).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_nx_domain() || error.is_no_records_found() => {
                Err(format!("the name {host} does not resolve to an address"))
            }
            Err(NetError::Timeout) => Err(format!("no name server answered for {host} in time")),
            Err(error) => Err(format!("the name {host} could not be resolved: {error}")),
        }
    }

    pub(crate) fn resolver(&self) -> Result<&TokioResolver, String> {
        self.resolver.get_or_init(|| resolver(self.name_server)).as_ref().map_err(Clone::clone)
    }
}

fn resolver(name_server: Option<SocketAddr>) -> Result<TokioResolver, String> {
    let (config, options) = settings(name_server)?;
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
    builder.build().map_err(|error| format!("the resolver could not be built: {error}"))
}

/// Which name servers are asked, and how: `name_server` alone, or those of the system.
pub(crate) fn settings(name_server: Option<SocketAddr>) -> Result<(ResolverConfig, ResolverOpts), String> {
    let (config, mut options) = match name_server {
        Some(server) => {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            connections.iter_mut().for_each(|connection| connection.port = server.port());
            let server = NameServerConfig::new(server.ip(), true, connections);
            let mut options = ResolverOpts::default();
            options.use_hosts_file = ResolveHosts::Never;
            (ResolverConfig::from_parts(None, Vec::new(), vec![server]), options)
        }
        None => read_system_conf().map_err(|error| format!("the system's name servers are not known: {error}"))?,
    };
    // A probe asks what is so now, and a function may have been frozen for an hour.
    options.cache_size = 0;
    options.timeout = QUERY;
    options.attempts = 2;
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
    Ok((config, options))
}

/// Connects within [`CONNECT`].
pub(crate) async fn connect(host: &str, addresses: &[IpAddr], port: u16) -> Result<TcpStream, String> {
    connect_within(host, addresses, port, CONNECT).await
}

/// Connects to the first address that accepts; each gets its share of the time.
pub(crate) async fn connect_within(
    host: &str,
    addresses: &[IpAddr],
    port: u16,
    within: Duration,
) -> Result<TcpStream, String> {
    let tried = addresses.iter().take(ADDRESSES as usize);
    let share = within / u32::try_from(tried.len()).unwrap_or(1).max(1);
    let mut refused = None;
    for address in tried {
        match timeout(share, TcpStream::connect((*address, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => refused = Some(error),
            Err(_elapsed) => {}
        }
    }
    Err(match refused {
        Some(error) => format!("{host} does not accept a connection on port {port}: {error}"),
        None => format!("no connection with {host} on port {port} within {} s", within.as_secs()),
    })
}

/// Sends one request and reads the status and the body, which is no further than to `limit` bytes or a little more.
pub(crate) async fn exchange<S, B>(stream: S, request: Request<B>, limit: usize) -> hyper::Result<(u16, Vec<u8>)>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = hyper::body::Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = pin!(connection);
    let mut answer = pin!(async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        Ok((status, read_some(response, limit).await?))
    });
    tokio::select! {
        answered = &mut answer => answered,
        // The connection may end first, with the answer already received.
        _ = connection => answer.await,
    }
}

async fn read_some(response: Response<Incoming>, limit: usize) -> hyper::Result<Vec<u8>> {
    let mut body = response.into_body();
    let mut read = Vec::new();
    while read.len() < limit
        && let Some(frame) = body.frame().await
    {
        if let Some(data) = frame?.data_ref() {
            read.extend_from_slice(data);
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, UdpSocket};
    use std::thread;

    /// A name server that knows `www.example.com` by one IPv4 address, and no other name.
    fn name_server() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("bound");
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                let _client_gone = socket.send_to(&answer(&buffer[..length]), client);
            }
        });
        address
    }

    /// Header, question and, where the name is known, one A record (RFC 1035, section 4).
    fn answer(query: &[u8]) -> Vec<u8> {
        let name_end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap_or_default() + 1;
        let question = &query[12..name_end + 4];
        let is_known = question.starts_with(b"\x03www\x07example\x03com\0\0\x01");
        let (code, answers) = if is_known { (0x80, 1) } else { (0x83, 0) };
        let mut message = vec![query[0], query[1], 0x81, code, 0, 1, 0, answers, 0, 0, 0, 0];
        message.extend(question);
        if is_known {
            message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 127, 0, 0, 7]);
        }
        message
    }

    #[tokio::test]
    async fn names_are_asked_of_the_configured_server() {
        let network = Network::new(Some(name_server()));
        assert_eq!(network.addresses("www.example.com").await, Ok(vec![Ipv4Addr::new(127, 0, 0, 7).into()]));
        let why = network.addresses("gone.example.com").await.unwrap_err();
        assert_eq!(why, "the name gone.example.com does not resolve to an address");
    }

    #[tokio::test]
    async fn an_address_needs_no_server() {
        assert_eq!(Network::new(None).addresses("127.0.0.1").await, Ok(vec![Ipv4Addr::LOCALHOST.into()]));
    }
}
