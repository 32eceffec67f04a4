//! Many schedules on all cores.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::fault::{Fault, Tally};
use crate::removal::Removal;
use crate::schedule::{Played, play};

/// What is to be played.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// Schedule `i` has the seed `seed + i`, so that one number plays any of them again.
    pub seed: u64,
    pub schedules: u64,
    /// Threads; `None` for one a core.
    pub threads: Option<NonZero<usize>>,
    pub removal: Option<Removal>,
    /// Ends with the first violation.
    pub stops_at_first: bool,
}

/// What became of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub schedules: u64,
    /// Schedules in which something was violated, by seed; their stories are told.
    pub violated: Vec<Played>,
    /// How many there were: only the first few are kept.
    pub violations: u64,
    pub tally: Tally,
}

/// So many schedules have to contain every kind of fault often enough.
pub const LARGE: u64 = 20_000;
/// Below this, a kind of fault would hardly meet the moments in which it matters.
pub const LEAST: u64 = 1_000;
/// Stories kept; a rule that is gone violates thousands of schedules in the same way.
const KEPT: usize = 10;

/// Plays a campaign. `progress` hears of every schedule when it has been played.
pub fn run(campaign: &Campaign, progress: impl Fn(&Played) + Sync) -> Summary {
    let threads = campaign.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let next = AtomicU64::new(0);
    let stopped = AtomicBool::new(false);
    let summary = Mutex::new(Summary::default());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Summary::default();
                while !stopped.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= campaign.schedules {
                        break;
                    }
                    let played = play(campaign.seed.wrapping_add(number), campaign.removal, false);
                    if !played.violations.is_empty() && campaign.stops_at_first {
                        stopped.store(true, Ordering::Relaxed);
                    }
                    progress(&played);
                    mine.add(played, campaign.removal);
                }
                if let Ok(mut summary) = summary.lock() {
                    summary.merge(mine);
                }
            });
        }
    });
    let mut summary = summary.into_inner().unwrap_or_default();
    summary.violated.sort_by_key(|played| played.seed);
    summary.violated.truncate(KEPT);
    summary
}

impl Summary {
    fn add(&mut self, played: Played, removal: Option<Removal>) {
        self.schedules += 1;
        self.tally.add(&played.tally);
        if played.violations.is_empty() {
            return;
        }
        self.violations += 1;
        if self.violated.len() < KEPT {
            // Again, now with its story: bulk runs tell none.
            self.violated.push(play(played.seed, removal, true));
        }
    }

    fn merge(&mut self, other: Summary) {
        self.schedules += other.schedules;
        self.violations += other.violations;
        self.tally.add(&other.tally);
        self.violated.extend(other.violated);
    }

    /// The kinds of fault that so large a campaign contains too seldom to prove anything about them, and how often it does.
    pub fn rare(&self) -> Vec<(Fault, u64)> {
        if self.schedules < LARGE {
            return Vec::new();
        }
        Fault::ALL.iter().map(|fault| (*fault, self.tally.of(*fault))).filter(|(_, count)| *count < LEAST).collect()
    }

    /// The contract's last line.
    pub fn last_line(&self) -> String {
        let (fault, count) = self.tally.least();
        format!("schedules={} violations={} least_injected={fault}:{count}", self.schedules, self.violations)
    }
}
