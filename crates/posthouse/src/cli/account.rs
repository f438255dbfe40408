//! `posthouse account`: who has a mailbox here.
//!
//! Standards: none of its own.
//! Not here: what is stored of a password (crate `directory`).

use clap::Subcommand;
use envelope::Address;
use platform::SystemRandom;
use serde::Serialize;
use store::AccountState;

use super::table::{count, size};
use super::{Office, Output, Talk, password, visible};
use crate::config;
use crate::control::{AccountItem, Item, Request, Secret};
use crate::failure::{Exit, Failure};

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make accounts; without --password-stdin with a random password, printed once
    Add {
        /// Their addresses; several share the password
        #[arg(required = true)]
        addresses: Vec<Address>,
        #[command(flatten)]
        password: password::Options,
        /// The name of the person
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// How much the account may keep, such as 2GiB
        #[arg(long, value_name = "SIZE", value_parser = config::size)]
        quota: Option<u64>,
    },
    /// List the accounts with what they hold
    List,
    /// Tell what is known of an account
    Show {
        /// Its address
        address: Address,
    },
    /// Change what is set of an account
    Set {
        /// Its address
        address: Address,
        /// How much it may keep, such as 2GiB, or none for any amount
        #[arg(long, value_name = "SIZE", value_parser = quota)]
        quota: Quota,
    },
    /// Take no mail for an account and let nobody log in; what it holds stays
    Disable {
        /// Its address
        address: Address,
    },
    /// Take an account back into use
    Enable {
        /// Its address
        address: Address,
    },
    /// Remove an account with all of its mail
    Remove {
        /// Its address
        address: Address,
    },
    /// Set a new password
    Password {
        /// The account's address
        address: Address,
        #[command(flatten)]
        password: password::Options,
        /// Refused: everybody on the machine can read it there.
        #[arg(hide = true, value_name = "SECRET")]
        secret: Option<String>,
    },
}

/// How much an account may keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota(Option<u64>);

fn quota(text: &str) -> Result<Quota, String> {
    match text {
        "none" => Ok(Quota(None)),
        text => config::size(text).map(|octets| Quota(Some(octets))),
    }
}

/// An account that was just made.
#[derive(Serialize)]
struct Made {
    address: Address,
    /// Only when we made it up.
    password: Option<String>,
}

pub(super) async fn run(
    command: Command,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    match command {
        Command::Add { addresses, password, name, quota } => {
            let given = password.read()?;
            let made_up = given.is_none().then(|| password::make_up(&SystemRandom));
            let request = Request::AccountAdd {
                addresses: addresses.clone(),
                password: given.or_else(|| made_up.clone()),
                name,
                quota_octets: quota,
            };
            office.order(request).await?;
            made(addresses, made_up, output, talk)
        }
        Command::Remove { address } => {
            office.order(Request::AccountRemove { address: address.clone() }).await?;
            talk.say(format_args!("account {address} is gone, with all of its mail"));
            Ok(Exit::Done)
        }
        Command::Password { address, password, secret } => {
            if secret.is_some() {
                return Err(password::on_the_command_line());
            }
            let Some(password) = password.read()? else {
                return Err(Failure::wrong_use("no password was given")
                    .remedy("give it on standard input with --password-stdin"));
            };
            office.order(Request::AccountPassword { address: address.clone(), password }).await?;
            talk.say(format_args!("account {address} has a new password"));
            Ok(Exit::Done)
        }
        Command::Set { address, quota: Quota(quota_octets) } => {
            office.order(Request::AccountQuota { address: address.clone(), quota_octets }).await?;
            let most = quota_octets.map_or("any amount".to_owned(), size);
            talk.say(format_args!("account {address} may keep {most}"));
            Ok(Exit::Done)
        }
        Command::Disable { address } => {
            let state = AccountState::Disabled;
            office.order(Request::AccountState { address: address.clone(), state }).await?;
            talk.say(format_args!("account {address} is disabled; its mail stays"));
            Ok(Exit::Done)
        }
        Command::Enable { address } => {
            let state = AccountState::Active;
            office.order(Request::AccountState { address: address.clone(), state }).await?;
            talk.say(format_args!("account {address} is in use"));
            Ok(Exit::Done)
        }
        Command::List => office.list(Request::AccountList, |item| line(&item, output)).await,
        Command::Show { address } => {
            office.list(Request::AccountShow { address }, |item| whole(&item, output)).await
        }
    }
}

fn made(
    addresses: Vec<Address>,
    password: Option<Secret>,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    for address in addresses {
        let made = Made { address, password: password.as_ref().map(|secret| secret.0.clone()) };
        match &made.password {
            Some(password) => {
                let text = || format!("{}  password {password}", made.address);
                output.tell(&made, text)?;
            }
            None if output.is_json() => output.object(&made)?,
            None => talk.say(format_args!("account {} is made", made.address)),
        }
    }
    if password.is_some() {
        talk.say("this password is not stored and will not be shown again");
    }
    Ok(Exit::Done)
}

fn line(item: &Item, output: &mut Output) -> Result<(), Failure> {
    let Item::Account(account) = item else { return Ok(()) };
    output.tell(account, || {
        let quota = account.quota.map(|octets| format!(" of {}", size(octets))).unwrap_or_default();
        let messages = count(account.messages, "message");
        format!("{:<32}  {messages:>14}  {}{quota}", account.address, size(account.size))
    })
}

fn whole(item: &Item, output: &mut Output) -> Result<(), Failure> {
    let Item::Account(account) = item else { return Ok(()) };
    output.tell(account, || {
        let AccountItem { address, name, messages, size: octets, quota, login, state, created } =
            account;
        let name = name.as_deref().map_or("–".into(), visible);
        let quota = quota.map_or("none".to_owned(), size);
        let login = match state {
            AccountState::Disabled => "not possible: the account is disabled",
            AccountState::Active => {
                if *login {
                    "with a password"
                } else {
                    "not possible: no password is set"
                }
            }
        };
        let held = format!("{}, {}", count(*messages, "message"), size(*octets));
        [
            format!("address  {address}"),
            format!("name     {name}"),
            format!("holds    {held}"),
            format!("quota    {quota}"),
            format!("login    {login}"),
            format!("made     {created}"),
        ]
        .join("\n")
    })
}
