//! An Update of every property, and back: with the least disturbance, and with no moment in which a viewer finds nothing.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use aws_sdk_route53::types::{AlarmIdentifier, HealthCheckConfig, HealthCheckType};

use super::Act;
use super::stack::{ProtectionStack, Variant};
use super::vigil::Vigil;
use super::writes::Writes;
use crate::aws::REGION;
use crate::lab::own_alarm;
use crate::origins::HEALTH_PATH;
use crate::site;
use crate::stage::Stage;

pub(super) const NAME: &str = "failopen-www";

/// The seconds of [`Change::settings`] are told to viewers' resolvers, which ask no more often than this.
const TTL: u32 = 30;

/// What some parameters become, and what that may touch.
struct Change {
    settings: Vec<(&'static str, String)>,
    /// Every changing operation, there and back.
    writes: &'static [&'static str],
    /// A piece of each line that is new in the account afterwards.
    appears: Vec<String>,
}

/// The protection that is changed.
pub(super) fn settings(stage: &Stage<'_>, act: &Act) -> Vec<(&'static str, String)> {
    vec![
        ("Name", site::PROTECTION.to_owned()),
        ("DistributionId", act.site.distribution_id.clone()),
        ("FailoverRecord", site::FAILOVER_RECORD.to_owned()),
        ("InspectionHostname", site::INSPECTION.to_owned()),
        ("ApplicationHostname", site::APPLICATION.to_owned()),
        ("HostedZoneId", act.site.zone_id.clone()),
        ("Traffic", "*,/checkout/*".to_owned()),
        ("OriginPort", stage.origins.port().to_string()),
    ]
}

pub(super) async fn play(stage: &Stage<'_>, act: &Act) -> Result<()> {
    let stack = ProtectionStack::new(stage, NAME, &settings(stage, act));
    stage
        .narration
        .step("infra/protection.yaml: one protection, to be changed", async |step| {
            let status = stack.create(step).await?;
            ensure!(status == "CREATE_COMPLETE", "expected CREATE_COMPLETE, and saw {status}");
            step.saw(act.picture(stage).await?.since(&act.bare).to_string());
            Ok(())
        })
        .await?;
    own_alarm::create(stage).await?;
    let theirs = [
        their_check(stage, "theirs", on_an_endpoint(stage)?).await?,
        their_check(stage, "of-an-alarm", on_an_alarm()?).await?,
    ];
    stage.name_server.point(site::API_RECORD, site::INSPECTION, TTL).await?;
    let changes = changes(act, &theirs, &stage.origins.port().to_string());
    is_every_property(stage, &changes)?;
    for change in changes {
        there_and_back(stage, act, &stack, &change).await?;
    }
    for id in theirs {
        stage.aws.route53.delete_health_check().health_check_id(id).send().await.context("DeleteHealthCheck")?;
    }
    Ok(())
}

/// Parameters that are not changed here: two never, two need the zone's other account (`cargo rehearse permissions`), and the
/// rehearsal has no second port on which inspection is healthy, so that the check's is only pinned.
const UNCHANGED: [&str; 5] =
    ["EngineStackName", "Name", "HostedZoneRoleArn", "HostedZoneExternalId", "HealthCheckPort"];

/// No parameter of infra/protection.yaml is forgotten.
fn is_every_property(stage: &Stage<'_>, changes: &[Change]) -> Result<()> {
    let template = std::fs::read_to_string(stage.workplace.repository().join("infra/protection.yaml"))?;
    let (_, rest) = template.split_once("\nParameters:\n").context("infra/protection.yaml has no parameters")?;
    let (parameters, _) = rest.split_once("\n\n").context("the parameters have no end")?;
    let named = |line: &str| {
        line.strip_prefix("  ")?.strip_suffix(':').filter(|name| !name.starts_with(' ')).map(str::to_owned)
    };
    let declared: BTreeSet<String> = parameters.lines().filter_map(named).collect();
    let changed = changes.iter().flat_map(|change| &change.settings).map(|(name, _)| *name);
    let known: BTreeSet<String> = changed.chain(UNCHANGED).map(str::to_owned).collect();
    ensure!(declared == known, "infra/protection.yaml has {declared:?}, and {known:?} is tried");
    Ok(())
}

