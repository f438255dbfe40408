//! Between our records and those of DNS messages.

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

/// A name as text: lower case, without the last dot, odd octets escaped.
pub(crate) fn text(name: &Name) -> String {
    let mut text = name.to_ascii();
    text.make_ascii_lowercase();
    text.truncate(text.strip_suffix('.').map_or(text.len(), str::len));
    text
}

/// A name from text; `None` when DNS cannot hold it.
pub(crate) fn name(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?;
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
        Record::Txt(text) => RData::TXT(TXT::from_bytes(text.chunks(STRING_OCTETS_MAX).collect())),
        Record::Ptr(host) => RData::PTR(PTR(name(host)?)),
    })
}
