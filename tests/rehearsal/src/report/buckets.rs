//! Answers counted in equal stretches of time, by class.

use std::time::Duration;

use crate::clock::Moment;
use crate::timeline::{Answer, Class};

/// Answers to the requests that began in one stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    counts: [usize; Class::ALL.len()],
}

impl Bucket {
    pub(crate) fn count(&self, class: Class) -> usize {
        self.counts[place(class)]
    }

    pub(crate) fn add(&mut self, class: Class) {
        self.counts[place(class)] += 1;
    }

    pub(crate) fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    pub(crate) fn bypassed(&self) -> usize {
        Class::ALL.into_iter().filter(|class| class.is_bypassed()).map(|class| self.count(class)).sum()
    }

    /// Part of the answers that are of `class`; none where there are no answers.
    pub(crate) fn share(&self, class: Class) -> f64 {
        ratio(self.count(class), self.total())
    }
}

/// A play, or a part of it, that is divided into stretches of `width`.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    pub(crate) width: Duration,
    pub(crate) all: Vec<Bucket>,
}

impl Buckets {
    /// Counts each request of the play where it began. One that began after `end` counts with the last stretch.
    pub(crate) fn of(answers: &[Answer], width: Duration, end: Moment) -> Self {
        Self::count(answers.iter(), width, Moment::default(), end)
    }

    /// The same for the requests that began from `begin` until before `end`.
    pub(crate) fn between(answers: &[Answer], width: Duration, begin: Moment, end: Moment) -> Self {
        Self::count(answers.iter().filter(|answer| (begin..end).contains(&answer.at)), width, begin, end)
    }

    fn count<'a>(answers: impl Iterator<Item = &'a Answer>, width: Duration, begin: Moment, end: Moment) -> Self {
        let number = |since: Duration| since.as_secs_f64() / width.as_secs_f64();
        let last = (number(end - begin).ceil() as usize).max(1) - 1;
        let mut all = vec![Bucket::default(); last + 1];
        for answer in answers {
            all[(number(answer.at - begin) as usize).min(last)].add(answer.class);
        }
        Self { width, all }
    }

    /// How long something lasted that is seen in the stretches that `seen` picks. In a stretch without requests nobody looked:
    /// it is taken to be as the one before.
    pub(crate) fn lasting(&self, seen: impl Fn(&Bucket) -> bool) -> Duration {
        self.weighted(|bucket| if seen(bucket) { 1.0 } else { 0.0 })
    }

    /// The sum of all stretches, each with a weight from 0 to 1. A stretch without requests has that of the one before.
    pub(crate) fn weighted(&self, weight: impl Fn(&Bucket) -> f64) -> Duration {
        let mut before = 0.0;
        let mut sum = 0.0;
        for bucket in &self.all {
            if bucket.total() > 0 {
                before = weight(bucket);
            }
            sum += before;
        }
        self.width.mul_f64(sum)
    }
}

/// A part of a whole; none of nothing.
pub(crate) fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn place(class: Class) -> usize {
    match class {
        Class::Inspected => 0,
        Class::BypassedDns => 1,
        Class::BypassedEdge => 2,
        Class::Failed => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{answer, at};

    #[test]
    fn a_request_counts_where_it_began() {
        let answers =
            [answer(0.0, 9.0, Class::Failed), answer(4.9, 0.1, Class::Inspected), answer(5.0, 0.1, Class::BypassedDns)];
        let buckets = Buckets::of(&answers, Duration::from_secs(5), at(10.0));
        let totals: Vec<_> = buckets.all.iter().map(Bucket::total).collect();
        assert_eq!(totals, [2, 1]);
        assert_eq!(buckets.all[0].count(Class::Failed), 1);
        assert_eq!(buckets.all[1].bypassed(), 1);
    }

    #[test]
    fn a_request_at_the_very_end_is_not_lost() {
        let buckets = Buckets::of(&[answer(10.0, 1.0, Class::Inspected)], Duration::from_secs(5), at(10.0));
        assert_eq!(buckets.all.len(), 2);
        assert_eq!(buckets.all[1].total(), 1);
    }

    #[test]
    fn a_part_of_a_play_holds_what_began_in_it() {
        let answers = [4.0, 5.0, 12.0, 15.0, 16.0].map(|begun| answer(begun, 1.0, Class::Inspected));
        let buckets = Buckets::between(&answers, Duration::from_secs(5), at(5.0), at(15.0));
        assert_eq!(buckets.all.iter().map(Bucket::total).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn a_stretch_in_which_nobody_asked_is_as_the_one_before() {
        let answers = [answer(1.0, 0.1, Class::Failed), answer(16.0, 0.1, Class::Inspected)];
        let buckets = Buckets::of(&answers, Duration::from_secs(5), at(20.0));
        assert_eq!(buckets.lasting(|bucket| bucket.share(Class::Failed) >= 0.5), Duration::from_secs(15));
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        assert_eq!(Bucket::default().share(Class::Failed), 0.0);
        assert_eq!(Buckets::of(&[], Duration::from_secs(5), Moment::default()).all.len(), 1);
    }
}
