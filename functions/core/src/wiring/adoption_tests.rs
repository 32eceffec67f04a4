//! A runbook that was followed by hand: what is taken over as it is, what is refused, and where everything ends.

use super::*;
use crate::document::NewOrigin;
use crate::ledger::MadeRecords;
use crate::records::AdoptedSets;

const RECORD: &str = "cq-origin-www.cq-route.com";

fn add(id: &str, domain: &str, https_port: u16) -> Edit {
    let origin = NewOrigin { id: OriginId::new(id), domain_name: Hostname::new(domain), https_port };
    Edit::AddOrigin { like: OriginId::new("app & co"), origin }
}

fn retarget(document: &Document, pattern: &str, to: &str) -> Document {
    let edit = Edit::Retarget {
        path_pattern: PathPattern::new(pattern),
        from: target(document, pattern),
        to: OriginId::new(to),
    };
    document.edit(&[edit]).expect("the origin exists")
}

/// With the record's name as an origin of that id, and these behaviours at it.
fn by_hand(patterns: &[&str]) -> Document {
    let with_origin = rich().edit(&[add(RECORD, RECORD, 443)]).expect("an origin");
    patterns.iter().fold(with_origin, |document, pattern| retarget(&document, pattern, RECORD))
}

/// What the ledger claims when `made` is written; the records are adopted, too, unless they are ours.
fn claimed(spec: &Spec, made: MadeDistribution, records_are_ours: bool) -> Ours {
    let theirs = AdoptedSets { primary: "one".to_owned(), secondary: "two".to_owned() };
    let mut row = row(spec, Some(MadeDistribution { written: true, ..made }));
    let records = MadeRecords::wanted(spec, &"h-1".into()).expect("records are wanted");
    row.made.records = Some(MadeRecords { adopted: (!records_are_ours).then_some(theirs), ..records });
    Ours::of(&row, &spec.distribution).expect("a claim")
}

fn refusal(document: &Document, spec: &Spec, ours: Option<&Ours>) -> Finding {
    let refused = wire(document, spec, ours, &[]).expect_err("something stands against it");
    let [finding] = refused.as_slice() else { panic!("{refused:?}") };
    finding.clone()
}

#[test]
fn what_is_there_already_is_adopted_without_an_edit() {
    let (document, spec) = (by_hand(&["*"]), protecting(&["*"]));
    let wiring = wire(&document, &spec, None, &[]).expect("as desired");
    assert_eq!(wiring.edits, []);
    let made = wiring.made;
    assert_eq!((made.inspection_origin.as_str(), made.origin_adopted), (RECORD, true));
    assert_eq!(made.application_origin.as_str(), "app & co", "told by its host");
    assert_eq!((made.behaviors[0].original_target.as_str(), &made.behaviors[0].cloned), (RECORD, &None));
    let ours = claimed(&spec, made, false);
    assert_eq!(wire(&document, &spec, Some(&ours), &[]).expect("ours").edits, [], "and once more");
}

#[test]
fn an_origin_that_is_there_is_used_for_behaviours_that_are_not_at_it_yet() {
    let (document, spec) = (by_hand(&[]), protecting(&["*", "/account/*"]));
    let wiring = wire(&document, &spec, None, &[]).expect("free");
    assert!(wiring.edits.iter().all(|edit| matches!(edit, Edit::Retarget { .. })), "{:?}", wiring.edits);
    assert_eq!(wiring.edits.len(), 2);
    let ours = claimed(&spec, wiring.made, true);
    let plan = unwire(&wiring.after, &ours).expect("it can be edited");
    assert_eq!(plan.after.bytes(), document.bytes(), "the origin stays");
    assert_eq!(plan.in_use, [""; 0]);
}

#[test]
fn the_application_is_told_by_the_behaviours_that_are_not_at_the_adopted_origin() {
    let spec = Spec { application: Hostname::new("elsewhere.example.com"), ..protecting(&["*", "/checkout/*"]) };
    let wiring = wire(&by_hand(&["*"]), &spec, None, &[]).expect("free");
    assert_eq!(wiring.made.application_origin.as_str(), "app & co");
    let originals: Vec<_> = wiring.made.behaviors.iter().map(|made| made.original_target.as_str()).collect();
    assert_eq!(originals, [RECORD, "app & co"]);
    let mixed = protecting(&["*", "/checkout/*", "/legacy/*"]);
    assert_eq!(codes(wire(&by_hand(&["*"]), &mixed, None, &[])), [Code::BehaviorMixedOrigins]);
}

