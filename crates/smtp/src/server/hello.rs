//! HELO and EHLO, and the list of what we offer.
//!
//! Standards: RFC 5321 §4.1.1.1 (HELO, EHLO), §4.1.4 (they end a transaction), RFC 1870,
//! RFC 2034, RFC 2920, RFC 3030, RFC 3207, RFC 3461 §4, RFC 4954 §3, RFC 6152, RFC 6531 §3.1, RFC 9422 §4.2
//! (LIMITS).
//! Not here: whether we believe the name (crate `mta`).

use envelope::{Domain, EnhancedStatus};

use super::{Event, Greeting, Hello, Kind, Question, Session, Tls};
use crate::AuthInClear;
use crate::reply::Reply;

impl Session {
    pub(super) fn hello(&mut self, name: &str, greeting: Greeting) -> Option<Event> {
        let extended = greeting == Greeting::Ehlo;
        // Some clients write the root's dot.
        // It comes before SMTPUTF8 can be asked for, so it is in A-labels (RFC 6531 §3.7.1).
        if !name.is_ascii() || Domain::parse(name.strip_suffix('.').unwrap_or(name)).is_err() {
            let verb = match self.config.kind {
                Kind::Lmtp => "LHLO",
                _ if extended => "EHLO",
                _ => "HELO",
            };
            let text = format!("Use {verb} with your host name or [address]");
            return self.wrong(Reply::new(501, EnhancedStatus::new(5, 5, 4), text));
        }
        let event = Event::Hello(Hello { name: name.to_owned(), extended });
        Some(self.ask(Question::Hello(greeting), event))
    }

    pub(super) fn hello_reply(&self) -> Reply {
        let mut text = self.config.hostname.clone();
        if self.greeting == Greeting::Ehlo {
            text.push_str(&format!("\nSIZE {}", self.config.message_size_max));
            if self.config.tls == Tls::Offered && !self.encrypted {
                text.push_str("\nSTARTTLS");
            }
            if self.offers_auth() {
                text.push_str("\nAUTH ");
                text.push_str(&self.config.mechanisms.join(" "));
            }
            text.push_str(
                "\nPIPELINING\nCHUNKING\nBINARYMIME\n8BITMIME\nSMTPUTF8\nENHANCEDSTATUSCODES\nDSN",
            );
            let recipients = self.config.recipients_max;
            text.push_str(&format!("\nLIMITS RCPTMAX={recipients}"));
            self.tell_offers(&mut text);
            text.push_str(&self.trusted_keywords());
            text.push_str("\nHELP");
        }
        Reply::plain(250, text)
    }

    /// Whether AUTH may be used on this connection as it is now.
    pub(super) fn offers_auth(&self) -> bool {
        !self.config.mechanisms.is_empty()
            && (self.encrypted || self.config.auth_in_clear == AuthInClear::Allowed)
    }
}
