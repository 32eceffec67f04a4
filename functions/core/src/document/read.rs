//! Elements to what they mean: the few things that decisions need, read so strictly that nothing has to be guessed.

use std::collections::{BTreeMap, BTreeSet};

use super::malformed::Malformed;
use super::tree::{ElementId, ROOT, Tree};
use super::{Behavior, Origin, OriginKind};
use crate::id::{OriginId, PathPattern};
use crate::secret::Secret;

/// What a document says, and at which elements.
#[derive(Clone)]
pub(super) struct Index {
    pub(super) caller_reference: String,
    pub(super) enabled: bool,
    pub(super) staging: bool,
    pub(super) tenant_only: bool,
    pub(super) continuous_deployment: bool,
    pub(super) aliases: Vec<String>,
    pub(super) origins: Vec<Origin>,
    /// Beside `origins`.
    pub(super) origin_elements: Vec<ElementId>,
    /// Beside `origins`.
    pub(super) headers: Vec<Vec<(String, Secret<String>)>>,
    pub(super) groups: Vec<OriginId>,
    /// Beside `groups`.
    pub(super) group_elements: Vec<ElementId>,
    /// Beside `groups`.
    pub(super) members: Vec<Vec<OriginId>>,
    /// The default behaviour is always there, and last.
    pub(super) behaviors: Vec<Behavior>,
    /// Beside `behaviors`.
    pub(super) behavior_elements: Vec<ElementId>,
    default_behavior: Behavior,
}

impl Index {
    /// # Errors
    /// [`Malformed`] for a document that lacks something, says something twice or refers to something absent.
    pub(super) fn read(tree: &Tree) -> Result<Self, Malformed> {
        if tree.local_name(ROOT) != "DistributionConfig" {
            return Err(Malformed::WrongRoot);
        }
        let root = Scope { tree, element: ROOT, name: "DistributionConfig" };
        let caller_reference = root.one("CallerReference")?.id()?;
        let enabled = root.one("Enabled")?.boolean()?;
        let staging = root.optional("Staging")?.map_or(Ok(false), |scope| scope.boolean())?;
        let mode = root.optional("ConnectionMode")?.map_or(Ok(String::new()), |scope| scope.text())?;
        let policy = root.optional("ContinuousDeploymentPolicyId")?.map_or(Ok(String::new()), |scope| scope.text())?;
        let aliases = root.list("Aliases", "CNAME")?.iter().map(Scope::text).collect::<Result<_, _>>()?;

        let mut index = Self {
            caller_reference,
            enabled,
            staging,
            tenant_only: mode.trim() == "tenant-only",
            continuous_deployment: !policy.trim().is_empty(),
            aliases,
            origins: Vec::new(),
            origin_elements: Vec::new(),
            headers: Vec::new(),
            groups: Vec::new(),
            group_elements: Vec::new(),
            members: Vec::new(),
            behaviors: Vec::new(),
            behavior_elements: Vec::new(),
            default_behavior: behavior(&root.one("DefaultCacheBehavior")?, PathPattern::default_behavior())?,
        };
        index.read_origins(&root)?;
        index.read_groups(&root)?;
        index.read_behaviors(&root)?;
        index.check_references()?;
        Ok(index)
    }

    pub(super) fn default_behavior(&self) -> &Behavior {
        &self.default_behavior
    }

    pub(super) fn origin_element(&self, id: &OriginId) -> Option<ElementId> {
        self.origins.iter().position(|origin| origin.id == *id).map(|at| self.origin_elements[at])
    }

    /// The behaviour with this pattern, if need be one that differs in the optional leading `/`.
    pub(super) fn behavior_at(&self, path_pattern: &PathPattern) -> Option<usize> {
        let exact = self.behaviors.iter().position(|behavior| behavior.path_pattern == *path_pattern);
        exact.or_else(|| self.behaviors.iter().position(|behavior| behavior.path_pattern.is_alike(path_pattern)))
    }

