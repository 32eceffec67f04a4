//! What state a metric alarm is in, by the datapoints that there are.
//!
//! The rules are those of the CloudWatch User Guide, "Using Amazon CloudWatch alarms", under "Evaluating an alarm" and
//! "Configuring how CloudWatch alarms treat missing data"; the tests play the tables there.

use super::metrics::Minute;

/// Assumed: how many periods CloudWatch looks further back than it evaluates. The guide only says that there are some, and its
/// tables show five periods for an alarm of three.
const MARGIN: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlarmState {
    Ok,
    Alarm,
    InsufficientData,
}

impl AlarmState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            AlarmState::Ok => "OK",
            AlarmState::Alarm => "ALARM",
            AlarmState::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// How a datapoint is held against the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    LessThan,
    LessThanOrEqual,
    GreaterThan,
    GreaterThanOrEqual,
}

impl Comparison {
    fn words(self) -> &'static str {
        match self {
            Comparison::LessThan => "less than",
            Comparison::LessThanOrEqual => "less than or equal to",
            Comparison::GreaterThan => "greater than",
            Comparison::GreaterThanOrEqual => "greater than or equal to",
        }
    }
}

/// `TreatMissingData` of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissingData {
    /// The default: they are left out, and without any datapoint there is INSUFFICIENT_DATA.
    Missing,
    /// The state stays.
    Ignore,
    Breaching,
    NotBreaching,
}

/// When an alarm fires: `needed` of the last `periods` datapoints breach the threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) periods: usize,
    pub(crate) needed: usize,
    pub(crate) comparison: Comparison,
    pub(crate) threshold: f64,
    pub(crate) missing_data: MissingData,
}

/// The value of a minute, if there is one.
pub(crate) type Sample = (Minute, Option<f64>);

/// What an evaluation came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evaluation {
    pub(crate) state: AlarmState,
    /// The datapoints that it rests on, the newest first.
    pub(crate) evaluated: Vec<(Minute, f64)>,
}

impl Rule {
    /// Number of periods that CloudWatch looks at.
    pub(crate) fn range(&self) -> usize {
        self.periods + MARGIN
    }

    /// Evaluates an alarm that is in the state `present`, by the samples of its range, the oldest first.
    pub(crate) fn evaluate(&self, samples: &[Sample], present: AlarmState) -> Evaluation {
        let newest_first = samples.iter().rev();
        // Enough real datapoints are evaluated as they are, however old, and nothing is filled in.
        let evaluated: Vec<(Minute, f64)> =
            newest_first.filter_map(|(minute, value)| Some((*minute, (*value)?))).take(self.periods).collect();
        let breaching = evaluated.iter().filter(|(_, value)| self.is_breached_by(*value)).count();
        let missing = self.periods - evaluated.len();
        let by_count = |breaching| if breaching >= self.needed { AlarmState::Alarm } else { AlarmState::Ok };
        let state = match self.missing_data {
            MissingData::Missing if evaluated.is_empty() => AlarmState::InsufficientData,
            MissingData::Ignore if evaluated.is_empty() => present,
            MissingData::Breaching => by_count(breaching + missing),
            MissingData::NotBreaching => by_count(breaching),
            MissingData::Missing | MissingData::Ignore if missing == 0 || breaching >= self.needed => {
                by_count(breaching)
            }
            // A good datapoint among too few is a reason to be OK.
            MissingData::Missing | MissingData::Ignore if breaching < evaluated.len() => AlarmState::Ok,
            // All are bad, and fewer than needed: an old one decides, a young one is no reason yet (under "Avoiding premature
            // transitions to alarm state").
            MissingData::Missing if self.is_old_enough(samples) => AlarmState::Alarm,
            MissingData::Missing | MissingData::Ignore => present,
        };
        Evaluation { state, evaluated }
    }

    /// Whether the oldest datapoint is at least as many periods back as datapoints are needed.
    fn is_old_enough(&self, samples: &[Sample]) -> bool {
        let oldest = samples.iter().position(|(_, value)| value.is_some());
        oldest.is_some_and(|oldest| samples.len() - oldest >= self.needed)
    }

    fn is_breached_by(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::LessThan => value < self.threshold,
            Comparison::LessThanOrEqual => value <= self.threshold,
            Comparison::GreaterThan => value > self.threshold,
            Comparison::GreaterThanOrEqual => value >= self.threshold,
        }
    }

    /// CloudWatch's sentence about a change of state.
    pub(crate) fn reason(&self, evaluation: &Evaluation) -> String {
        let (count, unknown) = (evaluation.evaluated.len(), counted(self.periods, "datapoint"));
        let (not, treated) = match evaluation.state {
            AlarmState::InsufficientData => return format!("Insufficient Data: {unknown} unknown."),
            AlarmState::Alarm => ("", "Breaching"),
            AlarmState::Ok => ("not ", "NonBreaching"),
        };
        if count == 0 {
            let periods = if self.periods == 1 { "1 period".to_owned() } else { format!("{} periods", self.periods) };
            return format!(
                "Threshold Crossed: no datapoints were received for {periods} and {unknown} treated as [{treated}]."
            );
        }
        let values: Vec<String> = evaluation.evaluated.iter().map(|(_, value)| format!("{value:.1}")).collect();
        let datapoints = counted(count, &format!("datapoint [{}]", values.join(", ")));
        let (words, threshold) = (self.comparison.words(), self.threshold);
        format!("Threshold Crossed: {datapoints} {not}{words} the threshold ({threshold:.1}).")
    }
}

