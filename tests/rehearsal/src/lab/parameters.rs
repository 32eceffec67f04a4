//! What a scenario's protection is deployed with.

use std::time::Duration;

use crate::clock::Scale;
use crate::origins::HEALTH_PATH;
use crate::script::{Dns, Layers, Script};
use crate::site::{self, Site};
use crate::stage::Stage;

/// Continuous health before an automatic fail-back: the template's default, as modelled time.
const HOLD_DOWN: Duration = Duration::from_secs(900);

/// Least time between two automatic flips: the template's default, as modelled time.
const MINIMUM_DWELL: Duration = Duration::from_secs(300);

/// The hold-down time of a script, modelled.
pub(crate) fn hold_down(script: &Script) -> Duration {
    setting(script, "HoldDownSeconds").and_then(|text| text.parse().ok()).map_or(HOLD_DOWN, Duration::from_secs)
}

/// Parameters of `template.yaml`. The functions' clock is the real one, so their durations are divided by the scale here.
pub(super) fn of(stage: &Stage<'_>, site: &Site, script: &Script) -> Vec<(&'static str, String)> {
    let scale = stage.clock.scale();
    let dwell = setting(script, "MinimumDwellSeconds").and_then(|text| text.parse().ok());
    let mut parameters = vec![
        ("ProtectionName", site::PROTECTION.to_owned()),
        ("DistributionId", site.distribution_id.clone()),
        ("FailoverRecord", site::FAILOVER_RECORD.to_owned()),
        ("InspectionHostname", site::INSPECTION.to_owned()),
        ("ApplicationHostname", site::APPLICATION.to_owned()),
        ("Traffic", site::TRAFFIC.join(",")),
        ("OriginPort", stage.origins.port().to_string()),
        ("HealthCheckPath", HEALTH_PATH.to_owned()),
        ("HoldDownSeconds", whole_seconds(scale, hold_down(script))),
        ("MinimumDwellSeconds", whole_seconds(scale, dwell.map_or(MINIMUM_DWELL, Duration::from_secs))),
        ("CustomResourceResponseOrigin", stage.endpoint()),
    ];
    parameters.push(match (script.layers, script.dns) {
        (Layers::Layer2, _) | (_, Dns::Gdnsd) => ("Dns", "external".to_owned()),
        (Layers::Layer1 | Layers::Both | Layers::Nothing | Layers::ByHand, Dns::Route53) => {
            ("HostedZoneId", site.zone_id.clone())
        }
    });
    let edge = match script.layers {
        Layers::Layer1 => "off",
        Layers::Layer2 | Layers::Both | Layers::Nothing | Layers::ByHand => "automatic",
    };
    parameters.push(("EdgeFailOpen", edge.to_owned()));
    for name in ["FailBack", "MaximumFlipsPerDay", "EdgeFailOpen", "ApplicationCheck", "Preflight"] {
        if let Some(value) = setting(script, name) {
            parameters.retain(|(known, _)| *known != name);
            parameters.push((name, value.to_owned()));
        }
    }
    parameters
}

fn setting<'s>(script: &'s Script, name: &str) -> Option<&'s str> {
    script.settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Rounded up: a wait of the functions is never shorter than what it stands for.
fn whole_seconds(scale: Scale, modelled: Duration) -> String {
    scale.wall(modelled).as_secs_f64().ceil().to_string()
}

/// `expiresIn` of an override, which is in whole minutes: rounded up, and at least one.
pub(super) fn expires_in(scale: Scale, modelled: Duration) -> String {
    format!("{}m", (scale.wall(modelled).as_secs_f64() / 60.0).ceil().max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_waits_are_scaled_and_never_shorter() {
        let scale = Scale::new(20.0).unwrap();
        assert_eq!(whole_seconds(scale, HOLD_DOWN), "45");
        assert_eq!(whole_seconds(scale, Duration::from_secs(301)), "16");
        assert_eq!(expires_in(scale, Duration::from_secs(2 * 3600)), "6m");
        assert_eq!(expires_in(scale, Duration::from_secs(600)), "1m");
    }
}
