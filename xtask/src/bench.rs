//! `cargo xtask bench`: how fast, and at what price, beside others in the same series.
//!
//! ```text
//!   for 1, 20 and 200 connections:
//!     the disk alone → a sink that stores nothing → posthouse → Postfix
//!                         each for some seconds, measured by Meter → rows → table and JSON
//! ```
//!
//! Absolute figures of a shared machine move several-fold; so a series measures the limits and
//! the peers together, and the column `noise` tells how much else ran.

mod disk;
mod message;
mod meter;
mod postfix;
pub(crate) mod sink;
mod syncs;
mod table;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::bench::meter::{Group, Meter};
use crate::bench::postfix::Postfix;
use crate::bench::table::{Latencies, Row};
use crate::letter::Form;
use crate::load::Load;
use crate::server::{self, Build, Server, Site};

/// Connections of the three runs of a series.
const CONNECTIONS: [u32; 3] = [1, 20, 200];

/// Messages that warm a server up: its processes, its mailboxes, its caches.
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(crate) enum Benchmark {
    /// Durable accepts of mail into mailboxes.
    SmtpIn(Options),
    /// Reading messages, beside mail-parser and Python.
    Message(message::Options),
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds of each run.
    #[arg(long, value_name = "S", default_value_t = 10)]
    seconds: u64,
    /// How often to run the whole series.
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: u32,
    /// Octets of a message.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    size: usize,
    /// Mailboxes that the messages go to.
    #[arg(long, value_name = "N", default_value_t = 100)]
    accounts: u32,
    /// What to measure: disk, sink, posthouse, postfix.
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',',
          default_values_t = ["disk", "sink", "posthouse", "postfix"].map(String::from))]
    only: Vec<String>,
    /// Where to write; it should be the disk that matters.
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    dir: PathBuf,
    /// A program that is built already.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Runs a benchmark and prints its table.
pub(crate) fn run(benchmark: &Benchmark) -> Result<()> {
    if cfg!(debug_assertions) {
        return run_optimised();
    }
    let options = match benchmark {
        Benchmark::SmtpIn(options) => options,
        Benchmark::Message(options) => return message::run(options),
    };
    if !nix::unistd::geteuid().is_root() {
        bail!("it reads CPU time from control groups and runs Postfix: run it as root");
    }
    for name in &options.only {
        if !["disk", "sink", "posthouse", "postfix"].contains(&name.as_str()) {
            bail!("--only {name}: there are disk, sink, posthouse and postfix");
        }
    }
    let folder = options.dir.join(format!("posthouse-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let series = Series { options, folder: folder.clone() };
    let outcome = series.run();
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let rows = outcome?;
    println!("\n{}", table::print(&rows));
    println!("{}", table::json(&rows));
    Ok(())
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

/// Something that takes mail.
struct Peer<'a> {
    name: &'static str,
    smtp: SocketAddr,
    group: &'a Group,
    /// Its files, so that syncs can be told apart.
    files: PathBuf,
}

struct Series<'a> {
    options: &'a Options,
    folder: PathBuf,
}

impl Series<'_> {
    fn run(&self) -> Result<Vec<Row>> {
        let wants = |name: &str| self.options.only.iter().any(|wanted| wanted == name);
        if wants("postfix") {
            postfix::provide()?;
        }
        let program = match &self.options.program {
            Some(program) => program.canonicalize().context("--program")?,
            None if wants("posthouse") => server::build(Build::Faithful)?,
            None => PathBuf::new(),
        };
        let mut rows = Vec::new();
        for round in 1..=self.options.rounds {
            if self.options.rounds > 1 {
                println!("series {round}");
            }
            for (name, measure) in [
                ("disk", Self::disk as fn(&Self, &Path) -> Result<Vec<Row>>),
                ("sink", Self::sink),
                ("posthouse", Self::posthouse),
                ("postfix", Self::postfix),
            ] {
                if wants(name) {
                    rows.extend(measure(self, &program).context(name)?);
                }
            }
        }
        Ok(rows)
    }

    fn form(&self) -> Form {
        Form { accounts: self.options.accounts, size_octets: self.options.size }
    }

    fn disk(&self, _program: &Path) -> Result<Vec<Row>> {
        let duration = Duration::from_secs(self.options.seconds.min(5));
        let append = disk::Append { folder: &self.folder, octets: self.options.size, duration };
        CONNECTIONS.iter().map(|&batch| append.measure(batch)).collect()
    }

    fn sink(&self, _program: &Path) -> Result<Vec<Row>> {
        let group = Group::make("sink")?;
        let sink = sink::RunningSink::start(&group)?;
        let peer =
            Peer { name: "sink", smtp: sink.smtp, group: &group, files: self.folder.join("none") };
        self.measure_all(&peer, || Ok(0))
    }

    fn posthouse(&self, program: &Path) -> Result<Vec<Row>> {
        let folder = self.fresh_folder("posthouse")?;
        let site = Site::prepare(program, &folder, &self.form().addresses())?;
        let group = Group::make("posthouse")?;
        let running: Server = site.start(|program| group.command(program))?;
        let files = site.data_folder();
        let peer = Peer { name: "posthouse", smtp: running.smtp, group: &group, files };
        let rows = self.measure_all(&peer, || Ok(0))?;
        running.stop()?;
        site.verify()?;
        Ok(rows)
    }

    fn postfix(&self, _program: &Path) -> Result<Vec<Row>> {
        let folder = self.fresh_folder("postfix")?;
        let group = Group::make("postfix")?;
        let postfix = Postfix::start(&folder, self.form(), &group)?;
        let peer = Peer { name: "Postfix", smtp: postfix.smtp, group: &group, files: folder };
        self.measure_all(&peer, || postfix.queue_length())
    }

    fn fresh_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn measure_all(&self, peer: &Peer<'_>, queue: impl Fn() -> Result<usize>) -> Result<Vec<Row>> {
        self.load(peer, 10, 0, WARM_UP)?;
        wait_until_empty(&queue)?;
        (1..)
            .zip(CONNECTIONS)
            .map(|(run, connections)| self.measure(peer, connections, run, &queue))
            .collect()
    }

    fn measure(
        &self,
        peer: &Peer<'_>,
        connections: u32,
        run: u32,
        queue: &impl Fn() -> Result<usize>,
    ) -> Result<Row> {
        let duration = Duration::from_secs(self.options.seconds);
        let meter = Meter::begin(&self.folder, Some(peer.group))?;
        let begun = Instant::now();
        let latencies = self.load(peer, connections, run, duration)?;
        let accepted_in = begun.elapsed();
        wait_until_empty(queue)?;
        let stored_in = begun.elapsed();
        let reading = meter.end(&peer.files)?;
        let row = Row::new(peer.name, connections, latencies, accepted_in, stored_in, reading);
        println!("{row}");
        Ok(row)
    }

    fn load(
        &self,
        peer: &Peer<'_>,
        connections: u32,
        run: u32,
        duration: Duration,
    ) -> Result<Latencies> {
        let load = Load {
            address: peer.smtp,
            form: self.form(),
            round: run,
            connections,
            held: 0,
            duration: Some(duration),
        };
        let progress = load.start()?.join();
        if let Some(fault) = progress.faults().first() {
            bail!("a connection ended too early: {fault}");
        }
        let latencies = progress.take_acknowledged().iter().map(|one| one.latency).collect();
        Ok(Latencies::new(latencies))
    }
}

fn wait_until_empty(queue: &impl Fn() -> Result<usize>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    while queue()? > 0 {
        if Instant::now() > deadline {
            bail!("the queue does not become empty");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
