//! Repository chores: everything that is checked, measured or generated here.
//!
//! ```text
//!   cargo xtask test         all checks, as CI runs them
//!   cargo xtask tidy         rules that no compiler knows (also a test)
//!   cargo xtask docs, rfc    tables made from rfc/index.toml, and that index itself
//!   cargo xtask crash        kill -9 and power cuts under load: is what was acknowledged there?
//!   cargo xtask sim          two weeks of a simulated internet, as many times as you like
//!   cargo xtask bench        how fast, and at what price, beside others
//! ```
//!
//! Not here: end-to-end tests with foreign programs (package `e2e`).
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the terminal, the disk and the clock of the machine it runs on"
)]

mod bench;
mod collect;
mod crash;
mod letter;
mod load;
mod repository;
mod rfc;
mod server;
mod sim;
mod suite;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Repository chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Run everything we check: format, lints, unit, style, architecture and end-to-end tests.
    ///
    /// As root it installs the Debian packages that the end-to-end tests miss; otherwise it says
    /// which they are. With CI=true a suite that cannot run is a failure.
    Test,
    /// Check the rules that no compiler knows.
    Tidy,
    /// Write the tables of the documents that are made from rfc/index.toml.
    Docs,
    /// Write rfc/index.toml anew for the RFCs that the repository cites.
    Rfc {
        /// Folder with the texts (rfcNNNN.txt) and their INDEX.tsv (number, tab, title).
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
    },
    /// Crash a server under load, again and again, and see whether anything acknowledged is lost.
    Crash(crash::Options),
    /// Run the transfer agent in a simulated internet: two weeks for each seed.
    Sim(sim::Options),
    /// Measure how fast mail is taken, and at what price, beside other servers.
    #[command(subcommand)]
    Bench(bench::Benchmark),
    /// Take mail and keep nothing; `bench` starts it.
    #[command(hide = true)]
    Sink,
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    match chore {
        Chore::Test => suite::run(),
        Chore::Tidy => tidy_up(),
        Chore::Docs => rfc::write_tables(),
        Chore::Crash(options) => crash::run(&options),
        Chore::Sim(options) => sim::run(&options),
        Chore::Bench(benchmark) => bench::run(&benchmark),
        Chore::Sink => bench::sink::serve(),
        Chore::Rfc { from } => rfc::write_index(&from),
    }
}

fn tidy_up() -> Result<()> {
    let complaints = tidy::complaints()?;
    for complaint in &complaints {
        println!("{complaint}");
    }
    if complaints.is_empty() {
        println!("tidy");
        return Ok(());
    }
    bail!("{} complaints", complaints.len());
}
