//! A reading of a distribution's configuration that shares nothing with the product's: brackets are counted, names are
//! compared, and everything else is bytes.
//!
//! It is less strict than the product's on purpose. The product must refuse what is doubtful; this one only has to say what
//! is where in configurations that the world made itself.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

/// Readings that a thread remembers: more than the configurations that the checks of one step look at.
const REMEMBERED: usize = 16;

thread_local! {
    /// What the last texts were read as, the newest last: the checks of a schedule look at the same few again and again.
    static READINGS: RefCell<Vec<Reading>> = const { RefCell::new(Vec::new()) };
}

struct Reading {
    text: Rc<str>,
    read: Option<Rc<Configuration>>,
}

/// Where things are in one configuration.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    text: Rc<str>,
    pub(crate) caller_reference: String,
    pub(crate) origins: Vec<Origin>,
    /// Ids of the origin groups, and of the origins that are members of one.
    pub(crate) groups: Vec<String>,
    pub(crate) members: Vec<String>,
    /// The default behaviour has the pattern `*` and comes first.
    pub(crate) behaviors: Vec<Behavior>,
    /// The counts of the two lists that provisioning grows and shrinks.
    counts: Vec<Range<usize>>,
    /// The list of other behaviours, with its element.
    list: Option<Range<usize>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) id: String,
    pub(crate) domain: String,
    domain_text: Range<usize>,
    element: Range<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Behavior {
    pub(crate) pattern: String,
    pub(crate) target: String,
    target_text: Range<usize>,
    element: Range<usize>,
}

/// One element: its local name, the whole of it, and what is between its tags.
#[derive(Clone, Debug)]
struct Element<'a> {
    name: &'a str,
    whole: Range<usize>,
    inside: Range<usize>,
}

impl Configuration {
    /// Whether one of the behaviours targets none of these origins, or is gone.
    pub(crate) fn is_foreign(&self, patterns: &[String], origins: &[&String]) -> bool {
        let is_ours = |target: &String| origins.contains(&target);
        patterns.iter().any(|pattern| self.behavior(pattern).is_none_or(|one| !is_ours(&one.target)))
    }

    /// Reads a configuration. `None` for one that is incomplete, or in which the things that a flip depends on are missing
    /// or there twice.
    pub(crate) fn read(bytes: &[u8]) -> Option<Rc<Self>> {
        let text = std::str::from_utf8(bytes).ok()?;
        READINGS.with_borrow_mut(|readings| {
            let reading = match readings.iter().position(|reading| *reading.text == *text) {
                Some(at) => readings.remove(at),
                None => {
                    let text: Rc<str> = text.into();
                    Reading { read: Self::parse(&text).map(Rc::new), text }
                }
            };
            let read = reading.read.clone();
            readings.push(reading);
            if readings.len() > REMEMBERED {
                readings.remove(0);
            }
            read
        })
    }

    fn parse(whole: &Rc<str>) -> Option<Self> {
        let text: &str = whole;
        let root = only(elements(text, 0..text.len())?)?;
        if root.name != "DistributionConfig" {
            return None;
        }
        let children = elements(text, root.inside)?;
        one(&children, "Enabled")?;
        let caller_reference = text[one(&children, "CallerReference")?.inside.clone()].to_owned();
        let mut counts = Vec::new();
        let origin_list = elements(text, one(&children, "Origins")?.inside.clone())?;
        counts.push(one(&origin_list, "Quantity")?.inside.clone());
        let origins = items(text, &origin_list)?;
        let origins = origins.iter().map(|element| origin(text, element)).collect::<Option<_>>()?;

        let mut behaviors = vec![behavior(text, one(&children, "DefaultCacheBehavior")?)?];
        let mut list = None;
        if let Some(present) = at_most_one(&children, "CacheBehaviors")? {
            let inside = elements(text, present.inside.clone())?;
            counts.push(one(&inside, "Quantity")?.inside.clone());
            for element in items(text, &inside)? {
                behaviors.push(behavior(text, &element)?);
            }
            list = Some(present.whole.clone());
        }
        let (mut groups, mut members) = (Vec::new(), Vec::new());
        if let Some(present) = at_most_one(&children, "OriginGroups")? {
            for group in items(text, &elements(text, present.inside.clone())?)? {
                let inside = elements(text, group.inside.clone())?;
                groups.push(decoded(&text[one(&inside, "Id")?.inside.clone()]));
                let list = elements(text, one(&inside, "Members")?.inside.clone())?;
                for member in items(text, &list)? {
                    let id = elements(text, member.inside.clone())?;
                    members.push(decoded(&text[one(&id, "OriginId")?.inside.clone()]));
                }
            }
        }
        let text = Rc::clone(whole);
        Some(Self { text, caller_reference, origins, groups, members, behaviors, counts, list })
    }

    pub(crate) fn behavior(&self, pattern: &str) -> Option<&Behavior> {
        self.behaviors.iter().find(|behavior| behavior.pattern == pattern)
    }

    pub(crate) fn origin(&self, id: &str) -> Option<&Origin> {
        self.origins.iter().find(|origin| origin.id == id)
    }

