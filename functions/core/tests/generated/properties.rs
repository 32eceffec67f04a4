//! What must hold for every document.

use std::collections::BTreeSet;

use failopen::document::{Document, Edit, NewOrigin, OriginKind, check_edit};
use failopen::flip;
use failopen::id::{DistributionId, Hostname, OriginId, PathPattern};
use failopen::ledger::{MadeDistribution, ProtectedBehavior};
use failopen::posture::Side;
use fastrand::Rng;

use crate::oracle;
use crate::sketch::Sketch;

/// Most edits of one combined plan. Documents with hundreds of behaviours get fewer, so that a run stays short.
const MOST_EDITS: usize = 3;

/// Makes the document of a seed and checks it. Returns what was special about it.
pub(crate) fn hold(seed: u64) -> BTreeSet<&'static str> {
    let sketch = Sketch::of(seed);
    let mut rng = Rng::with_seed(!seed);
    let document = Document::parse(sketch.text.as_bytes())
        .unwrap_or_else(|malformed| panic!("seed {seed} is refused: {malformed}\n{}", excerpt(&sketch.text)));
    is_read_as_it_was_meant(&sketch, &document);
    a_retarget_replaces_one_text(&sketch, &document, &mut rng);
    a_plan_makes_each_edit_and_nothing_else(&document, &mut rng);
    a_flip_moves_the_protected_behaviors(&document, &mut rng);
    a_byte_beside_the_plan_is_found(&document, &mut rng);
    sketch.features.into_iter().collect()
}

fn excerpt(text: &str) -> String {
    text.chars().take(3_000).collect()
}

fn text(document: &Document) -> &str {
    std::str::from_utf8(document.bytes()).expect("a document is UTF-8")
}

/// Maker, product and another reader agree on ids, host names, targets and their order.
fn is_read_as_it_was_meant(sketch: &Sketch, document: &Document) {
    assert!(document.bytes() == sketch.text.as_bytes(), "reading changes nothing");
    assert_eq!(document.caller_reference(), sketch.caller_reference);
    assert_eq!(document.aliases(), sketch.aliases);
    let targets = sketch.behaviors.iter().map(|behavior| {
        let target = sketch.origins[behavior.target].id.clone();
        (behavior.path_pattern.clone(), target)
    });
    let meant = oracle::Reading {
        caller_reference: sketch.caller_reference.clone(),
        aliases: sketch.aliases.clone(),
        origins: sketch.origins.iter().map(|origin| (origin.id.clone(), origin.domain_name.clone())).collect(),
        behaviors: targets.collect(),
    };
    assert_eq!(oracle::read(&sketch.text), meant, "the other reader");
    assert_eq!(reading(document), meant, "the product");
    for (origin, meant) in document.origins().iter().zip(&sketch.origins) {
        assert_eq!(origin.custom_header_names, meant.headers);
        assert_eq!(is_custom(origin), meant.is_custom);
    }
}

fn is_custom(origin: &failopen::document::Origin) -> bool {
    matches!(origin.kind, failopen::document::OriginKind::Custom { .. })
}

fn reading(document: &Document) -> oracle::Reading {
    let origin = |origin: &failopen::document::Origin| (origin.id.to_string(), origin.domain_name.clone());
    let behavior =
        |behavior: &failopen::document::Behavior| (behavior.path_pattern.to_string(), behavior.target.to_string());
    oracle::Reading {
        caller_reference: document.caller_reference().to_owned(),
        aliases: document.aliases().to_vec(),
        origins: document.origins().iter().map(origin).collect(),
        behaviors: document.behaviors().iter().map(behavior).collect(),
    }
}

/// Makes an edit, compares every byte with what the oracle makes of it, and has both readers agree on the result.
fn made(before: &Document, edit: &Edit) -> Document {
    let after = before.edit(std::slice::from_ref(edit)).unwrap_or_else(|error| panic!("{edit:?}: {error}"));
    let expected = oracle::edited(text(before), edit);
    assert!(text(&after) == expected, "{edit:?} made\n{}\nof\n{}\nand not\n{expected}", text(&after), text(before));
    check_edit(before, &after, std::slice::from_ref(edit)).unwrap_or_else(|error| panic!("{edit:?}: {error}"));
    assert_eq!(oracle::read(text(&after)), reading(&after), "{edit:?}");
    after
}

