//! Letters: from what an author gives, or from a file, to what goes into the outbox.
//!
//! What is kept is the author's copy, with its Bcc; what goes out is the same without it
//! ([`without_bcc`]).
//!
//! Standards: RFC 5322 §3.6 (fields, Bcc in §3.6.3), RFC 6409 §8 (what a client adds).
//! Not here: the message format itself (crate `message`).

use envelope::{Address, AddressError};
use message::{
    AddressList, Attachment, DateTime, Draft, DraftError, HeaderSection, Mailbox, MessageId,
};

use crate::account::Account;
use crate::moment;
use crate::world::World;

/// What an author gives.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Addressees, as `Name <address>` or `address`, several joined by commas.
    pub to: Vec<String>,
    /// Those who get a copy.
    pub cc: Vec<String>,
    /// Those who get a copy that nobody else knows of.
    pub bcc: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// How it is written.
    pub format: TextFormat,
    /// Files that go with it.
    pub attachments: Vec<Attachment>,
}

/// How an author writes a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextFormat {
    /// Nothing in it is markup.
    #[default]
    Plain,
    /// Markdown: it goes out as it is and rendered as HTML (RFC 2046 §5.1.4).
    Markdown,
}

/// A letter that is ready for the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// The author's copy, with Bcc.
    pub content: Vec<u8>,
    /// Everybody it goes to, each once.
    pub recipients: Vec<Address>,
    /// Its Message-ID, without angle brackets.
    pub message_id: Option<String>,
}

/// Why a letter cannot be composed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// It is for nobody.
    #[error("the letter has no recipient")]
    NoRecipient,
    /// Something that is no address.
    #[error("{text:?} is not an address: {source}")]
    Address {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: AddressError,
    },
    /// The parts do not make a message.
    #[error("the letter cannot be written: {0}")]
    Draft(#[source] DraftError),
    /// A file that is no message.
    #[error("the file is no message: it has no header")]
    NoMessage,
}

impl ComposeError {
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::NoRecipient => "name one with --to",
            Self::Address { .. } => "write ADDRESS or 'NAME <ADDRESS>'",
            Self::Draft(_) => "change that and send again",
            Self::NoMessage => "give a file with header fields, an empty line and a text",
        }
        .to_owned()
    }
}

/// Makes a letter of what an author gives.
pub fn compose(world: &World, account: &Account, wanted: Wanted) -> Result<Composed, ComposeError> {
    let (to, cc) = (addressees(&wanted.to)?, addressees(&wanted.cc)?);
    let bcc = addressees(&wanted.bcc)?;
    let recipients = envelope_of(&[&to, &cc, &bcc])?;
    let date = local_date(world);
    let message_id = new_message_id(world, account, date);
    let draft = Draft {
        from: author(account).into(),
        to,
        cc,
        subject: wanted.subject,
        date: Some(date),
        message_id: Some(message_id.clone()),
        attachments: wanted.attachments,
        ..Draft::default()
    };
    let draft = match wanted.format {
        TextFormat::Plain => Draft { text: Some(wanted.text), ..draft },
        TextFormat::Markdown => draft.with_markdown(&wanted.text),
    };
    let random = world.random.clone();
    let sealed = draft.seal(&mut || random.u64()).map_err(ComposeError::Draft)?;
    let content = with_fields(&sealed.into_octets(), &bcc_field(&bcc));
    Ok(Composed { content, recipients, message_id: Some(message_id.as_str().to_owned()) })
}

