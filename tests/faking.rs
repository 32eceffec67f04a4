//! The fake keeps AWS's rules: what the other tests prove is worth no more than this.

use failopen::id::{ETag, Hostname};
use failopen::port::{
    Apply, ChangeAction, Checkers, FailoverRole, FaultKind, HealthCheckConfig, Observe, ProbeOutcome, RecordChange,
    RecordSet,
};
use failopen::spec::{Zone, ZoneRole};
use failopen_tests::cloud::Run;
use failopen_tests::world::{
    RICH_DISTRIBUTION, World, address, alarm, application, distribution, failover_record, health_check, inspection,
    www, zone,
};
use failopen_tests::{Moment, Operation};
use jiff::SignedDuration;

fn check() -> HealthCheckConfig {
    HealthCheckConfig {
        check_type: "HTTPS".to_owned(),
        host: Some(inspection()),
        port: Some(443),
        path: Some("/".to_owned()),
        search_string: None,
        interval_seconds: Some(10),
        failure_threshold: Some(2),
        enable_sni: Some(true),
        inverted: false,
        disabled: false,
        regions: Vec::new(),
    }
}

fn cname(host: &str) -> RecordSet {
    RecordSet {
        name: failover_record(),
        record_type: "CNAME".to_owned(),
        values: vec![host.to_owned()],
        ..address("-", "-")
    }
}

fn failover(role: FailoverRole, world: &World) -> RecordSet {
    let (word, host) = match role {
        FailoverRole::Primary => ("primary", inspection()),
        FailoverRole::Secondary => ("secondary", application()),
    };
    let id = world.cloud.run(world.cloud.create_health_check("reference", &check())).finished().expect("a valid check");
    RecordSet {
        set_identifier: Some(word.to_owned()),
        failover: Some(role),
        health_check: (role == FailoverRole::Primary).then_some(id),
        routing: "failover".to_owned(),
        ..cname(host.as_str())
    }
}

fn change(world: &World, changes: &[(ChangeAction, RecordSet)]) -> Result<(), FaultKind> {
    let changes: Vec<RecordChange> =
        changes.iter().map(|(action, record)| RecordChange { action: *action, record: record.clone() }).collect();
    let outcome = world.cloud.run(world.cloud.change_records(&zone(), &changes)).finished();
    outcome.map(drop).map_err(|fault| fault.kind)
}

#[test]
fn a_write_with_an_old_etag_is_refused_and_changes_nothing() {
    let world = World::bare();
    let seen = world.cloud.run(world.cloud.distribution(&distribution())).finished().expect("the distribution exists");
    world
        .cloud
        .cloudfront()
        .edit(&distribution(), world.clock.aws_now(), |text| text.replace("index.html", "home.html"));
    let put = world.cloud.run(world.cloud.put_distribution(&distribution(), &seen.bytes, &seen.etag)).finished();
    assert_eq!(put.map_err(|fault| fault.kind), Err(FaultKind::Stale));
    assert!(world.configuration().contains("home.html"));
}

#[test]
fn a_configuration_whose_behaviour_targets_a_missing_origin_is_refused() {
    let world = World::bare();
    let broken = RICH_DISTRIBUTION.replacen("<TargetOriginId>api-eu<", "<TargetOriginId>nowhere<", 1);
    assert_ne!(broken, RICH_DISTRIBUTION);
    let etag = world.cloud.cloudfront().etag(&distribution()).clone();
    let put = |bytes: Vec<u8>, etag: ETag| {
        let cloud = world.cloud.clone();
        world
            .cloud
            .run(async move { cloud.put_distribution(&distribution(), &bytes, &etag).await })
            .finished()
            .map_err(|fault| fault.kind)
    };
    assert_eq!(put(broken.into_bytes(), etag.clone()), Err(FaultKind::Refused));
    let half = RICH_DISTRIBUTION.as_bytes()[..RICH_DISTRIBUTION.len() / 2].to_vec();
    assert_eq!(put(half, etag.clone()), Err(FaultKind::Refused));
    assert_eq!(put(RICH_DISTRIBUTION.as_bytes().to_vec(), ETag::new("*")), Err(FaultKind::Stale));
    let accepted =
        put(RICH_DISTRIBUTION.as_bytes().to_vec(), etag.clone()).expect("an unchanged configuration is valid");
    assert_eq!(accepted.status, "InProgress");
    assert_ne!(accepted.etag, etag);
}

