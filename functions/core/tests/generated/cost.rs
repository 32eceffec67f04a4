//! What a large document costs. Nothing is asserted about time: `cargo test --release -p failopen --test generated --
//! --ignored --nocapture` prints it.

use std::time::Duration;

use failopen::document::{Document, Edit, check_edit};
use failopen::id::{OriginId, PathPattern};

/// Rounds of which the mean counts: the system counts in milliseconds.
const ROUNDS: u32 = 50;

/// A document of about this size with this many behaviours.
fn padded(bytes: usize, behaviors: usize) -> String {
    let origin = |id: &str| {
        format!(
            "<Origin><Id>{id}</Id><DomainName>{id}.example.com</DomainName><CustomOriginConfig><HTTPPort>80</HTTPPort>\
             <HTTPSPort>443</HTTPSPort><OriginProtocolPolicy>https-only</OriginProtocolPolicy></CustomOriginConfig></Origin>"
        )
    };
    // As many elements a kilobyte as CloudFront writes.
    let unknown = "<Setting><Quantity>1</Quantity><Items><Name>something of some length</Name></Items></Setting>";
    let padding = unknown.repeat(bytes / (behaviors + 1) / unknown.len());
    let behavior = |at: usize| {
        format!(
            "<CacheBehavior><PathPattern>/{at}/*</PathPattern><TargetOriginId>a</TargetOriginId>{padding}</CacheBehavior>"
        )
    };
    let list: String = (0..behaviors).map(behavior).collect();
    format!(
        "<DistributionConfig><CallerReference>r</CallerReference><Origins><Quantity>2</Quantity><Items>{}{}</Items></Origins>\
         <DefaultCacheBehavior><TargetOriginId>a</TargetOriginId>{padding}</DefaultCacheBehavior><CacheBehaviors>\
         <Quantity>{behaviors}</Quantity><Items>{list}</Items></CacheBehaviors><Enabled>true</Enabled></DistributionConfig>",
        origin("a"),
        origin("b")
    )
}

/// How long one round keeps a processor busy: what else the machine does counts less than by the clock.
fn cost<T>(mut work: impl FnMut() -> T) -> Duration {
    let start = busy();
    for _ in 0..ROUNDS {
        std::hint::black_box(work());
    }
    busy().saturating_sub(start) / ROUNDS
}

/// How long this thread has run on a processor; nothing where the system does not say.
fn busy() -> Duration {
    let status = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(status.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

/// The most memory that this process has had, in kilobytes; 0 where the system does not say.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default()
}

#[test]
#[expect(clippy::print_stdout, reason = "it prints what it measures")]
#[ignore = "prints what it measures and asserts nothing about time"]
fn what_reading_and_flipping_a_large_document_costs() {
    let flip = |pattern: &str| Edit::Retarget {
        path_pattern: PathPattern::new(pattern),
        from: OriginId::new("a"),
        to: OriginId::new("b"),
    };
    let mut before: Option<(usize, Duration, Duration)> = None;
    for (bytes, behaviors) in [(250_000, 62), (500_000, 125), (1_000_000, 250)] {
        let text = padded(bytes, behaviors);
        let at_rest = peak();
        let parse = cost(|| Document::parse(text.as_bytes()).expect("a good document"));
        let document = Document::parse(text.as_bytes()).expect("a good document");
        let edits = [flip("*"), flip("/7/*")];
        let whole = cost(|| {
            let document = Document::parse(text.as_bytes()).expect("a good document");
            let after = document.edit(&edits).expect("it can be flipped");
            check_edit(&document, &after, &edits).expect("it passes");
            after
        });
        let peak = peak();
        let ratio = |now: Duration, then: Duration| now.as_secs_f64() / then.as_secs_f64();
        let (size, growth) = (
            document.bytes().len(),
            before.map_or((1.0, 1.0, 1.0), |(size, read, flip)| {
                (document.bytes().len() as f64 / size as f64, ratio(parse, read), ratio(whole, flip))
            }),
        );
        println!(
            "{size} bytes, {behaviors} behaviours: read {parse:?}, read + 2 retargets + check {whole:?}, peak {peak} kB \
             (before {at_rest} kB); against the size before: bytes x{:.2}, read x{:.2}, flip x{:.2}",
            growth.0, growth.1, growth.2
        );
        before = Some((size, parse, whole));
    }
}
