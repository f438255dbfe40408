//! `posthouse init`: from nothing to a server that can be started.
//!
//! Standards: RFC 5321 §4.5.1 (postmaster), RFC 8314 §3.3 (ports with TLS).
//! Not here: what the records are (`records`).

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use envelope::{Address, Domain};
use platform::{Disk, Net, RealDisk, SystemRandom, TokioNet};
use serde::Serialize;

use super::records::{self, Record};
use super::{Office, Output, Talk, password, program};
use crate::config::Config;
use crate::control::{Item, Request, Secret};
use crate::failure::{Exit, Failure, of_file};
use crate::folder::Folder;

/// The name of the configuration until all is made.
const DRAFT_NAME: &str = "posthouse.toml.draft";

/// What the new server is called.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// The folder for the configuration and the data
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The server's name in DNS, such as mx.example.org
    #[arg(long, value_name = "HOST")]
    hostname: Domain,
    /// The domain that it receives for, such as example.org
    #[arg(long)]
    domain: Domain,
    /// The first account [default: postmaster@DOMAIN]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Address>,
    #[command(flatten)]
    password: password::Options,
}

/// What was made, for scripts.
#[derive(Serialize)]
struct Made<'a> {
    config: &'a Path,
    account: &'a Address,
    /// Only when we made it up.
    password: Option<&'a str>,
    records: &'a [Record],
}

pub(super) async fn run(
    options: Options,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let file = options.dir.join("posthouse.toml");
    let there = RealDisk.exists(&file).map_err(|error| of_file("look for", &file, &error))?;
    if there {
        return Err(taken(&file));
    }
    let account = account(&options)?;
    let given = options.password.read()?;
    let made_up = given.is_none().then(|| password::make_up(&SystemRandom));
    let text = configuration(&options.hostname, any_address().await);
    let config = Config::parse(&file, &text)?;

    RealDisk
        .make_dir(&options.dir)
        .map_err(|error| of_file("make the folder", &options.dir, &error))?;
    // Nothing is made in the store before it is known that the file can be written.
    let draft = file.with_file_name(DRAFT_NAME);
    RealDisk
        .write_whole(&draft, text.as_bytes())
        .map_err(|error| of_file("write the configuration", &draft, &error))?;
    let password = given.or_else(|| made_up.clone());
    let office = Office { folder: Folder::new(&config.data_dir), config };
    let made = match found(&office, options.domain.clone(), account.clone(), password).await {
        Ok(first) => publish(&draft, &file).map(|()| first),
        failed => failed,
    };
    if made.is_err() {
        // Where it is left behind the next attempt replaces it.
        RealDisk.remove(&draft).ok();
    }
    let first = made?;

    let records = records::needed(&options.domain, &office.config);
    let password = made_up.as_ref().filter(|_| first == First::New);
    let password = password.map(|secret| secret.0.as_str());
    if output.is_json() {
        let made = Made { config: &file, account: &account, password, records: &records };
        output.object(&made)?;
        return Ok(Exit::Done);
    }
    talk.say(format_args!("{} and the data folder are made", file.display()));
    if first == First::Kept {
        talk.say(format_args!(
            "{account} was there and keeps its password; `{} account password` sets another",
            program()
        ));
    }
    tell(&file, &account, password, &records, output)
}

/// Whether the first account is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    New,
    /// The store had it, from an `init` that was broken off or with another configuration. It is
    /// as it was.
    Kept,
}

/// Makes the domain and its first account, as far as the store has not got them.
async fn found(
    office: &Office,
    domain: Domain,
    account: Address,
    password: Option<Secret>,
) -> Result<First, Failure> {
    let (mut has_domain, mut has_account) = (false, false);
    let look = |item| {
        has_domain |= matches!(&item, Item::Domain(row) if row.domain == domain.to_string());
        Ok(())
    };
    office.list(Request::DomainList, look).await?;
    if !has_domain {
        office.order(Request::DomainAdd { domain, relay: None }).await?;
    }
    let folded = account.folded().to_string();
    let look = |item| {
        has_account |= matches!(&item, Item::Account(row) if row.address == folded);
        Ok(())
    };
    office.list(Request::AccountList, look).await?;
    if has_account {
        return Ok(First::Kept);
    }
    let addresses = vec![account];
    let add = Request::AccountAdd { addresses, password, name: None, quota_octets: None };
    office.order(add).await?;
    Ok(First::New)
}