#[test]
fn a_write_is_in_progress_until_every_edge_has_it() {
    let world = World::standard();
    let status = || {
        let status = world.cloud.run(world.cloud.distribution_status(&distribution())).finished();
        status.expect("the distribution exists").status
    };
    world.pass(SignedDuration::from_mins(1));
    assert_eq!(status(), "Deployed");
    world
        .cloud
        .cloudfront()
        .edit(&distribution(), world.clock.aws_now(), |text| text.replace("index.html", "home.html"));
    assert_eq!(status(), "InProgress");
    world.pass(SignedDuration::from_mins(5));
    assert_eq!(status(), "Deployed");
}

#[test]
fn a_batch_with_one_bad_change_changes_nothing() {
    let world = World::bare();
    let primary = failover(FailoverRole::Primary, &world);
    let outside = RecordSet { name: Hostname::new("www.example.org"), ..cname("x.example") };
    let batch = [(ChangeAction::Create, primary), (ChangeAction::Create, outside)];
    let before = world.cloud.route53().all_records(&zone().id).to_vec();
    assert_eq!(change(&world, &batch), Err(FaultKind::Refused));
    assert_eq!(world.cloud.route53().all_records(&zone().id), before.as_slice());
}

#[test]
fn a_plain_record_and_failover_records_of_one_name_cannot_coexist_but_swap_in_one_batch() {
    let world = World::bare();
    let (plain, primary, secondary) =
        (cname("old.cq-route.com"), failover(FailoverRole::Primary, &world), failover(FailoverRole::Secondary, &world));
    assert_eq!(change(&world, &[(ChangeAction::Create, plain.clone())]), Ok(()));
    assert_eq!(change(&world, &[(ChangeAction::Create, plain.clone())]), Err(FaultKind::Refused));
    assert_eq!(change(&world, &[(ChangeAction::Create, primary.clone())]), Err(FaultKind::Refused));
    let inexact = RecordSet { ttl: Some(60), ..plain.clone() };
    assert_eq!(change(&world, &[(ChangeAction::Delete, inexact)]), Err(FaultKind::Refused));
    let swap = [(ChangeAction::Delete, plain), (ChangeAction::Create, primary), (ChangeAction::Create, secondary)];
    assert_eq!(change(&world, &swap), Ok(()));
}

#[test]
fn a_change_is_pending_until_all_servers_have_it() {
    let world = World::bare();
    let record = RecordChange { action: ChangeAction::Create, record: cname("x.cq-route.com") };
    let changed = world.cloud.run(world.cloud.change_records(&zone(), &[record])).finished().expect("a valid change");
    let insync = || world.cloud.run(world.cloud.change_is_insync(&zone(), &changed)).finished();
    assert_eq!(insync(), Ok(false));
    world.pass(SignedDuration::from_mins(1));
    assert_eq!(insync(), Ok(true));
}

#[test]
fn a_health_check_reference_is_idempotent_and_never_forgotten() {
    let world = World::bare();
    let create = |config: &HealthCheckConfig| {
        let outcome = world.cloud.run(world.cloud.create_health_check("reference", config)).finished();
        outcome.map_err(|fault| fault.kind)
    };
    let id = create(&check()).expect("a valid check");
    assert_eq!(create(&check()), Ok(id.clone()));
    assert_eq!(create(&HealthCheckConfig { port: Some(8443), ..check() }), Err(FaultKind::Refused));
    assert_eq!(world.cloud.run(world.cloud.delete_health_check(&id)).finished(), Ok(()));
    assert_eq!(world.cloud.run(world.cloud.delete_health_check(&id)).finished(), Ok(()));
    assert_eq!(create(&check()), Err(FaultKind::Refused));
}

