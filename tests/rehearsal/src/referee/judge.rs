//! One exchange against the model, and against what the service refuses beyond it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use anyhow::Result;

use super::cloudfront::{Memory, UPDATE, service};
use super::message::{Answer, Request};
use super::model::{Catalogue, Reference};
use super::node::{Findings, Node, Rule, Violation};
use super::operation::{Identified, Protocol, identify};
use super::{documents, form, rest, route53, shapes, xml};

/// Status of a write whose condition does not hold.
const PRECONDITION_FAILED: u16 = 412;

/// Knows the models, and what was answered before.
#[derive(Debug)]
pub(crate) struct Judge {
    catalogue: Catalogue,
    /// Members that no model knows and that the rehearsal itself has put into a document, to see them survive.
    planted: BTreeSet<String>,
    distributions: Mutex<Memory>,
}

/// A request that was judged, and what its answer is judged by.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The service in the signature's scope; `?` where there is none.
    pub(crate) service: String,
    /// The operation; method and path where there is none.
    pub(crate) operation: String,
    pub(crate) violations: Vec<Violation>,
    input: Node,
    /// A write on condition of another ETag than the newest one.
    is_stale: bool,
}

impl Heard {
    /// Whether it writes a distribution's configuration on condition of an ETag.
    pub(crate) fn is_fenced_update(&self) -> bool {
        self.operation == UPDATE && self.input.text_at(&["IfMatch"]).is_some()
    }
}

impl Judge {
    pub(crate) fn new(catalogue: Catalogue, planted: &[&str]) -> Self {
        let planted = planted.iter().map(|name| (*name).to_owned()).collect();
        Self { catalogue, planted, distributions: Mutex::default() }
    }

    /// Judges a request.
    pub(crate) fn hear(&self, request: &Request) -> Heard {
        let mut findings = Findings::default();
        let identified = match identify(&self.catalogue, request) {
            Ok(identified) => identified,
            Err(why) => {
                findings.add("", Rule::Message(why));
                return Heard {
                    service: request.scope().unwrap_or("?").to_owned(),
                    operation: format!("{} {}", request.method, request.target.path()),
                    violations: findings.violations,
                    input: Node::Null,
                    is_stale: false,
                };
            }
        };
        let mut is_stale = false;
        let input =
            read_input(&identified, request, &mut findings).unwrap_or_else(|error| broken(&error, &mut findings));
        if input != Node::Null {
            match identified.service {
                "cloudfront" => {
                    if let Ok(distributions) = self.distributions.lock() {
                        distributions.check(identified.name, &input, &mut findings);
                        is_stale = distributions.is_stale(identified.name, &input);
                    }
                }
                "route53" => route53::check(&input, &mut findings),
                _ => {}
            }
        }
        Heard {
            service: identified.service.to_owned(),
            operation: identified.name.to_owned(),
            violations: self.without_planted(findings),
            input,
            is_stale,
        }
    }

    /// Judges an answer below 300, and whether a write on condition of an old ETag was refused as such. The errors of services
    /// have no model worth checking.
    pub(crate) fn answer(&self, heard: &Heard, request: &Request, answer: &Answer) -> Vec<Violation> {
        let Ok(identified) = identify(&self.catalogue, request) else { return Vec::new() };
        let mut findings = Findings::default();
        if heard.is_stale && answer.status != PRECONDITION_FAILED {
            findings.add(
                "IfMatch",
                service("If-Match is not the newest ETag of this distribution, and the answer is not 412"),
            );
        }
        if answer.status >= 300 {
            return findings.violations;
        }
        let output = match &identified.operation.output {
            None => Node::Null,
            Some(output) => read_output(&identified, output, answer, &mut findings)
                .unwrap_or_else(|error| broken(&error, &mut findings)),
        };
        if identified.service == "cloudfront"
            && let Ok(mut distributions) = self.distributions.lock()
        {
            distributions.learn(identified.name, &heard.input, &output);
        }
        self.without_planted(findings)
    }

