//! A distribution's configuration as CloudFront sent it: read strictly, edited by splicing, never written anew.
//!
//! UpdateDistribution replaces the whole configuration, so whatever is not sent back is lost. A typed model drops the
//! elements that it does not know and invents values for those that are missing; therefore the bytes themselves are the
//! document here. They are parsed once into byte ranges, and an edit replaces ranges and nothing else.
//!
//! - `tree`: bytes to elements, with everything refused that is not complete, well-formed XML.
//! - `read`: elements to what they mean, with everything refused that CloudFront would not send.
//! - `edit` and `splice`: the edits. `check`: an independent look at what an edit did. `pattern`: path patterns.
//! - `advice`: settings that only warnings rest on.
//! - `paths`: what a model that rewrites documents has dropped.
//!
//! Elements are matched by local name, so a namespace prefix does not matter; a foreign element that borrows the name of
//! one that is read here makes the document ambiguous, and an ambiguous document is refused.

mod advice;
mod check;
mod edit;
mod malformed;
mod paths;
mod pattern;
mod read;
mod splice;
mod tree;

use std::fmt;

use sha2::{Digest, Sha256};

use crate::id::{Hostname, OriginId, PathPattern};
use crate::secret::Secret;

pub use advice::Connecting;
pub use check::check_edit;
pub use edit::{Edit, EditError, NewOrigin};
pub use malformed::Malformed;
pub use paths::lost_paths;

use read::Index;
use tree::Tree;

/// A complete, unambiguous DistributionConfig: the bytes of GetDistributionConfig's answer and where things are in them.
#[derive(Clone)]
pub struct Document {
    tree: Tree,
    index: Index,
}

/// One origin, as far as decisions need it; everything else about it stays in the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub id: OriginId,
    pub domain_name: String,
    pub kind: OriginKind,
    /// OriginPath: put before every path that is asked of this origin; often empty.
    pub path: String,
    /// Names only: the values are secrets, see [`Document::custom_headers`].
    pub custom_header_names: Vec<String>,
}

impl Origin {
    /// Whether its host is this one. People write host names in capitals as well.
    pub fn leads_to(&self, host: &Hostname) -> bool {
        self.domain_name.eq_ignore_ascii_case(host.as_str())
    }
}

/// How CloudFront talks to an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginKind {
    /// Any web server. `protocol_policy` is `http-only`, `match-viewer` or `https-only`.
    Custom { http_port: u16, https_port: u16, protocol_policy: String },
    /// A bucket, or a kind of origin that is newer than this program: either way not one to put a host name into.
    S3,
    /// A private resource that is reached by the id of a VPC origin, not by name.
    Vpc,
}

/// One cache behaviour and where it sends requests: the id of an origin or of an origin group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behavior {
    pub path_pattern: PathPattern,
    pub target: OriginId,
}

impl Document {
    /// Reads the body of GetDistributionConfig.
    ///
    /// # Errors
    /// [`Malformed`] for anything that is not complete, well formed and unambiguous. Nothing may be written then: a
    /// document that lost its end, or that says a thing twice, would take the site down when it is sent back.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let tree = Tree::parse(bytes)?;
        let index = Index::read(&tree)?;
        Ok(Self { tree, index })
    }

    /// The document itself: what UpdateDistribution is sent.
    pub fn bytes(&self) -> &[u8] {
        self.tree.text().as_bytes()
    }

    /// CloudFront never changes it in the life of a distribution, so it proves that this is the right one.
    pub fn caller_reference(&self) -> &str {
        &self.index.caller_reference
    }

    /// Whether the distribution serves at all.
    pub fn enabled(&self) -> bool {
        self.index.enabled
    }

    /// Whether this is the staging copy of another distribution.
    pub fn staging(&self) -> bool {
        self.index.staging
    }

    /// Whether this is a multi-tenant distribution, whose traffic moves by its tenants.
    pub fn tenant_only(&self) -> bool {
        self.index.tenant_only
    }

    /// Whether a continuous deployment policy sends part of the traffic to a staging distribution.
    pub fn continuous_deployment(&self) -> bool {
        self.index.continuous_deployment
    }

    /// Alternate domain names, in document order.
    pub fn aliases(&self) -> &[String] {
        &self.index.aliases
    }

    /// In document order.
    pub fn origins(&self) -> &[Origin] {
        &self.index.origins
    }

    pub fn origin(&self, id: &OriginId) -> Option<&Origin> {
        self.index.origins.iter().find(|origin| origin.id == *id)
    }

    /// Ids of the origin groups, in document order. A behaviour may target one like an origin.
    pub fn origin_groups(&self) -> &[OriginId] {
        &self.index.groups
    }

    /// In order of precedence; the default behaviour is last and has the pattern `*`.
    pub fn behaviors(&self) -> &[Behavior] {
        &self.index.behaviors
    }

    /// The behaviour of this pattern, written the same or with the optional leading `/` more or less.
    pub fn behavior(&self, path_pattern: &PathPattern) -> Option<&Behavior> {
        self.index.behavior_at(path_pattern).map(|at| &self.index.behaviors[at])
    }

    /// The behaviour that serves all requests for such paths today: the one of the same pattern, else the first that
    /// covers the pattern as a whole, else the default one.
    pub fn serving(&self, path_pattern: &PathPattern) -> &Behavior {
        let covering = || self.index.behaviors.iter().find(|behavior| behavior.path_pattern.covers(path_pattern));
        self.behavior(path_pattern).or_else(covering).unwrap_or(self.index.default_behavior())
    }

    /// Names and values of the headers that CloudFront adds to each request to this origin; empty for an unknown origin.
    pub fn custom_headers(&self, id: &OriginId) -> Vec<(String, Secret<String>)> {
        let position = self.index.origins.iter().position(|origin| origin.id == *id);
        position.map(|at| self.index.headers[at].clone()).unwrap_or_default()
    }

    /// SHA-256, in hexadecimal, of a behaviour's bytes without the text of its TargetOriginId: equal as long as nobody
    /// edited the behaviour in another way than pointing it elsewhere. `None` where there is no such behaviour.
    pub fn content_hash(&self, path_pattern: &PathPattern) -> Option<String> {
        let element = self.index.behavior_elements[self.index.behavior_at(path_pattern)?];
        let target = self.tree.child(element, "TargetOriginId")?;
        let (whole, hole) = (self.tree.range(element), self.tree.content(target));
        let mut hash = Sha256::new();
        hash.update(&self.bytes()[whole.start..hole.start]);
        hash.update(&self.bytes()[hole.end..whole.end]);
        Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The document with these edits made, one after the other; each one must be possible in the state that the ones
    /// before it left. All other bytes stay what they are.
    ///
    /// # Errors
    /// [`EditError`], and then there is no half-edited document.
    pub fn edit(&self, edits: &[Edit]) -> Result<Document, EditError> {
        edits.iter().try_fold(self.clone(), |document, edit| document.apply(edit))
    }
}

/// Sizes only: the content holds header values that are secrets.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("bytes", &self.bytes().len())
            .field("origins", &self.index.origins.len())
            .field("behaviors", &self.index.behaviors.len())
            .finish()
    }
}
