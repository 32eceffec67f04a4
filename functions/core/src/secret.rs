//! Values that must never be printed.

/// A value that has no `Debug`, no `Display`, no serialised form and so no way into a log line, an answer or an error,
/// except through [`Secret::expose`], which is easy to search for. Used for pre-signed URLs, origin custom header values
/// and external ids.
///
/// ```compile_fail,E0277
/// # use failopen::secret::Secret;
/// format!("{}", Secret::new("a pre-signed URL"));
/// ```
///
/// ```compile_fail,E0277
/// # use failopen::secret::Secret;
/// format!("{:?}", Secret::new("a pre-signed URL"));
/// ```
///
/// ```compile_fail,E0277
/// # use failopen::secret::Secret;
/// serde_json::to_string(&Secret::new("a pre-signed URL")).ok();
/// ```
///
/// A type that holds one can derive none of them either, and has to say what of itself may be shown:
///
/// ```compile_fail,E0277
/// # use failopen::secret::Secret;
/// #[derive(Debug)]
/// struct Request(Secret<String>);
/// ```
///
/// The value itself has to be asked for:
///
/// ```
/// # use failopen::secret::Secret;
/// assert_eq!(Secret::new("a pre-signed URL").expose(), &"a pre-signed URL");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: for handing it to the one place that needs it, never for formatting.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

/// The form of a secret in the ledger, for a field that names this module: an external id has to be known again when a
/// later invocation assumes the role.
pub(crate) mod stored {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Secret;

    pub(crate) fn serialize<S: Serializer>(secret: &Option<Secret<String>>, serializer: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
        Ok(Option::deserialize(deserializer)?.map(Secret::new))
    }
}
