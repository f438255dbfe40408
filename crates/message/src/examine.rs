//! A closer look: everything that is wrong with the values of a message.
//!
//! Reading finds only what concerns the structure. This looks at every field and body, and so
//! costs as much as decoding all of them.
//!
//! Standards: RFC 5322 §3.6 (how often fields occur), and those of each field.
//! Not here: what to do about defects.

use std::ops::Range;

use memchr::{memchr, memchr2};

use crate::address::AddressList;
use crate::charset::{self, Fidelity};
use crate::checksum::Integrity;
use crate::content::{ContentType, Disposition, TransferEncoding};
use crate::date::DateTime;
use crate::defect::{Defect, DefectCode};
use crate::encoded_word::TextDecoder;
use crate::header::{Field, HeaderSection};
use crate::message::Message;
use crate::message_id::MessageId;
use crate::part::{Part, PartKind};
use crate::structure::DEFECTS_MAX;
use crate::transfer::{base64, quoted_printable};
use crate::write::LINE_OCTETS_MAX;

/// Fields that occur at most once (RFC 5322 §3.6, RFC 2045 §3 and §5, RFC 2183).
const SINGLE: [&str; 15] = [
    "Date",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
];
const ADDRESSES: [&str; 13] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Mail-Followup-To",
    "Disposition-Notification-To",
];
const DATES: [&str; 2] = ["Date", "Resent-Date"];
const IDS: [&str; 5] =
    ["Message-ID", "In-Reply-To", "References", "Resent-Message-ID", "Content-ID"];
const TEXTS: [&str; 4] = ["Subject", "Comments", "Keywords", "Content-Description"];

impl Message<'_> {
    /// All defects: those of [`defects`](Self::defects), and those of every field's value and
    /// every body, in the order of their places; at most [`DEFECTS_MAX`].
    pub fn examine(&self) -> Vec<Defect> {
        let mut examiner = Examiner { defects: self.defects().to_vec(), source: self.source() };
        for part in self.parts() {
            if examiner.defects.len() >= DEFECTS_MAX {
                break;
            }
            examiner.part(&part);
        }
        let mut defects = examiner.defects;
        defects.sort_by_key(|defect| defect.offset);
        defects.truncate(DEFECTS_MAX);
        defects
    }
}

struct Examiner<'m> {
    defects: Vec<Defect>,
    source: &'m [u8],
}