#[test]
fn where_no_host_tells_the_application_it_is_refused_with_what_to_add() {
    let nowhere = Spec { application: Hostname::new("nowhere.example.com"), ..protecting(&["*"]) };
    let finding = refusal(&by_hand(&["*"]), &nowhere, None);
    assert_eq!((finding.code, finding.property.as_str()), (Code::OriginType, "ApplicationHostname"));
    assert!(finding.message.contains("leads to nowhere.example.com; add one, or set ApplicationHostname"), "{finding}");
    assert!(finding.message.starts_with("`*` already targets"), "{finding}");
    let twice = by_hand(&["*"]).edit(&[add("second", "origin-www.cq-route.com", 443)]).expect("an origin");
    let finding = refusal(&twice, &protecting(&["*"]), None);
    assert!(finding.message.contains("app & co, second all lead to origin-www.cq-route.com"), "{finding}");
    let on_neither = Spec { origin_port: 9443, ..protecting(&["*"]) };
    let by_hand_there =
        by_hand(&[]).edit(&[add("third", RECORD, 9443), add("second", "origin-www.cq-route.com", 8443)]);
    let moved = retarget(&by_hand_there.expect("origins"), "*", "third");
    assert!(refusal(&moved, &on_neither, None).message.contains("app & co, second all lead to"));
    let other_port = by_hand(&["*"]).edit(&[add("second", "origin-www.cq-route.com", 8443)]).expect("an origin");
    let wiring = wire(&other_port, &protecting(&["*"]), None, &[]).expect("the port tells");
    assert_eq!(wiring.made.application_origin.as_str(), "app & co");
}

#[test]
fn of_several_origins_at_the_record_only_our_name_tells_which() {
    let two = by_hand(&["*"]).edit(&[add("second", RECORD, 443)]).expect("an origin");
    let finding = refusal(&two, &protecting(&["*"]), None);
    assert_eq!((finding.code, finding.property.as_str()), (Code::OriginType, "FailoverRecord"));
    assert!(finding.message.contains(&format!("origins {RECORD}, second all lead to")), "{finding}");
    let named = rich().edit(&[add("failopen-www", RECORD, 443), add("second", RECORD, 443)]).expect("origins");
    let made = wire(&named, &protecting(&["*"]), None, &[]).expect("ours by name").made;
    assert_eq!((made.inspection_origin.as_str(), made.origin_adopted), ("failopen-www", true));
}

#[test]
fn an_origin_at_the_record_that_does_not_suit_is_named() {
    let document = rich().edit(&[add("by-hand", RECORD, 8443)]).expect("an origin");
    let finding = refusal(&retarget(&document, "*", "by-hand"), &protecting(&["*"]), None);
    assert_eq!((finding.code, finding.property.as_str()), (Code::OriginType, "OriginPort"));
    assert!(finding.message.contains("origin by-hand leads to") && finding.message.contains("set OriginPort to 8443"));
    let bucket = RICH.replacen("cq-static-assets.s3.us-east-1.amazonaws.com", RECORD, 1);
    let document = Document::parse(bucket.as_bytes()).expect("a configuration");
    let finding = refusal(&document, &protecting(&["/static/*"]), None);
    assert!(finding.message.contains("is not a custom origin"), "{finding}");
    let wiring = wire(&document, &protecting(&["*"]), None, &[]).expect("it is there for other paths");
    assert!(!wiring.made.origin_adopted);
}

#[test]
fn an_origin_of_another_protection_is_not_adopted() {
    let first = wire(&by_hand(&["*"]), &protecting(&["*"]), None, &[]).expect("free").made;
    let second = Spec { name: "api".into(), ..protecting(&["/checkout/*"]) };
    let wiring = wire(&by_hand(&["*"]), &second, None, &[&first]).expect("free");
    assert_eq!((wiring.made.inspection_origin.as_str(), wiring.made.origin_adopted), ("failopen-api", false));
    let overlapping = Spec { name: "api".into(), ..protecting(&["/checkout/*"]) };
    let at_theirs = by_hand(&["*", "/checkout/*"]);
    assert_eq!(codes(wire(&at_theirs, &overlapping, None, &[&first])), [Code::BehaviorOverlap]);
}

