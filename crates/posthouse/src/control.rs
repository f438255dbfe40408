//! Administration: one closed set of requests, done in one place, whoever asks.
//!
//! ```text
//!   command ─▶ ask ─┬─ a server runs: DATA/control.sock ─▶ serve ─┐
//!                   └─ nobody does: lock, open the store ─────────┴▶ perform ─▶ items
//! ```
//!
//! The answer to a request is a stream of [`Item`]s and an end. Both sides are the same
//! program, but an old command may meet a new server: the first octets tell the version.
//!
//! Standards: none of its own.
//! Not here: how items look on a terminal (`cli`), what they mean (crates `store`, `directory`).

mod ask;
mod explain;
mod item;
mod orders;
mod perform;
mod request;
mod search;
mod socket;
mod trace;
mod wire;

pub(crate) use self::ask::{Answer, ask, take};
pub(crate) use self::explain::{StepItem, Supposed};
pub(crate) use self::item::{
    AccountItem, AttemptItem, DomainItem, EventItem, Item, QueueItem, RecipientItem,
    SubmissionItem, WayItem, reply_line, time,
};
pub(crate) use self::orders::{Listed, Order, RuleItem, SuppressedItem};
pub(crate) use self::perform::Items;
pub(crate) use self::request::{Follow, Request, Secret, Steering};
pub(crate) use self::search::Wanted;
pub(crate) use self::socket::ControlSocket;
