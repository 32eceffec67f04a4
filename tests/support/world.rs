//! Worlds to begin a test in: a distribution and a zone as customers have them, and a protection as provisioning leaves it.
//!
//! The protection is put together here, without `provision`, so that what is proved about react and flip does not rest on
//! it.

use failopen::alarm::AlarmState;
use failopen::document::{Document, Edit, NewOrigin};
use failopen::id::{
    AlarmName, DistributionId, HealthCheckId, HostedZoneId, Hostname, OriginId, OwnerMark, PathPattern, ProtectionName,
};
use failopen::ledger::{Made, MadeDistribution, MadeHealthCheck, MadeRecords, ProtectedBehavior, Row};
use failopen::port::{ProbeOutcome, RecordSet};
use failopen::secret::Secret;
use failopen::spec::{
    ApplicationCheck, Automation, CheckType, Dns, EdgeFailOpen, FailBack, HealthCheckSpec, ManagedHealthCheck,
    Preflight, Spec, Zone,
};
use jiff::{SignedDuration, Timestamp};

use crate::clock::FakeClock;
use crate::cloud::FakeCloud;
use crate::logs;
use crate::provisioned::{alarm_settings, failover_records, health_check_config, reference, row};

/// A customer's distribution: several origins and behaviours, ids with `&`, secrets in headers, elements that no SDK knows.
pub const RICH_DISTRIBUTION: &str = include_str!("../events/distribution-rich.xml");
/// Part of every secret header value in [`RICH_DISTRIBUTION`]: it must turn up nowhere.
pub const CANARY: &str = "canary-header-5f2b";
/// The moment at which every world begins.
pub const START: &str = "2026-11-22T12:00:00Z";
pub const STACK_ID: &str =
    "arn:aws:cloudformation:us-east-1:111122223333:stack/failopen/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
pub const LOGICAL_ID: &str = "Protection";
/// First 12 hex digits of SHA-256 of `STACK_ID/LOGICAL_ID`.
pub const OWNER: &str = "8d3f4777cf20";
pub const REACT_ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:failopen-react";
pub const FLIP_ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:failopen-flip";

/// AWS, its clock, and what there was before us.
#[derive(Clone)]
pub struct World {
    pub cloud: FakeCloud,
    pub clock: FakeClock,
}

impl World {
    /// A customer's account before anything of ours: the distribution `E2EXAMPLE` and the zone `cq-route.com`.
    pub fn bare() -> Self {
        logs::listen();
        let start: Timestamp = START.parse().expect("the start is a timestamp");
        let clock = FakeClock::starting_at(start);
        let cloud = FakeCloud::new(clock.clone());
        cloud.cloudfront().add(distribution(), RICH_DISTRIBUTION.as_bytes().to_vec(), start);
        cloud.route53().add_zone(zone().id, Hostname::new("cq-route.com"));
        for name in ["origin-www.cq-route.com", "origin-shop.cq-route.com"] {
            cloud.route53().add_record(&zone().id, address(name, "192.0.2.10"));
        }
        Self { cloud, clock }
    }

    /// The protection `www` on the default behaviour, automatic, inspected, its alarm OK since long ago.
    pub fn standard() -> Self {
        Self::with(|_| {})
    }

    /// As [`World::standard`], with another specification.
    pub fn with(change: impl FnOnce(&mut Spec)) -> Self {
        let world = Self::bare();
        let mut spec = standard_spec();
        change(&mut spec);
        world.provision(&spec);
        world
    }

    /// Puts one more protection in place, as if it had been there for a day.
    pub fn provision(&self, spec: &Spec) {
        let long_ago = self.clock.aws_now() - SignedDuration::from_hours(24);
        let health_check = self.make_health_check(spec, long_ago);
        let records = self.make_records(spec, &health_check);
        let distribution = self.make_origin(spec);
        self.make_alarm(spec, &health_check, long_ago);
        let reference = match spec.health_check {
            HealthCheckSpec::Managed(_) => Some(reference(spec)),
            HealthCheckSpec::Adopted { .. } => None,
        };
        let made = Made {
            health_check: Some(MadeHealthCheck { caller_reference: reference, id: Some(health_check) }),
            records,
            distribution: Some(distribution),
            alarm: Some(spec.name.alarm()),
            replaced: Vec::new(),
        };
        self.cloud.ledger().write(&row(spec, made));
    }

    fn make_health_check(&self, spec: &Spec, long_ago: Timestamp) -> HealthCheckId {
        match &spec.health_check {
            HealthCheckSpec::Managed(managed) => self
                .cloud
                .health()
                .create(&reference(spec), &health_check_config(spec, managed), long_ago)
                .expect("the world's health check is a valid one"),
            HealthCheckSpec::Adopted { id } => id.clone(),
        }
    }