    /// The element of the behaviour with exactly this pattern.
    pub(super) fn behavior_element(&self, path_pattern: &PathPattern) -> Option<ElementId> {
        let at = self.behaviors.iter().position(|behavior| behavior.path_pattern == *path_pattern)?;
        Some(self.behavior_elements[at])
    }

    fn read_origins(&mut self, root: &Scope<'_>) -> Result<(), Malformed> {
        root.one("Origins")?;
        for scope in root.list("Origins", "Origin")? {
            let headers = custom_headers(&scope)?;
            self.origins.push(Origin {
                id: OriginId::new(scope.one("Id")?.id()?),
                domain_name: scope.one("DomainName")?.id()?,
                kind: kind(&scope)?,
                path: scope.optional("OriginPath")?.map_or(Ok(String::new()), |path| path.text())?,
                custom_header_names: headers.iter().map(|(name, _)| name.clone()).collect(),
            });
            self.origin_elements.push(scope.element);
            self.headers.push(headers);
        }
        Ok(())
    }

    fn read_groups(&mut self, root: &Scope<'_>) -> Result<(), Malformed> {
        for scope in root.list("OriginGroups", "OriginGroup")? {
            scope.one("FailoverCriteria")?.list("StatusCodes", "StatusCode")?;
            let members = scope.list("Members", "OriginGroupMember")?;
            let ids = members.iter().map(|member| Ok(OriginId::new(member.one("OriginId")?.id()?)));
            self.members.push(ids.collect::<Result<_, _>>()?);
            self.groups.push(OriginId::new(scope.one("Id")?.id()?));
            self.group_elements.push(scope.element);
        }
        Ok(())
    }

    fn read_behaviors(&mut self, root: &Scope<'_>) -> Result<(), Malformed> {
        for scope in root.list("CacheBehaviors", "CacheBehavior")? {
            let pattern = PathPattern::new(scope.one("PathPattern")?.id()?);
            self.behaviors.push(behavior(&scope, pattern)?);
            self.behavior_elements.push(scope.element);
        }
        self.behaviors.push(self.default_behavior.clone());
        self.behavior_elements.push(root.one("DefaultCacheBehavior")?.element);
        Ok(())
    }

    /// CloudFront keeps ids and patterns unique and never lets a behaviour name what is not there; a document that does
    /// is not CloudFront's.
    fn check_references(&self) -> Result<(), Malformed> {
        let mut targets = BTreeMap::new();
        for (id, is_origin) in self.origins.iter().map(|o| (&o.id, true)).chain(self.groups.iter().map(|g| (g, false)))
        {
            if targets.insert(id, is_origin).is_some() {
                return Err(Malformed::RepeatedOrigin(id.clone()));
            }
        }
        for (group, members) in self.groups.iter().zip(&self.members) {
            if let Some(member) = members.iter().find(|member| targets.get(member) != Some(&true)) {
                return Err(Malformed::DanglingMember { group: group.clone(), member: member.clone() });
            }
        }
        let mut patterns = BTreeSet::new();
        for Behavior { path_pattern, target } in &self.behaviors {
            if !patterns.insert(path_pattern) {
                return Err(Malformed::RepeatedBehavior(path_pattern.clone()));
            }
            if !targets.contains_key(target) {
                return Err(Malformed::DanglingTarget { path_pattern: path_pattern.clone(), target: target.clone() });
            }
        }
        Ok(())
    }
}

fn behavior(scope: &Scope<'_>, path_pattern: PathPattern) -> Result<Behavior, Malformed> {
    Ok(Behavior { path_pattern, target: OriginId::new(scope.one("TargetOriginId")?.id()?) })
}

