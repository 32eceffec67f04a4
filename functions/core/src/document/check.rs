//! An independent look at what edits did: from the two documents alone, without making the edits again.

use std::collections::BTreeSet;
use std::ops::Range;

use super::edit::{CONNECTION_ATTEMPTS, CONNECTION_TIMEOUT, MAX_KEEPALIVE_SECONDS, expect};
use super::tree::{ElementId, ROOT, Tree};
use super::{Document, Edit, EditError, OriginKind};
use crate::id::{OriginId, PathPattern};

/// Whether `after` is `before` with these edits made and not a byte more.
///
/// Used before a document is written, where it guards against mistakes of the editing, and on what is read back, where
/// it shows what CloudFront or somebody else did meanwhile. Outside of the texts that the edits name, the bytes must be
/// equal; where behaviours or origins are added or removed, the white space before them and the counts may differ, too,
/// and the origins, whose order means nothing, may come in any order.
///
/// # Errors
/// [`EditError::Strayed`] with the place, or another [`EditError`] where the edits do not fit `before`.
pub fn check_edit(before: &Document, after: &Document, edits: &[Edit]) -> Result<(), EditError> {
    let mut expected = Expected::unedited(before);
    for edit in edits {
        expected.expect(edit)?;
    }
    expected.check_behaviors(before, after)?;
    expected.check_origins(before, after)?;
    match frame(before, edits) == frame(after, edits) {
        true => Ok(()),
        false => Err(strayed("outside of origins and behaviours")),
    }
}

/// What `after` has to hold, item by item, and which element of `before` each item must look like.
struct Expected {
    origins: Vec<ExpectedOrigin>,
    behaviors: Vec<ExpectedBehavior>,
    origins_may_move: bool,
}

struct ExpectedOrigin {
    id: OriginId,
    looks_like: ElementId,
    /// HTTPS port, where the origin is an added one.
    added: Option<u16>,
    domain_name: String,
    is_renamed: bool,
    /// HTTPS port, where an edit has set it.
    moved: Option<u16>,
}

struct ExpectedBehavior {
    path_pattern: PathPattern,
    looks_like: ElementId,
    is_clone: bool,
    target: OriginId,
    is_retargeted: bool,
}

impl Expected {
    fn unedited(before: &Document) -> Self {
        let index = &before.index;
        let origins = index.origins.iter().zip(&index.origin_elements).map(|(origin, element)| ExpectedOrigin {
            id: origin.id.clone(),
            looks_like: *element,
            added: None,
            domain_name: origin.domain_name.clone(),
            is_renamed: false,
            moved: None,
        });
        let behaviors = index.behaviors.iter().zip(&index.behavior_elements).map(|(behavior, element)| {
            let (path_pattern, target) = (behavior.path_pattern.clone(), behavior.target.clone());
            ExpectedBehavior { path_pattern, looks_like: *element, is_clone: false, target, is_retargeted: false }
        });
        Self { origins: origins.collect(), behaviors: behaviors.collect(), origins_may_move: false }
    }

    /// Takes one edit into account, on the level of what there is rather than of bytes.
    fn expect(&mut self, edit: &Edit) -> Result<(), EditError> {
        match edit {
            Edit::Retarget { path_pattern, from, to } => {
                let at = self.behavior_at(path_pattern)?;
                let behavior = &mut self.behaviors[at];
                expect(
                    || format!("the target of behaviour `{path_pattern}`"),
                    from.as_str(),
                    behavior.target.as_str(),
                )?;
                behavior.target = to.clone();
                behavior.is_retargeted = true;
            }
            Edit::AddOrigin { like, origin } => {
                let looks_like = self.origins[self.origin_at(like)?].looks_like;
                self.origins_may_move = true;
                self.origins.push(ExpectedOrigin {
                    id: origin.id.clone(),
                    looks_like,
                    added: Some(origin.https_port),
                    domain_name: origin.domain_name.to_string(),
                    is_renamed: true,
                    moved: None,
                });
            }
            Edit::SetOriginDomain { id, from, to } => {
                let at = self.origin_at(id)?;
                let origin = &mut self.origins[at];
                expect(|| format!("the host name of origin `{id}`"), from.as_str(), &origin.domain_name)?;
                origin.domain_name = to.to_string();
                origin.is_renamed = true;
            }
            Edit::SetOriginPort { id, to, .. } => {
                let at = self.origin_at(id)?;
                match &mut self.origins[at].added {
                    Some(port) => *port = *to,
                    None => self.origins[at].moved = Some(*to),
                }
            }
            Edit::RemoveOrigin { id } => {
                let at = self.origin_at(id)?;
                self.origins_may_move = true;
                self.origins.remove(at);
            }
            Edit::CloneBehavior { serving, path_pattern, target } => {
                let at = self.behavior_at(serving)?;
                let looks_like = self.behaviors[at].looks_like;
                let (path_pattern, target) = (path_pattern.clone(), target.clone());
                let clone = ExpectedBehavior { path_pattern, looks_like, is_clone: true, target, is_retargeted: true };
                self.behaviors.insert(at, clone);
            }
            Edit::RemoveBehavior { path_pattern } => {
                let at = self.behaviors.iter().position(|behavior| behavior.path_pattern == *path_pattern);
                self.behaviors.remove(at.ok_or_else(|| EditError::UnknownBehavior(path_pattern.clone()))?);
            }
        }
        Ok(())
    }

