//! A distribution's configuration, as far as an edge of the lab acts on it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use roxmltree::{Document, Node};

use super::pattern::Pattern;
use super::policies::Policies;

/// An error is kept for 10 s where the distribution says nothing else (CloudFront Developer Guide,
/// custom-error-pages-expiration).
const ERROR_TTL: Duration = Duration::from_secs(10);

/// A distribution.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    pub(crate) enabled: bool,
    /// In lower case; one may begin with `*.`.
    pub(crate) aliases: Vec<String>,
    origins: Vec<Origin>,
    /// In their order, which decides.
    behaviours: Vec<(Pattern, Behaviour)>,
    default: Behaviour,
    error_ttls: BTreeMap<u16, Duration>,
}

/// Where requests go to. Durations are modelled.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) id: String,
    pub(crate) domain: String,
    /// Stands before the path of each request.
    pub(crate) path: String,
    /// Their values are secrets, and their debug output hides them.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// 1 to 3.
    pub(crate) attempts: u32,
    /// Of one attempt.
    pub(crate) connection_timeout: Duration,
    /// `None` for buckets and VPC origins, which the lab does not serve.
    pub(crate) server: Option<Server>,
}

/// How a custom origin is spoken with. Durations are modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) scheme: Scheme,
    pub(crate) port: u16,
    /// From the request to the answer, and from one part of the answer to the next.
    pub(crate) read_timeout: Duration,
    /// How long an idle connection is kept.
    pub(crate) keep_alive: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// What happens with the requests of one path pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Behaviour {
    /// Id of an origin.
    pub(crate) target: String,
    pub(crate) methods: Vec<Method>,
    /// Whether the origin sees the viewer's Host.
    pub(crate) forwards_host: bool,
    pub(crate) keeps_errors: bool,
}

impl Configuration {
    /// Reads what GetDistributionConfig answers.
    pub(crate) fn parse(xml: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(xml).context("the distribution's configuration is no UTF-8")?;
        let document = Document::parse(text).context("the distribution's configuration is no XML")?;
        let root = document.root_element();
        let default = child(root, "DefaultCacheBehavior").context("the distribution has no default behaviour")?;
        Ok(Self {
            enabled: text_of(root, "Enabled") == Some("true"),
            aliases: items(root, "Aliases").filter_map(|alias| alias.text()).map(str::to_ascii_lowercase).collect(),
            origins: items(root, "Origins").map(origin).collect::<Result<_>>()?,
            behaviours: items(root, "CacheBehaviors")
                .map(|node| Ok((Pattern::new(required(node, "PathPattern")?), behaviour(node)?)))
                .collect::<Result<_>>()?,
            default: behaviour(default)?,
            error_ttls: items(root, "CustomErrorResponses").filter_map(error_ttl).collect(),
        })
    }

    /// Whether a viewer may ask for this host, in lower case. A wildcard stands for subdomains of any depth (CloudFront
    /// Developer Guide, alternate-domain-names-wildcard).
    pub(crate) fn serves(&self, host: &str) -> bool {
        self.aliases.iter().any(|alias| match alias.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => alias == host,
        })
    }

    /// The first behaviour whose pattern the path matches, else the default one (ibidem, "Path pattern" in
    /// DownloadDistValuesCacheBehavior).
    pub(crate) fn behaviour(&self, path: &str) -> &Behaviour {
        let found = self.behaviours.iter().find(|(pattern, _)| pattern.matches(path));
        found.map_or(&self.default, |(_, behaviour)| behaviour)
    }

    /// `None` for an origin group, which the lab does not serve.
    pub(crate) fn origin(&self, id: &str) -> Option<&Origin> {
        self.origins.iter().find(|origin| origin.id == id)
    }

    /// How long an error with this status is served again, modelled.
    pub(crate) fn error_ttl(&self, status: u16) -> Duration {
        self.error_ttls.get(&status).copied().unwrap_or(ERROR_TTL)
    }
}

fn origin(node: Node<'_, '_>) -> Result<Origin> {
    let id = required(node, "Id")?;
    read_origin(id, node).with_context(|| format!("origin {id}"))
}

/// The defaults are those of the CloudFront Developer Guide, DownloadDistValuesOrigin.
fn read_origin(id: &str, node: Node<'_, '_>) -> Result<Origin> {
    Ok(Origin {
        id: id.to_owned(),
        domain: required(node, "DomainName")?.to_ascii_lowercase(),
        path: text_of(node, "OriginPath").unwrap_or_default().to_owned(),
        headers: items(node, "CustomHeaders").map(header).collect::<Result<_>>()?,
        attempts: number(node, "ConnectionAttempts", 3)?,
        connection_timeout: seconds(node, "ConnectionTimeout", 10)?,
        server: child(node, "CustomOriginConfig").map(server).transpose()?,
    })
}

fn server(node: Node<'_, '_>) -> Result<Server> {
    let scheme = match required(node, "OriginProtocolPolicy")? {
        "http-only" => Scheme::Http,
        // The lab's viewers speak HTTPS alone, which is then matched.
        "https-only" | "match-viewer" => Scheme::Https,
        other => bail!("OriginProtocolPolicy {other} is not known"),
    };
    let port = match scheme {
        Scheme::Http => number(node, "HTTPPort", 80)?,
        Scheme::Https => number(node, "HTTPSPort", 443)?,
    };
    Ok(Server {
        scheme,
        port,
        read_timeout: seconds(node, "OriginReadTimeout", 30)?,
        keep_alive: seconds(node, "OriginKeepaliveTimeout", 5)?,
    })
}

