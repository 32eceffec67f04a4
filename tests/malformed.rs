//! A configuration that is not whole, not unambiguous or not the right distribution's: every handler leaves everything
//! alone and says so.

use std::ops::Range;
use std::thread;

use failopen::document::Document;
use failopen::failure::ErrorType;
use failopen_tests::Operation;
use failopen_tests::events;
use failopen_tests::stack::Stack;
use failopen_tests::world::{CANARY, RICH_DISTRIBUTION, World, distribution};
use serde_json::{Value, json};

/// Patterns without a behaviour of their own, so that provisioning clones one for each and the document passes 40 kB.
const TRAFFIC: [&str; 5] = ["*", "/only-ours/*", "/checkout/new/*", "/search?/*", "/a&b/*"];

/// Two worlds whose distribution can be made to answer anything: one before a protection, one with a protection whose
/// inspection is down, so that every handler has a reason to write.
struct Site {
    bare: World,
    serving: World,
    /// One more like `serving`, for requests that leave the protection in the middle of being deleted.
    doomed: World,
}

impl Site {
    fn new() -> Self {
        let doomed = Self::protected();
        Self { bare: World::bare(), serving: Self::protected(), doomed }
    }

    /// A world whose protection was made by the real handler.
    fn protected() -> World {
        let world = World::bare();
        let answer = stack(&world).create();
        assert_eq!(answer["Status"], "SUCCESS", "{answer}");
        world.live(1);
        world.inspection_dies();
        world.cloud.clear_calls();
        world.cloud.outbox().messages.clear();
        world
    }

    /// Makes GetDistributionConfig answer these bytes with status 200, and asks every handler to write.
    fn refuses(&self, what: &str, bytes: &[u8]) {
        self.refuses_to_flip(what, bytes, &["bypass", "restore", "converge", "break-glass"], "Look at it with `aws");
        self.reacts_by_holding(what, bytes, "cannot be read");
        self.bare.cloud.cloudfront().garble(&distribution(), bytes);
        self.doomed.cloud.cloudfront().garble(&distribution(), bytes);
        let answers =
            [stack(&self.bare).create(), made_stack(&self.serving).update(), made_stack(&self.doomed).delete()];
        for answer in answers {
            failed_because(what, &answer, "cannot be read safely");
        }
        let planned = stack(&self.bare).plan().expect_err(what);
        assert_eq!(planned.error_type, ErrorType::MalformedDistribution, "{what}: {planned}");
        self.nothing_was_written(what);
    }

    fn refuses_to_flip(&self, what: &str, bytes: &[u8], requests: &[&str], said: &str) {
        self.serving.cloud.cloudfront().garble(&distribution(), bytes);
        for name in requests {
            let failure = self.serving.flip(request(&self.serving, name)).expect_err(what);
            assert_eq!(failure.error_type, ErrorType::MalformedDistribution, "{what}, {name}: {failure}");
            assert!(failure.message.contains(said), "{what}, {name}: {failure}");
            assert!(!failure.message.contains(CANARY), "{what}, {name}: {failure}");
        }
    }

    /// react, with the alarm ringing: hold, no request to flip, and no more than one message however often it is asked.
    fn reacts_by_holding(&self, what: &str, bytes: &[u8], said: &str) {
        self.serving.cloud.cloudfront().garble(&distribution(), bytes);
        let answer = self.serving.react(events::decide()).expect("react answers");
        let decision = &answer["decisions"][0];
        assert_eq!(decision["decision"], "hold", "{what}: {answer}");
        assert!(decision["because"].as_str().is_some_and(|because| because.contains(said)), "{what}: {answer}");
        let outbox = self.serving.cloud.outbox();
        assert_eq!(outbox.converges.len(), 0, "{what}");
        assert_eq!(outbox.messages.len(), 1, "{what}: {:?}", outbox.subjects());
    }

    /// No handler has changed anything at AWS, or in the protection that is in service.
    fn nothing_was_written(&self, what: &str) {
        for world in [&self.bare, &self.serving, &self.doomed] {
            let outside_the_ledger = |operation: Operation| !Operation::LEDGER.contains(&operation);
            let calls = world.cloud.calls();
            let mut operations = calls.iter().map(|call| call.operation);
            let write = operations.find(|operation| operation.is_write() && outside_the_ledger(*operation));
            assert_eq!(write, None, "{what}");
        }
        let row = self.serving.row();
        assert_eq!((&row.pin, &row.pending, row.flips.len()), (&None, &None, 0), "{what}");
        for world in [&self.bare, &self.serving, &self.doomed] {
            world.cloud.clear_calls();
            world.cloud.outbox().answers.clear();
        }
    }
}

fn stack(world: &World) -> Stack<'_> {
    let mut stack = Stack::new(world);
    stack.set(json!({"Traffic": TRAFFIC}));
    stack
}

