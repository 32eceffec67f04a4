//! Names of things, as types: a distribution id cannot be passed where an origin id is wanted.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is; whoever reads it from outside validates it first.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    )+};
}

text_id! {
    /// Name of one protection, `[a-z0-9-]{1,32}`. It appears in the origin id, the alarm name and the ledger key.
    ProtectionName,
    /// A CloudFront distribution, e.g. `E2EXAMPLE`.
    DistributionId,
    /// Id of an origin (or origin group) inside one distribution, decoded: `a&b`, not `a&amp;b`.
    OriginId,
    /// Path pattern of a cache behaviour; `*` stands for the default behaviour.
    PathPattern,
    /// A Route 53 hosted zone, without the `/hostedzone/` prefix.
    HostedZoneId,
    /// A Route 53 health check.
    HealthCheckId,
    /// A host name in lower case without the trailing dot.
    Hostname,
    /// Name of a CloudWatch alarm.
    AlarmName,
    /// Version of a distribution configuration, as CloudFront returned it with the very bytes that were read.
    ETag,
    /// Short hash of StackId and LogicalResourceId: the mark that proves who made an object.
    OwnerMark,
    /// Id of a Route 53 change batch, without the `/change/` prefix.
    ChangeId,
}

impl PathPattern {
    /// The pattern by which the contract names the default behaviour.
    pub const DEFAULT: &'static str = "*";

    pub fn default_behavior() -> Self {
        Self::new(Self::DEFAULT)
    }

    /// Whether this names the default behaviour.
    pub fn is_default(&self) -> bool {
        self.as_str() == Self::DEFAULT
    }
}

impl ProtectionName {
    /// Id of the origin that carries the failover record: `failopen-<Name>`.
    pub fn inspection_origin(&self) -> OriginId {
        OriginId::new(format!("failopen-{self}"))
    }

    /// Name of the protection's own alarm: `failopen-<Name>-inspection`.
    pub fn alarm(&self) -> AlarmName {
        AlarmName::new(format!("failopen-{self}-inspection"))
    }
}
