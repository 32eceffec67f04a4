//! The words of one line, read from left to right. What is wrong with them is said in a sentence that ends with what would
//! be right.

use std::time::Duration;

use super::spelling::{alternatives, nearest};

/// What is wrong with a line, and what would be right.
pub(super) type Wrong = String;

/// The part of a line that has not been read yet.
pub(super) struct Words<'t> {
    rest: &'t str,
}

impl<'t> Words<'t> {
    pub(super) fn of(line: &'t str) -> Self {
        Self { rest: line.trim() }
    }

    pub(super) fn peek(&self) -> Option<&'t str> {
        self.rest.split_whitespace().next()
    }

    pub(super) fn next(&mut self) -> Option<&'t str> {
        let word = self.peek()?;
        self.rest = self.rest[word.len()..].trim_start();
        Some(word)
    }

    /// Takes the next word if it is this one.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let is_next = self.peek().is_some_and(|next| next.eq_ignore_ascii_case(word));
        if is_next {
            self.next();
        }
        is_next
    }

    /// Everything that is left, as it is written.
    pub(super) fn take_rest(&mut self) -> &'t str {
        std::mem::take(&mut self.rest)
    }

    /// The next words have to be these.
    pub(super) fn literally(&mut self, words: &[&'static str]) -> Result<(), Wrong> {
        words.iter().try_for_each(|word| self.choice("word", &[(word, ())]))
    }

    /// The next word has to be one of these; what it means is returned.
    pub(super) fn choice<T: Clone>(&mut self, what: &str, choices: &[(&'static str, T)]) -> Result<T, Wrong> {
        let known: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let Some(found) = self.next() else {
            return Err(format!("it ends where {} has to follow", alternatives(&known)));
        };
        match choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(found)) {
            Some((_, meaning)) => Ok(meaning.clone()),
            None => {
                let meant = nearest(found, known.iter().copied());
                let meant = meant.filter(|_| known.len() > 1).map(|word| format!(" Did you mean `{word}`?"));
                Err(match known.as_slice() {
                    [only] => format!("`{found}` stands where `{only}` has to"),
                    _ => format!(
                        "there is no {what} `{found}`.{} It is {}",
                        meant.unwrap_or_default(),
                        alternatives(&known)
                    ),
                })
            }
        }
    }

    /// One of the words that others understand too, spelled as they spell it.
    pub(super) fn one_of(&mut self, what: &str, words: &[&'static str]) -> Result<String, Wrong> {
        let choices: Vec<(&'static str, &'static str)> = words.iter().map(|word| (*word, *word)).collect();
        self.choice(what, &choices).map(str::to_owned)
    }

    pub(super) fn duration(&mut self) -> Result<Duration, Wrong> {
        let Some(found) = self.next() else {
            return Err("it ends where a duration such as 30s, 5m or 1h30m has to follow".to_owned());
        };
        duration(found).ok_or_else(|| {
            format!(
                "`{found}` is no duration. Write hours, minutes and seconds in this order, such as 30s, 5m or 1h30m"
            )
        })
    }

    pub(super) fn number(&mut self) -> Result<u32, Wrong> {
        let Some(found) = self.next() else {
            return Err("it ends where a number has to follow".to_owned());
        };
        found.parse().map_err(|_| format!("`{found}` stands where a number has to"))
    }

    /// `for D`, where it is there.
    pub(super) fn optional_for(&mut self) -> Result<Option<Duration>, Wrong> {
        if self.take("for") { self.duration().map(Some) } else { Ok(None) }
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Wrong> {
        match self.rest {
            "" => Ok(()),
            rest => Err(format!("`{rest}` is too much here; the command is complete without it")),
        }
    }
}

/// `30s`, `2m`, `1h30m`: whole hours, minutes and seconds in this order, each at most once, and not nothing.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.to_ascii_lowercase();
    let mut seconds: u64 = 0;
    for (unit, worth) in [('h', 3600), ('m', 60), ('s', 1)] {
        if let Some((number, after)) = rest.split_once(unit) {
            if !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            seconds = number.parse::<u64>().ok()?.checked_mul(worth)?.checked_add(seconds)?;
            rest = after.to_owned();
        }
    }
    (rest.is_empty() && seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_hours_minutes_and_seconds() {
        for (text, seconds) in [("30s", 30), ("2m", 120), ("1h", 3600), ("90s", 90), ("1h30m", 5400), ("1H1m1S", 3661)]
        {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "5", "m", "5 m", "1m1h", "1m2m", "-5m", "+5m", "1.5h", "0s", "99999999999999999h", "5min"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn words_are_the_same_in_capitals() {
        let mut words = Words::of("  WAIT  For  ");
        assert_eq!(words.choice("command", &[("heal", 1), ("wait", 2)]), Ok(2));
        assert!(words.take("for"));
        assert_eq!(words.end(), Ok(()));
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_right_ones() {
        let hosts = [("inspection", ()), ("application", ())];
        assert_eq!(
            Words::of("inspecton").choice("host", &hosts).unwrap_err(),
            "there is no host `inspecton`. Did you mean `inspection`? It is inspection or application"
        );
        assert_eq!(
            Words::of("").choice("host", &hosts).unwrap_err(),
            "it ends where inspection or application has to follow"
        );
        assert_eq!(
            Words::of("alarms events").literally(&["alarm", "events"]).unwrap_err(),
            "`alarms` stands where `alarm` has to"
        );
    }

    #[test]
    fn what_is_left_over_is_named() {
        let mut words = Words::of("5m and more");
        assert_eq!(words.duration(), Ok(Duration::from_secs(300)));
        assert_eq!(words.end().unwrap_err(), "`and more` is too much here; the command is complete without it");
    }
}
