//! The picture: stacked answers over time, what happened below them, and what each part was in.

use std::time::Duration;

use super::axis::Axis;
use super::buckets::Buckets;
use super::figures::Figures;
use super::markup::{escape, px, width};
use super::milestones::{self, markers};
use super::outage::Outage;
use super::pins::Pins;
use super::strips::{self, strips};
use super::{Play, words};
use crate::clock::Moment;
use crate::timeline::Class;

/// Size of the text in a picture, in pixels of its own.
pub(super) const TEXT: f64 = 11.0;

/// Height of the band above the answers that says that inspection is broken.
const BAND: f64 = 18.0;

/// Height of the answers where several pictures are compared.
const SMALL: f64 = 84.0;

/// What is shown before and after an outage's begin.
const AROUND: Duration = Duration::from_secs(60);

/// How much higher than the most answers the picture is.
const HEADROOM: f64 = 1.06;

/// A picture for one width. A page holds two of them and shows the one that fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The style sheet goes by it; with it begin the ids of what is in the picture, which must be unique in a page.
    pub(crate) name: &'static str,
    width: f64,
    /// Margins beside the answers.
    left: f64,
    right: f64,
    /// Height of the answers.
    plot: f64,
    buckets: usize,
    ticks: usize,
    /// Whether markers carry words beside their numbers, and strips their names at the left.
    words: bool,
}

impl Shape {
    pub(crate) const WIDE: Shape = Shape {
        name: "wide",
        width: 1120.0,
        left: 96.0,
        right: 84.0,
        plot: 230.0,
        buckets: 200,
        ticks: 12,
        words: true,
    };
    pub(crate) const NARROW: Shape = Shape {
        name: "narrow",
        width: 340.0,
        left: 30.0,
        right: 10.0,
        plot: 170.0,
        buckets: 100,
        ticks: 6,
        words: false,
    };

    fn axis(&self, begin: Moment, end: Moment) -> Axis {
        Axis { left: self.left, right: self.width - self.right, begin, end }
    }
}

/// The whole picture of a play.
pub(crate) fn picture(play: &Play<'_>, figures: &Figures, shape: Shape) -> String {
    let axis = shape.axis(Moment::default(), play.ended);
    let strips = strips(play.record, play.ended);
    let (mut body, height) = marked(play, figures, &axis, shape);
    body += &strips::drawing(&strips, &axis, height + 8.0, !shape.words);
    let height = height + 8.0 + strips::height(strips.len(), !shape.words) + 4.0;
    drawing(shape, shape.name, height, &title(play), &description(play, figures), &body)
}

/// The same without strips, from a minute before an outage until what it moved has come to rest; `None` where that is most of
/// the play anyway.
pub(crate) fn onset(play: &Play<'_>, figures: &Figures, shape: Shape) -> Option<String> {
    let outage = figures.outages.first()?;
    let steps = milestones::onset(&outage.onset);
    let last = steps.iter().filter_map(|step| step.mark).map(|mark| mark.at).max()?;
    let begin = Moment::at(outage.dark.since_begin().saturating_sub(AROUND));
    let end = (last + AROUND).min(play.ended);
    if (end - begin) * 2 > play.ended.since_begin() {
        return None;
    }
    let axis = shape.axis(begin, end);
    let (body, height) = marked(play, figures, &axis, shape);
    let title = format!("The same from {begin} to {end}");
    Some(drawing(shape, &format!("{}-onset", shape.name), height, &title, &title, &body))
}

/// The answers alone, with when inspection was broken: one of several below each other, which all end at `end`. With `id` begin
/// the ids of what is in the picture.
pub(crate) fn small(play: &Play<'_>, figures: &Figures, shape: Shape, id: &str, end: Moment) -> String {
    let shape = Shape { plot: SMALL, ..shape };
    let axis = shape.axis(Moment::default(), end);
    let bottom = BAND + shape.plot;
    let (areas, names) = answers(play, &axis, shape, id);
    let body = [
        bands(&figures.outages, &axis, bottom),
        areas,
        borders(&figures.outages, &axis, bottom),
        names,
        axis.drawing(shape.ticks, bottom, bottom + 4.0),
    ];
    drawing(shape, id, bottom + 20.0, &title(play), &description(play, figures), &body.concat())
}

