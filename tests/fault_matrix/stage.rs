//! What the rows are played on, and how they look at it.

use failopen::document::{Document, Edit, check_edit};
use failopen::id::PathPattern;
use failopen_tests::log::Outcome;
use failopen_tests::world::{World, application_origin, distribution, inspection_origin};
use failopen_tests::{Call, Operation};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(crate) const GET: Operation = Operation::GetDistributionConfig;
pub(crate) const PUT: Operation = Operation::UpdateDistribution;

/// The standard protection, that the schedule has already looked at once and found nothing to say about.
pub(crate) fn settled() -> World {
    looked_at(World::standard())
}

pub(crate) fn looked_at(world: World) -> World {
    world.live(1);
    assert_eq!(world.cloud.outbox().subjects(), Vec::<&str>::new(), "a healthy protection is no news");
    world.cloud.clear_calls();
    world
}

/// As [`settled`], and inspection has just died.
pub(crate) fn in_an_outage() -> World {
    let world = settled();
    world.inspection_dies();
    world
}

pub(crate) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub(crate) fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

pub(crate) fn is_bypassed(world: &World) -> bool {
    world.target("*") == application_origin()
}

/// Every write of the distribution that was sent, whatever became of it.
pub(crate) fn puts(world: &World) -> Vec<Call> {
    world.cloud.calls().iter().filter(|call| call.operation == PUT).cloned().collect()
}

/// When each write of the distribution was accepted.
pub(crate) fn accepted(world: &World) -> Vec<Timestamp> {
    puts(world).iter().filter(|put| put.outcome == Outcome::Answered).map(|put| put.at).collect()
}

pub(crate) fn subjects(world: &World) -> Vec<String> {
    world.cloud.outbox().subjects().into_iter().map(str::to_owned).collect()
}

/// How many messages have this in their subject.
pub(crate) fn told(world: &World, of: &str) -> usize {
    subjects(world).iter().filter(|subject| subject.contains(of)).count()
}

/// The reason of the one decision of an answer of react.
pub(crate) fn reason(answer: &Value) -> &str {
    let decisions = answer["decisions"].as_array().expect("a list of decisions");
    assert_eq!(decisions.len(), 1, "{answer}");
    decisions[0]["reason"].as_str().expect("a reason")
}

pub(crate) fn outcome(answer: &Value) -> &str {
    answer["outcome"].as_str().expect("an outcome")
}

/// What react asks flip for, decided now.
pub(crate) fn converge_now(world: &World, posture: &str) -> Value {
    json!({
        "action": "converge", "protection": "www", "posture": posture, "reason": "AlarmActive",
        "because": "alarm failopen-www-inspection is in ALARM", "decidedAt": world.clock.aws_now().to_string()
    })
}

pub(crate) fn bypass() -> Value {
    json!({"action": "bypass", "protection": "www", "reason": "INC-42"})
}

/// I1 and I2 of one step: nothing but the text of the default behaviour's target differs, and it moved between our two
/// origins.
pub(crate) fn moved_the_target_only(before: &[u8], after: &[u8]) {
    let document = |bytes: &[u8]| Document::parse(bytes).expect("a whole document");
    let (before, after) = (document(before), document(after));
    let target = |document: &Document| {
        document.behavior(&PathPattern::default_behavior()).expect("there is a default behaviour").target.clone()
    };
    let (from, to) = (target(&before), target(&after));
    let both = [inspection_origin(), application_origin()];
    assert!(from != to && both.contains(&from) && both.contains(&to), "from {from} to {to}");
    let edit = Edit::Retarget { path_pattern: PathPattern::default_behavior(), from, to };
    check_edit(&before, &after, &[edit]).expect("only the planned text differs");
}

/// The last two configurations of the standard distribution.
pub(crate) fn last_step(world: &World) -> (Vec<u8>, Vec<u8>) {
    let cloudfront = world.cloud.cloudfront();
    let [.., before, after] = cloudfront.versions(&distribution()) else { panic!("nothing was ever written") };
    (before.clone(), after.clone())
}
