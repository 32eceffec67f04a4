//! What others have typed, as a message shows it.

use std::borrow::Cow;

use serde_json::Value;
use strsim::damerau_levenshtein;

/// Longest piece of a text that a message repeats, in characters.
const SHOWN: usize = 80;

/// A text in backticks: without control characters, not endless, and without the password of a URL.
pub fn quoted(text: &str) -> String {
    format!("`{}`", shortened(&without_password(text)))
}

/// A JSON value: a text as [`quoted`], anything else as it is written.
pub fn json(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => shortened(&other.to_string()),
    }
}

/// The name among those that are known which a misspelled one is nearest to: at most a third of its letters are wrong.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = name.to_ascii_lowercase();
    let by_distance = known.iter().map(|known| (damerau_levenshtein(&name, &known.to_ascii_lowercase()), *known));
    let (distance, nearest) = by_distance.min()?;
    (distance * 3 <= nearest.len()).then_some(nearest)
}

fn shortened(text: &str) -> String {
    let start: String = text.chars().take(SHOWN).flat_map(visible).collect();
    let more = if text.chars().count() > SHOWN { "…" } else { "" };
    format!("{start}{more}")
}

/// Who pastes a URL, or a part of one, where a host is wanted may paste a password (`user:password@host`, RFC 3986, section
/// 3.2.1), and messages are kept. A password may hold anything, so all from the first colon to the last `@` is hidden; a path
/// alone has no user.
fn without_password(text: &str) -> Cow<'_, str> {
    let Some((before, after)) = text.rsplit_once('@') else { return Cow::Borrowed(text) };
    let is_path = before.contains('/') && !before.contains(":/") && !before.starts_with("//");
    // A colon before slashes ends a scheme.
    let colon = before.match_indices(':').map(|(at, _)| at).find(|at| !before[*at..].starts_with("://"));
    match colon.filter(|_| !is_path) {
        Some(colon) => Cow::Owned(format!("{}:…@{after}", &before[..colon])),
        None => Cow::Borrowed(text),
    }
}

/// Quotation marks and backslashes stay what they are: people compare what they read with what they typed.
fn visible(c: char) -> Vec<char> {
    match c {
        '"' | '\'' | '\\' => vec![c],
        other => other.escape_debug().collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_shown_as_typed_but_for_what_cannot_be_seen() {
        assert_eq!(quoted("say \"it's\" C:\\x"), "`say \"it's\" C:\\x`");
        assert_eq!(quoted("a\nb\u{1b}[31m\u{202e}"), "`a\\nb\\u{1b}[31m\\u{202e}`");
        assert_eq!(quoted(""), "``");
    }

    #[test]
    fn a_long_text_is_shown_by_its_beginning() {
        assert_eq!(quoted(&"é".repeat(80)), format!("`{}`", "é".repeat(80)));
        assert_eq!(quoted(&"é".repeat(81)), format!("`{}…`", "é".repeat(80)));
        assert_eq!(json(&json!(["x".repeat(200)])), format!("[\"{}…", "x".repeat(78)));
    }

    #[test]
    fn a_password_is_not_shown() {
        for (typed, shown) in [
            ("https://me:pass@www.example.com/a", "`https://me:…@www.example.com/a`"),
            ("me:p@ss@www.example.com", "`me:…@www.example.com`"),
            ("me@www.example.com", "`me@www.example.com`"),
            ("//me:pass@www.example.com", "`//me:…@www.example.com`"),
            ("https:/me:pass@www.example.com", "`https:…@www.example.com`"),
            ("https://me:p/a?s#s@www.example.com", "`https://me:…@www.example.com`"),
            ("me:p://s@www.example.com", "`me:…@www.example.com`"),
            ("https://a.example,https://me:pass@b.example", "`https://a.example,https://me:…@b.example`"),
            ("https://www.example.com/a", "`https://www.example.com/a`"),
            ("/a:b@c", "`/a:b@c`"),
            ("api/v1:b@c", "`api/v1:b@c`"),
        ] {
            assert_eq!(quoted(typed), shown);
        }
        assert_eq!(json(&json!({"user": "me@x"})), r#"{"user":"me@x"}"#);
    }

    #[test]
    fn a_misspelled_name_is_told_from_another_one() {
        const KNOWN: [&str; 2] = ["dryRun", "expiresIn"];
        assert_eq!(nearest("dryrun", &KNOWN), Some("dryRun"));
        assert_eq!(nearest("expireIn", &KNOWN), Some("expiresIn"));
        assert_eq!(nearest("dryRxx", &KNOWN), Some("dryRun"), "a third of its letters");
        assert_eq!(nearest("dryxxx", &KNOWN), None, "half of them");
        assert_eq!(nearest("colour", &KNOWN), None);
    }

    #[test]
    fn a_value_that_is_no_text_is_shown_as_json() {
        for (value, shown) in [(json!("a"), "`a`"), (json!(null), "null"), (json!({"a": 1}), "{\"a\":1}")] {
            assert_eq!(json(&value), shown);
        }
    }
}
