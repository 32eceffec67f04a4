//! What viewers ask for: a drawn mix, the same one for the same seed.

use fastrand::Rng;

/// One request in so many is a POST.
const POSTS: usize = 5;

/// Pages, so that each protected behaviour of the site's distribution gets some; payments go to a third one.
const PAGES: [&str; 3] = ["/", "/products/42", "/landing/spring"];
const PAYMENT: &str = "/checkout/pay";

/// A request that a viewer wants to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Number of the edge, from 0.
    pub(super) edge: usize,
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// Whether the viewer keeps its connection with the edge.
    pub(super) keep_alive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

/// Draws wishes. Edges are asked in turn.
pub(super) struct Mix {
    edges: usize,
    drawn: usize,
    random: Rng,
}

impl Mix {
    /// For at least one edge.
    pub(super) fn new(edges: usize, seed: u64) -> Self {
        Self { edges, drawn: 0, random: Rng::with_seed(seed) }
    }

    pub(super) fn next(&mut self) -> Wish {
        let edge = self.drawn % self.edges;
        self.drawn += 1;
        let (method, path) = match self.random.usize(..POSTS) {
            0 => (Method::Post, PAYMENT),
            _ => (Method::Get, PAGES[self.random.usize(..PAGES.len())]),
        };
        Wish { edge, method, path, keep_alive: self.random.bool() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64) -> Vec<Wish> {
        let mut mix = Mix::new(3, seed);
        (0..3000).map(|_| mix.next()).collect()
    }

    #[test]
    fn edges_are_asked_in_turn_and_a_seed_always_draws_the_same() {
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        assert!(drawn(7).iter().enumerate().all(|(number, wish)| wish.edge == number % 3));
    }

    #[test]
    fn one_in_five_pays_and_half_keep_their_connection() {
        let wishes = drawn(7);
        let count = |wanted: &dyn Fn(&Wish) -> bool| wishes.iter().filter(|wish| wanted(wish)).count();
        assert!((500..700).contains(&count(&|wish| wish.method == Method::Post)));
        assert!((1350..1650).contains(&count(&|wish| wish.keep_alive)));
        assert!(wishes.iter().all(|wish| (wish.path == PAYMENT) == (wish.method == Method::Post)));
        assert!(PAGES.iter().all(|page| count(&|wish| wish.path == *page) > 600));
    }
}