#[test]
fn what_bears_the_mark_of_a_protection_that_nobody_knows_is_not_adopted_and_no_application() {
    let marked = rich().edit(&[add("failopen-shop", RECORD, 443)]).expect("an origin");
    let made = wire(&marked, &protecting(&["*"]), None, &[]).expect("free").made;
    assert_eq!(made.inspection_origin.as_str(), "failopen-www");
    let finding = refusal(&retarget(&marked, "*", "failopen-shop"), &protecting(&["*"]), None);
    assert!(finding.message.contains("a bypass would go in a circle"), "{finding}");
    assert!(finding.message.contains("point it at app & co (origin-www.cq-route.com)"), "{finding}");
}

#[test]
fn an_origin_of_a_protection_that_the_ledger_does_not_have_is_not_taken_for_the_application() {
    let shop = rich().edit(&[add("failopen-shop", "cq-origin-shop.cq-route.com", 443)]).expect("an origin");
    for protected in ["*", "/ours/*"] {
        let finding = refusal(&retarget(&shop, "*", "failopen-shop"), &protecting(&[protected]), None);
        assert_eq!((finding.code, finding.property.as_str()), (Code::BehaviorOverlap, "Traffic"), "{finding}");
        assert!(
            finding.message.contains("failopen-shop, which by its name leads to the inspection of another protection"),
            "{finding}"
        );
    }
}

#[test]
fn an_application_of_such_a_name_that_is_claimed_already_stays_the_application() {
    let (spec, legacy) = (protecting(&["*"]), OriginId::new("failopen-legacy"));
    let with_origin = rich().edit(&[add(legacy.as_str(), "origin-www.cq-route.com", 443)]).expect("an origin");
    let document = retarget(&with_origin, "*", legacy.as_str());
    assert_eq!(refusal(&document, &spec, None).code, Code::BehaviorOverlap);
    let mut made = wire(&rich(), &spec, None, &[]).expect("free").made;
    made.application_origin = legacy.clone();
    made.behaviors[0].original_target = legacy.clone();
    let ours = claimed(&spec, made, true);
    assert_eq!(wire(&document, &spec, Some(&ours), &[]).expect("ours").made.application_origin, legacy);
}

#[test]
fn our_own_origin_is_never_taken_for_an_adopted_one_once_it_is_claimed() {
    let spec = protecting(&["*"]);
    let wiring = wire(&rich(), &spec, None, &[]).expect("free");
    let ours = Ours::of(&row(&spec, Some(wiring.made)), &spec.distribution).expect("an intent");
    let again = wire(&wiring.after, &spec, Some(&ours), &[]).expect("ours").made;
    assert!(!again.origin_adopted);
    let plan = unwire(&wiring.after, &ours).expect("it can be edited");
    assert_eq!(plan.after.bytes(), RICH.as_bytes());
}

#[test]
fn one_claim_that_says_adopted_is_enough() {
    let spec = protecting(&["*"]);
    let made = wire(&by_hand(&["*"]), &spec, None, &[]).expect("free").made;
    let forgetful = MadeDistribution { origin_adopted: false, written: true, ..made.clone() };
    let mut row = row(&spec, Some(forgetful));
    row.made.replaced.push(Replaced::Distribution(made));
    let ours = Ours::of(&row, &spec.distribution).expect("a claim");
    let plan = unwire(&by_hand(&["*"]), &ours).expect("it can be edited");
    assert!(plan.after.origin(&OriginId::new(RECORD)).is_some());
}

#[test]
fn taking_out_leaves_everything_as_it_was_found_from_either_side() {
    let (document, spec) = (by_hand(&["*", "/account/*"]), protecting(&["*", "/account/*", "/ours/*"]));
    let wiring = wire(&document, &spec, None, &[]).expect("free");
    assert_eq!(wiring.edits.len(), 1, "only the copy is ours");
    let ours = claimed(&spec, wiring.made, false);
    let bypassed = ["*", "/account/*", "/ours/*"]
        .iter()
        .fold(wiring.after.clone(), |document, pattern| retarget(&document, pattern, "app & co"));
    for present in [wiring.after, bypassed] {
        let plan = unwire(&present, &ours).expect("it can be edited");
        assert_eq!(plan.after.bytes(), document.bytes());
        assert_eq!((plan.in_use.len(), plan.left.len()), (0, 1), "{:?}", plan.left);
        assert_eq!(unwire(&plan.after, &ours).expect("it can be edited").edits, []);
    }
}