/// The stack that holds the protection of this world.
fn made_stack(world: &World) -> Stack<'_> {
    let mut stack = stack(world);
    let row = world.row();
    stack.physical_id = Some(row.owner.physical_id(&row.name));
    // The first number is spent: a Create with it would be answered as it was before.
    let _made_it = stack.request("Create");
    stack
}

fn request(world: &World, name: &str) -> Value {
    match name {
        "bypass" | "restore" => json!({"action": name, "protection": "www", "reason": "INC-42"}),
        "converge" => json!({
            "action": "converge", "protection": "www", "posture": "bypassed", "reason": "AlarmActive",
            "because": "it rings", "decidedAt": world.clock.aws_now().to_string()
        }),
        "break-glass" => json!({
            "action": "bypass", "distribution": "E2EXAMPLE", "from": "failopen-www", "to": "app & co", "reason": "INC-42"
        }),
        other => panic!("there is no request {other}"),
    }
}

fn failed_because(what: &str, answer: &Value, said: &str) {
    assert_eq!(answer["Status"], "FAILED", "{what}: {answer}");
    let reason = answer["Reason"].as_str().expect("a failure has a reason");
    assert!(reason.contains(said) && !reason.contains(CANARY), "{what}: {reason}");
}

/// The configuration as provisioning leaves it.
fn provisioned() -> String {
    Site::protected().configuration()
}

/// Carries out the same for ranges of offsets, on all cores.
fn in_parallel(offsets: usize, check: impl Fn(Range<usize>) + Sync) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = offsets.div_ceil(cores);
    thread::scope(|scope| {
        for start in (0..offsets).step_by(share) {
            let check = &check;
            scope.spawn(move || check(start..offsets.min(start + share)));
        }
    });
}

#[test]
#[expect(clippy::print_stdout, reason = "a run says how many offsets it tried")]
fn a_configuration_cut_short_at_any_byte_is_refused_by_every_handler() {
    let whole = provisioned();
    assert!(whole.len() >= 40_000, "{} bytes", whole.len());
    // White space after the end of the root is no part of what it says.
    let end = whole.trim_end().len();
    in_parallel(end, |offsets| {
        let site = Site::new();
        for cut in offsets {
            site.refuses(&format!("the first {cut} bytes"), &whole.as_bytes()[..cut]);
        }
    });
    println!("{end} offsets, 9 requests to the handlers at each, 0 writes");
}

