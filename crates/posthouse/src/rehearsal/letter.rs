//! The letters: what is written, and whether the same arrived.
//!
//! Standards: RFC 5322 (message format), RFC 2045 (MIME), RFC 5321 §4.4 (trace fields).
//! Not here: sending and fetching.

use message::{AddressList, Addressee, Attachment, DateTime, Draft, Mailbox, Message, MessageId};
use platform::{Clock, Random, SystemClock, SystemRandom};

use crate::failure::Failure;

/// A letter to be written.
#[derive(Debug)]
pub(super) struct Letter {
    /// Its author's name.
    author: &'static str,
    /// Its addressee's name.
    addressee: &'static str,
    /// Its subject.
    pub(super) subject: &'static str,
    /// Its text.
    text: &'static str,
    /// The name of its attachment.
    file_name: &'static str,
}

/// One each way. Lines that begin with dots and `From ` are what bad software trips over.
pub(super) const LETTERS: [Letter; 2] = [
    Letter {
        author: "Änne Grünwald",
        addressee: "Борис Hafen",
        subject: "Grüße von der Burg 🏰 — 城からの手紙",
        text: "Lieber Борис,\n\nGrüße aus der Burg! Сегодня идёт снег.\n城の庭は静かです。 안녕하세요?\n\
               مرحبا وشكرا. שלום! Χαίρετε. नमस्ते 🙂\n\n.\n..und eine Zeile mit zwei Punkten\n\
               From here on, all is well.\n\nAnbei das Wappen.\n-- \nÄnne\n",
        file_name: "Wappen – герб – 紋章.bin",
    },
    Letter {
        author: "Борис Hafen",
        addressee: "Änne Grünwald",
        subject: "Re: Ответ из гавани ⚓ 返信",
        text: "Дорогая Änne,\n\nспасибо за письмо! Vielen Dank für das Wappen.\n港は晴れています。\n\
               Ahoj, přístav je plný lodí; ευχαριστώ, תודה, شكرا.\n\nв приложении карта гавани.\n",
        file_name: "Карта гавани.bin",
    },
];

/// Octets of an attachment: every value many times, in no order that compresses or looks like
/// text.
fn attachment() -> Vec<u8> {
    const OCTETS: usize = 5000;
    let mut octets = vec![0; OCTETS];
    SystemRandom.fill(&mut octets);
    octets.extend(0..=u8::MAX);
    octets
}

/// A letter that is ready to be sent.
#[derive(Debug)]
pub(super) struct Written {
    /// All of it.
    pub(super) content: Vec<u8>,
    /// Its Message-ID, without brackets.
    pub(super) message_id: String,
    text: &'static str,
    file_name: &'static str,
    attachment: Vec<u8>,
}

impl Letter {
    /// Writes it.
    pub(super) fn write(&self, from: &str, to: &str) -> Result<Written, Failure> {
        let now = DateTime::from_unix(SystemClock.now().seconds());
        let domain = from.rsplit_once('@').map_or(from, |(_, domain)| domain);
        let message_id = MessageId::new(now, SystemRandom.u64(), domain);
        let octets = attachment();
        let draft = Draft {
            from: one(self.author, from),
            to: one(self.addressee, to),
            subject: self.subject.to_owned(),
            date: Some(now),
            message_id: Some(message_id.clone()),
            text: Some(self.text.to_owned()),
            attachments: vec![Attachment {
                name: self.file_name.to_owned(),
                content_type: "application/octet-stream".to_owned(),
                octets: octets.clone(),
                content_id: None,
            }],
            ..Draft::default()
        };
        let sealed = draft
            .seal(&mut || SystemRandom.u64())
            .map_err(|error| Failure::new(format!("the letter cannot be written: {error}")))?;
        Ok(Written {
            content: sealed.into_octets(),
            message_id: message_id.as_str().to_owned(),
            text: self.text,
            file_name: self.file_name,
            attachment: octets,
        })
    }
}

