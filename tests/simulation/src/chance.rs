//! Chance that one number decides.

use std::cell::RefCell;

use fastrand::Rng;

/// The only source of chance in a schedule.
#[derive(Debug)]
pub(crate) struct Chance(RefCell<Rng>);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        // Neighbouring seeds must not give neighbouring schedules: SplitMix64's finaliser parts them.
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(RefCell::new(Rng::with_seed(z ^ (z >> 31))))
    }

    /// True this many times in a thousand.
    pub(crate) fn per_mille(&self, odds: u32) -> bool {
        odds > 0 && self.0.borrow_mut().u32(0..1000) < odds
    }

    pub(crate) fn percent(&self, odds: u32) -> bool {
        self.per_mille(odds * 10)
    }

    /// From `from` up to and without `to`.
    pub(crate) fn between(&self, from: i64, to: i64) -> i64 {
        if from >= to { from } else { self.0.borrow_mut().i64(from..to) }
    }

    pub(crate) fn below(&self, limit: u32) -> u32 {
        self.0.borrow_mut().u32(0..limit.max(1))
    }

    pub(crate) fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.0.borrow_mut().usize(0..from.len())]
    }
}
