//! Why a document is not one that may be edited.

use crate::id::{OriginId, PathPattern};

/// What is wrong with a document. No variant carries text of the document, except ids and patterns: the rest may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the configuration is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the configuration is not UTF-8 from byte {at} on")]
    NotUtf8 { at: usize },
    #[error("the configuration is not well-formed XML at byte {at}")]
    NotWellFormed { at: usize },
    #[error("the configuration ends before it is complete")]
    Incomplete,
    #[error("the configuration is nested deeper than {limit} elements at byte {at}")]
    TooDeep { limit: usize, at: usize },
    #[error("the configuration has a document type definition, which CloudFront never sends")]
    DocumentType,
    #[error("the configuration uses an unknown entity or an impossible character at byte {at}")]
    BadReference { at: usize },
    #[error("the root element is not DistributionConfig")]
    WrongRoot,
    #[error("there is text or another element outside of the root element at byte {at}")]
    OutsideRoot { at: usize },
    #[error("{element} is missing in {inside}")]
    Missing { element: &'static str, inside: &'static str },
    #[error("{element} occurs more than once in {inside}, so it is unclear which one counts")]
    Repeated { element: &'static str, inside: &'static str },
    #[error("{element} has an empty, an impossible or a nested value")]
    BadValue { element: &'static str },
    #[error("{list} says Quantity {says} and holds {holds} items")]
    WrongQuantity { list: &'static str, says: usize, holds: usize },
    #[error("{list} holds an item that is not {item}")]
    UnexpectedItem { list: &'static str, item: &'static str },
    #[error("two origins or origin groups have the id `{0}`")]
    RepeatedOrigin(OriginId),
    #[error("two behaviours have the path pattern `{0}`")]
    RepeatedBehavior(PathPattern),
    #[error("behaviour `{path_pattern}` targets `{target}`, which is no origin and no origin group here")]
    DanglingTarget { path_pattern: PathPattern, target: OriginId },
    #[error("origin group `{group}` has the member `{member}`, which is no origin here")]
    DanglingMember { group: OriginId, member: OriginId },
}
