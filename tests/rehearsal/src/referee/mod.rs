//! The referee: an independent look at every request that goes to the local AWS.
//!
//! An emulator accepts much that AWS refuses. The referee stands between the clients and the local AWS, and holds every
//! request and every answer below 300 against AWS's published service models, and requests to CloudFront and Route 53 also
//! against rules that the models do not hold. It shares no code with the emulator or with an SDK: HTTP, XML, JSON, CBOR and
//! forms are read here. It changes nothing on the way, but may refuse calls for their rate where a play asks for that.

mod audience;
mod cloudfront;
mod documents;
mod emulator_faults;
mod form;
mod judge;
mod message;
mod model;
mod node;
mod operation;
mod proxy;
mod rest;
mod route53;
mod scalar;
mod shapes;
#[cfg(test)]
mod tests;
mod transcript;
mod uri;
mod xml;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::aws::Wire;

pub(crate) use audience::Exchange;

use audience::Audience;
use judge::Judge;
use model::Catalogue;
use proxy::Bench;
use transcript::{Report, Transcript};

/// A running referee. It ends when it is dropped.
pub(crate) struct Referee {
    port: u16,
    bench: Arc<Bench>,
    task: JoinHandle<()>,
}

impl Referee {
    /// Listens on a free port of 127.0.0.1 and passes on to `upstream`. `packages` is the directory of Python packages that
    /// holds botocore, `planted` the members that no model knows and that are meant to be there.
    ///
    /// # Errors
    /// Models that cannot be read, or a transcript that cannot be written.
    pub(crate) async fn start(packages: &Path, planted: &[&str], upstream: u16, transcript: &Path) -> Result<Self> {
        let judge = Judge::new(Catalogue::of(packages).context("AWS's service models")?, planted);
        let bench =
            Arc::new(Bench { judge, transcript: Transcript::create(transcript)?, audience: Audience::new(), upstream });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(proxy::serve(listener, bench.clone()));
        Ok(Self { port, bench, task })
    }

    /// Where clients find AWS.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Bare HTTP past the referee.
    pub(crate) fn wire(&self) -> Wire {
        Wire::to(self.port)
    }

    /// Every exchange that ends from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Exchange> {
        self.bench.audience.listen()
    }

    /// From now on and until `moment`, every call to CloudFront is refused for its rate.
    pub(crate) fn throttle_cloudfront(&self, moment: Instant) {
        self.bench.audience.throttle_cloudfront(moment);
    }

    /// How often an operation was refused for want of a permission.
    pub(crate) fn refusals(&self, operation: &str) -> usize {
        self.bench.transcript.refusals(operation)
    }

    /// What it has seen so far.
    pub(crate) fn report(&self) -> Report {
        self.bench.transcript.report(self.bench.judge.patterns())
    }
}

impl Drop for Referee {
    fn drop(&mut self) {
        self.task.abort();
    }
}
