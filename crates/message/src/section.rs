//! Where a section of IMAP's FETCH is in the octets of a message.
//!
//! Standards: RFC 9051 §6.4.5.1 (section specifications).
//! Not here: `HEADER.FIELDS`, which is no range but a choice of [fields](crate::Header::fields).

use std::ops::Range;

use crate::message::Message;
use crate::part::{Part, PartKind};

impl Message<'_> {
    /// The octets of a section, as `BODY[…]` asks for them: nothing for the whole message,
    /// `HEADER`, `TEXT`, `2.1`, `2.1.MIME`, and `2.HEADER` or `2.TEXT` of a message in part 2.
    /// `None` for a section that the message does not have.
    ///
    /// ```
    /// let content = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    ///     --b\r\nContent-Language: de\r\n\r\nHallo\r\n--b--\r\n";
    /// let message = message::Message::parse(content);
    /// let octets = |section| message.section(section).map(|range| &content[range]);
    /// assert_eq!(octets("1"), Some(b"Hallo".as_slice()));
    /// assert_eq!(octets("1.MIME"), Some(b"Content-Language: de\r\n\r\n".as_slice()));
    /// assert_eq!(octets("2"), None);
    /// ```
    pub fn section(&self, section: &str) -> Option<Range<usize>> {
        let digits = section.trim_end_matches(|sign: char| sign.is_ascii_alphabetic());
        let (id, word) = match (digits.strip_suffix('.'), section.len() == digits.len()) {
            (Some(id), false) => (id, section.get(digits.len()..)?),
            (None, true) => (digits, ""),
            (None, false) if digits.is_empty() => ("", section),
            _ => return None, // `1.` and `1TEXT`
        };
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        if id.is_empty() {
            let root = self.root();
            return match () {
                () if word.is_empty() => Some(0..self.source().len()),
                () if is("HEADER") => Some(root.header_range()),
                () if is("TEXT") => Some(root.body_range()),
                () => None,
            };
        }
        let part = self.numbered(id)?;
        match () {
            () if word.is_empty() => Some(part.body_range()),
            () if is("MIME") => Some(part.header_range()),
            () if is("HEADER") => part.message().map(|inner| inner.header_range()),
            () if is("TEXT") => part.message().map(|inner| inner.body_range()),
            () => None,
        }
    }

    /// A part by its number: stepped down to, so that a long message costs no more names.
    fn numbered(&self, id: &str) -> Option<Part<'_>> {
        let mut around = None;
        for number in id.split('.') {
            let is_number = number.bytes().all(|octet| octet.is_ascii_digit());
            let number = number.parse::<usize>().ok().filter(|number| is_number && *number > 0)?;
            let outer = match around {
                None => self.root(),
                Some(part) => inside(part)?,
            };
            around = match outer.kind() {
                PartKind::Multipart => outer.parts().nth(number - 1),
                // The body of a message without parts is its part 1.
                _ => Some(outer).filter(|_| number == 1),
            };
            around?;
        }
        around
    }
}

/// What the numbers after that of a part count in.
fn inside(part: Part<'_>) -> Option<Part<'_>> {
    match part.kind() {
        PartKind::Multipart => Some(part),
        PartKind::Message => part.message(),
        PartKind::Leaf => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::Message;

    const CONTENT: &str = "Subject: outer\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n\
        preamble\r\n--a\r\n\r\none\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: inner\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nX: y\r\n\r\ntwo\r\n--b--\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: plain\r\n\r\nthree\r\n--a--\r\nepilogue\r\n";

    #[test]
    fn sections_are_those_of_rfc_9051() {
        let message = Message::parse(CONTENT.as_bytes());
        let found = |section: &str| message.section(section).map(|range| &CONTENT[range]);
        #[rustfmt::skip]
        let table = [
            ("", Some(CONTENT), "the whole message"),
            ("HEADER", CONTENT.get(..61), "its header with the empty line"),
            ("text", CONTENT.get(61..), "names of sections ignore case"),
            ("1", Some("one"), "a body"),
            ("1.MIME", Some("\r\n"), "the header of a part"),
            ("1.1", None, "a leaf has no parts"),
            ("1.HEADER", None, "only messages have a HEADER"),
            ("1.TEXT", None, "nor a TEXT"),
            ("2.HEADER", Some("Subject: inner\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"), "a message in it"),
            ("2.MIME", Some("Content-Type: message/rfc822\r\n\r\n"), "the part around it"),
            ("2.1", Some("two"), "a part of that message"),
            ("2.1.MIME", Some("X: y\r\n\r\n"), "its header"),
            ("3.1", Some("three"), "a message without parts has part 1"),
            ("3.TEXT", Some("three"), "which is its text"),
            ("3.2", None, "and no other"),
            ("4", None, "no such part"),
            ("0", None, "RFC 9051 §9: nz-number"),
            ("+1", None, "a number has digits only"),
            ("1.", None, "nothing after the dot"),
            ("1TEXT", None, "no dot"),
            ("MIME", None, "MIME follows a number"),
            ("1.FOO", None, "no such word"),
            ("99999999999999999999999", None, "too large"),
        ];
        for (section, expected, why) in table {
            assert_eq!(found(section), expected, "{section}: {why}");
        }
    }

    #[test]
    fn numbers_are_the_ids_of_parts() {
        let message = Message::parse(CONTENT.as_bytes());
        for part in message.parts().filter(|part| !part.id().is_empty()) {
            let first = message.part(&part.id()).unwrap();
            assert_eq!(message.section(&part.id()), Some(first.body_range()), "{}", part.id());
        }
        let plain = Message::parse(b"Subject: x\r\n\r\nbody");
        assert_eq!(plain.section("1"), Some(14..18), "a message without parts");
    }
}
