//! Joins the fragments of a message that was sent in several (message/partial).
//!
//! Standards: RFC 2046 §5.2.2 and §5.2.2.1 (which header fields come from where).
//! Not here: waiting for fragments that are still on their way.

use std::collections::BTreeMap;

use crate::header::HeaderSection;
use crate::message::Message;
use crate::opened::Fragment;

/// Fragments of one message: at the 50 KB that old gateways split at, this is half a gigabyte.
pub const FRAGMENTS_MAX: u32 = 10_000;

/// Why messages cannot be joined.
///
/// ```
/// use message::{Message, NotJoinable, join_fragments};
/// let second = Message::parse(b"Content-Type: message/partial; id=a; number=2; total=3\r\n\r\n");
/// assert_eq!(join_fragments(&[&second]), Err(NotJoinable::Missing(vec![1, 3])));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotJoinable {
    /// One of the messages is no fragment.
    #[error("message {0} of those given is not a fragment")]
    NotAFragment(usize),
    /// Fragments of different messages.
    #[error("these fragments belong to different messages: {0:?} and {1:?}")]
    Strangers(String, String),
    /// No fragment says how many there are, or they say different numbers.
    #[error("it is not clear how many fragments there are")]
    UnknownTotal,
    /// More than [`FRAGMENTS_MAX`].
    #[error("there are more fragments than are joined: {0}")]
    TooMany(u32),
    /// These numbers are not there.
    #[error("fragments are missing: {0:?}")]
    Missing(Vec<u32>),
}

