//! The nested property `HealthCheck`.

use serde_json::{Map, Value};

use super::reader::Reader;
use super::syntax::{self, choice, whole};
use crate::spec::{CheckType, HealthCheckSpec, ManagedHealthCheck};

const KNOWN: &[&str] =
    &["Path", "Port", "Type", "IntervalSeconds", "FailureThreshold", "SearchString", "Regions", "HealthCheckId"];

/// Route 53 wants none of its checker regions named, or at least this many.
const FEWEST_REGIONS: usize = 3;

pub(super) fn read(reader: &mut Reader<'_>, origin_port: u16) -> HealthCheckSpec {
    let parsed;
    let nothing = Map::new();
    let map = match reader.raw("HealthCheck") {
        None | Some(Value::Null) => &nothing,
        Some(Value::Object(map)) => map,
        // A parameter can only carry the map as text.
        Some(Value::String(text)) if text.is_empty() => &nothing,
        Some(Value::String(text)) if text.trim_start().starts_with('{') => match serde_json::from_str(text) {
            Ok(map) => {
                parsed = map;
                &parsed
            }
            Err(error) => {
                reader.report("HealthCheck", format!("is not JSON: {error}"), "{\"Path\": \"/healthz\"}");
                &nothing
            }
        },
        Some(_) => {
            reader.report("HealthCheck", "must be a map", "{Path: /healthz}");
            &nothing
        }
    };
    let mut nested = Reader::of_property("HealthCheck", "HealthCheck.", map, KNOWN);
    let spec = settings(&mut nested, origin_port);
    reader.absorb(nested);
    spec
}

fn settings(reader: &mut Reader<'_>, origin_port: u16) -> HealthCheckSpec {
    let adopted = reader.optional("HealthCheckId", syntax::health_check_id);
    let types = [("HTTPS", CheckType::Https), ("HTTP", CheckType::Http), ("TCP", CheckType::Tcp)];
    let protocol = reader.optional("Type", choice(&types)).unwrap_or(CheckType::Https);
    let path = reader.optional("Path", syntax::url_path).unwrap_or_else(|| "/".to_owned());
    let port = reader.optional("Port", syntax::port).unwrap_or(origin_port);
    let interval_seconds = reader.optional("IntervalSeconds", choice(&[("10", 10), ("30", 30)])).unwrap_or(10);
    let failure_threshold = reader.optional("FailureThreshold", whole(1..=10, "2")).unwrap_or(2);
    let search_string = reader.optional("SearchString", syntax::search_string);
    let regions = reader.list("Regions", syntax::checker_region, String::clone);
    if !regions.is_empty() && regions.len() < FEWEST_REGIONS {
        reader.report("Regions", "names fewer than three regions", "[us-east-1, us-west-2, eu-west-1]");
    }
    if protocol == CheckType::Tcp {
        for name in ["Path", "SearchString"] {
            if reader.is_given(name) {
                reader.report(name, "means nothing to a check of type TCP", "Type HTTPS, or leaving it out");
            }
        }
    }
    if let Some(id) = adopted {
        for name in KNOWN.iter().filter(|name| **name != "HealthCheckId") {
            if reader.is_given(name) {
                reader.report(
                    name,
                    "cannot be combined with HealthCheck.HealthCheckId: an adopted check is never changed",
                    "leaving one of the two out",
                );
            }
        }
        return HealthCheckSpec::Adopted { id };
    }
    HealthCheckSpec::Managed(ManagedHealthCheck {
        path: if protocol == CheckType::Tcp { String::new() } else { path },
        port,
        protocol,
        interval_seconds,
        failure_threshold,
        search_string,
        regions,
    })
}
