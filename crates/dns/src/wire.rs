//! Between our records and those of DNS messages.
//!
//! Standards: RFC 1035 §3.3 (records) and §5.1 (names as text).

use hickory_proto::rr::rdata::{A, AAAA, MX, PTR, TXT};
use hickory_proto::rr::{Name, RData, RecordType};

use crate::{Kind, Record};

/// The number of a kind in messages.
pub(crate) fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Mx => RecordType::MX,
        Kind::Txt => RecordType::TXT,
        Kind::Ptr => RecordType::PTR,
    }
}

/// The kind of a number; `None` for those that nobody here asks for.
pub(crate) fn kind(record_type: RecordType) -> Option<Kind> {
    match record_type {
        RecordType::A => Some(Kind::A),
        RecordType::AAAA => Some(Kind::Aaaa),
        RecordType::MX => Some(Kind::Mx),
        RecordType::TXT => Some(Kind::Txt),
        RecordType::PTR => Some(Kind::Ptr),
        _ => None,
    }
}

/// A name as text: lower case, without the last dot, odd octets escaped (RFC 1035 §5.1).
pub(crate) fn text(name: &Name) -> String {
    let mut text = String::with_capacity(name.len());
    for label in name {
        if !text.is_empty() {
            text.push('.');
        }
        for octet in label {
            match octet {
                b'.' | b'\\' => text.extend(['\\', char::from(*octet)]),
                b'!'..=b'~' => text.push(char::from(octet.to_ascii_lowercase())),
                _ => text.push_str(&format!("\\{octet:03}")),
            }
        }
    }
    text
}

/// A name from text without a last dot, whatever characters it has; `None` when it is too
/// long for DNS or has empty labels.
pub(crate) fn name(text: &str) -> Option<Name> {
    if text.is_empty() {
        return Some(Name::root());
    }
    let mut name = Name::from_labels(text.split('.').map(str::as_bytes)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// Our record from that of a message, if it is of this kind.
pub(crate) fn read(data: &RData, kind: Kind) -> Option<Record> {
    match (data, kind) {
        (RData::A(address), Kind::A) => Some(Record::A(address.0)),
        (RData::AAAA(address), Kind::Aaaa) => Some(Record::Aaaa(address.0)),
        (RData::MX(mx), Kind::Mx) => {
            Some(Record::Mx { preference: mx.preference, host: text(&mx.exchange) })
        }
        (RData::TXT(strings), Kind::Txt) => Some(Record::Txt(strings.txt_data.concat())),
        (RData::PTR(name), Kind::Ptr) => Some(Record::Ptr(text(&name.0))),
        _ => None,
    }
}

/// A message's record from ours; `None` when a name in it cannot be held.
pub(crate) fn write(record: &Record) -> Option<RData> {
    /// RFC 1035 §3.3: a string has one octet for its length.
    const STRING_OCTETS_MAX: usize = 255;
    Some(match record {
        Record::A(address) => RData::A(A(*address)),
        Record::Aaaa(address) => RData::AAAA(AAAA(*address)),
        Record::Mx { preference, host } => RData::MX(MX::new(*preference, name(host)?)),
        // RFC 1035 §3.3.14: one string at least.
        Record::Txt(text) if text.is_empty() => RData::TXT(TXT::from_bytes(vec![&[]])),
        Record::Txt(text) => RData::TXT(TXT::from_bytes(text.chunks(STRING_OCTETS_MAX).collect())),
        Record::Ptr(host) => RData::PTR(PTR(name(host)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_dns_can_hold() {
        let long = format!("{}.example", "x".repeat(64));
        let many = "x.".repeat(127) + "x";
        #[rustfmt::skip]
        let table = [
            ("",             Some(""),             "the root"),
            ("Example.ORG",  Some("example.org"),  "in lower case"),
            ("_dmarc.-a-.x", Some("_dmarc.-a-.x"), "more than host names"),
            ("a b.x",        Some("a\\032b.x"),    "odd octets are escaped"),
            ("a..x",         None,                 "an empty label"),
            (&long,          None,                 "RFC 1035 §2.3.4: a label of 64 octets"),
            (&many,          None,                 "RFC 1035 §2.3.4: a name of 257 octets"),
        ];
        for (written, expected, why) in table {
            assert_eq!(name(written).map(|name| text(&name)).as_deref(), expected, "{why}");
        }
    }
}
