//! Distribution configurations in every way that XML can write them, each a function of its seed.

use std::ops::Range;

use fastrand::Rng;

use crate::pen::Pen;

/// A configuration and what its maker knows of it: what it says, and at which bytes.
pub(crate) struct Sketch {
    pub(crate) text: String,
    pub(crate) caller_reference: String,
    pub(crate) aliases: Vec<String>,
    /// In document order.
    pub(crate) origins: Vec<SketchedOrigin>,
    /// In order of precedence, the default behaviour last.
    pub(crate) behaviors: Vec<SketchedBehavior>,
    pub(crate) features: Vec<&'static str>,
}

pub(crate) struct SketchedOrigin {
    pub(crate) id: String,
    pub(crate) domain_name: String,
    pub(crate) is_custom: bool,
    pub(crate) headers: Vec<String>,
    /// The text between the tags of its Id, as it is written.
    spelling: String,
}

pub(crate) struct SketchedBehavior {
    pub(crate) path_pattern: String,
    /// Which of the origins it targets.
    pub(crate) target: usize,
    /// The text between the tags of its TargetOriginId.
    pub(crate) target_text: Range<usize>,
}

/// How much a document holds.
struct Size {
    origins: usize,
    behaviors: usize,
    /// Bytes that comments and unknown elements fill up to.
    bytes: usize,
    name: &'static str,
}

/// Most documents are small, because what goes wrong goes wrong in small ones, too, and quicker.
fn size(rng: &mut Rng) -> Size {
    match rng.u32(0..10_000) {
        0 => Size { origins: 25, behaviors: 250, bytes: 1_000_000, name: "1 MB with 250 behaviours" },
        1..=4 => Size { origins: 25, behaviors: 75, bytes: 60_000, name: "25 origins and 75 behaviours" },
        5..=60 => Size { origins: rng.usize(5..=25), behaviors: rng.usize(5..=30), bytes: 0, name: "middling" },
        _ => Size { origins: rng.usize(1..=3), behaviors: rng.usize(0..=3), bytes: 0, name: "small" },
    }
}

/// The parts of the configuration, in the order in which CloudFront sends them.
#[derive(Clone, Copy)]
enum Part {
    CallerReference,
    Aliases,
    Origins,
    OriginGroups,
    DefaultBehavior,
    Behaviors,
    Comment,
    Enabled,
    Unknown,
}

const PARTS: [Part; 9] = [
    Part::CallerReference,
    Part::Aliases,
    Part::Origins,
    Part::OriginGroups,
    Part::DefaultBehavior,
    Part::Behaviors,
    Part::Comment,
    Part::Enabled,
    Part::Unknown,
];

impl Sketch {
    /// The configuration of this seed; always the same one.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let size = size(&mut rng);
        let mut pen = Pen::new(rng);
        pen.features.push(size.name);
        let caller_reference = pen.words("ref", 0);
        let mut sketch = Self {
            text: String::new(),
            caller_reference,
            aliases: (0..pen.rng.usize(0..4)).map(|at| format!("w{at}.example.com")).collect(),
            origins: (0..size.origins).map(|at| origin(&mut pen, at)).collect(),
            behaviors: Vec::new(),
            features: Vec::new(),
        };
        sketch.write(&mut pen, &size);
        sketch.features = pen.features;
        sketch.text = pen.text;
        sketch
    }

    fn write(&mut self, pen: &mut Pen, size: &Size) {
        pen.prologue();
        let root = pen.open("DistributionConfig");
        let mut parts = PARTS.to_vec();
        if pen.one_in(3) {
            pen.features.push("shuffled");
            pen.rng.shuffle(&mut parts);
        }
        let mut default = None;
        for part in parts {
            pen.noise();
            match part {
                Part::CallerReference => {
                    let spelled = pen.spelled(&self.caller_reference.clone());
                    pen.leaf("CallerReference", &spelled);
                }
                Part::Aliases if self.aliases.is_empty() && pen.one_in(2) => {}
                Part::Aliases => self.write_aliases(pen),
                Part::Origins => self.write_origins(pen),
                Part::OriginGroups => self.write_groups(pen),
                Part::DefaultBehavior => default = Some(self.write_behavior(pen, None)),
                Part::Behaviors => self.write_behaviors(pen, size.behaviors),
                Part::Comment => {
                    pen.leaf("Comment", "");
                }
                Part::Enabled => {
                    let spelled = pen.choose(&["true", " true\n", "<![CDATA[true]]>", "&#116;rue", "false"]);
                    pen.leaf("Enabled", spelled);
                }
                Part::Unknown => pen.unknown(),
            }
        }
        while pen.text.len() < size.bytes {
            pen.unknown();
        }
        self.behaviors.extend(default);
        pen.noise();
        pen.close(&root);
        pen.epilogue();
    }

    fn write_aliases(&self, pen: &mut Pen) {
        let aliases = self.aliases.clone();
        pen.list("Aliases", aliases.len(), |pen, at| {
            pen.leaf("CNAME", &aliases[at]);
        });
    }

    fn write_origins(&mut self, pen: &mut Pen) {
        let origins = &self.origins;
        pen.list("Origins", origins.len(), |pen, at| write_origin(pen, &origins[at]));
    }

    fn write_groups(&self, pen: &mut Pen) {
        let members = if self.origins.len() > 1 && pen.one_in(4) { self.origins.len().min(2) } else { 0 };
        pen.list("OriginGroups", members.min(1), |pen, _| {
            let group = pen.open("OriginGroup");
            pen.leaf("Id", "a group &amp; co");
            pen.noise();
            let criteria = pen.open("FailoverCriteria");
            pen.list("StatusCodes", 1, |pen, _| {
                pen.leaf("StatusCode", "503");
            });
            pen.close(&criteria);
            pen.noise();
            pen.list("Members", members, |pen, at| {
                let member = pen.open("OriginGroupMember");
                let spelled = pen.respelled(&self.origins[at].id);
                pen.leaf("OriginId", &spelled);
                pen.close(&member);
            });
            pen.close(&group);
        });
    }

    fn write_behaviors(&mut self, pen: &mut Pen, count: usize) {
        if count == 0 && pen.one_in(2) {
            pen.features.push("no list of behaviours");
            return;
        }
        let mut written = Vec::new();
        pen.list("CacheBehaviors", count, |pen, at| {
            let pattern = format!("/{}*", pen.words("p", at));
            written.push(self.write_behavior(pen, Some(pattern)));
        });
        self.behaviors = written;
    }

    /// A cache behaviour, or the default one.
    fn write_behavior(&self, pen: &mut Pen, path_pattern: Option<String>) -> SketchedBehavior {
        let target = pen.rng.usize(..self.origins.len());
        let name = if path_pattern.is_some() { "CacheBehavior" } else { "DefaultCacheBehavior" };
        let behavior = pen.open(name);
        let mut parts = vec!["PathPattern", "TargetOriginId", "Compress", "Unknown"];
        if pen.one_in(4) {
            pen.rng.shuffle(&mut parts);
        }
        let mut target_text = 0..0;
        for part in parts {
            match (part, &path_pattern) {
                ("PathPattern", Some(pattern)) => {
                    pen.noise();
                    let spelled = pen.spelled(pattern);
                    pen.leaf("PathPattern", &spelled);
                }
                ("PathPattern", None) => {}
                ("TargetOriginId", _) => {
                    pen.noise();
                    let spelled = self.target_spelling(pen, target);
                    target_text = pen.leaf("TargetOriginId", &spelled);
                }
                ("Compress", _) => {
                    pen.noise();
                    pen.leaf("Compress", "true");
                }
                _ => pen.noise(),
            }
        }
        pen.noise();
        pen.close(&behavior);
        SketchedBehavior { path_pattern: path_pattern.unwrap_or_else(|| "*".to_owned()), target, target_text }
    }

    /// Mostly as the origin itself spells its id; sometimes in another way that means the same.
    fn target_spelling(&self, pen: &mut Pen, target: usize) -> String {
        let origin = &self.origins[target];
        let has_markup = origin.spelling.contains("<!--") || origin.spelling.contains("<?");
        if has_markup || pen.one_in(5) {
            pen.features.push("a target spelled in its own way");
            return pen.respelled(&origin.id);
        }
        origin.spelling.clone()
    }
}

