//! `[backup]`: copies that the server makes by itself.
//!
//! Standards: none of its own.
//! Not here: making them (`archive`), when (`serve`).

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, Source};
use super::unit::time_of;

/// How often, unless it is said.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Each copy is read again to prove it: more often would be all that the disk does.
const EVERY_MIN: Duration = Duration::from_secs(60);
/// How many are kept, unless it is said: two weeks of days.
const KEEP: u32 = 14;

/// Copies that the server makes by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backup {
    /// Where.
    pub(crate) folder: PathBuf,
    /// How often.
    pub(crate) every: Duration,
    /// How many are kept.
    pub(crate) keep: NonZeroU32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    dir: Option<Spanned<String>>,
    every: Option<Spanned<String>>,
    keep: Option<Spanned<u32>>,
}

impl Written {
    /// `None`: it makes none.
    pub(super) fn check(&self, source: &Source<'_>) -> Result<Option<Backup>, Fault> {
        let Some(dir) = &self.dir else {
            let alone = self.every.as_ref().map(Spanned::span);
            return match alone.or(self.keep.as_ref().map(Spanned::span)) {
                None => Ok(None),
                Some(place) => Err(source.fault(
                    &Spanned::new(place, ()),
                    "backups have no folder",
                    "write dir = \"…\" under [backup], best on another disk",
                )),
            };
        };
        let every = match &self.every {
            None => EVERY,
            Some(written) => match time_of(written, source)? {
                short if short < EVERY_MIN => {
                    let what = "every is shorter than a minute";
                    return Err(source.fault(written, what, "write \"1d\", or \"1h\""));
                }
                every => every,
            },
        };
        let keep = match &self.keep {
            None => NonZeroU32::new(KEEP),
            Some(written) => NonZeroU32::new(*written.get_ref()),
        };
        match (keep, &self.keep) {
            (Some(keep), _) => Ok(Some(Backup { folder: source.path(dir)?, every, keep })),
            (None, Some(written)) => {
                Err(source.fault(written, "keep = 0 keeps no backup", "write at least 1"))
            }
            (None, None) => Ok(None),
        }
    }
}