/// Joins the fragments of one message, given in any order; of fragments that were sent twice
/// the first given counts.
///
/// ```
/// use message::{Message, join_fragments};
/// let second = Message::parse(b"From: ada@example.org\r\n\
///     Content-Type: message/partial; id=a; number=2; total=2\r\n\r\nworld\r\n");
/// let first = Message::parse(b"From: ada@example.org\r\nSubject: (1/2)\r\n\
///     Content-Type: message/partial; id=a; number=1\r\n\r\nSubject: x\r\n\r\nhello\r\n");
/// let whole = join_fragments(&[&second, &first]).unwrap();
/// assert_eq!(whole, b"From: ada@example.org\r\nSubject: x\r\n\r\nhello\r\nworld\r\n");
/// ```
///
/// # Errors
///
/// [`NotJoinable`] says what is missing or does not fit.
pub fn join_fragments(messages: &[&Message<'_>]) -> Result<Vec<u8>, NotJoinable> {
    let mut by_number: BTreeMap<u32, &Message<'_>> = BTreeMap::new();
    let mut known: Option<Fragment> = None;
    for (index, message) in messages.iter().enumerate() {
        let fragment = message.root().fragment().ok_or(NotJoinable::NotAFragment(index))?;
        let (number, total) = (fragment.number, fragment.total);
        let known = known.get_or_insert_with(|| fragment.clone());
        if known.id != fragment.id {
            return Err(NotJoinable::Strangers(known.id.clone(), fragment.id));
        }
        if total.is_some()
            && *known.total.get_or_insert(total.unwrap_or_default()) != total.unwrap_or_default()
        {
            return Err(NotJoinable::UnknownTotal);
        }
        by_number.entry(number).or_insert(message);
    }
    let total = known.and_then(|fragment| fragment.total).ok_or(NotJoinable::UnknownTotal)?;
    if total > FRAGMENTS_MAX {
        return Err(NotJoinable::TooMany(total));
    }
    let missing: Vec<_> = (1..=total).filter(|number| !by_number.contains_key(number)).collect();
    if !missing.is_empty() {
        return Err(NotJoinable::Missing(missing));
    }
    let mut content = Vec::new();
    for message in by_number.range(1..=total).map(|(_, message)| message) {
        // RFC 2046 §5.2.2.1: messages are split at line ends only.
        if !content.is_empty() && !content.ends_with(b"\n") {
            content.extend_from_slice(b"\r\n");
        }
        content.extend_from_slice(&message.root().decoded());
    }
    let first = by_number.into_values().next().map(|message| message.header());
    let section = HeaderSection::parse(&content);
    let mut whole = Vec::with_capacity(content.len());
    // The enclosing header of the first fragment, then what belongs to the enclosed message.
    let outer = first.into_iter().flat_map(|header| header.fields());
    for field in outer.filter(|field| !is_of_enclosed(field.name())) {
        whole.extend_from_slice(field.raw());
    }
    for field in section.header().fields().filter(|field| is_of_enclosed(field.name())) {
        whole.extend_from_slice(field.raw());
    }
    whole.extend_from_slice(b"\r\n");
    whole.extend_from_slice(content.get(section.end()..).unwrap_or_default());
    Ok(whole)
}

/// RFC 2046 §5.2.2.1 (1) and (2): what the enclosed message says of itself.
fn is_of_enclosed(name: &str) -> bool {
    let names = ["Subject", "Message-ID", "Encrypted", "MIME-Version"];
    name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("Content-"))
        || names.iter().any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::{NotJoinable, join_fragments};
    use crate::Message;

    /// The example of RFC 2046 §5.2.2.2, with a part of its own in the text.
    const FIRST: &str = "X-Weird-Header-1: Foo\r\nFrom: Bill@host.com\r\nTo: joe@otherhost.com\r\n\
        Date: Fri, 26 Mar 1993 12:59:38 -0500 (EST)\r\nSubject: Audio mail (part 1 of 2)\r\n\
        Message-ID: <id1@host.com>\r\nMIME-Version: 1.0\r\n\
        Content-type: message/partial; id=\"ABC@host.com\"; number=1; total=2\r\n\r\n\
        X-Weird-Header-1: Bar\r\nX-Weird-Header-2: Hello\r\nMessage-ID: <anotherid@foo.com>\r\n\
        Subject: Audio mail\r\nMIME-Version: 1.0\r\nContent-type: audio/basic\r\n\
        Content-transfer-encoding: base64\r\n\r\nQUJD\r\n";
    const SECOND: &str = "From: Bill@host.com\r\nSubject: Audio mail (part 2 of 2)\r\n\
        MIME-Version: 1.0\r\nMessage-ID: <id2@host.com>\r\n\
        Content-type: message/partial; id=\"ABC@host.com\"; number=2; total=2\r\n\r\nREVG\r\n";

    #[test]
    fn the_example_of_rfc_2046_comes_out() {
        let (first, second) = (Message::parse(FIRST.as_bytes()), Message::parse(SECOND.as_bytes()));
        let expected = "X-Weird-Header-1: Foo\r\nFrom: Bill@host.com\r\nTo: joe@otherhost.com\r\n\
            Date: Fri, 26 Mar 1993 12:59:38 -0500 (EST)\r\nMessage-ID: <anotherid@foo.com>\r\n\
            Subject: Audio mail\r\nMIME-Version: 1.0\r\nContent-type: audio/basic\r\n\
            Content-transfer-encoding: base64\r\n\r\nQUJD\r\nREVG\r\n";
        for order in [[&first, &second], [&second, &first]] {
            let whole = join_fragments(&order).unwrap();
            assert_eq!(String::from_utf8(whole).unwrap(), expected);
        }
        let twice = join_fragments(&[&second, &first, &second]).unwrap();
        assert_eq!(Message::parse(&twice).root().decoded().as_ref(), b"ABCDEF");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let fragment =
            |parameters: &str| format!("Content-Type: message/partial; {parameters}\r\n\r\nx");
        let missing = |numbers: &[u32]| NotJoinable::Missing(numbers.to_vec());
        #[rustfmt::skip]
        let table = [
            (vec![], NotJoinable::UnknownTotal, "nothing"),
            (vec!["id=a; number=1"], NotJoinable::UnknownTotal, "RFC 2046 §5.2.2: the last one says"),
            (vec!["id=a; number=2; total=4", "id=a; number=4"], missing(&[1, 3]), "gaps"),
            (vec!["id=a; number=1; total=2", "id=b; number=2; total=2"], NotJoinable::Strangers("a".to_owned(), "b".to_owned()), "two messages"),
            (vec!["id=a; number=1; total=2", "id=a; number=2; total=3"], NotJoinable::UnknownTotal, "two totals"),
            (vec!["id=a; number=1; total=4000000000"], NotJoinable::TooMany(4_000_000_000), "a bomb"),
            (vec!["id=a; number=1; total=1", "number=1"], NotJoinable::NotAFragment(1), "no id"),
        ];
        for (parameters, expected, why) in table {
            let contents: Vec<_> = parameters.into_iter().map(fragment).collect();
            let messages: Vec<_> =
                contents.iter().map(|content| Message::parse(content.as_bytes())).collect();
            let given: Vec<_> = messages.iter().collect();
            assert_eq!(join_fragments(&given), Err(expected), "{why}");
        }
    }

    #[test]
    fn pieces_meet_at_line_ends() {
        let one =
            Message::parse(b"Content-Type: message/partial; id=a; number=1\r\n\r\nA: b\r\n\r\nx");
        let two =
            Message::parse(b"Content-Type: message/partial; id=a; number=2; total=2\r\n\r\ny");
        assert_eq!(join_fragments(&[&one, &two]).unwrap(), b"\r\nx\r\ny");
    }
}
