//! Laws that hold for every message, tried on messages that look like real mail, whole and
//! damaged.
//!
//! A [`Node`] is what its author meant; [`render`] writes it as mailers do: odd fields, nested
//! multiparts whose boundaries begin with one another, all encodings, CRLF or LF.

use message::inspect::{Paint, Shown, View, show};
use message::transfer::{base64, quoted_printable};
use message::{Message, Part, PartKind, Structure};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A part as its author meant it.
#[derive(Clone, Debug)]
enum Node {
    Leaf {
        fields: Vec<&'static str>,
        encoding: Encoding,
        octets: Vec<u8>,
    },
    Multipart {
        fields: Vec<&'static str>,
        sub: &'static str,
        around: &'static str,
        parts: Vec<Self>,
    },
    Message {
        fields: Vec<&'static str>,
        inner: Box<Self>,
    },
}

#[derive(Clone, Copy, Debug)]
enum Encoding {
    Plain,
    Quoted,
    Base64,
}

/// What happens on the way.
#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Changed(Index, u8),
    Added(Index, &'static str),
}

const FIELDS: [&str; 12] = [
    "From: =?utf-8?q?Gr=C3=A4fin?= Ada <ada@example.org>",
    "To: Team: b@example.net, \"C, D\" <c@example.net>;,\r\n\t(x) e@f",
    "Subject: a line\r\n that is folded \r\n\tand again",
    "Subject: Gr\u{fc}\u{df}e, unencoded",
    "Date: Wed, 25 Nov 2026 03:51:00 +0100 (CET)",
    "X-Odd : a space before the colon",
    "References: <a@b> <\"c>d\"@e>\r\n <f@g>",
    "Content-Description: =?iso-8859-1?b?6Q==?=",
    "Content-ID: <1@a>",
    "Received: from a (b [192.0.2.1]) by c with ESMTPS id d;\r\n Wed, 25 Nov 2026 03:51:00 +0100",
    "X-Empty:",
    "DKIM-Signature: v=1; a=rsa-sha256; b=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR",
];
const LINES: [&str; 14] = [
    "Hello,",
    "",
    "From here on",
    ".",
    "..",
    "-- ",
    "> quoted",
    "--",
    "Gr\u{fc}\u{df}e \u{2014} \u{1f600}",
    "a = b ",
    "--=",
    "\ttab",
    "Field: or not",
    "begin again",
];
const PIECES: [&str; 6] =
    ["\r", "\n", "\0", "\r\n--=_\r\n", "\r\n\r\n", "\r\nContent-Type: multipart/mixed\r\n"];

fn node() -> impl Strategy<Value = Node> {
    let fields = || proptest::collection::vec(select(FIELDS.as_slice()), 0..4);
    let text = proptest::collection::vec(select(LINES.as_slice()), 1..6);
    let text = text.prop_map(|lines| lines.join("\r\n").into_bytes());
    let octets = prop_oneof![4 => text, 1 => proptest::collection::vec(any::<u8>(), 1..120)];
    let encoding = select([Encoding::Plain, Encoding::Quoted, Encoding::Base64].as_slice());
    let leaf = (fields(), encoding, octets).prop_map(|(fields, encoding, octets)| Node::Leaf {
        fields,
        encoding,
        octets,
    });
    leaf.prop_recursive(5, 48, 4, move |inner| {
        let sub = select(["mixed", "alternative", "related", "x-new"].as_slice());
        let around = select(["", "text around", "--\r\n\r\n--x"].as_slice());
        let parts = proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            2 => (fields(), sub, around, parts)
                .prop_map(|(fields, sub, around, parts)| Node::Multipart { fields, sub, around, parts }),
            1 => (fields(), inner)
                .prop_map(|(fields, inner)| Node::Message { fields, inner: Box::new(inner) }),
        ]
    })
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), any::<u8>()).prop_map(|(at, octet)| Damage::Changed(at, octet)),
        (any::<Index>(), select(PIECES.as_slice()))
            .prop_map(|(at, piece)| Damage::Added(at, piece)),
    ]
}

/// The node with CRLF; notes the octets of its leaves.
fn render(node: &Node, path: &str, leaves: &mut Vec<Vec<u8>>) -> Vec<u8> {
    let header = |fields: &[&str], own: &str| {
        let lines: String = fields.iter().flat_map(|field| [field, "\r\n"]).collect();
        format!("{lines}{own}\r\n\r\n").into_bytes()
    };
    match node {
        Node::Leaf { fields, encoding, octets } => {
            let (octets, label, body) = encoded(*encoding, octets);
            leaves.push(octets);
            let own = format!(
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {label}"
            );
            [header(fields, &own), body].concat()
        }
        Node::Multipart { fields, sub, around, parts } => {
            let boundary = format!("=_{path}");
            let mut content =
                header(fields, &format!("Content-Type: multipart/{sub}; boundary=\"{boundary}\""));
            content.extend_from_slice(around.as_bytes());
            for (index, part) in parts.iter().enumerate() {
                content.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
                content.extend(render(part, &format!("{path}{index}"), leaves));
            }
            content.extend_from_slice(format!("\r\n--{boundary}--\r\n{around}").as_bytes());
            content
        }
        Node::Message { fields, inner } => {
            let mut content = header(fields, "Content-Type: message/rfc822");
            content.extend(render(inner, &format!("{path}m"), leaves));
            content
        }
    }
}

