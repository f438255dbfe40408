//! What people see of a message: its text, and what is attached.
//!
//! Standards: RFC 8621 §4.1.4 (which parts are text, which are attachments), RFC 3676
//! (format=flowed).
//! Not here: HTML for a browser (crate `web`).

mod automation;
mod conversation;
mod enriched;
mod flowed;
mod html;
mod letter;
mod plain;

pub use self::automation::Automation;
pub use self::conversation::{BaseSubject, ReplyAddresses};
pub use self::letter::{Letter, Segment, SegmentKind};

use self::enriched::Dialect;
use crate::content::ContentType;
use crate::message::Message;
use crate::part::{Part, PartKind};
use crate::structure::DEPTH_MAX;

/// The parts of a message by what they are for (RFC 8621 §4.1.4).
///
/// ```
/// let content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
///     --b\r\n\r\nHi!\r\n--b\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--b--\r\n";
/// let message = message::Message::parse(content);
/// let parts = message.body_parts();
/// assert_eq!((parts.text[0].id(), parts.attachments[0].id()), ("1".to_owned(), "2".to_owned()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct BodyParts<'a> {
    /// What to show where there is only text.
    pub text: Vec<Part<'a>>,
    /// What to show where there is HTML.
    pub html: Vec<Part<'a>>,
    /// Everything else.
    pub attachments: Vec<Part<'a>>,
}

/// Characters of a preview (RFC 8621 §4.1.4: at most 256).
const PREVIEW_CHARACTERS: usize = 256;

impl Message<'_> {
    /// The start of the text in one line, for lists of messages: without quoted lines, if there
    /// is anything else, and without the signature.
    pub fn preview(&self) -> String {
        let text = self.text_to_show();
        let author = self.from().mailboxes().next().and_then(|author| author.name.clone());
        let own = Letter::read(&text, author.as_deref()).own();
        let own = first_words(own.lines());
        if own.is_empty() { first_words(text.lines()) } else { own }
    }

    /// The part that HTML calls `cid:…` (RFC 2392).
    pub fn part_by_content_id(&self, id: &str) -> Option<Part<'_>> {
        self.parts().find(|part| part.content_id().is_some_and(|own| own == id))
    }

    /// Sorts the parts by what they are for. Parts of messages in this message are not among
    /// them: those messages are attachments.
    pub fn body_parts(&self) -> BodyParts<'_> {
        Sorter::default().sort(self.root())
    }

    /// The text to show to people, with LF line ends: plain text where there is some,
    /// otherwise what HTML says, without its markup. Where a file was embedded, its name stands
    /// in brackets: `[cat.txt]`; see [`embedded_files`](Self::embedded_files).
    pub fn text_to_show(&self) -> String {
        let mut shown = String::new();
        for part in self.readable_parts() {
            let content_type = part.content_type();
            let text = if content_type.is("text", "html") {
                part.text().map(|text| html::to_text(&text))
            } else if let Some(dialect) = Dialect::of(content_type.sub()) {
                part.text().map(|text| enriched::to_text(&text, dialect))
            } else {
                plain::shown(&part, &content_type)
            };
            let Some(text) = text else { continue };
            if !shown.is_empty() && !text.is_empty() && !shown.ends_with("\n\n") {
                shown.push('\n');
            }
            shown.push_str(&text);
        }
        shown
    }

    /// The parts whose text is shown. Where none is plain or HTML, other kinds of text are
    /// better than nothing (RFC 2046 §4.1.4).
    fn readable_parts(&self) -> Vec<Part<'_>> {
        let BodyParts { text, attachments, .. } = self.body_parts();
        if text.iter().any(|part| part.content_type().main() == "text") {
            return text;
        }
        let is_text = |part: &Part<'_>| {
            part.content_type().main() == "text"
                && part.kind() == PartKind::Leaf
                && !part.is_attachment()
                && part.declared_file_name().is_none()
        };
        attachments.into_iter().filter(is_text).take(1).collect()
    }

    /// The HTML to show, if the author wrote some. It is as it came: dangerous.
    pub fn html(&self) -> Option<String> {
        let parts = self.body_parts().html;
        let mut html = parts.iter().filter(|part| part.content_type().is("text", "html"));
        let text = html.next()?.text()?.into_owned();
        Some(html.filter_map(Part::text).fold(text, |text, more| text + &more))
    }

    /// The attachments, in their order.
    pub fn attachments(&self) -> Vec<Part<'_>> {
        self.body_parts().attachments
    }
}

fn first_words<'t>(lines: impl Iterator<Item = &'t str>) -> String {
    let mut words = String::new();
    for word in lines.flat_map(str::split_whitespace) {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
        if words.len() > PREVIEW_CHARACTERS * 4 {
            break;
        }
    }
    words.chars().take(PREVIEW_CHARACTERS).collect()
}

