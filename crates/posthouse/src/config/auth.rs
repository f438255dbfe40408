//! `[auth]`: whether passwords may come without TLS.
//!
//! Standards: RFC 8314 §3 (clear text is obsolete).
//! Not here: credentials (crate `directory`).

use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, Source};
use super::listener::{Listener, Security};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    allow_cleartext: Option<Spanned<bool>>,
}

impl Written {
    pub(super) fn check(&self) -> bool {
        self.allow_cleartext.as_ref().is_some_and(|allowed| *allowed.get_ref())
    }

    /// The rules between this section and the listeners.
    pub(super) fn check_with(
        &self,
        listeners: &[Listener],
        source: &Source<'_>,
    ) -> Result<(), Fault> {
        let clear = |listener: &&Listener| {
            listener.protocol.has_login() && listener.security != Security::Implicit
        };
        match self.allow_cleartext.as_ref().filter(|allowed| *allowed.get_ref()) {
            Some(allowed) => {
                for listener in listeners.iter().filter(clear) {
                    if let Some(address) = listener.bind.iter().find(|at| !at.ip().is_loopback()) {
                        let what = format!(
                            "allow_cleartext = true, but the {} listener on {address} can be \
                             reached from elsewhere, and passwords could be read on the way",
                            listener.protocol.name(),
                        );
                        let remedy = "set it to false, or bind that listener to 127.0.0.1";
                        return Err(source.fault(allowed, what, remedy));
                    }
                }
            }
            None => {
                if let Some(listener) =
                    listeners.iter().filter(clear).find(|found| found.security == Security::None)
                {
                    let what = format!(
                        "nobody could log in to this {} listener: it has no TLS, and \
                         allow_cleartext is false",
                        listener.protocol.name(),
                    );
                    let remedy = "set tls = \"starttls\" or \"implicit\", or, on loopback, \
                                  allow_cleartext = true under [auth]";
                    return Err(source.fault_in(listener.place.clone(), what, remedy));
                }
            }
        }
        Ok(())
    }
}