async fn there_and_back(stage: &Stage<'_>, act: &Act, stack: &ProtectionStack<'_>, change: &Change) -> Result<()> {
    let told: Vec<String> = change.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    stage
        .narration
        .step(&format!("Update: {}", told.join(" ")), async |step| {
            let before = act.picture(stage).await?;
            let vigil = Vigil::begin(stage, &act.site, &[&act.site.zone_id, &act.other_zone], Some(site::API_RECORD));
            let mut writes = Writes::listen(stage);
            let status = stack.update(Variant::AsItIs, &stack.with(&change.settings), step).await?;
            ensure!(status == "UPDATE_COMPLETE", "expected UPDATE_COMPLETE, and saw {status}: {}", stack.failure()?);
            let made = writes.made()?;
            let difference = act.picture(stage).await?.since(&before);
            step.saw(difference.to_string());
            for wanted in &change.appears {
                let found = difference.appeared.iter().filter(|line| line.contains(wanted)).count();
                ensure!(found == 1, "expected one new line with {wanted:?}, and saw {found}");
            }
            let strange =
                difference.appeared.iter().find(|line| !change.appears.iter().any(|wanted| line.contains(wanted)));
            ensure!(strange.is_none(), "nobody asked for {strange:?}");
            step.saw(format!("by {}", listed(&made)));
            let status = stack.update(Variant::AsItIs, &stack.settings, step).await?;
            ensure!(status == "UPDATE_COMPLETE", "expected UPDATE_COMPLETE, and saw {status}: {}", stack.failure()?);
            let made: BTreeSet<&str> = made.into_iter().chain(writes.made()?).collect();
            ensure!(
                made == change.writes.iter().copied().collect(),
                "expected {} to be written by {:?}, and saw {made:?}",
                told.join(" "),
                change.writes
            );
            act.is_still(stage, &before, "the old values to end where they began").await?;
            let looks = vigil.end()?;
            step.saw(format!(
                "and back: everything is as before, to the byte; every behaviour led somewhere in {looks} looks"
            ));
            Ok(())
        })
        .await
}

fn listed(made: &BTreeSet<&'static str>) -> String {
    if made.is_empty() {
        return "no call that changes what viewers, checkers or alarms depend on".to_owned();
    }
    made.iter().copied().collect::<Vec<_>>().join(", ")
}

/// A health check that somebody else has made.
async fn their_check(stage: &Stage<'_>, reference: &str, config: HealthCheckConfig) -> Result<String> {
    let create = stage.aws.route53.create_health_check().caller_reference(reference).health_check_config(config);
    let created = create.send().await.context("CreateHealthCheck")?;
    Ok(created.health_check().context("no check was made")?.id().to_owned())
}

fn on_an_endpoint(stage: &Stage<'_>) -> Result<HealthCheckConfig> {
    let config = HealthCheckConfig::builder().r#type(HealthCheckType::Https).request_interval(30).failure_threshold(5);
    let config = config.fully_qualified_domain_name(site::APPLICATION).port(i32::from(stage.origins.port()));
    Ok(config.resource_path(HEALTH_PATH).enable_sni(true).build()?)
}

