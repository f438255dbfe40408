//! The sentences of notices: a key for each, and its words in each language.
//!
//! A language is one function from keys to templates; one that lacks a sentence does not compile.
//! `{name}` in a template stands for a value, which is put in as it is and never looked at again.
//!
//! Standards: RFC 3464 §1.1 (the first part is for people), RFC 3463 §3 (what the codes mean).
//! Not here: which sentences a notice has (`words`).

use std::borrow::Cow;
use std::str::FromStr;

use envelope::EnhancedStatus;
use store::RemoteReply;

/// In which language notices are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Its tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// A sentence with its values.
    pub(super) fn say(self, key: Key, values: &[(&str, &str)]) -> String {
        let template = match self {
            Self::English => english(key),
            Self::German => german(key),
        };
        fill(template, values)
    }
}

/// There are no notices in this language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a language of notices: en or de")]
pub struct UnknownLanguage;

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(tag: &str) -> Result<Self, UnknownLanguage> {
        let found = Self::ALL.into_iter().find(|known| known.tag().eq_ignore_ascii_case(tag));
        found.ok_or(UnknownLanguage)
    }
}

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    SubjectNotDelivered,
    SubjectDelayed,
    SubjectDelivered,
    SubjectHandedOn,
    ToOne,
    ToMany,
    Failed,
    Expired,
    Cancelled,
    Late,
    Delivered,
    Relayed,
    Expanded,
    WrittenTo,
    Said,
    Until,
    TakenOn,
    WrittenBy,
    NoSuchAddress,
    NoSuchDomain,
    NoMailDomain,
    SwitchedOff,
    MailboxFull,
    TooLarge,
    Unreachable,
    NotLookedUp,
    NoWay,
    NotSafe,
    NotSafeAllTheWay,
    Greylisted,
    SlowedDown,
    BlockList,
    NotVerified,
    Policy,
    Suppressed,
    NoOtherLetters,
    NotInTime,
    NotCapable,
    NotNow,
    Refused,
}

impl Key {
    #[cfg(test)]
    pub(super) const ALL: [Self; 40] = [
        Self::SubjectNotDelivered,
        Self::SubjectDelayed,
        Self::SubjectDelivered,
        Self::SubjectHandedOn,
        Self::ToOne,
        Self::ToMany,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
        Self::Late,
        Self::Delivered,
        Self::Relayed,
        Self::Expanded,
        Self::WrittenTo,
        Self::Said,
        Self::Until,
        Self::TakenOn,
        Self::WrittenBy,
        Self::NoSuchAddress,
        Self::NoSuchDomain,
        Self::NoMailDomain,
        Self::SwitchedOff,
        Self::MailboxFull,
        Self::TooLarge,
        Self::Unreachable,
        Self::NotLookedUp,
        Self::NoWay,
        Self::NotSafe,
        Self::NotSafeAllTheWay,
        Self::Greylisted,
        Self::SlowedDown,
        Self::BlockList,
        Self::NotVerified,
        Self::Policy,
        Self::Suppressed,
        Self::NoOtherLetters,
        Self::NotInTime,
        Self::NotCapable,
        Self::NotNow,
        Self::Refused,
    ];

    /// The sentence for a reason that is given as a code and, perhaps, a server's words.
    pub(super) fn of_reason(status: EnhancedStatus, reply: Option<&RemoteReply>) -> Self {
        let temporary = status.is_temporary();
        let code = reply.map(|reply| reply.code);
        match (status.subject(), status.detail()) {
            (1, 1 | 6) => Self::NoSuchAddress,
            (1, 2) => Self::NoSuchDomain,
            (1, 10) => Self::NoMailDomain, // RFC 7505 §4.2
            (2, 1) => Self::SwitchedOff,
            (2, 2) => Self::MailboxFull,
            (2, 3) | (3, 4) => Self::TooLarge,
            (4, 1 | 2) => Self::Unreachable,
            (4, 3) => Self::NotLookedUp,
            (4, 4 | 6) => Self::NoWay,
            (4, 7) => Self::NotInTime, // RFC 2852 §4.1.3
            (3, 3) => Self::NotCapable,
            (6, 7) | (1, 9) => Self::NoOtherLetters, // RFC 6531 §3.5
            (7, 4 | 5 | 10) => Self::NotSafe,
            (7, 30) => Self::NotSafeAllTheWay, // REQUIRETLS
            (7, 20..=26) => Self::NotVerified, // RFC 7372 §3
            (7, 0 | 28) if temporary => Self::SlowedDown,
            _ if temporary && code == Some(421) => Self::SlowedDown,
            (7, 1) if temporary => Self::Greylisted,
            (7, 1) if reply.is_none() => Self::Suppressed,
            (7, _) if reply.is_some_and(names_block_list) => Self::BlockList,
            (7, _) => Self::Policy,
            _ if temporary => Self::NotNow,
            _ => Self::Refused,
        }
    }
}

