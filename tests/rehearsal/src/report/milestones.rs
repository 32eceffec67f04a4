//! The steps of an outage in their order, for the table of times and the markers of the picture.

use super::outage::{Mark, Onset, Outage, Recovery};
use crate::clock::Moment;

/// One step, whether it happened or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Milestone {
    /// For the table.
    pub(crate) name: &'static str,
    /// For the picture; `None` where the table is enough.
    pub(crate) marker: Option<&'static str>,
    pub(crate) mark: Option<Mark>,
    /// Whether it is what viewers got, and not what the machinery did.
    pub(crate) is_seen: bool,
}

/// What has a place and a number in the picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marker {
    pub(crate) number: usize,
    pub(crate) at: Moment,
    pub(crate) label: &'static str,
}

const fn step(name: &'static str, marker: Option<&'static str>, mark: Option<Mark>) -> Milestone {
    Milestone { name, marker, mark, is_seen: false }
}

const fn seen(name: &'static str, marker: Option<&'static str>, mark: Option<Mark>) -> Milestone {
    Milestone { name, marker, mark, is_seen: true }
}

/// By time; what did not happen is last.
fn sorted(mut steps: Vec<Milestone>) -> Vec<Milestone> {
    steps.sort_by_key(|step| (step.mark.is_none(), step.mark.map(|mark| mark.at)));
    steps
}

/// Times since dark.
pub(crate) fn onset(onset: &Onset) -> Vec<Milestone> {
    sorted(vec![
        step("Route 53 takes inspection for unhealthy", Some("detected"), onset.detected),
        step("DNS answers with the application", Some("DNS moved"), onset.dns_moved),
        step("alarm in ALARM", Some("alarm"), onset.alarm),
        step("event delivered to react", None, onset.event_delivered),
        step("react decides to bypass", Some("decided"), onset.decided),
        step("distribution written", Some("written"), onset.written),
        step("first edge has it", Some("first edge"), onset.first_edge),
        step("all edges have it", Some("all edges"), onset.all_edges),
        seen("first bypassed answer", Some("bypassed"), onset.first_bypassed),
        seen("first bypassed answer by DNS (layer 1)", None, onset.first_bypassed_dns),
        seen("first bypassed answer at an edge (layer 2)", None, onset.first_bypassed_edge),
        seen("99 % served, either way", None, onset.served_99_percent),
        seen("99 % bypassed", None, onset.bypassed_99_percent),
        seen("last lost request", None, onset.last_lost),
    ])
}

/// Times since healed.
pub(crate) fn recovery(recovery: &Recovery) -> Vec<Milestone> {
    sorted(vec![
        step("Route 53 takes inspection for healthy", Some("check healthy"), recovery.check_healthy),
        step("DNS answers with inspection", Some("DNS back"), recovery.dns_back),
        step("alarm OK", Some("alarm OK"), recovery.alarm_ok),
        step("react decides to restore, after hold-down", Some("restore"), recovery.decided),
        step("distribution written back", Some("written back"), recovery.written),
        step("first edge has it", Some("first edge"), recovery.first_edge),
        step("all edges have it", Some("all edges"), recovery.all_edges),
        seen("first inspected answer", Some("inspected"), recovery.first_inspected),
        seen("99 % inspected", None, recovery.inspected_99_percent),
    ])
}

/// All that is marked, numbered by time.
pub(crate) fn markers(outages: &[Outage]) -> Vec<Marker> {
    let mut found: Vec<(Moment, &'static str)> = Vec::new();
    for outage in outages {
        found.push((outage.dark, "fault"));
        found.extend(outage.healed.map(|healed| (healed, "healed")));
        let steps = onset(&outage.onset).into_iter().chain(outage.recovery.iter().flat_map(recovery));
        found.extend(steps.filter_map(|step| Some((step.mark?.at, step.marker?))));
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().zip(1..).map(|((at, label), number)| Marker { number, at, label }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::Figures;
    use crate::report::sample::{self, at};
    use crate::script::Layers;

    #[test]
    fn markers_are_numbered_by_time() {
        let record = sample::outage(Layers::Both);
        let markers = markers(&Figures::of(&record, Layers::Both, at(sample::ENDED)).outages);
        assert_eq!((markers[0].number, markers[0].label, markers[1].label), (1, "fault", "detected"));
        assert!(markers.windows(2).all(|pair| pair[0].at <= pair[1].at && pair[0].number + 1 == pair[1].number));
        assert_eq!(markers.len(), 18);
    }
}
