//! The way of a message: who handed it to whom, and where notices go.
//!
//! Standards: RFC 5322 §3.6.7 and RFC 5321 §4.4 (Return-Path, Received).
//! Not here: whom to believe: a field is only as true as the host that wrote it.

use std::net::IpAddr;

use memchr::memrchr;

use crate::address::AddressList;
use crate::charset::decode_unlabelled;
use crate::date::DateTime;
use crate::header::{Field, Header};
use crate::lexer::{Lexer, Syntax, Token};

/// Received fields that are read: ten times what a message has that does not loop.
pub const RECEIVED_MAX: usize = 1_000;
/// Words looked at in one field.
const WORDS_MAX: usize = 200;

/// One step of the way.
///
/// ```
/// let content = b"Received: from mail.example.net (mail.example.net [192.0.2.7])\r\n\
///     \tby mx.example.org with ESMTPS id 01ABC for <ada@example.org>;\r\n\
///     \tFri, 21 Nov 1997 10:01:22 -0600\r\n\r\n";
/// let message = message::Message::parse(content);
/// let step = &message.header().received()[0];
/// assert_eq!(step.from.as_deref(), Some("mail.example.net"));
/// assert_eq!(step.address, Some("192.0.2.7".parse().unwrap()));
/// assert_eq!((step.by.as_deref(), step.with.as_deref()), (Some("mx.example.org"), Some("ESMTPS")));
/// assert_eq!(step.recipient.as_deref(), Some("ada@example.org"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// What the sending host called itself.
    pub from: Option<String>,
    /// Its address, as the receiving host saw it.
    pub address: Option<IpAddr>,
    /// The host that received the message and wrote the field.
    pub by: Option<String>,
    /// The link between them, where that is no TCP.
    pub via: Option<String>,
    /// The protocol: `ESMTP`, `ESMTPSA`, `LMTP` ….
    pub with: Option<String>,
    /// What the receiving host called the message.
    pub id: Option<String>,
    /// For whom it was.
    pub recipient: Option<String>,
    /// When.
    pub date: Option<DateTime>,
}

impl Received {
    fn read(field: &Field<'_>) -> Self {
        let value = field.raw_value();
        let end = memrchr(b';', value);
        let date = end.and_then(|end| DateTime::parse_octets(value.get(end + 1..)?));
        let mut received = Self { date, ..Self::default() };
        let words = words(value);
        let mut rest = words.as_slice();
        let mut is_from = false;
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            let keyword = match word {
                Word::Comment(comment) => {
                    if is_from && received.address.is_none() {
                        received.address = address(comment);
                    }
                    continue;
                }
                Word::Plain(word) => word.to_ascii_lowercase(),
            };
            let Some(Word::Plain(value)) = after.first() else { continue };
            let place = match keyword.as_str() {
                "from" => &mut received.from,
                "by" => &mut received.by,
                "via" => &mut received.via,
                "with" => &mut received.with,
                "id" => &mut received.id,
                "for" => &mut received.recipient,
                _ => continue,
            };
            is_from = keyword == "from";
            if place.is_none() {
                *place = Some(value.trim_matches(['<', '>']).to_owned());
                rest = after.get(1..).unwrap_or_default();
                if is_from {
                    received.address = address(value);
                }
            }
        }
        received
    }
}

enum Word {
    Plain(String),
    Comment(String),
}

/// Cuts a value at white space, up to its semicolon; comments are words of their own.
fn words(value: &[u8]) -> Vec<Word> {
    let lexer = Lexer::new(value, Syntax::Parameter);
    let mut words = Vec::new();
    let mut word = String::new();
    let close = |word: &mut String, words: &mut Vec<Word>| {
        if !word.is_empty() {
            words.push(Word::Plain(std::mem::take(word)));
        }
    };
    for token in lexer {
        if words.len() >= WORDS_MAX {
            break;
        }
        match token {
            Token::Space => close(&mut word, &mut words),
            Token::Comment(comment) => {
                close(&mut word, &mut words);
                words.push(Word::Comment(decode_unlabelled(comment).into_owned()));
            }
            Token::Atom(text) | Token::Quoted(text) | Token::Literal(text) => {
                word.push_str(&decode_unlabelled(text));
            }
            Token::Special(b';') => break, // the date follows
            Token::Special(sign) => word.push(char::from(sign)),
        }
    }
    close(&mut word, &mut words);
    for word in &mut words {
        let (Word::Plain(text) | Word::Comment(text)) = word;
        text.retain(|sign| !sign.is_control());
    }
    words
}

