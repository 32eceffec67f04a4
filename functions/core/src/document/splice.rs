//! Replacing ranges of a text, and writing the little XML that edits add.

use std::ops::Range;

use super::tree::{ElementId, Tree};

/// Replacement of a range of the text; an empty range inserts.
pub(super) struct Splice {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

impl Splice {
    pub(super) fn insert(at: usize, text: String) -> Self {
        Self { range: at..at, text }
    }

    pub(super) fn remove(range: Range<usize>) -> Self {
        Self { range, text: String::new() }
    }
}

/// A range of the text with some parts of it replaced. Parts that start at the same place keep their order.
pub(super) fn rewrite(text: &str, range: Range<usize>, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| splice.range.start);
    let mut rewritten = String::with_capacity(range.len());
    let mut at = range.start;
    for splice in splices {
        rewritten.push_str(&text[at..splice.range.start]);
        rewritten.push_str(&splice.text);
        at = splice.range.end;
    }
    rewritten.push_str(&text[at..range.end]);
    rewritten
}

/// Replaces all content of an element, which may be written `<Element/>`.
pub(super) fn set_text(tree: &Tree, element: ElementId, text: &str) -> Splice {
    if !tree.is_self_closing(element) {
        return Splice { range: tree.content(element), text: text.to_owned() };
    }
    let (open, name) = (tree.open(element), tree.name(element));
    let name = &tree.text()[name];
    let tag = &tree.text()[open.start..open.end - "/>".len()];
    Splice { range: open, text: format!("{tag}>{text}</{name}>") }
}

pub(super) fn element(prefix: &str, local_name: &str, content: &str) -> String {
    format!("<{prefix}{local_name}>{content}</{prefix}{local_name}>")
}

/// Text as it is written between tags, in the way CloudFront does it.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}
