//! How much TLS a connection to another server needs: decided here and nowhere else.
//!
//! ```text
//!   a login ─────────────▶ always, proved: a password goes to nobody else
//!   smart host's tls ────▶ always, proved, or where offered
//!   a rule's tls ────────▶ always, proved; where offered; never
//!   nothing of that ─────▶ where offered, unproved (RFC 7435)
//! ```
//!
//! What the recipient's domain publishes (DANE, MTA-STS) belongs below the operator's rules; the
//! author's `TLS-Required: No` lifts only that (RFC 8689 §3).
//!
//! Standards: RFC 3207 (STARTTLS), RFC 7435 (opportunistic security), RFC 8689 §3.
//! Not here: handshakes and certificates (crate `platform`).

use platform::Endpoint;
use smtp::client::TlsPolicy;

use crate::RelayTls;
use crate::routing::HostKind;
use crate::rules::{Outgoing, TlsRule};

/// What a connection needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Demand {
    /// No TLS.
    Never,
    /// TLS where it is offered, whoever answers.
    Opportunistic,
    /// TLS, with a certificate that proves the host, or nothing is sent.
    Required,
}

impl Demand {
    /// As the session wants it.
    pub(crate) fn policy(self) -> TlsPolicy {
        match self {
            Self::Never => TlsPolicy::Never,
            Self::Opportunistic => TlsPolicy::Opportunistic,
            Self::Required => TlsPolicy::Required,
        }
    }
}

/// What a connection needs to a host of this kind, for mail to which this applies.
pub(crate) fn demand(outgoing: &Outgoing<'_>, kind: HostKind, address: &Endpoint) -> Demand {
    if let Endpoint::File(_) = address {
        // Nobody listens in between, and a file's name proves nothing.
        return Demand::Never;
    }
    let relay = outgoing.relay().filter(|_| kind == HostKind::SmartHost);
    let rule = outgoing.rule.and_then(|rule| rule.tls);
    match (relay, rule) {
        (Some(relay), _) if relay.login.is_some() => Demand::Required,
        (Some(relay), _) if relay.tls == RelayTls::StartTls => Demand::Required,
        (_, Some(TlsRule::Required)) => Demand::Required,
        (_, Some(TlsRule::Never)) => Demand::Never,
        (_, Some(TlsRule::Opportunistic) | None) => Demand::Opportunistic,
    }
}

#[cfg(test)]
mod tests {
    use envelope::{Domain, ReversePath};
    use sasl::Password;

    use super::*;
    use crate::rules::{Rule, Way};
    use crate::{OutboundConfig, Relay, RelayLogin, Route};

    #[test]
    fn the_strictest_who_may_ask_decides() {
        use Demand::{Never, Opportunistic, Required};
        use HostKind::{Exchanger, SmartHost};
        #[rustfmt::skip]
        let rows = [
            (None, None, false, Exchanger, Opportunistic, "RFC 7435: where it is offered"),
            (None, Some(TlsRule::Required), false, Exchanger, Required, "the operator's rule"),
            (None, Some(TlsRule::Never), false, Exchanger, Never, "its TLS is broken"),
            (Some(RelayTls::StartTls), None, false, SmartHost, Required, "the smart host's own setting"),
            (Some(RelayTls::Opportunistic), None, false, SmartHost, Opportunistic, "likewise"),
            (Some(RelayTls::Opportunistic), Some(TlsRule::Required), false, SmartHost, Required, "the rule asks for more"),
            (Some(RelayTls::StartTls), Some(TlsRule::Never), false, SmartHost, Required, "the rule does not ask for less"),
            (Some(RelayTls::Opportunistic), Some(TlsRule::Never), true, SmartHost, Required, "a password is never sent in clear"),
        ];
        for (relay, tls, logs_in, kind, wanted, why) in rows {
            let login = || RelayLogin { username: "a".to_owned(), password: Password::new("b") };
            let relay = relay.map(|tls| Relay {
                route: Route { host: "mx".to_owned(), port: 587 },
                tls,
                login: logs_in.then(login),
            });
            let rule = Rule {
                name: "rule 1".to_owned(),
                to: Vec::new(),
                from: Vec::new(),
                way: relay.map(Way::Relay),
                tls,
                concurrency: None,
                rate: None,
                bind: Vec::new(),
            };
            let config = OutboundConfig { rules: vec![rule], ..OutboundConfig::default() };
            let domain = Domain::parse("b.test").unwrap();
            let outgoing = Outgoing::of(&config, &ReversePath::NULL, &domain);
            let address = Endpoint::Tcp("192.0.2.1:25".parse().unwrap());
            assert_eq!(demand(&outgoing, kind, &address), wanted, "{why}");
        }
    }
}
