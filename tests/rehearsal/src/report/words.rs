//! Names and sentences for people, the same in all that is reported.

use std::time::Duration;

use super::outage::SavedBy;
use super::phases::Part;
use crate::script::Layers;
use crate::timeline::{Class, Kind};

/// An outage shorter than this ends before enough checks have failed: two in a row, every 10 s, each taking a few seconds.
const BLINK: Duration = Duration::from_secs(45);

pub(crate) fn layers(layers: Layers) -> &'static str {
    match layers {
        Layers::Nothing => "nothing",
        Layers::ByHand => "by hand",
        Layers::Layer1 => "layer 1",
        Layers::Layer2 => "layer 2",
        Layers::Both => "both layers",
    }
}

pub(crate) fn layers_explained(layers: Layers) -> &'static str {
    match layers {
        Layers::Nothing => "CloudFront targets inspection, and nothing stands by",
        Layers::ByHand => "people move the distribution by hand",
        Layers::Layer1 => "DNS failover alone; nothing flips the distribution",
        Layers::Layer2 => "the flip of the distribution alone; DNS does not move",
        Layers::Both => "DNS failover, and the flip of the distribution",
    }
}

pub(crate) fn saved_by(saved_by: SavedBy) -> &'static str {
    match saved_by {
        SavedBy::Layer1 => "layer 1 (DNS)",
        SavedBy::Layer2 => "layer 2 (flip)",
        SavedBy::Hand => "people",
        SavedBy::Nobody => "nobody",
    }
}

pub(crate) fn class(class: Class) -> &'static str {
    match class {
        Class::Inspected => "inspected",
        Class::BypassedDns => "bypassed by DNS",
        Class::BypassedEdge => "bypassed at the edge",
        Class::Failed => "failed",
    }
}

pub(crate) fn part(part: Part) -> &'static str {
    match part {
        Part::Detection => "detection",
        Part::Dns => "DNS",
        Part::ConnectionReuse => "connection reuse",
        Part::Metric => "metric and alarm",
        Part::Event => "event",
        Part::Decision => "decision",
        Part::Write => "write",
        Part::FirstEdge => "propagation, first edge",
        Part::LastEdge => "propagation, last edge",
        Part::People => "people",
    }
}

/// From what to what a part lasts.
pub(crate) fn part_explained(part: Part) -> &'static str {
    match part {
        Part::Detection => "until Route 53 takes inspection for unhealthy",
        Part::Dns => "until a viewer has the first answer that DNS led past inspection",
        Part::ConnectionReuse => "until the last loss on a connection from before DNS moved",
        Part::Metric => "until the alarm is in ALARM",
        Part::Event => "until the alarm's event is delivered to react",
        Part::Decision => "until react asks for the bypass",
        Part::Write => "until the distribution is written",
        Part::FirstEdge => "until the first edge has the configuration",
        Part::LastEdge => "until every edge has it",
        Part::People => "until somebody has noticed, decided and written",
    }
}

/// One word or two for a line's margin or a marker.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::InspectionBroken => "fault",
        Kind::InspectionHealed => "healed",
        Kind::ApplicationBroken => "app fault",
        Kind::ApplicationHealed => "app healed",
        Kind::CheckUnhealthy => "detected",
        Kind::CheckHealthy => "check ok",
        Kind::DnsToApplication => "DNS moved",
        Kind::DnsToInspection => "DNS back",
        Kind::AlarmAlarm => "alarm",
        Kind::AlarmOk => "alarm ok",
        Kind::AlarmInsufficientData => "alarm ?",
        Kind::EventDelivered => "event",
        Kind::EventLost => "event lost",
        Kind::DecidedBypass | Kind::DecidedRestore => "decided",
        Kind::DecidedHold => "hold",
        Kind::WrittenBypassed | Kind::WrittenInspected | Kind::WrittenOther => "written",
        Kind::Throttled => "throttled",
        Kind::EdgeUpdated => "edge",
        Kind::Deployed => "deployed",
        Kind::Operator => "operator",
        Kind::Disturbance => "trouble",
        Kind::ExpectationMet => "met",
        Kind::ExpectationFailed => "NOT MET",
    }
}

