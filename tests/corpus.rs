//! The committed corpus of the fuzz targets, and events that were never seen: nothing panics, and what is refused is refused
//! with a sentence. `cargo fuzz` looks for more of them (CONTRIBUTING.md).

#![expect(clippy::print_stdout, reason = "a run says how much it tried")]

use std::path::PathBuf;

use failopen::failure::Failure;
use failopen_tests::World;
use failopen_tests::stack::Stack;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

#[expect(unreachable_pub, reason = "the module belongs to the fuzz targets")]
#[path = "fuzz/src/document.rs"]
mod document;
#[expect(unreachable_pub, reason = "the module belongs to the fuzz targets")]
#[path = "fuzz/src/properties.rs"]
mod properties;
#[expect(unreachable_pub, reason = "the module belongs to the fuzz targets")]
#[path = "fuzz/src/response_url.rs"]
mod response_url;

/// Events changed and delivered in each run: as many as take a few seconds.
const EVENTS: u32 = 300;

/// Every committed file of one corpus, by name. What a fuzz run on this machine has put beside them has no ending.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = files.map(|file| file.expect("a file of the corpus").path());
    let mut corpus: Vec<(String, Vec<u8>)> = paths
        .filter(|path| path.extension().is_some())
        .map(|path| {
            let bytes = std::fs::read(&path).expect("a readable file");
            (path.file_name().expect("a name").to_string_lossy().into_owned(), bytes)
        })
        .collect();
    corpus.sort();
    assert!(corpus.len() >= 10, "{} files in {}", corpus.len(), folder.display());
    corpus
}

#[test]
fn every_document_of_the_corpus_is_refused_or_edited_without_touching_another_byte() {
    for (name, bytes) in corpus("document") {
        println!("{name}");
        document::check(&bytes);
    }
}

#[test]
fn every_set_of_properties_of_the_corpus_is_a_protection_or_a_list_of_problems() {
    for (name, bytes) in corpus("properties") {
        println!("{name}");
        properties::check(&bytes);
    }
}

#[test]
fn every_url_of_the_corpus_is_judged_as_another_parser_reads_it() {
    for (name, bytes) in corpus("response_url") {
        println!("{name}");
        response_url::check(&bytes);
    }
}

#[test]
fn every_event_of_the_corpus_is_answered_by_every_function() {
    for (name, event) in events() {
        println!("{name}");
        deliver(&event);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: EVENTS, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_event_whatever_makes_a_handler_panic(
        seed in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), value(), any::<bool>()), 1..4),
    ) {
        let events = events();
        let mut event = seed.get(&events).1.clone();
        for (place, value, removes) in changes {
            change(&mut event, &place, value, removes);
        }
        deliver(&event);
    }
}

fn events() -> Vec<(String, Value)> {
    let texts = corpus("events").into_iter();
    texts.filter_map(|(name, bytes)| Some((name, serde_json::from_slice(&bytes).ok()?))).collect()
}

/// What nobody expects at the place of something else.
fn value() -> impl Strategy<Value = Value> {
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("\u{0}\u{1f6e1}\n"),
        json!("x".repeat(10_000)),
        json!("99999999999999999999d"),
        json!("-9999-01-01T00:00:00Z"),
        json!([]),
        json!({}),
        json!([[[["*"]]]]),
        json!({"Name": {"Name": []}}),
    ];
    prop::sample::select(odd.to_vec())
}

/// Replaces or removes one node of the event, the event itself included.
fn change(event: &mut Value, place: &Index, value: Value, removes: bool) {
    let mut paths = Vec::new();
    pointers(event, String::new(), &mut paths);
    let path = place.get(&paths).clone();
    let parent = path.rsplit_once('/').and_then(|(parent, name)| Some((event.pointer_mut(parent)?, name)));
    match parent {
        Some((Value::Object(map), name)) if removes => {
            map.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        _ => {
            if let Some(node) = event.pointer_mut(&path) {
                *node = value;
            }
        }
    }
}

/// JSON pointers of every node.
fn pointers(node: &Value, path: String, paths: &mut Vec<String>) {
    match node {
        Value::Object(map) => {
            for (name, value) in map {
                pointers(value, format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), paths);
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                pointers(value, format!("{path}/{at}"), paths);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    paths.push(path);
}

/// Delivers one event to all three functions, each in a world of its own.
fn deliver(event: &Value) {
    let said_why = |answer: Result<Value, Failure>| {
        if let Err(failure) = answer {
            assert!(failure.message.contains(' '), "`{failure}` is no sentence");
        }
    };
    said_why(World::standard().react(event.clone()));
    said_why(World::standard().flip(event.clone()));

    let world = World::standard();
    said_why(Stack::new(&world).invoke(event.clone()).finished());
    for answer in &world.cloud.outbox().answers {
        assert!(!answer.body.contains("a defect of its own"), "provision panicked and answered {}", answer.body);
        assert!(answer.body.len() <= 4096, "{} bytes", answer.body.len());
    }
}
