//! The request of `aws lambda invoke`, read strictly: a misspelled field must not turn a dry run into a flip.

use failopen::id::{DistributionId, OriginId, PathPattern, ProtectionName};
use failopen::ledger::PinPosture;
use failopen::mark::is_marked;
use failopen::port::Converge;
use failopen::posture::Side;
use failopen::quote;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::fields::Fields;

/// What an operator, or react, asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `None`: all protections.
    Status(Option<ProtectionName>),
    Plan(ProtectionName),
    Flip(FlipRequest),
    BreakGlass(BreakGlass),
    Pin(PinRequest),
    Unpin(Release),
    Unlatch(Release),
    Converge {
        request: Converge,
        dry_run: bool,
    },
}

/// `bypass` or `restore` of a protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlipRequest {
    pub protection: ProtectionName,
    pub side: Side,
    pub reason: String,
    pub requested_by: Option<String>,
    pub expires_in: Expiry,
    pub dry_run: bool,
}

/// `pin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinRequest {
    pub protection: ProtectionName,
    pub posture: PinPosture,
    pub reason: String,
    pub requested_by: Option<String>,
    pub expires_in: Expiry,
    pub dry_run: bool,
}

/// `unpin` or `unlatch`: gives something back to automation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub protection: ProtectionName,
    pub reason: Option<String>,
    pub requested_by: Option<String>,
    pub dry_run: bool,
}

/// `bypass` or `restore` of a distribution by its origins, without the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakGlass {
    pub side: Side,
    pub distribution: DistributionId,
    pub from: OriginId,
    pub to: OriginId,
    pub paths: Vec<PathPattern>,
    pub reason: String,
    pub requested_by: Option<String>,
    pub dry_run: bool,
}

/// How long an override lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    After(SignedDuration),
    /// `never`, spelled out.
    Never,
}

impl Expiry {
    /// What an override lasts where nobody says how long.
    pub(crate) const DEFAULT: Expiry = Expiry::After(SignedDuration::from_hours(4));

    /// The end of an override that begins at `now`.
    pub fn ends_at(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Expiry::After(duration) => Some(now.saturating_add(duration).unwrap_or(Timestamp::MAX)),
            Expiry::Never => None,
        }
    }
}

/// Fields that go with every action, besides `action`.
const COMMON: &[&str] = &["protection", "reason", "requestedBy", "dryRun"];

/// The actions, and the fields that only some of them understand.
const ACTIONS: &[(&str, &[&str])] = &[
    ("status", &[]),
    ("plan", &[]),
    ("bypass", &["expiresIn", "distribution", "from", "to", "paths"]),
    ("restore", &["expiresIn", "distribution", "from", "to", "paths"]),
    ("pin", &["posture", "expiresIn"]),
    ("unpin", &[]),
    ("unlatch", &[]),
    ("history", &["since"]),
    ("practice", &[]),
    ("converge", &["posture", "because", "decidedAt"]),
];

/// What people are told to choose from: `converge` is react's, and the rest is not available yet.
const FOR_PEOPLE: [&str; 7] = ["status", "plan", "bypass", "restore", "pin", "unpin", "unlatch"];

/// Reads a request.
///
/// # Errors
/// All problems in one text, each naming its field.
pub fn parse(event: &Value) -> Result<Request, String> {
    let Some(object) = event.as_object() else {
        return Err("the request is not a JSON object; send e.g. {\"action\":\"status\"}".to_owned());
    };
    let Some(value) = object.get("action") else {
        return Err(format!("field `action` is missing; it is one of {}", FOR_PEOPLE.join(", ")));
    };
    let known = value.as_str().and_then(|action| ACTIONS.iter().find(|(name, _)| *name == action));
    let Some((action, own)) = known else {
        return Err(format!("field `action` is {}, not one of {}", quote::json(value), FOR_PEOPLE.join(", ")));
    };
    let known = [COMMON, own].concat();
    let mut fields = Fields::new(object);
    fields.none_but(action, &known);
    let request = read(action, &mut fields);
    match request {
        Some(request) if fields.problems.is_empty() => Ok(request),
        _ => Err(fields.problems.join("; ")),
    }
}

