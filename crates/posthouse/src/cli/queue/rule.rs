//! `posthouse queue rule`: which new mail is held.
//!
//! Standards: none of its own.
//! Not here: holding it (crate `mta`).

use clap::{Args, Subcommand};
use envelope::{Address, Domain};
use store::{HoldRuleId, SenderPattern};

use super::search;
use crate::cli::{Office, Output, Talk, visible};
use crate::control::{Item, Order, Request, RuleItem};
use crate::failure::{Exit, Failure};

/// What to do with hold rules.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Hold new mail that matches
    Add(Pattern),
    /// List the rules, the oldest first
    List,
    /// Hold such mail no longer; what is held stays held
    Remove {
        /// The rule, as in `queue rule list`
        rule: i64,
    },
}

/// Which new mail; all that is given must be so.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Pattern {
    /// From this sender: an address, @DOMAIN, or <> for notices
    #[arg(long, value_name = "SENDER", value_parser = search::sender)]
    #[arg(required_unless_present_any = ["recipient", "domain"])]
    sender: Option<SenderPattern>,
    /// To this recipient
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Address>,
    /// To recipients of this domain
    #[arg(long, value_name = "DOMAIN", conflicts_with = "recipient")]
    domain: Option<Domain>,
    /// Why, for those who read the trace
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) async fn run(
    command: Command,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let order = match command {
        Command::Add(Pattern { sender, recipient, domain, reason }) => {
            Order::HoldAdd { sender, recipient: search::recipient(recipient, domain), reason }
        }
        Command::List => Order::HoldList,
        Command::Remove { rule } => {
            office.order(Request::Orders(Order::HoldRemove { rule: HoldRuleId(rule) })).await?;
            talk.say(format_args!("rule {rule} is gone; what it held is still held"));
            return Ok(Exit::Done);
        }
    };
    let show = |item| match item {
        Item::Rule(rule) => output.tell(&rule, || line(&rule)),
        _ => Ok(()),
    };
    office.list(Request::Orders(order), show).await
}

fn line(item: &RuleItem) -> String {
    let RuleItem { rule, sender, recipient, reason, added } = item;
    let from = sender.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
    let to = recipient.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
    let why = reason.as_ref().map(|why| format!(": {}", visible(why))).unwrap_or_default();
    format!("{:>4}  {added}  holds mail{from}{to}{why}", rule.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_sentence() {
        let item = RuleItem {
            rule: HoldRuleId(7),
            sender: Some("@spam.example".to_owned()),
            recipient: None,
            reason: Some("looks odd\u{7}".to_owned()),
            added: "2026-11-25T02:20:00Z".to_owned(),
        };
        let wanted = "   7  2026-11-25T02:20:00Z  holds mail from @spam.example: looks odd␇";
        assert_eq!(line(&item), wanted);
    }
}
