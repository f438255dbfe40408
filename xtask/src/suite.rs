//! `cargo xtask test`: everything that we check, step by step, with the time that each took.
//!
//! ```text
//!   Debian packages → format → lints → programs → tests (tidy and e2e among them) → summary
//! ```
//!
//! All steps run even when one fails, so that one run tells everything.

pub(crate) mod packages;

use std::env;
use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::repository::root;

/// One call of cargo.
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
}

/// What is checked, in the order in which it fails fastest.
const STEPS: &[Step] = &[
    Step { name: "format", arguments: &["fmt", "--all", "--check"] },
    Step {
        name: "lints",
        arguments: &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    },
    // The end-to-end tests start both programs; cargo builds a package's programs only for that
    // package's own tests.
    Step { name: "programs", arguments: &["build", "--workspace", "--bins", "--locked"] },
    Step { name: "tests", arguments: &["test", "--workspace", "--locked", "--no-fail-fast"] },
    // Controls: engines that must lose mail, so that the laws can be seen to find losses.
    Step {
        name: "control: 250 before the commit",
        arguments: &["test", "--package", "sim", "--features", "fault-early-ack", "--locked"],
    },
    Step {
        name: "control: no sync",
        arguments: &["test", "--package", "sim", "--features", "fault-no-sync", "--locked"],
    },
];

/// How one step ended.
struct Outcome {
    name: &'static str,
    duration: Duration,
    fault: Option<String>,
}

/// Runs everything; an error when anything failed.
pub(crate) fn run() -> Result<()> {
    let is_ci = env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    say_whether_corpora_are_there();
    let started = Instant::now();
    let mut outcomes = vec![timed("packages", || packages::provide(is_ci))];
    for step in STEPS {
        outcomes.push(timed(step.name, || cargo(step.arguments)));
    }
    println!("\n== summary");
    for outcome in &outcomes {
        let verdict = outcome.fault.as_deref().unwrap_or("ok");
        println!("{:>7.1} s  {:<30} {verdict}", outcome.duration.as_secs_f64(), outcome.name);
    }
    println!("{:>7.1} s  in all", started.elapsed().as_secs_f64());
    let failed: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.fault.is_some())
        .map(|outcome| outcome.name)
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "));
}

fn say_whether_corpora_are_there() {
    match env::var_os("POSTHOUSE_CORPORA") {
        Some(folder) => println!("corpora: {}", folder.display()),
        None => println!(
            "corpora: none (POSTHOUSE_CORPORA is not set); tests that read them say so and pass"
        ),
    }
}

fn timed(name: &'static str, step: impl FnOnce() -> Result<()>) -> Outcome {
    println!("\n== {name}");
    let started = Instant::now();
    let fault = step().err().map(|error| format!("{error:#}"));
    let duration = started.elapsed();
    let verdict = fault.as_deref().unwrap_or("ok");
    println!("== {name}: {verdict} ({:.1} s)", duration.as_secs_f64());
    Outcome { name, duration, fault }
}

fn cargo(arguments: &[&str]) -> Result<()> {
    println!("cargo {}", arguments.join(" "));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let status = Command::new(cargo).args(arguments).current_dir(root()).status()?;
    if status.success() {
        return Ok(());
    }
    bail!("failed ({status})");
}