/// Why Route 53 has not seen a fault, where that is known.
pub(crate) fn why_unseen(fault: &str, lasted: Duration) -> Option<&'static str> {
    let fault = fault.to_lowercase().replace(['-', '_'], " ");
    let named = |words: &[&str]| words.iter().all(|word| fault.contains(word));
    if named(&["expired"]) {
        // Route 53: dns-failover-determining-health-of-endpoints.md.
        Some(
            "Its HTTPS checks do not validate certificates, and CloudFront does: the check stays green while edges answer 502.",
        )
    } else if named(&["wrong", "name"]) {
        // Route 53: API model, HealthCheckConfig.EnableSNI.
        Some(
            "Its HTTPS checks do not validate certificates, and ask again without a name where the certificate lacks it; \
             CloudFront compares the names.",
        )
    } else if named(&["broken", "traffic"]) || named(&["health", "path"]) {
        Some("It asks for the health path alone, which answered as ever while everything else failed.")
    } else if lasted < BLINK {
        Some("It was over before enough checks could fail.")
    } else {
        None
    }
}

/// `41 s`, `3 min 05 s`, `1 h 02 min`: short enough for a table, exact enough for what it tells.
pub(crate) fn duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0 s".to_owned();
    }
    if duration < Duration::from_millis(9_950) {
        return format!("{:.1} s", duration.as_secs_f64());
    }
    let seconds = duration.as_secs_f64().round() as u64;
    match (seconds / 3600, seconds / 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {:02} min", minutes % 60),
    }
}

/// No line on a terminal is longer.
pub(crate) const COLUMNS: usize = 100;

/// A head and a text behind it, in as many lines as it needs; later ones begin below the text.
pub(crate) fn wrapped(head: &str, text: &str) -> Vec<String> {
    let indent = " ".repeat(head.chars().count());
    let mut lines = Vec::new();
    let mut line = head.to_owned();
    let mut is_fresh = true;
    for word in text.split_whitespace() {
        if !is_fresh && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            is_fresh = true;
        }
        if !is_fresh {
            line.push(' ');
        }
        line.push_str(word);
        is_fresh = false;
    }
    lines.push(line);
    lines.iter().map(|line| cut(line.trim_end(), COLUMNS)).collect()
}

/// A text without what does not fit.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns - 1).collect();
    format!("{kept}…")
}

/// `12,345`.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = digits[..first].to_owned();
    for group in digits.as_bytes()[first..].chunks(3) {
        if !text.is_empty() {
            text.push(',');
        }
        text.extend(group.iter().map(|digit| char::from(*digit)));
    }
    text
}

/// `12.3 %`; `0 %` and `100 %` only where that is so.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    let percent = super::buckets::ratio(part, whole) * 100.0;
    if part == 0 {
        "0 %".to_owned()
    } else if part == whole {
        "100 %".to_owned()
    } else {
        format!("{:.1} %", percent.clamp(0.1, 99.9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_exact_as_they_need_to_be() {
        let of = |seconds: f64| duration(Duration::from_secs_f64(seconds));
        assert_eq!(of(0.0), "0 s");
        assert_eq!(of(0.04), "0.0 s");
        assert_eq!(of(9.94), "9.9 s");
        assert_eq!(of(9.96), "10 s");
        assert_eq!(of(59.6), "1 min 00 s");
        assert_eq!(of(185.2), "3 min 05 s");
        assert_eq!(of(3725.0), "1 h 02 min");
    }

    #[test]
    fn thousands_are_told_apart() {
        assert_eq!([0, 999, 1000, 123_456, 1_234_567].map(count), ["0", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn one_lost_request_in_a_million_is_not_none() {
        assert_eq!(percent(1, 1_000_000), "0.1 %");
        assert_eq!(percent(999_999, 1_000_000), "99.9 %");
        assert_eq!((percent(0, 5), percent(5, 5), percent(0, 0)), ("0 %".into(), "100 %".into(), "0 %".into()));
    }

    #[test]
    fn each_invisible_fault_has_its_reason() {
        let hour = Duration::from_secs(3600);
        let why = |fault| why_unseen(fault, hour).unwrap_or("unknown");
        assert!(why("inspection: expired-certificate").contains("validate"));
        assert!(why("Inspection has a certificate for the wrong name").contains("names"));
        assert!(why("inspection broken-traffic").contains("health path"));
        assert_eq!(why("inspection blackhole"), "unknown");
        assert!(why_unseen("blackhole", Duration::from_secs(20)).unwrap().contains("over before"));
    }
}
