//! The promises of a store, as laws that every engine is tested against.
//!
//! A law is a function that uses a fresh store and says what is wrong with it. So a broken
//! engine can be shown to break it: a law that nothing breaks proves nothing.
//!
//! ```text
//!   store::store_conformance!(open);            one #[test] for each law
//!   for law in store::conformance::LAWS { … }   the same, for those who want the results
//! ```
//!
//! Not here: how fast an engine is, and what survives a failing disk (crate `sim`).

mod account;
mod fair;
mod mail;
mod orders;
mod queue;
mod search;
mod terms;
mod untold;
mod world;

use std::fmt::Debug;
use std::sync::Arc;

use crate::{Store, StoreError};

use account::{
    clients_are_remembered, directory_refuses_what_is_wrong, notes_are_kept, quota_holds,
    removed_accounts_take_their_mail,
};
use fair::leases_are_shared_fairly;
use mail::{
    accept_is_all_or_nothing, accounts_do_not_see_each_other, changes_are_complete_and_ordered,
    content_comes_back, content_goes_with_its_last_reference, content_is_shared,
    counts_are_what_is_there, expunge_removes, flags_are_kept, ids_are_used_once, modseq_grows,
    news_follows_commits, one_entry_for_each_account, spooled_content_comes_back,
    uids_are_never_used_twice,
};
use orders::{
    hold_rules_stand, new_mail_can_be_held, refusals_are_counted, suppressed_addresses_are_known,
};
use queue::{
    accepts_bring_their_notices, due_recipients_are_leased, events_are_kept_in_order,
    finish_brings_its_notices, finish_keeps_to_the_states, holding_outlives_an_attempt,
    leases_can_be_given_back, next_due_is_the_earliest, operators_can_steer,
    queue_lists_what_is_open, settled_is_forgotten_when_old, submissions_are_found,
    submissions_come_back_whole, verify_finds_nothing,
};
use search::searches_find_what_matches;
use terms::{nothing_is_due_before_its_release, urgent_recipients_are_leased_first};
use untold::{
    cancelling_can_be_told, news_waits_to_be_told, routes_can_be_changed, transcripts_are_forgotten,
};

/// A store under test, which can be opened again.
pub trait Harness {
    /// The store as it is open now.
    fn store(&self) -> Arc<dyn Store>;

    /// Ends the store without a farewell, as a crash does, and opens it again.
    ///
    /// # Errors
    ///
    /// When it cannot be opened again.
    fn reopen(&mut self) -> Result<(), StoreError>;
}

/// Something that every store promises.
#[derive(Clone, Copy)]
pub struct Law {
    /// What it is called.
    pub name: &'static str,
    /// Tries it out on a fresh store; the error says how it was broken.
    pub check: fn(&mut dyn Harness) -> Result<(), String>,
}

impl Debug for Law {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every law.
pub const LAWS: &[Law] = crate::store_conformance!(list table);

/// Tries out the law of that name; panics where it is broken.
///
/// # Panics
///
/// With the way in which the law was broken, or when there is no such law.
pub fn hold(name: &str, harness: &mut dyn Harness) {
    let law = LAWS.iter().find(|law| law.name == name);
    let law = law.unwrap_or_else(|| panic!("there is no law {name}"));
    if let Err(broken) = (law.check)(harness) {
        panic!("{name}: {broken}");
    }
}

/// Makes a test of each law; the argument is a function that returns a
/// [`Harness`](crate::conformance::Harness) around a fresh store.
#[macro_export]
macro_rules! store_conformance {
    (list $then:ident $($more:tt)*) => {
        $crate::store_conformance! { $then [
            accept_is_all_or_nothing
            accepts_bring_their_notices
            accounts_do_not_see_each_other
            cancelling_can_be_told
            changes_are_complete_and_ordered
            clients_are_remembered
            content_comes_back
            content_goes_with_its_last_reference
            content_is_shared
            counts_are_what_is_there
            directory_refuses_what_is_wrong
            due_recipients_are_leased
            events_are_kept_in_order
            expunge_removes
            finish_brings_its_notices
            finish_keeps_to_the_states
            flags_are_kept
            hold_rules_stand
            holding_outlives_an_attempt
            ids_are_used_once
            leases_are_shared_fairly
            leases_can_be_given_back
            modseq_grows
            new_mail_can_be_held
            news_follows_commits
            news_waits_to_be_told
            next_due_is_the_earliest
            notes_are_kept
            nothing_is_due_before_its_release
            one_entry_for_each_account
            operators_can_steer
            queue_lists_what_is_open
            quota_holds
            refusals_are_counted
            removed_accounts_take_their_mail
            routes_can_be_changed
            searches_find_what_matches
            settled_is_forgotten_when_old
            spooled_content_comes_back
            submissions_are_found
            submissions_come_back_whole
            suppressed_addresses_are_known
            transcripts_are_forgotten
            uids_are_never_used_twice
            urgent_recipients_are_leased_first
            verify_finds_nothing
        ] $($more)* }
    };
    (table [$($law:ident)*]) => {
        &[$(Law { name: stringify!($law), check: $law }),*]
    };
    (tests [$($law:ident)*] $open:path) => {
        $(
            #[test]
            fn $law() {
                $crate::conformance::hold(stringify!($law), &mut $open());
            }
        )*
    };
    ($open:path) => {
        $crate::store_conformance! { list tests $open }
    };
}
