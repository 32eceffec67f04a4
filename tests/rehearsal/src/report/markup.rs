//! Text that becomes part of a page or a picture.

use crate::clock::Scale;

/// The same text where `<`, `&` and quotes have a meaning.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // No page may hold these, escaped or not.
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The mark that every figure carries.
pub(crate) fn modelled(scale: Scale) -> String {
    format!("<span class=\"modelled\">modelled {scale}</span>")
}

/// A length or place in a picture, to a tenth of a pixel: `12.3`, `12`.
pub(crate) fn px(length: f64) -> String {
    format!("{}", (length * 10.0).round() / 10.0)
}

/// About how wide a text is in a picture: pages bring no font, so that it can only be guessed, and is guessed rather too wide.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_become_markup() {
        assert_eq!(escape("<a b='c' d=\"e\">&\u{1}"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;\u{fffd}");
    }

    #[test]
    fn places_are_short() {
        assert_eq!((px(12.345), px(7.0)), ("12.3".to_owned(), "7".to_owned()));
    }
}
