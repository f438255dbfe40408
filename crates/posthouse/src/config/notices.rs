//! `[notices]`: how senders are told what became of their mail.
//!
//! Standards: BCP 47 (language tags).
//! Not here: the words (crate `mta`), when there is something to tell (`[queue]`).

use std::time::Duration;

use mta::notice::Language;
use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, Source};
use super::unit::time;

/// Longest time for which news is kept from its reader.
const GATHER_MAX: Duration = Duration::from_secs(60 * 60);

/// How senders are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notices {
    /// In which language.
    pub(crate) language: Language,
    /// For how long what there is to tell of one message is gathered into one notice.
    pub(crate) gather: Duration,
}

impl Default for Notices {
    fn default() -> Self {
        // The servers of one message's recipients mostly answer within it.
        Self { language: Language::default(), gather: Duration::from_secs(30) }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    language: Option<Spanned<String>>,
    gather: Option<Spanned<String>>,
}

impl Written {
    pub(super) fn check(&self, source: &Source<'_>) -> Result<Notices, Fault> {
        let default = Notices::default();
        Ok(Notices {
            language: match &self.language {
                Some(written) => language(written, source)?,
                None => default.language,
            },
            gather: match &self.gather {
                Some(written) => gather(written, source)?,
                None => default.gather,
            },
        })
    }
}

fn language(written: &Spanned<String>, source: &Source<'_>) -> Result<Language, Fault> {
    let tag = written.get_ref();
    tag.parse().map_err(|_| {
        let what = format!("there are no notices in the language {tag:?}");
        let tags: Vec<_> = Language::ALL.iter().map(|known| known.tag()).collect();
        source.fault(written, what, format!("write one of {}", tags.join(", ")))
    })
}

/// A time, which may be nothing.
fn gather(written: &Spanned<String>, source: &Source<'_>) -> Result<Duration, Fault> {
    let remedy = "write a time of at most an hour, such as \"30s\"; \"0s\" gathers nothing";
    let time = time(written.get_ref()).map_err(|what| source.fault(written, what, remedy))?;
    if time > GATHER_MAX {
        let what = format!("gather = {:?} is too long", written.get_ref());
        return Err(source.fault(written, what, remedy));
    }
    Ok(time)
}
