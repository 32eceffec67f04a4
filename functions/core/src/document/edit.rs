//! The edits, made by replacing ranges of bytes.

use super::malformed::Malformed;
use super::splice::{Splice, element, escape, rewrite, set_text};
use super::tree::{ElementId, ROOT};
use super::{Document, OriginKind};
use crate::id::{Hostname, OriginId, PathPattern};

/// Connection attempts of an added origin, the quick end of CloudFront's range that still forgives one lost packet.
pub(super) const CONNECTION_ATTEMPTS: u32 = 2;
/// Seconds for each of them; together at most 6 until CloudFront gives up on a dead address.
pub(super) const CONNECTION_TIMEOUT: u32 = 3;
/// Seconds that CloudFront may keep an idle connection to an added origin, so that it soon follows a changed record.
pub(super) const MAX_KEEPALIVE_SECONDS: u32 = 5;

/// One change of a document.
///
/// A pattern finds the behaviour that is written the same or, except for removing, differs in the optional leading `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Points a behaviour, which must target `from`, to another origin.
    Retarget { path_pattern: PathPattern, from: OriginId, to: OriginId },
    /// Adds an origin that is like a custom one in everything the application relies on, and quick to give up.
    AddOrigin { like: OriginId, origin: NewOrigin },
    /// Gives an origin, which must have the host name `from`, another one.
    SetOriginDomain { id: OriginId, from: Hostname, to: Hostname },
    /// Gives a custom origin, which must have the HTTPS port `from`, another one.
    SetOriginPort { id: OriginId, from: u16, to: u16 },
    /// Removes an origin that nothing targets any more.
    RemoveOrigin { id: OriginId },
    /// Adds a behaviour with the content of the one named `serving`, directly above it; above the default behaviour
    /// means last of the others.
    CloneBehavior { serving: PathPattern, path_pattern: PathPattern, target: OriginId },
    /// Removes a behaviour other than the default one.
    RemoveBehavior { path_pattern: PathPattern },
}

/// What differs between an added origin and the one it is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrigin {
    pub id: OriginId,
    pub domain_name: Hostname,
    pub https_port: u16,
}

/// Why an edit was not made, or is not what was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("{what} is `{found}`, not `{expected}` as expected, so it is left alone")]
    NotAsExpected { what: String, expected: String, found: String },
    #[error("there is no origin `{0}` in the distribution")]
    UnknownOrigin(OriginId),
    #[error("there is no behaviour with the path pattern `{0}` in the distribution")]
    UnknownBehavior(PathPattern),
    #[error("the distribution has an origin or origin group `{0}` already")]
    OriginExists(OriginId),
    #[error("the distribution has a behaviour with the path pattern `{0}` already")]
    BehaviorExists(PathPattern),
    #[error("origin `{id}` is still used by {by}")]
    OriginInUse { id: OriginId, by: String },
    #[error("origin `{0}` is not a custom origin, so its settings cannot be taken for a host name")]
    NotCustom(OriginId),
    #[error("the default behaviour cannot be removed")]
    DefaultBehavior,
    #[error("{what} has a comment or markup in its text, so replacing the text would lose something")]
    NotPlain { what: String },
    #[error("the edited distribution would be unusable: {0}")]
    Unusable(Malformed),
    #[error("the distribution differs from what was read in more than the planned change: {at}")]
    Strayed { at: String },
}
impl Document {
    /// The document with one edit made, read anew, so that whatever CloudFront would not accept is refused here.
    pub(super) fn apply(&self, edit: &Edit) -> Result<Document, EditError> {
        let splices = match edit {
            Edit::Retarget { path_pattern, from, to } => self.retarget(path_pattern, from, to)?,
            Edit::AddOrigin { like, origin } => self.add_origin(like, origin)?,
            Edit::SetOriginDomain { id, from, to } => self.set_origin_domain(id, from, to)?,
            Edit::SetOriginPort { id, from, to } => self.set_origin_port(id, *from, *to)?,
            Edit::RemoveOrigin { id } => self.remove_origin(id)?,
            Edit::CloneBehavior { serving, path_pattern, target } => {
                self.clone_behavior(serving, path_pattern, target)?
            }
            Edit::RemoveBehavior { path_pattern } => self.remove_behavior(path_pattern)?,
        };
        let text = rewrite(self.tree.text(), 0..self.tree.text().len(), splices);
        Document::parse(text.as_bytes()).map_err(EditError::Unusable)
    }

