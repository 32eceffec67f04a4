//! Rows about what comes in from outside: documents of any shape and size, and texts that somebody else wrote.

use std::time::{Duration, Instant};

use failopen::alarm::AlarmState;
use failopen::document::Document;
use failopen::failure::ErrorType;
use failopen::id::AlarmName;
use failopen_tests::stack::Stack;
use failopen_tests::template::template;
use failopen_tests::world::{World, distribution};
use failopen_tests::{Logs, events};
use serde_json::{Value, json};

use crate::stage::{bypass, converge_now, in_an_outage, is_bypassed, last_step, moved_the_target_only, outcome, puts};

/// Row 15: an element that nobody knows, anywhere (I1).
///
/// In a list it would be one item more than its `Quantity` says, of a kind that is not the list's: that is no whole document
/// (I15), and nothing is written.
pub(crate) fn an_unknown_element_at_any_place_is_preserved() {
    let world = World::standard();
    let whole = world.configuration();
    let unknown =
        "<Unheard xmlns:x=\"urn:x\" x:a='1'><!-- kept --><TargetOriginId>app &amp; co</TargetOriginId><Of/></Unheard>";
    let places = ends_of_structures(&whole);
    let (mut preserved, mut refused) = (0, 0);
    for place in places {
        let text = format!("{}{unknown}{}", &whole[..place], &whole[place..]);
        world.cloud.cloudfront().add(distribution(), text.into_bytes(), world.clock.aws_now());
        let around = &whole[place.saturating_sub(60)..place];
        if let Err(failure) = world.flip(bypass()) {
            assert!(whole[place..].starts_with("</Items>"), "after {around}: {failure}");
            assert_eq!(failure.error_type, ErrorType::MalformedDistribution, "after {around}");
            assert_eq!(world.cloud.cloudfront().versions(&distribution()).len(), 1, "after {around}");
            refused += 1;
            continue;
        }
        preserved += 1;
        let (before, after) = last_step(&world);
        moved_the_target_only(&before, &after);
        world.flip(json!({"action": "restore", "protection": "www", "reason": "INC-42"})).expect("restored");
        let cloudfront = world.cloud.cloudfront();
        let [first, .., last] = cloudfront.versions(&distribution()) else { panic!("two writes") };
        assert_eq!(first, last, "after {around}");
    }
    assert!(preserved > 200 && refused < preserved, "{preserved} preserved, {refused} refused");
}

/// Where an element ends that holds elements: one more fits in there.
fn ends_of_structures(text: &str) -> Vec<usize> {
    let mut open = Vec::new();
    let mut places = Vec::new();
    for (at, _) in text.match_indices('<') {
        let tag = &text[at..at + text[at..].find('>').expect("every tag ends") + 1];
        if tag.starts_with("<?") || tag.starts_with("<!") {
            continue;
        } else if tag.starts_with("</") {
            if open.pop() == Some(true) {
                places.push(at);
            }
        } else {
            if let Some(holds_elements) = open.last_mut() {
                *holds_elements = true;
            }
            if !tag.ends_with("/>") {
                open.push(false);
            }
        }
    }
    places
}

/// Row 21: the id leads to another distribution than the one provisioned, to none, or to one that is not ours to touch (I15).
pub(crate) fn another_distribution_than_the_one_provisioned_is_refused() {
    let world = in_an_outage();
    let other = world.configuration().replacen("console-2019-06-14T09:21:44.512Z", "someone-elses", 1);
    world.cloud.cloudfront().garble(&distribution(), other);
    world.live(10);
    for request in [bypass(), converge_now(&world, "bypassed"), converge_now(&world, "inspected")] {
        let failure = world.flip(request).expect_err("another distribution");
        assert_eq!(failure.error_type, ErrorType::MalformedDistribution);
        assert!(failure.message.contains("E2EXAMPLE") && failure.message.contains("CallerReference"), "{failure}");
    }
    assert_eq!(puts(&world), []);

    for (id, code) in [("E3SECOND", "distribution-missing"), ("E9FOREIGN", "distribution-not-allowed")] {
        let world = World::bare();
        let answer = Stack::new(&world).set(json!({"DistributionId": id})).create();
        let reason = answer["Reason"].as_str().expect("a reason");
        assert!(reason.contains(code) && reason.contains(id), "{reason}");
        assert_eq!(world.cloud.calls().iter().filter(|call| call.operation.is_write()).count(), 0);
    }
}