/// `1 datapoint was`, `2 datapoints were`, also with values behind the noun.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        return format!("1 {noun} was");
    }
    format!("{count} {} were", noun.replacen("datapoint", "datapoints", 1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Moment;

    const PRESENT: AlarmState = AlarmState::Ok;
    const TREATMENTS: [MissingData; 4] =
        [MissingData::Missing, MissingData::Ignore, MissingData::Breaching, MissingData::NotBreaching];

    fn rule(needed: usize, periods: usize, missing_data: MissingData) -> Rule {
        Rule { periods, needed, comparison: Comparison::LessThan, threshold: 1.0, missing_data }
    }

    /// Datapoints as the guide draws them: `0` is good, `X` breaches, `-` is missing.
    fn drawn(picture: &str) -> Vec<Sample> {
        let minute = |number: usize| Minute::of(Moment::at(Duration::from_secs(60) * u32::try_from(number).unwrap()));
        let value = |mark| match mark {
            '0' => Some(1.0),
            'X' => Some(0.0),
            _ => None,
        };
        picture.chars().enumerate().map(|(number, mark)| (minute(number), value(mark))).collect()
    }

    /// The state for each way to treat missing data.
    fn states(needed: usize, periods: usize, picture: &str, present: AlarmState) -> [AlarmState; 4] {
        TREATMENTS.map(|treatment| rule(needed, periods, treatment).evaluate(&drawn(picture), present).state)
    }

    #[test]
    fn an_alarm_of_three_out_of_three_follows_the_table_of_the_guide() {
        use AlarmState::{Alarm, InsufficientData, Ok};
        for present in [Ok, Alarm] {
            let states = |picture| states(3, 3, picture, present);
            assert_eq!(states("0-X-X"), [Ok; 4]);
            assert_eq!(states("0----"), [Ok; 4]);
            assert_eq!(states("-----"), [InsufficientData, present, Alarm, Ok]);
            assert_eq!(states("0XX-X"), [Alarm; 4]);
            assert_eq!(states("--X--"), [Alarm, present, Alarm, Ok]);
        }
    }

    #[test]
    fn an_alarm_of_two_out_of_three_follows_the_table_of_the_guide() {
        use AlarmState::{Alarm, InsufficientData, Ok};
        for present in [Ok, Alarm] {
            let states = |picture| states(2, 3, picture, present);
            assert_eq!(states("0-X-X"), [Alarm; 4]);
            assert_eq!(states("00X0X"), [Alarm; 4]);
            assert_eq!(states("0-X--"), [Ok, Ok, Alarm, Ok]);
            assert_eq!(states("-----"), [InsufficientData, present, Alarm, Ok]);
            assert_eq!(states("----0"), [Ok, Ok, Alarm, Ok]);
            assert_eq!(states("---X-"), [Alarm, present, Alarm, Ok]);
        }
    }

    #[test]
    fn a_single_young_datapoint_fires_no_alarm_that_needs_two() {
        assert_eq!(rule(2, 3, MissingData::Missing).evaluate(&drawn("----X"), PRESENT).state, PRESENT);
    }

    #[test]
    fn an_alarm_of_one_datapoint_follows_the_newest_one_and_falls_silent_after_the_range() {
        let state = |picture| rule(1, 1, MissingData::Missing).evaluate(&drawn(picture), PRESENT).state;
        assert_eq!(state("XX0"), AlarmState::Ok);
        assert_eq!(state("00X"), AlarmState::Alarm);
        assert_eq!(state("X--"), AlarmState::Alarm);
        assert_eq!(state("---"), AlarmState::InsufficientData);
    }

    #[test]
    fn a_threshold_is_compared_as_the_operator_says() {
        let fires = |comparison, threshold| {
            let rule = Rule { comparison, threshold, ..rule(1, 1, MissingData::Missing) };
            rule.evaluate(&drawn("0"), PRESENT).state == AlarmState::Alarm
        };
        let by = [
            Comparison::LessThan,
            Comparison::LessThanOrEqual,
            Comparison::GreaterThan,
            Comparison::GreaterThanOrEqual,
        ];
        assert_eq!(by.map(|comparison| fires(comparison, 0.5)), [false, false, true, true]);
        assert_eq!(by.map(|comparison| fires(comparison, 1.0)), [false, true, false, true]);
        assert_eq!(by.map(|comparison| fires(comparison, 1.5)), [true, true, false, false]);
    }

    #[test]
    fn a_reason_reads_as_cloudwatch_writes_it() {
        let reason = |rule: Rule, picture| rule.reason(&rule.evaluate(&drawn(picture), PRESENT));
        assert_eq!(
            reason(rule(1, 1, MissingData::Missing), "0X"),
            "Threshold Crossed: 1 datapoint [0.0] was less than the threshold (1.0)."
        );
        assert_eq!(
            reason(rule(2, 2, MissingData::Missing), "X0"),
            "Threshold Crossed: 2 datapoints [1.0, 0.0] were not less than the threshold (1.0)."
        );
        assert_eq!(reason(rule(1, 1, MissingData::Missing), "-"), "Insufficient Data: 1 datapoint was unknown.");
        assert_eq!(
            reason(rule(1, 2, MissingData::NotBreaching), "---"),
            "Threshold Crossed: no datapoints were received for 2 periods and 2 datapoints were treated as [NonBreaching]."
        );
    }
}
