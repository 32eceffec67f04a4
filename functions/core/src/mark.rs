//! Marks: the names and tokens by which an object proves that one resource of one stack made it.

use sha2::{Digest, Sha256};

use crate::id::{OwnerMark, ProtectionName};
use crate::port::FailoverRole;
use crate::properties::protection_name;

/// Hex digits of an [`OwnerMark`]: enough that two resources of one account never collide, few enough for a name.
const MARK_DIGITS: usize = 12;

/// Tag of an alarm that holds the [`OwnerMark`].
pub const OWNER_TAG: &str = "failopen:owner";

/// Tag of a health check that names its protection, for people: it proves nothing.
pub const PROTECTION_TAG: &str = "failopen:protection";

/// How the name of everything begins that a protection makes.
const PREFIX: &str = "failopen-";

/// Whether an identifier says that a protection made what bears it: this one, another, or one that is gone.
pub fn is_marked(identifier: &str) -> bool {
    identifier.starts_with(PREFIX)
}

impl OwnerMark {
    /// The mark of one resource: the same for every request about it, different after the stack is deleted and made anew.
    pub fn of(stack_id: &str, logical_id: &str) -> Self {
        Self::new(&hex(&Sha256::digest(format!("{stack_id}/{logical_id}")))[..MARK_DIGITS])
    }

    /// CallerReference of the health check that the request `request_id` creates.
    ///
    /// CloudFormation repeats a request with the same id, so a retry finds the check that exists; Route 53 remembers the
    /// reference of a deleted check for days, so a later request must have another. Its 45 characters fit the 64 allowed.
    pub fn caller_reference(&self, request_id: &str) -> String {
        format!("{self}-{}", &hex(&Sha256::digest(request_id))[..32])
    }

    /// SetIdentifier of one of the two failover records.
    pub fn set_identifier(&self, name: &ProtectionName, role: FailoverRole) -> String {
        let role = match role {
            FailoverRole::Primary => "primary",
            FailoverRole::Secondary => "secondary",
        };
        format!("failopen-{name}-{self}-{role}")
    }

    /// PhysicalResourceId, the `Ref` of the resource: never changes, or CloudFormation would delete the protection.
    pub fn physical_id(&self, name: &ProtectionName) -> String {
        format!("failopen-{name}-{self}")
    }

    /// PhysicalResourceId of a resource that was refused because its name cannot be one.
    pub fn unnamed(&self) -> String {
        format!("failopen-unnamed-{self}")
    }

    /// The name that a PhysicalResourceId of this resource was made from. `None` for one that another made, or CloudFormation itself,
    /// as it does for a Create that was never answered.
    pub fn name_in(&self, physical_id: &str) -> Option<ProtectionName> {
        let name = physical_id.strip_prefix(PREFIX)?.strip_suffix(self.as_str())?.strip_suffix('-')?;
        (physical_id != self.unnamed()).then(|| protection_name(name)).flatten()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: &str = "arn:aws:cloudformation:us-east-1:111122223333:stack/site/0f3a";

    #[test]
    fn a_mark_is_stable_and_differs_between_resources() {
        let mark = OwnerMark::of(STACK, "Protection");
        assert_eq!(mark, OwnerMark::of(STACK, "Protection"));
        assert_ne!(mark, OwnerMark::of(STACK, "Other"));
        assert_eq!(mark.as_str().len(), 12);
        assert!(mark.as_str().chars().all(|c| c.is_ascii_hexdigit()));
    }

    #[test]
    fn a_caller_reference_is_the_same_on_retry_new_on_the_next_request_and_short_enough() {
        let mark = OwnerMark::of(STACK, "Protection");
        assert_eq!(mark.caller_reference("request-1"), mark.caller_reference("request-1"));
        assert_ne!(mark.caller_reference("request-1"), mark.caller_reference("request-2"));
        assert!(mark.caller_reference(&"x".repeat(500)).len() <= 64);
    }

    #[test]
    fn a_physical_id_tells_the_name_that_it_was_made_from_and_only_to_its_owner() {
        let mark = OwnerMark::new("0123456789ab");
        for name in ["www", "my-shop", "unnamed-too"] {
            let name = ProtectionName::new(name);
            assert_eq!(mark.name_in(&mark.physical_id(&name)), Some(name));
        }
        assert_eq!(mark.unnamed(), "failopen-unnamed-0123456789ab");
        assert_eq!(mark.name_in(&mark.unnamed()), None);
        for other in [
            "failopen-www-fedcba987654",
            "failopen-www0123456789ab",
            "failopen--0123456789ab",
            "failopen-WWW!-0123456789ab",
            "www-0123456789ab",
            "stack-Protection-1K2N3B4V5C6X7",
        ] {
            assert_eq!(mark.name_in(other), None, "{other}");
        }
    }

    #[test]
    fn names_carry_protection_and_mark() {
        let (mark, name) = (OwnerMark::new("0123456789ab"), ProtectionName::new("www"));
        assert_eq!(mark.physical_id(&name), "failopen-www-0123456789ab");
        assert_eq!(mark.set_identifier(&name, FailoverRole::Primary), "failopen-www-0123456789ab-primary");
        assert_eq!(mark.set_identifier(&name, FailoverRole::Secondary), "failopen-www-0123456789ab-secondary");
    }
}
