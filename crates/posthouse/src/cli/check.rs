//! `posthouse check`: will this configuration work on this machine?
//!
//! Everything is looked at, so that one run tells all that is wrong; nothing is changed.
//!
//! Standards: RFC 5321 §2.3.5 (a host's name).
//! Not here: whether the configuration fits together (`config`).

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mta::rules::TlsRule;
use nix::unistd::{AccessFlags, access};
use platform::tls::Identity;
use platform::{Clock, Net, RealDisk, SystemClock, Timestamp, TokioNet};
use serde::Serialize;
use store::DomainRow;

use super::output::Style;
use super::{Options, Output, visible};
use crate::archive::{BackupResult, Status};
use crate::config::{Config, NextHop, OutboundRule, Security, Tls, Way};
use crate::engine::Engine;
use crate::failure::{Exit, Failure, of_file};
use crate::folder::{Folder, Taken};
use crate::serve::not_bound;

/// A certificate that ends this soon should have been renewed.
const RENEWAL_DUE_DAYS: u64 = 14;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    what: String,
    remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Ok,
    Warning,
    Error,
}

impl Finding {
    fn ok(what: impl Into<String>) -> Self {
        Self { level: Level::Ok, what: what.into(), remedy: None }
    }

    fn warning(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warning, what: what.into(), remedy: Some(remedy.into()) }
    }

    fn error(failure: Failure) -> Self {
        let (what, remedy) = failure.into_parts();
        Self { level: Level::Error, what, remedy }
    }
}

pub(super) async fn run(options: &Options, output: &mut Output) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for finding in findings(options).await {
        if finding.level == Level::Error {
            exit = Exit::Failed;
        }
        show(&finding, output)?;
    }
    Ok(exit)
}

async fn findings(options: &Options) -> Vec<Finding> {
    let config = match Config::find(options.config.as_deref()) {
        Ok(config) => config,
        Err(fault) => return vec![Finding::error(fault.into())],
    };
    let mut findings = vec![Finding::ok(format!("{} is well formed", config.file.display()))];
    findings.push(hostname(&config));
    findings.extend(config.outbound.rules.iter().map(outbound_rule));
    findings.extend(certificate(&config));
    let folder = Folder::new(&config.data_dir);
    let running = store(&folder, &mut findings).await;
    findings.extend(listeners(&config, running).await);
    findings.push(backup(&config, &folder));
    findings
}

fn hostname(config: &Config) -> Finding {
    let name = config.hostname.as_str();
    if name.contains('.') {
        return Finding::ok(format!("hostname {name} is a full name"));
    }
    Finding::warning(
        format!("hostname {name} is not a full name; others will refuse mail from it"),
        "write the name that DNS has for this host, such as mx.example.org",
    )
}

/// What a rule about outgoing mail does.
fn outbound_rule(rule: &OutboundRule) -> Finding {
    let way = rule.way.as_ref().map(|way| match way {
        Way::Mx => "goes to the domain's own servers".to_owned(),
        Way::Route(NextHop::Smtp(target)) => format!("goes to {target}"),
        Way::Route(NextHop::Lmtp(target)) => format!("goes to {target} by LMTP"),
        Way::Route(NextHop::LmtpFile(socket)) => format!("goes to {} by LMTP", socket.display()),
        Way::Relay(relay) => match &relay.login {
            Some((username, _)) => format!("goes by {}, as {username}", relay.host),
            None => format!("goes by {}", relay.host),
        },
    });
    let tls = rule.tls.map(|tls| match tls {
        TlsRule::Opportunistic => "TLS where it is offered".to_owned(),
        TlsRule::Required => {
            "TLS with a certificate that proves the host, or not at all".to_owned()
        }
        TlsRule::Never => "without TLS".to_owned(),
    });
    let concurrency = rule.concurrency.map(|most| format!("at most {most} at a time"));
    let rate = rule.rate.map(|rate| format!("at most {} in {} s", rate.count, rate.per.as_secs()));
    let bind = rule.bind.iter().map(|own| format!("from {own}"));
    let does = [way, tls, concurrency, rate].into_iter().flatten().chain(bind);
    Finding::ok(format!("outbound {}: {}", rule.name, does.collect::<Vec<_>>().join(", ")))
}

/// Certificates from files; our own are made at the start.
fn certificate(config: &Config) -> Option<Finding> {
    let Tls::Files { certificate, key } = &config.tls else {
        let uses_tls = config.listeners.iter().any(|found| found.security != Security::None);
        return uses_tls.then(|| {
            Finding::warning(
                "the certificate is self-signed: other servers take it, mail clients will ask",
                "get one from a certificate authority and set tls.mode = \"files\"",
            )
        });
    };
    Some(match Identity::from_files(&RealDisk, &SystemClock, certificate, key) {
        Ok(identity) => {
            let left = identity.expires().since(SystemClock.now()).as_secs() / (24 * 60 * 60);
            let what = format!("the certificate {} is good for {left} days", certificate.display());
            if left > RENEWAL_DUE_DAYS {
                Finding::ok(what)
            } else {
                Finding::warning(what, "renew it, then send SIGHUP to the server")
            }
        }
        Err(error) => Finding::error(
            Failure::new(error.to_string()).remedy("correct certificate and key under [tls]"),
        ),
    })
}

