//! How a document is written: tags, prefixes, spellings, and everything between elements that means nothing.

use std::ops::Range;

use fastrand::Rng;

/// The namespace of CloudFront's documents.
const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";

/// Which prefix an element has.
#[derive(Clone, Copy)]
enum Prefix {
    None,
    Every(&'static str),
    /// With and without, both bound to the same namespace.
    Mixed(&'static str),
}

/// Writes one document.
pub(crate) struct Pen {
    pub(crate) rng: Rng,
    pub(crate) text: String,
    /// What this document has that others may not have.
    pub(crate) features: Vec<&'static str>,
    prefix: Prefix,
    line_end: &'static str,
    /// One in so many places between elements has something in it.
    noise: u32,
    is_root: bool,
}

/// An open element: its name as it is written.
pub(crate) struct Tag(String);

impl Pen {
    pub(crate) fn new(mut rng: Rng) -> Self {
        let mut features = Vec::new();
        let prefixes = ["cf", "ns0", "a.b-c_9", "\u{e9}\u{5206}"];
        let named = prefixes[rng.usize(..prefixes.len())];
        let prefix = match rng.u32(..6) {
            0 => Prefix::Every(named),
            1 => Prefix::Mixed(named),
            _ => Prefix::None,
        };
        features.push(match prefix {
            Prefix::None => "the default namespace",
            Prefix::Every(_) => "a prefix on every element",
            Prefix::Mixed(_) => "a prefix on some elements",
        });
        let line_end = if rng.u32(..4) == 0 { "\r\n" } else { "\n" };
        if line_end == "\r\n" {
            features.push("CRLF");
        }
        let noise = [1, 3, 12, 1000][rng.usize(..4)];
        Self { rng, text: String::new(), features, prefix, line_end, noise, is_root: true }
    }

    pub(crate) fn one_in(&mut self, of: u32) -> bool {
        self.rng.u32(..of) == 0
    }

    pub(crate) fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())]
    }

    /// Writes one of these.
    fn put(&mut self, one_of: &[&str]) {
        let chosen = self.choose(one_of);
        self.text += chosen;
    }

    /// Byte order mark, declaration, comments.
    pub(crate) fn prologue(&mut self) {
        if self.one_in(4) {
            self.features.push("BOM");
            self.text.push('\u{feff}');
        }
        let declarations =
            ["", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<?xml version='1.0' standalone='yes' ?>"];
        self.put(&declarations);
        self.space();
    }

    pub(crate) fn epilogue(&mut self) {
        self.space();
    }

    /// Writes a start tag, with attributes that nobody knows.
    pub(crate) fn open(&mut self, name: &str) -> Tag {
        let name = self.start(name);
        self.text.push('>');
        Tag(name)
    }

    pub(crate) fn close(&mut self, tag: &Tag) {
        let blank = if self.one_in(30) { "\n " } else { "" };
        self.text += &format!("</{}{blank}>", tag.0);
    }

    /// A whole element with this content, as it is. Returns where the content is.
    pub(crate) fn leaf(&mut self, name: &str, content: &str) -> Range<usize> {
        if content.is_empty() && self.one_in(2) {
            self.features.push("an empty element in one tag");
            self.start(name);
            self.text += "/>";
            return self.text.len()..self.text.len();
        }
        let tag = self.open(name);
        let start = self.text.len();
        self.text += content;
        let end = self.text.len();
        self.close(&tag);
        start..end
    }

    /// A list with its Quantity and Items.
    pub(crate) fn list(&mut self, name: &str, count: usize, mut item: impl FnMut(&mut Self, usize)) {
        let list = self.open(name);
        self.noise();
        let items_first = count > 0 && self.one_in(10);
        if !items_first {
            self.quantity(count);
            self.noise();
        }
        if count > 0 {
            let items = self.open("Items");
            for at in 0..count {
                self.quiet();
                item(self, at);
            }
            self.quiet();
            self.close(&items);
        } else if self.one_in(3) {
            self.leaf("Items", "");
        }
        if items_first {
            self.features.push("Items before Quantity");
            self.noise();
            self.quantity(count);
        }
        self.noise();
        self.close(&list);
    }

    fn quantity(&mut self, count: usize) {
        let spelled = if self.one_in(10) { format!(" {count}\r\n") } else { count.to_string() };
        self.leaf("Quantity", &spelled);
    }

    fn start(&mut self, name: &str) -> String {
        let prefix = match self.prefix {
            Prefix::None => None,
            Prefix::Every(prefix) => Some(prefix),
            Prefix::Mixed(prefix) => self.rng.bool().then_some(prefix),
        };
        let name = prefix.map_or(name.to_owned(), |prefix| format!("{prefix}:{name}"));
        self.text += &format!("<{name}");
        if std::mem::take(&mut self.is_root) {
            self.text += &match self.prefix {
                Prefix::None => format!(" xmlns=\"{NAMESPACE}\""),
                Prefix::Every(prefix) => format!(" xmlns:{prefix} = '{NAMESPACE}'"),
                Prefix::Mixed(prefix) => format!(" xmlns=\"{NAMESPACE}\"\n xmlns:{prefix}='{NAMESPACE}'"),
            };
        }
        if self.one_in(8 * self.noise.min(4)) {
            self.features.push("unknown attributes");
            self.put(&[
                " a='1'",
                " quoted=\"a > b &amp; 'c' &#x22;\"",
                "\r\n\tenabled = 'false' TargetOriginId=\"x\"",
                " xml:lang='de'",
                " xmlns:q='urn:q' q:z='/>'",
                " ",
            ]);
        }
        name
    }

    /// What may stand between the elements of a structure: white space, comments, instructions, unknown elements.
    pub(crate) fn noise(&mut self) {
        if !self.one_in(self.noise) {
            return;
        }
        match self.rng.u32(..4) {
            0 => self.unknown(),
            _ => self.quiet_noise(),
        }
    }

    /// As [`Pen::noise`], between the items of a list, where another element would be refused.
    fn quiet(&mut self) {
        if self.one_in(self.noise) {
            self.quiet_noise();
        }
    }

    fn quiet_noise(&mut self) {
        let comments =
            ["<!-- <TargetOriginId>x</TargetOriginId> & -->", "<!---->", "<?tool <Enabled>false</Enabled> ?>", "<?p?>"];
        if self.one_in(3) {
            self.features.push("comments and instructions");
            self.put(&comments);
        }
        self.space();
    }

    /// White space of every sort.
    fn space(&mut self) {
        let end = self.line_end;
        let spaces = ["", "    ", " \t ", "\t"];
        if self.rng.bool() {
            self.text += end;
        }
        self.put(&spaces);
    }

    /// An element that no model knows, often with elements of known names deeper in it.
    pub(crate) fn unknown(&mut self) {
        self.features.push("unknown elements");
        self.put(&[
            "<NotYetInvented/>",
            "<Future><TargetOriginId>nobody</TargetOriginId><Enabled>false</Enabled></Future>",
            "<Future a='1'><Origins><Quantity>7</Quantity><Items><Origin><Id>ghost</Id></Origin></Items></Origins></Future>",
            "<Policy><CacheBehavior><PathPattern>*</PathPattern><Items/></CacheBehavior>text &amp; <![CDATA[</Policy>]]></Policy>",
            "<x:New xmlns:x=\"urn:x\"><x:DefaultCacheBehavior><x:TargetOriginId/></x:DefaultCacheBehavior></x:New >",
            "<Wrapped xmlns='urn:other'><DistributionConfig><Enabled>maybe</Enabled></DistributionConfig></Wrapped>",
            "<\u{5c0f}\u{3055}\u{3044}>\u{1f600} &#x1F600;</\u{5c0f}\u{3055}\u{3044}>",
        ]);
        self.space();
    }

    /// Words that are unique by their number, with characters that have to be escaped and characters beyond ASCII.
    pub(crate) fn words(&mut self, word: &str, number: usize) -> String {
        let more =
            ["", "", " & co", " <b>", "'\"", " \u{e9}t\u{e9}", "\u{65e5}\u{672c}", "\u{1f600}", "]]>", " ", "\u{fffd}"];
        format!("{word}{number}{}/", self.choose(&more))
    }

    /// One of the ways to write a text so that it is read as it is.
    pub(crate) fn spelled(&mut self, text: &str) -> String {
        match self.rng.u32(..4) {
            0 if !text.contains("]]>") => {
                self.features.push("CDATA");
                format!("<![CDATA[{text}]]>")
            }
            1 => self.respelled(text),
            _ => escaped(text),
        }
    }

    /// The text with references by name, by number, in decimal and in hexadecimal.
    pub(crate) fn respelled(&mut self, text: &str) -> String {
        self.features.push("references by number");
        let reference = |character: char, kind: u32| match kind {
            0 => format!("&#{};", u32::from(character)),
            1 => format!("&#x{:X};", u32::from(character)),
            2 => format!("&#x000{:x};", u32::from(character)),
            _ => escaped(character.encode_utf8(&mut [0; 4])),
        };
        text.chars().map(|character| reference(character, self.rng.u32(..8))).collect()
    }
}

/// With the named entities.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\'', "&apos;").replace('"', "&quot;")
}
