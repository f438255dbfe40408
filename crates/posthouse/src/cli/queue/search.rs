//! `posthouse queue search`: its options, and the patterns that other commands share.
//!
//! Standards: none of its own.
//! Not here: searching (`control`).

use clap::Args;
use envelope::{Address, Domain};
use store::{RecipientPattern, RecipientState, SenderPattern, StatePattern};

use crate::config;
use crate::control::{Request, Wanted};

/// What to look for; all that is given must be so.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// From this sender: an address, @DOMAIN, or <> for notices
    #[arg(long, value_name = "SENDER", value_parser = sender)]
    sender: Option<SenderPattern>,
    /// To this recipient
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Address>,
    /// To a recipient of this domain
    #[arg(long, value_name = "DOMAIN", conflicts_with = "recipient")]
    domain: Option<Domain>,
    /// With a recipient in this state, such as failed; `open` is any that still waits
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<StatePattern>,
    /// Sent by this account, under whichever address
    #[arg(long, value_name = "ADDRESS")]
    login: Option<Address>,
    /// Accepted within this time, such as 2h or 3d
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    since: Option<u64>,
    /// Accepted longer ago than this time
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    until: Option<u64>,
    /// Only so many, the newest ones
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<u32>,
}

impl Options {
    pub(super) fn request(self) -> Request {
        Request::QueueSearch(Box::new(Wanted {
            sender: self.sender,
            recipient: recipient(self.recipient, self.domain),
            state: self.state,
            login: self.login,
            since_s: self.since,
            until_s: self.until,
            limit: self.limit,
        }))
    }
}

/// An address, `@domain`, or `<>`.
pub(super) fn sender(text: &str) -> Result<SenderPattern, String> {
    let wrong = |error: &dyn std::fmt::Display| {
        format!("{error}: write an address, @DOMAIN, or <> for the null reverse-path")
    };
    match text.strip_prefix('@') {
        _ if text == "<>" => Ok(SenderPattern::Null),
        Some(name) => Domain::parse(name).map(SenderPattern::Domain).map_err(|e| wrong(&e)),
        None => Address::parse(text).map(SenderPattern::Address).map_err(|e| wrong(&e)),
    }
}

/// An address or a whole domain.
pub(super) fn recipient(
    address: Option<Address>,
    domain: Option<Domain>,
) -> Option<RecipientPattern> {
    address.map(RecipientPattern::Address).or(domain.map(RecipientPattern::Domain))
}

fn state(word: &str) -> Result<StatePattern, String> {
    if word == "open" {
        return Ok(StatePattern::Open);
    }
    let known = RecipientState::ALL.into_iter().find(|state| state.name() == word);
    known.map(StatePattern::Is).ok_or_else(|| {
        let names: Vec<_> = RecipientState::ALL.iter().map(|state| state.name()).collect();
        format!("write open, {}", names.join(", "))
    })
}

fn seconds(text: &str) -> Result<u64, String> {
    config::time(text).map(|time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_and_states_are_read() {
        let ada = Address::parse("ada@a.test").unwrap();
        let domain = Domain::parse("a.test").unwrap();
        #[rustfmt::skip]
        let rows = [
            ("<>", Some(SenderPattern::Null), "RFC 5321 §4.5.5: the null reverse-path"),
            ("ada@a.test", Some(SenderPattern::Address(ada)), "one"),
            ("@a.test", Some(SenderPattern::Domain(domain)), "all of a domain"),
            ("", None, "nobody is no pattern"),
            ("@", None, "no domain"),
            ("ada", None, "no address"),
        ];
        for (text, wanted, why) in rows {
            assert_eq!(sender(text).ok(), wanted, "{why}");
        }
        assert_eq!(state("open"), Ok(StatePattern::Open));
        assert_eq!(state("failed"), Ok(StatePattern::Is(RecipientState::Failed)));
        assert!(state("lost").is_err_and(|words| words.contains("deferred")), "it says which");
        assert_eq!(seconds("2h"), Ok(7200));
        assert!(seconds("yesterday").is_err());
    }
}
