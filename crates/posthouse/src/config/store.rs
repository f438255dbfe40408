//! `[store]`: which engine keeps the mail.
//!
//! Standards: none of its own.
//! Not here: the engine (crate `store-sqlite`).

use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, Source};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    backend: Option<Spanned<Backend>>,
    url: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Backend {
    Sqlite,
    Postgres,
}

impl Written {
    pub(super) fn check(&self, source: &Source<'_>) -> Result<(), Fault> {
        if let Some(backend) = &self.backend
            && *backend.get_ref() == Backend::Postgres
        {
            return Err(source.later(
                backend,
                "backend = \"postgres\"",
                "use backend = \"sqlite\"",
            ));
        }
        match &self.url {
            None => Ok(()),
            Some(url) => Err(source.fault(
                url,
                "url is for backend = \"postgres\", and this is \"sqlite\"",
                "remove url; data_dir tells where SQLite keeps its files",
            )),
        }
    }
}
