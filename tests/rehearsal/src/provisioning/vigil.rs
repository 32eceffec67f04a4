//! Looks all the time whether a viewer would find something behind every behaviour.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use aws_sdk_route53::types::ResourceRecordSetFailover;
use tokio::task::JoinHandle;

use crate::aws::Aws;
use crate::layout::Layout;
use crate::site::Site;
use crate::stage::Stage;

/// Wall time between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest time without a look on a slow machine: more would miss a name that is gone for some moments.
const BLINK: Duration = Duration::from_secs(5);

/// Watches until it is asked.
pub(super) struct Vigil {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

struct Seen {
    looks: usize,
    dangling: Vec<String>,
    /// Why the last look failed, where it did.
    trouble: Option<String>,
    last: Instant,
    longest_gap: Duration,
}

impl Seen {
    fn new() -> Self {
        let (dangling, longest_gap) = (Vec::new(), Duration::ZERO);
        Self { looks: 0, dangling, trouble: None, last: Instant::now(), longest_gap }
    }

    fn note(&mut self, look: Result<Vec<String>>) {
        match look {
            Ok(dangling) => {
                self.looks += 1;
                self.longest_gap = self.longest_gap.max(self.last.elapsed());
                self.last = Instant::now();
                self.dangling.extend(dangling);
            }
            Err(error) => self.trouble = Some(format!("{error:#}")),
        }
    }
}

impl Vigil {
    /// Begins to watch both distributions and these zones, past the referee. What another DNS service answers is in no zone.
    pub(super) fn begin(stage: &Stage<'_>, site: &Site, zones: &[&str], elsewhere: Option<&'static str>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::new()));
        let (noted, aws) = (seen.clone(), stage.insides.clone());
        let distributions = vec![site.distribution_id.clone(), site.second.id.clone()];
        let zones: Vec<String> = zones.iter().map(|zone| (*zone).to_owned()).collect();
        let task = tokio::spawn(async move {
            loop {
                let look = look(&aws, &distributions, &zones, elsewhere).await;
                noted.lock().unwrap_or_else(PoisonError::into_inner).note(look);
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { seen, task }
    }

    /// Ends it. Returns how often it has looked.
    ///
    /// # Errors
    /// Something was dangling, or nobody has looked for some time.
    pub(super) fn end(self) -> Result<usize> {
        self.task.abort();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(seen.dangling.is_empty(), "viewers would have found nothing: {}", seen.dangling.join("; "));
        let gap = seen.longest_gap.max(seen.last.elapsed());
        ensure!(seen.looks > 0 && gap < BLINK, "nobody looked for {gap:?}: {:?}", seen.trouble);
        Ok(seen.looks)
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Every behaviour that leads to an origin that is not there, or to one of ours whose name has no whole pair of records.
async fn look(aws: &Aws, distributions: &[String], zones: &[String], elsewhere: Option<&str>) -> Result<Vec<String>> {
    // Two readings cannot be of one moment. A name that is missing before and after the configuration was read was missing then.
    let before = pairs(aws, zones).await?;
    let mut led = Vec::new();
    for id in distributions {
        led.extend(targets(&aws.distribution(id).await?.bytes)?.into_iter().map(|target| (id.clone(), target)));
    }
    let after = pairs(aws, zones).await?;
    Ok(led
        .into_iter()
        .filter_map(|(id, (path, host))| match host {
            None => Some(format!("{path} of {id} leads to an origin that is not there")),
            Some(host) if elsewhere == Some(host.as_str()) => None,
            Some(host) if is_ours(&host) && !before.contains(&host) && !after.contains(&host) => {
                Some(format!("{path} of {id} leads to {host}, which has no pair of records"))
            }
            Some(_) => None,
        })
        .collect())
}

/// Failover records of the story are named so.
fn is_ours(host: &str) -> bool {
    host.starts_with("cq-origin-")
}

/// Names with a PRIMARY and a SECONDARY.
async fn pairs(aws: &Aws, zones: &[String]) -> Result<BTreeSet<String>> {
    let mut primary = BTreeSet::new();
    let mut secondary = BTreeSet::new();
    for zone in zones {
        let answer = aws.route53.list_resource_record_sets().hosted_zone_id(zone).send().await?;
        for record in answer.resource_record_sets() {
            let name = record.name().trim_end_matches('.').to_owned();
            match record.failover() {
                Some(ResourceRecordSetFailover::Primary) => primary.insert(name),
                Some(ResourceRecordSetFailover::Secondary) => secondary.insert(name),
                _ => false,
            };
        }
    }
    Ok(primary.intersection(&secondary).cloned().collect())
}

/// Path pattern of every behaviour, and the host that it leads to; no host where there is no such origin. Groups have members that
/// Failopen leaves alone.
fn targets(document: &[u8]) -> Result<Vec<(String, Option<String>)>> {
    let Layout { origins, groups, behaviors, ports: _ } = Layout::read(document)?;
    let host = |target: &String| origins.iter().find(|(id, _)| id == target).map(|(_, host)| host.clone());
    let alone = behaviors.into_iter().filter(|(_, target)| !groups.contains(target));
    Ok(alone.map(|(path, target)| (path, host(&target))).collect())
}