    fn make_records(&self, spec: &Spec, health_check: &HealthCheckId) -> Option<MadeRecords> {
        let zone = spec.dns.zone()?;
        let made = MadeRecords {
            zone: zone.id.clone(),
            role: zone.role.clone(),
            name: spec.failover_record.clone(),
            ttl: spec.record_ttl,
            primary: spec.inspection.clone(),
            primary_health_check: health_check.clone(),
            secondary: spec.application.clone(),
            secondary_health_check: spec.secondary_health_check.clone(),
            adopted: None,
        };
        for record in failover_records(spec, &made) {
            self.cloud.route53().add_record(&zone.id, record);
        }
        Some(made)
    }

    /// The origin and the behaviours. A pattern without a behaviour of its own gets a clone of the one that serves it.
    fn make_origin(&self, spec: &Spec) -> MadeDistribution {
        let before = self.document(&spec.distribution);
        let inspection = spec.name.inspection_origin();
        let application = before.serving(&spec.traffic[0]).target.clone();
        let mut edits = vec![Edit::AddOrigin {
            like: application.clone(),
            origin: NewOrigin {
                id: inspection.clone(),
                domain_name: spec.failover_record.clone(),
                https_port: spec.origin_port,
            },
        }];
        for pattern in &spec.traffic {
            edits.push(match before.behavior(pattern) {
                Some(behavior) => Edit::Retarget {
                    path_pattern: pattern.clone(),
                    from: behavior.target.clone(),
                    to: inspection.clone(),
                },
                None => Edit::CloneBehavior {
                    serving: before.serving(pattern).path_pattern.clone(),
                    path_pattern: pattern.clone(),
                    target: inspection.clone(),
                },
            });
        }
        let after = before.edit(&edits).expect("the world's protection fits the distribution");
        let protected = |pattern: &PathPattern| ProtectedBehavior {
            path_pattern: pattern.clone(),
            original_target: before.serving(pattern).target.clone(),
            cloned: before.behavior(pattern).map_or_else(|| after.content_hash(pattern), |_| None),
        };
        let made = MadeDistribution {
            id: spec.distribution.clone(),
            caller_reference: before.caller_reference().to_owned(),
            inspection_origin: inspection,
            origin_adopted: false,
            origin_ports: vec![spec.origin_port],
            application_origin: application,
            behaviors: spec.traffic.iter().map(protected).collect(),
            written: true,
        };
        let long_ago = self.clock.aws_now() - SignedDuration::from_hours(24);
        self.cloud.cloudfront().add(spec.distribution.clone(), after.bytes().to_vec(), long_ago);
        made
    }

    fn make_alarm(&self, spec: &Spec, health_check: &HealthCheckId, long_ago: Timestamp) {
        let name = spec.name.alarm();
        let mut cloudwatch = self.cloud.cloudwatch();
        cloudwatch.put(&name, &alarm_settings(spec, health_check), &OwnerMark::new(OWNER), long_ago);
        cloudwatch.set_state(&name, AlarmState::Ok, long_ago);
    }

    /// Moves the clock.
    pub fn pass(&self, duration: SignedDuration) {
        self.clock.advance(duration);
    }

    /// Inspection stops answering: the checkers see it, our own probe sees it, and the alarm rings.
    pub fn inspection_dies(&self) {
        self.cloud.health().set_host_up(&inspection(), false);
        self.cloud.probes().script(&inspection(), ProbeOutcome::Failed { why: "connection refused".to_owned() });
        self.set_alarm(AlarmState::Alarm);
    }

    /// Inspection answers again, and the alarm is OK from now on.
    pub fn inspection_recovers(&self) {
        self.cloud.health().set_host_up(&inspection(), true);
        self.cloud.probes().unscript(&inspection());
        self.set_alarm(AlarmState::Ok);
    }

    /// The application refuses every connection.
    pub fn application_dies(&self) {
        self.cloud.health().set_host_up(&application(), false);
        self.cloud.probes().script(&application(), ProbeOutcome::Failed { why: "connection refused".to_owned() });
    }

    /// Sets the state of the protection's own alarm, from now.
    pub fn set_alarm(&self, state: AlarmState) {
        self.cloud.cloudwatch().set_state(&alarm(), state, self.clock.aws_now());
    }

    pub fn row(&self) -> Row {
        self.cloud.ledger().get(&www()).expect("the world has the protection www").row
    }

    pub fn edit_row(&self, edit: impl FnOnce(&mut Row)) {
        self.cloud.ledger().edit(&www(), edit);
    }

    pub fn document(&self, id: &DistributionId) -> Document {
        Document::parse(self.cloud.cloudfront().bytes(id)).expect("the world's distribution is well-formed")
    }

