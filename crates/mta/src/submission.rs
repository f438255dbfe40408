//! Authors' mail: may they use this From, and what does their header lack?
//!
//! Every octet of the header stays as it is, but for what is added or taken out here.
//!
//! Standards: RFC 6409 §6.1 (who may send as whom), §8 (Date, Message-ID), RFC 5322 §3.6.3
//! (Bcc must not be seen by others).
//! Not here: the envelope's sender (`reception`), signatures.

use directory::Login;
use envelope::{Address, EnhancedStatus};
use message::header::HeaderSection;
use smtp::Reply;
use store::{SubmissionId, UnixMillis};

use crate::{Mta, trace};

/// Fields that no recipient may see, or that only the last MTA writes (RFC 5321 §4.4).
const TAKEN_OUT: [&str; 3] = ["Bcc", "Resent-Bcc", "Return-Path"];

/// The header as it goes on, and what was changed about it.
///
/// # Errors
///
/// The reply for the author, when From is missing or names somebody else.
pub(crate) fn complete(
    mta: &Mta,
    login: &Login,
    head: &[u8],
    at: UnixMillis,
    id: SubmissionId,
) -> Result<(Vec<u8>, Vec<String>), Reply> {
    let section = HeaderSection::parse(head);
    check_form(&section, head)?;
    check_authors(mta, login, &section)?;
    let header = section.header();
    let mut changes: Vec<_> = TAKEN_OUT
        .iter()
        .filter(|name| header.count(name) > 0)
        .map(|name| format!("took out {name}"))
        .collect();
    let mut below = String::new();
    if header.count("Date") == 0 {
        below.push_str(&format!("Date: {}\r\n", trace::date(at)));
        changes.push("added Date".to_owned());
    }
    if header.count("Message-ID") == 0 {
        below.push_str(&format!("Message-ID: <{id}@{}>\r\n", mta.config.hostname));
        changes.push("added Message-ID".to_owned());
    }
    if changes.is_empty() {
        return Ok((head.to_vec(), changes));
    }
    Ok((section.rewritten("", &TAKEN_OUT, &below), changes))
}

/// All of it must be fields. What stands behind a line that is none would be body to us, but
/// header to readers that are more patient: a second From could hide there.
fn check_form(section: &HeaderSection<'_>, head: &[u8]) -> Result<(), Reply> {
    let rest = head.get(section.end()..).unwrap_or_default();
    if rest.is_empty() {
        return Ok(());
    }
    let line: Vec<_> = rest.iter().copied().take_while(|octet| *octet != b'\r').take(60).collect();
    let text = format!(
        "The header has a line that is no field: {:?}; an empty line ends the header",
        String::from_utf8_lossy(&line)
    );
    Err(Reply::new(550, EnhancedStatus::new(5, 6, 0), text))
}

/// Every author named in From, and the Sender, must be the one who logged in.
fn check_authors(mta: &Mta, login: &Login, section: &HeaderSection<'_>) -> Result<(), Reply> {
    let refused = |status, text| Err(Reply::new(550, status, text));
    match section.header().count("From") {
        0 => {
            let text = "The message has no From field; add one with your address";
            return refused(EnhancedStatus::new(5, 6, 0), text.to_owned());
        }
        1 => {}
        _ => {
            let text = "The message has more than one From field; only one may stand there";
            return refused(EnhancedStatus::new(5, 6, 0), text.to_owned());
        }
    }
    let header = section.header();
    if header.count("Sender") > 1 {
        let text = "The message has more than one Sender field; only one may stand there";
        return refused(EnhancedStatus::new(5, 6, 0), text.to_owned());
    }
    let (from, sender) = (header.from(), header.sender());
    let mut named = from.mailboxes().chain(sender.mailboxes()).peekable();
    if named.peek().is_none() {
        let text = "The From field names nobody; add your address";
        return refused(EnhancedStatus::new(5, 6, 0), text.to_owned());
    }
    for mailbox in named {
        let allowed = Address::parse(&mailbox.address)
            .is_ok_and(|address| mta.world.directory.may_send_as(login.account, &address));
        if !allowed {
            let text = format!(
                "Not allowed to send as {}: you are logged in as {}",
                mailbox.address, login.address
            );
            return refused(EnhancedStatus::new(5, 7, 1), text);
        }
    }
    Ok(())
}
