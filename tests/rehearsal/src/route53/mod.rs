//! Route 53's data plane, which the local AWS leaves out: health checkers all over the world, and DNS that fails over by what
//! they see.
//!
//! It reads health checks and records from the local AWS as they are now. It needs none of the product's functions.

mod calculated;
mod check;
mod checkers;
mod delegation;
mod failover;
mod name_server;
mod of_alarm;
mod probe;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use aws_sdk_route53::types::{ResourceRecordSet, ResourceRecordSetFailover};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

pub(crate) use name_server::{Host, NameServer};

use crate::aws::{Aws, Wire};
use crate::certificates::trusting_all;
use crate::clock::{Clock, Moment};
use crate::cloudwatch::{CHECK_DIMENSION, Datapoint, Metrics, Minute, NAMESPACE, PERCENTAGE_HEALTHY, STATUS};
use crate::timeline::{Kind, Timeline};

use calculated::Calculated;
use check::Check;
use checkers::Checkers;
use failover::{Answer, Role};
use of_alarm::OfAlarm;

/// Modelled time between two looks at the configuration and the verdicts, and how short it may be here: the local AWS is a
/// Python program.
const GLANCE: Duration = Duration::from_secs(2);
const SHORTEST_GLANCE: Duration = Duration::from_millis(150);

/// Modelled time after which GetHealthCheckStatus hears from the checkers again although nothing has changed.
const REPORT: Duration = Duration::from_secs(10);

/// Runs until dropped.
pub(crate) struct Route53 {
    task: JoinHandle<()>,
    /// Why the last round failed, if it did: a play that waits in vain wants to know.
    trouble: Arc<Mutex<Option<String>>>,
}

impl Route53 {
    /// `aws` and `backstage` lead straight to the local AWS: what happens inside of AWS is no call of the product's.
    pub(crate) fn start(
        aws: Aws,
        backstage: Wire,
        name_server: Arc<NameServer>,
        timeline: Arc<Timeline>,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let clock = timeline.clock();
        let mut plane = DataPlane {
            aws,
            backstage,
            name_server,
            published: Minute::of(clock.now()),
            timeline,
            metrics,
            tls: trusting_all()?,
            clock,
            posts: BTreeMap::new(),
            calculated: BTreeMap::new(),
            of_alarms: BTreeMap::new(),
            answers: BTreeMap::new(),
        };
        let trouble = Arc::new(Mutex::new(None));
        let told = trouble.clone();
        let task = tokio::spawn(async move {
            let mut glances = tokio::time::interval(clock.scale().wall(GLANCE).max(SHORTEST_GLANCE));
            glances.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                glances.tick().await;
                let outcome = plane.round().await;
                *told.lock().unwrap_or_else(PoisonError::into_inner) = outcome.err().map(|error| format!("{error:#}"));
            }
        });
        Ok(Self { task, trouble })
    }

    /// What keeps the checkers and DNS from working, if anything does.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Route53 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct DataPlane {
    aws: Aws,
    backstage: Wire,
    name_server: Arc<NameServer>,
    timeline: Arc<Timeline>,
    metrics: Arc<Metrics>,
    tls: TlsConnector,
    clock: Clock,
    posts: BTreeMap<String, Post>,
    calculated: BTreeMap<String, Calculated>,
    /// With what each says.
    of_alarms: BTreeMap<String, (OfAlarm, bool)>,
    /// What DNS answers now.
    answers: BTreeMap<String, Answer>,
    /// First minute whose datapoints CloudWatch does not have yet.
    published: Minute,
}

/// What belongs to one health check.
struct Post {
    check: Check,
    checkers: Checkers,
    /// The verdict that was told last.
    healthy: bool,
    /// What GetHealthCheckStatus heard last, and when.
    reported: Option<(String, Moment)>,
}

impl DataPlane {
    async fn round(&mut self) -> Result<()> {
        self.man_posts().await?;
        let records = self.records().await?;
        self.follow_verdicts(&records);
        self.fail_over(&records).await?;
        self.report().await?;
        self.publish().await
    }

