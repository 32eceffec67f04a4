//! What is tried without each permission: the smallest piece of work that needs it, in an order in which one prepares the
//! next.

/// A piece of work that a function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Create of a protection that does not exist yet, or only in part.
    Create,
    /// Update that changes the health check, there and back.
    Update,
    /// Update that adopts a health check without checkers of its own, and back.
    UpdateToCalculated,
    /// Delete of the protection, from where the last one stopped.
    Delete,
    /// Delete by a function that has no time left, and has to hand over to itself.
    HandOver,
    /// react decides about the protection.
    Decide,
    /// react decides after an operator has moved traffic: it has something to remember and to tell.
    DecideAfterFlip,
    /// react decides while a pin demands the other posture, so that it has to ask flip.
    DecideAgainstPosture,
    /// The schedule's tick, with the drift due.
    Tick,
    /// flip's status of the protection.
    Status,
    /// flip's status of all protections.
    StatusOfAll,
    /// An operator's bypass.
    Bypass,
}

/// Every trial: function, action and work.
pub(super) const TRIALS: [(&str, &str, Work); 48] = [
    ("provision", "dynamodb:Scan", Work::Create),
    ("provision", "dynamodb:GetItem", Work::Create),
    ("provision", "dynamodb:PutItem", Work::Create),
    ("provision", "cloudfront:GetDistributionConfig", Work::Create),
    ("provision", "cloudfront:GetCachePolicy", Work::Create),
    ("provision", "cloudfront:GetOriginRequestPolicy", Work::Create),
    ("provision", "route53:GetHostedZone", Work::Create),
    ("provision", "route53:ListResourceRecordSets", Work::Create),
    ("provision", "cloudwatch:DescribeAlarms", Work::Create),
    ("provision", "lambda:GetPolicy", Work::Create),
    ("provision", "lambda:InvokeFunction", Work::Create),
    ("provision", "route53:CreateHealthCheck", Work::Create),
    // What a Create that could not tell whether it had made a check leaves to the next one.
    ("provision", "route53:ListHealthChecks", Work::Create),
    ("provision", "route53:ChangeTagsForResource", Work::Create),
    ("provision", "route53:ChangeResourceRecordSets", Work::Create),
    ("provision", "route53:GetChange", Work::Create),
    ("provision", "route53:GetHealthCheckStatus", Work::Create),
    ("provision", "cloudfront:UpdateDistribution", Work::Create),
    ("provision", "cloudwatch:PutMetricAlarm", Work::Create),
    ("provision", "cloudwatch:TagResource", Work::Create),
    ("provision", "route53:GetHealthCheck", Work::Update),
    ("provision", "cloudwatch:ListTagsForResource", Work::Update),
    ("provision", "route53:UpdateHealthCheck", Work::Update),
    ("provision", "cloudwatch:GetMetricStatistics", Work::UpdateToCalculated),
    ("react", "dynamodb:Scan", Work::Decide),
    ("react", "cloudfront:GetDistributionConfig", Work::Decide),
    ("react", "cloudwatch:DescribeAlarms", Work::Decide),
    ("react", "cloudwatch:PutMetricData", Work::Decide),
    ("react", "route53:ListResourceRecordSets", Work::Tick),
    ("react", "route53:GetHealthCheck", Work::Tick),
    ("react", "lambda:InvokeFunction", Work::DecideAgainstPosture),
    ("react", "dynamodb:PutItem", Work::DecideAfterFlip),
    ("react", "sns:Publish", Work::DecideAfterFlip),
    ("flip", "dynamodb:Scan", Work::StatusOfAll),
    ("flip", "dynamodb:GetItem", Work::Status),
    ("flip", "dynamodb:PutItem", Work::Bypass),
    ("flip", "cloudfront:GetDistribution", Work::Status),
    ("flip", "cloudfront:GetDistributionConfig", Work::Status),
    ("flip", "cloudfront:UpdateDistribution", Work::Bypass),
    ("flip", "cloudwatch:DescribeAlarms", Work::Status),
    ("flip", "route53:ListResourceRecordSets", Work::Status),
    ("flip", "route53:GetHealthCheck", Work::Status),
    ("flip", "route53:GetHealthCheckStatus", Work::Status),
    ("flip", "cloudwatch:PutMetricData", Work::Bypass),
    ("provision", "lambda:InvokeFunction", Work::HandOver),
    ("provision", "cloudfront:GetDistribution", Work::Delete),
    ("provision", "cloudwatch:DeleteAlarms", Work::Delete),
    ("provision", "route53:DeleteHealthCheck", Work::Delete),
];

impl Work {
    /// Whether this work needs the statement. One action stands in two of provision's: it asks react, and goes on with itself.
    pub(super) fn needs(self, statement: &str) -> bool {
        match self {
            Work::HandOver => statement != "AskReact",
            Work::Create => statement != "InvokeItself",
            _ => true,
        }
    }
}

/// Whether this trial belongs to the small version: all of react's and flip's, and one read and one write of provision's.
pub(super) fn is_brief(function: &str, action: &str) -> bool {
    function != "provision" || ["dynamodb:Scan", "route53:ChangeResourceRecordSets"].contains(&action)
}

/// Actions that the local AWS checks for nobody, or that no rehearsal can ask for, and why.
pub(super) const UNTRIED: [(&str, &str, &str); 6] = [
    ("", "logs:CreateLogStream", "the local AWS writes the logs itself"),
    ("", "logs:PutLogEvents", "the local AWS writes the logs itself"),
    ("", "sqs:SendMessage", "the local AWS delivers failed events itself"),
    ("", "wafv2:GetWebACL", "CloudFront itself looks whether the web ACL may be read; the local one does not"),
    ("", "sts:AssumeRole", "a step of its own reaches the zone by the other role alone"),
    (
        "react",
        "dynamodb:GetItem",
        "react reads one row again only after it has lost a race for it, which cannot be lost on purpose",
    ),
];
