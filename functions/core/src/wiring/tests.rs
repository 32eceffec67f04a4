use super::*;
use crate::id::{Hostname, OriginId, OwnerMark, PathPattern};
use crate::ledger::{FlippedBy, Replaced, Row};
use crate::sample;

const RICH: &str = include_str!("../../../../tests/events/distribution-rich.xml");

fn rich() -> Document {
    Document::parse(RICH.as_bytes()).expect("the fixture is a distribution")
}

fn protecting(traffic: &[&str]) -> Spec {
    Spec { traffic: traffic.iter().map(|pattern| PathPattern::new(*pattern)).collect(), ..sample::spec() }
}

fn row(spec: &Spec, made: Option<MadeDistribution>) -> Row {
    let mut row = Row::creating(OwnerMark::new("0123456789ab"), "stack", "Protection", spec.clone());
    row.made.distribution = made;
    row
}

/// A protection that is written, and what the ledger claims of it.
fn wired(spec: &Spec) -> (Document, Ours) {
    let wiring = wire(&rich(), spec, None, &[]).expect("nothing stands against it");
    let made = MadeDistribution { written: true, ..wiring.made };
    let ours = Ours::of(&row(spec, Some(made)), &spec.distribution).expect("a claim");
    (wiring.after, ours)
}

fn codes(refused: Result<Wiring, Vec<Finding>>) -> Vec<Code> {
    refused.expect_err("something stands against it").into_iter().map(|finding| finding.code).collect()
}

fn target(document: &Document, pattern: &str) -> OriginId {
    document.behavior(&PathPattern::new(pattern)).expect("the behaviour exists").target.clone()
}

#[test]
fn what_is_wired_needs_no_further_edit() {
    let spec = protecting(&["*", "/account/*", "/ours/*"]);
    let (document, ours) = wired(&spec);
    assert_eq!(wire(&document, &spec, Some(&ours), &[]).expect("ours").edits, []);
}

#[test]
fn taking_out_what_was_put_in_restores_every_byte() {
    let (document, ours) = wired(&protecting(&["*", "/account/*", "/ours/*", "/ours/deep/*"]));
    let plan = unwire(&document, &ours).expect("it can be edited");
    assert_eq!(plan.after.bytes(), RICH.as_bytes());
    assert_eq!((plan.in_use, plan.left), (vec![], vec![]));
    assert_eq!(unwire(&plan.after, &ours).expect("it can be edited").edits, [], "and doing it again is nothing");
}

#[test]
fn a_narrower_copy_goes_above_a_wider_one_whatever_their_order() {
    for traffic in [["/ours/*", "/ours/deep/*"], ["/ours/deep/*", "/ours/*"]] {
        let (document, _) = wired(&protecting(&traffic));
        let position = |pattern: &str| {
            document
                .behaviors()
                .iter()
                .position(|behavior| behavior.path_pattern.as_str() == pattern)
                .expect("it exists")
        };
        assert!(position("/ours/deep/*") < position("/ours/*"), "{traffic:?}");
    }
}

#[test]
fn a_pattern_is_kept_in_the_spelling_of_the_distribution() {
    let wiring = wire(&rich(), &protecting(&["account/*"]), None, &[]).expect("the slash is optional");
    assert_eq!(wiring.made.behaviors[0].path_pattern, PathPattern::new("/account/*"));
    assert_eq!(wiring.made.behaviors[0].cloned, None);
}

#[test]
fn what_cannot_be_protected_is_refused_by_code() {
    for (traffic, code) in [
        (vec!["*", "/legacy/*"], Code::BehaviorMixedOrigins),
        (vec!["/media/*"], Code::BehaviorOriginGroup),
        (vec!["/static/*"], Code::OriginType),
        (vec!["/reports/*"], Code::OriginType),
    ] {
        assert_eq!(codes(wire(&rich(), &protecting(&traffic), None, &[])), [code], "{traffic:?}");
    }
}

#[test]
fn an_origin_of_our_name_that_we_did_not_make_and_that_leads_elsewhere_is_left_alone() {
    let (document, _) = wired(&protecting(&["/account/*"]));
    let elsewhere = Spec { failover_record: Hostname::new("other.cq-route.com"), ..protecting(&["*"]) };
    assert_eq!(codes(wire(&document, &elsewhere, None, &[])), [Code::OriginType]);
}