fn read(action: &str, fields: &mut Fields<'_>) -> Option<Request> {
    match action {
        // Neither writes anything, with `dryRun` or without; what is no truth value is still a mistake.
        "status" | "plan" => {
            fields.flag("dryRun");
            match action {
                "status" => Some(Request::Status(fields.protection_if_given())),
                _ => fields.protection().map(Request::Plan),
            }
        }
        "bypass" => read_flip(Side::Bypassed, fields),
        "restore" => read_flip(Side::Inspected, fields),
        "pin" => {
            let (protection, posture) = (fields.protection(), fields.pin_posture());
            let (reason, requested_by) = (fields.required("reason"), fields.text("requestedBy"));
            let (expires_in, dry_run) = (fields.expiry(), fields.flag("dryRun"));
            Some(Request::Pin(PinRequest {
                protection: protection?,
                posture: posture?,
                reason: reason?,
                requested_by,
                expires_in,
                dry_run,
            }))
        }
        "unpin" => read_release(false, fields).map(Request::Unpin),
        "unlatch" => read_release(true, fields).map(Request::Unlatch),
        "converge" => {
            let (protection, posture) = (fields.protection(), fields.side());
            let (reason, because) = (fields.required("reason"), fields.required("because"));
            let (decided_at, dry_run) = (fields.timestamp("decidedAt"), fields.flag("dryRun"));
            let request = Converge {
                protection: protection?,
                posture: posture?,
                reason: reason?,
                because: because?,
                decided_at: decided_at?,
            };
            Some(Request::Converge { request, dry_run })
        }
        "history" | "practice" => {
            fields.problems.push(format!("action `{action}` is not available in this version; use `status`"));
            None
        }
        // `parse` has matched the action against ACTIONS already.
        _ => None,
    }
}

fn read_release(with_reason: bool, fields: &mut Fields<'_>) -> Option<Release> {
    let protection = fields.protection();
    let reason = if with_reason { fields.required("reason") } else { fields.text("reason") };
    let (requested_by, dry_run) = (fields.text("requestedBy"), fields.flag("dryRun"));
    Some(Release { protection: protection?, reason, requested_by, dry_run })
}

fn read_flip(side: Side, fields: &mut Fields<'_>) -> Option<Request> {
    let (reason, requested_by, dry_run) =
        (fields.required("reason"), fields.text("requestedBy"), fields.flag("dryRun"));
    let break_glass = ["distribution", "from", "to", "paths"].iter().any(|field| fields.object.contains_key(*field));
    if !break_glass {
        let (protection, expires_in) = (fields.protection(), fields.expiry());
        return Some(Request::Flip(FlipRequest {
            protection: protection?,
            side,
            reason: reason?,
            requested_by,
            expires_in,
            dry_run,
        }));
    }
    for field in ["protection", "expiresIn"] {
        if fields.object.contains_key(field) {
            fields
                .problems
                .push(format!("field `{field}` does not go with break-glass (`distribution`, `from`, `to`, `paths`)"));
        }
    }
    let distribution = fields.distribution();
    let (from, to) = (fields.required("from"), fields.required("to"));
    if from.is_some() && from == to {
        let same = quote::quoted(from.as_deref().unwrap_or_default());
        fields.problems.push(format!("fields `from` and `to` name the same origin, {same}"));
    }
    if let Some((from, to)) = from.as_deref().zip(to.as_deref()) {
        fields.problems.extend(the_wrong_way_round(side, from, to));
    }
    let paths = fields.paths();
    Some(Request::BreakGlass(BreakGlass {
        side,
        distribution: distribution?,
        from: OriginId::new(from?),
        to: OriginId::new(to?),
        paths: paths?,
        reason: reason?,
        requested_by,
        dry_run,
    }))
}

/// Without the ledger nobody knows which of two origins is inspection, but those that Failopen makes say so by their ids.
fn the_wrong_way_round(side: Side, from: &str, to: &str) -> Option<String> {
    match side {
        Side::Inspected if is_marked(from) && !is_marked(to) => Some(format!(
            "`restore` leads to inspection, and that is {}, which is in `from`: exchange `from` and `to`, or say `bypass`",
            quote::quoted(from)
        )),
        Side::Bypassed if is_marked(to) && !is_marked(from) => Some(format!(
            "`bypass` leads to the application, and {}, which is in `to`, is inspection: exchange `from` and `to`, or say \
             `restore`",
            quote::quoted(to)
        )),
        Side::Inspected | Side::Bypassed => None,
    }
}
