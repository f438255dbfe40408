//! `posthouse domain`: the domains that we receive for, and those whose mail we hand on.
//!
//! Standards: RFC 5321 §5 (MX records).
//! Not here: which records a domain needs (`records`).

use clap::Subcommand;
use envelope::Domain;
use serde::Serialize;
use store::DomainRelay;

use super::records::{self, Listed};
use super::{Office, Output, Talk};
use crate::config;
use crate::control::{DomainItem, Item, Request};
use crate::failure::{Exit, Failure};

/// What to do with domains.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Receive mail for a domain
    Add {
        /// Its name
        domain: Domain,
        /// Take its mail only to hand it on to the better servers of its MX records
        #[arg(long, conflicts_with = "route")]
        backup_mx: bool,
        /// Take its mail only to hand it on to this host
        #[arg(long, value_name = "HOST:PORT", value_parser = config::host_port)]
        route: Option<config::HostPort>,
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
    relay: Option<DomainRelay>,
    records: Vec<Listed>,
}

pub(super) async fn run(
    command: Command,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    match command {
        Command::Add { domain, backup_mx, route } => {
            let relay = match (backup_mx, route) {
                (_, Some(to)) => Some(DomainRelay::Route { host: to.host, port: to.port }),
                (true, None) => Some(DomainRelay::BackupMx),
                (false, None) => None,
            };
            let what = match &relay {
                None => "is local now".to_owned(),
                Some(relay) => format!("is taken to be handed on now ({relay})"),
            };
            office.order(Request::DomainAdd { domain: domain.clone(), relay }).await?;
            talk.say(format_args!("{domain} {what}; next: posthouse domain show {domain}"));
            Ok(Exit::Done)
        }
        Command::Remove { domain } => {
            office.order(Request::DomainRemove { domain: domain.clone() }).await?;
            talk.say(format_args!("mail for {domain} is not taken any more"));
            Ok(Exit::Done)
        }
        Command::List => {
            let show = |item| match item {
                Item::Domain(domain) => output.tell(&domain, || line(&domain)),
                _ => Ok(()),
            };
            office.list(Request::DomainList, show).await
        }
        Command::Show { domain } => show(&domain, office, output).await,
    }
}

fn line(item: &DomainItem) -> String {
    match &item.relay {
        None => item.domain.clone(),
        Some(relay) => format!("{}  {relay}", item.domain),
    }
}

async fn show(domain: &Domain, office: &Office, output: &mut Output) -> Result<Exit, Failure> {
    let mut found = None;
    office
        .list(Request::DomainList, |item| {
            if let Item::Domain(item) = item
                && item.domain == domain.as_str()
            {
                found = Some(item);
            }
            Ok(())
        })
        .await?;
    let Some(DomainItem { relay, .. }) = found else {
        return Err(Failure::new(format!("we take no mail for {domain}"))
            .remedy(format!("add it: posthouse domain add {domain}")));
    };
    let needed = match &relay {
        None => records::needed(domain, &office.config),
        Some(relay) => records::needed_to_relay(domain, relay, &office.config),
    };
    let records = records::look_up(needed, &office.config).await;
    if output.is_json() {
        output.object(&Shown { domain: domain.clone(), relay, records })?;
        return Ok(Exit::Done);
    }
    if let Some(relay) = relay {
        output.line(format!("mail for {domain} is handed on: {relay}"))?;
    }
    for line in records::lines(&records) {
        output.line(line)?;
    }
    Ok(Exit::Done)
}
