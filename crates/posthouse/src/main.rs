//! The server program: configuration, listeners, supervision, command line, control socket.
//!
//! ```text
//!   command line (cli) ─┬─ serve ─────────▶ listeners, queue, control socket over one Engine
//!                       ├─ try ───────────▶ rehearsal: two `serve` processes and a DNS server
//!                       └─ all the others ▶ control: ask the server, or open the store
//! ```
//!
//! It decides nothing about mail; it wires.
//!
//! Standards: none of its own.
//! Not here: mail in motion (crate `mta`), mail at rest (crate `access`).

mod archive;
mod cli;
mod config;
mod control;
mod engine;
mod failure;
mod folder;
mod rehearsal;
mod resolver;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(cli::run(std::env::args_os()).code())
}
