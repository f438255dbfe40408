//! Mail that an operator copies, brings back, takes in or takes out.
//!
//! ```text
//!   store ─ backup ─▶ BACKUP/…        (a thread of the store's: nobody waits)
//!   BACKUP/… ─ restore ─▶ an empty data folder
//!   mbox, Maildir,
//!   BACKUP/… ─ walk (a thread) ─ pieces ─▶ bring ─▶ store.accept, what is there already apart
//! ```
//!
//! Standards: none of its own.
//! Not here: how a backup is laid out (crate `store-sqlite`), the command line (`cli`).

mod backup;
mod bring;
mod export;
mod import;
mod maildir;
mod restore;
mod schedule;

pub(crate) use self::backup::back_up;
pub(crate) use self::bring::{Brought, Left};
pub(crate) use self::export::{Export, ExportForm, Exported, export};
pub(crate) use self::import::{Import, import};
pub(crate) use self::restore::{Part, restore_all, restore_part};
pub(crate) use self::schedule::{BackupResult, Status, run};
