//! Rows about what is read and does not allow a flip: foreign targets, broken documents, a dead application, no control plane.

use failopen::alarm::AlarmState;
use failopen::failure::ErrorType;
use failopen::port::{Checkers, FaultKind, HealthCheckConfig, ProbeOutcome};
use failopen_tests::Operation;
use failopen_tests::events;
use failopen_tests::world::{
    World, alarm, application, application_origin, distribution, health_check, inspection_origin, third_origin,
};

use crate::stage::{
    accepted, bypass, converge_now, in_an_outage, is_bypassed, looked_at, puts, reason, settled, subjects, told,
};

/// Row 7: a human points the default behaviour at a third origin, and inspection dies (I2).
pub(crate) fn a_third_origin_means_hands_off_and_one_alert() {
    let world = settled();
    world.retarget_by_hand("*", &third_origin());
    world.inspection_dies();
    world.live(60);
    assert_eq!(reason(&world.react(events::decide()).expect("an answer")), "ForeignTarget");
    for request in [bypass(), converge_now(&world, "bypassed"), converge_now(&world, "inspected")] {
        assert_eq!(world.flip(request).expect_err("hands off").error_type, ErrorType::ForeignTarget);
    }
    assert_eq!(puts(&world), []);
    assert_eq!(world.target("*"), third_origin());
    // The contract has one message per foreign target and one per drift, and this is both.
    assert_eq!((told(&world, "foreign"), told(&world, "drift"), subjects(&world).len()), (1, 1, 2));
}

/// Row 16: a truncated document, `Enabled` missing or doubled, HTML with status 200 (I15).
pub(crate) fn a_document_that_is_not_whole_makes_no_put_and_one_alert() {
    let whole = World::standard().configuration();
    // Other elements have an `Enabled` of their own; this one is the distribution's.
    let enabled = "</PriceClass><Enabled>true</Enabled>";
    assert_eq!(whole.matches(enabled).count(), 1);
    let target = "<TargetOriginId>failopen-www</TargetOriginId>";
    let cases = [
        ("truncated", whole[..whole.len() / 2].to_owned()),
        ("one byte short", whole.trim_end()[..whole.trim_end().len() - 1].to_owned()),
        ("no Enabled", whole.replacen(enabled, "</PriceClass>", 1)),
        ("Enabled twice", whole.replacen(enabled, &format!("{enabled}<Enabled>true</Enabled>"), 1)),
        ("two targets", whole.replacen(target, &target.repeat(2), 1)),
        ("HTML with status 200", "<html><body>Service Unavailable</body></html>".to_owned()),
        ("nothing with status 200", String::new()),
    ];
    for (what, bytes) in cases {
        let world = in_an_outage();
        world.cloud.cloudfront().garble(&distribution(), bytes);
        world.live(60);
        for request in [bypass(), converge_now(&world, "bypassed")] {
            assert_eq!(world.flip(request).expect_err(what).error_type, ErrorType::MalformedDistribution, "{what}");
        }
        assert_eq!(puts(&world), [], "{what}");
        assert_eq!((subjects(&world).len(), told(&world, "cannot be read")), (1, 1), "{what}: {:?}", subjects(&world));
        world.cloud.cloudfront().ungarble(&distribution());
        world.live(1);
        assert!(is_bypassed(&world), "{what}: when it is whole again, the next tick flips");
        assert_eq!(accepted(&world).len(), 1);
    }
}

/// Row 17: the application is down too (I10).
pub(crate) fn an_application_that_is_down_too_keeps_traffic_at_inspection() {
    let world = in_an_outage();
    world.application_dies();
    world.live(60);
    assert_eq!(reason(&world.react(events::decide()).expect("an answer")), "ApplicationUnhealthy");
    assert_eq!(puts(&world), []);
    assert_eq!(world.target("*"), inspection_origin());
    world.cloud.probes().unscript(&application());
    world.tick();
    assert_eq!(world.target("*"), application_origin(), "it is a place to go as soon as it answers");
}

