//! What happened, in words.
//!
//! Standards: RFC 3848 (transmission types), RFC 3464 §2.3.3 (actions).
//! Not here: events themselves (crate `store`).

use store::{CertificateRecord, Happening, RemoteReply, TlsRecord};

use crate::cli::output::Style;
use crate::control::{reply_line, time};

/// How an event stands out, its name, and what it tells beside its reason.
pub(super) fn of(happening: &Happening) -> (Style, &'static str, String) {
    let (style, name) = name(happening);
    (style, name, details(happening))
}

fn name(happening: &Happening) -> (Style, &'static str) {
    match happening {
        Happening::Received { login: Some(_), .. } => (Style::Strong, "submitted"),
        Happening::Received { .. } => (Style::Strong, "received"),
        Happening::Asked { .. } => (Style::Strong, "asked"),
        Happening::Checked { .. } => (Style::Faint, "checked"),
        Happening::Resolved { .. } => (Style::Faint, "resolved"),
        Happening::Expanded { .. } => (Style::Faint, "expanded"),
        Happening::Completed { .. } => (Style::Faint, "completed"),
        Happening::Delivered { .. } => (Style::Good, "stored"),
        Happening::Queued => (Style::Strong, "queued"),
        Happening::Routed { .. } => (Style::Strong, "MX found"),
        Happening::Attempted { .. } => (Style::Faint, "attempted"),
        Happening::Accepted { .. } => (Style::Good, "accepted"),
        Happening::Deferred { .. } => (Style::Doubtful, "deferred"),
        Happening::Failed { .. } => (Style::Bad, "failed"),
        Happening::Noticed { .. } => (Style::Strong, "noticed"),
        Happening::NotNoticed => (Style::Faint, "not noticed"),
        Happening::Reported { .. } => (Style::Good, "reported"),
        Happening::Held => (Style::Doubtful, "held"),
        Happening::Released => (Style::Strong, "released"),
        Happening::RetryAsked => (Style::Strong, "retry asked"),
        Happening::Cancelled => (Style::Bad, "cancelled"),
        Happening::Rerouted { .. } => (Style::Strong, "rerouted"),
        _ => (Style::Faint, "event"),
    }
}

fn details(happening: &Happening) -> String {
    match happening {
        Happening::Received { .. } => received(happening),
        Happening::Asked { terms } => terms.join(", "),
        Happening::Checked { stage, rule } => format!("{rule} at {stage}"),
        Happening::Resolved { to } => to.clone(),
        Happening::Expanded { into } => into.join(", "),
        Happening::Completed { changes } => changes.join(", "),
        Happening::Delivered { mailbox } => mailbox.clone(),
        Happening::Routed { hosts } => hosts.join(", "),
        Happening::Attempted { host, address, port, tls, stage, reply, attempt } => {
            let address = address.map(|ip| format!(" [{ip}]:{port}")).unwrap_or_default();
            let tls = tls.as_ref().map(|record| format!(", {}", self::tls(record)));
            let reply = reply.as_ref().map(|reply| format!(": {}", reply_line(reply)));
            let (tls, reply) = (tls.unwrap_or_default(), reply.unwrap_or_default());
            let attempt = attempt.map(|number| format!("attempt {number}: ")).unwrap_or_default();
            format!("{attempt}{host}{address}{tls}, {stage}{reply}")
        }
        Happening::Accepted { host, reply } => format!("{host} said {}", reply_line(reply)),
        Happening::Deferred { .. } => deferred(happening),
        Happening::Failed { reply, host, status } => {
            let said = reply.as_ref().map(|reply| said(host.as_deref(), reply));
            let own = || status.map(|status| status.to_string());
            said.or_else(own).unwrap_or_default()
        }
        Happening::Rerouted { to: Some(to) } => format!("to {to}"),
        Happening::Rerouted { to: None } => "where it goes by itself".to_owned(),
        Happening::Noticed { kind, notice, to } => format!("{kind} notice {notice} to {to}"),
        Happening::Reported { action, by, text } => {
            let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let text = if text.is_empty() { String::new() } else { format!(": {text}") };
            format!("{action}{by}{text}")
        }
        _ => String::new(),
    }
}

/// Until when, after how many tries, until when at all, and in whose words.
fn deferred(happening: &Happening) -> String {
    let Happening::Deferred { until, reply, host, attempts, gives_up, .. } = happening else {
        return String::new();
    };
    let mut parts = vec![format!("until {}", time(*until))];
    parts.extend(attempts.map(|count| format!("tried {}", times(count))));
    parts.extend(gives_up.map(|end| format!("gives up {}", time(end))));
    parts.extend(reply.as_ref().map(|reply| said(host.as_deref(), reply)));
    parts.join(", ")
}

fn times(count: u32) -> String {
    match count {
        0 => "never yet".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn said(host: Option<&str>, reply: &RemoteReply) -> String {
    match host {
        Some(host) => format!("{host} said {}", reply_line(reply)),
        None => reply_line(reply),
    }
}

fn received(happening: &Happening) -> String {
    let Happening::Received { protocol, peer, helo, tls, login, octets } = happening else {
        return String::new();
    };
    let mut parts = Vec::new();
    parts.extend(protocol.as_ref().map(|protocol| format!("by {protocol}")));
    match (peer, helo) {
        (Some(peer), Some(helo)) => parts.push(format!("from {helo} [{peer}]")),
        (Some(peer), None) => parts.push(format!("from [{peer}]")),
        _ => {}
    }
    parts.extend(tls.as_ref().map(self::tls));
    parts.extend(login.as_ref().map(|login| format!("login {login}")));
    parts.push(format!("{octets} octets"));
    parts.join(", ")
}

/// How a connection was protected.
pub(super) fn tls(record: &TlsRecord) -> String {
    let TlsRecord { version, cipher, verified, unverified, shown, .. } = record;
    let verified = match (verified, unverified) {
        (Some(how), _) => format!(", certificate verified ({how})"),
        (None, Some(why)) => format!(", certificate not verified ({why})"),
        (None, None) => String::new(),
    };
    let shown = shown.as_ref().map(|CertificateRecord { fingerprint, issuer, names, expires }| {
        let names = names.join(" ");
        let until = expires.map(|at| format!(", until {}", time(at)));
        format!(", for {names} by {issuer}{}, SHA-256 {fingerprint}", until.unwrap_or_default())
    });
    format!("{version} {cipher}{verified}{}", shown.unwrap_or_default())
}