#[test]
fn two_protections_do_not_share_a_behaviour() {
    let (document, _) = wired(&protecting(&["*"]));
    let theirs =
        MadeDistribution { written: true, ..wire(&rich(), &protecting(&["*"]), None, &[]).expect("free").made };
    for pattern in ["*", "/served-by-the-default/*"] {
        let mine = Spec { name: "api".into(), ..protecting(&[pattern]) };
        assert_eq!(codes(wire(&document, &mine, None, &[&theirs])), [Code::BehaviorOverlap], "{pattern}");
    }
}

#[test]
fn a_behaviour_that_failed_open_stays_so_and_a_new_one_follows() {
    let spec = protecting(&["*"]);
    let (document, ours) = wired(&spec);
    let bypass = Edit::Retarget {
        path_pattern: PathPattern::default_behavior(),
        from: ours.inspection_origin.clone(),
        to: ours.application_origin.clone(),
    };
    let bypassed = document.edit(&[bypass]).expect("a bypass");
    let wiring = wire(&bypassed, &protecting(&["*", "/checkout/*", "/ours/*"]), Some(&ours), &[]).expect("ours");
    for pattern in ["*", "/checkout/*", "/ours/*"] {
        assert_eq!(target(&wiring.after, pattern), ours.application_origin, "{pattern}");
    }
}

#[test]
fn a_behaviour_that_was_only_meant_to_be_moved_is_moved_now() {
    let spec = protecting(&["*"]);
    let intent = wire(&rich(), &spec, None, &[]).expect("free").made;
    let ours = Ours::of(&row(&spec, Some(intent)), &spec.distribution).expect("a claim");
    let wiring = wire(&rich(), &spec, Some(&ours), &[]).expect("ours");
    assert_eq!(target(&wiring.after, "*"), ours.inspection_origin);
}

#[test]
fn a_behaviour_that_an_unfinished_update_may_have_given_up_is_taken_back() {
    let before = protecting(&["*", "/account/*"]);
    let (document, ours) = wired(&before);
    let update = wire(&document, &protecting(&["*"]), Some(&ours), &[]).expect("ours");
    // The write happened, and the function died before it could say so.
    let present = MadeDistribution { written: true, ..wire(&rich(), &before, None, &[]).expect("free").made };
    let mut row = row(&before, Some(present));
    row.made.replaced.push(Replaced::Distribution(update.made));
    let ours = Ours::of(&row, &before.distribution).expect("a claim");
    let rolled_back = wire(&update.after, &before, Some(&ours), &[]).expect("ours");
    assert_eq!(target(&rolled_back.after, "/account/*"), ours.inspection_origin);
}

#[test]
fn a_behaviour_somebody_else_moved_stops_an_update_and_survives_a_delete() {
    let spec = protecting(&["*", "/account/*"]);
    let (document, ours) = wired(&spec);
    let elsewhere = Edit::Retarget {
        path_pattern: PathPattern::new("/account/*"),
        from: ours.inspection_origin.clone(),
        to: OriginId::new("static-assets"),
    };
    let moved = document.edit(&[elsewhere]).expect("an edit in the console");
    let refused = wire(&moved, &spec, Some(&ours), &[]).expect_err("hands off");
    assert!(refused.iter().any(|finding| finding.code == Code::BehaviorMixedOrigins), "{refused:?}");
    let plan = unwire(&moved, &ours).expect("it can be edited");
    assert_eq!(target(&plan.after, "/account/*"), OriginId::new("static-assets"));
    assert_eq!(plan.left.len(), 1);
}