    /// Every health check has its checkers, with the settings that it has now.
    async fn man_posts(&mut self) -> Result<()> {
        let listed = self.aws.route53.list_health_checks().send().await.context("ListHealthChecks")?;
        let mut present = BTreeSet::new();
        let mut of_alarms = BTreeMap::new();
        self.calculated.clear();
        for listed in listed.health_checks() {
            let id = listed.id();
            if let Some(check) = listed.health_check_config().and_then(Calculated::read) {
                self.calculated.insert(id.to_owned(), check);
                continue;
            }
            if let Some(check) = listed.health_check_config().and_then(OfAlarm::read) {
                let verdict = self.verdict_of_alarm(id, &check).await?;
                of_alarms.insert(id.to_owned(), (check, verdict));
                continue;
            }
            let Some(check) = listed.health_check_config().and_then(|config| Check::read(id, config)) else {
                continue;
            };
            present.insert(id.to_owned());
            match self.posts.get_mut(id) {
                Some(post) if post.check == check => {}
                Some(post) => {
                    post.checkers.update(check.clone());
                    post.check = check;
                }
                None => {
                    let (name_server, tls) = (self.name_server.clone(), self.tls.clone());
                    let checkers = Checkers::start(check.clone(), name_server, tls, self.clock);
                    let healthy = checkers.health().healthy;
                    self.posts.insert(id.to_owned(), Post { check, checkers, healthy, reported: None });
                }
            }
        }
        self.posts.retain(|id, _| present.contains(id));
        self.of_alarms = of_alarms;
        Ok(())
    }

    async fn verdict_of_alarm(&self, id: &str, check: &OfAlarm) -> Result<bool> {
        let alarms = self.aws.cloudwatch.describe_alarms().alarm_names(&check.alarm).send().await;
        let alarms = alarms.context("DescribeAlarms")?;
        let state = alarms.metric_alarms().first().and_then(|alarm| alarm.state_value());
        Ok(check.is_healthy(state, self.of_alarms.get(id).map(|(_, said)| *said)))
    }

    /// The failover records of all zones.
    async fn records(&self) -> Result<Vec<ResourceRecordSet>> {
        let mut found = Vec::new();
        for zone in self.aws.route53.list_hosted_zones().send().await.context("ListHostedZones")?.hosted_zones() {
            let records = self.aws.route53.list_resource_record_sets().hosted_zone_id(zone.id()).send().await;
            let records = records.context("ListResourceRecordSets")?.resource_record_sets;
            found.extend(records.into_iter().filter(|record| record.failover().is_some()));
        }
        Ok(found)
    }

    /// Notes every verdict for CloudWatch, and tells those on inspection that have changed.
    fn follow_verdicts(&mut self, records: &[ResourceRecordSet]) {
        let now = self.clock.now();
        // The check of a secondary is one on the application.
        let of_application: BTreeSet<&str> = records
            .iter()
            .filter(|record| record.failover() == Some(&ResourceRecordSetFailover::Secondary))
            .filter_map(ResourceRecordSet::health_check_id)
            .collect();
        for (id, post) in &mut self.posts {
            let health = post.checkers.health();
            // A disabled check has no metric (Route 53 Developer Guide, "Monitoring health checks using CloudWatch").
            if !post.check.disabled {
                let percentage = Some(health.percentage);
                self.metrics.observe(id, now, Datapoint { healthy: health.healthy, percentage });
            }
            if post.healthy == health.healthy {
                continue;
            }
            post.healthy = health.healthy;
            if of_application.contains(id.as_str()) {
                continue;
            }
            let (kind, word) =
                if health.healthy { (Kind::CheckHealthy, "healthy") } else { (Kind::CheckUnhealthy, "unhealthy") };
            let (endpoint, percentage) = (post.check.endpoint(), health.percentage);
            let text =
                format!("Route 53 takes {endpoint} for {word}: {percentage:.0} % of the checkers see it healthy");
            self.timeline.tell_at(now, kind, text);
        }
        let verdicts = self.verdicts();
        for (id, check) in self.calculated.iter().filter(|(_, check)| !check.disabled) {
            self.metrics.observe(id, now, Datapoint { healthy: check.is_healthy(&verdicts), percentage: None });
        }
        for (id, (_, healthy)) in self.of_alarms.iter().filter(|(_, (check, _))| !check.disabled) {
            self.metrics.observe(id, now, Datapoint { healthy: *healthy, percentage: None });
        }
    }

