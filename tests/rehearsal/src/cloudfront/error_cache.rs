//! Errors that an edge serves again instead of asking the origin.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Moment;

/// Errors by host and path with query. Each edge has its own.
///
/// Assumed: a new configuration empties it as little as it empties CloudFront's cache.
pub(crate) struct ErrorCache<T> {
    kept: HashMap<(String, String), Kept<T>>,
}

struct Kept<T> {
    until: Moment,
    answer: T,
}

impl<T> ErrorCache<T> {
    pub(crate) fn new() -> Self {
        Self { kept: HashMap::new() }
    }

    /// An error that is still to be served.
    pub(crate) fn get(&self, host: &str, path: &str, now: Moment) -> Option<&T> {
        let kept = self.kept.get(&(host.to_owned(), path.to_owned()))?;
        (now < kept.until).then_some(&kept.answer)
    }

    /// Keeps an error for `ttl`, modelled, and forgets those whose time is over.
    pub(crate) fn keep(&mut self, host: &str, path: &str, now: Moment, ttl: Duration, answer: T) {
        self.kept.retain(|_, kept| now < kept.until);
        if ttl > Duration::ZERO {
            self.kept.insert((host.to_owned(), path.to_owned()), Kept { until: now + ttl, answer });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    #[test]
    fn an_error_is_served_for_its_time_and_its_place_only() {
        let mut cache = ErrorCache::new();
        cache.keep("www.example.com", "/a", at(100), Duration::from_secs(10), 502);
        assert_eq!(cache.get("www.example.com", "/a", at(109)), Some(&502));
        assert_eq!(cache.get("www.example.com", "/a", at(110)), None);
        assert_eq!(cache.get("www.example.com", "/b", at(101)), None);
        assert_eq!(cache.get("shop.example.com", "/a", at(101)), None);
    }

    #[test]
    fn no_time_keeps_nothing_and_old_errors_are_forgotten() {
        let mut cache = ErrorCache::new();
        cache.keep("www.example.com", "/a", at(0), Duration::from_secs(10), 502);
        cache.keep("www.example.com", "/b", at(20), Duration::ZERO, 504);
        assert!(cache.kept.is_empty());
    }
}