    fn retarget(&self, pattern: &PathPattern, from: &OriginId, to: &OriginId) -> Result<Vec<Splice>, EditError> {
        let at = self.index.behavior_at(pattern).ok_or_else(|| EditError::UnknownBehavior(pattern.clone()))?;
        let what = || format!("the target of behaviour `{pattern}`");
        expect(what, from.as_str(), self.index.behaviors[at].target.as_str())?;
        let text = self.spelling(to)?;
        self.replace_text(self.child(self.index.behavior_elements[at], "TargetOriginId")?, text, what)
    }

    fn add_origin(&self, like: &OriginId, origin: &NewOrigin) -> Result<Vec<Splice>, EditError> {
        let tree = &self.tree;
        let model = self.index.origin_element(like).ok_or_else(|| EditError::UnknownOrigin(like.clone()))?;
        let is_custom = |origin: &super::Origin| matches!(origin.kind, OriginKind::Custom { .. });
        if !self.origin(like).is_some_and(is_custom) {
            return Err(EditError::NotCustom(like.clone()));
        }
        if self.spelling(&origin.id).is_ok() {
            return Err(EditError::OriginExists(origin.id.clone()));
        }
        let config = self.child(model, "CustomOriginConfig")?;
        let mut splices = vec![
            set_text(tree, self.child(model, "Id")?, &escape(origin.id.as_str())),
            set_text(tree, self.child(model, "DomainName")?, &escape(origin.domain_name.as_str())),
            set_text(tree, self.child(config, "HTTPSPort")?, &origin.https_port.to_string()),
        ];
        if let Some(keepalive) = tree.child(config, "OriginKeepaliveTimeout") {
            let seconds = tree.value(keepalive).and_then(|text| text.trim().parse::<u32>().ok());
            if seconds.is_none_or(|seconds| seconds > MAX_KEEPALIVE_SECONDS) {
                splices.push(set_text(tree, keepalive, &MAX_KEEPALIVE_SECONDS.to_string()));
            }
        }
        // The schema wants them in this order, right after the configuration of the kind of origin.
        let mut before = config;
        for (name, value) in [("ConnectionAttempts", CONNECTION_ATTEMPTS), ("ConnectionTimeout", CONNECTION_TIMEOUT)] {
            match tree.child(model, name) {
                Some(present) => {
                    splices.push(set_text(tree, present, &value.to_string()));
                    before = present;
                }
                None => {
                    let added =
                        tree.indent(config).to_owned() + &element(tree.prefix(config), name, &value.to_string());
                    splices.push(Splice::insert(tree.range(before).end, added));
                }
            }
        }
        let added = rewrite(tree.text(), tree.range(model), splices);

        let list = self.child(ROOT, "Origins")?;
        let last = self.index.origin_elements.last().copied().unwrap_or(model);
        let inserted = Splice::insert(tree.range(last).end, tree.indent(last).to_owned() + &added);
        Ok(vec![self.count(list, self.index.origins.len() + 1)?, inserted])
    }

    fn set_origin_domain(&self, id: &OriginId, from: &Hostname, to: &Hostname) -> Result<Vec<Splice>, EditError> {
        let unknown = || EditError::UnknownOrigin(id.clone());
        let element = self.index.origin_element(id).ok_or_else(unknown)?;
        let what = || format!("the host name of origin `{id}`");
        expect(what, from.as_str(), &self.origin(id).ok_or_else(unknown)?.domain_name)?;
        self.replace_text(self.child(element, "DomainName")?, escape(to.as_str()), what)
    }

