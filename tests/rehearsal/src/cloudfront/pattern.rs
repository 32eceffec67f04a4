//! Path patterns of cache behaviours.

/// What a path must look like. `*` stands for any number of characters, slashes too, and `?` for exactly one; everything
/// else, and its case, for itself (CloudFront Developer Guide, "Path pattern" in DownloadDistValuesCacheBehavior).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Self {
        // The slash at the beginning is optional: `images/*` is `/images/*` (ibidem).
        Self(without_slash(pattern).to_owned())
    }

    /// Whether a request's path, without its query, is one of these.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let (pattern, path) = (self.0.as_bytes(), without_slash(path).as_bytes());
        let (mut wanted, mut seen) = (0, 0);
        // After the latest asterisk: the pattern from there on, and the path that the asterisk has not swallowed yet.
        let mut retreat = None;
        while seen < path.len() {
            match pattern.get(wanted) {
                Some(b'*') => {
                    wanted += 1;
                    retreat = Some((wanted, seen));
                }
                Some(character) if *character == b'?' || *character == path[seen] => {
                    wanted += 1;
                    seen += 1;
                }
                Some(_) | None => {
                    let Some((rest, swallowed)) = retreat else {
                        return false;
                    };
                    (wanted, seen) = (rest, swallowed + 1);
                    retreat = Some((rest, seen));
                }
            }
        }
        pattern[wanted..].iter().all(|character| *character == b'*')
    }
}

fn without_slash(text: &str) -> &str {
    text.strip_prefix('/').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_matches(pattern: &str, paths: &[&str], others: &[&str]) {
        let pattern = Pattern::new(pattern);
        for path in paths {
            assert!(pattern.matches(path), "{pattern:?} has to match {path}");
        }
        for other in others {
            assert!(!pattern.matches(other), "{pattern:?} must not match {other}");
        }
    }

    #[test]
    fn an_asterisk_stands_for_anything_and_nothing() {
        assert_matches("/checkout/*", &["/checkout/", "/checkout/a/b"], &["/checkout", "/Checkout/", "/a/checkout/"]);
        assert_matches("*", &["/", "/anything/at/all"], &[]);
        assert_matches("/a*b*c", &["/abc", "/a-b-b-c", "/abcc"], &["/acb", "/ab"]);
    }

    #[test]
    fn a_question_mark_stands_for_one_character() {
        assert_matches("/img/?.png", &["/img/1.png"], &["/img/.png", "/img/12.png"]);
    }

    #[test]
    fn a_pattern_needs_no_slash_at_its_beginning() {
        assert_matches("*.jpg", &["/a.jpg", "/a/b.jpg"], &["/a.jpg/b"]);
        assert_matches("favicon.ico", &["/favicon.ico"], &["/favicon.icon", "/x/favicon.ico"]);
    }
}
