//! Pairs made by hand: which is taken over, and what is said of those that nearly could be.

use crate::finding::{Code, Finding};
use crate::id::{Hostname, OwnerMark};
use crate::ledger::{MadeRecords, Replaced};
use crate::port::{FailoverRole, RecordSet};
use crate::records::{AdoptedSets, Establishing, establish, removable, remove, staying};
use crate::sample;
use crate::spec::{HealthCheckSpec, Spec};

/// Declares the check that their PRIMARY has.
fn spec() -> Spec {
    Spec { health_check: HealthCheckSpec::Adopted { id: "h-1".into() }, ..sample::spec() }
}

fn wanted(spec: &Spec) -> MadeRecords {
    let check = match &spec.health_check {
        HealthCheckSpec::Adopted { id } => id.clone(),
        HealthCheckSpec::Managed(_) => "h-new".into(),
    };
    MadeRecords::wanted(spec, &check).expect("records are wanted")
}

fn owner() -> OwnerMark {
    OwnerMark::new("0123456789ab")
}

fn theirs() -> AdoptedSets {
    AdoptedSets { primary: "Inspection".to_owned(), secondary: "origin".to_owned() }
}

/// What people made who followed the runbook.
fn by_hand() -> Vec<RecordSet> {
    let made = MadeRecords { adopted: Some(theirs()), ..wanted(&spec()) };
    made.pair(&owner(), &"www".into()).to_vec()
}

fn adopting(spec: &Spec, claimed: &[MadeRecords], present: &[RecordSet]) -> Result<Establishing, Finding> {
    establish(&wanted(spec), claimed.iter(), &owner(), spec, present)
}

fn refused(spec: &Spec, claimed: &[MadeRecords], present: &[RecordSet]) -> String {
    let finding = adopting(spec, claimed, present).expect_err("a conflict");
    assert_eq!((finding.code, finding.property.as_str()), (Code::RecordConflict, "FailoverRecord"));
    finding.message
}

#[test]
fn of_the_pairs_that_a_row_claims_the_adopted_ones_stay_and_people_hear_of_it() {
    let spec = Spec { secondary_health_check: Some("h-2".into()), ..spec() };
    let adopted = MadeRecords { adopted: Some(theirs()), ..wanted(&spec) };
    let made = MadeRecords { name: Hostname::new("ours.cq-route.com"), ..wanted(&sample::spec()) };
    assert_eq!(adopted.checks().map(|id| id.as_str()).collect::<Vec<_>>(), ["h-1", "h-2"]);
    let mut row = sample::row();
    row.made.records = Some(adopted);
    row.made.replaced.push(Replaced::Records(made.clone()));
    let told = "the records of cq-origin-www.cq-route.com were adopted, so they stay";
    assert_eq!(staying(&row).collect::<Vec<_>>(), [told]);
    assert_eq!(removable(&row).collect::<Vec<_>>(), [&made]);
}

#[test]
fn a_pair_that_is_as_wanted_is_adopted_in_either_order_and_needs_no_batch() {
    for turn in [false, true] {
        let mut present = by_hand();
        if turn {
            present.reverse();
        }
        let Establishing { made, changes } = adopting(&spec(), &[], &present).expect("as wanted");
        assert_eq!((made.adopted.as_ref(), changes.as_slice()), (Some(&theirs()), [].as_slice()));
        assert_eq!(made.pair(&owner(), &"www".into()).to_vec(), by_hand());
        let again = adopting(&spec(), std::slice::from_ref(&made), &present).expect("as wanted");
        assert_eq!(again, Establishing { made, changes: vec![] }, "and once more");
    }
}

#[test]
fn a_pair_is_adopted_with_the_second_check_that_is_declared() {
    let spec = Spec { secondary_health_check: Some("h-2".into()), ..spec() };
    let mut present = by_hand();
    present[1].health_check = Some("h-2".into());
    assert!(adopting(&spec, &[], &present).expect("as wanted").made.adopted.is_some());
}

#[test]
fn adopted_records_are_never_removed_whatever_is_there() {
    let adopted = MadeRecords { adopted: Some(theirs()), ..wanted(&spec()) };
    let ours = wanted(&spec());
    let removal = remove(&[&adopted, &ours], &owner(), &"www".into(), &by_hand());
    assert_eq!((removal.changes, removal.left), (vec![], vec![]));
}

#[test]
fn what_bears_a_mark_is_not_adopted_whosever_it_is() {
    for set in ["failopen-www-ba9876543210-primary", "failopen-shop-0123456789ab-primary"] {
        let mut present = by_hand();
        present[0].set_identifier = Some(set.to_owned());
        present[1].set_identifier = Some(set.replace("primary", "secondary"));
        let message = refused(&spec(), &[], &present);
        assert!(message.contains(&format!("a failover CNAME record with the identifier {set}")), "{message}");
    }
}

#[test]
fn a_near_miss_says_what_to_declare_to_adopt_it() {
    let managed = sample::spec();
    let message = refused(&managed, &[], &by_hand());
    assert!(
        message.contains("to adopt them, set HealthCheck.HealthCheckId to h-1; or choose another name"),
        "{message}"
    );
    let mut slower = by_hand();
    slower.iter_mut().for_each(|record| record.ttl = Some(60));
    slower[1].health_check = Some("h-2".into());
    let message = refused(&managed, &[], &slower);
    let settings = "set HealthCheck.HealthCheckId to h-1 and RecordTtl to 60 and SecondaryHealthCheck to h-2; or";
    assert!(message.contains(settings), "{message}");
    let with_second = Spec { secondary_health_check: Some("h-2".into()), ..spec() };
    let message = refused(&with_second, &[], &by_hand());
    assert!(message.contains("to adopt them, set SecondaryHealthCheck to none; or"), "{message}");
}

