//! The ways from an alarm to a flip.

use super::Observed;
use crate::finding::{Code, Finding, Target};
use crate::reach::FlipReach;
use crate::spec::{EdgeFailOpen, Spec};

/// Findings about what could be reached. Layer 1 needs none of it.
pub(super) fn judge(spec: &Spec, observed: &Observed, findings: &mut Vec<Finding>) {
    let Some(reach) = &observed.reach else { return };
    let warn = |message: String| Finding::warning(Code::Permission, "ServiceToken", Target::Engine, message);
    let tick = "an outage would be acted on by the tick of the next minute instead of at once";
    match reach.alarm_starts_react() {
        Ok(true) => {}
        Ok(false) => findings.push(warn(format!(
            "the policy of the react function does not let alarm {} invoke it, so {tick}; deploy the engine's stack as it is in \
             template.yaml (AlarmsInvokeReact)",
            reach.alarm_arn
        ))),
        Err(why) => findings.push(warn(format!(
            "the policy of the react function could not be read ({why}), so it is not known whether the alarm may start it; if it \
             may not, {tick}; deploy the engine's stack as it is in template.yaml"
        ))),
    }
    match &reach.flip {
        Err(why) | Ok(FlipReach::Unknown { why }) => findings.push(warn(format!(
            "whether the react function may invoke flip could not be found out ({why}); if it may not, no bypass is ever made by \
             itself; look at react's log, and deploy the engine's stack as it is in template.yaml"
        ))),
        Ok(FlipReach::Allowed) => {}
        Ok(FlipReach::Denied { why }) => {
            let message = format!(
                "the react function may not invoke flip ({why}), so neither a bypass nor a pin would be carried out (DNS failover \
                 would be); deploy the engine's stack as it is in template.yaml (AskFlip), or ask who runs the organisation's \
                 policies"
            );
            findings.push(match spec.automation.edge_fail_open {
                EdgeFailOpen::Automatic => Finding::error(Code::Permission, "ServiceToken", Target::Engine, message),
                EdgeFailOpen::Notify | EdgeFailOpen::Off => warn(message),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;
    use crate::preflight::findings;
    use crate::preflight::tests::{observed, owner};
    use crate::reach::Reach;
    use crate::sample;

    const POLICY: &str = r#"{"Statement": [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Condition":
        {"StringEquals": {"AWS:SourceAccount": "111122223333"}},
        "Principal": {"Service": "lambda.alarms.cloudwatch.amazonaws.com"}}]}"#;

    fn found(edge: EdgeFailOpen, reach: Reach) -> Vec<(Severity, String)> {
        let mut spec = sample::spec();
        spec.automation.edge_fail_open = edge;
        let observed = Observed { reach: Some(reach), ..observed() };
        let found = findings(&spec, &owner(), &observed);
        let about = found.into_iter().filter(|finding| finding.property == "ServiceToken");
        about
            .map(|finding| {
                assert_eq!((finding.code, finding.target), (Code::Permission, Target::Engine));
                (finding.severity, finding.message)
            })
            .collect()
    }

    fn reach() -> Reach {
        Reach {
            account: "111122223333".to_owned(),
            alarm_arn: "arn:aws:cloudwatch:us-east-1:111122223333:alarm:failopen-www-inspection".to_owned(),
            policy: Ok(Some(POLICY.to_owned())),
            flip: Ok(FlipReach::Allowed),
        }
    }

    #[test]
    fn a_way_without_a_gap_has_no_finding_and_one_that_was_not_asked_about_has_none_either() {
        assert_eq!(found(EdgeFailOpen::Automatic, reach()), []);
        let found = findings(&sample::spec(), &owner(), &observed());
        assert!(found.iter().all(|finding| finding.property != "ServiceToken"), "{found:?}");
    }

    #[test]
    fn an_alarm_that_may_not_start_react_is_a_warning_that_names_it() {
        for policy in [None, Some(POLICY.replace("111122223333", "999999999999"))] {
            let found = found(EdgeFailOpen::Automatic, Reach { policy: Ok(policy), ..reach() });
            let [(severity, message)] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!(*severity, Severity::Warning);
            assert!(message.contains("failopen-www-inspection") && message.contains("tick"), "{message}");
        }
    }

    #[test]
    fn a_react_that_may_not_ask_flip_is_an_error_where_it_is_to_do_so_by_itself() {
        let denied = || Reach { flip: Ok(FlipReach::Denied { why: "not authorized".to_owned() }), ..reach() };
        for (edge, expected) in [
            (EdgeFailOpen::Automatic, Severity::Error),
            (EdgeFailOpen::Notify, Severity::Warning),
            (EdgeFailOpen::Off, Severity::Warning),
        ] {
            let found = found(edge, denied());
            let [(severity, message)] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!(*severity, expected);
            assert!(message.contains("not authorized") && message.contains("AskFlip"), "{message}");
        }
    }

    #[test]
    fn what_could_not_be_found_out_is_said_with_the_reason() {
        let silent = Reach { flip: Ok(FlipReach::Unknown { why: "hung there".to_owned() }), ..reach() };
        let found_then = found(EdgeFailOpen::Automatic, silent);
        let [(Severity::Warning, message)] = found_then.as_slice() else { panic!("{found_then:?}") };
        assert!(message.contains("hung there"), "{message}");
        let unknown =
            Reach { policy: Err("denied there".to_owned()), flip: Err("throttled here".to_owned()), ..reach() };
        let found = found(EdgeFailOpen::Automatic, unknown);
        let [(one, policy), (other, flip)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((*one, *other), (Severity::Warning, Severity::Warning));
        assert!(policy.contains("denied there") && flip.contains("throttled here"), "{policy} {flip}");
    }
}
