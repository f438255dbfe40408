//! Whether an author asks to be told what becomes of the message at its reader.
//!
//! Standards: RFC 8098 §2 (the fields that ask, and when nobody may answer by itself).
//! Not here: the answer ([`DispositionReport`](crate::report::DispositionReport)).

use crate::address::AddressList;
use crate::header::Header;
use crate::message::Message;
use crate::report::{self, ReportKind};

/// What a message asks for.
///
/// ```
/// let content = b"Return-Path: <ada@example.org>\r\n\
///     Disposition-Notification-To: Ada <ada@example.org>\r\n\r\nHi\r\n";
/// let wish = message::Message::parse(content).receipt_wish().unwrap();
/// assert_eq!(wish.to.mailboxes().next().unwrap().address, "ada@example.org");
/// assert!(!wish.must_ask);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptWish {
    /// Who wants to know.
    pub to: AddressList,
    /// Whether nothing may be sent before the reader agreed: the message came from another
    /// address than the one that asks, several ask, or it is not known where it came from
    /// (RFC 8098 §2.1).
    pub must_ask: bool,
    /// Options without which the author wants no report, in lower case. Who does not know one
    /// of them sends none but of a failure (RFC 8098 §2.2).
    pub required_options: Vec<String>,
}

/// Options taken from one field; none was ever registered.
pub const RECEIPT_OPTIONS_MAX: usize = 100;

impl Message<'_> {
    /// Whether the author asks for a disposition report. Never for one (RFC 8098 §2.1).
    pub fn receipt_wish(&self) -> Option<ReceiptWish> {
        let header = self.header();
        let field = header.field("Disposition-Notification-To")?;
        let to = AddressList::parse(field.raw_value());
        to.mailboxes().find(|mailbox| !mailbox.address.is_empty())?;
        let is_report = self.root().content_type().is("multipart", "report")
            && report::read(self).is_some_and(|report| report.kind == ReportKind::Disposition);
        if is_report {
            return None;
        }
        let must_ask = !comes_from(&header, &to);
        Some(ReceiptWish { to, must_ask, required_options: required_options(&header) })
    }
}

/// Whether all who ask are the one in Return-Path.
fn comes_from(header: &Header<'_>, asking: &AddressList) -> bool {
    let Some(field) = header.field("Return-Path") else { return false };
    let path = AddressList::parse(field.raw_value());
    let Some(path) = path.mailboxes().next() else { return false };
    header.count("Return-Path") == 1
        && asking.mailboxes().all(|mailbox| is_same(&mailbox.address, &path.address))
}

/// RFC 8098 §2.1: local parts are compared with case, domains without.
fn is_same(one: &str, other: &str) -> bool {
    match (one.rsplit_once('@'), other.rsplit_once('@')) {
        (Some((local, domain)), Some((other_local, other_domain))) => {
            local == other_local && domain.eq_ignore_ascii_case(other_domain)
        }
        _ => false,
    }
}

/// `name=required,value; name=optional,value` (RFC 8098 §2.2).
fn required_options(header: &Header<'_>) -> Vec<String> {
    let value = header.value("Disposition-Notification-Options").unwrap_or_default();
    let options = value.split(';').take(RECEIPT_OPTIONS_MAX).filter_map(|option| {
        let (name, rest) = option.split_once('=')?;
        let importance = rest.split(',').next().unwrap_or_default().trim();
        importance.eq_ignore_ascii_case("required").then(|| name.trim().to_ascii_lowercase())
    });
    options.collect()
}

#[cfg(test)]
mod tests {
    use crate::Message;

    #[test]
    fn asking_follows_rfc_8098() {
        let to = "Disposition-Notification-To: A <a@x>\r\n";
        let report = "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\
            Content-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822; b@x\r\n\
            Disposition: manual-action/MDN-sent-manually; displayed\r\n--b--\r\n";
        #[rustfmt::skip]
        let table = [
            ("Subject: x\r\n".to_owned(), None, "nobody asks"),
            ("Disposition-Notification-To: \r\n".to_owned(), None, "nobody is named"),
            (format!("Return-Path: <a@X>\r\n{to}"), Some((false, "")), "§2.1: domains ignore case"),
            (format!("Return-Path: <A@x>\r\n{to}"), Some((true, "")), "§2.1: local parts do not"),
            (format!("Return-Path: <b@x>\r\n{to}"), Some((true, "")), "§2.1: another address"),
            (format!("Return-Path: <>\r\n{to}"), Some((true, "")), "§2.1: no address at all"),
            (to.to_owned(), Some((true, "")), "§2.1: no Return-Path"),
            (format!("Return-Path: <a@x>\r\nReturn-Path: <a@x>\r\n{to}"), Some((true, "")), "§2.1: two of them"),
            ("Return-Path: <a@x>\r\nDisposition-Notification-To: a@x, b@x\r\n".to_owned(), Some((true, "")), "§2.1: two ask"),
            (format!("Return-Path: <a@x>\r\n{to}Disposition-Notification-Options: Foo = Required , 1; bar=optional,2\r\n"), Some((false, "foo")), "§2.2: options"),
            (format!("{to}{report}"), None, "§2.1: never because of an MDN"),
        ];
        for (fields, expected, why) in table {
            let content = format!("{fields}\r\n");
            let wish = Message::parse(content.as_bytes()).receipt_wish();
            let found = wish.map(|wish| (wish.must_ask, wish.required_options.join(" ")));
            let expected = expected.map(|(must_ask, options)| (must_ask, options.to_owned()));
            assert_eq!(found, expected, "{why}");
        }
    }
}
