//! Records made by hand: small ones for single figures, and a whole outage as both layers live through it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{Checked, Play};
use crate::clock::{Moment, Scale};
use crate::narration::Outcome;
use crate::script::Layers;
use crate::timeline::{Answer, Class, Event, Kind, Record, StatusSample};

pub(crate) fn at(seconds: f64) -> Moment {
    Moment::at(Duration::from_secs_f64(seconds))
}

pub(crate) fn answer(begun: f64, took: f64, class: Class) -> Answer {
    Answer {
        at: at(begun),
        took: Duration::from_secs_f64(took),
        edge: 0,
        method: "GET",
        path: "/",
        keep_alive: true,
        status: if class == Class::Failed { 504 } else { 200 },
        class,
        reused: false,
    }
}

pub(crate) fn event(seconds: f64, kind: Kind, text: &str) -> Event {
    Event { at: at(seconds), kind, text: text.to_owned() }
}

pub(crate) fn status(seconds: f64, traffic: &str, posture: &str) -> StatusSample {
    StatusSample { at: at(seconds), traffic: traffic.to_owned(), posture: posture.to_owned() }
}

/// When the sample's inspection breaks and is healed, and when its play ends.
pub(crate) const DARK: f64 = 180.0;
pub(crate) const HEALED: f64 = 1380.0;
pub(crate) const ENDED: f64 = 2820.0;

const DETECTED: f64 = 214.0;
const WRITTEN: f64 = 298.0;
const RESTORED: f64 = 2385.0;

/// So long after a write each of the edges has it.
const EDGES: [f64; 6] = [38.0, 96.0, 141.0, 188.0, 247.0, 301.0];

/// An outage of 20 minutes and the quarter of an hour of hold-down behind it, with the layers that there are.
pub(crate) fn outage(layers: Layers) -> Record {
    let mut random = fastrand::Rng::with_seed(7);
    let requests = 0..(ENDED * 4.0) as usize;
    let mut answers: Vec<Answer> = requests.map(|number| seen(layers, number as f64 / 4.0, &mut random)).collect();
    answers.sort_by_key(Answer::ended);
    let statuses = (0..(ENDED / 60.0) as usize).map(|minute| status_of(layers, minute as f64 * 60.0 + 30.0)).collect();
    let work = [("react: decide", 212), ("flip: bypass", 61), ("flip: restore", 58)];
    let work = work.map(|(what, milliseconds)| (what.to_owned(), Duration::from_millis(milliseconds))).into();
    let mut record = Record { answers, events: events(layers), statuses, work, ..Record::default() };
    for (call, times) in [
        ("cloudfront GetDistributionConfig", 51),
        ("cloudfront UpdateDistribution", 2),
        ("cloudwatch DescribeAlarms", 49),
        ("dynamodb GetItem", 97),
        ("dynamodb PutItem", 12),
        ("route53 GetHealthCheckStatus", 4),
    ] {
        record.calls.insert(call.to_owned(), times);
    }
    record
}

/// What `status` would say.
fn status_of(layers: Layers, now: f64) -> StatusSample {
    let bypassed = flips(layers) && (WRITTEN + 2.0..RESTORED + 2.0).contains(&now);
    let dns = moves(layers) && (DETECTED + 8.0..HEALED + 31.0).contains(&now);
    let traffic = match (bypassed, dns) {
        (true, _) => "bypassed-edge",
        (false, true) => "bypassed-dns",
        (false, false) => "inspected",
    };
    status(now, traffic, if bypassed { "bypassed" } else { "inspected" })
}

fn moves(layers: Layers) -> bool {
    matches!(layers, Layers::Layer1 | Layers::Both)
}

fn flips(layers: Layers) -> bool {
    matches!(layers, Layers::Layer2 | Layers::Both | Layers::ByHand)
}

/// When the sample's distribution was written: people need 14 minutes for what the flip does in two.
fn written(layers: Layers) -> f64 {
    if layers == Layers::ByHand { DARK + 840.0 } else { WRITTEN }
}

fn seen(layers: Layers, now: f64, random: &mut fastrand::Rng) -> Answer {
    let edge = random.usize(0..EDGES.len());
    let edge_moved =
        flips(layers) && (written(layers) + EDGES[edge]..RESTORED + EDGES[EDGES.len() - 1 - edge]).contains(&now);
    let is_broken = (DARK..HEALED).contains(&now);
    let dns_moved =
        moves(layers) && (DETECTED + 8.0 + edge as f64 * 4.0..HEALED + 31.0 + edge as f64 * 5.0).contains(&now);
    let reused = random.f64() < 0.7;
    // Connections from before DNS moved die one by one, within about 80 seconds.
    let is_stuck = dns_moved && is_broken && reused && random.f64() < (DETECTED + 90.0 - now) / 90.0;
    let class = match (edge_moved, dns_moved && !is_stuck, is_broken) {
        (true, ..) => Class::BypassedEdge,
        (false, true, _) => Class::BypassedDns,
        (false, false, true) => Class::Failed,
        (false, false, false) => Class::Inspected,
    };
    let took = if class == Class::Failed { random.f64() * 4.0 + 4.0 } else { random.f64() * 0.3 + 0.05 };
    Answer { edge, reused, method: if random.f64() < 0.2 { "POST" } else { "GET" }, ..answer(now, took, class) }
}

