//! `[tls]`: where our certificate comes from.
//!
//! Standards: RFC 8446 (TLS 1.3), RFC 8555 (ACME, later).
//! Not here: making and reading certificates (crate `platform`).

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, Source};

/// Where our certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// From a certificate authority of our own, made at the first start.
    SelfSigned,
    /// From files.
    Files {
        /// The chain, PEM.
        certificate: PathBuf,
        /// Its key, PEM.
        key: PathBuf,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    mode: Option<Spanned<Mode>>,
    certificate: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    SelfSigned,
    Files,
    Acme,
}

impl Written {
    pub(super) fn check(&self, source: &Source<'_>) -> Result<Tls, Fault> {
        match &self.mode {
            Some(mode) if *mode.get_ref() == Mode::Acme => {
                let now = "use mode = \"files\" with a certificate that you renew, or \"self-signed\"";
                Err(source.later(mode, "mode = \"acme\"", now))
            }
            Some(mode) if *mode.get_ref() == Mode::Files => self.files(mode, source),
            _ => match self.certificate.as_ref().or(self.key.as_ref()) {
                None => Ok(Tls::SelfSigned),
                Some(unused) => Err(source.fault(
                    unused,
                    "certificate and key are read with mode = \"files\" only, and this is \"self-signed\"",
                    "set mode = \"files\", or remove certificate and key",
                )),
            },
        }
    }

    fn files(&self, mode: &Spanned<Mode>, source: &Source<'_>) -> Result<Tls, Fault> {
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                Ok(Tls::Files { certificate: source.path(certificate)?, key: source.path(key)? })
            }
            _ => Err(source.fault(
                mode,
                "mode = \"files\" needs a certificate and a key",
                "add `certificate = \"cert.pem\"` and `key = \"key.pem\"` under [tls]",
            )),
        }
    }
}
