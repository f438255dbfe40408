//! `cargo xtask crash`: is everything that was acknowledged still there after a blow?
//!
//! ```text
//!   load on 16 connections, 16 more in the middle of a content
//!      │ at least 1,000 acknowledged, then a random moment later
//!      ▼
//!   blow: SIGSTOP and SIGKILL, or the file system goes away with all that was not synced
//!      ▼
//!   start again → posthouse verify → read everything by POP3 → Audit
//! ```
//!
//! One store lives through all rounds of a kind, and each round reads all that was ever
//! acknowledged. The power cut is needed because kill -9 leaves the page cache alone, and so
//! cannot see a missing sync. The control runs the cuts on a build without syncs, and must lose.

mod audit;
mod volume;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::crash::audit::Ledger;
use crate::crash::volume::Volume;
use crate::letter::{Audience, Form, Luck};
use crate::load::{End, Load};
use crate::repository::target_folder;
use crate::server::{self, Build, Server, Site};

/// Connections that send when the blow falls.
const CONNECTIONS: u32 = 16;

/// Connections that are in the middle of a content when the blow falls.
const HELD: u32 = 16;

/// Longest pause between the last of the demanded acknowledgements and the blow.
const PAUSE_MS_MAX: u64 = 400;

/// How long the server may go on after the power is cut: what it acknowledges then is a lie.
const AFTERLIFE: Duration = Duration::from_millis(300);

/// A round that has not got its acknowledgements by then has failed.
const ROUND_MAX: Duration = Duration::from_secs(120);

/// What the messages are like.
const FORM: Form = Form { accounts: 8, size_octets: 4096 };

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds of kill -9.
    #[arg(long, value_name = "N", default_value_t = 0)]
    kill: u32,
    /// Rounds of power cuts (root: each mounts an ext4 image and shuts it down).
    #[arg(long, value_name = "N", default_value_t = 0)]
    power_cut: u32,
    /// Cut the power of a build that does not sync; it succeeds only if mail is lost.
    #[arg(long)]
    control: bool,
    /// Messages that must be acknowledged before the blow.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    messages: usize,
    /// Repeats the moments of the blows.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// A program that is built already.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Runs the rounds; an error when one failed, or when the control did not.
pub(crate) fn run(options: &Options) -> Result<()> {
    let build = if options.control { Build::WithoutSync } else { Build::Faithful };
    let (kills, cuts) = match (options.control, options.kill, options.power_cut) {
        (true, _, cuts) => (0, cuts.max(1)), // kill -9 cannot tell the builds apart
        (false, 0, 0) => (20, 5),
        (false, kills, cuts) => (kills, cuts),
    };
    if cuts > 0 && !nix::unistd::geteuid().is_root() {
        bail!("power cuts mount a file system: run as root, or with --kill N alone");
    }
    let program = match &options.program {
        Some(program) => program.canonicalize().context("--program")?,
        None => server::build(build)?,
    };
    let folder = target_folder().join("crash");
    println!("seed {}, {} in {}", options.seed, program.display(), folder.display());
    let mut failed = 0;
    if kills > 0 {
        failed += Place::on_this_disk(&folder.join("kill"))?.rounds(&program, kills, options)?;
    }
    if cuts > 0 {
        failed += Place::on_a_volume(&folder.join("power"))?.rounds(&program, cuts, options)?;
    }
    let rounds = kills + cuts;
    let rest = if failed > 1 { "; a failure ends the rounds of its kind" } else { "" };
    println!("{} of {rounds} rounds passed{rest}", rounds - failed);
    match (options.control, failed) {
        (false, 0) => Ok(()),
        (false, _) => bail!("acknowledged mail is not safe"),
        (true, 0) => bail!("the control lost nothing: these rounds prove nothing"),
        (true, _) => {
            println!("control: a build without syncs fails, as it must");
            Ok(())
        }
    }
}

/// Where a store lives, and so what a blow is.
struct Place {
    folder: PathBuf,
    volume: Option<Volume>,
}

impl Place {
    fn on_this_disk(folder: &std::path::Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot clear {folder:?}"))?;
        }
        Ok(Self { folder: folder.to_path_buf(), volume: None })
    }

    fn on_a_volume(folder: &std::path::Path) -> Result<Self> {
        let volume = Volume::make(folder)?;
        Ok(Self { folder: volume.mount_point().join("site"), volume: Some(volume) })
    }

    /// Runs rounds on one store; says how many failed. The first failure ends them: a store
    /// that lost mail once would be blamed for it in every later round.
    fn rounds(mut self, program: &std::path::Path, count: u32, options: &Options) -> Result<u32> {
        let site = Site::prepare(program, &self.folder, &FORM.addresses(), &[])?;
        if let Some(volume) = &self.volume {
            volume.sync()?; // the accounts shall be there, whatever the build
        }
        let kind = if self.volume.is_some() { "power cut" } else { "kill" };
        let mut luck = Luck::new(options.seed);
        let mut ledger = Ledger::new(FORM);
        let mut server = Some(site.start(|program| Command::new(program))?);
        for round in 1..=count {
            let begun = Instant::now();
            let Some(running) = server.take() else { break };
            let outcome = self.round(round, running, &site, &mut ledger, &mut luck, options);
            let took = begun.elapsed().as_secs_f64();
            match outcome {
                Ok((next, line)) => {
                    println!("PASS {kind} {round}: {line} ({took:.1} s)");
                    server = Some(next);
                }
                Err(error) => {
                    println!("FAIL {kind} {round}: {error:#} ({took:.1} s)");
                    return Ok(count - round + 1);
                }
            }
        }
        if let Some(server) = server {
            server.stop()?;
        }
        Ok(0)
    }

    fn round(
        &mut self,
        round: u32,
        server: Server,
        site: &Site,
        ledger: &mut Ledger,
        luck: &mut Luck,
        options: &Options,
    ) -> Result<(Server, String)> {
        let load = Load {
            address: server.smtp,
            form: FORM,
            to: Audience::ONE_OF_OURS,
            round,
            connections: CONNECTIONS,
            held: HELD,
            end: End::Broken,
        };
        let running = load.start()?;
        let begun = Instant::now();
        let enough = || {
            running.progress.acknowledged_count() >= options.messages
                && running.progress.held_count() >= HELD as usize
        };
        while !enough() {
            if begun.elapsed() > ROUND_MAX {
                bail!("only {} acknowledged", running.progress.acknowledged_count());
            }
            let faults = running.progress.faults();
            if let Some(fault) = faults.first() {
                bail!("{} connections ended before the blow: {fault}", faults.len());
            }
            thread::sleep(Duration::from_millis(2));
        }
        thread::sleep(Duration::from_millis(luck.next() % PAUSE_MS_MAX));
        self.blow(server)?;
        let progress = running.join();
        let acknowledged = progress.take_acknowledged();
        let count = acknowledged.len();
        ledger.note_round(acknowledged.iter().map(|one| one.marker));
        let server = site.start(|program| Command::new(program)).context("after the blow")?;
        site.verify()?;
        let audit = ledger.audit(server.pop3)?;
        audit.judge()?;
        let line = format!(
            "{count} acknowledged, {HELD} in DATA, {audit}, verify found nothing, ready after \
             {:.2} s",
            server.start_took.as_secs_f64()
        );
        Ok((server, line))
    }

    fn blow(&mut self, mut server: Server) -> Result<()> {
        let Some(volume) = &mut self.volume else { return server.kill() };
        volume.cut_power()?;
        thread::sleep(AFTERLIFE);
        server.kill()?;
        volume.mount_again()
    }
}