/// Folder, lock and store. Tells which process serves the folder, if one does.
async fn store(folder: &Folder, findings: &mut Vec<Finding>) -> Option<u32> {
    if !folder.exists() {
        findings.push(match writable_above(folder.path()) {
            Ok(()) => Finding::ok(format!("{} can be made", folder.path().display())),
            Err(failure) => Finding::error(failure),
        });
        return None;
    }
    let lock = match folder.lock() {
        Ok(lock) => lock,
        Err(Taken::ByProcess(pid)) => {
            findings.push(Finding::ok(format!(
                "process {pid} serves {}; its store is not looked at",
                folder.path().display()
            )));
            return Some(pid);
        }
        Err(Taken::Failed(failure)) => {
            findings.push(Finding::error(failure));
            return None;
        }
    };
    findings.push(Finding::ok(format!("{} can be written to", folder.path().display())));
    findings.extend(secrets(folder));
    findings.push(match Engine::open(folder, lock).await {
        Ok(engine) => domains(&engine).await,
        Err(failure) => Finding::error(failure),
    });
    None
}

async fn domains(engine: &Engine) -> Finding {
    match engine.store.domains().await {
        Ok(domains) if domains.is_empty() => Finding::warning(
            "the store opens, but no domain is local: no mail can arrive",
            "posthouse domain add DOMAIN",
        ),
        Ok(domains) => {
            let (relayed, local): (Vec<_>, Vec<_>) =
                domains.iter().partition(|row| row.relay.is_some());
            let count = |rows: &[&DomainRow], what| {
                super::table::count(u64::try_from(rows.len()).unwrap_or(u64::MAX), what)
            };
            let relayed = match relayed.as_slice() {
                [] => String::new(),
                rows => format!(", {} whose mail is handed on", count(rows, "domain")),
            };
            Finding::ok(format!("the store opens; {}{relayed}", count(&local, "local domain")))
        }
        Err(error) => Finding::error(error.into()),
    }
}

/// Whether everything could be brought back, if the disk died now.
fn backup(config: &Config, folder: &Folder) -> Finding {
    let Some(backup) = &config.backup else {
        return Finding::warning(
            "the server makes no backups",
            "name a folder on another disk: dir = \"…\" under [backup]",
        );
    };
    let status = match Status::read(folder) {
        Ok(Some(status)) => status,
        Ok(None) => return Finding::ok("no backup was made yet; the first one follows the start"),
        Err(failure) => return Finding::error(failure),
    };
    let age = SystemClock.now().since(Timestamp::from_millis(status.begun_at));
    let hours = age.as_secs() / 3600;
    match status.result {
        BackupResult::Proven { generation, messages } => {
            let messages = super::table::count(messages, "message");
            let what = format!("backup {generation}: {messages}, proven {hours} h ago");
            if age > backup.every.saturating_mul(2) {
                Finding::warning(what, "the server does not run, or see its log")
            } else {
                Finding::ok(what)
            }
        }
        BackupResult::Damaged { generation, findings } => {
            let first = findings.first().map(super::verify::line).unwrap_or_default();
            let what = format!("backup {generation} ({hours} h ago) is not whole: {first}");
            Finding::error(Failure::new(what).remedy("posthouse verify"))
        }
        BackupResult::Failed { reason } => {
            let what = format!("the backup {hours} h ago failed: {reason}");
            Finding::error(Failure::new(what).remedy("see the server's log"))
        }
    }
}

/// Whether the nearest folder above that exists can be written to.
fn writable_above(path: &Path) -> Result<(), Failure> {
    let there =
        path.ancestors().skip(1).find(|above| above.as_os_str().is_empty() || above.exists());
    let above = there.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    access(above, AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|errno| of_file("make the data folder in", above, &io::Error::from(errno)))
}

/// What nobody else may read.
fn secrets(folder: &Folder) -> Vec<Finding> {
    let mut findings = Vec::new();
    let private = [
        folder.path().to_owned(),
        folder.path().join("secret"),
        folder.tls().join("key.pem"),
        folder.tls().join("ca-key.pem"),
    ];
    for path in private {
        let Ok(metadata) = path.metadata() else { continue };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            findings.push(Finding::warning(
                format!("{} can be read by others (mode {mode:o})", path.display()),
                format!("chmod go= {}", path.display()),
            ));
        }
    }
    findings
}

/// Whether each address can be ours, or is the running server's.
async fn listeners(config: &Config, running: Option<u32>) -> Vec<Finding> {
    if config.listeners.is_empty() {
        return vec![Finding::error(
            Failure::new("there is no listener, so nobody could connect")
                .remedy("add a [[listener]] with protocol, bind and tls"),
        )];
    }
    let mut findings = Vec::new();
    for listener in &config.listeners {
        for address in &listener.bind {
            let bound = TokioNet.listen(*address).await.map(drop);
            findings.push(match (bound, running) {
                (Ok(()), None) => Finding::ok(format!("{listener} can have {address}")),
                (Ok(()), Some(pid)) if address.port() != 0 => Finding::warning(
                    format!("{listener} on {address}: process {pid} does not listen there"),
                    "start it again with this configuration",
                ),
                (Ok(()), Some(_)) => {
                    Finding::ok(format!("{listener} has a port of the system's choice"))
                }
                (Err(error), Some(pid)) if error.kind() == io::ErrorKind::AddrInUse => Finding::ok(
                    format!("{listener} on {address} is served, by process {pid} as it seems"),
                ),
                (Err(error), _) => Finding::error(not_bound(listener, *address, &error)),
            });
        }
    }
    findings
}

fn show(finding: &Finding, output: &mut Output) -> Result<(), Failure> {
    let (style, name) = match finding.level {
        Level::Ok => (Style::Good, "ok"),
        Level::Warning => (Style::Doubtful, "warning"),
        Level::Error => (Style::Bad, "error"),
    };
    let name = output.paint(style, &format!("{name:<8}"));
    output.tell(finding, || {
        let remedy =
            finding.remedy.as_ref().map(|remedy| format!(": {remedy}")).unwrap_or_default();
        format!("{name} {}{}", visible(&finding.what), visible(&remedy))
    })
}
