//! The numbers below a picture, each with a line up to its moment, in as many lanes as they need.

use super::axis::Axis;
use super::chart::TEXT;
use super::markup::{px, width};
use super::milestones::Marker;

/// Height of a lane, and radius of a number.
const LANE: f64 = 19.0;
const RADIUS: f64 = 8.0;

/// With more lanes than these, a picture is hard to read.
const MOST: usize = 11;

/// Markers that have their places.
#[derive(Clone, Debug)]
pub(crate) struct Pins {
    placed: Vec<(Marker, usize)>,
    /// Whether there are words beside the numbers.
    words: bool,
}

impl Pins {
    /// Finds a lane for each marker. Where they are too many, the words beside the numbers go first, and then the last of the
    /// markers: the tables have all of them.
    pub(crate) fn place(mut markers: Vec<Marker>, axis: &Axis, words: bool) -> Self {
        let in_lanes = |markers: &[Marker], words: bool| {
            let label = |marker: &Marker| {
                let beside = if words { width(marker.label, TEXT) + 5.0 } else { 0.0 };
                (axis.x(marker.at), RADIUS * 2.0 + 2.0 + beside)
            };
            lanes(&markers.iter().map(label).collect::<Vec<_>>())
        };
        let is_readable = |lanes: &[usize]| lanes.iter().all(|lane| *lane < MOST);
        let words = words && is_readable(&in_lanes(&markers, true));
        let mut lanes = in_lanes(&markers, words);
        while !is_readable(&lanes) {
            markers.pop();
            lanes = in_lanes(&markers, words);
        }
        Self { placed: markers.into_iter().zip(lanes).collect(), words }
    }

    pub(crate) fn height(&self) -> f64 {
        let lanes = self.placed.iter().map(|(_, lane)| lane + 1).max().unwrap_or(0);
        lanes as f64 * LANE
    }

    /// Lines from `top` down to the numbers, of which the first lane begins at `lanes_top`, and the words beside these.
    pub(crate) fn drawing(&self, axis: &Axis, top: f64, lanes_top: f64) -> String {
        let line = |(marker, lane): &(Marker, usize)| {
            let (x, bottom) = (px(axis.x(marker.at)), px(lanes_top + *lane as f64 * LANE));
            format!("<line class=\"leader\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\"/>", px(top))
        };
        let label = |(marker, lane): &(Marker, usize)| {
            let (x, y) = (axis.x(marker.at), lanes_top + *lane as f64 * LANE + RADIUS);
            let number = marker.number;
            let word = if self.words {
                let (x, y) = (px(x + RADIUS + 4.0), px(y + 4.0));
                format!("<text class=\"marker\" x=\"{x}\" y=\"{y}\">{}</text>", marker.label)
            } else {
                String::new()
            };
            format!(
                "<g><title>{number}: {label} at {at}</title><circle class=\"marker\" cx=\"{cx}\" cy=\"{cy}\" r=\"{RADIUS}\"/>\
                 <text class=\"number\" x=\"{cx}\" y=\"{base}\" text-anchor=\"middle\">{number}</text>{word}</g>",
                label = marker.label,
                at = marker.at,
                cx = px(x),
                cy = px(y),
                base = px(y + 3.5),
            )
        };
        self.placed.iter().map(line).chain(self.placed.iter().map(label)).collect()
    }
}

/// In which lane below the picture each label has its place, from 0 at the top. `labels` are places and widths, from left to
/// right; a label is right of its line. A line must not cross another's label, so that of two which are close the left one is
/// the lower one.
fn lanes(labels: &[(f64, f64)]) -> Vec<usize> {
    let mut lanes = vec![0; labels.len()];
    for number in (0..labels.len()).rev() {
        let (x, width) = labels[number];
        let covered = (number + 1..labels.len()).filter(|later| labels[*later].0 < x + width);
        lanes[number] = covered.map(|later| lanes[later] + 1).max().unwrap_or(0);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::at;

    #[test]
    fn of_two_labels_that_are_close_the_left_one_is_lower() {
        assert_eq!(lanes(&[(0.0, 50.0), (10.0, 50.0), (20.0, 50.0), (100.0, 50.0)]), [2, 1, 0, 0]);
        assert_eq!(lanes(&[]), Vec::<usize>::new());
    }

    #[test]
    fn no_line_crosses_a_label() {
        let labels = [(0.0, 30.0), (5.0, 80.0), (40.0, 10.0), (42.0, 50.0), (60.0, 5.0), (90.0, 9.0)];
        let lanes = lanes(&labels);
        for (number, (x, _)) in labels.iter().enumerate() {
            for (other, (begin, width)) in labels.iter().enumerate() {
                let is_under = other != number && begin <= x && *x < begin + width;
                assert!(!is_under || lanes[number] < lanes[other], "the line of {number} crosses the label of {other}");
            }
        }
    }

    fn pins(markers: usize, seconds: f64) -> Pins {
        let axis = Axis { left: 0.0, right: 1000.0, begin: at(0.0), end: at(1000.0) };
        let marker = |number| Marker { number, at: at(number as f64 * seconds), label: "detected" };
        Pins::place((1..=markers).map(marker).collect(), &axis, true)
    }

    #[test]
    fn few_markers_have_words() {
        let found = pins(5, 10.0);
        assert!(found.words);
        assert_eq!((found.placed.len(), found.height()), (5, 5.0 * LANE));
    }

    #[test]
    fn many_markers_have_numbers_alone() {
        let found = pins(40, 20.0);
        assert!(!found.words);
        assert_eq!(found.placed.len(), 40);
    }

    #[test]
    fn of_too_many_markers_the_first_are_there() {
        let found = pins(200, 2.0);
        assert!(found.height() <= MOST as f64 * LANE);
        assert_eq!(found.placed.first().map(|(marker, _)| marker.number), Some(1));
    }
}