    /// How many patterns the models have, and how many of them nothing is held against.
    pub(crate) fn patterns(&self) -> (usize, usize) {
        let patterns = self.catalogue.patterns();
        (patterns.len(), patterns.into_iter().filter(|pattern| !shapes::is_checked(pattern)).count())
    }

    fn without_planted(&self, findings: Findings) -> Vec<Violation> {
        let planted = |violation: &Violation| {
            let name = violation.member.rsplit('.').next().unwrap_or_default();
            violation.rule == Rule::Unknown && self.planted.contains(name)
        };
        findings.violations.into_iter().filter(|violation| !planted(violation)).collect()
    }
}

fn broken(error: &anyhow::Error, findings: &mut Findings) -> Node {
    findings.add("", Rule::Message(format!("{error:#}")));
    Node::Null
}

/// The input as the operation's shape has it, already inspected; `Null` where the body cannot be read.
fn read_input(identified: &Identified<'_>, request: &Request, findings: &mut Findings) -> Result<Node> {
    let Identified { model, operation, protocol, .. } = identified;
    let input = operation.input.as_ref();
    let node = match protocol {
        Protocol::Rest(language) => rest::read_request(model, operation, *language, request, findings)?,
        Protocol::Query => match input {
            Some(input) => form::read(model, input, &request.body, findings)?,
            None => Node::Fields(Vec::new()),
        },
        Protocol::Json => {
            let wanted = format!("application/x-amz-json-{}", model.metadata.json_version.as_deref().unwrap_or("1.0"));
            expect_header(request, "content-type", &wanted, findings);
            document(documents::json(&request.body), "JSON", identified, input, findings)?
        }
        Protocol::Cbor => {
            expect_header(request, "smithy-protocol", "rpc-v2-cbor", findings);
            if input.is_none() && request.body.is_empty() {
                Node::Fields(Vec::new())
            } else {
                expect_header(request, "content-type", "application/cbor", findings);
                document(documents::cbor(&request.body), "CBOR", identified, input, findings)?
            }
        }
    };
    if let (Some(input), true) = (input, node != Node::Null) {
        shapes::inspect(model, &input.shape, &node, "", findings)?;
    }
    Ok(node)
}

/// The output as the operation's shape has it, already inspected; `Null` where the body cannot be read.
fn read_output(
    identified: &Identified<'_>,
    output: &Reference,
    answer: &Answer,
    findings: &mut Findings,
) -> Result<Node> {
    let Identified { model, protocol, .. } = identified;
    let node = match protocol {
        Protocol::Rest(language) => rest::read_answer(model, output, *language, answer, findings)?,
        Protocol::Query => xml::read_result(model, output, &answer.body, findings)?.unwrap_or(Node::Null),
        Protocol::Json => document(documents::json(&answer.body), "JSON", identified, Some(output), findings)?,
        Protocol::Cbor => document(documents::cbor(&answer.body), "CBOR", identified, Some(output), findings)?,
    };
    if node != Node::Null {
        shapes::inspect(model, &output.shape, &node, "", findings)?;
    }
    Ok(node)
}

fn document(
    document: Option<Node>,
    language: &str,
    identified: &Identified<'_>,
    reference: Option<&Reference>,
    findings: &mut Findings,
) -> Result<Node> {
    match (document, reference) {
        (None, _) => {
            findings.add("", Rule::Message(format!("the body is no {language}")));
            Ok(Node::Null)
        }
        (Some(node), Some(reference)) => documents::by_the_models_names(identified.model, &reference.shape, node),
        (Some(node), None) => Ok(node),
    }
}

fn expect_header(request: &Request, name: &str, wanted: &str, findings: &mut Findings) {
    if request.header(name) != Some(wanted) {
        findings.add(&format!("header {name}"), Rule::Message(format!("it is not {wanted}")));
    }
}
