//! Request targets, and the templates of them in the models: `/2020-05-31/distribution/{Id}/config?mode=x`.

use std::collections::BTreeMap;

/// A request's target, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    segments: Vec<String>,
    /// Without a value where there is no equals sign.
    pub(crate) query: Vec<(String, Option<String>)>,
}

impl Target {
    pub(crate) fn parse(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { segments: segments(path).map(str::to_owned).collect(), query: pairs(query) }
    }

    /// The path, for people.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }

    pub(crate) fn segments(&self) -> &[String] {
        &self.segments
    }
}

/// How well a template fits a target: its literal segments, then its constant parameters.
pub(crate) type Fit = (usize, usize);

/// The labels of `template` in `target`, by name and decoded, and how well it fits; `None` where it does not.
pub(crate) fn labels(template: &str, target: &Target) -> Option<(Fit, BTreeMap<String, String>)> {
    let (path, query) = template.split_once('?').unwrap_or((template, ""));
    let constants = pairs(query);
    let has = |(name, value): &(String, Option<String>)| {
        target
            .query
            .iter()
            .any(|(found, text)| found == name && value.as_deref().is_none_or(|value| text.as_deref() == Some(value)))
    };
    if !constants.iter().all(has) {
        return None;
    }
    let mut labels = BTreeMap::new();
    let mut literal = 0;
    let mut rest = target.segments.as_slice();
    for part in segments(path) {
        let label = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        match label.map(|label| (label.trim_end_matches('+'), label.ends_with('+'))) {
            Some((name, true)) => {
                labels.insert(name.to_owned(), decoded(&rest.join("/")));
                rest = &[];
            }
            Some((name, false)) => {
                let (first, others) = rest.split_first()?;
                labels.insert(name.to_owned(), decoded(first));
                rest = others;
            }
            None => {
                let (first, others) = rest.split_first()?;
                if first != part {
                    return None;
                }
                literal += 1;
                rest = others;
            }
        }
    }
    rest.is_empty().then_some(((literal, constants.len()), labels))
}

/// Names of the parameters that the template itself holds.
pub(crate) fn constants(template: &str) -> Vec<String> {
    let query = template.split_once('?').map_or("", |(_, query)| query);
    pairs(query).into_iter().map(|(name, _)| name).collect()
}

/// A slash at the end makes no difference.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_matches('/').split('/').filter(|segment| !segment.is_empty())
}

/// `name=value&flag` as pairs, decoded.
pub(crate) fn pairs(text: &str) -> Vec<(String, Option<String>)> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once('=') {
            Some((name, value)) => (decoded(&name.replace('+', " ")), Some(decoded(&value.replace('+', " ")))),
            None => (decoded(part), None),
        })
        .collect()
}

/// `%41` is A.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let code = (*first == b'%')
            .then(|| others.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &others[2..] } else { others };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_fits_by_its_literal_segments_and_constant_parameters() {
        let target = Target::parse("/2020-05-31/distribution/E1%2F2/config");
        let (fit, found) = labels("/2020-05-31/distribution/{Id}/config", &target).unwrap();
        assert_eq!((fit, found["Id"].as_str()), ((3, 0), "E1/2"));
        assert!(labels("/2020-05-31/distribution/{Id}", &target).is_none());
        let with_tags = "/2020-05-31/distribution?WithTags";
        assert!(labels(with_tags, &Target::parse("/2020-05-31/distribution")).is_none());
        assert_eq!(labels(with_tags, &Target::parse("/2020-05-31/distribution?WithTags")).unwrap().0, (2, 1));
        assert_eq!(constants(with_tags), ["WithTags"]);
    }

    #[test]
    fn a_greedy_label_takes_the_rest() {
        let target = Target::parse("/2017-03-31/tags/arn%3Aaws/x");
        assert_eq!(labels("/2017-03-31/tags/{Resource+}", &target).unwrap().1["Resource"], "arn:aws/x");
    }

    #[test]
    fn pairs_are_decoded_and_may_have_no_value() {
        assert_eq!(
            pairs("a=b+c&d&e=%41"),
            [("a".to_owned(), Some("b c".to_owned())), ("d".to_owned(), None), ("e".to_owned(), Some("A".to_owned()))]
        );
    }
}
