//! Entry points for what is written of strangers' words: nothing breaks out of its place.
//!
//! Standards: those of modules `write` and `report`.
//! Not here: values of single fields.

use envelope::EnhancedStatus;

use super::fields::is_one_field;
use crate::address::Mailbox;
use crate::date::DateTime;
use crate::part::PartKind;
use crate::report::{
    Action, DeliveryReport, Disposed, DispositionReport, Initiative, RECIPIENTS_MAX,
    ReportRecipient, Returned,
};
use crate::write::downgrade::DowngradeError;
use crate::write::{Draft, LINE_OCTETS_MAX, Sealed};
use crate::{Message, MessageId, report};

/// A letter in Markdown; its HTML has no tags but those of Markdown.
pub fn fuzz_markdown(octets: &[u8]) {
    let source = String::from_utf8_lossy(octets);
    let draft = Draft::default().with_markdown(&source);
    assert_eq!(draft.text.as_deref(), Some(&*source), "the text is the source");
    let html = draft.html.unwrap_or_default();
    // A table has as many columns in each line as in its first, and a definition can be used
    // more than once: pulldown-cmark bounds both.
    assert!(html.len() <= 4_000_000 + source.len().saturating_mul(100), "it is bounded");
    for tag in html.split('<').skip(1) {
        let name = tag.trim_start_matches('/');
        let length = name.find(|sign: char| !sign.is_ascii_alphanumeric());
        let name = name.get(..length.unwrap_or(name.len())).unwrap_or_default();
        assert!(TAGS.contains(&name), "no tag of the author's: <{tag}");
        assert!(tag.contains('>'), "tags are closed: <{tag}");
    }
    let texts = html.split('<').skip(1).filter_map(|tag| tag.split_once('>'));
    assert!(texts.into_iter().all(|(_, text)| !text.contains('>')), "signs are escaped");
}

/// What Markdown is made of, and the frame that we put around.
const TAGS: [&str; 31] = [
    "",
    "html",
    "body",
    "p",
    "em",
    "strong",
    "del",
    "a",
    "img",
    "br",
    "hr",
    "code",
    "pre",
    "ul",
    "ol",
    "li",
    "blockquote",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "sup",
    "div",
];

/// A report: first as one that came, then its lines as words of a peer in reports of ours.
pub fn fuzz_report(octets: &[u8]) {
    if let Some(read) = report::read(&Message::parse(octets)) {
        assert!(read.recipients.len() <= RECIPIENTS_MAX, "recipients are bounded");
        for recipient in &read.recipients {
            let words = [&recipient.diagnostic, &recipient.remote_mta, &recipient.final_address];
            for word in words.into_iter().flatten().chain([&recipient.address]) {
                assert!(!word.contains(['\r', '\n', '\0']), "one line: {word:?}");
            }
            assert!(!recipient.is_address_bad || recipient.is_permanent(), "bad for good");
        }
    }
    let text = String::from_utf8_lossy(octets);
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let (address, diagnostic, host, subject, words) = (line(), line(), line(), line(), line());
    let now = DateTime::from_unix(1_700_000_000);
    let message_id = MessageId::new(now, 1, "a.test");
    let (from, to) = (Mailbox::new("postmaster@a.test"), Mailbox::new("b@c.test"));
    let delivery = DeliveryReport {
        from: from.clone(),
        to: to.clone(),
        subject: subject.clone(),
        date: now,
        message_id: message_id.clone(),
        original_message_id: words.parse().ok(),
        text: words.clone(),
        reporting_mta: host.clone(),
        envelope_id: None,
        arrival_date: Some(now),
        deliver_by_date: Some(now),
        future_release_request: None,
        recipients: vec![ReportRecipient {
            original_recipient: None,
            final_recipient: address.clone(),
            action: Action::Failed,
            status: EnhancedStatus::new(5, 1, 1),
            remote_mta: Some(host.clone()),
            diagnostic: Some(diagnostic.clone()),
            last_attempt: None,
            will_retry_until: None,
        }],
        returned: Returned::Header(octets.to_vec()),
    };
    let has_address = address.contains(|sign: char| !sign.is_whitespace() && !sign.is_control());
    if let Ok(sealed) = delivery.seal(&mut luck()) {
        let one = read_again(sealed);
        // Without an address it is for people only, and they may read one in the text.
        let count = one.map_or(0, |one| one.recipients.len());
        assert!(!has_address || count <= 1, "no recipient more");
    }
    let disposition = DispositionReport {
        from,
        to,
        subject,
        date: now,
        message_id,
        original_message_id: words.parse().ok(),
        text: words,
        reporting_ua: Some(host),
        final_recipient: address,
        disposed: Disposed::Displayed,
        initiative: Initiative::Automatic,
        original_recipient: None,
        error: Some(diagnostic),
        returned: Returned::Nothing,
    };
    if let Ok(sealed) = disposition.seal(&mut luck()) {
        let one = read_again(sealed).expect("a report");
        let found = one.disposition.map(|disposition| disposition.disposed);
        assert_eq!(found.as_deref(), Some("displayed"));
        assert!(one.recipients.len() <= 1, "no recipient more");
    }
}