/// Makes a letter of a message file. Its lines may end in LF; Date, From and Message-ID are
/// added where they are missing. It goes to `to`, or else to its own addressees.
pub fn from_file(
    world: &World,
    account: &Account,
    octets: &[u8],
    to: &[String],
) -> Result<Composed, ComposeError> {
    let content = with_crlf(octets);
    let section = HeaderSection::parse(&content);
    let header = section.header();
    if header.fields().all(|field| field.name().is_empty()) {
        return Err(ComposeError::NoMessage);
    }
    let recipients = match to {
        [] => envelope_of(&[&section.to(), &section.cc(), &section.bcc()])?,
        given => envelope_of(&[&addressees(given)?])?,
    };
    let date = local_date(world);
    let mut added = String::new();
    if header.field("From").is_none() {
        added.push_str(&format!("From: {}\r\n", account.address));
    }
    if header.field("Date").is_none() {
        added.push_str(&format!("Date: {date}\r\n"));
    }
    let message_id = section.message_id().unwrap_or_else(|| {
        let id = new_message_id(world, account, date);
        if header.field("Message-ID").is_none() {
            added.push_str(&format!("Message-ID: <{}>\r\n", id.as_str()));
        }
        id
    });
    let message_id = Some(message_id.as_str().to_owned());
    Ok(Composed { content: with_fields(&content, &added), recipients, message_id })
}

/// A message as it goes out: nobody sees who got a blind copy (RFC 5322 §3.6.3).
pub fn without_bcc(content: &[u8]) -> Vec<u8> {
    let section = HeaderSection::parse(content);
    if section.header().field("Bcc").is_none() {
        return content.to_vec();
    }
    let mut octets = section.rewritten("", &["Bcc"], "");
    octets.extend_from_slice(content.get(section.end()..).unwrap_or_default());
    octets
}

/// Whether the header has UTF-8, which takes SMTPUTF8 (RFC 6531 §3.4).
pub fn has_utf8_header(content: &[u8]) -> bool {
    let header = content.get(..HeaderSection::parse(content).end()).unwrap_or_default();
    !header.is_ascii() && std::str::from_utf8(header).is_ok()
}

fn with_fields(content: &[u8], below: &str) -> Vec<u8> {
    if below.is_empty() {
        return content.to_vec();
    }
    let section = HeaderSection::parse(content);
    let mut octets = section.rewritten("", &[], below);
    octets.extend_from_slice(content.get(section.end()..).unwrap_or_default());
    octets
}

/// One address a line: no line gets too long, and nothing needs encoding.
fn bcc_field(bcc: &AddressList) -> String {
    let addresses: Vec<&str> = bcc.mailboxes().map(|mailbox| mailbox.address.as_str()).collect();
    match addresses.is_empty() {
        true => String::new(),
        false => format!("Bcc: {}\r\n", addresses.join(",\r\n ")),
    }
}

fn author(account: &Account) -> Mailbox {
    let address = account.address.to_string();
    match &account.name {
        Some(name) => Mailbox::named(name.as_str(), address),
        None => Mailbox::new(address),
    }
}

/// What options name, each of it an address that an envelope can carry.
fn addressees(given: &[String]) -> Result<AddressList, ComposeError> {
    let mut all = Vec::new();
    for text in given {
        let list = AddressList::parse(text.as_bytes());
        if list.mailboxes().next().is_none() {
            return Err(ComposeError::Address { text: text.clone(), source: AddressError::NoAt });
        }
        for mailbox in list.mailboxes() {
            checked(mailbox)?;
        }
        all.extend(list.0);
    }
    Ok(AddressList(all))
}

fn checked(mailbox: &Mailbox) -> Result<Address, ComposeError> {
    mailbox
        .to_envelope()
        .map_err(|source| ComposeError::Address { text: mailbox.to_string(), source })
}

/// Everybody in the lists, each once, in their order.
fn envelope_of(lists: &[&AddressList]) -> Result<Vec<Address>, ComposeError> {
    let mut recipients: Vec<Address> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for mailbox in lists.iter().flat_map(|list| list.mailboxes()) {
        let address = checked(mailbox)?;
        if seen.insert(address.clone()) {
            recipients.push(address);
        }
    }
    if recipients.is_empty() { Err(ComposeError::NoRecipient) } else { Ok(recipients) }
}