    fn behavior_at(&self, pattern: &PathPattern) -> Result<usize, EditError> {
        let exact = self.behaviors.iter().position(|behavior| behavior.path_pattern == *pattern);
        let alike = || self.behaviors.iter().position(|behavior| behavior.path_pattern.is_alike(pattern));
        exact.or_else(alike).ok_or_else(|| EditError::UnknownBehavior(pattern.clone()))
    }

    fn origin_at(&self, id: &OriginId) -> Result<usize, EditError> {
        let at = self.origins.iter().position(|origin| origin.id == *id);
        at.ok_or_else(|| EditError::UnknownOrigin(id.clone()))
    }

    fn check_behaviors(&self, before: &Document, after: &Document) -> Result<(), EditError> {
        if self.behaviors.len() != after.behaviors().len() {
            return Err(strayed("the list of behaviours"));
        }
        let found = after.behaviors().iter().zip(&after.index.behavior_elements);
        for (expected, (found, element)) in self.behaviors.iter().zip(found) {
            let at = || strayed(&format!("behaviour `{}`", expected.path_pattern));
            if found.path_pattern != expected.path_pattern || found.target != expected.target {
                return Err(at());
            }
            let rest = |tree, element| behavior_rest(tree, element, expected);
            let is_plain =
                after.tree.child(*element, "TargetOriginId").is_some_and(|target| after.tree.is_plain(target));
            if (expected.is_retargeted && !is_plain)
                || rest(&before.tree, expected.looks_like) != rest(&after.tree, *element)
            {
                return Err(at());
            }
        }
        Ok(())
    }

    fn check_origins(&self, before: &Document, after: &Document) -> Result<(), EditError> {
        let (expected, found) = (self.origins.iter().map(|o| &o.id), after.origins().iter().map(|o| &o.id));
        let is_same = match self.origins_may_move {
            true => expected.collect::<BTreeSet<_>>() == found.collect(),
            false => expected.eq(found),
        };
        if !is_same {
            return Err(strayed("the list of origins"));
        }
        for expected in &self.origins {
            let at = || strayed(&format!("origin `{}`", expected.id));
            let element = after.index.origin_element(&expected.id).ok_or_else(at)?;
            let has_name = after.origin(&expected.id).is_some_and(|origin| origin.domain_name == expected.domain_name);
            let rest = |tree, element| origin_rest(tree, element, expected);
            let is_on_port = expected.moved.is_none_or(|port| {
                let kind = after.origin(&expected.id).map(|origin| &origin.kind);
                matches!(kind, Some(OriginKind::Custom { https_port, .. }) if *https_port == port)
            });
            if !has_name
                || !is_on_port
                || rest(&before.tree, expected.looks_like) != rest(&after.tree, element)
                || expected.added.is_some_and(|port| !is_quick(before, expected.looks_like, after, element, port))
            {
                return Err(at());
            }
        }
        Ok(())
    }
}

/// The bytes of a behaviour that the edits do not name; of a clone, which may have another kind of tag, what is inside.
fn behavior_rest(tree: &Tree, behavior: ElementId, expected: &ExpectedBehavior) -> Option<String> {
    let target = tree.child(behavior, "TargetOriginId")?;
    let mut cuts = Vec::new();
    if expected.is_retargeted {
        cuts.push(tree.content(target));
    }
    if !expected.is_clone {
        return Some(without(tree, tree.range(behavior), cuts));
    }
    cuts.extend(tree.child(behavior, "PathPattern").map(|pattern| with_indent(tree, pattern)));
    Some(without(tree, tree.name(behavior).end..tree.content(behavior).end, cuts))
}

/// The bytes of an origin that the edits do not name.
fn origin_rest(tree: &Tree, origin: ElementId, expected: &ExpectedOrigin) -> Option<String> {
    let mut cuts = Vec::new();
    if expected.is_renamed {
        cuts.push(tree.content(tree.child(origin, "DomainName")?));
    }
    if expected.moved.is_some() {
        cuts.push(tree.content(tree.child(tree.child(origin, "CustomOriginConfig")?, "HTTPSPort")?));
    }
    if expected.added.is_some() {
        let config = tree.child(origin, "CustomOriginConfig")?;
        cuts.push(tree.content(tree.child(origin, "Id")?));
        cuts.push(tree.content(tree.child(config, "HTTPSPort")?));
        let inside = tree.child(config, "OriginKeepaliveTimeout");
        let beside = ["ConnectionAttempts", "ConnectionTimeout"].map(|name| tree.child(origin, name));
        cuts.extend([inside, beside[0], beside[1]].into_iter().flatten().map(|element| with_indent(tree, element)));
    }
    Some(without(tree, tree.range(origin), cuts))
}

