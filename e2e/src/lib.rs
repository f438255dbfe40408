//! What the end-to-end tests stand on: real servers, foreign programs, networks of their own.
//!
//! The tests know our programs as a stranger does: by the configuration file, the command line
//! and what goes over sockets. Each test has its own folder, servers and ports, so that all of
//! them run side by side.
//!
//! ```text
//!   Site (folder, posthouse.toml, accounts) ─▶ Server (ready line → addresses)
//!      │                                          ▲ swaks, msmtp, curl, fetchmail, …
//!      └ inside a Network, or on loopback         │ Dialog (octet by octet), Sink (another MTA)
//! ```
//!
//! Nothing waits for a time to pass: [`wait::until`] asks again until something is so.
//!
//! Standards: none of its own.
//! Not here: the tests (`tests/`, a file for each program or theme).
#![expect(
    clippy::disallowed_methods,
    reason = "tests use the real clock, disk and network of the machine they run on"
)]

pub mod dialog;
pub mod folder;
pub mod letters;
pub mod names;
pub mod neighbour;
pub mod network;
pub mod postfix;
pub mod program;
pub mod server;
pub mod sink;
pub mod site;
pub mod wait;

pub use dialog::Dialog;
pub use folder::Folder;
pub use network::Network;
pub use program::{Finished, Run, lacks, lacks_root};
pub use server::Server;
pub use site::{PASSWORD, Plan, Site};