    /// The configuration of the standard distribution, as text.
    pub fn configuration(&self) -> String {
        String::from_utf8(self.cloud.cloudfront().bytes(&distribution()).to_vec())
            .expect("the world's distribution is UTF-8")
    }

    /// Which origin a behaviour of the standard distribution targets.
    pub fn target(&self, pattern: &str) -> OriginId {
        let document = self.document(&distribution());
        document.behavior(&PathPattern::new(pattern)).expect("the test names a behaviour that exists").target.clone()
    }

    /// Someone else points a behaviour of the standard distribution at another origin.
    pub fn retarget_by_hand(&self, pattern: &str, to: &OriginId) {
        let path_pattern = PathPattern::new(pattern);
        let edit = Edit::Retarget { path_pattern, from: self.target(pattern), to: to.clone() };
        let after = self.document(&distribution()).edit(&[edit]).expect("the test names an origin that exists");
        let text = String::from_utf8(after.bytes().to_vec()).expect("the world's distribution is UTF-8");
        self.cloud.cloudfront().edit(&distribution(), self.clock.aws_now(), |_| text);
    }
}

pub fn www() -> ProtectionName {
    ProtectionName::new("www")
}

pub fn distribution() -> DistributionId {
    DistributionId::new("E2EXAMPLE")
}

pub fn zone() -> Zone {
    Zone { id: HostedZoneId::new("Z0EXAMPLE"), role: None }
}

pub fn failover_record() -> Hostname {
    Hostname::new("cq-origin-www.cq-route.com")
}

pub fn inspection() -> Hostname {
    Hostname::new("cq-route.cequence.cloud")
}

pub fn application() -> Hostname {
    Hostname::new("origin-www.cq-route.com")
}

pub fn alarm() -> AlarmName {
    www().alarm()
}

/// The origin that carries the failover record.
pub fn inspection_origin() -> OriginId {
    www().inspection_origin()
}

/// The origin that the default behaviour targeted before us.
pub fn application_origin() -> OriginId {
    OriginId::new("app & co")
}

/// An origin of the distribution that is neither inspection nor the application.
pub fn third_origin() -> OriginId {
    OriginId::new("static-assets")
}

/// The id of the protection's health check in a world where it was the first one made.
pub fn health_check(world: &World) -> HealthCheckId {
    world.row().made.health_check.and_then(|made| made.id).expect("the world's protection has a health check")
}

/// The properties of the standard protection, all defaults but `EdgeFailOpen: automatic`.
pub fn standard_spec() -> Spec {
    Spec {
        name: www(),
        distribution: distribution(),
        failover_record: failover_record(),
        inspection: inspection(),
        application: application(),
        dns: Dns::Route53 { zone: zone() },
        traffic: vec![PathPattern::default_behavior()],
        record_ttl: 30,
        origin_port: 443,
        health_check: HealthCheckSpec::Managed(ManagedHealthCheck {
            path: "/".to_owned(),
            port: 443,
            protocol: CheckType::Https,
            interval_seconds: 10,
            failure_threshold: 2,
            search_string: None,
            regions: Vec::new(),
        }),
        secondary_health_check: None,
        alarm_evaluation_periods: 1,
        priority: 100,
        additional_alarms: Vec::new(),
        automation: Automation {
            edge_fail_open: EdgeFailOpen::Automatic,
            fail_back: FailBack::Automatic,
            hold_down_seconds: 900,
            minimum_dwell_seconds: 300,
            maximum_flips_per_day: 6,
        },
        application_check: ApplicationCheck::Probe { path: "/".to_owned() },
        preflight: Preflight::Enforce,
    }
}

/// A second protection of the same distribution, beside the standard one: `shop`, on `/checkout/*`.
pub fn shop() -> Spec {
    Spec {
        name: "shop".into(),
        failover_record: Hostname::new("cq-origin-shop.cq-route.com"),
        traffic: vec![PathPattern::new("/checkout/*")],
        priority: 200,
        ..standard_spec()
    }
}

/// A plain address record.
pub fn address(name: &str, value: &str) -> RecordSet {
    RecordSet {
        name: Hostname::new(name),
        record_type: "A".to_owned(),
        set_identifier: None,
        failover: None,
        ttl: Some(300),
        values: vec![value.to_owned()],
        health_check: None,
        routing: "simple".to_owned(),
    }
}

/// Every secret value in the origins' custom headers of a configuration: not the empty ones, and not the public host names.
pub fn secrets(document: &Document) -> Vec<Secret<String>> {
    let of = |origin: &failopen::document::Origin| document.custom_headers(&origin.id);
    let is_secret = |value: &String| !value.is_empty() && !document.aliases().contains(value);
    let values = document.origins().iter().flat_map(of).map(|(_, value)| value);
    values.filter(|value| is_secret(value.expose())).collect()
}