/// Answers and markers, and how high they are.
fn marked(play: &Play<'_>, figures: &Figures, axis: &Axis, shape: Shape) -> (String, f64) {
    let markers = markers(&figures.outages).into_iter().filter(|marker| axis.shows(marker.at)).collect();
    let pins = Pins::place(markers, axis, shape.words);
    let bottom = BAND + shape.plot;
    let lanes_top = bottom + 24.0;
    // What one picture calls `wide`, the closer look at the same width calls otherwise.
    let id = if axis.begin == Moment::default() { shape.name.to_owned() } else { format!("{}-onset", shape.name) };
    let (areas, names) = answers(play, axis, shape, &id);
    let body = [
        bands(&figures.outages, axis, bottom),
        areas,
        borders(&figures.outages, axis, bottom),
        pins.drawing(axis, BAND, lanes_top),
        names,
        axis.drawing(shape.ticks, bottom, bottom + 4.0),
    ];
    (body.concat(), lanes_top + pins.height())
}

fn drawing(shape: Shape, name: &str, height: f64, title: &str, description: &str, body: &str) -> String {
    let (class, width, height) = (shape.name, px(shape.width), px(height));
    format!(
        "<svg class=\"chart {class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"{name}-title {name}-description\">\
         <title id=\"{name}-title\">{}</title><desc id=\"{name}-description\">{}</desc>\
         <defs><pattern id=\"{name}-failed\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect class=\"c-failed\" width=\"6\" height=\"6\"/>\
         <rect class=\"hatch\" width=\"2\" height=\"6\"/></pattern></defs>{body}</svg>",
        escape(title),
        escape(description),
    )
}

fn title(play: &Play<'_>) -> String {
    format!("Answers over time, {} with {}, modelled at {}", play.scenario, words::layers(play.layers), play.scale)
}

/// The picture in words, for whoever cannot see it.
fn description(play: &Play<'_>, figures: &Figures) -> String {
    let totals = &figures.totals;
    let counts =
        Class::ALL.map(|class| format!("{} {}", words::count(totals.by_class.get(class)), words::class(class)));
    let outages: String = figures
        .outages
        .iter()
        .map(|outage| {
            let until = outage.healed.map_or("the end".to_owned(), |healed| healed.to_string());
            let saved = words::saved_by(outage.saved_by);
            let first = outage.onset.first_bypassed.map_or(String::new(), |mark| {
                format!(", the first bypassed answer after {}", words::duration(mark.after))
            });
            format!(
                " Inspection was broken from {} until {until} ({}); saved by {saved}{first}.",
                outage.dark, outage.fault
            )
        })
        .collect();
    format!("{} answers until {}: {}.{outages}", words::count(totals.requests), play.ended, counts.join(", "))
}

/// When inspection was broken: a band with words above the answers, and a shade behind them.
fn bands(outages: &[Outage], axis: &Axis, bottom: f64) -> String {
    let drawn = outages.iter().filter_map(|outage| {
        let healed = outage.healed.unwrap_or(axis.end);
        let (x, wide) = axis.stretch(outage.dark, healed)?;
        let lasted = words::duration(healed - outage.dark);
        let texts = [
            format!("{} ({lasted})", outage.fault),
            format!("inspection broken ({lasted})"),
            "inspection broken".to_owned(),
            "broken".to_owned(),
        ];
        let fitting = texts.iter().find(|text| width(text, TEXT) + 10.0 <= wide);
        let text = fitting.map_or(String::new(), |text| {
            let (x, y) = (px(x + 5.0), px(BAND - 5.0));
            format!("<text class=\"band-text\" x=\"{x}\" y=\"{y}\">{}</text>", escape(text))
        });
        let (x, wide) = (px(x), px(wide));
        Some(format!(
            "<rect class=\"shade\" x=\"{x}\" y=\"0\" width=\"{wide}\" height=\"{}\"/>\
             <rect class=\"band\" x=\"{x}\" y=\"0\" width=\"{wide}\" height=\"{}\"><title>{}</title></rect>{text}",
            px(bottom),
            px(BAND),
            escape(&texts[0]),
        ))
    });
    drawn.collect()
}

/// The begins and ends of the outages, over the answers.
fn borders(outages: &[Outage], axis: &Axis, bottom: f64) -> String {
    let moments = outages.iter().flat_map(|outage| [Some(outage.dark), outage.healed]).flatten();
    let moments = moments.filter(|moment| axis.shows(*moment));
    let drawn = moments.map(|moment| {
        let x = px(axis.x(moment));
        format!("<line class=\"border\" x1=\"{x}\" y1=\"0\" x2=\"{x}\" y2=\"{}\"/>", px(bottom))
    });
    drawn.collect()
}

