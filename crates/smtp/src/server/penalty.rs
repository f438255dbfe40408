//! What a session did wrong so far, and how slow that makes us.
//!
//! A client in trouble gets true replies at once; only one that goes on and on is held back,
//! and in the end sent away. Delays add up until the output is taken, so that pipelining
//! does not get around them.
//!
//! Standards: RFC 5321 §4.3.2 (421 to any command), §7.3 (guessing of addresses).
//! Not here: what an address did in other sessions (crate `mta`).

use std::time::Duration;

use envelope::EnhancedStatus;

use crate::limits::{
    DELAY_MAX, ERRORS_BEFORE_DELAY, ERRORS_MAX, FAILED_LOGINS_MAX, REFUSED_RECIPIENTS_BEFORE_DELAY,
    REFUSED_RECIPIENTS_MAX,
};
use crate::reply::Reply;

/// Delay for each wrong command above the first ones.
const ERROR_STEP: Duration = Duration::from_millis(500);
/// Delay for each refused recipient above the first ones, times how many there were.
const RECIPIENT_STEP: Duration = Duration::from_millis(25);
const RECIPIENT_DELAY_MAX: Duration = Duration::from_secs(1);
/// Delay for each failed login after the first, times how many there were.
const LOGIN_STEP: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(super) struct Penalty {
    errors: u32,
    refused_recipients: u32,
    failed_logins: u32,
    delay: Duration,
}

impl Penalty {
    pub(super) fn wrong_command(&mut self) -> Result<(), Reply> {
        self.errors = self.errors.saturating_add(1);
        if self.errors > ERRORS_MAX {
            return Err(too_many("Too many wrong commands, closing"));
        }
        self.hold_back(ERROR_STEP * self.errors.saturating_sub(ERRORS_BEFORE_DELAY).min(2));
        Ok(())
    }

    pub(super) fn refused_recipient(&mut self) -> Result<(), Reply> {
        self.refused_recipients = self.refused_recipients.saturating_add(1);
        if self.refused_recipients > REFUSED_RECIPIENTS_MAX {
            return Err(too_many("Too many refused recipients, clean your list"));
        }
        let above = self.refused_recipients.saturating_sub(REFUSED_RECIPIENTS_BEFORE_DELAY);
        self.hold_back((RECIPIENT_STEP * above).min(RECIPIENT_DELAY_MAX));
        Ok(())
    }

    pub(super) fn failed_login(&mut self) -> Result<(), Reply> {
        self.failed_logins = self.failed_logins.saturating_add(1);
        if self.failed_logins >= FAILED_LOGINS_MAX {
            return Err(too_many("Too many failed logins, closing; check user name and password"));
        }
        self.hold_back(LOGIN_STEP * self.failed_logins.saturating_sub(1));
        Ok(())
    }

    pub(super) fn delay(&self) -> Duration {
        self.delay
    }

    pub(super) fn forget_delay(&mut self) {
        self.delay = Duration::ZERO;
    }

    fn hold_back(&mut self, delay: Duration) {
        self.delay = self.delay.saturating_add(delay).min(DELAY_MAX);
    }
}

fn too_many(text: &'static str) -> Reply {
    Reply::new(421, EnhancedStatus::new(4, 7, 0), text)
}
