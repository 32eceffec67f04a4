//! Which requests a path pattern of CloudFront stands for.
//!
//! `*` stands for any characters, `/` too, or for none; `?` for exactly one; upper and lower case differ; a leading `/`
//! may be left out (CloudFront Developer Guide, "Path pattern").

use crate::id::PathPattern;

impl PathPattern {
    /// Whether both stand for the same paths because they differ at most in the optional leading `/`.
    pub fn is_alike(&self, other: &PathPattern) -> bool {
        self.without_slash() == other.without_slash()
    }

    /// Whether every path that `other` stands for is one that `self` stands for, too.
    ///
    /// Decided symbol by symbol, with `?*` and `*?` taken for the same. A yes is always right.
    pub fn covers(&self, other: &PathPattern) -> bool {
        let (outer, inner) = (symbols(self.without_slash()), symbols(other.without_slash()));
        let (mut at_outer, mut at_inner) = (0, 0);
        // Where to go on when a mismatch shows that the last `*` of `outer` has to take one symbol more.
        let mut last_star: Option<(usize, usize)> = None;
        while at_inner < inner.len() {
            if outer.get(at_outer) == Some(&Symbol::Any) {
                last_star = Some((at_outer, at_inner));
                at_outer += 1;
            } else if outer.get(at_outer).is_some_and(|symbol| symbol.takes(inner[at_inner])) {
                at_outer += 1;
                at_inner += 1;
            } else if let Some((star, taken)) = last_star {
                at_outer = star;
                at_inner = taken + 1;
            } else {
                return false;
            }
        }
        outer[at_outer..].iter().all(|symbol| *symbol == Symbol::Any)
    }

    fn without_slash(&self) -> &str {
        self.as_str().strip_prefix('/').unwrap_or(self.as_str())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Symbol {
    /// `*`
    Any,
    /// `?`
    One,
    Character(char),
}

impl Symbol {
    /// Whether this symbol of the outer pattern stands for everything that the inner one stands for; `*` is not asked.
    fn takes(self, inner: Symbol) -> bool {
        match self {
            Symbol::Any => true,
            Symbol::One => inner != Symbol::Any,
            Symbol::Character(_) => self == inner,
        }
    }
}

/// The pattern with each run of wildcards in one spelling: first every `?`, then at most one `*`.
fn symbols(pattern: &str) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    let mut star = false;
    for character in pattern.chars() {
        match character {
            '*' => star = true,
            '?' => symbols.push(Symbol::One),
            other => {
                if std::mem::take(&mut star) {
                    symbols.push(Symbol::Any);
                }
                symbols.push(Symbol::Character(other));
            }
        }
    }
    if star {
        symbols.push(Symbol::Any);
    }
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(outer: &str, inner: &str) -> bool {
        PathPattern::new(outer).covers(&PathPattern::new(inner))
    }

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        for (outer, inner) in [
            ("*", "/anything/*"),
            ("/api/*", "/api/v1/*"),
            ("api/*", "/api/*"),
            ("/api/*", "api/v1/users"),
            ("*.jpg", "/images/*.jpg"),
            ("/a/*/c", "/a/b/x/c"),
            ("/a?c", "/abc"),
            ("/a?c", "/a?c"),
            ("/a*c", "/a?c"),
            ("/a*?c", "/a?*c"),
            ("/*/*", "/a/b/*"),
            ("/x*", "/x"),
        ] {
            assert!(covers(outer, inner), "{outer} must cover {inner}");
        }
    }

    #[test]
    fn a_pattern_does_not_cover_what_it_serves_only_in_part() {
        for (outer, inner) in [
            ("/api/v1/*", "/api/*"),
            ("/API/*", "/api/*"),
            ("/a?c", "/a*c"),
            ("/a?*c", "/a*c"),
            ("*.jpg", "/images/*"),
            ("/images/*", "*.jpg"),
            ("/a", "/a/"),
            ("/a/b", "/a/?"),
            ("", "/x"),
        ] {
            assert!(!covers(outer, inner), "{outer} must not cover {inner}");
        }
    }

    #[test]
    fn a_leading_slash_is_optional() {
        assert!(PathPattern::new("images/*").is_alike(&PathPattern::new("/images/*")));
        assert!(!PathPattern::new("images/*").is_alike(&PathPattern::new("//images/*")));
    }
}
