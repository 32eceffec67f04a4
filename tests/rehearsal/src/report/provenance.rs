//! What of a rehearsal is real, what is modelled by which rule of AWS, and what is assumed.

/// A rule that a model follows.
pub(crate) struct Rule {
    pub(crate) rule: &'static str,
    /// The page of AWS's documentation that says so, or that it is assumed.
    pub(crate) source: &'static str,
}

const fn rule(rule: &'static str, source: &'static str) -> Rule {
    Rule { rule, source }
}

/// What ran as it would run for you.
pub(crate) const REAL: [&str; 4] = [
    "the functions provision, react and flip: the programs themselves, deployed with the real template",
    "every request of the viewers: HTTPS over TCP on loopback, with certificates that are verified",
    "DNS between edges and the model of Route 53, with TTLs",
    "the calls of the functions to AWS's APIs, each held against AWS's service models",
];

pub(crate) const ROUTE_53: [Rule; 6] = [
    rule("A check is healthy while more than 18 % of the checkers find it so", DETERMINING),
    rule("Connect within 4 s, then 2xx or 3xx within 2 s; a search string in the first 5,120 bytes", DETERMINING),
    rule("HTTPS checks do not validate certificates", DETERMINING),
    rule("A new check is healthy until there is enough data", DETERMINING),
    rule(
        "Primary while healthy, else secondary; if both are unhealthy, primary",
        "Route 53: health-checks-how-route-53-chooses-records",
    ),
    rule("16 checkers in 8 Regions; AWS does not say how many there are", "Assumed"),
];

const DETERMINING: &str = "Route 53: dns-failover-determining-health-of-endpoints";

pub(crate) const CLOUDWATCH: [Rule; 5] = [
    rule("The check's metric comes once a minute", "Route 53: monitoring-cloudwatch"),
    rule("Alarms of 60 s and more are evaluated every minute", "CloudWatch: API model, PutMetricAlarm"),
    rule("An evaluation comes 15 s after its minute", "Assumed; Route 53: several minutes might elapse"),
    rule("Actions run when the state changes, and are not repeated", "CloudWatch: AlarmThatSendsEmail"),
    rule("An asynchronous invocation may come late, twice, or never", "Lambda: invocation-async"),
];

pub(crate) const CLOUDFRONT: [Rule; 7] = [
    rule("1 to 3 attempts to connect, of 1 to 10 s each; then 504", "CloudFront: DownloadDistValuesOrigin"),
    rule("GET and HEAD are asked again after a timeout, POST is not", "CloudFront: DownloadDistValuesOrigin"),
    rule(
        "The origin's certificate must be valid, for its domain or the forwarded Host; else 502",
        "CloudFront: http-502-bad-gateway",
    ),
    rule(
        "Errors are cached for 10 s unless the distribution says otherwise",
        "CloudFront: custom-error-pages-expiration",
    ),
    rule("The TTL of the origin's DNS record is honoured", "AWS blog: Three advanced design patterns"),
    rule("A busy connection is used on after DNS has moved", "Assumed: no statement of AWS was found"),
    rule(
        "A configuration reaches each edge after a time drawn evenly between 10 s and 5 min",
        "Assumed; AWS: within 5 minutes (blog, 2020), typically a few (associate-function); others report 3 to 20",
    ),
];