/// Stacked answers in steps, a class on top of the other; and the names of classes, where there is room.
fn answers(play: &Play<'_>, axis: &Axis, shape: Shape, id: &str) -> (String, String) {
    let end = axis.end.min(play.ended);
    let stretch = stretch(axis.end - axis.begin, shape.buckets);
    let buckets = Buckets::between(&play.record.answers, stretch, axis.begin, end);
    let begin = |number: usize| (axis.begin + stretch.mul_f64(number as f64)).min(end);
    let seconds: Vec<f64> = (0..buckets.all.len())
        // The last stretch may be cut short by the end; what is left of it must not be so short that one answer is a peak.
        .map(|number| (begin(number + 1) - begin(number)).max(stretch / 4).as_secs_f64())
        .collect();
    let rates = buckets.all.iter().zip(&seconds).map(|(bucket, seconds)| bucket.total() as f64 / seconds);
    let most = rates.fold(0.1, f64::max);
    let y = |a_second: f64| BAND + shape.plot * (1.0 - a_second / most / HEADROOM);
    let x = |number: usize| axis.x(begin(number));
    let mut below = vec![0.0; buckets.all.len()];
    let mut drawing = grid(most, axis, shape, y);
    let mut names = String::new();
    for class in Class::ALL {
        let of_class = buckets.all.iter().zip(&seconds).map(|(bucket, seconds)| bucket.count(class) as f64 / seconds);
        let above: Vec<f64> = of_class.zip(&below).map(|(rate, below)| below + rate).collect();
        if above != below {
            let edge = |heights: &[f64]| -> Vec<(f64, f64)> {
                let steps = heights.iter().enumerate();
                steps.flat_map(|(number, height)| [(x(number), y(*height)), (x(number + 1), y(*height))]).collect()
            };
            let outline = edge(&above).into_iter().chain(edge(&below).into_iter().rev());
            let points: Vec<String> = outline.map(|(x, y)| format!("{},{}", px(x), px(y))).collect();
            let (name, points) = (class.name(), points.join(" "));
            let fill = match class {
                Class::Failed => format!(" fill=\"url(#{id}-failed)\""),
                Class::Inspected | Class::BypassedDns | Class::BypassedEdge => format!(" class=\"c-{name}\""),
            };
            drawing += &format!("<polygon{fill} points=\"{points}\"><title>{}</title></polygon>", words::class(class));
            names += &name_in_place(class, &buckets, &below, &above, &x, &y);
        }
        below = above;
    }
    (drawing, names)
}

/// Length of the stretches that answers are counted in: whole seconds, so that a steady load looks steady.
fn stretch(whole: Duration, at_most: usize) -> Duration {
    let needed = whole.as_secs_f64() / at_most as f64;
    let whole = [1_u32, 2, 5, 10, 15, 20, 30, 60].into_iter().find(|seconds| f64::from(*seconds) >= needed);
    whole.map_or(Duration::from_secs_f64(needed.ceil()), |seconds| Duration::from_secs(u64::from(seconds)))
}

/// Lines and labels for requests a modelled second.
fn grid(most: f64, axis: &Axis, shape: Shape, y: impl Fn(f64) -> f64) -> String {
    let step = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0].into_iter().find(|step| most / step <= 4.0);
    let step = step.unwrap_or(most);
    let ticks = (0..=(most / step) as usize).map(|number| number as f64 * step);
    let lines = ticks.map(|tick| {
        let (left, right, height) = (px(axis.left), px(axis.right), y(tick));
        format!(
            "<line class=\"grid\" x1=\"{left}\" y1=\"{0}\" x2=\"{right}\" y2=\"{0}\"/>\
             <text class=\"tick\" x=\"{1}\" y=\"{2}\" text-anchor=\"end\">{tick}</text>",
            px(height),
            px(axis.left - 5.0),
            px(height + 4.0),
        )
    });
    let lines: String = lines.collect();
    if !shape.words || shape.plot < 150.0 {
        return lines;
    }
    let middle = px(y(most / 2.0));
    let x = px(axis.left - 42.0);
    format!(
        "{lines}<text class=\"tick\" x=\"{x}\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 {x} {middle})\">\
         requests a modelled second</text>"
    )
}