fn names_block_list(reply: &RemoteReply) -> bool {
    const WORDS: [&str; 6] = ["rbl", "dnsbl", "blocklist", "block list", "blacklist", "spamhaus"];
    let text = reply.text.to_ascii_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

fn english(key: Key) -> &'static str {
    match key {
        Key::SubjectNotDelivered => "Not delivered: your message to {whom}",
        Key::SubjectDelayed => "Delayed: your message to {whom}",
        Key::SubjectDelivered => "Delivered: your message to {whom}",
        Key::SubjectHandedOn => "Handed on: your message to {whom}",
        Key::ToOne => "{address}",
        Key::ToMany => "{count} recipients",
        Key::Failed => "Your message could not be delivered to:",
        Key::Expired => {
            "After {days} days of trying we gave up. Your message was not delivered to:"
        }
        Key::Cancelled => {
            "The operator of our mail server took your message back. It was not delivered to:"
        }
        Key::Late => {
            "Your message is late. You need not do anything: we go on trying. It waits for:"
        }
        Key::Delivered => "Your message is in the mailbox of:",
        Key::Relayed => {
            "Your message was handed to the next server, which will not tell us more, for:"
        }
        Key::Expanded => {
            "Your message was handed on to all addresses of the list, each on its own, for:"
        }
        Key::WrittenTo => "(you wrote to {address})",
        Key::Said => "{host} said: {reply}",
        Key::Until => "We go on trying until {time}.",
        Key::TakenOn => "We took the message on {time} as {id}.",
        Key::WrittenBy => "This notice was written by the mail server {host}.",
        Key::NoSuchAddress => "This address does not exist at {domain}.",
        Key::NoSuchDomain => "{domain} does not exist or does not receive mail.",
        Key::NoMailDomain => "{domain} does not receive mail.",
        Key::SwitchedOff => "The mailbox is switched off.",
        Key::MailboxFull => "The mailbox is full.",
        Key::TooLarge => "The message is larger than they allow.",
        Key::Unreachable => "We could not reach the mail server of {domain}.",
        Key::NotLookedUp => "The mail server of {domain} could not be looked up.",
        Key::NoWay => "There is no usable way to the mail server of {domain}.",
        Key::NotSafe => "A safe connection could not be made, so we did not send.",
        Key::NotSafeAllTheWay => {
            "You asked for encryption all the way, and the server of {domain} cannot do that."
        }
        Key::Greylisted => "Their server asks everybody new to try again later. This is normal.",
        Key::SlowedDown => "Their server is slowing us down.",
        Key::BlockList => "They refuse mail from our server, because a block list names it.",
        Key::NotVerified => "They could not verify that we may send for your domain.",
        Key::Policy => "Their server refuses the message for a reason of policy.",
        Key::Suppressed => "Our own mail server sends nothing to this address.",
        Key::NoOtherLetters => {
            "The mail server of {domain} cannot handle addresses with non-Latin letters."
        }
        Key::NotInTime => "It could not be delivered in time.",
        Key::NotCapable => "The mail server of {domain} cannot do what you asked for.",
        Key::NotNow => "Their server cannot take it right now.",
        Key::Refused => "Their server refused it.",
    }
}

