//! Where a distribution's behaviours lead, read by nothing of the product's.

use anyhow::{Context, Result};
use roxmltree::{Document, Node};

/// The part of a configuration that a failover changes.
pub(crate) struct Layout {
    /// Id and domain name of every origin.
    pub(crate) origins: Vec<(String, String)>,
    /// Id and HTTPS port of every origin that has one.
    pub(crate) ports: Vec<(String, String)>,
    /// Ids of origin groups.
    pub(crate) groups: Vec<String>,
    /// Path pattern and target of every behaviour; the default one is `*`, and the first.
    pub(crate) behaviors: Vec<(String, String)>,
}

impl Layout {
    pub(crate) fn read(document: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(document).context("the configuration is no UTF-8")?;
        let document = Document::parse(text).context("the configuration is no XML")?;
        let all = |name: &'static str| document.descendants().filter(move |node| node.tag_name().name() == name);
        let default = all("DefaultCacheBehavior").map(|node| (Some("*".to_owned()), text_of(node, "TargetOriginId")));
        let others = all("CacheBehavior").map(|node| (text_of(node, "PathPattern"), text_of(node, "TargetOriginId")));
        let port = |origin: Node<'_, '_>| {
            let config = origin.children().find(|child| child.tag_name().name() == "CustomOriginConfig")?;
            text_of(origin, "Id").zip(text_of(config, "HTTPSPort"))
        };
        Ok(Self {
            ports: all("Origin").filter_map(port).collect(),
            origins: all("Origin").filter_map(|node| text_of(node, "Id").zip(text_of(node, "DomainName"))).collect(),
            groups: all("OriginGroup").filter_map(|node| text_of(node, "Id")).collect(),
            behaviors: default.chain(others).filter_map(|(path, target)| path.zip(target)).collect(),
        })
    }
}

fn text_of(node: Node<'_, '_>, name: &str) -> Option<String> {
    node.children().find(|child| child.tag_name().name() == name).and_then(|child| child.text()).map(str::to_owned)
}