/// What arrives of the octets, the name of the encoding, and the body.
fn encoded(encoding: Encoding, octets: &[u8]) -> (Vec<u8>, &'static str, Vec<u8>) {
    let is_text = std::str::from_utf8(octets).is_ok_and(|text| !text.contains(['\0', '\u{b}']));
    match encoding {
        Encoding::Plain if is_text => (octets.to_vec(), "8bit", octets.to_vec()),
        Encoding::Quoted => {
            let body = quoted_printable::encode_all(octets, quoted_printable::Mode::Binary);
            (octets.to_vec(), "quoted-printable", body)
        }
        _ => {
            let (mut encoder, mut body) = (base64::Encoder::default(), Vec::new());
            encoder.feed(octets, &mut body);
            encoder.finish(&mut body);
            (octets.to_vec(), "base64", body)
        }
    }
}

fn damaged(mut content: Vec<u8>, damages: Vec<Damage>) -> Vec<u8> {
    for damage in damages {
        match damage {
            _ if content.is_empty() => {}
            Damage::Cut(at) => content.truncate(at.index(content.len())),
            Damage::Changed(at, octet) => {
                *at.get_mut(&mut content) = octet;
            }
            Damage::Added(at, piece) => {
                let at = at.index(content.len());
                content.splice(at..at, piece.bytes());
            }
        }
    }
    content
}

/// Parsed and printed, nothing changes; kept and read again, neither.
fn is_lossless(content: &[u8]) {
    let message = Message::parse(content);
    let printed = show(&message, &View::Reprint, Paint::Plain);
    assert_eq!(printed, Ok(Shown::Octets(content.into())));
    let kept = message.structure().to_octets();
    let structure = Structure::from_octets(&kept).expect("what was kept can be read");
    assert_eq!(structure.to_octets(), kept);
    let again = Message::with_structure(content, &structure);
    let places = |part: Part<'_>| (part.id(), part.kind(), part.range(), part.body_range());
    let before: Vec<_> = message.parts().map(places).collect();
    assert_eq!(before, again.parts().map(places).collect::<Vec<_>>());
    let raw = |message: &Message<'_>| {
        let fields = message.parts().flat_map(|part| part.header().fields());
        fields
            .map(|field| (field.name().to_owned(), field.offset(), field.raw().len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(raw(&message), raw(&again), "each field is where it was");
}

/// RFC 9051 §6.4.5.1: every section is in the part around it, and those of one part follow
/// each other.
fn sections_are_nested(content: &[u8]) {
    let message = Message::parse(content);
    for part in message.parts() {
        let (range, header, body) = (part.range(), part.header_range(), part.body_range());
        assert_eq!((header.start, header.end, body.end), (range.start, body.start, range.end));
        assert!(range.end <= content.len() && range.start <= body.start && body.start <= body.end);
        if let Some(around) = part.parent() {
            let around = around.body_range();
            assert!(around.start <= range.start && range.end <= around.end, "{part:?}");
        }
        let mut at = body.start;
        for inner in part.parts().chain(part.message()) {
            assert!(at <= inner.range().start, "{inner:?} begins before the one above has ended");
            at = inner.range().end;
        }
        // A multipart that is a whole message has the number of the part around it.
        let is_numbered = part.parent().is_none_or(|around| around.id() != part.id());
        let id = part.id();
        if is_numbered && !id.is_empty() {
            assert_eq!(message.section(&id), Some(body.clone()), "{id}");
            assert_eq!(message.section(&format!("{id}.MIME")), Some(header), "{id}");
        }
        if let (true, Some(inner)) = (is_numbered, part.message()) {
            let prefix = if id.is_empty() { String::new() } else { format!("{id}.") };
            assert_eq!(message.section(&format!("{prefix}HEADER")), Some(inner.header_range()));
            assert_eq!(message.section(&format!("{prefix}TEXT")), Some(inner.body_range()));
        }
    }
}

/// No encoding makes more of a message than it is.
fn sizes_are_bounded(content: &[u8]) {
    let message = Message::parse(content);
    let leaves = || message.parts().filter(|part| part.kind() == PartKind::Leaf);
    let mut sum = 0;
    for part in leaves() {
        let decoded = part.decoded();
        assert!(decoded.len() <= part.body().len(), "{part:?}");
        let text = part.text().unwrap_or_default();
        assert!(text.len() <= decoded.len() * 3, "{part:?}");
        sum += decoded.len();
    }
    assert!(sum <= content.len(), "no octet is in two leaves");
    assert!(message.text_to_show().len() <= content.len() * 4);
    assert!(message.preview().chars().count() <= 256);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn whole_messages_say_what_was_meant(node in node(), is_crlf in any::<bool>()) {
        let mut leaves = Vec::new();
        let content = render(&node, "", &mut leaves);
        is_lossless(&content);
        sections_are_nested(&content);
        let message = Message::parse(&content);
        let found = |message: &Message<'_>| {
            let parts = message.parts().filter(|part| part.kind() == PartKind::Leaf);
            parts.map(|part| part.decoded().into_owned()).collect::<Vec<_>>()
        };
        prop_assert_eq!(&found(&message), &leaves);
        if !is_crlf {
            let with_lf = String::from_utf8(content).expect("the generator writes UTF-8").replace("\r\n", "\n");
            let again = Message::parse(with_lf.as_bytes());
            is_lossless(with_lf.as_bytes());
            sections_are_nested(with_lf.as_bytes());
            prop_assert_eq!(found(&again).len(), leaves.len(), "LF ends lines as well");
        }
    }

    #[test]
    fn damaged_messages_keep_the_laws(
        node in node(),
        damages in proptest::collection::vec(damage(), 1..5),
    ) {
        let content = damaged(render(&node, "", &mut Vec::new()), damages);
        is_lossless(&content);
        sections_are_nested(&content);
        sizes_are_bounded(&content);
    }
}