/// By the bytes that the maker knows: before and behind the text of the target nothing differs.
fn a_retarget_replaces_one_text(sketch: &Sketch, document: &Document, rng: &mut Rng) {
    let at = rng.usize(..sketch.behaviors.len());
    let to = rng.usize(..sketch.origins.len());
    let (behavior, id) = (&sketch.behaviors[at], |origin: usize| OriginId::new(sketch.origins[origin].id.as_str()));
    let path_pattern = PathPattern::new(behavior.path_pattern.as_str());
    let away = Edit::Retarget { path_pattern: path_pattern.clone(), from: id(behavior.target), to: id(to) };
    let after = made(document, &away);
    let (before, after_text) = (&sketch.text, text(&after));
    let tail = before.len() - behavior.target_text.end;
    assert_eq!(after_text[..behavior.target_text.start], before[..behavior.target_text.start]);
    assert_eq!(after_text[after_text.len() - tail..], before[behavior.target_text.end..]);
    assert_eq!(after.behaviors()[at].target, id(to));
    let back = made(&after, &Edit::Retarget { path_pattern, from: id(to), to: id(behavior.target) });
    assert_eq!(reading(&back), reading(document));
}

/// Several edits one after the other, each as the oracle has it; all at once the same; taken back, every byte is again
/// what it was wherever the document spells a target as it spells the origin's id.
fn a_plan_makes_each_edit_and_nothing_else(original: &Document, rng: &mut Rng) {
    let most = if original.behaviors().len() > 20 { 2 } else { MOST_EDITS };
    let (mut document, mut edits, mut reverses) = (original.clone(), Vec::new(), Vec::new());
    for serial in 0..rng.usize(1..=most) {
        let (edit, reverse) = edit_and_reverse(&document, serial, rng);
        document = made(&document, &edit);
        edits.push(edit);
        reverses.push(reverse);
    }
    let at_once = original.edit(&edits).expect("what was possible one by one");
    assert!(at_once.bytes() == document.bytes());
    check_edit(original, &at_once, &edits).expect("a plan passes its check");
    for reverse in reverses.iter().rev() {
        document = made(&document, reverse);
    }
    assert_eq!(reading(&document), reading(original));
    let is_only_additions = edits.iter().all(|edit| match edit {
        Edit::AddOrigin { .. } | Edit::CloneBehavior { .. } => true,
        Edit::Retarget { .. }
        | Edit::SetOriginDomain { .. }
        | Edit::SetOriginPort { .. }
        | Edit::RemoveOrigin { .. }
        | Edit::RemoveBehavior { .. } => false,
    });
    if is_only_additions && has_behaviors(original) {
        assert!(
            document.bytes() == original.bytes(),
            "added and removed again:\n{}\n{}",
            text(original),
            text(&document)
        );
    }
}

/// Without any, the list itself may be written in forms of which CloudFront has only one, and that one is left behind.
fn has_behaviors(document: &Document) -> bool {
    document.behaviors().len() > 1
}

