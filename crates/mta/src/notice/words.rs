//! What a notice says to people, in plain words first.
//!
//! Standards: RFC 3464 §1.1 (the first part is for people), RFC 3463 §3 (codes).
//! Not here: the part for programs (crate `message`).

use std::fmt::Write;

use envelope::EnhancedStatus;

use super::{Fate, Kind, Original};
use crate::{Mta, trace};

/// The subject: what happened, and to whom if that is one.
pub(super) fn subject(kind: Kind, fates: &[Fate]) -> String {
    let what = match kind {
        Kind::Failure | Kind::Expired => "Not delivered",
        Kind::Delay => "Delayed",
        Kind::Success => "Delivered",
        Kind::Relayed | Kind::Expanded => "Handed on",
    };
    match fates {
        [only] => format!("{what}: your message to {}", only.recipient.address),
        many => format!("{what}: your message to {} recipients", many.len()),
    }
}

/// The text for people.
pub(super) fn text(kind: Kind, mta: &Mta, original: &Original<'_>, fates: &[Fate]) -> String {
    let days = mta.config.queue.expire.as_secs().div_ceil(24 * 60 * 60);
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = match kind {
        Kind::Failure => writeln!(text, "Your message could not be delivered to:"),
        Kind::Expired => writeln!(
            text,
            "After {days} days of trying we gave up. Your message was not delivered to:"
        ),
        Kind::Delay => writeln!(
            text,
            "Your message is late. You need not do anything: we go on trying. It waits for:"
        ),
        Kind::Success => writeln!(text, "Your message is in the mailbox of:"),
        Kind::Relayed => writeln!(
            text,
            "Your message was handed to the next server, which will not tell us more, for:"
        ),
        Kind::Expanded => writeln!(
            text,
            "Your message was handed on to all addresses of the list, each on its own, for:"
        ),
    };
    for fate in fates {
        recipient(&mut text, kind, fate);
    }
    let _ = writeln!(
        text,
        "\nWe took the message on {} as {}.\nThis notice was written by the mail server {}.",
        trace::date(original.accepted_at),
        original.id,
        mta.config.hostname
    );
    text
}

fn recipient(text: &mut String, kind: Kind, fate: &Fate) {
    let address = &fate.recipient.address;
    let _ = writeln!(text, "\n  {address}");
    if let Some(original) = &fate.recipient.original
        && original.address() != address.to_string()
    {
        let _ = writeln!(text, "  (you wrote to {})", original.address());
    }
    if matches!(kind, Kind::Failure | Kind::Expired | Kind::Delay) {
        let _ = writeln!(text, "    {}", plain(fate));
        match (&fate.reply, &fate.host) {
            (Some(reply), Some(host)) => {
                let status = reply.status.map(|status| format!("{status} ")).unwrap_or_default();
                let words = reply.text.replace('\n', "\n      ");
                let _ = writeln!(text, "    {host} said: {} {status}{words}", reply.code);
            }
            _ => {
                let _ = writeln!(text, "    {}", fate.text);
            }
        }
    }
    if let Some(until) = fate.will_retry_until {
        let _ = writeln!(text, "    We go on trying until {}.", trace::date(until));
    }
}

/// The reason in plain words; each says what it means for the sender.
fn plain(fate: &Fate) -> String {
    let domain = fate.recipient.address.domain();
    let code = |status: EnhancedStatus| (status.subject(), status.detail());
    match code(fate.status) {
        (1, 1 | 6) => format!("This address does not exist at {domain}."),
        (1, 2 | 10) => format!("{domain} does not exist or does not receive mail."),
        (2, 1) => "The mailbox is switched off.".to_owned(),
        (2, 2) => "The mailbox is full.".to_owned(),
        (2 | 3, 3 | 4) => "The message is larger than they allow.".to_owned(),
        (4, 1 | 2) => format!("We could not reach the mail server of {domain}."),
        (4, 3) => format!("The mail server of {domain} could not be looked up."),
        (4, 4 | 6) => format!("There is no usable way to the mail server of {domain}."),
        (7, 5 | 4 | 10) => "A safe connection could not be made.".to_owned(),
        (7, 1) if fate.status.is_temporary() => {
            "Their server asks everybody new to try again later. This is normal.".to_owned()
        }
        (7, _) => "Their server refuses the message for a reason of policy.".to_owned(),
        _ if fate.status.is_temporary() => "Their server cannot take it right now.".to_owned(),
        _ => "Their server refused it.".to_owned(),
    }
}
