//! Bytes to elements: where each element starts and ends, and nothing about what it means.

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use super::malformed::Malformed;

/// Twice what a distribution with every quota raised needs; above it the body is not a distribution's.
const MAX_BYTES: usize = 2 * 1024 * 1024;
/// CloudFront nests about ten deep.
const MAX_DEPTH: usize = 64;
/// CloudFront sends one, the namespace. The bound keeps the search for repeated attributes short.
const MAX_ATTRIBUTES: usize = 32;

/// Byte order mark, which some tools put before the declaration.
const MARK: &str = "\u{feff}";

/// White space as XML counts it.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Place of an element in a [`Tree`]. The root is the first one.
pub(super) type ElementId = usize;

pub(super) const ROOT: ElementId = 0;

/// All elements of one document, as ranges of its text.
#[derive(Clone)]
pub(super) struct Tree {
    text: String,
    elements: Vec<Element>,
}

#[derive(Clone)]
struct Element {
    /// The name with its prefix, inside the start tag.
    name: Range<usize>,
    open: Range<usize>,
    /// Empty, and at the end of `open`, for `<Element/>`.
    close: Range<usize>,
    children: Vec<ElementId>,
}

impl Tree {
    /// # Errors
    /// [`Malformed`] for anything that is not one complete, well-formed document without a document type.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_BYTES {
            return Err(Malformed::TooLarge { limit: MAX_BYTES });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| Malformed::NotUtf8 { at: error.valid_up_to() })?;
        // A tag, a comment or an instruction comes last: most bodies that were cut short are known by their last byte.
        if !text.trim_end_matches(SPACE).ends_with('>') {
            return Err(Malformed::Incomplete);
        }
        let elements = Builder::default().read(text)?;
        if let Some(at) = impossible_character(bytes) {
            return Err(Malformed::NotWellFormed { at });
        }
        Ok(Self { text: text.to_owned(), elements })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// From the `<` of the start tag to the `>` of the end tag.
    pub(super) fn range(&self, element: ElementId) -> Range<usize> {
        self.elements[element].open.start..self.elements[element].close.end
    }

    /// What is between the tags; empty for `<Element/>`.
    pub(super) fn content(&self, element: ElementId) -> Range<usize> {
        self.elements[element].open.end..self.elements[element].close.start
    }

    /// The start tag.
    pub(super) fn open(&self, element: ElementId) -> Range<usize> {
        self.elements[element].open.clone()
    }

    /// The name with its prefix, inside the start tag.
    pub(super) fn name(&self, element: ElementId) -> Range<usize> {
        self.elements[element].name.clone()
    }

    /// Whether it is written as `<Element/>`.
    pub(super) fn is_self_closing(&self, element: ElementId) -> bool {
        self.elements[element].close.is_empty()
    }

    /// Whether the start tag says anything besides the name.
    pub(super) fn has_attributes(&self, element: ElementId) -> bool {
        self.text[self.name(element).end..self.open(element).end].contains('=')
    }

    /// The part of the name after the prefix.
    pub(super) fn local_name(&self, element: ElementId) -> &str {
        let name = &self.text[self.name(element)];
        name.split_once(':').map_or(name, |(_, local)| local)
    }

    /// The part of the name that says the namespace, with its colon; often empty.
    pub(super) fn prefix(&self, element: ElementId) -> &str {
        let name = &self.text[self.name(element)];
        &name[..name.len() - self.local_name(element).len()]
    }

    pub(super) fn children(&self, element: ElementId) -> &[ElementId] {
        &self.elements[element].children
    }

    /// The first direct child of this name.
    pub(super) fn child(&self, element: ElementId, local_name: &str) -> Option<ElementId> {
        self.children(element).iter().copied().find(|child| self.local_name(*child) == local_name)
    }

    /// Start of the white space right before an element; the element's own start where there is none.
    pub(super) fn indent_start(&self, element: ElementId) -> usize {
        let start = self.range(element).start;
        self.text[..start].trim_end_matches(SPACE).len()
    }

    /// The white space right before an element.
    pub(super) fn indent(&self, element: ElementId) -> &str {
        &self.text[self.indent_start(element)..self.range(element).start]
    }

    /// Whether the content is text and nothing else: no comment, no processing instruction, no element.
    pub(super) fn is_plain(&self, element: ElementId) -> bool {
        let content = &self.text[self.content(element)];
        self.children(element).is_empty() && !content.contains("<!--") && !content.contains("<?")
    }

    /// The text of an element as an XML reader understands it; `None` where it holds elements.
    pub(super) fn value(&self, element: ElementId) -> Option<String> {
        let content = &self.text[self.content(element)];
        if !self.children(element).is_empty() {
            return None;
        }
        let mut value = String::with_capacity(content.len());
        let mut reader = Reader::from_str(content);
        loop {
            match reader.read_event().ok()? {
                Event::Text(text) => value.push_str(&text.xml10_content()),
                Event::CData(text) => value.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => value.push(resolve(&reference)?),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => return Some(value),
                Event::Start(_) | Event::End(_) | Event::Empty(_) | Event::Decl(_) | Event::DocType(_) => return None,
            }
        }
    }
}

/// The walk over the events of one document.
#[derive(Default)]
struct Builder {
    elements: Vec<Element>,
    opened: Vec<ElementId>,
}