/// An edit that fits the document, and the one that takes it back.
fn edit_and_reverse(document: &Document, serial: usize, rng: &mut Rng) -> (Edit, Edit) {
    let behavior = &document.behaviors()[rng.usize(..document.behaviors().len())];
    let other = &document.origins()[rng.usize(..document.origins().len())];
    let custom: Vec<_> = document.origins().iter().filter(|origin| is_custom(origin)).collect();
    match rng.u32(..6) {
        0 | 1 => {
            let id = OriginId::new(format!("failopen-{serial} & \u{65e5}"));
            let like = custom[rng.usize(..custom.len())].id.clone();
            let origin = NewOrigin { id: id.clone(), domain_name: Hostname::new("r.example.com"), https_port: 8443 };
            (Edit::AddOrigin { like, origin }, Edit::RemoveOrigin { id })
        }
        2 => {
            let path_pattern = PathPattern::new(format!("/clone{serial} <&>/?"));
            let (serving, target) = (behavior.path_pattern.clone(), other.id.clone());
            let clone = Edit::CloneBehavior { serving, path_pattern: path_pattern.clone(), target };
            (clone, Edit::RemoveBehavior { path_pattern })
        }
        3 => {
            let (id, from, to) =
                (other.id.clone(), Hostname::new(other.domain_name.as_str()), Hostname::new("m.example.com"));
            let back = Edit::SetOriginDomain { id: id.clone(), from: to.clone(), to: from.clone() };
            (Edit::SetOriginDomain { id, from, to }, back)
        }
        4 => {
            let moved = custom[rng.usize(..custom.len())];
            let OriginKind::Custom { https_port: from, .. } = moved.kind else { panic!("a custom origin") };
            let (id, to) = (moved.id.clone(), 9443);
            let back = Edit::SetOriginPort { id: id.clone(), from: to, to: from };
            (Edit::SetOriginPort { id, from, to }, back)
        }
        _ => {
            let (path_pattern, from, to) = (behavior.path_pattern.clone(), behavior.target.clone(), other.id.clone());
            let back = Edit::Retarget { path_pattern: path_pattern.clone(), from: to.clone(), to: from.clone() };
            (Edit::Retarget { path_pattern, from, to }, back)
        }
    }
}

/// The way of a flip: `flip::plan` names exactly the protected behaviours that are elsewhere, and what is written differs
/// in their targets.
fn a_flip_moves_the_protected_behaviors(document: &Document, rng: &mut Rng) {
    let application = document.behaviors()[rng.usize(..document.behaviors().len())].target.clone();
    let inspection = document.origins()[rng.usize(..document.origins().len())].clone();
    if application == inspection.id {
        return;
    }
    let is_ours = |target: &OriginId| *target == application || *target == inspection.id;
    let protected: Vec<_> = document.behaviors().iter().filter(|behavior| is_ours(&behavior.target)).take(8).collect();
    let made_distribution = MadeDistribution {
        id: DistributionId::new("E1"),
        caller_reference: document.caller_reference().to_owned(),
        inspection_origin: inspection.id.clone(),
        origin_adopted: false,
        origin_ports: vec![8443],
        application_origin: application.clone(),
        behaviors: protected
            .iter()
            .map(|behavior| ProtectedBehavior {
                path_pattern: behavior.path_pattern.clone(),
                original_target: application.clone(),
                cloned: None,
            })
            .collect(),
        written: true,
    };
    let record = Hostname::new(inspection.domain_name.as_str());
    let mut before = document.clone();
    for (side, to) in [(Side::Bypassed, &application), (Side::Inspected, &inspection.id)] {
        let plan = flip::plan(&before, &made_distribution, &record, side).expect("both origins are there");
        let moved = |behavior: &&&failopen::document::Behavior| {
            before.behavior(&behavior.path_pattern).is_some_and(|present| present.target != *to)
        };
        let expected: Vec<_> = protected.iter().filter(moved).map(|behavior| &behavior.path_pattern).collect();
        assert_eq!(plan.changes.iter().map(|change| &change.path_pattern).collect::<Vec<_>>(), expected);
        let edits = plan.edits();
        let after = before.edit(&edits).expect("a planned flip can be written");
        check_edit(&before, &after, &edits).expect("a flip passes its check");
        let expected = edits.iter().fold(text(&before).to_owned(), |text, edit| oracle::edited(&text, edit));
        assert!(text(&after) == expected, "a flip made\n{}\nand not\n{expected}", text(&after));
        assert_eq!(flip::posture(&after, &made_distribution), side.posture());
        before = after;
    }
}

/// A byte that changed beside the plan, on the way or in our own hands, does not pass the check.
fn a_byte_beside_the_plan_is_found(document: &Document, rng: &mut Rng) {
    let mut bytes = document.bytes().to_vec();
    let at = rng.usize(..bytes.len());
    match rng.u32(..3) {
        0 => {
            bytes.remove(at);
        }
        1 => bytes.insert(at, b' '),
        _ => bytes[at] = bytes[at].wrapping_add(1),
    }
    if let Ok(damaged) = Document::parse(&bytes) {
        assert!(check_edit(document, &damaged, &[]).is_err(), "byte {at} of\n{}", text(document));
    }
}
