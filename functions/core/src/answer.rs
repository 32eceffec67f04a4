//! The answer to a CloudFormation custom-resource request.

use std::collections::BTreeMap;

use serde::Serialize;

/// CloudFormation refuses a longer body (User Guide, "Custom resource response objects").
pub const LONGEST_BODY: usize = 4096;

/// A value of this many bytes is not cut any further: with the sign of the cut it would only become longer.
const SHORTEST_CUT: usize = 8;

/// What CloudFormation is told. The body is made once and every attempt to deliver it sends the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub outcome: Outcome,
    /// Stable over the life of the resource, also in failures: another id means replacement, and a Delete of the old one.
    pub physical_id: String,
    pub stack_id: String,
    pub request_id: String,
    pub logical_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Values for `Fn::GetAtt`.
    Success { data: BTreeMap<&'static str, String> },
    Failed {
        /// Worst first: the end is cut where the body would be too long.
        reason: String,
        /// Where to look for more; never cut.
        see: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a BTreeMap<&'static str, String>>,
}

impl Answer {
    /// Whether CloudFormation would take the body. It would not where the ids that are echoed fill it alone.
    pub fn fits(&self) -> bool {
        self.body().len() <= LONGEST_BODY
    }

    /// The JSON text to send, at most [`LONGEST_BODY`] bytes where the ids leave any room: the reason, or else the longest
    /// value, loses its end.
    pub fn body(&self) -> String {
        match &self.outcome {
            Outcome::Success { data } => {
                let mut data = data.clone();
                loop {
                    let body = self.text("SUCCESS", None, Some(&data));
                    let longest = data.iter_mut().max_by_key(|(_, value)| value.len()).map(|(_, value)| value);
                    match longest {
                        Some(value) if body.len() > LONGEST_BODY && value.len() > SHORTEST_CUT => {
                            *value = shortened(value, value.len() / 2);
                        }
                        _ => return body,
                    }
                }
            }
            Outcome::Failed { reason, see } => {
                let mut room = reason.len();
                loop {
                    let text = format!("{} {see}", shortened(reason, room));
                    let body = self.text("FAILED", Some(&text), None);
                    let excess = body.len().saturating_sub(LONGEST_BODY);
                    if excess == 0 || room == 0 {
                        return body;
                    }
                    // Escapes make the body longer than its text: cutting the excess may not yet be enough.
                    room = room.saturating_sub(excess.div_ceil(6).max(8));
                }
            }
        }
    }

    fn text(
        &self,
        status: &'static str,
        reason: Option<&str>,
        data: Option<&BTreeMap<&'static str, String>>,
    ) -> String {
        let body = Body {
            status,
            reason,
            physical_resource_id: &self.physical_id,
            stack_id: &self.stack_id,
            request_id: &self.request_id,
            logical_resource_id: &self.logical_id,
            data,
        };
        // Texts and a map with text keys always have a JSON form.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

/// At most `room` bytes of `text`, cut between two characters, with a sign that something is missing.
fn shortened(text: &str, room: usize) -> String {
    if text.len() <= room {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(room);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn answer(outcome: Outcome) -> Answer {
        Answer {
            outcome,
            physical_id: "failopen-www-0123456789ab".to_owned(),
            stack_id: "arn:aws:cloudformation:us-east-1:111122223333:stack/site/0f3a".to_owned(),
            request_id: "request-1".to_owned(),
            logical_id: "Protection".to_owned(),
        }
    }

    fn failed(reason: &str) -> Answer {
        answer(Outcome::Failed { reason: reason.to_owned(), see: "See log group /aws/lambda/x.".to_owned() })
    }

    #[test]
    fn an_answer_echoes_the_request() {
        let data = BTreeMap::from([("HealthCheckId", "h-1".to_owned())]);
        let body: Value = serde_json::from_str(&answer(Outcome::Success { data }).body()).expect("JSON");
        assert_eq!(body["Status"], "SUCCESS");
        assert_eq!(body["PhysicalResourceId"], "failopen-www-0123456789ab");
        assert_eq!(body["StackId"], "arn:aws:cloudformation:us-east-1:111122223333:stack/site/0f3a");
        assert_eq!(body["RequestId"], "request-1");
        assert_eq!(body["LogicalResourceId"], "Protection");
        assert_eq!(body["Data"]["HealthCheckId"], "h-1");
        assert!(body.get("Reason").is_none());
    }

    #[test]
    fn the_same_answer_has_the_same_bytes() {
        assert_eq!(failed("why").body(), failed("why").body());
    }

    #[test]
    fn a_long_reason_is_cut_between_characters_and_keeps_its_end() {
        for text in ["x", "é", "\u{1}", "\"", "日本"] {
            let body = failed(&text.repeat(20_000)).body();
            assert!(body.len() <= LONGEST_BODY, "{} bytes", body.len());
            assert!(body.len() > LONGEST_BODY - 100, "room is used: {} bytes of {text:?}", body.len());
            let body: Value = serde_json::from_str(&body).expect("still JSON");
            assert!(body["Reason"].as_str().expect("a reason").ends_with("… See log group /aws/lambda/x."));
        }
    }

    #[test]
    fn what_cannot_be_cut_ends_the_cutting() {
        let long = Answer {
            stack_id: "x".repeat(5_000),
            ..answer(Outcome::Success { data: BTreeMap::from([("PreflightSummary", "no findings".to_owned())]) })
        };
        assert!(!long.fits() && long.body().len() > LONGEST_BODY);
        let shortest = BTreeMap::from([("Posture", "x".repeat(SHORTEST_CUT))]);
        let body = Answer { outcome: Outcome::Success { data: shortest }, ..long }.body();
        assert!(!body.contains('…') && body.contains("xxxxxxxx\"}"), "cutting it would gain nothing: {body}");
        assert!(!Answer { request_id: "\u{1}".repeat(700), ..failed("why") }.fits(), "escapes count");
        assert!(failed(&"x".repeat(20_000)).fits());
    }

    #[test]
    fn a_hundred_long_values_of_the_longest_characters_fit() {
        const NAMES: [&str; 6] = ["A", "B", "C", "D", "E", "F"];
        for text in ["x", "é", "\u{1}", "\"", "日本", "🛡"] {
            let data: BTreeMap<_, _> = NAMES.iter().map(|name| (*name, text.repeat(5_000))).collect();
            let body = answer(Outcome::Success { data }).body();
            assert!(body.len() <= LONGEST_BODY, "{} bytes of {text:?}", body.len());
            let body: Value = serde_json::from_str(&body).expect("still JSON");
            assert!(body["Data"].as_object().is_some_and(|data| data.len() == NAMES.len()), "{body}");
        }
    }

    #[test]
    fn what_fits_exactly_is_not_cut() {
        let with = |length: usize| {
            let data = BTreeMap::from([("PreflightSummary", "x".repeat(length))]);
            answer(Outcome::Success { data })
        };
        let room = LONGEST_BODY - with(0).body().len();
        let (fitting, longer) = (with(room), with(room + 1));
        assert!(fitting.fits() && longer.fits());
        assert_eq!(fitting.body().len(), LONGEST_BODY);
        assert!(!fitting.body().contains('…') && longer.body().contains('…'));
        assert!(longer.body().len() > LONGEST_BODY / 2, "half of the value is kept");
        let room = LONGEST_BODY - failed("").body().len();
        assert_eq!(failed(&"x".repeat(room)).body().len(), LONGEST_BODY);
        assert!(failed(&"x".repeat(room + 1)).body().contains('…'));
    }

    #[test]
    fn a_long_value_is_cut_and_the_others_are_kept() {
        let data = BTreeMap::from([("PreflightSummary", "é".repeat(9_000)), ("Posture", "inspected".to_owned())]);
        let body = answer(Outcome::Success { data }).body();
        assert!(body.len() <= LONGEST_BODY);
        let body: Value = serde_json::from_str(&body).expect("still JSON");
        assert_eq!(body["Data"]["Posture"], "inspected");
    }
}
