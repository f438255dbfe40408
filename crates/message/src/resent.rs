//! Messages that somebody passed on unchanged: blocks of Resent fields.
//!
//! Standards: RFC 5322 §3.6.6.
//! Not here: forwarding, which makes a new message.

use crate::address::{AddressList, Mailbox};
use crate::date::DateTime;
use crate::header::{Field, Header};
use crate::message_id::MessageId;
use crate::write::DraftError;
use crate::write::fold::FieldWriter;

/// Blocks taken from one header: more than a message that does not loop has.
pub const RESENT_BLOCKS_MAX: usize = 100;

/// One block: who passed the message on, to whom and when.
///
/// ```
/// use message::{DateTime, HeaderSection, Mailbox, MessageId, Resent};
/// let now = DateTime::from_unix(1_700_000_000);
/// let resent = Resent {
///     from: Mailbox::new("ada@example.org").into(),
///     to: Mailbox::new("bob@example.net").into(),
///     date: Some(now),
///     message_id: Some(MessageId::new(now, 1, "example.org")),
///     ..Resent::default()
/// };
/// let original = b"From: eve@example.com\r\n\r\nHi\r\n";
/// let octets = resent.put_on(original).unwrap();
/// assert!(octets.ends_with(original));
/// assert_eq!(HeaderSection::parse(&octets).header().resent(), [resent]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resent {
    /// Who passed it on; at least one.
    pub from: AddressList,
    /// Who sent it on their behalf, where that is not the only one of them.
    pub sender: Option<Mailbox>,
    /// To whom.
    pub to: AddressList,
    /// Who got a copy.
    pub cc: AddressList,
    /// Who got a copy that nobody knows of: read where it stands, never written.
    pub bcc: AddressList,
    /// When.
    pub date: Option<DateTime>,
    /// The name of this passing on; the message keeps its own.
    pub message_id: Option<MessageId>,
}

impl Resent {
    /// The message with this block on top and nothing else changed: RFC 5322 §3.6.6 wants
    /// blocks prepended, and the original fields left as they are.
    ///
    /// # Errors
    ///
    /// [`DraftError`] where From, Date, or Sender for several authors is missing, or where
    /// something cannot be written.
    pub fn put_on(&self, content: &[u8]) -> Result<Vec<u8>, DraftError> {
        let mut octets = self.fields()?.into_bytes();
        octets.extend_from_slice(content);
        Ok(octets)
    }

    fn fields(&self) -> Result<String, DraftError> {
        match self.from.mailboxes().count() {
            0 => return Err(DraftError::Missing("Resent-From")),
            1 => {}
            _ if self.sender.is_none() => return Err(DraftError::Missing("Resent-Sender")),
            _ => {}
        }
        let date = self.date.ok_or(DraftError::Missing("Resent-Date"))?;
        let mut writer = FieldWriter::default();
        writer.text("Resent-Date", &date.to_string())?;
        writer.addresses("Resent-From", &self.from)?;
        if let Some(sender) = &self.sender {
            writer.addresses("Resent-Sender", &sender.clone().into())?;
        }
        writer.addresses("Resent-To", &self.to)?;
        writer.addresses("Resent-Cc", &self.cc)?;
        writer.ids("Resent-Message-ID", self.message_id.as_slice());
        Ok(writer.finish())
    }

    /// Takes one field over; gives it back if the block has one of that name.
    fn take<'a>(&mut self, field: Field<'a>, seen: &mut Vec<&'a str>) -> Result<(), Field<'a>> {
        if seen.iter().any(|name| field.is(name)) {
            return Err(field);
        }
        seen.push(field.name());
        let value = field.raw_value();
        let name = field.name().get("Resent-".len()..).unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "from" => self.from = AddressList::parse(value),
            "sender" => self.sender = AddressList::parse(value).mailboxes().next().cloned(),
            "to" => self.to = AddressList::parse(value),
            "cc" => self.cc = AddressList::parse(value),
            "bcc" => self.bcc = AddressList::parse(value),
            "date" => self.date = DateTime::parse_octets(value),
            "message-id" => self.message_id = MessageId::read_one(value),
            _ => {}
        }
        Ok(())
    }
}