fn one(name: &str, address: &str) -> AddressList {
    AddressList(vec![Addressee::Mailbox(Mailbox::named(name, address))])
}

/// One thing that was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// What.
    pub(super) what: String,
    /// Whether it is as it should be.
    pub(super) good: bool,
}

impl Written {
    /// What it is made of, a line for each leaf.
    pub(super) fn parts(&self) -> Vec<String> {
        let message = Message::parse(&self.content);
        let leaves = message.parts().filter(|part| part.parts().next().is_none());
        leaves
            .map(|part| {
                let name = part.declared_file_name().map(|name| format!(" {name:?}"));
                let charset = part.content_type().charset().map(|charset| format!(", {charset}"));
                format!(
                    "{}{}, {}, {} octets{}",
                    part.content_type(),
                    charset.unwrap_or_default(),
                    part.transfer_encoding().as_str(),
                    part.decoded().len(),
                    name.unwrap_or_default(),
                )
            })
            .collect()
    }

    /// Whether what was fetched is this letter, octet for octet, below trace fields.
    pub(super) fn compare(&self, fetched: &[u8]) -> Vec<Check> {
        let message = Message::parse(fetched);
        let added = fetched.strip_suffix(self.content.as_slice());
        let names = added.map(names_of);
        let only_trace =
            names.as_ref().is_some_and(|names| names.iter().all(|name| is_trace(name)));
        let attachments = message.attachments();
        let attachment = attachments.first();
        let text = self.text;
        vec![
            Check {
                what: match &names {
                    Some(names) => {
                        format!("only trace fields are added above: {}", names.join(", "))
                    }
                    None => "the end of it is not what was submitted".to_owned(),
                },
                good: only_trace,
            },
            Check {
                what: format!(
                    "all {} octets as submitted, each field and the body",
                    self.content.len()
                ),
                good: added.is_some(),
            },
            Check {
                what: format!("the text in Unicode, {} characters", text.chars().count()),
                good: message.text_to_show().trim_end() == text.trim_end(),
            },
            Check {
                what: format!(
                    "the attachment {:?}, {} octets",
                    self.file_name,
                    self.attachment.len()
                ),
                good: attachment.is_some_and(|part| {
                    *part.decoded() == *self.attachment
                        && part.declared_file_name().as_deref() == Some(self.file_name)
                }),
            },
        ]
    }
}

/// The names of the fields of a header.
fn names_of(header: &[u8]) -> Vec<String> {
    let message = Message::parse(header);
    message.header().fields().map(|field| field.name().to_owned()).collect()
}

/// What servers add on the way (RFC 5321 §4.4).
fn is_trace(name: &str) -> bool {
    ["Return-Path", "Delivered-To", "Received"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(written: &Written, fetched: &[u8]) -> Vec<bool> {
        written.compare(fetched).into_iter().map(|check| check.good).collect()
    }

    #[test]
    fn any_change_is_noticed() {
        let written = LETTERS[0].write("anna@castle.example", "bob@harbour.example").expect("good");
        let with = |head: &str, content: &[u8]| [head.as_bytes(), content].concat();
        let trace = "Return-Path: <a@b>\r\nReceived: from c\r\n by d; now\r\n";
        assert_eq!(verdict(&written, &with(trace, &written.content)), [true; 4]);
        assert_eq!(verdict(&written, &written.content), [true; 4], "nothing added");

        let added = with("X-Scanned: yes\r\n", &written.content);
        assert_eq!(verdict(&written, &added), [false, true, true, true], "a foreign field");
        let mut flipped = written.content.clone();
        let middle = flipped.len() - 2000;
        flipped[middle] ^= 1;
        assert!(!verdict(&written, &flipped)[1], "one bit");
        let cut = &written.content[..written.content.len() / 2];
        assert!(!verdict(&written, cut)[1], "half of it");
    }
}