#[test]
fn nothing_is_left_at_an_adopted_origin_whose_records_are_removed() {
    let (document, spec) = (by_hand(&["*"]), protecting(&["*"]));
    let ours = claimed(&spec, wire(&document, &spec, None, &[]).expect("free").made, true);
    let plan = unwire(&document, &ours).expect("it can be edited");
    assert_eq!(target(&plan.after, "*").as_str(), "app & co");
    assert!(plan.after.origin(&OriginId::new(RECORD)).is_some(), "the origin stays all the same");
    assert_eq!(plan.in_use, [""; 0]);
    let plan = unwire(&retarget(&document, "*", "app & co"), &ours).expect("it can be edited");
    assert_eq!(plan.edits, [], "and nothing goes back there");
    let elsewhere = by_hand(&["*", "/checkout/*"]);
    let plan = unwire(&elsewhere, &ours).expect("it can be edited");
    let told = format!("origin `{RECORD}` is still used by behaviour `/checkout/*`");
    assert_eq!(uses(&plan.after, &ours.doomed), [told], "somebody else would be left without an answer");
}

#[test]
fn a_behaviour_is_given_up_where_the_wanted_traffic_no_longer_names_it() {
    let both = protecting(&["*", "/account/*"]);
    let ours = claimed(&both, wire(&rich(), &both, None, &[]).expect("free").made, true);
    assert!(!ours.gives_up(&both));
    assert!(!ours.gives_up(&protecting(&["/new/*", "account/*", "*"])), "more, and spelt otherwise");
    assert!(ours.gives_up(&protecting(&["*"])));
}

#[test]
fn another_origin_at_our_records_keeps_them_while_somebody_uses_it() {
    let spec = protecting(&["*"]);
    let wiring = wire(&rich(), &spec, None, &[]).expect("free");
    let two = wiring.after.edit(&[add("second", &RECORD.to_uppercase(), 8443)]).expect("an origin");
    let used = retarget(&two, "/checkout/*", "second");
    for (records_are_ours, document, told) in [
        (true, &used, &["origin `second` is still used by behaviour `/checkout/*`"][..]),
        (true, &two, &[]),
        (false, &used, &[]),
    ] {
        let ours = claimed(&spec, wiring.made.clone(), records_are_ours);
        let plan = unwire(document, &ours).expect("it can be edited");
        assert_eq!(uses(&plan.after, &ours.doomed), told);
        assert_eq!(plan.in_use, [""; 0], "our own origin is free");
        assert!(plan.after.origin(&OriginId::new("second")).is_some(), "it is somebody's");
        assert!(plan.after.origin(&wiring.made.inspection_origin).is_none(), "ours is taken out all the same");
    }
}

#[test]
fn a_behaviour_that_is_given_up_goes_back_to_where_it_was() {
    let (document, both) = (by_hand(&["*", "/account/*"]), protecting(&["*", "/account/*"]));
    let ours = claimed(&both, wire(&document, &both, None, &[]).expect("free").made, false);
    let mixed = retarget(&document, "/account/*", "app & co");
    let wiring = wire(&mixed, &protecting(&["*"]), Some(&ours), &[]).expect("ours");
    assert_eq!(target(&wiring.after, "/account/*").as_str(), RECORD);
    assert_eq!(target(&wiring.after, "*").as_str(), RECORD, "what is protected stays as it is");
}

#[test]
fn a_copy_of_an_adopted_behaviour_is_ours_and_goes_where_that_goes_if_it_is_edited() {
    let (document, spec) = (by_hand(&["*"]), protecting(&["/ours/*"]));
    let wiring = wire(&document, &spec, None, &[]).expect("free");
    let copy = &wiring.made.behaviors[0];
    assert!(copy.cloned.is_some());
    assert_eq!(copy.original_target.as_str(), RECORD);
    let plan = unwire(&wiring.after, &claimed(&spec, wiring.made.clone(), false)).expect("it can be edited");
    assert_eq!(plan.after.bytes(), document.bytes());
}

