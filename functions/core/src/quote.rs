//! What others have typed, as a message shows it.

use serde_json::Value;

/// Longest piece of a text that a message repeats, in characters.
const SHOWN: usize = 80;

/// A text in backticks: without control characters, and not endless.
pub fn quoted(text: &str) -> String {
    format!("`{}`", shortened(text))
}

/// A JSON value: a text as [`quoted`], anything else as it is written.
pub fn json(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => shortened(&other.to_string()),
    }
}

fn shortened(text: &str) -> String {
    let start: String = text.chars().take(SHOWN).flat_map(visible).collect();
    let more = if text.chars().count() > SHOWN { "…" } else { "" };
    format!("{start}{more}")
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
    fn a_value_that_is_no_text_is_shown_as_json() {
        for (value, shown) in [(json!("a"), "`a`"), (json!(null), "null"), (json!({"a": 1}), "{\"a\":1}")] {
            assert_eq!(json(&value), shown);
        }
    }
}