#[test]
fn our_origin_follows_the_record_and_keeps_a_name_somebody_gave_it() {
    let spec = protecting(&["*"]);
    let (document, ours) = wired(&spec);
    let renamed = Spec { failover_record: Hostname::new("new.cq-route.com"), ..spec.clone() };
    let wiring = wire(&document, &renamed, Some(&ours), &[]).expect("ours");
    assert!(matches!(wiring.edits.as_slice(), [Edit::SetOriginDomain { .. }]), "{:?}", wiring.edits);
    let foreign = Ours { domains: vec![Hostname::new("another.cq-route.com")], ..ours };
    assert_eq!(codes(wire(&document, &renamed, Some(&foreign), &[])), [Code::OriginType]);
    let plan = unwire(&document, &foreign).expect("it can be edited");
    assert!(
        plan.after.origin(&foreign.inspection_origin).is_some(),
        "an origin that leads elsewhere is not ours to remove"
    );
}

#[test]
fn our_origin_follows_the_port_and_keeps_one_that_somebody_gave_it() {
    let spec = protecting(&["*"]);
    let (document, ours) = wired(&spec);
    let moved = Spec { origin_port: 8443, ..spec.clone() };
    let wiring = wire(&document, &moved, Some(&ours), &[]).expect("ours");
    let id = spec.name.inspection_origin();
    assert_eq!(wiring.edits, [Edit::SetOriginPort { id: id.clone(), from: 443, to: 8443 }]);
    assert_eq!(wiring.made.origin_ports, [8443, 443]);
    let often = Ours { ports: vec![443, 444, 445, 446, 447], ..ours.clone() };
    let latest = wire(&document, &moved, Some(&often), &[]).expect("ours").made.origin_ports;
    assert_eq!(latest, [8443, 443, 444, 445], "a row has little room");
    let both = Spec { failover_record: Hostname::new("new.cq-route.com"), ..moved };
    assert_eq!(wire(&document, &both, Some(&ours), &[]).expect("ours").edits.len(), 2);
    let by_hand = document.edit(&[Edit::SetOriginPort { id, from: 443, to: 9443 }]).expect("somebody's");
    let refused = wire(&by_hand, &spec, Some(&ours), &[]).expect_err("somebody changed it");
    assert_eq!((refused[0].code, refused[0].property.as_str()), (Code::OriginType, "OriginPort"));
}

#[test]
fn an_update_that_nobody_lived_to_record_can_be_rolled_back_from_its_port() {
    let spec = protecting(&["*"]);
    let present = MadeDistribution { written: true, ..wire(&rich(), &spec, None, &[]).expect("free").made };
    let document = wire(&rich(), &spec, None, &[]).expect("free").after;
    let ours = Ours::of(&row(&spec, Some(present.clone())), &spec.distribution).expect("claimed");
    let update = wire(&document, &Spec { origin_port: 8443, ..spec.clone() }, Some(&ours), &[]).expect("ours");
    let mut row = row(&spec, Some(present));
    row.made.replaced.push(Replaced::Distribution(update.made));
    let ours = Ours::of(&row, &spec.distribution).expect("claimed");
    let back = wire(&update.after, &spec, Some(&ours), &[]).expect("the intent names the port");
    assert_eq!(back.after.bytes(), document.bytes());
}

#[test]
fn another_distribution_under_the_same_id_is_not_touched() {
    let spec = protecting(&["*"]);
    let (document, ours) = wired(&spec);
    let other = Ours { caller_reference: "another".to_owned(), ..ours };
    assert!(codes(wire(&document, &spec, Some(&other), &[])).contains(&Code::DistributionMissing));
    let error = unwire(&document, &other).expect_err("what is in the right one is not known");
    assert!(error.to_string().contains("CallerReference"), "{error}");
}

#[test]
fn one_behaviour_of_several_that_failed_open_stays_so() {
    let spec = protecting(&["*", "/account/*"]);
    let (document, ours) = wired(&spec);
    let bypass = Edit::Retarget {
        path_pattern: PathPattern::new("/account/*"),
        from: ours.inspection_origin.clone(),
        to: ours.application_origin.clone(),
    };
    let mixed = document.edit(&[bypass]).expect("a bypass of one");
    assert_eq!(wire(&mixed, &spec, Some(&ours), &[]).expect("ours").edits, []);
}

#[test]
fn a_write_that_nobody_lived_to_record_is_not_written_again() {
    let spec = protecting(&["*", "/account/*", "/ours/*"]);
    let wiring = wire(&rich(), &spec, None, &[]).expect("free");
    let ours = Ours::of(&row(&spec, Some(wiring.made)), &spec.distribution).expect("a claim");
    assert_eq!(wire(&wiring.after, &spec, Some(&ours), &[]).expect("ours").edits, []);
}