    /// What the checks on endpoints and on alarms say.
    fn verdicts(&self) -> BTreeMap<String, bool> {
        let of_alarms = self.of_alarms.iter().map(|(id, (_, healthy))| (id.clone(), *healthy));
        self.posts.iter().map(|(id, post)| (id.clone(), post.healthy)).chain(of_alarms).collect()
    }

    async fn fail_over(&mut self, records: &[ResourceRecordSet]) -> Result<()> {
        let mut healthy = self.verdicts();
        let calculated: Vec<_> =
            self.calculated.iter().map(|(id, check)| (id.clone(), check.is_healthy(&healthy))).collect();
        healthy.extend(calculated);
        let answers = failover::answers(records, &healthy);
        if answers == self.answers {
            return Ok(());
        }
        let aliases = answers.iter().map(|(name, answer)| (name.clone(), answer.alias.clone())).collect();
        self.name_server.fail_over(&aliases).await.context("the name server")?;
        for (name, answer) in &answers {
            // A new record that answers with its primary is no failover.
            let before = self.answers.get(name).map_or(Role::Primary, |answer| answer.role);
            if before != answer.role {
                let kind = match answer.role {
                    Role::Primary => Kind::DnsToInspection,
                    Role::Secondary => Kind::DnsToApplication,
                };
                self.timeline.tell(kind, format!("DNS answers {name} with {}", answer.alias.target));
            }
        }
        self.answers = answers;
        Ok(())
    }

    /// Says to the local AWS what its GetHealthCheckStatus has to answer, when it is news, and now and then.
    async fn report(&mut self) -> Result<()> {
        let now = self.clock.now();
        for (id, post) in &mut self.posts {
            let Some(report) = post.checkers.finding().map(|finding| finding.report()) else {
                continue;
            };
            let is_fresh = post.reported.as_ref().is_some_and(|(told, at)| *told == report && now - *at < REPORT);
            if !is_fresh {
                tell(&self.backstage, id, &report).await?;
                post.reported = Some((report, now));
            }
        }
        Ok(())
    }

    /// Gives CloudWatch the metrics of every minute that is over (Route 53 Developer Guide, "Monitoring health checks using
    /// CloudWatch": a value a minute).
    async fn publish(&mut self) -> Result<()> {
        while self.published < Minute::of(self.clock.now()) {
            let datapoints = self.metrics.of_minute(self.published);
            if !datapoints.is_empty() {
                let data = datapoints.iter().flat_map(|(check, datapoint)| metric_data(check, *datapoint)).collect();
                let request = self.aws.cloudwatch.put_metric_data().namespace(NAMESPACE).set_metric_data(Some(data));
                request.send().await.context("PutMetricData")?;
            }
            self.published = self.published.next();
        }
        Ok(())
    }
}

/// Only a check with checkers has a share of them that sees it healthy (same page).
fn metric_data(check: &str, datapoint: Datapoint) -> impl Iterator<Item = MetricDatum> {
    let datum = |name, value, unit| {
        let dimension = Dimension::builder().name(CHECK_DIMENSION).value(check).build();
        MetricDatum::builder().metric_name(name).dimensions(dimension).value(value).unit(unit).build()
    };
    let status = datum(STATUS, datapoint.status(), StandardUnit::None);
    let percentage = datapoint.percentage.map(|share| datum(PERCENTAGE_HEALTHY, share, StandardUnit::Percent));
    std::iter::once(status).chain(percentage)
}

async fn tell(backstage: &Wire, check: &str, report: &str) -> Result<()> {
    let path = format!("/2013-04-01/healthcheck/{check}/status");
    let body = serde_json::to_vec(&serde_json::json!({ "status": report }))?;
    let answer = backstage.send("route53", "POST", &path, &[], &body).await?;
    // A check that has just been deleted needs no report.
    if answer.status != 404 {
        answer.successful("the report of a checker")?;
    }
    Ok(())
}
