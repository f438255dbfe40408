//! HTML as plain text: the words, in paragraphs, without markup.
//!
//! Standards: none; a reading aid.
//! Not here: rendering (crate `web` shows HTML in a frame of its own).

/// Elements whose content is not for readers.
const HIDDEN: [&str; 5] = ["script", "style", "head", "title", "template"];
/// Elements that begin a line of their own.
const BLOCKS: [&str; 28] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "li",
    "main",
    "ol",
    "section",
    "table",
    "tr",
    "ul",
];
/// Longest character reference that is looked for, in octets.
const REFERENCE_OCTETS_MAX: usize = 32;

/// The text of an HTML document.
pub(super) fn to_text(html: &str) -> String {
    let mut writer = Writer::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (text, markup) = rest.split_at(at);
        writer.text(text);
        rest = writer.markup(markup);
    }
    writer.text(rest);
    writer.finish()
}

#[derive(Default)]
struct Writer {
    shown: String,
    is_space_due: bool,
    /// Line ends that are due before the next word.
    breaks_due: usize,
    is_preformatted: bool,
    links: Vec<String>,
    open_link: Option<String>,
}

impl Writer {
    fn text(&mut self, text: &str) {
        let text = decode_references(text);
        if self.is_preformatted {
            self.begin_word();
            self.shown.push_str(&text);
            return;
        }
        let mut words = text.split([' ', '\t', '\r', '\n', '\u{c}']);
        if let Some(first) = words.next() {
            self.word(first);
        }
        for word in words {
            self.is_space_due = true;
            self.word(word);
        }
    }

    fn word(&mut self, word: &str) {
        if !word.is_empty() {
            self.begin_word();
            self.shown.push_str(word);
        }
    }

    fn begin_word(&mut self) {
        if self.breaks_due > 0 {
            if !self.shown.is_empty() {
                self.shown.extend(std::iter::repeat_n('\n', self.breaks_due));
            }
        } else if self.is_space_due && !self.shown.is_empty() {
            self.shown.push(' ');
        }
        (self.breaks_due, self.is_space_due) = (0, false);
    }

    /// Reads a tag, a comment, or a lone `<`; returns what follows.
    fn markup<'t>(&mut self, markup: &'t str) -> &'t str {
        if let Some(comment) = markup.strip_prefix("<!--") {
            return comment.find("-->").and_then(|end| comment.get(end + 3..)).unwrap_or_default();
        }
        let inside = markup.get(1..).unwrap_or_default();
        if !inside.starts_with(|sign: char| sign.is_ascii_alphabetic() || "/!?".contains(sign)) {
            self.word("<");
            return inside;
        }
        let end = tag_end(inside);
        let tag = inside.get(..end).unwrap_or(inside);
        let after = inside.get(end + 1..).unwrap_or_default();
        let (is_end, tag) = match tag.strip_prefix('/') {
            Some(tag) => (true, tag),
            None => (false, tag),
        };
        let length = tag.find(|sign: char| !sign.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let name = tag.get(..length).unwrap_or_default().to_ascii_lowercase();
        if HIDDEN.contains(&name.as_str()) && !is_end {
            return after_element(after, &name);
        }
        self.element(&name, tag, is_end);
        after
    }

    fn element(&mut self, name: &str, tag: &str, is_end: bool) {
        match name {
            "br" => self.breaks_due += 1,
            "p" | "pre" => {
                self.breaks_due = self.breaks_due.max(2);
                if name == "pre" {
                    self.is_preformatted = !is_end;
                }
            }
            "td" | "th" => self.is_space_due = true,
            "a" => self.link(tag, is_end),
            "img" if !is_end => {
                if let Some(text) = attribute(tag, "alt").filter(|text| !text.trim().is_empty()) {
                    self.word(&format!("[{}]", text.trim()));
                }
            }
            name if BLOCKS.contains(&name) => {
                self.breaks_due = self.breaks_due.max(1);
                if name == "li" && !is_end {
                    self.word("*");
                    self.is_space_due = true;
                }
            }
            _ => {}
        }
    }

    /// A link is numbered after its text; the targets stand at the end.
    fn link(&mut self, tag: &str, is_end: bool) {
        if let Some(target) = self.open_link.take() {
            let known =
                self.links.iter().rev().take(LINKS_COMPARED).position(|link| *link == target);
            let number = match known {
                Some(back) => self.links.len() - back,
                None => {
                    self.links.push(target);
                    self.links.len()
                }
            };
            self.is_space_due = true;
            self.word(&format!("[{number}]"));
        }
        if !is_end {
            self.open_link =
                attribute(tag, "href").map(|target| target.trim().to_owned()).filter(|target| {
                    ["http:", "https:", "ftp:"].iter().any(|scheme| has_scheme(target, scheme))
                });
        }
    }

    fn finish(self) -> String {
        let mut shown = self.shown;
        if !shown.is_empty() && !shown.ends_with('\n') {
            shown.push('\n');
        }
        for (number, link) in (1..).zip(&self.links) {
            if number == 1 {
                shown.push('\n');
            }
            shown.push_str(&format!("[{number}] {link}\n"));
        }
        shown
    }
}