/// Lines that end in CRLF, whatever they ended in before.
fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(octets.len() + octets.len() / 32);
    let mut rest = octets.iter().copied().peekable();
    while let Some(octet) = rest.next() {
        match octet {
            b'\r' => {
                rest.next_if_eq(&b'\n');
                lines.extend_from_slice(b"\r\n");
            }
            b'\n' => lines.extend_from_slice(b"\r\n"),
            other => lines.push(other),
        }
    }
    if !lines.is_empty() && !lines.ends_with(b"\r\n") {
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

/// Now, in the zone of this machine.
fn local_date(world: &World) -> DateTime {
    let seconds = world.clock.now().seconds();
    DateTime::from_unix(seconds).with_offset(moment::offset_minutes(seconds))
}

fn new_message_id(world: &World, account: &Account, date: DateTime) -> MessageId {
    MessageId::new(date, world.random.u64(), account.address.domain().as_str())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use platform::{RealDisk, SystemClock, SystemRandom, TokioNet};
    use proptest::prelude::*;

    use super::*;
    use crate::account::{Server, TlsMode};

    fn world() -> World {
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        World::system(clock, random, Arc::new(TokioNet), Arc::new(RealDisk))
    }

    fn ada() -> Account {
        let server = Server { host: "h".into(), port: 1, tls: TlsMode::Implicit };
        Account {
            address: "ada@example.org".parse().unwrap(),
            name: Some("Ada".to_owned()),
            login: None,
            password_command: None,
            ca: None,
            leave_on_server: true,
            pop3: server.clone(),
            submission: server,
        }
    }

    fn list(addresses: &[Address]) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn blind_copies_are_kept_and_never_go_out() {
        let wanted = Wanted {
            to: vec!["Bob <bob@example.net>, carol@example.com".to_owned()],
            cc: vec!["bob@example.net".to_owned()],
            bcc: vec!["eve@example.com".to_owned(), "dan@example.com".to_owned()],
            subject: "Grüße".to_owned(),
            text: "Hello\n".to_owned(),
            ..Wanted::default()
        };
        let letter = compose(&world(), &ada(), wanted).unwrap();
        assert_eq!(
            list(&letter.recipients),
            ["bob@example.net", "carol@example.com", "eve@example.com", "dan@example.com"]
        );
        let kept = String::from_utf8(letter.content.clone()).unwrap();
        assert!(kept.contains("\r\nBcc: eve@example.com,\r\n dan@example.com\r\n"), "{kept}");
        assert!(kept.ends_with("\r\n\r\nHello\r\n"), "{kept}");
        let sent = String::from_utf8(without_bcc(&letter.content)).unwrap();
        assert!(!sent.contains("eve@") && !sent.contains("dan@"), "{sent}");
        assert_eq!(kept.replace("Bcc: eve@example.com,\r\n dan@example.com\r\n", ""), sent);
        assert!(kept.contains(&format!("<{}>", letter.message_id.unwrap())));
    }

    #[test]
    fn markdown_goes_out_in_both_forms() {
        let wanted = |format| Wanted {
            to: vec!["bob@example.net".to_owned()],
            text: "Tea is *ready*\n".to_owned(),
            format,
            ..Wanted::default()
        };
        let kept = |format| {
            let letter = compose(&world(), &ada(), wanted(format)).unwrap();
            String::from_utf8(letter.content).unwrap()
        };
        let both = kept(TextFormat::Markdown);
        let message = message::Message::parse(both.as_bytes());
        assert_eq!(message.text_to_show().trim_end(), "Tea is *ready*");
        assert!(message.html().is_some_and(|html| html.contains("<em>ready</em>")), "{both}");
        let plain = kept(TextFormat::Plain);
        assert!(!plain.contains("html") && plain.ends_with("Tea is *ready*\r\n"), "{plain}");
    }

    proptest! {
        /// Whatever a file holds: no Bcc goes out, and all other octets stay in their order.
        #[test]
        fn nothing_but_bcc_is_taken_away(lines in proptest::collection::vec(line(), 0..12)) {
            let content = lines.concat();
            let sent = without_bcc(content.as_bytes());
            let section = HeaderSection::parse(&sent);
            prop_assert!(section.header().field("Bcc").is_none());
            if !content.to_ascii_lowercase().contains("bcc") {
                prop_assert_eq!(&sent[..], content.as_bytes());
            }
            let mut rest = content.lines();
            // What is not there any more is passed over; an empty line may be added.
            let mut kept = std::str::from_utf8(&sent)?.lines().filter(|line| !line.is_empty());
            prop_assert!(kept.all(|line| rest.any(|other| other == line)));
        }
    }

    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("Bcc: eve@example.com\r\n".to_owned()),
            Just("bCC:\r\n eve@example.com,\r\n\tdan@example.com\r\n".to_owned()),
            Just("\r\n".to_owned()),
            Just("no field\r\n".to_owned()),
            "[A-Z][a-z]{1,8}: [ -~]{0,20}\r\n",
            "[ -~]{0,20}\n",
        ]
    }

    #[test]
    fn files_are_completed_and_otherwise_kept() {
        let file = "From: ada@example.org\nTo: bob@example.net\nBcc: eve@example.com\nX-Odd:  two  spaces \n\n.dot\nend";
        let letter = from_file(&world(), &ada(), file.as_bytes(), &[]).unwrap();
        assert_eq!(list(&letter.recipients), ["bob@example.net", "eve@example.com"]);
        let text = String::from_utf8(letter.content).unwrap();
        assert!(text.contains("X-Odd:  two  spaces \r\nDate: "), "{text}");
        assert!(text.contains("\r\nMessage-ID: <"), "{text}");
        assert!(text.ends_with("\r\n\r\n.dot\r\nend\r\n"), "{text}");

        let given = ["x@example.org".to_owned()];
        let letter = from_file(&world(), &ada(), file.as_bytes(), &given).unwrap();
        assert_eq!(list(&letter.recipients), given, "--to names the envelope");

        let whole = "From: ada@example.org\r\nTo: b@c\r\nDate: Wed, 25 Nov 2026 03:04:05 +0100\r\nMessage-ID: <a@b>\r\n\r\nx\r\n";
        let letter = from_file(&world(), &ada(), whole.as_bytes(), &[]).unwrap();
        assert_eq!(letter.content, whole.as_bytes(), "nothing to add, nothing changed");
    }

    #[test]
    fn an_address_in_utf8_makes_the_header_utf8() {
        let to = ["jürgen@example.net".to_owned()];
        let wanted = Wanted { to: to.to_vec(), ..Wanted::default() };
        let letter = compose(&world(), &ada(), wanted).unwrap();
        assert_eq!(list(&letter.recipients), to, "RFC 6531 §3.3");
        assert!(has_utf8_header(&letter.content), "RFC 6531 §3.4: SMTPUTF8 is asked for");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let to = |text: &str| Wanted { to: vec![text.to_owned()], ..Wanted::default() };
        #[rustfmt::skip]
        let table = [
            (Wanted::default(), "no recipient", "nobody"),
            (to("bob"), "not an address", "no domain"),
            (to(""), "not an address", "empty"),
            (to("bob@example.net\r\nBcc: eve@example.com"), "", "a second field"),
            (to("j\u{85}rgen@example.net"), "not an address", "a control character"),
            (Wanted { subject: "a\r\nBcc: eve@example.com".to_owned(), ..to("b@c") }, "line break", "injection"),
        ];
        for (wanted, text, why) in table {
            match compose(&world(), &ada(), wanted) {
                Err(error) => assert!(error.to_string().contains(text), "{why}: {error}"),
                Ok(letter) => {
                    let content = String::from_utf8_lossy(&letter.content).into_owned();
                    assert!(
                        text.is_empty() && !content.contains("\r\nBcc: eve"),
                        "{why}: {content}"
                    );
                }
            }
        }
        let empty = from_file(&world(), &ada(), b"", &[]).unwrap_err();
        assert!(matches!(empty, ComposeError::NoMessage), "{empty}");
    }
}
