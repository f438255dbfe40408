//! What a notice says to people, in plain words first.
//!
//! Standards: RFC 3464 §1.1 (the first part is for people).
//! Not here: the sentences (`catalogue`), the part for programs (crate `message`).

use super::catalogue::{Key, Language};
use super::{Fate, Kind, Original};
use crate::{Mta, trace};

/// The subject: what happened, and to whom if that is one.
pub(super) fn subject(language: Language, kind: Kind, fates: &[Fate]) -> String {
    let what = match kind {
        Kind::Failure | Kind::Expired | Kind::Cancelled => Key::SubjectNotDelivered,
        Kind::Delay => Key::SubjectDelayed,
        Kind::Success => Key::SubjectDelivered,
        Kind::Relayed | Kind::Expanded => Key::SubjectHandedOn,
    };
    let whom = match fates {
        [only] => language.say(Key::ToOne, &[("address", &only.recipient.address.to_string())]),
        many => language.say(Key::ToMany, &[("count", &many.len().to_string())]),
    };
    language.say(what, &[("whom", &whom)])
}

/// The text for people.
pub(super) fn text(mta: &Mta, original: &Original<'_>, fates: &[Fate]) -> String {
    let language = mta.config.language;
    let days = mta.config.queue.expire.as_secs().div_ceil(24 * 60 * 60).to_string();
    let mut lines = Vec::new();
    let mut told: Vec<Kind> = Vec::new();
    for kind in fates.iter().map(|fate| fate.kind) {
        if told.contains(&kind) {
            continue;
        }
        if !told.is_empty() {
            lines.push(String::new());
        }
        told.push(kind);
        lines.push(language.say(first(kind), &[("days", &days)]));
        for fate in fates.iter().filter(|fate| fate.kind == kind) {
            recipient(&mut lines, language, kind, fate);
        }
    }
    let time = trace::date(original.accepted_at).to_string();
    let id = original.id.to_string();
    lines.push(String::new());
    lines.push(language.say(Key::TakenOn, &[("time", &time), ("id", &id)]));
    lines.push(language.say(Key::WrittenBy, &[("host", mta.config.hostname.as_str())]));
    lines.push(String::new());
    lines.join("\n")
}

/// The sentence above the recipients of a kind.
fn first(kind: Kind) -> Key {
    match kind {
        Kind::Failure => Key::Failed,
        Kind::Expired => Key::Expired,
        Kind::Cancelled => Key::Cancelled,
        Kind::Delay => Key::Late,
        Kind::Success => Key::Delivered,
        Kind::Relayed => Key::Relayed,
        Kind::Expanded => Key::Expanded,
    }
}

fn recipient(lines: &mut Vec<String>, language: Language, kind: Kind, fate: &Fate) {
    let address = fate.recipient.address.to_string();
    lines.push(String::new());
    lines.push(format!("  {address}"));
    if let Some(original) = &fate.recipient.original
        && original.address() != address
    {
        let written = language.say(Key::WrittenTo, &[("address", original.address())]);
        lines.push(format!("  {written}"));
    }
    if matches!(kind, Kind::Failure | Kind::Expired | Kind::Delay) {
        let domain = fate.recipient.address.domain().to_string();
        let key = Key::of_reason(fate.status, fate.reply.as_ref());
        lines.push(format!("    {}", language.say(key, &[("domain", &domain)])));
        match (&fate.reply, &fate.host) {
            (Some(reply), Some(host)) => {
                let status = reply.status.map(|status| format!("{status} ")).unwrap_or_default();
                let words = reply.text.replace('\n', "\n      ");
                let reply = format!("{} {status}{words}", reply.code);
                let said = language.say(Key::Said, &[("host", host), ("reply", &reply)]);
                lines.push(format!("    {said}"));
            }
            _ => lines.push(format!("    {}", fate.text)),
        }
    }
    if let Some(until) = fate.will_retry_until {
        let time = trace::date(until).to_string();
        lines.push(format!("    {}", language.say(Key::Until, &[("time", &time)])));
    }
}