/// The address in brackets: `[192.0.2.7]`, `[IPv6:2001:db8::1]`.
fn address(text: &str) -> Option<IpAddr> {
    let (_, rest) = text.split_once('[')?;
    let (literal, _) = rest.split_once(']')?;
    let tag = literal.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    literal.get(tag.map_or(0, str::len)..)?.parse().ok()
}

impl Header<'_> {
    /// The way of the message, the last step first.
    pub fn received(&self) -> Vec<Received> {
        let fields = self.all("Received").take(RECEIVED_MAX);
        fields.map(|field| Received::read(&field)).collect()
    }

    /// The reverse-path that final delivery wrote down; empty for the null path, `None` where
    /// there is no field.
    pub fn return_path(&self) -> Option<String> {
        let list = AddressList::parse(self.field("Return-Path")?.raw_value());
        Some(list.mailboxes().next().map(|path| path.address.clone()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::RECEIVED_MAX;
    use crate::HeaderSection;

    #[test]
    fn steps_are_read_as_programs_write_them() {
        #[rustfmt::skip]
        let table = [
            ("from x.y.test by example.net via TCP with ESMTP id ABC12345 for <mary@example.net>; 21 Nov 1997 10:05:43 -0600",
             "x.y.test||example.net|TCP|ESMTP|ABC12345|mary@example.net|880128343", "RFC 5322 appendix A.4"),
            ("from a.test (b.test. [192.0.2.7]) by c.test (Postfix) with ESMTPS id 4X for <d@e>; Fri, 21 Nov 1997 10:05:43 -0600 (CST)",
             "a.test|192.0.2.7|c.test||ESMTPS|4X|d@e|880128343", "Postfix"),
            ("from [IPv6:2001:db8::1] (port=4 helo=a) by c.test (Exim 4) with esmtp (Exim 4) (envelope-from <x@y>) id 1-2-3 for d@e; 21 Nov 1997 10:05:43 -0600",
             "[IPv6:2001:db8::1]|2001:db8::1|c.test||esmtp|1-2-3|d@e|880128343", "Exim"),
            ("(qmail 123 invoked by uid 0); 21 Nov 1997 16:05:43 -0000", "|||||||880128343", "qmail: words in a comment are none"),
            ("by c.test; never", "||c.test|||||", "no date"),
            ("from by", "by|||||||", "a word that looks like another"),
            ("from a.test (unclosed [192.0.2.7] by c.test", "a.test|192.0.2.7||||||", "cut"),
            ("", "|||||||", "nothing"),
        ];
        for (value, expected, why) in table {
            let content = format!("Received: {value}\r\n\r\n");
            let section = HeaderSection::parse(content.as_bytes());
            let one = section.header().received().remove(0);
            let date = one.date.map(|date| date.unix_seconds().to_string());
            let address = one.address.map(|address| address.to_string());
            let found = [one.from, address, one.by, one.via, one.with, one.id, one.recipient, date];
            let found: Vec<_> = found.into_iter().map(Option::unwrap_or_default).collect();
            assert_eq!(found.join("|"), expected, "{why}");
        }
        let many = "Received: by x\r\n".repeat(RECEIVED_MAX + 1) + "\r\n";
        let section = HeaderSection::parse(many.as_bytes());
        assert_eq!(section.header().received().len(), RECEIVED_MAX);
    }

    #[test]
    fn the_return_path_may_be_null() {
        #[rustfmt::skip]
        let table = [
            ("Return-Path: <a@b>\r\n", Some("a@b"), "RFC 5321 §4.4"),
            ("Return-Path: <>\r\n", Some(""), "RFC 5321 §4.5.5: the null path"),
            ("Subject: x\r\n", None, "none"),
        ];
        for (fields, expected, why) in table {
            let content = format!("{fields}\r\n");
            let section = HeaderSection::parse(content.as_bytes());
            assert_eq!(section.header().return_path().as_deref(), expected, "{why}");
        }
    }

    #[test]
    fn time_is_linear() {
        for piece in ["(", "from ", "[", "; ", "a(b)", "\"", "\\"] {
            let content = format!("Received: {}\r\n\r\n", piece.repeat(100_000));
            HeaderSection::parse(content.as_bytes()).header().received();
        }
    }
}
