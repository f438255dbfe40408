//! `posthouse suppress`: addresses to which nothing is sent.
//!
//! Standards: RFC 3463 §3.2 (5.1.1, by which dead addresses show).
//! Not here: failing their mail (crate `mta`).

use clap::Subcommand;
use envelope::Address;

use super::table::count;
use super::{Office, Output, Talk, visible};
use crate::control::{Item, Listed, Order, Request, SuppressedItem};
use crate::failure::{Exit, Failure};

/// What to do with suppressed addresses.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send nothing to an address: its mail fails at once, and the sender is told why
    Add {
        /// The address, elsewhere
        address: Address,
        /// Why, for senders to read
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// List the suppressed addresses
    List {
        /// List those instead that were refused three times because they do not exist
        #[arg(long)]
        suggested: bool,
    },
    /// Send to an address again
    Remove {
        /// The address
        address: Address,
    },
}

pub(super) async fn run(
    command: Command,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let listed = match command {
        Command::Add { address, reason } => {
            let order = Order::SuppressAdd { address: address.clone(), reason };
            office.order(Request::Orders(order)).await?;
            talk.say(format_args!("nothing is sent to {address} any more"));
            return Ok(Exit::Done);
        }
        Command::Remove { address } => {
            let order = Order::SuppressRemove { address: address.clone() };
            office.order(Request::Orders(order)).await?;
            talk.say(format_args!("mail for {address} is sent again"));
            return Ok(Exit::Done);
        }
        Command::List { suggested: true } => Listed::Suggested,
        Command::List { suggested: false } => Listed::Suppressed,
    };
    let show = |item| match item {
        Item::Suppressed(one) => output.tell(&one, || line(&one)),
        _ => Ok(()),
    };
    office.list(Request::Orders(Order::SuppressList(listed)), show).await
}

fn line(item: &SuppressedItem) -> String {
    let address = &item.address;
    if let (Some(reason), Some(added)) = (&item.reason, &item.added) {
        return format!("{address:<32}  {added}  {}", visible(reason));
    }
    let times = count(item.refused.unwrap_or_default().into(), "refusal");
    let last = item.last_refused.as_deref().unwrap_or("never");
    format!("{address:<32}  {times}, the last {last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_line() {
        let suppressed = SuppressedItem {
            address: "bob@b.test".to_owned(),
            reason: Some("asked us".to_owned()),
            added: Some("2026-11-25T02:20:00Z".to_owned()),
            refused: None,
            last_refused: None,
        };
        let suggested = SuppressedItem {
            reason: None,
            added: None,
            refused: Some(3),
            last_refused: Some("2026-11-25T02:22:00Z".to_owned()),
            ..suppressed.clone()
        };
        let rows = [
            (suppressed, "bob@b.test                        2026-11-25T02:20:00Z  asked us"),
            (
                suggested,
                "bob@b.test                        3 refusals, the last 2026-11-25T02:22:00Z",
            ),
        ];
        for (item, wanted) in rows {
            assert_eq!(line(&item), wanted);
        }
    }
}