fn german(key: Key) -> &'static str {
    match key {
        Key::SubjectNotDelivered => "Nicht zugestellt: Ihre Nachricht an {whom}",
        Key::SubjectDelayed => "Verspätet: Ihre Nachricht an {whom}",
        Key::SubjectDelivered => "Zugestellt: Ihre Nachricht an {whom}",
        Key::SubjectHandedOn => "Weitergegeben: Ihre Nachricht an {whom}",
        Key::ToOne => "{address}",
        Key::ToMany => "{count} Empfänger",
        Key::Failed => "Ihre Nachricht konnte nicht zugestellt werden an:",
        Key::Expired => {
            "Nach {days} Tagen haben wir aufgegeben. Ihre Nachricht wurde nicht zugestellt an:"
        }
        Key::Cancelled => {
            "Der Betreiber unseres Mailservers hat Ihre Nachricht zurückgezogen. Sie wurde nicht \
             zugestellt an:"
        }
        Key::Late => {
            "Ihre Nachricht verspätet sich. Sie müssen nichts tun: wir versuchen es weiter. \
             Sie wartet auf:"
        }
        Key::Delivered => "Ihre Nachricht liegt im Postfach von:",
        Key::Relayed => {
            "Ihre Nachricht wurde an den nächsten Server übergeben, der uns nichts weiter \
             melden wird, für:"
        }
        Key::Expanded => {
            "Ihre Nachricht wurde an alle Adressen der Liste einzeln weitergegeben, für:"
        }
        Key::WrittenTo => "(Sie schrieben an {address})",
        Key::Said => "{host} antwortete: {reply}",
        Key::Until => "Wir versuchen es weiter bis {time}.",
        Key::TakenOn => "Wir haben die Nachricht am {time} als {id} angenommen.",
        Key::WrittenBy => "Diese Mitteilung schrieb der Mailserver {host}.",
        Key::NoSuchAddress => "Diese Adresse gibt es bei {domain} nicht.",
        Key::NoSuchDomain => "{domain} gibt es nicht, oder es empfängt keine Mail.",
        Key::NoMailDomain => "{domain} empfängt keine Mail.",
        Key::SwitchedOff => "Das Postfach ist abgeschaltet.",
        Key::MailboxFull => "Das Postfach ist voll.",
        Key::TooLarge => "Die Nachricht ist größer, als dort erlaubt ist.",
        Key::Unreachable => "Wir konnten den Mailserver von {domain} nicht erreichen.",
        Key::NotLookedUp => "Der Mailserver von {domain} konnte nicht ermittelt werden.",
        Key::NoWay => "Es gibt keinen brauchbaren Weg zum Mailserver von {domain}.",
        Key::NotSafe => {
            "Eine sichere Verbindung kam nicht zustande, deshalb haben wir nicht gesendet."
        }
        Key::NotSafeAllTheWay => {
            "Sie wünschten Verschlüsselung auf dem ganzen Weg, und der Server von {domain} \
             kann das nicht."
        }
        Key::Greylisted => {
            "Der Server dort bittet alle Neuen, es später noch einmal zu versuchen. Das ist \
             normal."
        }
        Key::SlowedDown => "Der Server dort bremst uns.",
        Key::BlockList => {
            "Dort wird Mail von unserem Server abgelehnt, weil er auf einer Sperrliste steht."
        }
        Key::NotVerified => {
            "Dort konnte nicht geprüft werden, ob wir für Ihre Domain senden dürfen."
        }
        Key::Policy => "Der Server dort lehnt die Nachricht nach seinen Regeln ab.",
        Key::Suppressed => "Unser eigener Mailserver sendet nichts an diese Adresse.",
        Key::NoOtherLetters => {
            "Der Mailserver von {domain} kann mit Adressen in nicht lateinischer Schrift nicht \
             umgehen."
        }
        Key::NotInTime => "Sie konnte nicht rechtzeitig zugestellt werden.",
        Key::NotCapable => "Der Mailserver von {domain} kann nicht, was Sie wünschten.",
        Key::NotNow => "Der Server dort kann sie gerade nicht annehmen.",
        Key::Refused => "Der Server dort hat sie abgelehnt.",
    }
}