/// Whether an added origin has the settings that make CloudFront give up on a dead address and follow a changed one.
fn is_quick(before: &Document, model: ElementId, after: &Document, added: ElementId, https_port: u16) -> bool {
    let number = |document: &Document, inside: Option<ElementId>, name| {
        let value = document.tree.value(document.tree.child(inside?, name)?)?;
        value.trim().parse::<u32>().ok()
    };
    let config = |document: &Document, origin| document.tree.child(origin, "CustomOriginConfig");
    let old = number(before, config(before, model), "OriginKeepaliveTimeout");
    let new = |name| number(after, config(after, added), name);
    new("HTTPSPort") == Some(u32::from(https_port))
        && new("OriginKeepaliveTimeout") == old.map(|seconds| seconds.min(MAX_KEEPALIVE_SECONDS))
        && number(after, Some(added), "ConnectionAttempts") == Some(CONNECTION_ATTEMPTS)
        && number(after, Some(added), "ConnectionTimeout") == Some(CONNECTION_TIMEOUT)
}

/// The bytes outside of origins and behaviours.
fn frame(document: &Document, edits: &[Edit]) -> String {
    let (tree, index) = (&document.tree, &document.index);
    let mut cuts = Vec::new();
    let counts_origins = |edit: &Edit| matches!(edit, Edit::AddOrigin { .. } | Edit::RemoveOrigin { .. });
    if edits.iter().any(counts_origins) {
        cuts.extend(index.origin_elements.iter().map(|origin| with_indent(tree, *origin)));
        cuts.extend(quantity(tree, "Origins"));
    } else {
        cuts.extend(index.origin_elements.iter().map(|origin| tree.range(*origin)));
    }
    let counts_behaviors = |edit: &Edit| matches!(edit, Edit::CloneBehavior { .. } | Edit::RemoveBehavior { .. });
    let (default, others) = match index.behavior_elements.split_last() {
        Some((default, others)) => (tree.range(*default), others),
        None => (0..0, &[][..]),
    };
    cuts.push(default);
    if !edits.iter().any(counts_behaviors) {
        cuts.extend(others.iter().map(|behavior| tree.range(*behavior)));
    } else if let Some(list) = tree.child(ROOT, "CacheBehaviors") {
        cuts.extend(countable(tree, list, others));
    }
    without(tree, 0..tree.text().len(), cuts)
}

/// What to cut of the list of behaviours, so that what is left does not depend on how many there are: an empty list may
/// lack its Items or be absent as a whole.
fn countable(tree: &Tree, list: ElementId, behaviors: &[ElementId]) -> Vec<Range<usize>> {
    let is_bare = |element: ElementId, cuts: Vec<Range<usize>>| {
        !tree.has_attributes(element) && without(tree, tree.content(element), cuts).trim().is_empty()
    };
    let own: Vec<_> = behaviors.iter().map(|behavior| with_indent(tree, *behavior)).collect();
    let items = tree.child(list, "Items");
    let items_are_bare = items.is_none_or(|items| is_bare(items, own.clone()));
    let parts = [items, tree.child(list, "Quantity")].into_iter().flatten().map(|part| with_indent(tree, part));
    if items_are_bare && is_bare(list, parts.collect()) {
        return vec![with_indent(tree, list)];
    }
    let mut cuts = match items {
        Some(items) if items_are_bare => vec![with_indent(tree, items)],
        Some(items) => [own, tag_ends(tree, items)].concat(),
        None => own,
    };
    cuts.extend(quantity(tree, "CacheBehaviors"));
    cuts
}

/// What differs between `<Items a="b"/>` and `<Items a="b"></Items>`.
fn tag_ends(tree: &Tree, element: ElementId) -> Vec<Range<usize>> {
    let open = tree.open(element).end;
    let end = if tree.is_self_closing(element) { "/>" } else { ">" };
    vec![open - end.len()..open, tree.content(element).end..tree.range(element).end]
}

/// The text of the count of a list right below the root.
fn quantity(tree: &Tree, list: &str) -> Option<Range<usize>> {
    Some(tree.content(tree.child(tree.child(ROOT, list)?, "Quantity")?))
}

fn with_indent(tree: &Tree, element: ElementId) -> Range<usize> {
    tree.indent_start(element)..tree.range(element).end
}

/// A range of the text without some parts of it.
fn without(tree: &Tree, range: Range<usize>, mut cuts: Vec<Range<usize>>) -> String {
    cuts.sort_by_key(|cut| cut.start);
    let mut rest = String::with_capacity(range.len());
    let mut at = range.start;
    for cut in cuts {
        rest.push_str(&tree.text()[at..cut.start]);
        at = cut.end;
    }
    rest + &tree.text()[at..range.end]
}

fn strayed(at: &str) -> EditError {
    EditError::Strayed { at: at.to_owned() }
}