#[test]
fn the_only_behaviour_moved_to_another_application_by_somebody_else_stops_an_update() {
    let spec = protecting(&["*"]);
    let (document, ours) = wired(&spec);
    let elsewhere = target(&document, "/legacy/*");
    let moved = Edit::Retarget {
        path_pattern: PathPattern::default_behavior(),
        from: ours.inspection_origin.clone(),
        to: elsewhere,
    };
    let moved = document.edit(&[moved]).expect("an edit in the console");
    assert_eq!(codes(wire(&moved, &spec, Some(&ours), &[])), [Code::BehaviorMixedOrigins]);
}

#[test]
fn an_unfinished_update_that_gives_up_every_behaviour_ends_no_recorded_bypass() {
    for (old, new) in [("/ours/*", "*"), ("/account/*", "*"), ("*", "/ours/*")] {
        for bypassed in [true, false] {
            let (before, after) = (protecting(&[old]), protecting(&[new]));
            let (mut document, ours) = wired(&before);
            let made = wire(&rich(), &before, None, &[]).expect("free").made;
            let mut row = row(&before, Some(MadeDistribution { written: true, ..made }));
            if bypassed {
                let (from, to) = (ours.inspection_origin.clone(), ours.application_origin.clone());
                let bypass = Edit::Retarget { path_pattern: PathPattern::new(old), from, to };
                document = document.edit(&[bypass]).expect("a bypass");
                row.record_flip(sample::flip(Side::Bypassed, FlippedBy::Automation, 5));
            }
            let update = wire(&document, &after, Some(&ours), &[]).expect("ours");
            row.made.replaced.push(Replaced::Distribution(update.made));
            let ours = Ours::of(&row, &before.distribution).expect("a claim");
            let side = if bypassed { &ours.application_origin } else { &ours.inspection_origin };
            // The write did not happen, or did and the answer was lost; the Update is tried again, or rolled back.
            for found in [&document, &update.after] {
                for (spec, pattern) in [(&after, new), (&before, old)] {
                    let wiring = wire(found, spec, Some(&ours), &[]).expect("ours");
                    assert_eq!(target(&wiring.after, pattern), *side, "{old} to {new}, bypassed: {bypassed}");
                }
            }
        }
    }
}

#[test]
fn a_create_that_takes_a_deleted_protection_over_begins_inspected() {
    let spec = protecting(&["*"]);
    let made = wire(&rich(), &spec, None, &[]).expect("free").made;
    let mut row = row(&spec, Some(made));
    row.record_flip(sample::flip(Side::Bypassed, FlippedBy::Automation, 5));
    let ours = Ours::of(&row, &spec.distribution).expect("a claim");
    let wiring = wire(&rich(), &spec, Some(&ours), &[]).expect("ours");
    assert_eq!(target(&wiring.after, "*"), ours.inspection_origin);
}

#[test]
fn an_unfinished_update_that_adds_a_behaviour_does_not_end_a_bypass() {
    let before = protecting(&["*"]);
    let (document, ours) = wired(&before);
    let bypass = Edit::Retarget {
        path_pattern: PathPattern::default_behavior(),
        from: ours.inspection_origin.clone(),
        to: ours.application_origin.clone(),
    };
    let bypassed = document.edit(&[bypass]).expect("a bypass");
    let after = protecting(&["*", "/account/*"]);
    let intent = wire(&bypassed, &after, Some(&ours), &[]).expect("ours").made;
    let present = MadeDistribution { written: true, ..wire(&rich(), &before, None, &[]).expect("free").made };
    let mut row = row(&before, Some(present));
    row.made.replaced.push(Replaced::Distribution(intent));
    let ours = Ours::of(&row, &before.distribution).expect("a claim");
    let wiring = wire(&bypassed, &after, Some(&ours), &[]).expect("ours");
    for pattern in ["*", "/account/*"] {
        assert_eq!(target(&wiring.after, pattern), ours.application_origin, "{pattern}");
    }
}

#[path = "adoption_tests.rs"]
mod adoption;