    /// Behaviours that target neither an origin nor an origin group of this configuration.
    pub(crate) fn dangling(&self) -> Option<&Behavior> {
        let exists = |target: &String| self.origin(target).is_some() || self.groups.contains(target);
        self.behaviors.iter().find(|behavior| !exists(&behavior.target))
    }

    /// Whether requests may be sent to this origin.
    pub(crate) fn uses(&self, id: &str) -> bool {
        self.behaviors.iter().any(|behavior| behavior.target == id) || self.members.iter().any(|member| member == id)
    }

    /// All bytes but the targets of the behaviours in `patterns`.
    pub(crate) fn without_targets(&self, patterns: &[String]) -> Vec<u8> {
        let holes = self.behaviors.iter().filter(|behavior| patterns.contains(&behavior.pattern));
        self.without(holes.map(|behavior| behavior.target_text.clone()).collect())
    }

    /// All bytes of a behaviour but its target.
    pub(crate) fn content(&self, behavior: &Behavior) -> Vec<u8> {
        let Behavior { element, target_text, .. } = behavior;
        let bytes = self.text.as_bytes();
        [&bytes[element.start..target_text.start], &bytes[target_text.end..element.end]].concat()
    }

    /// All bytes of an origin but its host name.
    pub(crate) fn settings(&self, origin: &Origin) -> Vec<u8> {
        let Origin { element, domain_text, .. } = origin;
        let bytes = self.text.as_bytes();
        [&bytes[element.start..domain_text.start], &bytes[domain_text.end..element.end]].concat()
    }

    /// What belongs to everybody else: all bytes but the targets of the behaviours in `patterns`, the origins and behaviours
    /// that are `ours`, and the counts of their lists.
    pub(crate) fn of_others(
        &self,
        patterns: &[String],
        origin_is_ours: impl Fn(&Origin) -> bool,
        behavior_is_ours: impl Fn(&Behavior) -> bool,
    ) -> Vec<u8> {
        let mut holes = self.counts.clone();
        holes.extend(self.origins.iter().filter(|origin| origin_is_ours(origin)).map(|origin| origin.element.clone()));
        let mut others = 0;
        for behavior in &self.behaviors {
            if behavior.pattern != "*" && behavior_is_ours(behavior) {
                holes.push(behavior.element.clone());
            } else {
                others += usize::from(behavior.pattern != "*");
                if patterns.contains(&behavior.pattern) {
                    holes.push(behavior.target_text.clone());
                }
            }
        }
        // A list that holds nothing but ours may have been made for ours.
        if let (0, Some(list)) = (others, &self.list) {
            holes.retain(|hole| !(list.start <= hole.start && hole.end <= list.end));
            holes.push(list.clone());
        }
        self.without(holes)
    }

    /// The bytes outside these ranges, and without the white space before a range that is a whole element.
    fn without(&self, mut holes: Vec<Range<usize>>) -> Vec<u8> {
        holes.sort_by_key(|hole| hole.start);
        let mut rest = Vec::with_capacity(self.text.len());
        let mut at = 0;
        for hole in holes {
            let before = &self.text[at..hole.start];
            let is_element = self.text[hole.clone()].starts_with('<');
            let kept = if is_element { before.trim_end_matches([' ', '\t', '\r', '\n']) } else { before };
            rest.extend_from_slice(kept.as_bytes());
            at = hole.end;
        }
        rest.extend_from_slice(&self.text.as_bytes()[at..]);
        rest
    }
}

fn origin(text: &str, element: &Element<'_>) -> Option<Origin> {
    let inside = elements(text, element.inside.clone())?;
    let domain = one(&inside, "DomainName")?;
    Some(Origin {
        id: decoded(&text[one(&inside, "Id")?.inside.clone()]),
        domain: decoded(&text[domain.inside.clone()]),
        domain_text: domain.inside.clone(),
        element: element.whole.clone(),
    })
}

fn behavior(text: &str, element: &Element<'_>) -> Option<Behavior> {
    let inside = elements(text, element.inside.clone())?;
    let target = one(&inside, "TargetOriginId")?;
    let pattern = at_most_one(&inside, "PathPattern")?;
    Some(Behavior {
        pattern: pattern.map_or("*".to_owned(), |pattern| decoded(&text[pattern.inside.clone()])),
        target: decoded(&text[target.inside.clone()]),
        target_text: target.inside.clone(),
        element: element.whole.clone(),
    })
}

/// The members of a list as CloudFront writes one: `<Quantity/>` and, where there are any, `<Items/>`.
fn items<'a>(text: &'a str, list: &[Element<'a>]) -> Option<Vec<Element<'a>>> {
    match at_most_one(list, "Items")? {
        Some(items) => elements(text, items.inside.clone()),
        None => Some(Vec::new()),
    }
}

fn one<'e, 'a>(elements: &'e [Element<'a>], name: &str) -> Option<&'e Element<'a>> {
    at_most_one(elements, name)?
}

