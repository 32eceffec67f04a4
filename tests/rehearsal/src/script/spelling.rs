//! What somebody may have meant who wrote a word that nobody knows.

use strsim::levenshtein;

/// The candidate that is written most like `word`, where one is alike enough to be meant.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (levenshtein(&word, &candidate.to_ascii_lowercase()), candidate))
        // A third of the letters may be wrong, and one in any word.
        .filter(|(distance, candidate)| *distance <= ((candidate.len() + 1) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn alternatives(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_recognised_and_another_word_is_not() {
        let words = ["inspection", "application"];
        assert_eq!(nearest("Inspektion", words), Some("inspection"));
        assert_eq!(nearest("aplication", words), Some("application"));
        assert_eq!(nearest("brake", ["break", "heal"]), Some("break"));
        assert_eq!(nearest("viewers", words), None);
        assert_eq!(nearest("by", ["hold", "for"]), None);
    }

    #[test]
    fn alternatives_read_like_a_sentence() {
        assert_eq!(alternatives(&["a"]), "a");
        assert_eq!(alternatives(&["a", "b", "c"]), "a, b or c");
    }
}