impl Header<'_> {
    /// The blocks of Resent fields, the latest first. A block ends at a field that is none of
    /// them, and at a second field of one name.
    pub fn resent(&self) -> Vec<Resent> {
        let mut blocks: Vec<Resent> = Vec::new();
        let (mut seen, mut is_open) = (Vec::new(), false);
        for field in self.fields() {
            if !is_resent(field.name()) {
                is_open = false;
                continue;
            }
            let again = match blocks.last_mut().filter(|_| is_open) {
                Some(block) => block.take(field, &mut seen).err(),
                None => Some(field),
            };
            let Some(field) = again else { continue };
            if blocks.len() >= RESENT_BLOCKS_MAX {
                break;
            }
            seen.clear();
            is_open = true;
            let mut block = Resent::default();
            if block.take(field, &mut seen).is_ok() {
                blocks.push(block);
            }
        }
        blocks
    }
}

fn is_resent(name: &str) -> bool {
    const NAMES: [&str; 7] = ["From", "Sender", "To", "Cc", "Bcc", "Date", "Message-ID"];
    let Some((start, rest)) = name.split_at_checked("Resent-".len()) else { return false };
    start.eq_ignore_ascii_case("Resent-")
        && NAMES.iter().any(|name| rest.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::{RESENT_BLOCKS_MAX, Resent};
    use crate::{AddressList, DateTime, DraftError, HeaderSection, Mailbox};

    #[test]
    fn blocks_are_told_apart() {
        let block = |number: u8| format!("Resent-From: a{number}@x\r\nResent-To: b{number}@x\r\n");
        #[rustfmt::skip]
        let table = [
            ("Subject: x\r\n".to_owned(), "", "none"),
            (block(1), "a1@x>b1@x", "one"),
            (block(1) + &block(2), "a1@x>b1@x a2@x>b2@x", "two that touch"),
            (block(1) + "Received: y\r\n" + &block(2), "a1@x>b1@x a2@x>b2@x", "a trace field between"),
            ("resent-FROM: a@x\r\nSubject: x\r\nRESENT-to: b@x\r\n".to_owned(), "a@x> >b@x", "torn apart"),
            ("Resent-Reply-To: a@x\r\nX: y\r\n".to_owned(), "", "RFC 5322 §4.5.6: obsolete, ignored"),
        ];
        for (fields, expected, why) in table {
            let content = fields + "\r\n";
            let blocks = HeaderSection::parse(content.as_bytes()).header().resent();
            let first = |list: &AddressList| {
                list.mailboxes().next().map(|one| one.address.clone()).unwrap_or_default()
            };
            let found = blocks.iter().map(|one| format!("{}>{}", first(&one.from), first(&one.to)));
            assert_eq!(found.collect::<Vec<_>>().join(" "), expected, "{why}");
        }
        let many = block(1).repeat(1_000) + "\r\n";
        let blocks = HeaderSection::parse(many.as_bytes()).header().resent();
        assert_eq!(blocks.len(), RESENT_BLOCKS_MAX);
    }

    #[test]
    fn a_block_goes_on_top_of_an_older_one() {
        let block = |address: &str| Resent {
            from: Mailbox::new(address).into(),
            date: Some(DateTime::from_unix(1_700_000_000)),
            bcc: Mailbox::new("eve@x").into(),
            ..Resent::default()
        };
        let first = block("a@x").put_on(b"Resent-Junk: y\nSubject: x\n\nHi").unwrap();
        let second = block("b@x").put_on(&first).unwrap();
        assert!(second.ends_with(&first), "nothing else changes");
        assert!(!String::from_utf8(second.clone()).unwrap().contains("eve"), "nobody sees Bcc");
        let blocks = HeaderSection::parse(&second).header().resent();
        let from: Vec<_> = blocks.iter().flat_map(|one| one.from.mailboxes()).collect();
        assert_eq!(from.iter().map(|one| one.address.as_str()).collect::<Vec<_>>(), ["b@x", "a@x"]);
    }

    #[test]
    fn what_rfc_5322_demands_is_demanded() {
        let now = Some(DateTime::from_unix(0));
        let from = AddressList::parse(b"a@x, b@x");
        let one = Mailbox::new("a@x");
        #[rustfmt::skip]
        let table = [
            (Resent { date: now, ..Resent::default() }, DraftError::Missing("Resent-From"), "from whom"),
            (Resent { from: one.into(), ..Resent::default() }, DraftError::Missing("Resent-Date"), "when"),
            (Resent { from, date: now, ..Resent::default() }, DraftError::Missing("Resent-Sender"), "several authors"),
        ];
        for (block, expected, why) in table {
            assert_eq!(block.put_on(b"\r\n"), Err(expected), "{why}");
        }
    }
}
