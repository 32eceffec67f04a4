//! Where a moment is in a picture.

use std::time::Duration;

use super::markup::px;
use crate::clock::Moment;

/// Distances between ticks that people can add up, in seconds.
const STEPS: [u64; 12] = [5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];

/// Modelled time from left to right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) begin: Moment,
    pub(crate) end: Moment,
}

impl Axis {
    /// What is before the begin is at the left, and what is after the end at the right.
    pub(crate) fn x(&self, moment: Moment) -> f64 {
        let whole = (self.end - self.begin).as_secs_f64();
        let share = if whole == 0.0 { 0.0 } else { (moment - self.begin).as_secs_f64() / whole };
        self.left + share.min(1.0) * (self.right - self.left)
    }

    pub(crate) fn shows(&self, moment: Moment) -> bool {
        (self.begin..=self.end).contains(&moment)
    }

    /// A stretch as `x` and `width` of a rectangle, never so narrow that it cannot be seen; `None` where none of it is shown.
    pub(crate) fn stretch(&self, from: Moment, to: Moment) -> Option<(f64, f64)> {
        let x = self.x(from);
        (to >= self.begin && from <= self.end).then(|| (x, (self.x(to) - x).max(1.0)))
    }

    /// Places and labels of at most about `most` ticks: minutes, or minutes and seconds where these are needed.
    pub(crate) fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let whole = (self.end - self.begin).as_secs();
        let step = STEPS.into_iter().find(|step| whole / step <= most as u64).unwrap_or(STEPS[STEPS.len() - 1]);
        let first = (self.begin.seconds() / step as f64).ceil() as u64;
        let last = self.end.since_begin().as_secs() / step;
        (first..=last)
            .map(|number| {
                let tick = Moment::at(Duration::from_secs(number * step));
                let (minutes, seconds) = (number * step / 60, number * step % 60);
                let label = if step < 60 { format!("{minutes}:{seconds:02}") } else { minutes.to_string() };
                (self.x(tick), label)
            })
            .collect()
    }

    /// The ticks with their lines from `top` to `bottom`, and their labels below.
    pub(crate) fn drawing(&self, most: usize, top: f64, bottom: f64) -> String {
        let ticks = self.ticks(most).into_iter();
        let drawn = ticks.map(|(x, label)| {
            let (x, top, bottom, base) = (px(x), px(top), px(bottom), px(bottom + 14.0));
            format!(
                "<line class=\"grid\" x1=\"{x}\" y1=\"{top}\" x2=\"{x}\" y2=\"{bottom}\"/>\
                 <text class=\"tick\" x=\"{x}\" y=\"{base}\" text-anchor=\"middle\">{label}</text>"
            )
        });
        drawn.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::at;

    fn labels(end: f64, most: usize) -> Vec<String> {
        let axis = Axis { left: 0.0, right: 100.0, begin: at(0.0), end: at(end) };
        axis.ticks(most).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_at_round_minutes() {
        assert_eq!(labels(2820.0, 10), ["0", "5", "10", "15", "20", "25", "30", "35", "40", "45"]);
        assert_eq!(labels(100.0, 4), ["0:00", "0:30", "1:00", "1:30"]);
        assert_eq!(labels(86_400.0, 6).len(), 7);
    }

    #[test]
    fn a_part_of_a_play_has_the_ticks_of_that_part() {
        let axis = Axis { left: 0.0, right: 100.0, begin: at(100.0), end: at(300.0) };
        let ticks: Vec<_> = axis.ticks(4).into_iter().map(|(_, label)| label).collect();
        assert_eq!(ticks, ["2", "3", "4", "5"]);
    }

    #[test]
    fn nothing_is_beyond_begin_and_end() {
        let axis = Axis { left: 20.0, right: 120.0, begin: at(10.0), end: at(60.0) };
        assert_eq!(
            [at(0.0), at(10.0), at(35.0), at(60.0), at(90.0)].map(|moment| axis.x(moment)),
            [20.0, 20.0, 70.0, 120.0, 120.0]
        );
        assert_eq!(axis.stretch(at(60.0), at(60.0)), Some((120.0, 1.0)));
        assert_eq!(axis.stretch(at(61.0), at(70.0)), None);
        assert_eq!(axis.stretch(at(0.0), at(9.0)), None);
    }
}
