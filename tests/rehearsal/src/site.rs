//! The site of the story, as it is in the account before Failopen comes, and what can be seen of it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use aws_sdk_route53::types::ResourceRecordSet;

use crate::aws::{Aws, RawDocument};
use crate::layout::Layout;
use crate::narration::Step;
use crate::stage::Stage;

pub(crate) const PROTECTION: &str = "www";
pub(crate) const SITE: &str = "www.cq-route.com";
/// Also an alias of the distribution.
pub(crate) const ZONE: &str = "cq-route.com";
/// Another alias of it.
pub(crate) const SHOP: &str = "shop.cq-route.com";
pub(crate) const FAILOVER_RECORD: &str = "cq-origin-www.cq-route.com";
/// A second failover record, which somebody has made by hand.
pub(crate) const SHOP_RECORD: &str = "cq-origin-shop.cq-route.com";
pub(crate) const INSPECTION: &str = "cq-route.cequence.cloud";
pub(crate) const APPLICATION: &str = "origin-www.cq-route.com";
/// Another name of the same inspection service.
pub(crate) const INSPECTION_ALIAS: &str = "cq-route-2.cequence.cloud";
/// Another name of the same application.
pub(crate) const APPLICATION_ALIAS: &str = "origin-www-2.cq-route.com";
/// Another application of the existing distribution, and the failover record that it is given.
pub(crate) const API: &str = "api-eu.example.com";
pub(crate) const API_RECORD: &str = "cq-origin-api.cq-route.com";
/// Another zone of the account, and a failover record in it.
pub(crate) const OTHER_ZONE: &str = "cq-route.net";
pub(crate) const OTHER_RECORD: &str = "cq-origin-www.cq-route.net";
pub(crate) const ALARM: &str = "failopen-www-inspection";
/// An alarm that the user of the story has had for long, on the errors that viewers get.
pub(crate) const OWN_ALARM: &str = "www-5xx-rate";

/// Id that provisioning gives to the inspection origin.
pub(crate) const INSPECTION_ORIGIN: &str = "failopen-www";
/// Id of the application in the existing distribution; the ampersand is a trap for careless writers of XML.
pub(crate) const APPLICATION_ORIGIN: &str = "app & co";

/// Protected behaviours: the default one, one that exists, and one that has to be cloned.
pub(crate) const TRAFFIC: [&str; 3] = ["*", "/checkout/*", "/landing/*"];

/// Element of the existing distribution that no SDK knows; it has to survive everything.
pub(crate) const UNKNOWN_ELEMENT: &str = "FutureOriginFeature";

/// All elements of the existing distribution that no model knows. The referee expects them.
pub(crate) const UNKNOWN_ELEMENTS: [&str; 3] = [UNKNOWN_ELEMENT, "FutureBehaviorFeature", "FutureFeature"];

/// Begins every secret value in the existing distribution; it may appear in no output.
pub(crate) const CANARY: &str = "canary-header";

/// What exists.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) zone_id: String,
    pub(crate) distribution_id: String,
    /// The configuration before Failopen, to the byte.
    pub(crate) original: RawDocument,
    /// Another distribution with the same application behind it.
    pub(crate) second: Distribution,
}

/// A distribution and its configuration before Failopen, to the byte.
#[derive(Clone)]
pub(crate) struct Distribution {
    pub(crate) id: String,
    pub(crate) original: RawDocument,
}

impl Site {
    /// Makes the hosted zone and the distribution that a customer has today.
    pub(crate) async fn create(stage: &Stage<'_>) -> Result<Self> {
        stage
            .narration
            .step("The account as it is today: a hosted zone and a grown distribution", async |step| {
                let zone_id = create_zone(stage, ZONE, step).await?;

                let document = existing_document(stage)?;
                let Distribution { id: distribution_id, original } = create_distribution(stage, &document).await?;
                step.did(format!("created the distribution of {SITE} ({distribution_id})"));
                step.saw(format!(
                    "{} bytes of configuration, {} origins, {} behaviours; the application is origin \"{APPLICATION_ORIGIN}\"; \
                     <{UNKNOWN_ELEMENT}> is in it, which no SDK knows",
                    original.bytes.len(),
                    count(&original.bytes, "<Origin>"),
                    count(&original.bytes, "<CacheBehavior>") + 1,
                ));
                let caller_reference = "<CallerReference>";
                let another = document.replacen(caller_reference, &format!("{caller_reference}another-"), 1);
                let second = create_distribution(stage, &another).await?;
                step.did(format!("created another one with the same application behind it ({})", second.id));
                Ok(Site { zone_id, distribution_id, original, second })
            })
            .await
    }