/// Behaviours that a distribution may have with a raised quota, and the size at which this one is tried.
const BEHAVIOURS: usize = 250;
const SIZE: usize = 1 << 20;
/// A flip of such a document that takes longer than this, in a build that is not optimised, is not linear any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// Row 33: a configuration of 1 MB with 250 behaviours (I1, I21).
pub(crate) fn a_megabyte_with_250_behaviours_is_flipped_by_the_same_rule_within_memory() {
    let world = in_an_outage();
    let large = enlarged(&world.configuration());
    assert!(large.len() >= SIZE, "{} bytes", large.len());
    let document = Document::parse(large.as_bytes()).expect("whole");
    assert_eq!(document.behaviors().len(), BEHAVIOURS + 1, "and the default one");
    world.cloud.cloudfront().add(distribution(), large.into_bytes(), world.clock.aws_now());
    let began = Instant::now();
    world.tick();
    let took = began.elapsed();
    assert!(is_bypassed(&world));
    let (before, after) = last_step(&world);
    moved_the_target_only(&before, &after);
    assert!(took < PATIENCE, "react and flip together took {took:?}");
    if let Some(peak) = peak_memory() {
        let megabytes = template()["Resources"]["FlipFunction"]["Properties"]["MemorySize"].as_u64().expect("a number");
        let most = megabytes << 20;
        assert!(peak < most, "this process, other tests included, has taken {peak} bytes of {most}");
    }
}

/// The document with as many behaviours as wanted, and the rest of the size in an element that nobody knows.
fn enlarged(text: &str) -> String {
    let start = text.find("<CacheBehaviors>").expect("it has behaviours");
    let begin = start + text[start..].find("<CacheBehavior>").expect("one");
    let end = begin + text[begin..].find("</CacheBehavior>").expect("it ends") + "</CacheBehavior>".len();
    let pattern = "<PathPattern>/static/*</PathPattern>";
    let one = &text[begin..end];
    assert!(one.contains(pattern));
    let present = text.matches("<CacheBehavior>").count();
    let more: String = (present..BEHAVIOURS)
        .map(|number| one.replacen(pattern, &format!("<PathPattern>/more/{number}/*</PathPattern>"), 1))
        .collect();
    let quantity = format!("<CacheBehaviors><Quantity>{present}</Quantity>");
    let text = format!("{}{more}{}", &text[..end], &text[end..]);
    let text = text.replacen(&quantity, &format!("<CacheBehaviors><Quantity>{BEHAVIOURS}</Quantity>"), 1);
    let missing = SIZE.saturating_sub(text.len());
    text.replacen(
        "</DistributionConfig>",
        &format!("<Unheard>{}</Unheard></DistributionConfig>", "x".repeat(missing)),
        1,
    )
}

/// The most memory that this process has ever had resident, in bytes, where the system tells (Linux, proc(5)).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}

/// Row 34: control characters in the alarm's reason, in an alarm's name, and in what an operator says (I19).
pub(crate) fn control_characters_stay_inside_one_line_of_json() {
    let forged = "x\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}\u{1b}[31m\u{0}\u{7f}\u{9b}2J\u{2028}";
    let name = AlarmName::new(format!("theirs{forged}"));
    let own = name.clone();
    let world = World::with(|spec| spec.additional_alarms = vec![own]);
    world.cloud.cloudwatch().add(name, None, AlarmState::Alarm, world.clock.aws_now());
    let mut event = events::alarm_metric();
    event["alarmData"]["state"]["reason"] = json!(forged);
    event["alarmData"]["configuration"]["description"] = json!(forged);
    let logs = Logs::default();
    logs.of(|| {
        world.react_and_deliver(event);
        let mut stranger = events::alarm_of_nobody();
        stranger["alarmArn"] = json!(format!("arn:aws:cloudwatch:us-east-1:111122223333:alarm:{forged}"));
        world.react(stranger).expect("an answer");
        let request = json!({"action": "restore", "protection": "www", "reason": forged, "requestedBy": forged});
        assert_eq!(outcome(&world.flip(request).expect("restored")), "changed");
        let _refused = world.flip(json!({"action": forged, forged: forged}));
        world.live(2);
    });
    let text = logs.text();
    assert!(text.contains("forged"), "what was said is logged");
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_ne!(line["message"], "forged");
        assert!(line["message"].as_str().is_some_and(|message| !message.contains('\n')), "{line}");
    }
    assert!(!text.lines().any(|line| line.contains(|c: char| c.is_control() || c == '\u{2028}')), "escaped");
    for (_, message) in &world.cloud.outbox().messages {
        assert!(message.subject.chars().all(|character| character.is_ascii_graphic() || character == ' '));
        let is_harmless = |character: char| !character.is_control() && character != '\u{2028}';
        assert!(message.body.lines().all(|line| line.chars().all(is_harmless)), "{:?}", message.body);
    }
    assert_eq!(world.cloud.count(failopen_tests::Operation::Publish), world.cloud.outbox().messages.len());
}