impl Examiner<'_> {
    fn note(&mut self, code: DefectCode, part: &str, offset: usize) {
        self.defects.push(Defect { code, part: part.to_owned(), offset });
    }

    fn part(&mut self, part: &Part<'_>) {
        let id = part.id();
        let is_message = part.parent().is_none_or(|parent| parent.kind() == PartKind::Message);
        let mut seen = [false; SINGLE.len()];
        for field in part.header().fields() {
            if self.defects.len() >= DEFECTS_MAX {
                return;
            }
            for (name, seen) in SINGLE.iter().zip(&mut seen) {
                if field.is(name) && std::mem::replace(seen, true) {
                    self.note(DefectCode::DuplicateField, &id, field.offset());
                }
            }
            self.field(&field, &id);
        }
        if is_message && seen.iter().zip(SINGLE).any(|(seen, name)| !seen && is_required(name)) {
            self.note(DefectCode::MissingField, &id, part.range().start);
        }
        let header = part.header_range();
        self.lines(header, &id);
        if part.kind() == PartKind::Leaf {
            self.body(part, &id);
        }
    }

    fn field(&mut self, field: &Field<'_>, id: &str) {
        let is = |names: &[&str]| names.iter().any(|name| field.is(name));
        let value_at = field.offset() + field.raw().len() - field.raw_value().len();
        let value = field.raw_value();
        let is_structured = is(&ADDRESSES) || is(&DATES) || is(&IDS);
        if is_structured && value.trim_ascii().is_empty() {
            self.note(DefectCode::EmptyField, id, field.offset());
        } else if is(&ADDRESSES) {
            let (_, faults) = AddressList::parse_with_faults(value);
            for (code, offset) in faults {
                self.note(code, id, value_at + offset);
            }
        } else if is(&DATES) && DateTime::parse_octets(value).is_none() {
            self.note(DefectCode::BadDate, id, value_at);
        } else if is(&IDS) && MessageId::read_one(value).is_none_or(|_| !value.contains(&b'<')) {
            self.note(DefectCode::BadMessageId, id, value_at);
        } else if is(&["MIME-Version"]) {
            self.version(value, id, value_at);
        } else if is(&TEXTS) {
            let mut decoder = TextDecoder::default();
            decoder.push_text(value);
            for code in decoder.finish_with_faults().1 {
                self.note(code, id, value_at);
            }
        } else {
            for code in mime_faults(field) {
                self.note(code, id, value_at);
            }
        }
    }

    fn version(&mut self, value: &[u8], id: &str, value_at: usize) {
        let field = [b"MIME-Version:", value].concat();
        if HeaderSection::parse(&field).header().mime_version() != Some((1, 0)) {
            self.note(DefectCode::BadMimeVersion, id, value_at);
        }
    }

    fn body(&mut self, part: &Part<'_>, id: &str) {
        let range = part.body_range();
        let encoding = part.transfer_encoding();
        let damage = match encoding {
            TransferEncoding::Base64 => base64::decode_all(part.body()).damage,
            TransferEncoding::QuotedPrintable => quoted_printable::decode_all(part.body()).damage,
            _ => None,
        };
        if let Some(damage) = damage {
            self.note(damage.code, id, range.start + damage.offset);
        }
        let high = part.body().iter().position(|octet| *octet > 127);
        if let (TransferEncoding::SevenBit, Some(at)) = (encoding, high) {
            self.note(DefectCode::EightBitIn7Bit, id, range.start + at);
        }
        if part.integrity() == Integrity::Changed {
            self.note(DefectCode::WrongMd5, id, range.start);
        }
        if encoding != TransferEncoding::Binary {
            self.lines(range.clone(), id);
        }
        self.embedded(part, id);
        let content_type = part.content_type();
        if content_type.main() == "text" {
            let label = content_type.charset().unwrap_or_default().as_bytes();
            match charset::decode(&part.decoded(), label).fidelity {
                Fidelity::Exact => {}
                Fidelity::UnknownCharset => self.note(DefectCode::UnknownCharset, id, range.start),
                Fidelity::Damaged => self.note(DefectCode::TextNotInCharset, id, range.start),
            }
        }
    }

    /// The damage of files in the text; where the text is encoded, its start is their place.
    fn embedded(&mut self, part: &Part<'_>, id: &str) {
        let start = part.body_range().start;
        let is_encoded = part.transfer_encoding().is_encoded();
        for file in part.embedded_files() {
            if self.defects.len() >= DEFECTS_MAX {
                return;
            }
            if let Some(damage) = file.decoded().damage {
                let offset = if is_encoded { 0 } else { file.range().start + damage.offset };
                self.note(damage.code, id, start + offset);
            }
        }
    }

    /// The first long line, bare line end and NUL.
    fn lines(&mut self, range: Range<usize>, id: &str) {
        let octets = self.source.get(range.clone()).unwrap_or_default();
        if let Some(at) = memchr(0, octets) {
            self.note(DefectCode::NulOctet, id, range.start + at);
        }
        let (mut line_start, mut at) = (0, 0);
        let (mut long, mut bare) = (None, None);
        while let Some(found) = memchr2(b'\r', b'\n', octets.get(at..).unwrap_or_default()) {
            let end = at + found;
            let length = match octets.get(end..) {
                Some([b'\r', b'\n', ..]) => 2,
                _ => {
                    bare.get_or_insert(end);
                    1
                }
            };
            if end - line_start > LINE_OCTETS_MAX {
                long.get_or_insert(line_start);
            }
            at = end + length;
            line_start = at;
        }
        if octets.len() - line_start > LINE_OCTETS_MAX {
            long.get_or_insert(line_start);
        }
        if let Some(at) = long {
            self.note(DefectCode::LongLine, id, range.start + at);
        }
        if let Some(at) = bare {
            self.note(DefectCode::BareLineEnd, id, range.start + at);
        }
    }
}

