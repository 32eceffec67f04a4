//! The list of calls that the fake received.

use std::fmt;

use failopen::port::FaultKind;
use jiff::Timestamp;

/// A remote call, by AWS's own name where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    GetDistributionConfig,
    GetDistribution,
    UpdateDistribution,
    GetHostedZone,
    ListResourceRecordSets,
    ChangeResourceRecordSets,
    GetChange,
    GetHealthCheck,
    ListHealthChecks,
    GetHealthCheckStatus,
    /// The metric that a health check reports.
    GetMetricStatistics,
    CreateHealthCheck,
    ChangeTagsForResource,
    UpdateHealthCheck,
    DeleteHealthCheck,
    DescribeAlarms,
    ListTagsForResource,
    PutMetricAlarm,
    DeleteAlarms,
    /// All rows of the ledger.
    Query,
    GetItem,
    PutItem,
    /// The HTTPS request to an origin.
    Probe,
    /// All TLS handshakes of one look at both hosts.
    Handshakes,
    /// The request to the health path.
    HealthProbe,
    /// GetCachePolicy or GetOriginRequestPolicy.
    GetPolicy,
    /// A question to DNS.
    Resolve,
    /// Lambda's GetPolicy of react.
    GetReactPolicy,
    /// provision asks react whether it may invoke flip.
    AskReact,
    /// react asks Lambda whether it may invoke flip.
    DryRunFlip,
    /// react asks flip.
    InvokeFlip,
    /// A function continues its own work.
    InvokeAgain,
    Publish,
    PutMetricData,
    /// The PUT of a custom resource's answer.
    Answer,
}

impl Operation {
    pub const ALL: [Operation; 35] = [
        Operation::GetDistributionConfig,
        Operation::GetDistribution,
        Operation::UpdateDistribution,
        Operation::GetHostedZone,
        Operation::ListResourceRecordSets,
        Operation::ChangeResourceRecordSets,
        Operation::GetChange,
        Operation::GetHealthCheck,
        Operation::ListHealthChecks,
        Operation::GetHealthCheckStatus,
        Operation::GetMetricStatistics,
        Operation::CreateHealthCheck,
        Operation::ChangeTagsForResource,
        Operation::UpdateHealthCheck,
        Operation::DeleteHealthCheck,
        Operation::DescribeAlarms,
        Operation::ListTagsForResource,
        Operation::PutMetricAlarm,
        Operation::DeleteAlarms,
        Operation::Query,
        Operation::GetItem,
        Operation::PutItem,
        Operation::Probe,
        Operation::Handshakes,
        Operation::HealthProbe,
        Operation::GetPolicy,
        Operation::Resolve,
        Operation::GetReactPolicy,
        Operation::AskReact,
        Operation::DryRunFlip,
        Operation::InvokeFlip,
        Operation::InvokeAgain,
        Operation::Publish,
        Operation::PutMetricData,
        Operation::Answer,
    ];
    pub const CLOUDFRONT: [Operation; 3] =
        [Operation::GetDistributionConfig, Operation::GetDistribution, Operation::UpdateDistribution];
    pub const LEDGER: [Operation; 3] = [Operation::Query, Operation::GetItem, Operation::PutItem];

    pub fn name(self) -> &'static str {
        match self {
            Operation::GetDistributionConfig => "GetDistributionConfig",
            Operation::GetDistribution => "GetDistribution",
            Operation::UpdateDistribution => "UpdateDistribution",
            Operation::GetHostedZone => "GetHostedZone",
            Operation::ListResourceRecordSets => "ListResourceRecordSets",
            Operation::ChangeResourceRecordSets => "ChangeResourceRecordSets",
            Operation::GetChange => "GetChange",
            Operation::GetHealthCheck => "GetHealthCheck",
            Operation::ListHealthChecks => "ListHealthChecks",
            Operation::GetHealthCheckStatus => "GetHealthCheckStatus",
            Operation::GetMetricStatistics => "GetMetricStatistics",
            Operation::CreateHealthCheck => "CreateHealthCheck",
            Operation::ChangeTagsForResource => "ChangeTagsForResource",
            Operation::UpdateHealthCheck => "UpdateHealthCheck",
            Operation::DeleteHealthCheck => "DeleteHealthCheck",
            Operation::DescribeAlarms => "DescribeAlarms",
            Operation::ListTagsForResource => "ListTagsForResource",
            Operation::PutMetricAlarm => "PutMetricAlarm",
            Operation::DeleteAlarms => "DeleteAlarms",
            Operation::Query => "Query",
            Operation::GetItem => "GetItem",
            Operation::PutItem => "PutItem",
            Operation::Probe => "Probe",
            Operation::Handshakes => "Handshakes",
            Operation::HealthProbe => "HealthProbe",
            Operation::GetPolicy => "GetPolicy",
            Operation::Resolve => "Resolve",
            Operation::GetReactPolicy => "GetPolicy(react)",
            Operation::AskReact => "Invoke(react)",
            Operation::DryRunFlip => "Invoke(DryRun)",
            Operation::InvokeFlip => "Invoke",
            Operation::InvokeAgain => "Invoke(self)",
            Operation::Publish => "Publish",
            Operation::PutMetricData => "PutMetricData",
            Operation::Answer => "Answer",
        }
    }

    /// Whether the call can change something at AWS, in the ledger included; messages and metrics change nothing there.
    pub fn is_write(self) -> bool {
        match self {
            Operation::UpdateDistribution
            | Operation::ChangeResourceRecordSets
            | Operation::CreateHealthCheck
            | Operation::ChangeTagsForResource
            | Operation::UpdateHealthCheck
            | Operation::DeleteHealthCheck
            | Operation::PutMetricAlarm
            | Operation::DeleteAlarms
            | Operation::PutItem => true,
            Operation::GetDistributionConfig
            | Operation::GetDistribution
            | Operation::GetHostedZone
            | Operation::ListResourceRecordSets
            | Operation::GetChange
            | Operation::GetHealthCheck
            | Operation::ListHealthChecks
            | Operation::GetHealthCheckStatus
            | Operation::GetMetricStatistics
            | Operation::DescribeAlarms
            | Operation::ListTagsForResource
            | Operation::Query
            | Operation::GetItem
            | Operation::Probe
            | Operation::Handshakes
            | Operation::HealthProbe
            | Operation::GetPolicy
            | Operation::Resolve
            | Operation::GetReactPolicy
            | Operation::AskReact
            | Operation::DryRunFlip
            | Operation::InvokeFlip
            | Operation::InvokeAgain
            | Operation::Publish
            | Operation::PutMetricData
            | Operation::Answer => false,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One remote call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Counts all calls of one fake from 1 on; the log may be cleared, the count goes on.
    pub number: u64,
    pub at: Timestamp,
    pub operation: Operation,
    /// The arguments that tell one call from another; never a document, a header value or a URL.
    pub arguments: String,
    pub outcome: Outcome,
}

/// What the caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No answer yet, or never: the caller crashed.
    Unanswered,
    Answered,
    Failed(FaultKind),
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4} {} {} {}: {:?}", self.number, self.at, self.operation, self.arguments, self.outcome)
    }
}
