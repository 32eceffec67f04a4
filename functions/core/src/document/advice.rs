//! Settings that only advice rests on. They are read leniently: what is not as expected is as good as absent here, because a
//! warning is never worth refusing a configuration for.

use super::Document;
use super::tree::ElementId;
use crate::forwarding::{Forwarding, PolicyId};
use crate::id::{OriginId, PathPattern};

/// How long CloudFront tries to reach an origin before it gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connecting {
    pub attempts: u32,
    pub seconds_each: u32,
}

impl Connecting {
    /// What CloudFront does where nothing else is said (API reference, "Origin").
    const DEFAULT: Self = Self { attempts: 3, seconds_each: 10 };

    /// How long one request waits for an origin that answers to no attempt.
    pub fn seconds(self) -> u32 {
        self.attempts.saturating_mul(self.seconds_each)
    }
}

impl Document {
    /// The functions that a behaviour runs before it turns to its origin: event and ARN, in document order.
    pub fn request_functions(&self, path_pattern: &PathPattern) -> Vec<(String, String)> {
        let Some(at) = self.index.behavior_at(path_pattern) else { return Vec::new() };
        let behavior = self.index.behavior_elements[at];
        [("LambdaFunctionAssociations", "LambdaFunctionARN"), ("FunctionAssociations", "FunctionARN")]
            .into_iter()
            .flat_map(|(list, arn)| self.items(behavior, list).into_iter().map(move |item| (item, arn)))
            .filter_map(|(item, arn)| Some((self.text_of(item, "EventType")?, self.text_of(item, arn)?)))
            .filter(|(event, _)| event.ends_with("-request"))
            .collect()
    }

    /// What a behaviour forwards to its origin, as far as its Host hangs on it.
    pub fn forwarding(&self, path_pattern: &PathPattern) -> Forwarding {
        let Some(at) = self.index.behavior_at(path_pattern) else { return Forwarding::default() };
        let behavior = self.index.behavior_elements[at];
        let policy = |name| self.text_of(behavior, name).filter(|id| !id.is_empty());
        let values = self.tree.child(behavior, "ForwardedValues");
        let headers = values.map_or_else(Vec::new, |values| self.items(values, "Headers"));
        Forwarding {
            policies: [
                policy("CachePolicyId").map(PolicyId::Cache),
                policy("OriginRequestPolicyId").map(PolicyId::OriginRequest),
            ]
            .into_iter()
            .flatten()
            .collect(),
            headers: headers.into_iter().filter_map(|name| self.tree.value(name)).collect(),
        }
    }

    /// How CloudFront connects to an origin; `None` where there is no such origin.
    pub fn connecting(&self, id: &OriginId) -> Option<Connecting> {
        let origin = self.index.origin_element(id)?;
        let number = |name, default| self.text_of(origin, name).and_then(|text| text.parse().ok()).unwrap_or(default);
        Some(Connecting {
            attempts: number("ConnectionAttempts", Connecting::DEFAULT.attempts),
            seconds_each: number("ConnectionTimeout", Connecting::DEFAULT.seconds_each),
        })
    }

    /// The ARN of the certificate that CloudFront shows to an origin (API reference, `OriginMtlsConfig`).
    pub fn client_certificate(&self, id: &OriginId) -> Option<String> {
        let config = self.tree.child(self.index.origin_element(id)?, "CustomOriginConfig")?;
        self.text_of(self.tree.child(config, "OriginMtlsConfig")?, "ClientCertificateArn").filter(|arn| !arn.is_empty())
    }

    /// What an origin has that a copy of it takes over and whoever is behind it should know of, in words.
    pub fn extras(&self, id: &OriginId) -> Vec<String> {
        let Some(origin) = self.index.origin_element(id) else { return Vec::new() };
        let mut extras = Vec::new();
        match self.items(origin, "CustomHeaders").len() {
            0 => {}
            1 => extras.push("1 custom header".to_owned()),
            many => extras.push(format!("{many} custom headers")),
        }
        extras.extend(
            self.text_of(origin, "OriginPath").filter(|path| !path.is_empty()).map(|path| format!("path {path}")),
        );
        let shield = self.tree.child(origin, "OriginShield");
        let shield = shield.filter(|shield| self.text_of(*shield, "Enabled").as_deref() == Some("true"));
        if let Some(shield) = shield {
            let region = self.text_of(shield, "OriginShieldRegion").unwrap_or_default();
            extras.push(format!("Origin Shield in {region}"));
        }
        extras.extend(self.client_certificate(id).map(|arn| format!("client certificate {arn}")));
        extras
    }

    fn items(&self, element: ElementId, list: &str) -> Vec<ElementId> {
        let items = self.tree.child(element, list).and_then(|list| self.tree.child(list, "Items"));
        items.map_or_else(Vec::new, |items| self.tree.children(items).to_vec())
    }