/// Puts values where their names stand in braces, in one pass. What has no value stays.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut pieces = template.split('{');
    filled.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once('}').unwrap_or((piece, ""));
        let value = values.iter().find(|(known, _)| *known == name);
        filled.push_str(
            &value.map_or_else(
                || Cow::Owned(format!("{{{name}}}")),
                |(_, value)| Cow::Borrowed(*value),
            ),
        );
        filled.push_str(rest);
    }
    filled
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(template: &str) -> BTreeSet<&str> {
        template.split('{').skip(1).filter_map(|piece| piece.split_once('}')).map(|p| p.0).collect()
    }

    #[test]
    fn each_language_says_the_same() {
        let mut seen = BTreeSet::new();
        for key in Key::ALL {
            assert_eq!(names(english(key)), names(german(key)), "the values of {key:?}");
            assert!(!german(key).is_empty() && !english(key).is_empty(), "{key:?}");
            assert!(seen.insert(english(key)), "{key:?} is not two sentences");
        }
    }

    #[test]
    fn values_are_put_in_as_they_are() {
        #[rustfmt::skip]
        let rows = [
            ("{a} and {b}", "x and y", "two values"),
            ("no value", "no value", "none"),
            ("{c}", "{c}", "an unknown name stays"),
            ("{a", "x", "an open brace does no harm"),
            ("}{a}}", "}x}", "a stray one neither"),
        ];
        for (template, wanted, why) in rows {
            assert_eq!(fill(template, &[("a", "x"), ("b", "y")]), wanted, "{why}");
        }
        assert_eq!(fill("{a}{b}", &[("a", "{b}"), ("b", "y")]), "{b}y", "a value is no template");
    }

    #[test]
    fn each_code_has_its_sentence() {
        let said = |code, text: &str| RemoteReply { code, status: None, text: text.to_owned() };
        #[rustfmt::skip]
        let rows = [
            ((5, 1, 1), None, Key::NoSuchAddress, "RFC 3463 §3.2: bad destination mailbox"),
            ((5, 1, 6), None, Key::NoSuchAddress, "RFC 3463 §3.2: the mailbox has moved"),
            ((5, 1, 2), None, Key::NoSuchDomain, "RFC 3463 §3.2: bad destination system"),
            ((5, 1, 10), None, Key::NoMailDomain, "RFC 7505 §4.2: null MX"),
            ((4, 2, 2), None, Key::MailboxFull, "RFC 3463 §3.3: mailbox full"),
            ((5, 2, 3), None, Key::TooLarge, "RFC 3463 §3.3: message length"),
            ((5, 3, 4), None, Key::TooLarge, "RFC 3463 §3.4: message too big"),
            ((5, 2, 4), None, Key::Refused, "RFC 3463 §3.3: list expansion is not about size"),
            ((4, 4, 1), None, Key::Unreachable, "RFC 3463 §3.5: no answer from host"),
            ((4, 7, 1), Some(said(450, "later")), Key::Greylisted, "RFC 6647 §5: greylisting"),
            ((4, 7, 1), Some(said(421, "too fast")), Key::SlowedDown, "RFC 5321 §3.8: 421"),
            ((4, 7, 28), Some(said(450, "")), Key::SlowedDown, "mail flood"),
            ((5, 7, 1), Some(said(550, "Spamhaus says no")), Key::BlockList, "names a list"),
            ((5, 7, 1), Some(said(550, "no")), Key::Policy, "RFC 3463 §3.8: not authorized"),
            ((5, 7, 1), None, Key::Suppressed, "no server was asked: our own decision"),
            ((5, 7, 26), Some(said(550, "")), Key::NotVerified, "RFC 7372 §3.3"),
            ((5, 6, 7), None, Key::NoOtherLetters, "RFC 6531 §3.5"),
            ((5, 4, 7), None, Key::NotInTime, "RFC 2852 §4.1.3: delivery time expired"),
            ((4, 4, 7), None, Key::NotInTime, "RFC 2852 §4.1.3: delivery time expired"),
            ((5, 3, 3), None, Key::NotCapable, "RFC 3463 §3.4: not capable"),
            ((5, 7, 30), None, Key::NotSafeAllTheWay, "X.7.30: REQUIRETLS support required"),
            ((4, 3, 0), Some(said(451, "")), Key::NotNow, "anything temporary"),
            ((5, 0, 0), None, Key::Refused, "anything else"),
        ];
        for ((class, subject, detail), reply, wanted, why) in rows {
            let status = EnhancedStatus::new(class, subject, detail);
            assert_eq!(Key::of_reason(status, reply.as_ref()), wanted, "{why}");
        }
    }

    #[test]
    fn languages_have_their_tags() {
        for language in Language::ALL {
            assert_eq!(language.tag().parse(), Ok(language));
        }
        assert_eq!("DE".parse(), Ok(Language::German), "case does not matter");
        assert_eq!("fr".parse::<Language>(), Err(UnknownLanguage));
    }
}