/// The outer `None`: there is more than one.
fn at_most_one<'e, 'a>(elements: &'e [Element<'a>], name: &str) -> Option<Option<&'e Element<'a>>> {
    let mut found = elements.iter().filter(|element| element.name == name);
    let first = found.next();
    found.next().is_none().then_some(first)
}

fn only(elements: Vec<Element<'_>>) -> Option<Element<'_>> {
    let [element] = <[Element<'_>; 1]>::try_from(elements).ok()?;
    Some(element)
}

/// The elements directly within a range of the text; `None` where one is not closed.
fn elements(text: &str, within: Range<usize>) -> Option<Vec<Element<'_>>> {
    let mut found = Vec::new();
    let mut at = within.start;
    while let Some(open) = next_tag(text, at, within.end)? {
        if open.kind != Kind::Open {
            if open.kind == Kind::Close {
                return None;
            }
            found.push(Element { name: open.name, whole: open.range.clone(), inside: open.range.end..open.range.end });
            at = open.range.end;
            continue;
        }
        let mut depth = 1;
        let mut tag = open.clone();
        while depth > 0 {
            tag = next_tag(text, tag.range.end, within.end)??;
            match tag.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                Kind::Empty => {}
            }
        }
        if tag.name != open.name {
            return None;
        }
        let inside = open.range.end..tag.range.start;
        found.push(Element { name: open.name, whole: open.range.start..tag.range.end, inside });
        at = tag.range.end;
    }
    Some(found)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Empty,
}

#[derive(Clone, Debug)]
struct Tag<'a> {
    kind: Kind,
    name: &'a str,
    range: Range<usize>,
}

/// The next tag, past text, comments, CDATA and instructions. The outer `None`: something is not closed.
fn next_tag(text: &str, from: usize, end: usize) -> Option<Option<Tag<'_>>> {
    let mut at = from;
    loop {
        let Some(start) = text[at..end].find('<').map(|offset| at + offset) else { return Some(None) };
        let rest = &text[start..end];
        let closed_by = |mark: &str| rest.find(mark).map(|offset| start + offset + mark.len());
        at = if rest.starts_with("<!--") {
            closed_by("-->")?
        } else if rest.starts_with("<![CDATA[") {
            closed_by("]]>")?
        } else if rest.starts_with("<?") {
            closed_by("?>")?
        } else {
            let end = start + rest.find('>')? + 1;
            let inner = &text[start + 1..end - 1];
            let (kind, inner) = match (inner.strip_prefix('/'), inner.strip_suffix('/')) {
                (Some(name), _) => (Kind::Close, name),
                (None, Some(name)) => (Kind::Empty, name),
                (None, None) => (Kind::Open, inner),
            };
            let name = &inner[..inner.bytes().position(|byte| byte.is_ascii_whitespace()).unwrap_or(inner.len())];
            let name = &name[name.bytes().rposition(|byte| byte == b':').map_or(0, |colon| colon + 1)..];
            return Some(Some(Tag { kind, name, range: start..end }));
        };
    }
}

/// Text without its five named entities: the only ones in the world's ids.
fn decoded(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    named.iter().fold(text.trim().to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;
    use failopen_tests::world::RICH_DISTRIBUTION;

    fn rich() -> Rc<Configuration> {
        Configuration::read(RICH_DISTRIBUTION.as_bytes()).expect("the sample is complete")
    }

    #[test]
    fn origins_behaviours_and_their_targets_are_read_as_they_are_written() {
        let read = rich();
        assert_eq!(read.origins.len(), 8);
        assert_eq!(read.behaviors.len(), 21);
        assert_eq!(read.behavior("*").map(|behavior| behavior.target.as_str()), Some("app & co"));
        assert_eq!(read.behavior("/beta&preview/*").map(|behavior| behavior.target.as_str()), Some("api-eu"));
        assert_eq!(read.caller_reference, "console-2019-06-14T09:21:44.512Z");
        assert!(read.dangling().is_none());
    }

    #[test]
    fn everything_but_the_named_target_counts_as_a_difference() {
        let flipped = RICH_DISTRIBUTION.replacen(">app &amp; co</Target", ">static-assets</Target", 1);
        let patterns = ["*".to_owned()];
        let after = Configuration::read(flipped.as_bytes()).expect("complete");
        assert_eq!(rich().without_targets(&patterns), after.without_targets(&patterns));
        let edited = flipped.replacen("<Comment>", "<Comment>x", 1);
        let after = Configuration::read(edited.as_bytes()).expect("complete");
        assert_ne!(rich().without_targets(&patterns), after.without_targets(&patterns));
    }

    #[test]
    fn what_is_incomplete_or_ambiguous_is_not_read() {
        let whole = RICH_DISTRIBUTION;
        assert!(Configuration::read(&whole.as_bytes()[..whole.len() - 30]).is_none());
        assert!(Configuration::read(b"<html><body>Service Unavailable</body></html>").is_none());
        let twice = whole.replacen("</DistributionConfig>", "<Enabled>false</Enabled></DistributionConfig>", 1);
        assert!(Configuration::read(twice.as_bytes()).is_none());
    }
}
