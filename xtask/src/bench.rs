//! `cargo xtask bench`: how fast, and at what price, beside others in the same series.
//!
//! ```text
//!   smtp-in ─┐
//!   mta ─────┴▶ cases ─▶ series: the disk alone, a sink, posthouse, Postfix, OpenSMTPD
//!                                 each case for some seconds, measured by Meter ─▶ table and JSON
//!   message ─▶ readers of messages, in CPU time
//! ```
//!
//! Absolute figures of a shared machine move several-fold; so a series measures the limits and
//! the peers together, and the column `noise` tells how much else ran.

mod disk;
mod memory;
mod message;
mod meter;
mod mta;
mod opensmtpd;
mod postfix;
mod series;
pub(crate) mod sink;
mod smtp_in;
mod syncs;
mod table;
mod waiting;

use std::env;
use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Benchmark {
    /// Durable accepts of mail into mailboxes.
    SmtpIn(smtp_in::Options),
    /// Mail in motion: durable accepts, relay to the end, and a long queue.
    Mta(mta::Options),
    /// Reading messages, beside mail-parser and Python.
    Message(message::Options),
}

/// Runs a benchmark and prints its table.
pub(crate) fn run(benchmark: &Benchmark) -> Result<()> {
    if cfg!(debug_assertions) {
        return run_optimised();
    }
    match benchmark {
        Benchmark::SmtpIn(options) => series::run(&options.plan()),
        Benchmark::Mta(options) => series::run(&options.plan()),
        Benchmark::Message(options) => message::run(options),
    }
}

/// Runs this same command from an optimised build: a slow generator would take the CPU time of the
/// servers that it measures.
fn run_optimised() -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--locked", "--package", "xtask", "--"])
        .args(env::args_os().skip(1))
        .status()
        .context("cannot start cargo")?;
    if status.success() {
        return Ok(());
    }
    bail!("the benchmark failed");
}
