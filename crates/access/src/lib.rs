//! Mail at rest: turns what mail clients ask for into store operations.
//!
//! ```text
//!   platform::serve ⇄ Pop3Drive ⇄ pop3::server::Session     (octets and questions)
//!                         │
//!                         ├─ directory   who is this?
//!                         ├─ Locks       one session for each maildrop
//!                         └─ store       entries, content, expunge
//! ```
//!
//! Standards: RFC 1939 (what a POP3 maildrop is).
//! Not here: the protocol's grammar (crate `pop3`), sockets and TLS (crate `platform`),
//! passwords (crate `directory`), mail in motion (crate `mta`).

mod lock;
mod maildrop;
mod session;

pub use crate::lock::{MaildropLock, MaildropLocks};
pub use crate::session::{Pop3, Pop3Config, Pop3Drive, Pop3Tls};

#[cfg(test)]
mod tests;