impl Builder {
    fn read(mut self, text: &str) -> Result<Vec<Element>, Malformed> {
        let start = if text.starts_with(MARK) { MARK.len() } else { 0 };
        let mut reader = Reader::from_str(&text[start..]);
        reader.config_mut().check_comments = true;
        let position = |reader: &Reader<&[u8]>| start + usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        loop {
            let at = position(&reader);
            let event = reader.read_event().map_err(|_| match position(&reader) >= text.len() {
                true => Malformed::Incomplete,
                false => Malformed::NotWellFormed { at },
            })?;
            let span = at..position(&reader);
            match event {
                Event::Start(tag) => {
                    let element = self.open(&tag, span.clone())?;
                    self.opened.push(element);
                    if self.opened.len() > MAX_DEPTH {
                        return Err(Malformed::TooDeep { limit: MAX_DEPTH, at });
                    }
                }
                Event::Empty(tag) => {
                    self.open(&tag, span)?;
                }
                Event::End(_) => {
                    let element = self.opened.pop().ok_or(Malformed::NotWellFormed { at })?;
                    self.elements[element].close = span;
                }
                Event::Text(text) if text.contains("]]>") => return Err(Malformed::NotWellFormed { at }),
                Event::Text(text) if self.opened.is_empty() => {
                    if !text.trim_matches(SPACE).is_empty() {
                        return Err(Malformed::OutsideRoot { at });
                    }
                }
                Event::CData(_) | Event::GeneralRef(_) if self.opened.is_empty() => {
                    return Err(Malformed::OutsideRoot { at });
                }
                Event::GeneralRef(reference) => {
                    resolve(&reference).ok_or(Malformed::BadReference { at })?;
                }
                Event::Decl(declaration) => {
                    if at != start || !is_acceptable(&declaration) {
                        return Err(Malformed::NotWellFormed { at });
                    }
                }
                Event::PI(instruction) => {
                    if !is_name(instruction.target()) || instruction.target().eq_ignore_ascii_case("xml") {
                        return Err(Malformed::NotWellFormed { at });
                    }
                }
                Event::Text(_) | Event::CData(_) | Event::Comment(_) => {}
                Event::DocType(_) => return Err(Malformed::DocumentType),
                Event::Eof => break,
            }
        }
        if self.elements.is_empty() || !self.opened.is_empty() {
            return Err(Malformed::Incomplete);
        }
        Ok(self.elements)
    }

    /// Files a start tag below the innermost open element. The end is filled in when it comes.
    fn open(&mut self, tag: &BytesStart<'_>, span: Range<usize>) -> Result<ElementId, Malformed> {
        let parent = self.opened.last().copied();
        if parent.is_none() && !self.elements.is_empty() {
            return Err(Malformed::OutsideRoot { at: span.start });
        }
        let length = tag.name().as_ref().len();
        if !is_qualified_name(tag.name().as_ref()) || !attributes_are_sound(tag) {
            return Err(Malformed::NotWellFormed { at: span.start });
        }
        let element = self.elements.len();
        self.elements.push(Element {
            name: span.start + 1..span.start + 1 + length,
            close: span.end..span.end,
            open: span,
            children: Vec::new(),
        });
        if let Some(parent) = parent {
            self.elements[parent].children.push(element);
        }
        Ok(element)
    }
}

/// The character that a reference stands for: the five that XML knows by name, and every one by number.
fn resolve(reference: &BytesRef<'_>) -> Option<char> {
    match reference.as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => reference.resolve_char_ref().ok().flatten().filter(|character| is_possible(*character)),
    }
}

/// Whether XML 1.0 allows the character at all.
fn is_possible(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Position of the first character that XML 1.0 does not allow: control characters, U+FFFE and U+FFFF.
fn impossible_character(text: &[u8]) -> Option<usize> {
    let control = text.iter().position(|byte| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'));
    control.or_else(|| text.windows(3).position(|three| matches!(three, [0xef, 0xbf, 0xbe | 0xbf])))
}

/// XML 1.0 in UTF-8, which is all that CloudFront speaks.
fn is_acceptable(declaration: &BytesDecl<'_>) -> bool {
    let encoding = match declaration.encoding() {
        None => true,
        Some(Ok(name)) => name.eq_ignore_ascii_case("utf-8"),
        Some(Err(_)) => false,
    };
    encoding && declaration.version().is_ok_and(|version| version == "1.0")
}

fn is_name(name: &str) -> bool {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit() || matches!(c, '-' | '.'))
}

/// A name, or a prefix and a name.
fn is_qualified_name(name: &str) -> bool {
    match name.split_once(':') {
        Some((prefix, local)) => is_name(prefix) && is_name(local),
        None => is_name(name),
    }
}

fn attributes_are_sound(tag: &BytesStart<'_>) -> bool {
    let mut count = 0;
    tag.attributes().all(|attribute| {
        count += 1;
        count <= MAX_ATTRIBUTES
            && attribute.is_ok_and(|attribute| {
                let value = attribute.value.as_ref();
                let references = !value.contains('&') || unescape(value).is_ok();
                is_qualified_name(attribute.key.as_ref()) && !value.contains('<') && references
            })
    })
}
