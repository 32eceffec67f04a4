//! What the world is asked for one request.

use crate::handshake::Side;
use crate::ledger::{Lifecycle, Row};
use crate::spec::{EdgeFailOpen, Preflight, Spec};

/// Why the world is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A Create or an Update.
    Change,
    /// Somebody wants to know: everything is asked.
    Plan,
}

/// What is asked: only what the request leads to anew. An Update that leaves alone how traffic goes must not fail because a host
/// is down that it has nothing to do with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// DNS about the hosts, the record and the zone.
    pub names: bool,
    pub handshakes: bool,
    /// The health path.
    pub health: bool,
    /// The application, as a bypass would ask it.
    pub application: bool,
    /// The ways from an alarm to a flip.
    pub reach: bool,
}

impl Questions {
    const ALL: Self = Self { names: true, handshakes: true, health: true, application: true, reach: true };

    /// `row` is the protection's own. The Update that CloudFormation sends to roll a failed one back leads to where traffic was
    /// before, and asks nothing.
    pub fn of(spec: &Spec, row: Option<&Row>, occasion: Occasion) -> Self {
        if occasion == Occasion::Plan {
            return Self::ALL;
        }
        if spec.preflight == Preflight::Skip {
            return Self::default();
        }
        match row.map(|row| (row.lifecycle, &row.spec)) {
            None | Some((Lifecycle::Creating | Lifecycle::Deleting, _)) => Self::ALL,
            Some((Lifecycle::Updating, _)) => Self::default(),
            Some((Lifecycle::Active, before)) => {
                let is_new = |side: Side| side.is_new(spec, Some(before));
                let (edge, edge_before) = (spec.automation.edge_fail_open, before.automation.edge_fail_open);
                let edge_begins = edge_before == EdgeFailOpen::Off && edge != EdgeFailOpen::Off;
                let same_health = before.inspection == spec.inspection && before.health_check == spec.health_check;
                let same_application = before.application == spec.application
                    && before.origin_port == spec.origin_port
                    && before.distribution == spec.distribution
                    && before.application_check == spec.application_check;
                Self {
                    // The verdict knows what is new.
                    names: true,
                    handshakes: is_new(Side::Inspection) || is_new(Side::Application) || edge_begins,
                    health: !same_health,
                    application: !same_application,
                    reach: edge != edge_before && edge != EdgeFailOpen::Off,
                }
            }
        }
    }

    /// Whether one of the two hosts is asked anything.
    pub fn asks_hosts(self) -> bool {
        self.handshakes || self.health || self.application
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use crate::spec::ApplicationCheck;

    fn of(change: impl FnOnce(&mut Spec), lifecycle: Lifecycle) -> Questions {
        let row = Row { lifecycle, ..sample::row() };
        let mut spec = row.spec.clone();
        change(&mut spec);
        Questions::of(&spec, Some(&row), Occasion::Change)
    }

    #[test]
    fn a_first_deployment_and_a_plan_ask_everything() {
        let row = sample::row();
        assert_eq!(Questions::of(&row.spec, None, Occasion::Change), Questions::ALL);
        assert_eq!(Questions::of(&row.spec, Some(&row), Occasion::Plan), Questions::ALL);
        let skips = Spec { preflight: Preflight::Skip, ..row.spec.clone() };
        assert_eq!(Questions::of(&skips, Some(&row), Occasion::Plan), Questions::ALL);
        for lifecycle in [Lifecycle::Creating, Lifecycle::Deleting] {
            assert_eq!(of(|_| {}, lifecycle), Questions::ALL);
        }
    }

    #[test]
    fn whoever_wants_no_preflight_and_a_roll_back_are_asked_for_nothing() {
        assert_eq!(of(|spec| spec.preflight = Preflight::Skip, Lifecycle::Creating), Questions::default());
        assert_eq!(of(|_| {}, Lifecycle::Updating), Questions::default());
        assert!(!Questions::default().asks_hosts());
    }

    #[test]
    fn an_update_asks_for_what_it_changes() {
        let nothing = Questions { names: true, ..Questions::default() };
        assert_eq!(of(|spec| spec.automation.hold_down_seconds += 1, Lifecycle::Active), nothing);
        assert!(!nothing.asks_hosts());
        let inspection = of(|spec| spec.inspection = "other.example.net".into(), Lifecycle::Active);
        assert_eq!(inspection, Questions { handshakes: true, health: true, ..nothing });
        assert!(inspection.asks_hosts());
        let application = of(|spec| spec.application = "other.example.com".into(), Lifecycle::Active);
        assert_eq!(application, Questions { handshakes: true, application: true, ..nothing });
        let check = of(|spec| spec.application_check = ApplicationCheck::None, Lifecycle::Active);
        assert_eq!(check, Questions { application: true, ..nothing });
        assert!(check.asks_hosts());
        let health = Questions { health: true, ..Questions::default() };
        assert!(health.asks_hosts());
    }

    #[test]
    fn the_way_from_an_alarm_to_a_flip_is_asked_for_when_layer_2_begins_to_need_it() {
        let turned = |before: EdgeFailOpen, after: EdgeFailOpen| {
            let mut row = sample::row();
            row.spec.automation.edge_fail_open = before;
            let mut spec = row.spec.clone();
            spec.automation.edge_fail_open = after;
            let asked = Questions::of(&spec, Some(&row), Occasion::Change);
            (asked.reach, asked.handshakes)
        };
        assert_eq!(turned(EdgeFailOpen::Off, EdgeFailOpen::Automatic), (true, true));
        assert_eq!(turned(EdgeFailOpen::Notify, EdgeFailOpen::Automatic), (true, false));
        assert_eq!(turned(EdgeFailOpen::Automatic, EdgeFailOpen::Automatic), (false, false));
        assert_eq!(turned(EdgeFailOpen::Automatic, EdgeFailOpen::Off), (false, false));
    }
}
