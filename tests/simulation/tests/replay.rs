//! One number plays a schedule again, bit for bit, whatever else runs at the same time.

use std::thread;

use failopen_simulation::{Played, play};

/// Seeds that are played twice, with their full stories.
const SEEDS: u64 = 200;

/// Plays all seeds on so many threads.
fn play_on(threads: u64) -> Vec<Played> {
    let mut all: Vec<Played> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|first| {
                let seeds = (first..SEEDS).step_by(usize::try_from(threads).expect("a few threads"));
                scope.spawn(move || seeds.map(|seed| play(seed, None, true)).collect::<Vec<_>>())
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a schedule does not panic")).collect()
    });
    all.sort_by_key(|played| played.seed);
    all
}

#[test]
fn a_seed_tells_the_same_story_again_on_any_number_of_threads() {
    let (once, again) = (play_on(1), play_on(3));
    for (first, second) in once.iter().zip(&again) {
        assert!(!first.story.is_empty(), "seed {} tells nothing", first.seed);
        assert_eq!(first.story, second.story, "seed {}", first.seed);
        assert_eq!((first.seed, &first.tally), (second.seed, &second.tally));
    }
    assert_eq!(once.len(), again.len());
}

#[test]
fn a_story_that_nobody_reads_changes_nothing() {
    for seed in 0..SEEDS {
        let (told, untold) = (play(seed, None, true), play(seed, None, false));
        assert_eq!(told.tally, untold.tally, "seed {seed}");
        assert_eq!(told.violations, untold.violations, "seed {seed}");
    }
}

#[test]
fn another_seed_tells_another_story() {
    assert_ne!(play(1, None, true).story, play(2, None, true).story);
}
