//! Looks all the time whether a viewer would find something behind every behaviour.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinHandle;

use crate::aws::Aws;
use crate::site::Site;
use crate::stage::Stage;

/// Wall time between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Watches until it is asked.
pub(super) struct Vigil {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    looks: usize,
    dangling: Vec<String>,
    trouble: Option<String>,
}

impl Seen {
    fn note(&mut self, look: Result<Vec<String>>) {
        match look {
            Ok(dangling) => {
                self.looks += 1;
                self.dangling.extend(dangling);
            }
            Err(error) => self.trouble = Some(format!("{error:#}")),
        }
    }
}

impl Vigil {
    /// Begins to watch both distributions and these zones, past the referee. What another DNS service answers is in no zone.
    pub(super) fn begin(stage: &Stage<'_>, site: &Site, zones: &[&str], elsewhere: Option<&'static str>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
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
    /// Something was dangling, or nobody has looked.
    pub(super) fn end(self) -> Result<usize> {
        self.task.abort();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(seen.dangling.is_empty(), "viewers would have found nothing: {}", seen.dangling.join("; "));
        ensure!(seen.looks > 0, "nobody could look: {:?}", seen.trouble);
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
async fn pairs(aws: &Aws, zones: &[String]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for zone in zones {
        let answer = aws.route53.list_resource_record_sets().hosted_zone_id(zone).send().await?;
        found.extend(answer.resource_record_sets().iter().filter(|record| record.failover().is_some()).map(|record| {
            (record.name().trim_end_matches('.').to_owned(), record.failover().map(|role| role.as_str().to_owned()))
        }));
    }
    let names = found.iter().map(|(name, _)| name);
    let whole = |name: &&String| found.iter().filter(|(known, _)| known == *name).count() == 2;
    Ok(names.filter(whole).cloned().collect())
}

/// Path pattern of every behaviour, and the host that it leads to; no host where there is no such origin. Groups have members that
/// Failopen leaves alone.
fn targets(document: &[u8]) -> Result<Vec<(String, Option<String>)>> {
    let text = std::str::from_utf8(document).context("the configuration is no UTF-8")?;
    let document = roxmltree::Document::parse(text).context("the configuration is no XML")?;
    let child = |node: roxmltree::Node<'_, '_>, name: &str| {
        node.children().find(|child| child.tag_name().name() == name).and_then(|child| child.text()).map(str::to_owned)
    };
    let all = |name: &'static str| document.descendants().filter(move |node| node.tag_name().name() == name);
    let hosts: Vec<(String, String)> =
        all("Origin").filter_map(|origin| Some((child(origin, "Id")?, child(origin, "DomainName")?))).collect();
    let groups: Vec<String> = all("OriginGroup").filter_map(|group| child(group, "Id")).collect();
    let behaviors = all("DefaultCacheBehavior").chain(all("CacheBehavior"));
    Ok(behaviors
        .filter_map(|behavior| {
            let path = child(behavior, "PathPattern").unwrap_or_else(|| "*".to_owned());
            let target = child(behavior, "TargetOriginId")?;
            let host = hosts.iter().find(|(id, _)| *id == target).map(|(_, host)| host.clone());
            (!groups.contains(&target)).then_some((path, host))
        })
        .collect())
}
