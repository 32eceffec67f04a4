//! What CloudFront checks of a configuration that it is sent.

use failopen::document::Document;

use crate::refusal::Refusal;

/// Reads a configuration as CloudFront would, and refuses one that cannot work.
pub(crate) fn accept(bytes: &[u8]) -> Result<Document, Refusal> {
    // InvalidArgument, InconsistentQuantities and MissingBody are modelled errors of UpdateDistribution (DOC MODEL); that
    // they cover everything which our own parser refuses is assumed.
    let document =
        Document::parse(bytes).map_err(|malformed| Refusal::refused(format!("InvalidArgument: {malformed}")))?;
    for behavior in document.behaviors() {
        let named = document.origin(&behavior.target).is_some() || document.origin_groups().contains(&behavior.target);
        // `NoSuchOrigin`, HTTP 404, is a modelled error of UpdateDistribution (DOC MODEL).
        if !named {
            return Err(Refusal::refused(format!(
                "NoSuchOrigin: behavior {} targets {}, which the distribution does not have",
                behavior.path_pattern, behavior.target
            )));
        }
    }
    Ok(document)
}