/// How many of the last links are compared with a new one: all of them would be quadratic.
const LINKS_COMPARED: usize = 50;

fn has_scheme(target: &str, scheme: &str) -> bool {
    target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// Where a tag ends: at `>`, but not at one in quotes. A quote that is not closed counts as a
/// sign like others.
fn tag_end(inside: &str) -> usize {
    let first = inside.find('>').unwrap_or(inside.len());
    let mut quote = None;
    for (at, octet) in inside.bytes().enumerate().take(TAG_OCTETS_MAX) {
        match (quote, octet) {
            (None, b'>') => return at,
            (None, b'"' | b'\'') => quote = Some(octet),
            (Some(open), octet) if open == octet => quote = None,
            _ => {}
        }
    }
    first
}

/// A tag that is longer ends at its first `>`, whatever is quoted: real ones with pictures in
/// their attributes are shorter, and the search stays linear.
const TAG_OCTETS_MAX: usize = 4_096;

/// What follows the end tag of an element whose content is hidden.
fn after_element<'t>(rest: &'t str, name: &str) -> &'t str {
    let mut at = 0;
    while let Some(found) = rest.get(at..).and_then(|rest| rest.find("</")) {
        at += found + 2;
        let tag = rest.get(at..).unwrap_or_default();
        if tag.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            return tag.find('>').and_then(|end| tag.get(end + 1..)).unwrap_or_default();
        }
    }
    ""
}

/// The value of an attribute in a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let at = rest.find(|sign: char| sign.is_ascii_whitespace() || sign == '/')?;
        rest = rest.get(at + 1..)?.trim_ascii_start();
        let length = rest.find(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '-'));
        let (found, after) = rest.split_at(length.unwrap_or(rest.len()));
        let after = after.trim_ascii_start();
        let Some(value) = after.strip_prefix('=') else { continue };
        let value = value.trim_ascii_start();
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let inside = value.get(1..)?;
                inside.split_once(quote).unwrap_or((inside, ""))
            }
            _ => {
                let end = value.find(|sign: char| sign.is_ascii_whitespace());
                value.split_at(end.unwrap_or(value.len()))
            }
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(decode_references(value));
        }
        rest = after;
        if !rest.starts_with(|sign: char| sign.is_ascii_whitespace() || sign == '/') {
            // `a="b"c="d"`
            if rest.is_empty() {
                return None;
            }
        }
    }
}