/// The name of a class, in the middle of the longest stretch where most answers are of it.
fn name_in_place(
    class: Class,
    buckets: &Buckets,
    below: &[f64],
    above: &[f64],
    x: &impl Fn(usize) -> f64,
    y: &impl Fn(f64) -> f64,
) -> String {
    let mut longest = 0..0;
    let mut begin = 0;
    for number in 0..=buckets.all.len() {
        if buckets.all.get(number).is_none_or(|bucket| bucket.share(class) < 0.6) {
            if number - begin > longest.len() {
                longest = begin..number;
            }
            begin = number + 1;
        }
    }
    let name = words::class(class);
    if x(longest.end) - x(longest.start) < width(name, TEXT) + 12.0 {
        return String::new();
    }
    let middle = (longest.start + longest.end) / 2;
    let (place, height) = (px((x(longest.start) + x(longest.end)) / 2.0), px(y((below[middle] + above[middle]) / 2.0)));
    format!(
        "<text class=\"in-place n-{}\" x=\"{place}\" y=\"{height}\" text-anchor=\"middle\">{name}</text>",
        class.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{self, answer, at};
    use crate::script::Layers;
    use crate::timeline::Record;

    fn drawn(record: &Record, seconds: f64) -> String {
        let mut play = sample::play(Layers::Both, record, &[]);
        play.ended = at(seconds);
        picture(&play, &Figures::of(record, Layers::Both, play.ended), Shape::WIDE)
    }

    /// The points of the polygon of a class.
    fn points(picture: &str, class: &str) -> Vec<(f64, f64)> {
        let document = roxmltree::Document::parse(picture).unwrap();
        let polygon = document.descendants().find(|node| node.attribute("class") == Some(class)).unwrap();
        let numbers = polygon.attribute("points").unwrap().split([' ', ',']).map(|number| number.parse().unwrap());
        let numbers: Vec<f64> = numbers.collect();
        numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect()
    }

    #[test]
    fn a_class_without_answers_is_not_drawn() {
        let record = Record { answers: vec![answer(1.0, 0.1, Class::Inspected)], ..Record::default() };
        let picture = drawn(&record, 10.0);
        assert!(
            picture.contains("class=\"c-inspected\" points") && !picture.contains("class=\"c-bypassed-dns\" points")
        );
    }

    #[test]
    fn a_steady_load_is_level_even_where_the_end_cuts_a_stretch_short() {
        let answers = (0..2010).map(|number| answer(f64::from(number) / 2.0, 0.1, Class::Inspected)).collect();
        let heights: Vec<f64> = points(&drawn(&Record { answers, ..Record::default() }, 1005.0), "c-inspected")
            .into_iter()
            .map(|(_, y)| y)
            .collect();
        let (tops, bottoms) = heights.split_at(heights.len() / 2);
        assert!(
            tops.iter().all(|top| top == &tops[0]) && bottoms.iter().all(|bottom| bottom == &bottoms[0]),
            "{heights:?}"
        );
    }

    #[test]
    fn classes_are_stacked() {
        let answers = (0..20)
            .flat_map(|second| {
                [Class::Inspected, Class::BypassedDns].map(|class| answer(f64::from(second), 0.1, class))
            })
            .collect();
        let picture = drawn(&Record { answers, ..Record::default() }, 20.0);
        let top = |class| points(&picture, class).first().unwrap().1;
        let bottom = |class| points(&picture, class).last().unwrap().1;
        assert_eq!(bottom("c-bypassed-dns"), top("c-inspected"));
        assert!(top("c-bypassed-dns") < bottom("c-bypassed-dns"));
    }

    #[test]
    fn a_closer_look_is_for_an_outage_that_is_a_small_part_of_the_play() {
        let record = sample::outage(Layers::Both);
        let mut play = sample::play(Layers::Both, &record, &[]);
        let figures = Figures::of(&record, Layers::Both, play.ended);
        assert!(onset(&play, &figures, Shape::WIDE).is_some_and(|picture| picture.contains("id=\"wide-onset-title\"")));
        play.ended = at(700.0);
        assert!(onset(&play, &figures, Shape::WIDE).is_none());
    }

    #[test]
    fn the_picture_is_told_in_words_as_well() {
        let record = sample::outage(Layers::Both);
        let play = sample::play(Layers::Both, &record, &[]);
        let said = description(&play, &Figures::of(&record, Layers::Both, play.ended));
        assert!(said.contains("11,280 answers") && said.contains("saved by layer 1 (DNS)"), "{said}");
    }
}
