//! `[recipients]`: how addresses of ours are read.
//!
//! Standards: RFC 5233 §1 (subaddresses).
//! Not here: what an address leads to (crate `directory`).

use directory::Separator;
use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, Source};

/// What may separate: signs that local parts may have without quotes and that names hardly have.
const SEPARATORS: &str = "+-=_#~";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    subaddress_separator: Option<Spanned<String>>,
}

impl Written {
    /// What stands between a user and a detail.
    pub(super) fn check(&self, source: &Source<'_>) -> Result<Separator, Fault> {
        let Some(written) = &self.subaddress_separator else { return Ok(Separator::default()) };
        let text = written.get_ref();
        let mut signs = text.chars();
        match (signs.next(), signs.next()) {
            (None, _) => Ok(Separator::None),
            (Some(sign), None) if SEPARATORS.contains(sign) => Ok(Separator::Sign(sign)),
            _ => Err(source.fault(
                written,
                format!("subaddress_separator = {text:?} is not one of {SEPARATORS}"),
                "write \"+\", or \"\" if addresses have no details",
            )),
        }
    }
}
