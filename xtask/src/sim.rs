//! Runs the scenario of the simulated internet, built for speed, for as many seeds as wanted.
//!
//! Not here: the scenario and its laws (`crates/sim/tests/internet`).

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::repository;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Repeat this one history.
    #[arg(long, value_name = "N", conflicts_with = "runs")]
    seed: Option<u64>,
    /// Run histories 0 to N-1.
    #[arg(long, value_name = "N", default_value_t = 100)]
    runs: u64,
    /// Build a mistake into the transfer agent, which the laws must notice: the name of a
    /// feature of the package sim, such as fault-forgets-notice.
    #[arg(long, value_name = "FEATURE")]
    fault: Option<String>,
}

/// Runs the histories; an error when a law was broken.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(repository::root());
    cargo.args(["test", "--release", "--locked", "--package", "sim", "--test", "internet"]);
    if let Some(fault) = &options.fault {
        cargo.args(["--features", fault]);
    }
    match options.seed {
        Some(seed) => cargo.env("SIM_SEED", seed.to_string()),
        None => cargo.env("SIM_RUNS", options.runs.to_string()),
    };
    let status = cargo.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("a law is broken, see above");
    }
    Ok(())
}