/// Row 18: the application's certificate has expired while Route 53, which validates none, calls it healthy (I10).
pub(crate) fn an_application_with_an_expired_certificate_is_down_whatever_route_53_says() {
    let world = looked_at(World::with(|spec| spec.secondary_health_check = Some("app-check".into())));
    let config = HealthCheckConfig {
        check_type: "HTTPS".to_owned(),
        host: Some(application()),
        port: Some(443),
        path: Some("/".to_owned()),
        search_string: None,
        interval_seconds: Some(30),
        failure_threshold: Some(3),
        enable_sni: Some(true),
        inverted: false,
        disabled: false,
        regions: Vec::new(),
    };
    world.cloud.health().add("app-check".into(), config, world.clock.aws_now());
    world.cloud.health().set_checkers(&"app-check".into(), Checkers { reporting: 16, healthy: 16 });
    world.cloud.probes().script(&application(), ProbeOutcome::Failed { why: "the certificate has expired".to_owned() });
    world.inspection_dies();
    assert!(world.cloud.health().is_healthy(&"app-check".into(), world.clock.aws_now()), "Route 53 is green");
    world.live(60);
    let answer = world.react(events::decide()).expect("an answer");
    assert_eq!(reason(&answer), "ApplicationUnhealthy");
    assert!(answer.to_string().contains("the certificate has expired"), "{answer}");
    assert_eq!(puts(&world), []);
}

/// Row 20: the alarm is deleted, or the health check disabled, which Route 53 takes for healthy for ever (I11).
pub(crate) fn a_deleted_alarm_or_a_disabled_check_makes_no_put_and_an_alert() {
    let world = settled();
    world.cloud.cloudwatch().remove(&alarm());
    world.live(60);
    assert_eq!(reason(&world.react(events::decide()).expect("an answer")), "NoHealthData");
    assert_eq!(puts(&world), []);
    // The contract has one message per start of missing health data and one per drift, and this is both.
    assert_eq!((told(&world, "no health data"), told(&world, "drift"), subjects(&world).len()), (1, 1, 2));

    let world = settled();
    let check = health_check(&world);
    world.cloud.health().edit(&check, |config| config.disabled = true);
    // Whatever inspection does, the metric says 1 now, and the alarm stays OK.
    world.cloud.health().set_host_up(&failopen_tests::world::inspection(), false);
    world.set_alarm(AlarmState::Ok);
    world.live(60);
    assert_eq!(puts(&world), []);
    assert_eq!((told(&world, "drift"), subjects(&world).len()), (1, 1), "{:?}", subjects(&world));
    assert!(world.cloud.outbox().messages[0].1.body.contains("Disabled"));
}

/// Row 31: CloudFront's control plane is down for an hour, for every call and for writes alone (I13, I6).
pub(crate) fn an_hour_without_a_control_plane_brings_one_alert_no_thrash_and_then_the_flip() {
    let world = in_an_outage();
    world.cloud.on_any(&Operation::CLOUDFRONT).fail(FaultKind::Unknown);
    world.live(60);
    assert_eq!(puts(&world), []);
    assert_eq!(world.cloud.count(Operation::GetDistributionConfig), 60, "one reading a tick");
    assert_eq!((subjects(&world).len(), told(&world, "cannot be read")), (1, 1), "{:?}", subjects(&world));
    world.cloud.heal();
    world.live(1);
    assert!(is_bypassed(&world));
    assert_eq!(puts(&world).len(), 1);

    let world = in_an_outage();
    world.cloud.on(Operation::UpdateDistribution).fail(FaultKind::Unknown);
    for minute in 1..=60 {
        world.tick();
        assert!(puts(&world).len() <= 5 * minute, "{} writes in {minute} minutes", puts(&world).len());
        world.pass(jiff::SignedDuration::from_mins(1));
    }
    // The pauses between the writes have made it a little more than an hour, hence the contract's hourly repetition.
    let counts = [told(&world, "inspection is down"), told(&world, "still not inspected"), subjects(&world).len()];
    assert_eq!(counts, [1, 1, 2], "{:?}", subjects(&world));
    world.cloud.heal();
    world.live(1);
    assert!(is_bypassed(&world));
    assert_eq!(accepted(&world).len(), 1);
}