fn origin(pen: &mut Pen, at: usize) -> SketchedOrigin {
    let id = pen.words("o", at);
    let mut spelling = pen.spelled(&id);
    if pen.one_in(20) {
        pen.features.push("a comment in an id");
        spelling += pen.choose(&["<!-- a & b -->", "<?note?>"]);
    }
    // AddOrigin takes a custom origin for its model, so there is always one.
    let is_custom = at == 0 || !pen.one_in(3);
    let headers = (0..pen.rng.usize(0..3)).map(|n| format!("X-Header-{n}")).collect();
    SketchedOrigin { id, domain_name: format!("o{at}.example.com"), is_custom, headers, spelling }
}

fn write_origin(pen: &mut Pen, origin: &SketchedOrigin) {
    let element = pen.open("Origin");
    let mut parts = vec!["Id", "DomainName", "CustomHeaders", "Config", "ConnectionAttempts", "ConnectionTimeout"];
    if pen.one_in(4) {
        pen.rng.shuffle(&mut parts);
    }
    for part in parts {
        pen.noise();
        match part {
            "Id" => {
                pen.leaf("Id", &origin.spelling);
            }
            "DomainName" => {
                let spelled = pen.spelled(&origin.domain_name);
                pen.leaf("DomainName", &spelled);
            }
            "CustomHeaders" => pen.list("CustomHeaders", origin.headers.len(), |pen, at| {
                let header = pen.open("OriginCustomHeader");
                pen.leaf("HeaderName", &origin.headers[at]);
                pen.noise();
                pen.leaf("HeaderValue", "a &amp; &lt;b&gt;");
                pen.close(&header);
            }),
            "Config" if origin.is_custom => write_custom_config(pen),
            "Config" => {
                let name = pen.choose(&["S3OriginConfig", "VpcOriginConfig"]);
                let config = pen.open(name);
                pen.noise();
                pen.close(&config);
            }
            // Absent, as older configurations have it, in two of three.
            name if pen.one_in(3) => {
                pen.leaf(name, "3");
            }
            _ => {}
        }
    }
    pen.noise();
    pen.close(&element);
}

fn write_custom_config(pen: &mut Pen) {
    let config = pen.open("CustomOriginConfig");
    pen.noise();
    pen.leaf("HTTPPort", "80");
    pen.noise();
    pen.leaf("HTTPSPort", " 443\t");
    pen.noise();
    pen.leaf("OriginProtocolPolicy", "https-only");
    if pen.one_in(2) {
        pen.noise();
        let seconds = pen.choose(&["60", "5", "3", " 5 "]);
        pen.leaf("OriginKeepaliveTimeout", seconds);
    }
    pen.noise();
    pen.close(&config);
}