/// What CloudFront never sends, each made from the whole configuration.
fn impossible() -> Vec<(&'static str, Vec<u8>)> {
    let whole = provisioned();
    // Other elements have an `Enabled` of their own; this one is the distribution's.
    let enabled = "</PriceClass><Enabled>true</Enabled>";
    let target = "<DefaultCacheBehavior><TargetOriginId>failopen-www</TargetOriginId>";
    let with = |from: &str, to: &str| {
        assert_eq!(whole.matches(from).count(), 1, "{from} must name one place of the sample");
        whole.replacen(from, to, 1).into_bytes()
    };
    let behavior = |pattern: &str| {
        let start = whole.find(&format!("<CacheBehavior><PathPattern>{pattern}<")).expect("the sample has it");
        let length = whole[start..].find("</CacheBehavior>").expect("it ends") + "</CacheBehavior>".len();
        whole[start..start + length].to_owned()
    };
    let behaviors = whole.matches("<CacheBehavior>").count();
    let listed = format!("<CacheBehaviors><Quantity>{behaviors}</Quantity>");
    let one_more = format!("<CacheBehaviors><Quantity>{}</Quantity>", behaviors + 1);
    let api = behavior("/api/*");
    let bomb: String =
        (1..12).map(|level| format!("<!ENTITY e{level} \"{}\">", format!("&e{};", level - 1).repeat(10))).collect();
    let declaration = "?>\n<DistributionConfig";
    let in_the_middle = |junk: &[u8]| {
        let at = whole.find("<Comment>").expect("the sample has a comment") + "<Comment>".len();
        [&whole.as_bytes()[..at], junk, &whole.as_bytes()[at..]].concat()
    };
    vec![
        ("an empty answer", Vec::new()),
        ("HTML with status 200", b"<html><body>503 Service Unavailable</body></html>".to_vec()),
        (
            "HTML that is not XML",
            b"<!DOCTYPE html><html><head><meta charset=utf-8><title>Error</title></html>".to_vec(),
        ),
        ("JSON", br#"{"Message": "Service Unavailable"}"#.to_vec()),
        ("an error with status 200", b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>".to_vec()),
        ("another root", whole.replace("DistributionConfig", "StreamingDistributionConfig").into_bytes()),
        (
            "the answer of GetDistribution",
            format!("<Distribution>{}</Distribution>", whole.split_once("?>\n").expect("it is declared").1)
                .into_bytes(),
        ),
        ("a second document behind the first", format!("{whole}{}", RICH_DISTRIBUTION).into_bytes()),
        ("no Enabled", with(enabled, "</PriceClass>")),
        ("Enabled twice, the same", with(enabled, &format!("{enabled}<Enabled>true</Enabled>"))),
        ("Enabled twice, at odds", with(enabled, &format!("{enabled}<Enabled>false</Enabled>"))),
        ("Enabled that is neither true nor false", with(enabled, "</PriceClass><Enabled>yes</Enabled>")),
        ("Enabled inside something else", with(enabled, "</PriceClass><State><Enabled>true</Enabled></State>")),
        ("no default target", with(target, "<DefaultCacheBehavior>")),
        ("two default targets", with(target, &format!("{target}<TargetOriginId>app &amp; co</TargetOriginId>"))),
        (
            "a default target inside something else",
            with(target, "<DefaultCacheBehavior><X><TargetOriginId>failopen-www</TargetOriginId></X>"),
        ),
        ("a target that is no origin", with(target, "<DefaultCacheBehavior><TargetOriginId>nobody</TargetOriginId>")),
        ("no CallerReference", with("<CallerReference>console-2019-06-14T09:21:44.512Z</CallerReference>", "")),
        ("a document type", with(declaration, "?>\n<!DOCTYPE DistributionConfig><DistributionConfig")),
        (
            "a bomb of entities",
            with(declaration, &format!("?>\n<!DOCTYPE x [<!ENTITY e0 \"ha\">{bomb}]><DistributionConfig")),
        ),
        (
            "an external entity",
            with(declaration, "?>\n<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><DistributionConfig"),
        ),
        ("an entity that nobody declared", in_the_middle(b"&nbsp;")),
        ("elements nested without end", in_the_middle("<a>".repeat(100_000).as_bytes())),
        (
            "elements nested too deep, and closed",
            in_the_middle(("<a>".repeat(2_000) + &"</a>".repeat(2_000)).as_bytes()),
        ),
        ("invalid UTF-8", in_the_middle(&[0xc3, 0x28])),
        ("half a character", in_the_middle(&[0xe2, 0x82])),
        ("a surrogate in UTF-8", in_the_middle(&[0xed, 0xa0, 0x80])),
        ("UTF-16", whole.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a NUL", in_the_middle(&[0])),
        ("a NUL by number", in_the_middle(b"&#0;")),
        ("a control character", in_the_middle(&[0x1b])),
        ("two behaviours of one pattern", with(&api, &api.repeat(2)).as_slice().to_vec()),
        ("two behaviours of one pattern, and counted", {
            let doubled = whole.replacen(&api, &api.repeat(2), 1).replacen(&listed, &one_more, 1);
            assert!(doubled.contains(&one_more));
            doubled.into_bytes()
        }),
        ("two origins of one id", with("<Origin><Id>api-eu<", "<Origin><Id>static-assets<")),
        ("a Quantity above the behaviours", with(&listed, &one_more)),
        ("a Quantity below the origins", with("<Origins><Quantity>9<", "<Origins><Quantity>8<")),
        ("a Quantity of no number", with("<Origins><Quantity>9<", "<Origins><Quantity>nine<")),
        ("no Quantity", with("<Origins><Quantity>9</Quantity>", "<Origins>")),
        ("aliases that are not as many as they say", with("<Aliases><Quantity>3<", "<Aliases><Quantity>2<")),
        ("more than two megabytes", in_the_middle(&vec![b'x'; 2 * 1024 * 1024])),
    ]
}

#[test]
fn whatever_cloudfront_never_sends_is_refused_by_every_handler() {
    let site = Site::new();
    for (what, bytes) in impossible() {
        assert!(Document::parse(&bytes).is_err(), "{what} must not be read");
        site.refuses(what, &bytes);
    }
}

#[test]
fn once_the_answer_is_whole_again_the_flip_goes_on() {
    let site = Site::new();
    site.refuses("half a document", &RICH_DISTRIBUTION.as_bytes()[..RICH_DISTRIBUTION.len() / 2]);
    site.serving.cloud.cloudfront().ungarble(&distribution());
    site.serving.live(2);
    assert_eq!(site.serving.cloud.count(Operation::UpdateDistribution), 1, "the alarm still rings");
}

/// A configuration that is good in itself and another distribution's: the CallerReference, which CloudFront never changes,
/// is not the one in the ledger. Break-glass, which works without the ledger, has nothing to compare it with.
#[test]
fn another_distributions_configuration_is_refused_by_every_handler_that_knows_its_own() {
    let other = provisioned().replacen("console-2019-06-14T09:21:44.512Z", "someone-elses", 1);
    Document::parse(other.as_bytes()).expect("it is a good configuration");
    let site = Site::new();
    let what = "another distribution";
    site.refuses_to_flip(what, other.as_bytes(), &["bypass", "restore", "converge"], "CallerReference");
    site.reacts_by_holding(what, other.as_bytes(), "CallerReference");
    site.doomed.cloud.cloudfront().garble(&distribution(), other.as_bytes());
    failed_because(what, &made_stack(&site.serving).update(), "CallerReference");
    failed_because(what, &made_stack(&site.doomed).delete(), "CallerReference");
    site.nothing_was_written(what);
}
