//! What a schedule is about: the protection, what it begins with, and which kinds of trouble it has.

use std::cell::Cell;

use failopen::alarm::AlarmState;
use failopen::id::{Hostname, PathPattern};
use failopen::properties;
use failopen::spec::Spec;
use failopen_tests::world::{RICH_DISTRIBUTION, START, address, alarm, distribution, zone};
use failopen_tests::{FakeClock, FakeCloud, World};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::agenda::{MINUTE, Moment};
use crate::alarm::Metric;
use crate::chance::Chance;
use crate::delivery::Post;
use crate::edits::draw_kinds;
use crate::lives::Lives;
use crate::step::EditKind;

/// A small distribution with what makes one hard: ids with `&`, elements that no SDK knows, names that look like others.
/// The rich one of the other tests takes ten times as long to read, so only some schedules have it.
const SMALL_DISTRIBUTION: &str = include_str!("distribution.xml");

/// A pattern that the distribution has no behaviour for.
pub(crate) const CLONED: &str = "/new/*";

/// In a hundred events.
#[derive(Debug)]
pub(crate) struct DeliveryOdds {
    pub(crate) drop: u32,
    pub(crate) duplicate: u32,
    pub(crate) delay: u32,
}

/// One schedule's frame.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) properties: Map<String, Value>,
    pub(crate) spec: Spec,
    pub(crate) traffic: Vec<PathPattern>,
    pub(crate) original: &'static str,
    /// How long faults go on.
    pub(crate) faulty_for: Moment,
    /// The protection is in place when the schedule begins.
    pub(crate) is_provisioned: bool,
    pub(crate) flaps: bool,
    pub(crate) application_fails: bool,
    pub(crate) edits: Vec<EditKind>,
    pub(crate) delivery: DeliveryOdds,
    pub(crate) lost_ticks: u32,
    pub(crate) doubled_ticks: u32,
    pub(crate) steps_clocks: bool,
    /// Copies of requests that overlap what CloudFormation does next.
    pub(crate) lives: Lives,
    deploy_time: SignedDuration,
    /// How far the clock of a function is off that starts now, in microseconds.
    pub(crate) skew: Cell<Moment>,
    pub(crate) metric: Metric,
    pub(crate) post: Post,
}

impl Scenario {
    pub(crate) fn draw(chance: &Chance) -> Self {
        let some = |likely: u32, odds: &[u32]| if chance.percent(likely) { *chance.pick(odds) } else { 0 };
        let is_provisioned = chance.percent(65);
        let properties = draw_properties(chance);
        let spec = properties::parse(&properties).expect("the properties of a schedule are valid");
        let lives = Lives::draw(chance);
        // One life after the other takes its time.
        let minutes = *chance.pick(if lives.are_several() { &[15, 20, 30] } else { &[5, 6, 8, 8, 10, 12, 20] });
        let longest_deployment = if chance.percent(15) { 900 } else { 300 };
        Self {
            traffic: spec.traffic.clone(),
            properties,
            spec,
            original: if chance.percent(3) { RICH_DISTRIBUTION } else { SMALL_DISTRIBUTION },
            faulty_for: minutes * MINUTE,
            is_provisioned,
            flaps: chance.percent(20),
            application_fails: chance.percent(30),
            edits: draw_kinds(chance),
            delivery: DeliveryOdds {
                drop: some(40, &[10, 40, 90]),
                duplicate: some(50, &[20, 60]),
                delay: some(50, &[20, 60]),
            },
            lost_ticks: some(50, &[10, 40, 80]),
            doubled_ticks: some(40, &[10, 40]),
            steps_clocks: chance.percent(25),
            lives,
            deploy_time: SignedDuration::from_secs(chance.between(20, longest_deployment)),
            skew: Cell::new(0),
            metric: Metric::default(),
            post: Post::default(),
        }
    }

    pub(crate) fn in_words(&self) -> String {
        let state = if self.is_provisioned { "in place" } else { "not there yet" };
        let properties = Value::Object(self.properties.clone());
        format!("the protection is {state}: {properties}; edits {:?}, clocks stepped {}", self.edits, self.steps_clocks)
    }

    /// AWS before the schedule begins.
    pub(crate) fn build(&self) -> World {
        let start: Timestamp = START.parse().expect("the start is a timestamp");
        let clock = FakeClock::starting_at(start);
        let cloud = FakeCloud::new(clock.clone());
        cloud.cloudfront().add(distribution(), self.original.as_bytes().to_vec(), start);
        cloud.cloudfront().deploy_time = self.deploy_time;
        cloud.route53().add_zone(zone().id, Hostname::new("cq-route.com"));
        cloud.route53().add_record(&zone().id, address("origin-www.cq-route.com", "192.0.2.10"));
        let world = World { cloud, clock };
        if self.is_provisioned {
            world.provision(&self.spec);
            world.cloud.cloudwatch().set_state(&alarm(), AlarmState::Ok, start);
        }
        world
    }
}

fn draw_properties(chance: &Chance) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    set("Name", json!("www"));
    set("DistributionId", json!("E2EXAMPLE"));
    set("FailoverRecord", json!("cq-origin-www.cq-route.com"));
    set("InspectionHostname", json!("cq-route.cequence.cloud"));
    set("ApplicationHostname", json!("origin-www.cq-route.com"));
    set("HostedZoneId", json!("Z0EXAMPLE"));
    let traffic = match chance.below(10) {
        0..5 => json!(["*"]),
        5..7 => json!([CLONED]),
        _ => json!([CLONED, "*"]),
    };
    set("Traffic", traffic);
    let edge =
        *chance.pick(&["automatic", "automatic", "automatic", "automatic", "automatic", "automatic", "notify", "off"]);
    set("EdgeFailOpen", json!(edge));
    set("FailBack", json!(*chance.pick(&["automatic", "automatic", "automatic", "manual"])));
    set("HoldDownSeconds", json!(chance.pick(&["60", "60", "120", "120", "180", "300", "900"])));
    set("MinimumDwellSeconds", json!(chance.pick(&["0", "60", "60", "120", "180", "300"])));
    set("MaximumFlipsPerDay", json!(chance.pick(&["1", "2", "4", "20"])));
    set("AlarmEvaluationPeriods", json!(chance.pick(&["1", "1", "1", "2"])));
    set("RecordTtl", json!(chance.pick(&["5", "5", "30", "30", "60", "300"])));
    set("ApplicationCheck", json!(*chance.pick(&["probe", "probe", "probe", "none"])));
    set("Preflight", json!(*chance.pick(&["enforce", "enforce", "warn", "skip"])));
    properties
}

/// The properties after somebody has edited the template.
pub(crate) fn draw_change(chance: &Chance, before: &Map<String, Value>) -> Map<String, Value> {
    let other = draw_properties(chance);
    let mut changed = before.clone();
    let changeable = ["HoldDownSeconds", "MinimumDwellSeconds", "RecordTtl", "Traffic", "FailBack", "EdgeFailOpen"];
    for name in changeable.iter().filter(|_| chance.percent(40)) {
        changed.insert((*name).to_owned(), other[*name].clone());
    }
    if chance.percent(25) {
        changed.insert("HealthCheck".to_owned(), json!({"Path": "/health", "FailureThreshold": "3"}));
    }
    changed
}