fn header(node: Node<'_, '_>) -> Result<(HeaderName, HeaderValue)> {
    let name = required(node, "HeaderName")?;
    let mut value = HeaderValue::from_bytes(text_of(node, "HeaderValue").unwrap_or_default().as_bytes())
        .with_context(|| format!("the value of custom header {name}"))?;
    value.set_sensitive(true);
    Ok((HeaderName::from_bytes(name.as_bytes()).with_context(|| format!("custom header {name}"))?, value))
}

fn behaviour(node: Node<'_, '_>) -> Result<Behaviour> {
    let headers = child(node, "ForwardedValues")
        .into_iter()
        .flat_map(|values| items(values, "Headers"))
        .filter_map(|name| name.text())
        .collect();
    let policies = Policies {
        cache: text_of(node, "CachePolicyId"),
        origin_request: text_of(node, "OriginRequestPolicyId"),
        headers,
    };
    let mut methods: Vec<Method> = items(node, "AllowedMethods")
        .filter_map(|method| method.text())
        .map(|method| Method::from_bytes(method.as_bytes()).with_context(|| format!("method {method}")))
        .collect::<Result<_>>()?;
    if methods.is_empty() {
        // GET and HEAD are allowed where nothing is said (API reference, AllowedMethods).
        methods = vec![Method::GET, Method::HEAD];
    }
    Ok(Behaviour {
        target: required(node, "TargetOriginId")?.to_owned(),
        methods,
        forwards_host: policies.forward_host(),
        keeps_errors: policies.keep_errors(),
    })
}

/// A status and how long answers with it are kept; `None` where only a page is set.
fn error_ttl(node: Node<'_, '_>) -> Option<(u16, Duration)> {
    let status = text_of(node, "ErrorCode")?.parse().ok()?;
    let ttl = text_of(node, "ErrorCachingMinTTL")?.parse().ok()?;
    Some((status, Duration::from_secs(ttl)))
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.is_element() && child.tag_name().name() == name)
}

/// The elements of a list, which all of CloudFront's lists keep in `Items`.
fn items<'a, 'input>(node: Node<'a, 'input>, list: &str) -> impl Iterator<Item = Node<'a, 'input>> {
    let items = child(node, list).and_then(|list| child(list, "Items"));
    items.into_iter().flat_map(|items| items.children()).filter(Node::is_element)
}

fn text_of<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name).and_then(|child| child.text())
}

fn required<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str> {
    text_of(node, name).with_context(|| format!("{} has no {name}", node.tag_name().name()))
}

fn number<T: std::str::FromStr>(node: Node<'_, '_>, name: &str, default: T) -> Result<T> {
    match text_of(node, name) {
        Some(text) => text.trim().parse().ok().with_context(|| format!("{name} is {text}")),
        None => Ok(default),
    }
}

fn seconds(node: Node<'_, '_>, name: &str, default: u64) -> Result<Duration> {
    Ok(Duration::from_secs(number(node, name, default)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown() -> Configuration {
        Configuration::parse(include_bytes!("../../../events/distribution-rich.xml")).unwrap()
    }

    #[test]
    fn a_grown_distribution_is_understood() {
        let grown = grown();
        assert!(grown.enabled);
        assert_eq!(grown.aliases, ["www.cq-route.com", "cq-route.com", "shop.cq-route.com"]);
        let application = grown.origin("app & co").unwrap();
        assert_eq!(application.domain, "origin-www.cq-route.com");
        assert_eq!((application.attempts, application.connection_timeout), (3, Duration::from_secs(10)));
        let server = Server {
            scheme: Scheme::Https,
            port: 443,
            read_timeout: Duration::from_secs(45),
            keep_alive: Duration::from_secs(30),
        };
        assert_eq!(application.server, Some(server));
        assert_eq!(application.headers.len(), 2);
        assert_eq!(application.headers[1].1, "shop <eu> & \"co\"");
        assert_eq!(grown.origin("api-eu").unwrap().path, "/v2");
        assert_eq!(grown.error_ttl(503), Duration::from_secs(5));
        assert_eq!(grown.error_ttl(505), ERROR_TTL);
    }

    #[test]
    fn buckets_and_vpc_origins_have_no_server() {
        for id in ["static-assets", "reports-vpc"] {
            assert_eq!(grown().origin(id).unwrap().server, None, "{id}");
        }
        assert!(grown().origin("media-with-replica").is_none());
    }

    #[test]
    fn the_first_pattern_decides_and_the_default_takes_the_rest() {
        let grown = grown();
        let checkout = grown.behaviour("/checkout/basket");
        assert_eq!(
            (checkout.target.as_str(), checkout.forwards_host, checkout.keeps_errors),
            ("app & co", true, false)
        );
        assert!(checkout.methods.contains(&Method::POST));
        let account = grown.behaviour("/account/me");
        assert_eq!((account.forwards_host, account.keeps_errors), (true, false));
        assert_eq!(grown.behaviour("/favicon.ico").target, "static-assets");
        assert!(!grown.behaviour("/favicon.ico").methods.contains(&Method::POST));
        assert_eq!(*grown.behaviour("/elsewhere"), grown.default);
    }

    #[test]
    fn only_aliases_are_served_and_a_wildcard_is_no_bare_domain() {
        let mut grown = grown();
        assert!(grown.serves("shop.cq-route.com") && !grown.serves("other.cq-route.com"));
        grown.aliases = vec!["*.example.com".to_owned()];
        assert!(grown.serves("www.example.com") && grown.serves("a.b.example.com"));
        assert!(!grown.serves("example.com") && !grown.serves("wwwexample.com"));
    }

    #[test]
    fn debug_output_hides_the_values_of_custom_headers() {
        assert!(!format!("{:?}", grown()).contains("canary-header"));
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        assert!(Configuration::parse(b"<DistributionConfig/>").is_err());
        assert!(Configuration::parse(b"not even XML").is_err());
    }
}