fn kind(origin: &Scope<'_>) -> Result<OriginKind, Malformed> {
    let custom = origin.optional("CustomOriginConfig")?;
    let vpc = origin.optional("VpcOriginConfig")?;
    match (custom, vpc) {
        (Some(_), Some(_)) => Err(Malformed::Repeated { element: "the kind of the origin", inside: origin.name }),
        (Some(config), None) => Ok(OriginKind::Custom {
            http_port: config.one("HTTPPort")?.number()?,
            https_port: config.one("HTTPSPort")?.number()?,
            protocol_policy: config.one("OriginProtocolPolicy")?.text()?.trim().to_owned(),
        }),
        (None, Some(_)) => Ok(OriginKind::Vpc),
        (None, None) => Ok(OriginKind::S3),
    }
}

fn custom_headers(origin: &Scope<'_>) -> Result<Vec<(String, Secret<String>)>, Malformed> {
    let header = |scope: &Scope<'_>| {
        let value = scope.optional("HeaderValue")?.map_or(Ok(String::new()), |value| value.text())?;
        Ok((scope.one("HeaderName")?.id()?, Secret::new(value)))
    };
    origin.list("CustomHeaders", "OriginCustomHeader")?.iter().map(header).collect()
}

/// One element of the document together with the name by which errors speak of it.
#[derive(Clone, Copy)]
struct Scope<'t> {
    tree: &'t Tree,
    element: ElementId,
    name: &'static str,
}

impl<'t> Scope<'t> {
    /// The direct child of this name, of which there must be exactly one.
    fn one(&self, name: &'static str) -> Result<Scope<'t>, Malformed> {
        self.optional(name)?.ok_or(Malformed::Missing { element: name, inside: self.name })
    }

    /// The direct child of this name, of which there must be at most one.
    fn optional(&self, name: &'static str) -> Result<Option<Scope<'t>>, Malformed> {
        let children = self.tree.children(self.element).iter();
        let mut named = children.filter(|child| self.tree.local_name(**child) == name);
        let first = named.next().map(|child| Scope { tree: self.tree, element: *child, name });
        match named.next() {
            Some(_) => Err(Malformed::Repeated { element: name, inside: self.name }),
            None => Ok(first),
        }
    }

    /// The items of a list such as `<Origins><Quantity>1</Quantity><Items>…</Items></Origins>`; an absent list is empty.
    fn list(&self, name: &'static str, item: &'static str) -> Result<Vec<Scope<'t>>, Malformed> {
        let Some(list) = self.optional(name)? else {
            return Ok(Vec::new());
        };
        let says = list.one("Quantity")?.number::<usize>()?;
        let items = list.optional("Items")?;
        let children = items.map_or(&[][..], |items| self.tree.children(items.element));
        if children.iter().any(|child| self.tree.local_name(*child) != item) {
            return Err(Malformed::UnexpectedItem { list: name, item });
        }
        if says != children.len() {
            return Err(Malformed::WrongQuantity { list: name, says, holds: children.len() });
        }
        Ok(children.iter().map(|child| Scope { tree: self.tree, element: *child, name: item }).collect())
    }

    /// The text exactly as it is meant, white space included.
    fn text(&self) -> Result<String, Malformed> {
        self.tree.value(self.element).ok_or(Malformed::BadValue { element: self.name })
    }

    /// Text that names something, so that it cannot be empty.
    fn id(&self) -> Result<String, Malformed> {
        self.text().and_then(|text| match text.is_empty() {
            true => Err(Malformed::BadValue { element: self.name }),
            false => Ok(text),
        })
    }

    fn boolean(&self) -> Result<bool, Malformed> {
        self.text()?.trim().parse().map_err(|_| Malformed::BadValue { element: self.name })
    }

    /// Digits only, without leading zeros and without markup between them, so that the number can be edited in place.
    fn number<N: std::str::FromStr>(&self) -> Result<N, Malformed> {
        let digits = self.tree.text()[self.tree.content(self.element)].trim();
        let is_canonical =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        let number = digits.parse().ok().filter(|_| is_canonical);
        number.ok_or(Malformed::BadValue { element: self.name })
    }
}
