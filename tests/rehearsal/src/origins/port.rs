//! Ways to hold a port on loopback: listening, idle so that connections are refused, and dark so that packets disappear.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Attempts to take a port until we give up.
pub(super) const TRIES: usize = 20;

/// Connections that the kernel completes for us while we are busy.
const BACKLOG: u32 = 1024;

/// A connect on loopback takes microseconds. One that has not succeeded after this wall time was not answered.
const UNANSWERED: Duration = Duration::from_millis(100);

/// Linux queues one connection more than the backlog of 0; a few spare ones cost nothing.
const FILLERS: usize = 4;

/// Listens at `address`.
pub(super) fn listen(address: SocketAddr) -> Result<TcpListener> {
    Ok(bind(address)?.listen(BACKLOG)?)
}

/// Takes `address` without listening: connections are refused, as by a host whose process has died. Another socket of ours may
/// take over the port as long as this one is idle.
pub(super) fn bind(address: SocketAddr) -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| format!("{address} is taken"))?;
    Ok(socket)
}

/// A program that is being started holds copies of our sockets until it runs, and with them the port, for a moment.
pub(super) async fn patiently<T>(take: impl Fn() -> Result<T>) -> Result<T> {
    for _ in 0..TRIES {
        if let Ok(taken) = take() {
            return Ok(taken);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    take()
}

/// A port at which packets disappear, as behind a firewall that drops them.
///
/// Linux drops the first packet of a connection to a listener whose queue of accepted connections is full: it neither
/// refuses nor answers. So we listen, accept nothing, and fill the queue with connections of our own.
pub(super) struct DarkPort {
    _listener: TcpListener,
    _fillers: Vec<TcpStream>,
}

impl DarkPort {
    /// Returns once a connection was seen to disappear.
    pub(super) async fn take(address: SocketAddr) -> Result<Self> {
        let listener = patiently(|| Ok(bind(address)?.listen(0)?)).await?;
        let mut fillers = Vec::new();
        while fillers.len() < FILLERS {
            match tokio::time::timeout(UNANSWERED, TcpStream::connect(address)).await {
                Ok(connected) => fillers.push(connected?),
                Err(_) => return Ok(Self { _listener: listener, _fillers: fillers }),
            }
        }
        bail!("{address} still takes connections with a full queue; only Linux drops them")
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[tokio::test]
    async fn an_idle_port_refuses_and_can_be_taken_over() {
        let idle = bind("127.0.0.4:0".parse().unwrap()).unwrap();
        let address = idle.local_addr().unwrap();
        assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let _listener = listen(address).unwrap();
        TcpStream::connect(address).await.unwrap();
    }

    #[tokio::test]
    async fn a_dark_port_neither_refuses_nor_accepts() {
        let address = bind("127.0.0.4:0".parse().unwrap()).unwrap().local_addr().unwrap();
        let dark = DarkPort::take(address).await.unwrap();
        for _ in 0..5 {
            let connect = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address));
            assert!(connect.await.is_err(), "the connect must stay without any outcome");
        }
        drop(dark);
        assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