    fn set_origin_port(&self, id: &OriginId, from: u16, to: u16) -> Result<Vec<Splice>, EditError> {
        let unknown = || EditError::UnknownOrigin(id.clone());
        let element = self.index.origin_element(id).ok_or_else(unknown)?;
        let OriginKind::Custom { https_port, .. } = self.origin(id).ok_or_else(unknown)?.kind else {
            return Err(EditError::NotCustom(id.clone()));
        };
        let what = || format!("the HTTPS port of origin `{id}`");
        expect(what, &from.to_string(), &https_port.to_string())?;
        let config = self.child(element, "CustomOriginConfig")?;
        self.replace_text(self.child(config, "HTTPSPort")?, to.to_string(), what)
    }

    fn remove_origin(&self, id: &OriginId) -> Result<Vec<Splice>, EditError> {
        let element = self.index.origin_element(id).ok_or_else(|| EditError::UnknownOrigin(id.clone()))?;
        if let Some(user) = self.index.behaviors.iter().find(|behavior| behavior.target == *id) {
            let by = format!("behaviour `{}`", user.path_pattern);
            return Err(EditError::OriginInUse { id: id.clone(), by });
        }
        let mut groups = self.index.groups.iter().zip(&self.index.members);
        if let Some((group, _)) = groups.find(|(_, members)| members.contains(id)) {
            return Err(EditError::OriginInUse { id: id.clone(), by: format!("origin group `{group}`") });
        }
        let list = self.child(ROOT, "Origins")?;
        let removed = Splice::remove(self.tree.indent_start(element)..self.tree.range(element).end);
        Ok(vec![self.count(list, self.index.origins.len() - 1)?, removed])
    }

    fn clone_behavior(
        &self,
        serving: &PathPattern,
        path_pattern: &PathPattern,
        target: &OriginId,
    ) -> Result<Vec<Splice>, EditError> {
        let tree = &self.tree;
        let at = self.index.behavior_at(serving).ok_or_else(|| EditError::UnknownBehavior(serving.clone()))?;
        if self.index.behavior_at(path_pattern).is_some() {
            return Err(EditError::BehaviorExists(path_pattern.clone()));
        }
        let source = self.index.behavior_elements[at];
        let is_default = self.index.behaviors[at].path_pattern.is_default();
        let pattern = escape(path_pattern.as_str());
        let retarget = set_text(tree, self.child(source, "TargetOriginId")?, &self.spelling(target)?);

        let mut splices = if is_default {
            let first = tree.children(source).first().copied().unwrap_or(source);
            let added = element(tree.prefix(source), "PathPattern", &pattern) + tree.indent(first);
            let cloned = [retarget, Splice::insert(tree.range(first).start, added)];
            let renamed = self.rename(source, "CacheBehavior");
            let cloned = rewrite(tree.text(), tree.range(source), renamed.into_iter().chain(cloned).collect());
            self.append_behavior(source, cloned)
        } else {
            let cloned = vec![set_text(tree, self.child(source, "PathPattern")?, &pattern), retarget];
            let cloned = rewrite(tree.text(), tree.range(source), cloned);
            vec![Splice::insert(tree.range(source).start, cloned + tree.indent(source))]
        };
        if let Some(list) = tree.child(ROOT, "CacheBehaviors") {
            splices.push(self.count(list, self.index.behaviors.len())?);
        }
        Ok(splices)
    }

    /// Puts a behaviour below all others but the default one, making what of the list is missing. The count is not
    /// touched, except where the list is made.
    fn append_behavior(&self, default: ElementId, behavior: String) -> Vec<Splice> {
        let tree = &self.tree;
        let Some(list) = tree.child(ROOT, "CacheBehaviors") else {
            let prefix = tree.prefix(default);
            let content = element(prefix, "Quantity", "1") + &element(prefix, "Items", &behavior);
            let list = element(prefix, "CacheBehaviors", &content);
            return vec![Splice::insert(tree.range(default).end, tree.indent(default).to_owned() + &list)];
        };
        let prefix = tree.prefix(list);
        let Some(items) = tree.child(list, "Items") else {
            // CloudFront's own form of an empty list.
            let quantity = tree.child(list, "Quantity").unwrap_or(list);
            let items = tree.indent(quantity).to_owned() + &element(prefix, "Items", &behavior);
            return vec![Splice::insert(tree.range(quantity).end, items)];
        };
        if let Some(last) = tree.children(items).last() {
            return vec![Splice::insert(tree.range(*last).end, tree.indent(*last).to_owned() + &behavior)];
        }
        vec![match tree.is_self_closing(items) {
            true => set_text(tree, items, &behavior),
            false => Splice::insert(tree.content(items).start, behavior),
        }]
    }