    /// Where each protected behaviour goes now.
    pub(crate) async fn targets(&self, aws: &Aws) -> Result<BTreeMap<String, String>> {
        targets_in(&aws.distribution(&self.distribution_id).await?.bytes)
    }

    /// `inspected`, `bypassed`, or where each behaviour goes when it is neither.
    pub(crate) async fn posture(&self, aws: &Aws) -> Result<String> {
        let targets = self.targets(aws).await?;
        let all = |origin| targets.len() == TRAFFIC.len() && targets.values().all(|target| target == origin);
        Ok(if all(INSPECTION_ORIGIN) {
            "inspected".to_owned()
        } else if all(APPLICATION_ORIGIN) {
            "bypassed".to_owned()
        } else {
            format!("{targets:?}")
        })
    }

    /// The failover records, primary first.
    pub(crate) async fn failover_records(&self, aws: &Aws) -> Result<Vec<ResourceRecordSet>> {
        self.records_of(aws, FAILOVER_RECORD).await
    }

    /// The records of a name, the primary first.
    pub(crate) async fn records_of(&self, aws: &Aws, name: &str) -> Result<Vec<ResourceRecordSet>> {
        let answer = aws.route53.list_resource_record_sets().hosted_zone_id(&self.zone_id).send().await?;
        let mut records: Vec<ResourceRecordSet> = answer
            .resource_record_sets()
            .iter()
            .filter(|record| record.name().trim_end_matches('.') == name)
            .cloned()
            .collect();
        records.sort_by_key(|record| record.failover().map(|role| role.as_str().to_owned()));
        Ok(records)
    }
}

/// Makes a hosted zone and delegates it. Returns its id.
pub(crate) async fn create_zone(stage: &Stage<'_>, name: &str, step: &Step<'_>) -> Result<String> {
    let zone = stage.aws.route53.create_hosted_zone().name(name).caller_reference(name).send().await?;
    let id = zone.hosted_zone().map(|zone| zone.id().trim_start_matches("/hostedzone/").to_owned());
    let id = id.context("CreateHostedZone answered without a zone")?;
    step.did(format!("created the zone {name} ({id})"));
    let servers = zone.delegation_set().map(|set| set.name_servers().to_vec()).unwrap_or_default();
    stage.name_server.delegate(name, &servers).await?;
    step.did(format!("delegated it to the {} name servers that Route 53 gave it", servers.len()));
    Ok(id)
}

/// Where each protected behaviour of a configuration goes.
pub(crate) fn targets_in(document: &[u8]) -> Result<BTreeMap<String, String>> {
    let behaviors = Layout::read(document)?.behaviors;
    Ok(behaviors.into_iter().filter(|(pattern, _)| TRAFFIC.contains(&pattern.as_str())).collect())
}

async fn create_distribution(stage: &Stage<'_>, document: &str) -> Result<Distribution> {
    let headers = [("content-type", "application/xml".to_owned())];
    let wire = &stage.aws.wire;
    let answer = wire.send("cloudfront", "POST", "/2020-05-31/distribution", &headers, document.as_bytes()).await?;
    let location = answer.successful("CreateDistribution")?.header("location");
    let location = location.context("CreateDistribution answered without a location")?;
    let id = location.rsplit('/').next().unwrap_or_default().to_owned();
    let original = stage.aws.distribution(&id).await?;
    Ok(Distribution { id, original })
}

/// The existing configuration, with both applications at the rehearsal's port.
fn existing_document(stage: &Stage<'_>) -> Result<String> {
    const PORT: &str = "<HTTPSPort>443</HTTPSPort>";
    let path = stage.workplace.repository().join("tests/events/distribution-rich.xml");
    let document = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    for needed in ["<Id>app &amp; co</Id>", "<Id>api-eu</Id>", UNKNOWN_ELEMENT, CANARY] {
        if !document.contains(needed) {
            bail!("{} does not contain {needed}, so this rehearsal would prove less than it says", path.display());
        }
    }
    let port = format!("<HTTPSPort>{}</HTTPSPort>", stage.origins.port());
    let mut document = document;
    for id in ["<Id>app &amp; co</Id>", "<Id>api-eu</Id>"] {
        let (before, origin) = document.split_at(document.find(id).unwrap_or_default());
        document = format!("{before}{}", origin.replacen(PORT, &port, 1));
    }
    Ok(document)
}

fn count(document: &[u8], element: &str) -> usize {
    String::from_utf8_lossy(document).matches(element).count()
}