/// Turns `&amp;`, `&#228;` and their like into what they stand for.
fn decode_references(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (plain, reference) = rest.split_at(at);
        decoded.push_str(plain);
        let window = reference.as_bytes().iter().take(REFERENCE_OCTETS_MAX);
        let end = window.clone().position(|octet| *octet == b';');
        let name = end.and_then(|end| reference.get(1..end));
        match (name.and_then(character), end) {
            (Some(character), Some(end)) => {
                decoded.push(character);
                rest = reference.get(end + 1..).unwrap_or_default();
            }
            _ => {
                decoded.push('&');
                rest = reference.get(1..).unwrap_or_default();
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        // Numbers from 128 to 159 mean windows-1252, by the HTML standard.
        if let (128..=159, Ok(octet)) = (code, u8::try_from(code)) {
            return crate::charset::decode_unlabelled(&[octet]).chars().next();
        }
        return char::from_u32(code).filter(|sign| !sign.is_control() || *sign == '\n');
    }
    NAMED
        .binary_search_by_key(&name, |(known, _)| known)
        .ok()
        .and_then(|at| NAMED.get(at))
        .map(|(_, sign)| *sign)
}

/// The references that mail uses, sorted.
#[rustfmt::skip]
const NAMED: &[(&str, char)] = &[
    ("Aacute", 'Á'), ("Agrave", 'À'), ("Aring", 'Å'), ("Auml", 'Ä'), ("Ccedil", 'Ç'), ("Eacute", 'É'),
    ("Ntilde", 'Ñ'), ("Oslash", 'Ø'), ("Ouml", 'Ö'), ("Uuml", 'Ü'),
    ("aacute", 'á'), ("acirc", 'â'), ("aelig", 'æ'), ("agrave", 'à'), ("amp", '&'), ("apos", '\''),
    ("aring", 'å'), ("atilde", 'ã'), ("auml", 'ä'), ("bull", '•'), ("ccedil", 'ç'), ("cent", '¢'),
    ("copy", '©'), ("deg", '°'), ("eacute", 'é'), ("ecirc", 'ê'), ("egrave", 'è'), ("euml", 'ë'),
    ("euro", '€'), ("frac12", '½'), ("gt", '>'), ("hellip", '…'), ("iacute", 'í'), ("icirc", 'î'),
    ("iexcl", '¡'), ("igrave", 'ì'), ("iquest", '¿'), ("iuml", 'ï'), ("laquo", '«'), ("larr", '←'),
    ("ldquo", '“'), ("lsquo", '‘'), ("lt", '<'), ("mdash", '—'), ("middot", '·'), ("nbsp", '\u{a0}'),
    ("ndash", '–'), ("ntilde", 'ñ'), ("oacute", 'ó'), ("ocirc", 'ô'), ("ograve", 'ò'), ("oslash", 'ø'),
    ("otilde", 'õ'), ("ouml", 'ö'), ("para", '¶'), ("pound", '£'), ("quot", '"'), ("raquo", '»'),
    ("rarr", '→'), ("rdquo", '”'), ("reg", '®'), ("rsquo", '’'), ("sect", '§'), ("shy", '\u{ad}'),
    ("szlig", 'ß'), ("times", '×'), ("trade", '™'), ("uacute", 'ú'), ("ucirc", 'û'), ("ugrave", 'ù'),
    ("uuml", 'ü'), ("yen", '¥'), ("zwnj", '\u{200c}'),
];

#[cfg(test)]
mod tests {
    use super::{NAMED, to_text};

    #[test]
    fn markup_goes_and_words_stay() {
        #[rustfmt::skip]
        let table = [
            ("<p>Hello <b>Ada</b>,</p><p>bye</p>", "Hello Ada,\n\nbye\n", "paragraphs"),
            ("a<br>b<br/>c", "a\nb\nc\n", "line breaks"),
            ("<html><head><title>x</title></head><body>y</body></html>", "y\n", "head is hidden"),
            ("<style>p{}</style>a<script>if (a<b) {}</script >b", "ab\n", "scripts are hidden"),
            ("a &lt;b&gt; &auml;&#228;&#xe4; &bogus; &", "a <b> äää &bogus; &\n", "references"),
            ("<ul><li>one<li>two</ul>", "* one\n* two\n", "lists"),
            ("see <a href=\"https://x.test/?a=1&amp;b=2\">here</a>.", "see here [1].\n\n[1] https://x.test/?a=1&b=2\n", "links are numbered"),
            ("<a href='javascript:alert(1)'>x</a>", "x\n", "only harmless links"),
            ("<a title='>' href=http://x.test>y</a>", "y [1]\n\n[1] http://x.test\n", "quotes in tags"),
            ("1 < 2 <!-- x --> 3", "1 < 2 3\n", "lone sign and comment"),
            ("<pre>a\n  b</pre>c", "a\n  b\n\nc\n", "preformatted"),
            ("<img alt=\"a cat\" src=x>", "[a cat]\n", "pictures"),
            ("a<!-- not closed", "a\n", "cut comment"),
            ("", "", "nothing"),
        ];
        for (html, text, why) in table {
            assert_eq!(to_text(html), text, "{why}: {html}");
        }
    }

    #[test]
    fn references_are_sorted() {
        assert!(NAMED.is_sorted_by_key(|(name, _)| name));
    }
}