fn tell(
    file: &Path,
    account: &Address,
    password: Option<&str>,
    records: &[Record],
    output: &mut Output,
) -> Result<Exit, Failure> {
    match password {
        Some(password) => {
            output.line(format!("account   {account}"))?;
            output.line(format!("password  {password}  (it will not be shown again)"))?;
        }
        None => output.line(format!("account   {account}"))?,
    }
    output.line(
        "\nPublish these DNS records, and ask your provider for a reverse record of the host:\n",
    )?;
    for line in records::zone(&records.iter().collect::<Vec<_>>()) {
        output.line(line)?;
    }
    output.line("\nThen:\n")?;
    output.line(format!("  {} --config {} check", program(), file.display()))?;
    output.line(format!("  {} --config {} serve", program(), file.display()))?;
    Ok(Exit::Done)
}

fn taken(file: &Path) -> Failure {
    Failure::new("there is a configuration already, and init never overwrites one")
        .in_path(file)
        .remedy("choose another --dir, or go on with `posthouse check`")
}

/// The first account: the operator's, in the new domain.
fn account(options: &Options) -> Result<Address, Failure> {
    let domain = &options.domain;
    match &options.admin {
        None => Address::parse(&format!("postmaster@{domain}"))
            .map_err(|error| Failure::new(format!("postmaster@{domain} is no address: {error}"))),
        Some(admin) if admin.domain() == domain => Ok(admin.clone()),
        Some(admin) => Err(Failure::wrong_use(format!("{admin} is not an address of {domain}"))
            .remedy("choose one of the new domain; forward its mail later with `posthouse alias`")),
    }
}

/// Gives the draft its name, unless somebody else has made such a file in the meantime.
fn publish(draft: &Path, file: &Path) -> Result<(), Failure> {
    let failed = |error: &io::Error| of_file("write the configuration", file, error);
    if RealDisk.exists(file).map_err(|error| failed(&error))? {
        return Err(taken(file));
    }
    RealDisk.rename(draft, file).map_err(|error| failed(&error))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    RealDisk.sync_dir(folder).map_err(|error| failed(&error))
}

/// Addresses that mean "all of this host's": without IPv6 in the system only one.
async fn any_address() -> &'static [&'static str] {
    let six = std::net::SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0));
    match TokioNet.listen(six).await {
        Ok(_) => &["0.0.0.0", "[::]"],
        Err(_) => &["0.0.0.0"],
    }
}

/// The text of a first configuration.
fn configuration(hostname: &Domain, addresses: &[&str]) -> String {
    let bind = |port: u16| {
        let all: Vec<String> =
            addresses.iter().map(|address| format!("\"{address}:{port}\"")).collect();
        format!("[{}]", all.join(", "))
    };
    format!(
        r#"# Posthouse; every key is explained in docs/reference/config.md.
# After a change: posthouse check, then start the server again.

hostname = "{hostname}"
data_dir = "data"                      # relative to this file

# Mail from other servers
[[listener]]
protocol = "smtp"
bind = {smtp}
tls = "starttls"

# Mail from your users
[[listener]]
protocol = "submission"
bind = {submissions}
tls = "implicit"

[[listener]]
protocol = "submission"
bind = {submission}
tls = "starttls"

# Mail for your users
[[listener]]
protocol = "pop3"
bind = {pop3s}
tls = "implicit"

[tls]
mode = "self-signed"                   # or "files" with:
# certificate = "cert.pem"
# key = "key.pem"

# Each day a copy, read again to prove it; best on another disk
# [backup]
# dir = "/var/backups/posthouse"
"#,
        smtp = bind(25),
        submissions = bind(465),
        submission = bind(587),
        pop3s = bind(995),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_writes_can_be_read() {
        let hostname = Domain::parse("mx.example.org").expect("a name");
        for addresses in [&["0.0.0.0", "[::]"] as &[&str], &["0.0.0.0"]] {
            let text = configuration(&hostname, addresses);
            let config = Config::parse(Path::new("/srv/posthouse.toml"), &text).expect("good");
            assert_eq!(config.listeners.len(), 4);
            assert!(!config.outbound.allow_private && !config.allow_cleartext);
        }
    }
}