    fn remove_behavior(&self, path_pattern: &PathPattern) -> Result<Vec<Splice>, EditError> {
        if path_pattern.is_default() {
            return Err(EditError::DefaultBehavior);
        }
        let tree = &self.tree;
        let unknown = || EditError::UnknownBehavior(path_pattern.clone());
        let element = self.index.behavior_element(path_pattern).ok_or_else(unknown)?;
        let list = self.child(ROOT, "CacheBehaviors")?;
        let items = self.child(list, "Items")?;
        let (content, own) = (tree.content(items), tree.range(element));
        let rest = [&tree.text()[content.start..own.start], &tree.text()[own.end..content.end]];
        // A list without items has no Items element in what CloudFront sends; one that says something itself is kept.
        let is_spent = !tree.has_attributes(items) && rest.iter().all(|text| text.trim().is_empty());
        let removed = match is_spent {
            true => items,
            false => element,
        };
        let removed = Splice::remove(tree.indent_start(removed)..tree.range(removed).end);
        Ok(vec![self.count(list, self.index.behaviors.len() - 2)?, removed])
    }

    /// How the document itself writes an id: the same text restores the same bytes when a target is moved back.
    fn spelling(&self, id: &OriginId) -> Result<String, EditError> {
        let group = || self.index.groups.iter().position(|group| group == id).map(|at| self.index.group_elements[at]);
        let named = self.index.origin_element(id).or_else(group);
        let named = self.child(named.ok_or_else(|| EditError::UnknownOrigin(id.clone()))?, "Id")?;
        Ok(match self.tree.is_plain(named) {
            true => self.tree.text()[self.tree.content(named)].to_owned(),
            false => escape(id.as_str()),
        })
    }

    /// Replaces text of the owner, of which nothing but its meaning may be lost.
    fn replace_text(
        &self,
        element: ElementId,
        text: String,
        what: impl Fn() -> String,
    ) -> Result<Vec<Splice>, EditError> {
        match self.tree.is_plain(element) {
            true => Ok(vec![set_text(&self.tree, element, &text)]),
            false => Err(EditError::NotPlain { what: what() }),
        }
    }

    /// Replaces the digits of a list's Quantity.
    fn count(&self, list: ElementId, items: usize) -> Result<Splice, EditError> {
        let content = self.tree.content(self.child(list, "Quantity")?);
        let text = &self.tree.text()[content.clone()];
        let start = content.start + (text.len() - text.trim_start().len());
        Ok(Splice { range: start..start + text.trim().len(), text: items.to_string() })
    }

    /// Gives both tags of an element another local name.
    fn rename(&self, element: ElementId, local_name: &str) -> [Splice; 2] {
        let name = self.tree.name(element);
        let (prefix, end_tag) = (self.tree.prefix(element).len(), self.tree.content(element).end + "</".len());
        [name.start, end_tag]
            .map(|start| Splice { range: start + prefix..start + name.len(), text: local_name.to_owned() })
    }

    /// A child that reading has proven to be there.
    fn child(&self, element: ElementId, name: &'static str) -> Result<ElementId, EditError> {
        let missing = Malformed::Missing { element: name, inside: "the element that is edited" };
        self.tree.child(element, name).ok_or(EditError::Unusable(missing))
    }
}

/// Compares a present value with the one that an edit is based on.
pub(super) fn expect(what: impl Fn() -> String, expected: &str, found: &str) -> Result<(), EditError> {
    match expected == found {
        true => Ok(()),
        false => Err(EditError::NotAsExpected { what: what(), expected: expected.to_owned(), found: found.to_owned() }),
    }
}
