//! CloudFront's data plane: edges that serve viewers over HTTPS, and forward to origins over TLS, by the distribution's
//! configuration in the local AWS, which reaches each of them in its own time.

mod config;
mod connections;
mod control;
mod edge;
mod error_cache;
mod forwarding;
mod names;
mod pattern;
mod policies;
mod propagation;
mod reply;
#[cfg(test)]
mod trial;
mod trust;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::aws::Wire;
use crate::certificates::Authority;
use crate::clock::Clock;
use crate::timeline::Timeline;

use config::Configuration;
use connections::Connector;
use control::{Control, Follower, Trouble};
use edge::Edge;
use names::Names;
use propagation::Schedule;
use trust::Trust;

/// Edges of a usual play.
pub(crate) const EDGES: usize = 4;

/// What a play may choose.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How many; [`EDGES`] where nothing speaks for another number.
    pub(crate) edges: usize,
    /// Id of the distribution that they serve.
    pub(crate) distribution: String,
    /// Decides how long each change takes to each edge.
    pub(crate) seed: u64,
}

/// All edges. Dropped, they end, and every connection with them.
pub(crate) struct Edges {
    edges: Vec<Arc<Edge>>,
    addresses: Vec<SocketAddr>,
    trouble: Trouble,
    tasks: JoinSet<()>,
}

impl Edges {
    /// Starts edges that have the distribution as it is now, and follow its changes.
    ///
    /// `control` leads straight to the local AWS, `names` is the DNS server that knows the origins, and `roots` a PEM file
    /// with the roots that their certificates have to come from.
    pub(crate) async fn start(
        settings: Settings,
        control: Wire,
        names: SocketAddr,
        authority: &Authority,
        roots: &Path,
        timeline: Arc<Timeline>,
    ) -> Result<Self> {
        let clock = timeline.clock();
        let control = Control::new(control, settings.distribution);
        // First, so that no change gets deployed unseen.
        control.take_charge().await?;
        let latest = control.version(None, clock).await?.context("the distribution has no configuration")?;
        let surroundings = Surroundings { names, authority, roots, clock };
        let mut edges = Self::serving(settings.edges, latest.configuration.clone(), &surroundings).await?;
        let follower = Follower {
            control,
            schedule: Schedule::new(settings.edges, settings.seed),
            latest,
            edges: edges.edges.clone(),
            timeline,
            trouble: edges.trouble.clone(),
        };
        edges.tasks.spawn(follower.follow());
        Ok(edges)
    }

    /// Starts edges that keep this configuration.
    async fn serving(
        number: usize,
        configuration: Arc<Configuration>,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self> {
        if configuration.aliases.is_empty() {
            bail!("the distribution has no alternate domain name, so there is nothing that a viewer could ask for");
        }
        let aliases: Vec<&str> = configuration.aliases.iter().map(String::as_str).collect();
        let tls = surroundings.authority.server(&aliases)?;
        let mut started =
            Self { edges: Vec::new(), addresses: Vec::new(), trouble: Trouble::default(), tasks: JoinSet::new() };
        for _ in 0..number {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port for an edge")?;
            started.addresses.push(listener.local_addr()?);
            let edge = Arc::new(Edge::new(configuration.clone(), surroundings.connector()?));
            started.tasks.spawn(edge.clone().serve(listener, tls.clone()));
            started.edges.push(edge);
        }
        Ok(started)
    }

    /// One HTTPS listener an edge, in the order of their numbers, with a certificate for the distribution's aliases.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What keeps the edges from following the distribution, if anything does.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.get()
    }
}

/// What every edge stands among.
struct Surroundings<'a> {
    names: SocketAddr,
    authority: &'a Authority,
    roots: &'a Path,
    clock: Clock,
}

impl Surroundings<'_> {
    /// Each edge has its own, with its own memory of names.
    fn connector(&self) -> Result<Connector> {
        let names = Names::asking(self.names, self.clock);
        Ok(Connector { names, trust: Trust::reading(self.roots)?, clock: self.clock })
    }
}

#[cfg(test)]
mod tests;