#[test]
fn an_old_version_of_a_health_check_cannot_be_written_and_one_that_a_record_uses_can_be_deleted() {
    let world = World::standard();
    let id = health_check(&world);
    world.cloud.health().edit(&id, |config| config.disabled = true);
    let written = world.cloud.run(world.cloud.update_health_check(&id, 1, &check())).finished();
    assert_eq!(written.map_err(|fault| fault.kind), Err(FaultKind::Stale));
    assert_eq!(world.cloud.run(world.cloud.update_health_check(&id, 2, &check())).finished(), Ok(()));
    assert_eq!(
        world.cloud.run(world.cloud.delete_health_check(&id)).finished(),
        Ok(()),
        "whatever becomes of the name"
    );
    assert!(
        world.cloud.route53().all_records(&zone().id).iter().any(|record| record.health_check.as_ref() == Some(&id))
    );
}

#[test]
fn dns_fails_over_by_the_records_alone_and_falls_back_to_primary_when_both_are_bad() {
    let world = World::with(|spec| spec.secondary_health_check = Some("app-check".into()));
    let of_application = HealthCheckConfig { host: Some(application()), ..check() };
    let long_ago = world.clock.aws_now() - SignedDuration::from_hours(1);
    world.cloud.health().add("app-check".into(), of_application, long_ago);
    let answer = || world.cloud.resolve(&failover_record());
    assert_eq!(answer(), Some(vec![inspection().to_string()]));
    world.inspection_dies();
    assert_eq!(answer(), Some(vec![application().to_string()]));
    world.application_dies();
    assert_eq!(answer(), Some(vec![inspection().to_string()]));
    assert_eq!(world.cloud.last_call(), 0, "layer 1 needs no call of ours");
}

#[test]
fn an_alarm_keeps_the_owner_it_was_created_with() {
    let world = World::standard();
    let before = world.cloud.cloudwatch().observe(&alarm());
    let settings = before.metric.clone().expect("a metric alarm");
    let put = world.cloud.run(world.cloud.put_alarm(&alarm(), &settings, &"somebody-else".into())).finished();
    assert_eq!(put, Ok(()));
    let owner = world.cloud.run(world.cloud.alarm_owner(&before.arn)).finished();
    assert_eq!(owner, Ok(Some(failopen_tests::world::OWNER.into())));
}

#[test]
fn the_ledger_takes_only_writes_on_the_version_that_was_read() {
    let world = World::standard();
    let read = world.cloud.run(world.cloud.row(&www())).finished().expect("readable").expect("present");
    let put =
        |expected| world.cloud.run(world.cloud.put_row(&read.row, expected)).finished().map_err(|fault| fault.kind);
    assert_eq!(put(None), Err(FaultKind::Stale));
    assert_eq!(put(Some(read.version)), Ok(read.version + 1));
    assert_eq!(put(Some(read.version)), Err(FaultKind::Stale));
    let bury = |expected| world.cloud.run(world.cloud.bury(&www(), &[], Some(expected))).finished();
    assert_eq!(bury(read.version).map_err(|fault| fault.kind), Err(FaultKind::Stale));
    assert_eq!(bury(read.version + 1), Ok(()));
    assert_eq!(world.cloud.run(world.cloud.row(&www())).finished(), Ok(None));
    assert_eq!(put(None), Err(FaultKind::Stale));
    assert_eq!(put(Some(read.version + 2)), Ok(read.version + 3));
}

