//! Fields of a request, read one by one; what is wrong with each is collected, so that all of it is said at once.

use failopen::id::{DistributionId, PathPattern, ProtectionName};
use failopen::ledger::PinPosture;
use failopen::posture::Side;
use failopen::properties;
use failopen::quote::{json, nearest, quoted};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::request::Expiry;

/// Texts of people that stay in the ledger's row, and the characters that they may have: DynamoDB limits a row to 400 kB, and one
/// that is full could take no flip any more.
const KEPT: [&str; 2] = ["reason", "requestedBy"];
const MOST: usize = 1_024;

/// Unknown fields that one answer names.
const MANY: usize = 20;

/// Reads fields and collects what is wrong with them.
pub(crate) struct Fields<'a> {
    pub(crate) object: &'a Map<String, Value>,
    pub(crate) problems: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, problems: Vec::new() }
    }

    /// Whatever else there is may be a misspelled field, without which the request would mean something else.
    pub(crate) fn none_but(&mut self, action: &str, known: &[&str]) {
        let object = self.object;
        let mut others = Vec::new();
        let unknown = object.keys().filter(|name| *name != "action" && !known.contains(&name.as_str()));
        let more = unknown.clone().count().saturating_sub(MANY);
        for name in unknown.take(MANY) {
            match nearest(name, known) {
                Some(meant) => self
                    .problems
                    .push(format!("field {} is not known to `{action}`: did you mean `{meant}`?", quoted(name))),
                None => others.push(quoted(name)),
            }
        }
        // The known names are many, so they are listed once.
        if !others.is_empty() {
            let (fields, are) = if others.len() == 1 { ("field", "is") } else { ("fields", "are") };
            let (names, known) = (others.join(", "), known.join(", "));
            self.problems.push(format!("{fields} {names} {are} not known to `{action}`, which takes {known}"));
        }
        if more > 0 {
            self.problems.push(format!("{more} more fields are not known to `{action}`"));
        }
    }

    /// An optional text; an empty one is a mistake.
    pub(crate) fn text(&mut self, field: &str) -> Option<String> {
        match self.object.get(field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if KEPT.contains(&field) && text.chars().count() > MOST => {
                self.problems
                    .push(format!("field `{field}` has {} characters, and {MOST} are kept", text.chars().count()));
                None
            }
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text.clone()),
            Some(other) => {
                self.problems.push(format!("field `{field}` is {}, not a text with something in it", json(other)));
                None
            }
        }
    }

    pub(crate) fn required(&mut self, field: &str) -> Option<String> {
        if matches!(self.object.get(field), None | Some(Value::Null)) {
            self.problems.push(format!("field `{field}` is missing{}", hint(field)));
        }
        self.text(field)
    }

    pub(crate) fn protection(&mut self) -> Option<ProtectionName> {
        let text = self.required("protection")?;
        self.name_of_protection(&text)
    }

    /// For an action that without it is about all of them.
    pub(crate) fn protection_if_given(&mut self) -> Option<ProtectionName> {
        let text = self.text("protection")?;
        self.name_of_protection(&text)
    }

    fn name_of_protection(&mut self, text: &str) -> Option<ProtectionName> {
        let name = properties::protection_name(text);
        if name.is_none() {
            let rule = "not the name of a protection, which has 1 to 32 characters of a-z, 0-9 and -, such as www";
            self.problems.push(format!("field `protection` is {}, {rule}", quoted(text)));
        }
        name
    }

    pub(crate) fn distribution(&mut self) -> Option<DistributionId> {
        let text = self.required("distribution")?;
        properties::distribution_id(&text)
            .map_err(|rule| self.problems.push(format!("field `distribution` is {}: {rule}", quoted(&text))))
            .ok()
    }

    pub(crate) fn flag(&mut self, field: &str) -> bool {
        match self.object.get(field) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) if text == "true" => true,
            Some(Value::String(text)) if text == "false" => false,
            Some(other) => {
                self.problems.push(format!("field `{field}` is {}, not true or false", json(other)));
                false
            }
        }
    }

    pub(crate) fn side(&mut self) -> Option<Side> {
        match self.required("posture")?.as_str() {
            "inspected" => Some(Side::Inspected),
            "bypassed" => Some(Side::Bypassed),
            other => {
                self.problems.push(format!("field `posture` is {}, not inspected or bypassed", quoted(other)));
                None
            }
        }
    }

    pub(crate) fn pin_posture(&mut self) -> Option<PinPosture> {
        match self.required("posture")?.as_str() {
            "inspected" => Some(PinPosture::Inspected),
            "bypassed" => Some(PinPosture::Bypassed),
            "hold" => Some(PinPosture::Hold),
            other => {
                self.problems.push(format!("field `posture` is {}, not inspected, bypassed or hold", quoted(other)));
                None
            }
        }
    }

    pub(crate) fn timestamp(&mut self, field: &str) -> Option<Timestamp> {
        let text = self.required(field)?;
        text.parse()
            .map_err(|_| {
                let text = quoted(&text);
                self.problems.push(format!("field `{field}` is {text}, not a time like 2026-11-22T12:00:00Z"));
            })
            .ok()
    }

    pub(crate) fn expiry(&mut self) -> Expiry {
        let value = match self.object.get("expiresIn") {
            None | Some(Value::Null) => return Expiry::DEFAULT,
            Some(value) => value,
        };
        value.as_str().and_then(parse_expiry).unwrap_or_else(|| {
            self.problems.push(format!(
                "field `expiresIn` is {}: it must be a text such as \"30m\", \"2h\" or \"1d\" (whole numbers of s, m, h or d, at \
                 most 366 days), or \"never\"",
                json(value)
            ));
            Expiry::DEFAULT
        })
    }

    pub(crate) fn paths(&mut self) -> Option<Vec<PathPattern>> {
        let list = match self.object.get("paths") {
            None | Some(Value::Null) => return Some(vec![PathPattern::default_behavior()]),
            Some(Value::Array(list)) => list,
            Some(other) => {
                self.problems.push(format!("field `paths` is {}, not a list like [\"*\", \"/api/*\"]", json(other)));
                return None;
            }
        };
        let mut paths = Vec::new();
        for path in list {
            match path.as_str().filter(|path| !path.is_empty()) {
                Some(path) => paths.push(PathPattern::new(path)),
                None => self.problems.push(format!("field `paths` holds {}, not a path pattern", json(path))),
            }
        }
        for (at, path) in paths.iter().enumerate() {
            // CloudFront takes `/api/*` and `api/*` for the same.
            if let Some(same) = paths[..at].iter().find(|other| other.is_alike(path)) {
                self.problems.push(format!(
                    "field `paths` names one behaviour twice, as {} and as {}",
                    quoted(same.as_str()),
                    quoted(path.as_str())
                ));
            }
        }
        if list.is_empty() {
            self.problems.push("field `paths` is empty".to_owned());
        }
        Some(paths)
    }
}

/// What goes into a field that has to be there.
fn hint(field: &str) -> &'static str {
    match field {
        "reason" => ": say why, for example \"INC-42\", because the ledger and the notifications keep it",
        "protection" => ": the name of one, for example \"www\"",
        "posture" => ": for example \"bypassed\"",
        "from" | "to" => ": the id of an origin, as `aws cloudfront get-distribution-config` shows it",
        "distribution" => ": its id, for example \"E2EXAMPLE1ABCD\"",
        _ => "",
    }
}

/// `30m`, `2h`, `1d` or `never`. At most a year: a longer override is a typing mistake, or `never`.
fn parse_expiry(text: &str) -> Option<Expiry> {
    if text == "never" {
        return Some(Expiry::Never);
    }
    let unit = text.chars().next_back()?;
    let number = &text[..text.len() - unit.len_utf8()];
    let all_digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = all_digits.then(|| number.parse().ok())??;
    let seconds = match unit {
        's' => number,
        'm' => number.checked_mul(60)?,
        'h' => number.checked_mul(3_600)?,
        'd' => number.checked_mul(86_400)?,
        _ => return None,
    };
    (1..=366 * 86_400).contains(&seconds).then(|| Expiry::After(SignedDuration::from_secs(seconds)))
}