/// Where the walk through a multipart is.
struct Frame<'a> {
    rest: Box<dyn Iterator<Item = Part<'a>> + 'a>,
    is_first: bool,
    is_alternative: bool,
    is_related: bool,
    /// Where the root of a multipart/related starts.
    root_start: Option<usize>,
    is_in_alternative: bool,
    /// Whether parts still go to these lists; the standard's `null`.
    takes_text: bool,
    takes_html: bool,
    text_before: usize,
    html_before: usize,
}

#[derive(Default)]
struct Sorter<'a> {
    sorted: BodyParts<'a>,
    frames: Vec<Frame<'a>>,
}

impl<'a> Sorter<'a> {
    fn sort(mut self, root: Part<'a>) -> BodyParts<'a> {
        self.enter(Box::new(std::iter::once(root)), None, "mixed", Place::default());
        while let Some(frame) = self.frames.last_mut() {
            match frame.rest.next() {
                Some(part) => self.part(part),
                None => self.leave(),
            }
        }
        self.sorted
    }

    fn enter(
        &mut self,
        rest: Box<dyn Iterator<Item = Part<'a>> + 'a>,
        root: Option<Part<'a>>,
        sub: &str,
        place: Place,
    ) {
        let is_alternative = sub == "alternative";
        self.frames.push(Frame {
            rest,
            is_first: true,
            is_alternative,
            is_related: sub == "related",
            root_start: root.map(|root| root.range().start),
            is_in_alternative: place.is_in_alternative || is_alternative,
            takes_text: place.takes_text,
            takes_html: place.takes_html,
            text_before: self.sorted.text.len(),
            html_before: self.sorted.html.len(),
        });
    }

    fn part(&mut self, part: Part<'a>) {
        let Some(frame) = self.frames.last_mut() else { return };
        let is_first = std::mem::replace(&mut frame.is_first, false);
        let is_first = frame.root_start.map_or(is_first, |start| part.range().start == start);
        let content_type = part.content_type();
        if part.kind() == PartKind::Multipart {
            let place = Place {
                is_in_alternative: frame.is_in_alternative,
                takes_text: frame.takes_text,
                takes_html: frame.takes_html,
            };
            if self.frames.len() <= DEPTH_MAX + 1 {
                let root = part.related_root();
                self.enter(Box::new(part.parts()), root, content_type.sub(), place);
            }
            return;
        }
        let is_media = matches!(content_type.main(), "image" | "audio" | "video");
        let is_plain = content_type.is("text", "plain");
        let is_html = content_type.is("text", "html");
        let is_inline = part.kind() == PartKind::Leaf
            && !part.is_attachment()
            && (is_plain || is_html || is_media)
            && (is_first || !frame.is_related && (is_media || part.declared_file_name().is_none()));
        if !is_inline {
            self.sorted.attachments.push(part);
            return;
        }
        if frame.is_alternative {
            let list = match () {
                () if is_plain => &mut self.sorted.text,
                () if is_html => &mut self.sorted.html,
                () => &mut self.sorted.attachments,
            };
            list.push(part);
            return;
        }
        if frame.is_in_alternative {
            frame.takes_html &= !is_plain;
            frame.takes_text &= !is_html;
        }
        if frame.takes_text {
            self.sorted.text.push(part);
        }
        if frame.takes_html {
            self.sorted.html.push(part);
        }
        if is_media && !(frame.takes_text && frame.takes_html) {
            self.sorted.attachments.push(part);
        }
    }

    /// At the end of an alternative, what is there in one form stands for the other too.
    fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        if !(frame.is_alternative && frame.takes_text && frame.takes_html) {
            return;
        }
        let BodyParts { text, html, .. } = &mut self.sorted;
        let (text_grew, html_grew) =
            (text.len() > frame.text_before, html.len() > frame.html_before);
        if html_grew && !text_grew {
            text.extend_from_slice(html.get(frame.html_before..).unwrap_or_default());
        } else if text_grew && !html_grew {
            html.extend_from_slice(text.get(frame.text_before..).unwrap_or_default());
        }
    }
}

/// What a multipart takes over from the one around it.
#[derive(Clone, Copy)]
struct Place {
    is_in_alternative: bool,
    takes_text: bool,
    takes_html: bool,
}

impl Default for Place {
    fn default() -> Self {
        Self { is_in_alternative: false, takes_text: true, takes_html: true }
    }
}

/// Whether a parameter says yes.
fn says(content_type: &ContentType, name: &str, value: &str) -> bool {
    content_type.parameter(name).is_some_and(|found| found.eq_ignore_ascii_case(value))
}

#[cfg(test)]
mod tests;