#[test]
fn an_adopted_origin_is_never_edited_and_an_update_says_what_to_do_instead() {
    let (document, spec) = (by_hand(&["*"]), protecting(&["*"]));
    let ours = claimed(&spec, wire(&document, &spec, None, &[]).expect("free").made, false);
    let renamed = Spec { failover_record: Hostname::new("new.cq-route.com"), ..spec.clone() };
    let finding = refusal(&document, &renamed, Some(&ours));
    assert_eq!((finding.code, finding.property.as_str()), (Code::OriginType, "FailoverRecord"));
    assert!(finding.message.contains("or leave FailoverRecord as it was"), "{finding}");
    let other_port = Spec { origin_port: 8443, ..spec.clone() };
    assert_eq!(refusal(&document, &other_port, Some(&ours)).property, "OriginPort");
    let gone = retarget(&document, "*", "app & co").edit(&[Edit::RemoveOrigin { id: OriginId::new(RECORD) }]);
    let finding = refusal(&gone.expect("nobody uses it"), &spec, Some(&ours));
    assert!(finding.message.contains("which was adopted, is gone"), "{finding}");
    let to_new = Edit::SetOriginDomain {
        id: OriginId::new(RECORD),
        from: Hostname::new(RECORD),
        to: Hostname::new("new.cq-route.com"),
    };
    let followed = document.edit(&[to_new]).expect("its owner changed it");
    assert_eq!(wire(&followed, &renamed, Some(&ours), &[]).expect("as desired").edits, []);
}

#[test]
fn capitals_make_no_other_host() {
    let capitals = RICH.replacen("<DomainName>api-eu.example.com", "<DomainName>CQ-Origin-WWW.cq-route.com", 1);
    let document = Document::parse(capitals.as_bytes()).expect("a configuration");
    let protecting = Spec { application: Hostname::new("origin-www.cq-route.com"), ..protecting(&["/api-eu/*"]) };
    let made = wire(&document, &protecting, None, &[]).expect("free").made;
    assert_eq!((made.inspection_origin.as_str(), made.origin_adopted), ("api-eu", true));
}

/// The origin that was made by hand, with one text of it replaced.
fn with_settings(patterns: &[&str], from: &str, to: &str) -> Document {
    let text = String::from_utf8(by_hand(patterns).bytes().to_vec()).expect("text");
    let begin = text.find(&format!("<Id>{RECORD}</Id>")).expect("the origin");
    let (before, after) = text.split_at(begin);
    assert!(after.contains(from), "{from}");
    Document::parse((before.to_owned() + &after.replacen(from, to, 1)).as_bytes()).expect("a distribution")
}

#[test]
fn an_origin_for_other_paths_is_not_adopted_for_behaviours_that_never_used_it() {
    let settings = [
        ("<OriginPath></OriginPath>", "<OriginPath>/admin</OriginPath>", "path `/admin` and not ``"),
        (">https-only<", ">http-only<", "OriginProtocolPolicy http-only and not https-only"),
        (">canary-header-5f2b<", ">another<", "other custom headers"),
        (
            "</CustomOriginConfig>",
            "<OriginMtlsConfig><ClientCertificateArn>arn:c</ClientCertificateArn></OriginMtlsConfig></CustomOriginConfig>",
            "client certificate arn:c and not none",
        ),
    ];
    for (from, to, told) in settings {
        let wiring = wire(&with_settings(&[], from, to), &protecting(&["*"]), None, &[]).expect("free");
        assert_eq!(
            (wiring.made.inspection_origin.as_str(), wiring.made.origin_adopted),
            ("failopen-www", false),
            "{told}"
        );
        // Where a protected behaviour uses it already, others are not moved there.
        let used = with_settings(&["*"], from, to);
        assert!(wire(&used, &protecting(&["*"]), None, &[]).expect("free").made.origin_adopted, "{told}");
        let finding = refusal(&used, &protecting(&["*", "/checkout/*"]), None);
        assert_eq!((finding.code, finding.property.as_str()), (Code::OriginType, "Traffic"));
        assert!(finding.message.contains(told) && finding.message.contains("`/checkout/*`"), "{finding}");
        assert!(!finding.message.contains("canary"), "{finding}");
    }
}

#[test]
fn a_behaviour_that_is_given_up_while_bypassed_stays_at_the_application() {
    let spec = protecting(&["*", "/account/*"]);
    let found = by_hand(&["*", "/account/*"]);
    let ours = claimed(&spec, wire(&found, &spec, None, &[]).expect("free").made, true);
    let bypassed = retarget(&retarget(&found, "*", "app & co"), "/account/*", "app & co");
    let wiring = wire(&bypassed, &protecting(&["*"]), Some(&ours), &[]).expect("ours");
    assert_eq!(wiring.edits, []);
    let [left] = wiring.left.as_slice() else { panic!("{:?}", wiring.left) };
    assert!(left.contains("`/account/*`: traffic is bypassed, so it stays at app & co"), "{left}");
}
