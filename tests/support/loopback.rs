//! A server on a loopback socket that behaves as badly as one can, and counts what reaches it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Longest that a connection is kept by a server that hangs or drips: longer than any client waits.
const FOREVER: Duration = Duration::from_secs(600);
/// Between two bytes of an answer that drips.
const DRIP: Duration = Duration::from_secs(1);
/// What a huge body has, unless the client ends the connection: no client has a use for more.
const HUGE: usize = 256 * 1024 * 1024;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Method and target.
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    /// The value of a header, whose name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Manner {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// It is read, and nothing follows.
    Hang,
    /// The answer comes at one byte a second.
    Drip,
    /// The connection is closed without an answer.
    Close,
    /// Status 200 and a body without an end.
    HugeBody,
}

impl Manner {
    pub fn answer(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Manner::Answer { status, headers: Vec::new(), body: body.into() }
    }

    pub fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        match self {
            Manner::Answer { status, mut headers, body } => {
                headers.push((name, value.into()));
                Manner::Answer { status, headers, body }
            }
            other => other,
        }
    }
}

/// A listening socket and what came in by it. It listens until the process ends.
#[derive(Clone, Debug)]
pub struct Loopback {
    pub address: SocketAddr,
    arrived: Arc<Arrived>,
}

#[derive(Debug, Default)]
struct Arrived {
    connections: AtomicUsize,
    requests: Mutex<Vec<Received>>,
}

impl Loopback {
    /// The script gets each request and how many came before it.
    pub fn start(script: impl Fn(&Received, usize) -> Manner + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let arrived = Arc::new(Arrived::default());
        let (log, script) = (Arc::clone(&arrived), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                log.connections.fetch_add(1, Ordering::SeqCst);
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                thread::spawn(move || {
                    let _ended_by_the_client = serve(stream, &*script, &log);
                });
            }
        });
        Self { address, arrived }
    }

    /// A server that answers every request alike.
    pub fn always(manner: Manner) -> Self {
        Self::start(move |_, _| manner.clone())
    }

    /// `http://127.0.0.1:port`
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections that were accepted, whether or not anything was sent over them.
    pub fn connections(&self) -> usize {
        self.arrived.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> Vec<Received> {
        self.arrived.requests().clone()
    }
}

impl Arrived {
    fn requests(&self) -> MutexGuard<'_, Vec<Received>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(mut stream: TcpStream, script: &impl Fn(&Received, usize) -> Manner, arrived: &Arrived) -> io::Result<()> {
    let Some(request) = receive(&mut stream)? else { return Ok(()) };
    let before = {
        let mut requests = arrived.requests();
        requests.push(request.clone());
        requests.len() - 1
    };
    match script(&request, before) {
        Manner::Answer { status, headers, body } => {
            write!(stream, "HTTP/1.1 {status} Scripted\r\nconnection: close\r\ncontent-length: {}\r\n", body.len())?;
            for (name, value) in headers {
                write!(stream, "{name}: {value}\r\n")?;
            }
            stream.write_all(b"\r\n")?;
            stream.write_all(&body)?;
            stream.flush()
        }
        Manner::Hang => {
            thread::sleep(FOREVER);
            Ok(())
        }
        Manner::Drip => {
            let answer = b"HTTP/1.1 200 Scripted\r\nx-slow: ".iter().chain(std::iter::repeat(&b'x'));
            for byte in answer.take(FOREVER.as_secs() as usize) {
                stream.write_all(&[*byte])?;
                thread::sleep(DRIP);
            }
            Ok(())
        }
        Manner::Close => Ok(()),
        Manner::HugeBody => {
            write!(stream, "HTTP/1.1 200 Scripted\r\ncontent-length: {HUGE}\r\n\r\n")?;
            let part = [b'x'; 64 * 1024];
            for _ in 0..HUGE / part.len() {
                stream.write_all(&part)?;
            }
            Ok(())
        }
    }
}

/// One request; `None` where the client only connected.
fn receive(stream: &mut TcpStream) -> io::Result<Option<Received>> {
    let mut reader = BufReader::new(stream);
    let mut text = |line: &mut String| reader.read_line(line);
    let mut line = String::new();
    if text(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        text(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, length)| length.parse().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    reader.read_exact(&mut body)?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Ok(Some(Received { line, headers, body }))
}