fn events(layers: Layers) -> Vec<Event> {
    let mut events = vec![
        event(DARK, Kind::InspectionBroken, "inspection: blackhole"),
        event(HEALED, Kind::InspectionHealed, "inspection is well again"),
    ];
    if layers != Layers::Nothing && layers != Layers::ByHand {
        events.extend([
            event(
                DETECTED,
                Kind::CheckUnhealthy,
                "2 of 16 checkers find inspection.example healthy, which is not more than 18 %",
            ),
            event(DARK + 110.0, Kind::AlarmAlarm, "failopen-www-inspection is in ALARM"),
            event(HEALED + 29.0, Kind::CheckHealthy, "16 of 16 checkers find inspection.example healthy"),
            event(HEALED + 90.0, Kind::AlarmOk, "failopen-www-inspection is OK"),
        ]);
    }
    if moves(layers) {
        events.extend([
            event(DETECTED + 0.5, Kind::DnsToApplication, "origin.www.example is answered with app.example"),
            event(HEALED + 29.5, Kind::DnsToInspection, "origin.www.example is answered with inspection.example"),
        ]);
    }
    if flips(layers) {
        if layers != Layers::ByHand {
            events.extend([
                event(DARK + 112.0, Kind::EventDelivered, "ALARM was handed to react"),
                event(WRITTEN - 2.0, Kind::DecidedBypass, "inspection is unhealthy, and the application answers"),
                event(DARK + 640.0, Kind::Operator, "edited the comment of the distribution: \"sale <b>&</b> more\""),
                event(HEALED + 92.0, Kind::DecidedHold, "hold-down until +39:40"),
                event(RESTORED - 2.0, Kind::DecidedRestore, "inspection was well for 15 minutes"),
            ]);
        }
        for (written, kind, text) in [
            (written(layers), Kind::WrittenBypassed, "both behaviours target the application"),
            (RESTORED, Kind::WrittenInspected, "both behaviours target inspection"),
        ] {
            events.push(event(written, kind, text));
            for (after, number) in EDGES.iter().zip(1..) {
                events.push(event(written + after, Kind::EdgeUpdated, &format!("{number} of 6 edges have it")));
            }
            events.push(event(written + EDGES[5], Kind::Deployed, "every edge has it"));
        }
    }
    events.push(event(ENDED - 5.0, Kind::ExpectationMet, "expect inspected after hold-down"));
    events.sort_by_key(|event| event.at);
    events
}

pub(crate) fn simulated() -> Vec<String> {
    vec![
        "AWS is ministack: it enforces the roles' permissions, and accepts much that AWS refuses".to_owned(),
        "the data planes of CloudFront, Route 53 and CloudWatch are models".to_owned(),
    ]
}

pub(crate) fn expectations() -> Vec<Checked> {
    let checked = |line: usize, text: &str, seconds: f64, seen: &str| Checked {
        text: text.to_owned(),
        line,
        met: true,
        at: at(seconds),
        seen: seen.to_owned(),
    };
    vec![
        checked(9, "expect traffic bypassed-dns", 270.0, "status: bypassed-dns; viewers: 0 inspected"),
        checked(11, "expect viewers bypassed within 10m", 420.0, "99.6 % bypassed in the last minute"),
        checked(16, "expect inspected after hold-down", ENDED - 5.0, "restored 15 min 00 s after the alarm was OK"),
    ]
}

pub(crate) fn play<'a>(layers: Layers, record: &'a Record, simulated: &'a [String]) -> Play<'a> {
    Play {
        scenario: "blackhole",
        summary: "inspection swallows every packet for 20 minutes, and then is well again",
        layers,
        scale: Scale::DEFAULT,
        seed: 7,
        outcome: Outcome::Passed,
        failure: None,
        expectations: expectations(),
        simulated,
        record,
        ended: at(ENDED),
    }
}

/// A directory in `target/rehearsal` for what is to be looked at.
pub(crate) fn directory(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let directory = target.join("rehearsal").join(name);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// Fields that docs/rehearsal.md does not name.
pub(crate) fn undocumented(summary: &Value) -> Vec<String> {
    let documentation = include_str!("../../../../docs/rehearsal.md");
    let mut fields = BTreeSet::new();
    collect(summary, &mut fields);
    fields.into_iter().filter(|field| !documentation.contains(&format!("`{field}`"))).collect()
}

/// Names of all fields, except those of `calls`, which are operations of AWS.
fn collect(value: &Value, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                fields.insert(name.clone());
                if name != "calls" {
                    collect(value, fields);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, fields)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