/// Randomness that never repeats: a boundary that stands in a part already is asked for again.
fn luck() -> impl FnMut() -> u64 {
    let mut last = 0;
    move || {
        last += 1;
        last
    }
}

/// Asserts that a report of ours is a message with the fields that we wrote.
fn read_again(sealed: Sealed) -> Option<report::Report> {
    let octets = sealed.into_octets();
    let message = Message::parse(&octets);
    let root = message.root();
    let fields = message.header().fields();
    let names: Vec<_> = fields.map(|field| field.name()).collect();
    assert!(names.iter().all(|name| FIELDS.contains(name)), "fields of ours: {names:?}");
    let parts: Vec<_> = root.parts().collect();
    assert!(matches!(parts.len(), 2 | 3), "the parts that we made");
    let status = parts.get(1).expect("the part for programs");
    let lines = String::from_utf8_lossy(status.body());
    let mut field = String::new();
    for line in lines.split_inclusive("\r\n").filter(|line| line.ends_with("\r\n")) {
        if !field.is_empty() && !line.starts_with(' ') {
            is_one_field(&std::mem::take(&mut field));
        }
        field.push_str(line.strip_prefix("\r\n").unwrap_or(line));
    }
    report::read(&message)
}

/// Names of fields in headers of reports.
const FIELDS: [&str; 11] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// A message for a peer without 8BITMIME: what is read of it stays the same.
pub fn fuzz_downgrade(octets: &[u8]) {
    let message = Message::parse(octets);
    let is_good = |octets: &[u8]| {
        octets.is_ascii()
            && octets.split(|octet| *octet == b'\n').all(|line| line.len() <= LINE_OCTETS_MAX + 1)
    };
    let written = match message.to_seven_bit() {
        Ok(None) => {
            assert!(octets.is_ascii(), "it was 7-bit");
            return;
        }
        Ok(Some(written)) => written,
        Err(DowngradeError::Header(_)) => {
            assert!(!octets.is_ascii(), "a header is not 7-bit");
            return;
        }
        Err(_) => {
            assert!(!is_good(octets), "there was a need");
            return;
        }
    };
    assert!(written.is_ascii(), "it is 7-bit");
    let again = Message::parse(&written);
    assert_eq!(again.parts().count(), message.parts().count(), "no part comes or goes");
    for (before, after) in message.parts().zip(again.parts()) {
        assert_eq!((before.id(), before.kind()), (after.id(), after.kind()));
        assert_eq!(before.content_type(), after.content_type());
        if before.kind() == PartKind::Leaf {
            assert_eq!(before.decoded(), after.decoded(), "part {}", before.id());
        }
    }
    assert_eq!(again.to_seven_bit(), Ok(None), "once is enough");
}
