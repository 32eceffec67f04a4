//! Inspection and application: two small HTTPS servers on loopback addresses of their own, which can die and come back.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::certificates::Authority;

/// Where the two stand. A CloudFront origin has one HTTPS port, and a protection has one for both hosts, so they differ in
/// the address.
const INSPECTION: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const APPLICATION: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

/// Attempts to take a port until we give up.
const TRIES: usize = 20;

/// No client of ours needs longer for its request.
const REQUEST: Duration = Duration::from_secs(10);

/// The two servers.
pub(crate) struct Origins {
    pub(crate) inspection: Origin,
    pub(crate) application: Origin,
}

impl Origins {
    /// Starts both on one port. Both certificates hold `shared` too: names that either may be asked for.
    pub(crate) fn start(authority: &Authority, inspection: &str, application: &str, shared: &[&str]) -> Result<Self> {
        let names = |own| [&[own], shared].concat();
        let inspection_tls = authority.server(&names(inspection))?;
        let application_tls = authority.server(&names(application))?;
        for _ in 0..TRIES {
            let first = Origin::start("inspection", SocketAddr::new(INSPECTION, 0), inspection_tls.clone())?;
            let address = SocketAddr::new(APPLICATION, first.address.port());
            if let Ok(second) = Origin::start("application", address, application_tls.clone()) {
                return Ok(Self { inspection: first, application: second });
            }
        }
        bail!(
            "no port is free on both {INSPECTION} and {APPLICATION}; nothing was deployed. Close some programs and try again."
        )
    }

    pub(crate) fn port(&self) -> u16 {
        self.inspection.address.port()
    }
}

/// One server.
pub(crate) struct Origin {
    name: &'static str,
    address: SocketAddr,
    tls: Arc<ServerConfig>,
    state: Mutex<State>,
}

enum State {
    Alive(JoinHandle<()>),
    /// The port stays ours without anybody listening: connections are refused, as by a host whose process has died.
    Dead {
        _port: TcpSocket,
    },
}

impl Origin {
    fn start(name: &'static str, address: SocketAddr, tls: Arc<ServerConfig>) -> Result<Self> {
        let listener = bind(address)?.listen(64)?;
        let address = listener.local_addr()?;
        let state = State::Alive(tokio::spawn(serve(name, listener, tls.clone())));
        Ok(Self { name, address, tls, state: Mutex::new(state) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on connections are refused, and open ones are cut.
    pub(crate) async fn die(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        if let State::Alive(server) = &mut *state {
            server.abort();
            // The end of the task closes the listener; only then can the port be taken again.
            let _ = server.await;
            *state = State::Dead { _port: patiently(|| bind(self.address)).await? };
        }
        Ok(())
    }

    /// From now on requests are answered.
    pub(crate) async fn revive(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        if let State::Dead { .. } = &*state {
            // Two sockets may share the port as long as only one listens; ours takes over from the idle one.
            let listener = patiently(|| Ok(bind(self.address)?.listen(64)?)).await;
            let listener = listener.with_context(|| format!("{} cannot come back", self.name))?;
            *state = State::Alive(tokio::spawn(serve(self.name, listener, self.tls.clone())));
        }
        Ok(())
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let State::Alive(server) = self.state.get_mut() {
            server.abort();
        }
    }
}

fn bind(address: SocketAddr) -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| format!("{address} is taken"))?;
    Ok(socket)
}

/// A program that is being started holds copies of our sockets until it runs, and with them the port, for a moment.
async fn patiently<T>(take: impl Fn() -> Result<T>) -> Result<T> {
    for _ in 0..TRIES {
        if let Ok(taken) = take() {
            return Ok(taken);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    take()
}

async fn serve(name: &'static str, listener: TcpListener, tls: Arc<ServerConfig>) {
    let acceptor = TlsAcceptor::from(tls);
    // Dropped with this task, and every open connection with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                // A client that hangs up half-way is no concern of an origin's.
                let _ = tokio::time::timeout(REQUEST, answer(name, stream, acceptor)).await;
            });
        }
    }
}

/// Answers one request and closes, as an origin that drains does.
async fn answer(name: &str, stream: TcpStream, acceptor: TlsAcceptor) -> Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let body = format!("{name} is well\n");
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if !request.starts_with(b"HEAD ") {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_origin_refuses_connections_and_comes_back_on_the_same_port() {
        let authority = Authority::new().unwrap();
        let origins = Origins::start(&authority, "inspection.test", "application.test", &[]).unwrap();
        let address = origins.inspection.address();
        assert_eq!(origins.application.address().port(), address.port());
        TcpStream::connect(address).await.unwrap();
        origins.inspection.die().await.unwrap();
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        TcpStream::connect(origins.application.address()).await.unwrap();
        origins.inspection.revive().await.unwrap();
        TcpStream::connect(address).await.unwrap();
    }
}