    fn text_of(&self, element: ElementId, child: &str) -> Option<String> {
        self.tree.child(element, child).and_then(|child| self.tree.value(child)).map(|text| text.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "<DistributionConfig><CallerReference>c</CallerReference><Origins><Quantity>2</Quantity><Items>\
        <Origin><Id>app</Id><DomainName>a.example.com</DomainName><ConnectionAttempts>2</ConnectionAttempts>\
        <ConnectionTimeout> 4 </ConnectionTimeout></Origin>\
        <Origin><Id>plain</Id><DomainName>b.example.com</DomainName><ConnectionTimeout>soon</ConnectionTimeout></Origin>\
        </Items></Origins><DefaultCacheBehavior><TargetOriginId>app</TargetOriginId><LambdaFunctionAssociations>\
        <Quantity>2</Quantity><Items><LambdaFunctionAssociation><LambdaFunctionARN>arn:router</LambdaFunctionARN>\
        <EventType>origin-request</EventType></LambdaFunctionAssociation><LambdaFunctionAssociation>\
        <LambdaFunctionARN>arn:headers</LambdaFunctionARN><EventType>origin-response</EventType>\
        </LambdaFunctionAssociation></Items></LambdaFunctionAssociations><FunctionAssociations><Quantity>1</Quantity><Items>\
        <FunctionAssociation><FunctionARN>arn:apex</FunctionARN><EventType>viewer-request</EventType></FunctionAssociation>\
        <Strange/></Items></FunctionAssociations></DefaultCacheBehavior><Enabled>true</Enabled></DistributionConfig>";

    #[test]
    fn functions_that_run_before_the_origin_is_asked_are_told_and_no_others() {
        let document = Document::parse(SAMPLE.as_bytes()).expect("a configuration");
        let functions = document.request_functions(&PathPattern::default_behavior());
        let named: Vec<(&str, &str)> = functions.iter().map(|(event, arn)| (event.as_str(), arn.as_str())).collect();
        assert_eq!(named, [("origin-request", "arn:router"), ("viewer-request", "arn:apex")]);
        assert!(document.request_functions(&PathPattern::new("/none/*")).is_empty());
    }

    #[test]
    fn what_is_forwarded_is_read_from_policies_and_from_the_older_values() {
        let behavior = |inside: &str| {
            let text = SAMPLE.replacen(
                "<TargetOriginId>app</TargetOriginId>",
                &format!("<TargetOriginId>app</TargetOriginId>{inside}"),
                1,
            );
            let document = Document::parse(text.as_bytes()).expect("a configuration");
            document.forwarding(&PathPattern::default_behavior())
        };
        let (cache, request) = (PolicyId::Cache("c-1".to_owned()), PolicyId::OriginRequest("r-1".to_owned()));
        let policies =
            behavior("<CachePolicyId> c-1 </CachePolicyId><OriginRequestPolicyId>r-1</OriginRequestPolicyId>");
        assert_eq!(policies, Forwarding { policies: vec![cache, request], headers: Vec::new() });
        let values = "<ForwardedValues><Headers><Quantity>2</Quantity><Items><Name>Accept</Name><Name>Host</Name></Items>\
                      </Headers></ForwardedValues><OriginRequestPolicyId></OriginRequestPolicyId>";
        assert_eq!(behavior(values).headers, ["Accept", "Host"]);
        assert_eq!((behavior(values).policies, behavior("")), (Vec::new(), Forwarding::default()));
    }

    #[test]
    fn what_is_not_said_about_connecting_is_cloudfront_s_own() {
        let document = Document::parse(SAMPLE.as_bytes()).expect("a configuration");
        let connecting = |id: &str| document.connecting(&OriginId::new(id));
        assert_eq!(connecting("app"), Some(Connecting { attempts: 2, seconds_each: 4 }));
        assert_eq!(connecting("app").map(Connecting::seconds), Some(8));
        assert_eq!(connecting("plain").map(Connecting::seconds), Some(30));
        assert_eq!(connecting("none"), None);
    }

    #[test]
    fn what_a_copy_of_an_origin_takes_over_is_told() {
        let with = |inside: &str| {
            let text = SAMPLE.replacen("<ConnectionAttempts>", &format!("{inside}<ConnectionAttempts>"), 1);
            Document::parse(text.as_bytes()).expect("a configuration")
        };
        let app = OriginId::new("app");
        let extras = |inside: &str| with(inside).extras(&app).join("; ");
        assert_eq!(extras(""), "");
        assert_eq!(with("").extras(&OriginId::new("none")), Vec::<String>::new());
        let header =
            "<OriginCustomHeader><HeaderName>x</HeaderName><HeaderValue>secret</HeaderValue></OriginCustomHeader>";
        let headers = |many: usize| {
            format!("<CustomHeaders><Quantity>{many}</Quantity><Items>{}</Items></CustomHeaders>", header.repeat(many))
        };
        assert_eq!(extras(&headers(1)), "1 custom header");
        assert_eq!(extras(&(headers(2) + "<OriginPath>/v2</OriginPath>")), "2 custom headers; path /v2");
        assert_eq!(extras("<OriginPath></OriginPath>"), "");
        let shield = |enabled| {
            format!(
                "<OriginShield><Enabled>{enabled}</Enabled><OriginShieldRegion>us-east-1</OriginShieldRegion></OriginShield>"
            )
        };
        assert_eq!(extras(&shield("true")), "Origin Shield in us-east-1");
        assert_eq!(extras(&shield("false")), "");
        let mutual = |arn| {
            format!(
                "<CustomOriginConfig><HTTPPort>80</HTTPPort><HTTPSPort>443</HTTPSPort><OriginProtocolPolicy>https-only\
                 </OriginProtocolPolicy><OriginMtlsConfig><ClientCertificateArn>{arn}</ClientCertificateArn></OriginMtlsConfig>\
                 </CustomOriginConfig>"
            )
        };
        assert_eq!(extras(&mutual("arn:mine")), "client certificate arn:mine");
        assert_eq!(with(&mutual("arn:mine")).client_certificate(&app).as_deref(), Some("arn:mine"));
        assert_eq!((with(&mutual("")).client_certificate(&app), with("").client_certificate(&app)), (None, None));
    }
}
