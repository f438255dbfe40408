//! `[notices]`: how senders are told what became of their mail.
//!
//! Standards: BCP 47 (language tags).
//! Not here: the words (crate `mta`), when there is something to tell (`[queue]`).

use mta::notice::Language;
use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, Source};

/// How senders are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notices {
    /// In which language.
    pub(crate) language: Language,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    language: Option<Spanned<String>>,
}

impl Written {
    pub(super) fn check(&self, source: &Source<'_>) -> Result<Notices, Fault> {
        let Some(written) = &self.language else { return Ok(Notices::default()) };
        let tag = written.get_ref();
        match tag.parse() {
            Ok(language) => Ok(Notices { language }),
            Err(_) => {
                let what = format!("there are no notices in the language {tag:?}");
                let tags: Vec<_> = Language::ALL.iter().map(|known| known.tag()).collect();
                Err(source.fault(written, what, format!("write one of {}", tags.join(", "))))
            }
        }
    }
}