#[test]
fn a_lost_answer_is_a_call_that_took_effect_and_a_failure_is_one_that_did_not() {
    let world = World::bare();
    world.cloud.on(Operation::CreateHealthCheck).nth(1).fail(FaultKind::Throttled);
    world.cloud.on(Operation::CreateHealthCheck).nth(2).lose_answer(FaultKind::Unknown);
    let create = || {
        let outcome = world.cloud.run(world.cloud.create_health_check("reference", &check())).finished();
        outcome.map_err(|fault| fault.kind)
    };
    assert_eq!(create(), Err(FaultKind::Throttled));
    assert_eq!(world.cloud.health().ids().len(), 0);
    assert_eq!(create(), Err(FaultKind::Unknown));
    assert_eq!(world.cloud.health().ids().len(), 1);
    assert!(create().is_ok());
    assert_eq!(world.cloud.health().ids().len(), 1);
}

#[test]
fn a_crash_before_a_call_leaves_it_undone_and_one_after_it_leaves_it_done() {
    for (moment, checks) in [(Moment::Before, 1), (Moment::After, 2)] {
        let world = World::bare();
        world.cloud.crash_at(world.cloud.last_call() + 2, moment);
        let cloud = world.cloud.clone();
        let run = world.cloud.run(async move {
            for reference in ["first", "second", "third"] {
                cloud.create_health_check(reference, &check()).await.expect("a valid check");
            }
        });
        assert_eq!(run, Run::Crashed);
        assert_eq!(world.cloud.health().ids().len(), checks, "{moment:?}");
    }
}

#[test]
fn a_scripted_host_answers_its_script_and_every_other_one_200() {
    let world = World::standard();
    world.application_dies();
    let ask = |host: Hostname| {
        let probe = failopen::port::Probe {
            connect: host.clone(),
            port: 443,
            server_name: host.clone(),
            host,
            path: "/".to_owned(),
            headers: Vec::new(),
        };
        world.cloud.run(world.cloud.probe(&probe)).finished()
    };
    assert_eq!(ask(inspection()), ProbeOutcome::Answered { status: 200 });
    assert!(!ask(application()).is_alive());
    assert_eq!(world.cloud.probes().asked().len(), 2);
}

#[test]
fn a_zone_behind_a_role_is_out_of_reach_without_it() {
    let world = World::bare();
    let role = "arn:aws:iam::444455556666:role/failopen-zone";
    world.cloud.route53().require_role(&zone().id, role);
    let observe = |zone: Zone| {
        let cloud = world.cloud.clone();
        let seen = world.cloud.run(async move { cloud.zone(&zone).await }).finished();
        seen.map(|zone| zone.name).map_err(|fault| fault.kind)
    };
    assert_eq!(observe(zone()), Err(FaultKind::AccessDenied));
    let with_role = ZoneRole { arn: role.to_owned(), external_id: None };
    assert_eq!(observe(Zone { role: Some(with_role), ..zone() }), Ok(Hostname::new("cq-route.com")));
    assert_eq!(observe(Zone { id: "Z0OTHER".into(), role: None }), Err(FaultKind::NotFound));
}

#[test]
fn a_new_health_check_is_healthy_until_its_checkers_report_and_then_by_eighteen_percent() {
    let world = World::bare();
    world.cloud.health().set_host_up(&inspection(), false);
    let id = world.cloud.run(world.cloud.create_health_check("reference", &check())).finished().expect("a valid check");
    let is_healthy = || world.cloud.health().is_healthy(&id, world.clock.aws_now());
    assert!(is_healthy(), "nobody has reported");
    world.pass(SignedDuration::from_secs(10));
    assert!(!is_healthy());
    for (healthy, verdict) in [(18, false), (19, true)] {
        world.cloud.health().set_checkers(&id, Checkers { reporting: 100, healthy });
        assert_eq!(is_healthy(), verdict, "{healthy} %");
    }
    world.cloud.health().set_checkers(&id, Checkers { reporting: 100, healthy: 0 });
    world.cloud.health().edit(&id, |config| config.disabled = true);
    assert!(is_healthy(), "a disabled check is always healthy");
}
