//! `posthouse alias`: other names for accounts, lists, catch-alls, forwarding.
//!
//! Standards: RFC 5321 §3.9 (aliases).
//! Not here: following them (crate `directory`).

use clap::Subcommand;
use directory::Separator;
use envelope::Address;

use super::{Office, Output, Talk};
use crate::control::{Item, Request, WayItem};
use crate::failure::{Exit, Failure};

/// What to do with aliases.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an alias, or replace it
    Add {
        /// An address, or @DOMAIN for all of a domain that is nobody's
        #[arg(value_name = "ADDRESS")]
        alias: String,
        /// Where its mail goes: here or elsewhere
        #[arg(required = true, value_name = "TARGET")]
        targets: Vec<Address>,
        /// Who hears of trouble with the targets instead of the author: makes it a list
        #[arg(long, value_name = "ADDRESS")]
        owner: Option<Address>,
    },
    /// Tell where mail for an address goes
    Show {
        /// The address; it need not be an alias
        address: Address,
    },
    /// List the aliases, by address
    List,
    /// Remove an alias
    Remove {
        /// The address, or @DOMAIN
        #[arg(value_name = "ADDRESS")]
        alias: String,
    },
}

pub(super) async fn run(
    command: Command,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    match command {
        Command::Add { alias, targets, owner } => {
            let said = format!("mail for {alias} goes to {}", list(&targets));
            office.order(Request::AliasAdd { alias, targets, owner }).await?;
            talk.say(said);
            Ok(Exit::Done)
        }
        Command::Remove { alias } => {
            office.order(Request::AliasRemove { alias: alias.clone() }).await?;
            talk.say(format_args!("alias {alias} is gone"));
            Ok(Exit::Done)
        }
        Command::Show { address } => {
            let show = |item| match item {
                Item::Way(way) => output.tell(&way, || way_lines(&way)),
                _ => Ok(()),
            };
            let separator = match office.config.separator {
                Separator::Sign(sign) => Some(sign),
                Separator::None => None,
            };
            office.list(Request::AliasShow { address, separator }, show).await
        }
        Command::List => {
            let show = |item| match item {
                Item::Alias(alias) => output.tell(&alias, || {
                    let owner = alias.owner.as_ref().map(|owner| format!("  (owner {owner})"));
                    let owner = owner.unwrap_or_default();
                    format!("{:<32}  {}{owner}", alias.alias, alias.targets.join(", "))
                }),
                _ => Ok(()),
            };
            office.list(Request::AliasList, show).await
        }
    }
}

/// One line for the address, one for its owner, one for each place.
fn way_lines(way: &WayItem) -> String {
    let mut lines = vec![format!("{}  {}", way.address, way.why)];
    lines.extend(way.owner.as_ref().map(|owner| format!("  owner  {owner}")));
    lines.extend(way.places.iter().map(|place| format!("  {place}")));
    lines.join("\n")
}

fn list(targets: &[Address]) -> String {
    targets.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
}
