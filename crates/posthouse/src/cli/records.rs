//! The DNS records that a domain needs, and what is published now.
//!
//! Standards: RFC 5321 §5 (MX), RFC 7208 (SPF), RFC 7489 (DMARC), RFC 6186 and RFC 8314 §5.1
//! (SRV records for clients).
//! Not here: asking DNS (crate `dns`).

use dns::{DnsError, Resolver};
use envelope::Domain;
use serde::Serialize;
use store::DomainRelay;

use super::visible;
use crate::config::{Config, Protocol, Security};

/// One record to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Record {
    /// Its name, with the dot at the end.
    pub(crate) name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// What it should say; a description in angle brackets where only you know.
    pub(crate) value: String,
    /// What it is good for.
    pub(crate) purpose: &'static str,
}

/// A record, and what DNS says about it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Listed {
    #[serde(flatten)]
    record: Record,
    /// What is published, or why that is not known.
    published: Published,
}

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Published {
    /// As it should be.
    Good,
    /// Nothing.
    Missing,
    /// Something else.
    Different(Vec<String>),
    /// DNS could not be asked, or was not.
    Unknown(String),
}

/// The records that a domain needs on a server with this configuration.
pub(crate) fn needed(domain: &Domain, config: &Config) -> Vec<Record> {
    let host = &config.hostname;
    let record = |name: String, kind, value: String, purpose| Record { name, kind, value, purpose };
    let mut records = vec![
        record(
            format!("{host}."),
            "A",
            "<the server's IPv4 address>".into(),
            "where the server is",
        ),
        record(format!("{domain}."), "MX", format!("10 {host}."), "who takes the domain's mail"),
        record(format!("{domain}."), "TXT", "v=spf1 mx -all".into(), "who may send for it (SPF)"),
        record(
            format!("_dmarc.{domain}."),
            "TXT",
            format!("v=DMARC1; p=none; rua=mailto:postmaster@{domain}"),
            "what others do with forged mail (DMARC)",
        ),
    ];
    if host != domain {
        let name = format!("{host}.");
        records.push(record(
            name,
            "TXT",
            "v=spf1 a -all".into(),
            "who may greet with this name (SPF)",
        ));
    }
    for (service, port) in services(config) {
        records.push(record(
            format!("_{service}._tcp.{domain}."),
            "SRV",
            format!("0 1 {port} {host}."),
            "where mail clients find the server",
        ));
    }
    records
}

/// The record that brings us the mail of a domain that we hand on.
pub(crate) fn needed_to_relay(
    domain: &Domain,
    relay: &DomainRelay,
    config: &Config,
) -> Vec<Record> {
    let (preference, purpose) = match relay {
        DomainRelay::BackupMx => (20, "who takes its mail while its better servers cannot"),
        DomainRelay::Route { .. } => (10, "who takes the domain's mail"),
    };
    let value = format!("{preference} {}.", config.hostname);
    vec![Record { name: format!("{domain}."), kind: "MX", value, purpose }]
}

/// Services that clients look for, with their ports; those on loopback are nobody's business.
fn services(config: &Config) -> Vec<(&'static str, u16)> {
    let mut services = Vec::new();
    for listener in &config.listeners {
        let service = match (listener.protocol, listener.security) {
            (Protocol::Submission, Security::Implicit) => "submissions",
            (Protocol::Submission, _) => "submission",
            (Protocol::Pop3, Security::Implicit) => "pop3s",
            (Protocol::Pop3, _) => "pop3",
            (Protocol::Smtp | Protocol::Lmtp, _) => continue,
        };
        let open = listener.bind.iter().find(|at| !at.ip().is_loopback() && at.port() != 0);
        if let Some(address) = open
            && !services.contains(&(service, address.port()))
        {
            services.push((service, address.port()));
        }
    }
    services
}

/// Asks DNS about each record.
pub(crate) async fn look_up(records: Vec<Record>, config: &Config) -> Vec<Listed> {
    let resolver = crate::resolver::resolver(config);
    let mut listed = Vec::with_capacity(records.len());
    for record in records {
        let published = published(&record, resolver.as_ref()).await;
        listed.push(Listed { record, published });
    }
    listed
}

/// What DNS has for one record.
async fn published(record: &Record, resolver: &dyn Resolver) -> Published {
    let Ok(name) = Domain::parse(record.name.trim_end_matches('.')) else {
        return Published::Unknown("not asked".to_owned());
    };
    let found = match record.kind {
        "A" => resolver
            .addresses(&name)
            .await
            .map(|answer| answer.records.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "MX" => resolver.mx(&name).await.map(|answer| answer.records.iter().map(mx).collect()),
        "TXT" => resolver.txt(&name).await.map(|answer| {
            let same_kind = |text: &String| {
                text.split([' ', ';']).next() == record.value.split([' ', ';']).next()
            };
            let text = |octets: &Vec<u8>| String::from_utf8_lossy(octets).into_owned();
            answer.records.iter().map(text).filter(same_kind).collect()
        }),
        _ => return Published::Unknown("not asked".to_owned()),
    };
    match found {
        Ok(found) if found.is_empty() => Published::Missing,
        // Only the operator knows the right address; that there is one is good.
        Ok(_) if record.kind == "A" => Published::Good,
        Ok(found) if found.contains(&record.value) => Published::Good,
        Ok(found) => Published::Different(found),
        Err(DnsError::NoSuchDomain { .. } | DnsError::NoRecords { .. }) => Published::Missing,
        Err(error) => Published::Unknown(error.to_string()),
    }
}

fn mx(mx: &dns::Mx) -> String {
    let host = mx.host.as_ref().map(Domain::as_str).unwrap_or_default();
    format!("{} {host}.", mx.preference)
}

/// Records as lines of a zone file, with what is published behind them.
pub(crate) fn lines(listed: &[Listed]) -> Vec<String> {
    let records: Vec<&Record> = listed.iter().map(|listed| &listed.record).collect();
    let mut lines = zone(&records);
    for (line, listed) in lines.iter_mut().zip(listed) {
        line.push_str(&match &listed.published {
            Published::Good => "  ; published".to_owned(),
            Published::Missing => "  ; MISSING".to_owned(),
            Published::Different(found) => {
                format!("  ; DIFFERENT: {}", visible(&found.join(" | ")))
            }
            Published::Unknown(why) => format!("  ; not known: {}", visible(why)),
        });
    }
    lines
}

/// Records as lines of a zone file (RFC 1035 §5).
pub(crate) fn zone(records: &[&Record]) -> Vec<String> {
    let width = records.iter().map(|record| record.name.len()).max().unwrap_or(0);
    let line = |record: &&Record| {
        let Record { name, kind, value, .. } = record;
        let value = if *kind == "TXT" { format!("\"{value}\"") } else { value.clone() };
        format!("{name:<width$}  {kind:<4} {value}")
    };
    records.iter().map(line).collect()
}
