//! MAIL: a transaction begins.
//!
//! Standards: RFC 5321 §4.1.1.2, RFC 1870 §6 (SIZE), RFC 6152 (BODY), RFC 3461 §4.3 and §4.4
//! (RET, ENVID), RFC 4954 §5 (AUTH), RFC 6531 §3.4 (SMTPUTF8), RFC 6409 §4.3 (submission needs a login).
//! Not here: parameters that ask for more (`requests`), whether the sender is welcome (crate `mta`).

use envelope::{BodyType, EnhancedStatus, EnvelopeId, OriginalRecipient, Return, ReversePath};

use super::content::Lines;
use super::parameters::{self, Parameter};
use super::path::{self, Letters, PathError};
use super::{Event, Greeting, Kind, Question, Sender, Session, Tls};
use crate::reply::Reply;

impl Session {
    pub(super) fn mail(&mut self, argument: &str) -> Option<Event> {
        if self.greeting == Greeting::None {
            return self.out_of_order("Send EHLO first");
        }
        if self.transaction.is_some() {
            return self.out_of_order("A transaction is open already; RSET ends it");
        }
        if self.config.kind == Kind::Submission && !self.logged_in {
            let text = match self.config.tls {
                Tls::Offered if !self.offers_auth() => "Use STARTTLS and log in first",
                _ => "Log in first (AUTH)",
            };
            return self.wrong(Reply::new(530, EnhancedStatus::new(5, 7, 0), text));
        }
        match self.sender(argument) {
            Ok(sender) => {
                let letters = if sender.smtputf8 { Letters::Utf8 } else { Letters::Ascii };
                let lines = Lines::of(sender.body);
                Some(self.ask(Question::Sender(letters, lines), Event::Sender(sender)))
            }
            Err(reply) => self.wrong(reply),
        }
    }

    fn sender(&self, argument: &str) -> Result<Sender, Reply> {
        let (path, rest) = path::split(argument, "FROM:").map_err(path_reply)?;
        let mut sender = Sender::default();
        for parameter in parameters::parse(rest)? {
            self.mail_parameter(&parameter, &mut sender)?;
        }
        // The parameter stands behind the path that needs it.
        let letters = if sender.smtputf8 { Letters::Utf8 } else { Letters::Ascii };
        sender.reverse_path = match path {
            "" => ReversePath::NULL,
            path => path::address(path, letters).map_err(path_reply)?.into(),
        };
        Ok(sender)
    }

    fn mail_parameter(&self, parameter: &Parameter<'_>, sender: &mut Sender) -> Result<(), Reply> {
        let value = parameter.value.unwrap_or_default();
        match parameter.keyword.as_str() {
            "SIZE" => sender.size = self.declared_size(parameter)?,
            "BODY" => {
                sender.body = match value.to_ascii_uppercase().as_str() {
                    "7BIT" => BodyType::SevenBit,
                    "8BITMIME" => BodyType::EightBitMime,
                    // Only with the BDAT that EHLO offers (RFC 3030 §3).
                    "BINARYMIME" if self.greeting == Greeting::Ehlo => BodyType::BinaryMime,
                    _ => return Err(parameter.wrong_value("7BIT, 8BITMIME or BINARYMIME")),
                }
            }
            "RET" => {
                sender.ret = Some(match value.to_ascii_uppercase().as_str() {
                    "FULL" => Return::Full,
                    "HDRS" => Return::Headers,
                    _ => return Err(parameter.wrong_value("FULL or HDRS")),
                });
            }
            "ENVID" => {
                let id = EnvelopeId::from_xtext(value);
                let wanted = "1 to 100 printable characters as xtext";
                sender.envelope_id = Some(id.map_err(|_| parameter.wrong_value(wanted))?);
            }
            "SMTPUTF8" if self.greeting == Greeting::Ehlo => match parameter.value {
                None => sender.smtputf8 = true,
                Some(_) => return Err(parameter.wrong_value("takes no value")),
            },
            "AUTH" if !self.config.mechanisms.is_empty() => {
                let wanted = "an address as xtext, or <>";
                let submitter = submitter(value).ok_or_else(|| parameter.wrong_value(wanted))?;
                sender.auth = Some(submitter);
            }
            _ => self.request(parameter, &mut sender.requests)?,
        }
        Ok(())
    }

    /// RFC 1870 §6.1: what is too big is refused before it comes. 0 means "unknown".
    fn declared_size(&self, parameter: &Parameter<'_>) -> Result<Option<u64>, Reply> {
        let digits = parameter.value.unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(parameter.wrong_value("a number of octets"));
        }
        // Digits that do not fit are a number above every limit.
        let size = digits.parse().unwrap_or(u64::MAX);
        if size > self.config.message_size_max {
            let limit = self.config.message_size_max;
            let text = format!("Message is too big, our limit is {limit} octets");
            return Err(Reply::new(552, EnhancedStatus::new(5, 3, 4), text));
        }
        Ok((size > 0).then_some(size))
    }
}

/// The AUTH parameter: `<>`, or an address in xtext (RFC 4954 §5).
fn submitter(value: &str) -> Option<String> {
    if value == "<>" {
        return Some(value.to_owned());
    }
    // The same form as the address of an ORCPT, with the same limit of 500 octets.
    let address = OriginalRecipient::from_parameter(&format!("rfc822;{value}")).ok()?;
    Some(address.address().to_owned())
}

fn path_reply(error: PathError) -> Reply {
    match error {
        PathError::Form => {
            let text = "Use MAIL FROM:<address>, or MAIL FROM:<> for a notice";
            Reply::new(501, EnhancedStatus::new(5, 5, 4), text)
        }
        PathError::NeedsSmtpUtf8 => path::needs_smtputf8(),
        PathError::Address(error) => {
            Reply::new(501, EnhancedStatus::new(5, 1, 7), format!("Bad sender: {error}"))
        }
    }
}
