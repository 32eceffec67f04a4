//! What a request declares, and what stands against it before anything is asked.

use failopen::finding::Finding;
use failopen::preflight::AllowLists;
use failopen::properties::{self, Problem, is_guess};
use failopen::spec::{Spec, Touched};
use serde_json::{Map, Value};

/// The properties of one request, read.
#[derive(Debug)]
pub(crate) struct Declared {
    /// What is meant, as far as it can be told; to be carried out only where nothing stands against it.
    pub(crate) spec: Option<Spec>,
    /// What is wrong with the properties themselves.
    pub(crate) problems: Vec<Problem>,
    /// What the engine may not touch. Nothing of it may be asked either.
    pub(crate) refused: Vec<Finding>,
}

impl Declared {
    pub(crate) fn by(properties: &Map<String, Value>, allowed: &AllowLists) -> Self {
        let (problems, touched, spec) = match properties::parse(properties) {
            Ok(spec) => (Vec::new(), Touched::by(&spec), Some(spec)),
            Err(invalid) => (invalid.problems, *invalid.touched, invalid.rest.map(|spec| *spec)),
        };
        Self { spec, problems, refused: allowed.refusals(&touched) }
    }
}

/// Of these findings about what is meant, those that do not come of what is wrong with the properties.
pub(crate) fn certain(problems: &[Problem], spec: &Spec, findings: Vec<Finding>) -> Vec<Finding> {
    findings.into_iter().filter(|finding| !is_guess(problems, spec, finding)).collect()
}
