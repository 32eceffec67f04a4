//! AWS's published service models, as botocore carries them (`data/<service>/<version>/service-2.json.gz`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use serde::Deserialize;

/// One service: its operations, and the shapes that their inputs and outputs are made of.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    pub(crate) metadata: Metadata,
    pub(crate) operations: BTreeMap<String, Operation>,
    shapes: BTreeMap<String, Shape>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) endpoint_prefix: String,
    pub(crate) signing_name: Option<String>,
    pub(crate) protocol: String,
    pub(crate) json_version: Option<String>,
    pub(crate) target_prefix: Option<String>,
    pub(crate) api_version: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Operation {
    pub(crate) http: Http,
    pub(crate) input: Option<Reference>,
    pub(crate) output: Option<Reference>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Http {
    pub(crate) method: String,
    pub(crate) request_uri: String,
}

/// A shape where it is used: as input, output, member, or element of a list or map.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reference {
    pub(crate) shape: String,
    pub(crate) location_name: Option<String>,
    pub(crate) location: Option<Location>,
    pub(crate) xml_namespace: Option<Namespace>,
    #[serde(default)]
    pub(crate) xml_attribute: bool,
    #[serde(default)]
    pub(crate) flattened: bool,
    pub(crate) timestamp_format: Option<TimestampFormat>,
    /// Name of the element around the result of a query.
    pub(crate) result_wrapper: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Namespace {
    pub(crate) uri: String,
}

/// Where a member of a REST input or output travels, if not in the body.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Location {
    Uri,
    Querystring,
    Header,
    Headers,
    StatusCode,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TimestampFormat {
    Iso8601,
    Rfc822,
    UnixTimestamp,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) members: BTreeMap<String, Reference>,
    #[serde(default)]
    pub(crate) required: Vec<String>,
    pub(crate) member: Option<Reference>,
    pub(crate) key: Option<Reference>,
    pub(crate) value: Option<Reference>,
    #[serde(rename = "enum", default)]
    pub(crate) values: Vec<String>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) pattern: Option<String>,
    pub(crate) payload: Option<String>,
    #[serde(default)]
    pub(crate) flattened: bool,
    #[serde(rename = "timestampFormat")]
    pub(crate) timestamp_format: Option<TimestampFormat>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Structure,
    List,
    Map,
    String,
    Character,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Timestamp,
    Blob,
}

impl Model {
    /// The shape of this name. A model that names a shape which it does not hold is broken.
    pub(crate) fn shape(&self, name: &str) -> Result<&Shape> {
        self.shapes.get(name).with_context(|| format!("the model names a shape {name} that it does not hold"))
    }

    /// The name in the scope of the service's signatures.
    fn scope(&self) -> &str {
        self.metadata.signing_name.as_deref().unwrap_or(&self.metadata.endpoint_prefix)
    }
}

impl Reference {
    /// The name on the wire of a member that the model calls `name`.
    pub(crate) fn wire_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.location_name.as_deref().unwrap_or(name)
    }
}

/// The models of the services that a rehearsal talks to, by the name in the scope of a signature.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    models: BTreeMap<String, Model>,
}

/// The services of which models are read. A request to any other one is a violation.
const SERVICES: [&str; 9] = ["cloudfront", "cloudwatch", "dynamodb", "iam", "lambda", "logs", "route53", "sns", "sts"];

impl Catalogue {
    /// Reads the models in the botocore of this directory of Python packages.
    ///
    /// # Errors
    /// A model that is missing or cannot be read.
    pub(crate) fn of(packages: &Path) -> Result<Self> {
        let mut models = BTreeMap::new();
        for service in SERVICES {
            let path = newest(&packages.join("botocore/data").join(service))?.join("service-2.json.gz");
            let file = File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut GzDecoder::new(file), &mut text)?;
            let model: Model =
                serde_json::from_slice(&text).with_context(|| format!("{} is no service model", path.display()))?;
            models.insert(model.scope().to_owned(), model);
        }
        Ok(Self { models })
    }

    /// Every pattern that a text of some service has to have.
    pub(crate) fn patterns(&self) -> BTreeSet<&str> {
        self.models
            .values()
            .flat_map(|model| model.shapes.values())
            .filter_map(|shape| shape.pattern.as_deref())
            .collect()
    }

    /// The model of the service with this name in the scope of its signatures.
    pub(crate) fn model(&self, scope: &str) -> Option<&Model> {
        self.models.get(scope)
    }
}

/// The directory of the newest version of an interface; versions are dates.
fn newest(service: &Path) -> Result<PathBuf> {
    let versions = std::fs::read_dir(service).with_context(|| format!("{} cannot be read", service.display()))?;
    let mut versions: Vec<PathBuf> = versions.filter_map(|entry| Some(entry.ok()?.path())).collect();
    versions.sort();
    match versions.pop() {
        Some(version) => Ok(version),
        None => bail!("{} holds no model", service.display()),
    }
}
