//! RCPT: one recipient more.
//!
//! Standards: RFC 5321 §4.1.1.3, §4.5.1 (postmaster), §4.5.3.1.10 (too many), RFC 3461 §4.1
//! and §4.2 (NOTIFY, ORCPT), RFC 6531 §3.5 (UTF-8), RFC 6533 §3 (`utf-8` in ORCPT).
//! Not here: whether the recipient exists or may be relayed to (crate `mta`).

use envelope::{AddressError, EnhancedStatus, Notify, OriginalRecipient};

use super::path::{self, Letters, PathError};
use super::{Event, ForwardPath, Question, Recipient, Session, parameters};
use crate::reply::Reply;

impl Session {
    pub(super) fn rcpt(&mut self, argument: &str) -> Option<Event> {
        let Some(transaction) = &self.transaction else {
            return self.out_of_order("Send MAIL first");
        };
        if self.is_between_chunks() {
            return self.out_of_order("Send BDAT or RSET now");
        }
        if transaction.accepted >= self.config.recipients_max {
            let max = self.config.recipients_max;
            let text = format!("Too many recipients, {max} at a time; send the rest separately");
            // Not counted as an error: the client is told to send these again later.
            return self.say(&Reply::new(452, EnhancedStatus::new(4, 5, 3), text));
        }
        match recipient(argument, transaction.letters) {
            Ok(recipient) => Some(self.ask(Question::Recipient, Event::Recipient(recipient))),
            Err(reply) => {
                self.count_recipient(|transaction| &mut transaction.refused);
                self.wrong(reply)
            }
        }
    }
}

fn recipient(argument: &str, letters: Letters) -> Result<Recipient, Reply> {
    let (path, rest) = path::split(argument, "TO:").map_err(path_reply)?;
    let forward_path = if path.eq_ignore_ascii_case("postmaster") {
        ForwardPath::Postmaster
    } else {
        ForwardPath::Address(path::address(path, letters).map_err(path_reply)?)
    };
    let mut recipient = Recipient { forward_path, notify: None, original: None };
    for parameter in parameters::parse(rest)? {
        let value = parameter.value.unwrap_or_default();
        match parameter.keyword.as_str() {
            "NOTIFY" => {
                let wanted = "NEVER, or a list of SUCCESS, FAILURE, DELAY";
                let notify = Notify::parse(value).ok_or_else(|| parameter.wrong_value(wanted))?;
                recipient.notify = Some(notify);
            }
            "ORCPT" => {
                let original = OriginalRecipient::from_parameter(value);
                let wanted = "type;address, the address as xtext";
                recipient.original = Some(original.map_err(|_| parameter.wrong_value(wanted))?);
            }
            _ => return Err(parameter.unknown()),
        }
    }
    Ok(recipient)
}

fn path_reply(error: PathError) -> Reply {
    let (status, text) = match error {
        PathError::Form => (EnhancedStatus::new(5, 5, 4), "Use RCPT TO:<address>".to_owned()),
        PathError::NeedsSmtpUtf8 => return path::needs_smtputf8(),
        PathError::Address(error @ AddressError::Domain) => {
            (EnhancedStatus::new(5, 1, 2), format!("Bad recipient: {error}"))
        }
        PathError::Address(error) => {
            (EnhancedStatus::new(5, 1, 3), format!("Bad recipient: {error}"))
        }
    };
    Reply::new(501, status, text)
}
