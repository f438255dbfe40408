//! Under which reverse-path an alias hands mail on.
//!
//! ```text
//!   null ────────────────────────▶ null: nobody is told of trouble with a notice
//!   a list with an owner ────────▶ the owner, who hears of trouble instead of the author
//!   any other alias, to elsewhere ▶ the sender, written into an address of ours (`directory`)
//! ```
//!
//! The owner is who is told by our own notices too; a rewritten sender is only what the next host
//! sees, since we know whom it stands for.
//!
//! Standards: RFC 5321 §3.9.2 (lists), §4.5.5 (null reverse-path), RFC 3461 §5.2.7.3 (lists and
//! what the author asked for).
//! Not here: how the sender is written and read (crate `directory`).

use std::sync::Arc;

use envelope::{Address, ReversePath};
use store::{RecipientView, Summary};

use crate::{Mta, delivery};

/// The submission as its recipients behind an alias see it: from the list's owner, if it has one.
pub(super) fn in_the_name_of(mta: &Mta, summary: &Arc<Summary>, alias: &Address) -> Arc<Summary> {
    let table = mta.world.directory.table();
    match delivery::owner(&table, &summary.reverse_path, alias) {
        None => Arc::clone(summary),
        // What the author asked for is not for the owner.
        Some(reverse_path) => Arc::new(Summary {
            reverse_path,
            envelope_id: None,
            ret: None,
            ..Summary::clone(summary)
        }),
    }
}

/// How recipients at one domain, behind one alias or none, are handed on.
#[derive(Debug)]
pub(super) struct HandedOn {
    /// What the next host sees.
    pub(super) reverse_path: ReversePath,
    /// What goes before the content: an alias that sees its own name has the message again.
    pub(super) prefix: String,
    /// In a sentence, if anything was changed.
    pub(super) reason: String,
}

impl HandedOn {
    /// The reason behind another one.
    pub(super) fn told_after(&self, why: String) -> String {
        match (why.is_empty(), self.reason.is_empty()) {
            (_, true) => why,
            (true, false) => self.reason.clone(),
            (false, false) => format!("{why}; {}", self.reason),
        }
    }
}

/// What an alias changes about the mail that it hands on.
pub(super) fn handed_on(mta: &Mta, summary: &Summary, recipients: &[&RecipientView]) -> HandedOn {
    let reverse_path = summary.reverse_path.clone();
    let Some(alias) = recipients.iter().find_map(|view| view.expanded_from.as_ref()) else {
        return HandedOn { reverse_path, prefix: String::new(), reason: String::new() };
    };
    // RFC 6532 §3.2: outside of ASCII it would ask SMTPUTF8 of servers that may not have it.
    let told = Some(alias).filter(|alias| alias.local().as_str().is_ascii());
    let prefix = told.map(|alias| format!("Delivered-To: {alias}\r\n")).unwrap_or_default();
    let sender = reverse_path.address();
    match sender.and_then(|sender| mta.world.directory.forwarded(sender, alias.domain())) {
        Some(forwarded) => {
            let reason = format!("handed on by {alias}, with the reverse-path {forwarded}");
            HandedOn { reverse_path: ReversePath::from(forwarded), prefix, reason }
        }
        None => {
            let reason = format!("handed on by {alias}, with the reverse-path <{reverse_path}>");
            HandedOn { reverse_path, prefix, reason }
        }
    }
}
