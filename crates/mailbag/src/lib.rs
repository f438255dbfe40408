//! The mail client's core: accounts, receiving, an outbox that survives, and tracking.
//!
//! ```text
//!   compose → outbox (COMMIT) → submit → track ←── report ←┐
//!                     local store (same engine as the server) │
//!   list, show, save ←───────┴──────── sync ← POP3 ←──────────┘
//! ```
//!
//! Nothing here mentions a terminal; the command line (`main.rs` and `cli`) is one way to use
//! it. Time, luck, network, disk and names come in through [`World`].
//!
//! Standards: RFC 6409 (submission), RFC 1939 (POP3), RFC 3461 and RFC 3464 (delivery status),
//! RFC 8314 (TLS).
//! Not here: any protocol's words (`smtp`, `pop3`), the message format (`message`), how the
//! store keeps things (`store-sqlite`).

pub mod account;
pub mod card;
pub mod compose;
pub mod dial;
pub mod discover;
pub mod fault;
pub mod home;
pub mod local;
mod login;
pub mod moment;
pub mod outbox;
mod pop;
pub mod query;
pub mod report;
pub mod submit;
pub mod sync;
pub mod track;
mod world;

pub use fault::{Exit, Fault};
pub use home::Home;
pub use local::{Bag, LocalStore};
pub use world::World;
