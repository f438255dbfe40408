//! `posthouse alias`: other names for accounts, lists, catch-alls, forwarding.
//!
//! Standards: RFC 5321 §3.9 (aliases).
//! Not here: following them (crate `directory`).

use clap::Subcommand;
use envelope::Address;

use super::{Office, Output, Talk};
use crate::control::{Item, Request};
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
        Command::Add { alias, targets } => {
            let said = format!("mail for {alias} goes to {}", list(&targets));
            office.order(Request::AliasAdd { alias, targets }).await?;
            talk.say(said);
            Ok(Exit::Done)
        }
        Command::Remove { alias } => {
            office.order(Request::AliasRemove { alias: alias.clone() }).await?;
            talk.say(format_args!("alias {alias} is gone"));
            Ok(Exit::Done)
        }
        Command::List => {
            let show = |item| match item {
                Item::Alias(alias) => output
                    .tell(&alias, || format!("{:<32}  {}", alias.alias, alias.targets.join(", "))),
                _ => Ok(()),
            };
            office.list(Request::AliasList, show).await
        }
    }
}

fn list(targets: &[Address]) -> String {
    targets.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
}