#[test]
fn what_no_setting_can_match_is_for_their_owner_to_mend() {
    let mut present = by_hand();
    present[0].health_check = None;
    present[1].ttl = Some(60);
    let message = refused(&spec(), &[], &present);
    let todo =
        "give the PRIMARY a health check and name that in HealthCheck.HealthCheckId, and give both the TTL 30; or";
    assert!(message.contains(todo), "{message}");
    let mut slow = by_hand();
    slow.iter_mut().for_each(|record| record.ttl = Some(3600));
    let message = refused(&spec(), &[], &slow);
    assert!(message.contains("give both a TTL of 300 s or less; or"), "{message}");
}

#[test]
fn what_is_no_pair_from_inspection_to_the_application_is_a_conflict_as_any_other() {
    let mut elsewhere = by_hand();
    elsewhere[1].values = vec!["other.example.com".to_owned()];
    // With another TTL, which a setting could match if the rest were right.
    let slow = || by_hand().into_iter().map(|record| RecordSet { ttl: Some(60), ..record }).collect::<Vec<_>>();
    let mut from_elsewhere = slow();
    from_elsewhere[0].values = vec!["other.example.net".to_owned()];
    let alias = |index: usize| {
        let mut pair = slow();
        pair[index].record_type = "A".to_owned();
        pair
    };
    assert!(refused(&spec(), &[], &slow()).contains("to adopt them, set RecordTtl to 60"));
    let mut turned = by_hand();
    turned[0].values.clone_from(&by_hand()[1].values);
    turned[1].values.clone_from(&by_hand()[0].values);
    let mut beside = by_hand();
    beside.push(RecordSet {
        record_type: "TXT".to_owned(),
        set_identifier: None,
        failover: None,
        health_check: None,
        routing: "simple".to_owned(),
        values: vec!["\"note\"".to_owned()],
        ..by_hand()[0].clone()
    });
    let twice =
        vec![by_hand()[0].clone(), RecordSet { set_identifier: Some("second".to_owned()), ..by_hand()[0].clone() }];
    for (what, present) in [
        ("another host", elsewhere),
        ("another service", from_elsewhere),
        ("an alias to inspection", alias(0)),
        ("an alias to the application", alias(1)),
        ("the wrong way round", turned),
        ("something beside it", beside),
        ("only half of it", by_hand()[..1].to_vec()),
        ("no SECONDARY", twice),
    ] {
        let message = refused(&spec(), &[], &present);
        assert!(!message.contains("to adopt"), "{what}: {message}");
    }
}

#[test]
fn a_check_that_we_make_is_on_no_record_of_theirs() {
    let managed = sample::spec();
    let mut present = by_hand();
    present[0].health_check = Some("h-new".into());
    assert!(adopting(&managed, &[], &present).is_err(), "its deletion would leave their record without one");
}

#[test]
fn an_update_of_adopted_records_is_refused_with_the_way_out_and_follows_their_owner() {
    let adopted = adopting(&spec(), &[], &by_hand()).expect("as wanted").made;
    let slower = Spec { record_ttl: 60, ..spec() };
    let message = refused(&slower, std::slice::from_ref(&adopted), &by_hand());
    for part in ["were adopted, so they are never changed here", "set RecordTtl to 30 to keep them, or choose another"]
    {
        assert!(message.contains(part), "{message}");
    }
    let other_host = Spec { application: Hostname::new("other.cq-route.com"), ..spec() };
    let message = refused(&other_host, std::slice::from_ref(&adopted), &by_hand());
    assert!(message.contains("deploy again, or choose another FailoverRecord"), "{message}");
    let mut changed = by_hand();
    changed.iter_mut().for_each(|record| record.ttl = Some(60));
    changed[0].set_identifier = Some("new".to_owned());
    let anew = adopting(&slower, &[adopted], &changed).expect("their owner changed them");
    assert_eq!(anew.made.adopted.expect("adopted").primary, "new");
    assert_eq!(anew.changes, []);
}

#[test]
fn a_name_that_lost_its_adopted_records_gets_records_of_ours() {
    let adopted = adopting(&spec(), &[], &by_hand()).expect("as wanted").made;
    let Establishing { made, changes } = adopting(&spec(), &[adopted], &[]).expect("nothing in the way");
    assert_eq!((made.adopted, changes.len()), (None, 2));
}

#[test]
fn our_records_that_somebody_replaced_by_their_own_are_theirs_from_then_on() {
    let ours = wanted(&spec());
    let Establishing { made, changes } = adopting(&spec(), &[ours], &by_hand()).expect("as wanted");
    assert_eq!((made.adopted, changes), (Some(theirs()), vec![]));
}

#[test]
fn roles_of_adopted_records_keep_their_identifiers() {
    let adopted = adopting(&spec(), &[], &by_hand()).expect("as wanted").made;
    let [primary, secondary] = adopted.pair(&owner(), &"www".into());
    assert_eq!(
        (primary.failover, primary.set_identifier.as_deref()),
        (Some(FailoverRole::Primary), Some("Inspection"))
    );
    assert_eq!(
        (secondary.failover, secondary.set_identifier.as_deref()),
        (Some(FailoverRole::Secondary), Some("origin"))
    );
}
