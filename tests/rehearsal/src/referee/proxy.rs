//! The way from a client to the local AWS and back, byte for byte, with the referee beside it.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::audience::{Audience, Exchange};
use super::judge::Judge;
use super::message::{Answer, Request};
use super::transcript::Transcript;

/// The largest head that is read, in bytes.
const LARGEST_HEAD: usize = 64 * 1024;
/// Headers that are about one connection, or that whoever sends a message writes itself.
const OF_THE_CONNECTION: [&str; 4] = ["connection", "keep-alive", "transfer-encoding", "content-length"];

/// What every connection needs.
pub(crate) struct Bench {
    pub(crate) judge: Judge,
    pub(crate) transcript: Transcript,
    pub(crate) audience: Audience,
    /// Port of the local AWS on 127.0.0.1.
    pub(crate) upstream: u16,
}

/// Takes connections until it is dropped.
pub(crate) async fn serve(listener: TcpListener, bench: Arc<Bench>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let bench = bench.clone();
                    connections.spawn(async move {
                        // A client that goes away before its answer has its own reasons.
                        let _ = exchange(stream, &bench).await;
                    });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A request as it is passed on.
struct Head {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
}

/// One request and its answer; then the connection is closed.
async fn exchange(mut stream: TcpStream, bench: &Bench) -> Result<()> {
    let begun = Instant::now();
    let Some((head, body)) = read(&mut stream).await? else { return Ok(()) };
    let headers = |headers: &[(String, Vec<u8>)]| {
        headers.iter().map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned())).collect()
    };
    let request = Request::new(&head.method, &head.target, headers(&head.headers), &body)
        .context("the body is not compressed as its header says")?;
    let heard = bench.judge.hear(&request);
    let (target, sent) = (head.target.clone(), body.clone());
    let answered = match bench.audience.refusal(&heard.service) {
        Some((status, refusal)) => Ok((status, vec![("content-type".to_owned(), b"text/xml".to_vec())], refusal)),
        None => forward(bench.upstream, head, body).await,
    };
    let status = match answered {
        Ok((status, answer_headers, body)) => {
            let answer = Answer { status, headers: headers(&answer_headers), body: body.to_vec() };
            let violations = bench.judge.answer(&heard, &request, &answer);
            bench.transcript.record(&heard, status, begun.elapsed(), violations);
            write(&mut stream, status, &answer_headers, &body).await?;
            status
        }
        Err(_) => {
            bench.transcript.record(&heard, 502, begun.elapsed(), Vec::new());
            write(&mut stream, 502, &[], b"").await?;
            502
        }
    };
    let (service, operation) = (heard.service, heard.operation);
    bench.audience.tell(Exchange { service, operation, target, status, begun, ended: Instant::now(), sent });
    Ok(())
}

/// Reads one request; nothing where the client closes without one.
async fn read(stream: &mut TcpStream) -> Result<Option<(Head, Bytes)>> {
    let mut received = Vec::new();
    loop {
        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut slots);
        if let httparse::Status::Complete(length) = parsed.parse(&received)? {
            let headers: Vec<(String, Vec<u8>)> =
                parsed.headers.iter().map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec())).collect();
            let head = Head {
                method: parsed.method.context("a request without a method")?.to_owned(),
                target: parsed.path.context("a request without a path")?.to_owned(),
                headers,
            };
            let mut body = received.split_off(length);
            let announced = announced(&head.headers)?;
            while body.len() < announced {
                if stream.read_buf(&mut body).await? == 0 {
                    bail!("the client went away in the middle of a body");
                }
            }
            return Ok(Some((head, body.into())));
        }
        if received.len() > LARGEST_HEAD {
            bail!("the head of a request is longer than {LARGEST_HEAD} bytes");
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(None);
        }
    }
}

/// Length of the body. No client here sends chunks.
fn announced(headers: &[(String, Vec<u8>)]) -> Result<usize> {
    let find = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    if find("transfer-encoding").is_some() {
        bail!("a body in chunks, whose length nobody has told");
    }
    match find("content-length") {
        Some(length) => Ok(std::str::from_utf8(length)?.trim().parse()?),
        None => Ok(0),
    }
}

type Headers = Vec<(String, Vec<u8>)>;

/// Passes a request on with all its headers, `Host` included: the signature is over them.
async fn forward(port: u16, head: Head, body: Bytes) -> Result<(u16, Headers, Bytes)> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = hyper::Request::builder().method(head.method.as_str()).uri(&head.target);
    for (name, value) in head.headers.iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.as_str())) {
        request = request.header(name, value.as_slice());
    }
    let answer = sender.send_request(request.body(Full::new(body))?).await?;
    let status = answer.status().as_u16();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    let body = answer.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok((status, headers, body))
}

async fn write(stream: &mut TcpStream, status: u16, headers: &[(String, Vec<u8>)], body: &[u8]) -> io::Result<()> {
    let mut message = format!("HTTP/1.1 {status} \r\n").into_bytes();
    for (name, value) in headers.iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.as_str())) {
        message.extend_from_slice(name.as_bytes());
        message.extend_from_slice(b": ");
        message.extend_from_slice(value);
        message.extend_from_slice(b"\r\n");
    }
    message.extend_from_slice(format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()).as_bytes());
    message.extend_from_slice(body);
    stream.write_all(&message).await?;
    stream.shutdown().await
}
