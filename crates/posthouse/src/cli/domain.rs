//! `posthouse domain`: the domains that we receive for.
//!
//! Standards: RFC 5321 §5 (MX records).
//! Not here: which records a domain needs (`records`).

use clap::Subcommand;
use envelope::Domain;
use serde::Serialize;

use super::records::{self, Listed};
use super::{Office, Output, Talk};
use crate::control::{Item, Request};
use crate::failure::{Exit, Failure};

/// What to do with domains.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Receive mail for a domain
    Add {
        /// Its name
        domain: Domain,
    },
    /// List the domains, by name
    List,
    /// Print the DNS records that a domain needs, and what is published now
    Show {
        /// Its name
        domain: Domain,
    },
    /// Receive no more mail for a domain
    Remove {
        /// Its name
        domain: Domain,
    },
}

#[derive(Serialize)]
struct Shown {
    domain: Domain,
    records: Vec<Listed>,
}

pub(super) async fn run(
    command: Command,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    match command {
        Command::Add { domain } => {
            office.order(Request::DomainAdd { domain: domain.clone() }).await?;
            talk.say(format_args!("{domain} is local now; next: posthouse domain show {domain}"));
            Ok(Exit::Done)
        }
        Command::Remove { domain } => {
            office.order(Request::DomainRemove { domain: domain.clone() }).await?;
            talk.say(format_args!("{domain} is not local any more"));
            Ok(Exit::Done)
        }
        Command::List => {
            let show = |item| match item {
                Item::Domain(domain) => output.tell(&domain, || domain.domain.clone()),
                _ => Ok(()),
            };
            office.list(Request::DomainList, show).await
        }
        Command::Show { domain } => show(&domain, office, output).await,
    }
}

async fn show(domain: &Domain, office: &Office, output: &mut Output) -> Result<Exit, Failure> {
    let mut local = false;
    office
        .list(Request::DomainList, |item| {
            if let Item::Domain(found) = item {
                local |= found.domain == domain.as_str();
            }
            Ok(())
        })
        .await?;
    if !local {
        return Err(Failure::new(format!("{domain} is not a local domain"))
            .remedy(format!("add it: posthouse domain add {domain}")));
    }
    let records = records::look_up(records::needed(domain, &office.config), &office.config).await;
    if output.is_json() {
        output.object(&Shown { domain: domain.clone(), records })?;
        return Ok(Exit::Done);
    }
    for line in records::lines(&records) {
        output.line(line)?;
    }
    Ok(Exit::Done)
}