/// For a service that Route 53's checkers cannot reach.
fn on_an_alarm() -> Result<HealthCheckConfig> {
    let alarm = AlarmIdentifier::builder().name(site::OWN_ALARM).region(REGION.into()).build()?;
    Ok(HealthCheckConfig::builder().r#type(HealthCheckType::CloudwatchMetric).alarm_identifier(alarm).build()?)
}

/// Operations by which a health check is replaced.
const REPLACED: &[&str] = &["CreateHealthCheck", "ChangeResourceRecordSets", "PutMetricAlarm", "DeleteHealthCheck"];

/// Every property of a protection, but for Name, which cannot be changed, and the zone's role, which `cargo rehearse permissions`
/// plays.
fn changes(act: &Act, [theirs, of_an_alarm]: &[String; 2], port: &str) -> Vec<Change> {
    let change = |settings: &[(&'static str, &str)], writes, appears: &[&str]| Change {
        settings: settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        writes,
        appears: appears.iter().map(|piece| (*piece).to_owned()).collect(),
    };
    let (first, second) = (&act.site.distribution_id, &act.site.second.id);
    let moved = |name: &str| -> [String; 4] {
        [
            format!("origin failopen-www is {name}"),
            format!("record {name} PRIMARY"),
            format!("record {name} SECONDARY"),
            format!("failover_record = \"{name}\""),
        ]
    };
    let [shop, other] = [site::SHOP_RECORD, site::OTHER_RECORD].map(moved);
    let elsewhere = [
        format!("{second}: origin failopen-www is "),
        format!("{second}: origin failopen-www has port {port}"),
        format!("{second}: * goes to failopen-www"),
        format!("{second}: /checkout/* goes to failopen-www"),
        format!("{first}: * goes to app & co"),
        format!("{first}: /checkout/* goes to app & co"),
    ];
    vec![
        change(
            &[
                ("Priority", "7"),
                ("EdgeFailOpen", "automatic"),
                ("FailBack", "manual"),
                ("HoldDownSeconds", "60"),
                ("MinimumDwellSeconds", "0"),
                ("MaximumFlipsPerDay", "20"),
                ("ApplicationCheckPath", HEALTH_PATH),
                ("AdditionalAlarms", site::OWN_ALARM),
                ("Preflight", "warn"),
            ],
            &[],
            &[
                "priority = 7",
                "edge_fail_open = \"automatic\"",
                "fail_back = \"manual\"",
                "hold_down_seconds = 60",
                "minimum_dwell_seconds = 0",
                "maximum_flips_per_day = 20",
                "application_check.path = \"/health\"",
                "additional_alarms = [\"www-5xx-rate\"]",
                "preflight = \"warn\"",
            ],
        ),
        change(&[("ApplicationCheck", "none")], &[], &["application_check.kind = \"none\""]),
        change(
            &[("RecordTtl", "60")],
            &["ChangeResourceRecordSets"],
            &["PRIMARY TTL 60", "SECONDARY TTL 60", "record_ttl = 60"],
        ),
        change(
            &[("HealthCheckPath", HEALTH_PATH), ("HealthCheckFailureThreshold", "3")],
            &["UpdateHealthCheck"],
            &["/health every 10 s, 3 failures", "health_check.path = \"/health\"", "failure_threshold = 3"],
        ),
        change(
            &[("HealthCheckRegions", "us-east-1,us-west-2,eu-west-1")],
            &["UpdateHealthCheck"],
            &["2 failures from ", "health_check.regions = [\""],
        ),
        change(
            &[("HealthCheckSearchString", "is well")],
            REPLACED,
            &[
                "health check HTTPS_STR_MATCH",
                "while well: HTTPS_STR_MATCH",
                "after 1 min: HTTPS_STR_MATCH",
                "search_string = \"is well\"",
            ],
        ),
        change(
            &[("HealthCheckIntervalSeconds", "30")],
            REPLACED,
            &["every 30 s, 2 failures", "health_check.interval_seconds = 30"],
        ),
        change(
            &[("HealthCheckType", "TCP")],
            REPLACED,
            &["health check TCP", "while well: TCP", "after 1 min: TCP", "\"TCP\"", "health_check.path = \"\""],
        ),
        change(
            &[("HealthCheckId", theirs)],
            REPLACED,
            &["while well: HTTPS origin-www", "after 1 min: HTTPS origin-www", "health_check.kind", theirs],
        ),
        change(
            &[("HealthCheckId", of_an_alarm)],
            REPLACED,
            &["while well: CLOUDWATCH_METRIC", "after 1 min: CLOUDWATCH_METRIC", "health_check.kind", of_an_alarm],
        ),
        change(
            &[("SecondaryHealthCheck", theirs)],
            &["ChangeResourceRecordSets"],
            &["SECONDARY TTL 30: origin-www.cq-route.com, while well: HTTPS origin-www", theirs],
        ),
        change(
            &[("AlarmEvaluationPeriods", "3")],
            &["PutMetricAlarm"],
            &["after 3 min", "alarm_evaluation_periods = 3"],
        ),
        change(
            // Changed in place, the check would speak of the new host while the record leads to the old one.
            &[("InspectionHostname", site::INSPECTION_ALIAS)],
            REPLACED,
            &[
                "health check HTTPS cq-route-2",
                "while well: HTTPS cq-route-2",
                "after 1 min: HTTPS cq-route-2",
                "inspection = \"cq-route-2",
            ],
        ),
        change(
            &[("ApplicationHostname", site::APPLICATION_ALIAS)],
            &["ChangeResourceRecordSets"],
            &["SECONDARY TTL 30: origin-www-2", "application = \"origin-www-2"],
        ),
        change(
            &[("Traffic", "/landing/*,/checkout/*,/account/*")],
            &["UpdateDistribution"],
            &[
                "/landing/* goes to failopen-www",
                "/account/* goes to failopen-www",
                ": * goes to app & co",
                "traffic = ",
            ],
        ),
        change(
            // Nothing of this rehearsal listens there, which `warn` passes over; the check stays where inspection is healthy.
            &[("OriginPort", "8443"), ("HealthCheckPort", port), ("Preflight", "warn")],
            &["UpdateDistribution"],
            &["origin failopen-www has port 8443", "origin_port = 8443", "preflight = \"warn\""],
        ),
        change(
            &[("FailoverRecord", site::SHOP_RECORD)],
            &["ChangeResourceRecordSets", "UpdateDistribution"],
            &shop.each_ref().map(String::as_str),
        ),
        change(
            &[("FailoverRecord", site::OTHER_RECORD), ("HostedZoneId", &act.other_zone)],
            &["ChangeResourceRecordSets", "UpdateDistribution"],
            &[other.each_ref().map(String::as_str).as_slice(), &["dns.zone.id"]].concat(),
        ),
        change(
            &[("FailoverRecord", site::API_RECORD), ("Dns", "external"), ("HostedZoneId", "")],
            &["ChangeResourceRecordSets", "UpdateDistribution"],
            &["origin failopen-www is cq-origin-api", "failover_record = ", "dns.kind = \"external\""],
        ),
        change(
            &[("DistributionId", second)],
            &["UpdateDistribution"],
            &[elsewhere.each_ref().map(String::as_str).as_slice(), &["www: distribution = "]].concat(),
        ),
    ]
}