/// RFC 5322 §3.6: the two fields that every message has.
fn is_required(name: &str) -> bool {
    matches!(name, "From" | "Date")
}

fn mime_faults(field: &Field<'_>) -> Vec<DefectCode> {
    let value = field.raw_value();
    let faults = match () {
        () if field.is("Content-Type") => ContentType::parse_with_faults(value).1,
        () if field.is("Content-Disposition") => Disposition::parse_with_faults(value).1,
        () if field.is("Content-Transfer-Encoding") => match TransferEncoding::parse(value) {
            TransferEncoding::Unknown => vec![DefectCode::UnknownEncoding],
            _ => Vec::new(),
        },
        () => Vec::new(),
    };
    if faults.is_empty() && std::str::from_utf8(value).is_err() {
        return vec![DefectCode::HeaderNotUtf8];
    }
    faults
}

#[cfg(test)]
mod tests {
    use crate::Message;

    #[test]
    fn values_are_examined() {
        let good = "From: a@b\r\nDate: 1 Jan 2020 00:00:00 +0000\r\n";
        #[rustfmt::skip]
        let table = [
            ("\r\nx\r\n", "", "nothing wrong"),
            ("From: x@y\r\n\r\n", "duplicate-field", "two authors"),
            ("Content-Type: text\r\n\r\n", "bad-content-type", "no subtype"),
            ("Content-Type: text/plain; charset=x-y\r\n\r\n", "unknown-charset", "charset"),
            ("Content-Type: text/plain; a\r\n\r\n", "bad-parameter", "parameter"),
            ("Content-Transfer-Encoding: x\r\n\r\n", "unknown-encoding", "encoding"),
            ("Content-Transfer-Encoding: base64\r\n\r\nAA!A\r\n", "bad-base64", "body"),
            ("Content-Transfer-Encoding: quoted-printable\r\n\r\n=?\r\n", "bad-quoted-printable", "body"),
            ("Content-Transfer-Encoding: 8bit\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\u{e4}\r\n", "", "8 bits are allowed"),
            ("\r\n\u{e4}\r\n", "eight-bit-in-7bit text-not-in-charset", "8 bits are not"),
            ("MIME-Version: 2.0\r\n\r\n", "bad-mime-version", "RFC 2045 §4"),
            ("MIME-Version: 1.0 (x)\r\n\r\n", "", "a comment"),
            ("To: a@b c\r\n\r\n", "bad-address", "address"),
            ("To: \r\n\r\n", "empty-field", "no address"),
            ("Subject: =?x?q?a\r\n\r\n", "bad-encoded-word", "encoded word"),
            ("Message-ID: x\r\n\r\n", "bad-message-id", "no brackets"),
            ("Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\nx\r\n", "wrong-md5", "RFC 1864 §2"),
            ("\r\na\nb\0\r\n", "bare-line-end nul-octet", "octets"),
        ];
        for (rest, expected, why) in table {
            let content = format!("{good}{rest}");
            let defects = Message::parse(content.as_bytes()).examine();
            let mut codes: Vec<_> = defects.iter().map(|defect| defect.code.code()).collect();
            codes.sort_unstable();
            assert_eq!(codes.join(" "), expected, "{why}");
            for defect in defects {
                assert!(defect.offset <= content.len() && defect.part == "1", "{why}");
            }
        }
        let long = format!("{good}\r\n{}\r\n", "x".repeat(999));
        assert_eq!(Message::parse(long.as_bytes()).examine().len(), 1);
        assert_eq!(Message::parse(b"Date: never\r\n\r\n").examine().len(), 2);
    }
}
