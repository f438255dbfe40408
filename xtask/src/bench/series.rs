//! One series: every kind of server through every case, each for some seconds.
//!
//! ```text
//!   load ─▶ a server of the kind ─▶ mailboxes             accept: done when all is in them
//!                               └─▶ a sink of its own     relay:  done when all has arrived
//!           what waits already ─┘   queue: mail that is not due while we measure
//! ```
//!
//! Not here: which cases there are (`smtp_in`, `mta`), what a run costs (`meter`).

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::bench::meter::{Group, Groups, Meter};
use crate::bench::opensmtpd::{self, OpenSmtpd};
use crate::bench::postfix::{self, Postfix};
use crate::bench::sink::RunningSink;
use crate::bench::table::{self, Latencies, Row};
use crate::bench::{disk, waiting};
use crate::letter::{Audience, DOMAIN, Form};
use crate::load::{End, Load};
use crate::server::{self, Build, Server, Site};

/// The domain whose mail goes to the sink.
pub(super) const BEYOND: &str = "beyond.test";

/// The domain whose mail waits.
pub(super) const WAITING: &str = "waiting.test";

/// Messages that warm a server up: its processes, its mailboxes, its caches.
const WARM_UP: Duration = Duration::from_secs(1);

/// The disk shows its limit soon.
const DISK_SECONDS_MAX: u64 = 5;

/// What was accepted must have arrived by then.
const ARRIVAL_MAX: Duration = Duration::from_secs(600);

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// The disk alone: appends and syncs.
    Disk,
    /// A server that stores nothing.
    Sink,
    /// Ours.
    Posthouse,
    /// Postfix.
    Postfix,
    /// OpenSMTPD, as its own configuration has it.
    Opensmtpd,
}

impl Kind {
    /// All of them, in the order of a series.
    pub(super) const ALL: [Self; 5] =
        [Self::Disk, Self::Sink, Self::Posthouse, Self::Postfix, Self::Opensmtpd];

    fn is_rival(self) -> bool {
        matches!(self, Self::Postfix | Self::Opensmtpd)
    }

    fn can(self, case: Case) -> bool {
        match self {
            Self::Disk => {
                case.part == Part::Accept && case.waiting.is_none() && case.recipients == 1
            }
            Self::Sink => case.part == Part::Accept && case.waiting.is_none(),
            Self::Posthouse | Self::Postfix => true,
            // Mail waits there only as long as its next attempt, which would disturb us.
            Self::Opensmtpd => case.waiting.is_none(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Disk => "disk",
            Self::Sink => "sink",
            Self::Posthouse => "posthouse",
            Self::Postfix => "postfix",
            Self::Opensmtpd => "opensmtpd",
        })
    }
}

/// Where messages end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// In mailboxes of the server.
    Accept,
    /// At another server.
    Relay,
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Accept => "accept",
            Self::Relay => "relay",
        })
    }
}

/// What a server is given to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) part: Part,
    /// Octets of a message.
    pub(super) octets: usize,
    /// Recipients of a message.
    pub(super) recipients: u32,
    pub(super) connections: u32,
    /// Messages that wait already, where that is what is measured.
    pub(super) waiting: Option<u32>,
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, octets, recipients, connections, waiting } = self;
        write!(out, "{part}, {octets} octets, {recipients} recipients, {connections} connections")?;
        match waiting {
            Some(waiting) => write!(out, ", {waiting} waiting"),
            None => Ok(()),
        }
    }
}

/// How all cases are run.
#[derive(Debug, Args)]
pub(super) struct Setting {
    /// Seconds of each run.
    #[arg(long, value_name = "S", default_value_t = 10)]
    seconds: u64,
    /// How often to run the whole series.
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: u32,
    /// Mailboxes that the messages go to.
    #[arg(long, value_name = "N", default_value_t = 100)]
    accounts: u32,
    /// Where to write; it should be the disk that matters.
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    dir: PathBuf,
    /// A program that is built already.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// What to measure.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// Its name, for who reads the JSON.
    pub(super) benchmark: &'static str,
    pub(super) setting: &'a Setting,
    pub(super) kinds: &'a [Kind],
    pub(super) cases: Vec<Case>,
}

/// Runs a series and prints its table.
pub(super) fn run(plan: &Plan<'_>) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("it reads CPU time from control groups and runs other mail servers: run it as root");
    }
    if let Some(case) = plan.cases.iter().find(|case| case.recipients > plan.setting.accounts) {
        bail!("{case}: the messages go to {} accounts only", plan.setting.accounts);
    }
    let folder = plan.setting.dir.join(format!("posthouse-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let outcome = Series { plan, folder: folder.clone() }.run();
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let rows = outcome?;
    println!("\n{}", table::print(&rows));
    println!("{}", table::json(plan.benchmark, &rows));
    Ok(())
}

/// A server to be measured.
struct Peer<'a> {
    kind: Kind,
    smtp: SocketAddr,
    group: &'a Group,
    /// Its files, so that syncs can be told apart.
    files: PathBuf,
    /// Where it relays to.
    beyond: Option<&'a Beyond>,
    /// How much it accepted that is in no mailbox yet, apart from what waits.
    pending: &'a dyn Fn() -> Result<usize>,
}

/// A sink that a server relays to.
struct Beyond {
    sink: RunningSink,
    group: Group,
}

impl Beyond {
    fn start() -> Result<Self> {
        let group = Group::make("beyond")?;
        Ok(Self { sink: RunningSink::start(&group)?, group })
    }
}

struct Series<'a> {
    plan: &'a Plan<'a>,
    folder: PathBuf,
}

impl Series<'_> {
    fn run(&self) -> Result<Vec<Row>> {
        let setting = self.plan.setting;
        let wants = |kind| self.plan.kinds.contains(&kind);
        if wants(Kind::Postfix) {
            postfix::provide()?;
        }
        if wants(Kind::Opensmtpd) {
            opensmtpd::provide()?;
        }
        let program = match &setting.program {
            Some(program) => program.canonicalize().context("--program")?,
            None if wants(Kind::Posthouse) => server::build(Build::Faithful)?,
            None => PathBuf::new(),
        };
        let mut rows = Vec::new();
        for round in 1..=setting.rounds {
            if setting.rounds > 1 {
                println!("series {round}");
            }
            for kind in Kind::ALL.into_iter().filter(|&kind| wants(kind)) {
                for cases in self.by_queue(kind) {
                    match self.measure_kind(kind, &cases, &program, &mut rows) {
                        Ok(()) => {}
                        // What we measure beside us shall not spoil the series.
                        Err(error) if kind.is_rival() => {
                            println!("{kind} gave up, its other rows are missing: {error:#}");
                        }
                        Err(error) => return Err(error.context(kind.to_string())),
                    }
                }
            }
        }
        Ok(rows)
    }

    /// The cases of a kind; those with the same queue share a server.
    fn by_queue(&self, kind: Kind) -> Vec<Vec<Case>> {
        let mut all: Vec<Vec<Case>> = Vec::new();
        for &case in self.plan.cases.iter().filter(|&&case| kind.can(case)) {
            let same = |cases: &&mut Vec<Case>| {
                cases.first().is_some_and(|first| first.waiting == case.waiting)
            };
            match all.iter_mut().find(same) {
                Some(cases) => cases.push(case),
                None => all.push(vec![case]),
            }
        }
        all
    }

    fn measure_kind(
        &self,
        kind: Kind,
        cases: &[Case],
        program: &Path,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        match kind {
            Kind::Disk => {
                for case in cases {
                    rows.push(self.disk(*case)?);
                }
                Ok(())
            }
            Kind::Sink => self.sink(cases, rows),
            Kind::Posthouse => self.posthouse(cases, program, rows),
            Kind::Postfix => self.postfix(cases, rows),
            Kind::Opensmtpd => self.opensmtpd(cases, rows),
        }
    }

    fn disk(&self, case: Case) -> Result<Row> {
        let seconds = self.plan.setting.seconds.min(DISK_SECONDS_MAX);
        let duration = Duration::from_secs(seconds);
        disk::Append { folder: &self.folder, case, duration }.measure()
    }

    fn sink(&self, cases: &[Case], rows: &mut Vec<Row>) -> Result<()> {
        let group = Group::make("sink")?;
        let sink = RunningSink::start(&group)?;
        let files = self.folder.join("none");
        let (kind, smtp) = (Kind::Sink, sink.smtp);
        let peer = Peer { kind, smtp, group: &group, files, beyond: None, pending: &|| Ok(0) };
        self.measure_all(&peer, cases, rows)
    }

    fn posthouse(&self, cases: &[Case], program: &Path, rows: &mut Vec<Row>) -> Result<()> {
        let folder = self.fresh_folder("posthouse")?;
        let beyond = Beyond::start()?;
        let routes = [(BEYOND, beyond.sink.smtp), (WAITING, beyond.sink.smtp)];
        let site = Site::prepare(program, &folder, &self.form(0).addresses(), &routes)?;
        let files = site.data_folder();
        if let Some(count) = waiting_in(cases) {
            waiting::put_into_store(&files, count)?;
        }
        let group = Group::make("posthouse")?;
        let running: Server = site.start(|program| group.command(program))?;
        let (kind, smtp) = (Kind::Posthouse, running.smtp);
        let beyond = Some(&beyond);
        let peer = Peer { kind, smtp, group: &group, files, beyond, pending: &|| Ok(0) };
        self.measure_all(&peer, cases, rows)?;
        running.stop()?;
        site.verify()
    }

    fn postfix(&self, cases: &[Case], rows: &mut Vec<Row>) -> Result<()> {
        let folder = self.fresh_folder("postfix")?;
        let beyond = Beyond::start()?;
        let group = Group::make("postfix")?;
        let postfix = Postfix::start(&folder, self.form(0), &group, beyond.sink.smtp)?;
        if let Some(count) = waiting_in(cases) {
            waiting::send(postfix.smtp, count)?;
            wait_until(&|| Ok(postfix.queue_length()? == 0))?;
            postfix.check_deferred(count)?;
        }
        let (kind, smtp) = (Kind::Postfix, postfix.smtp);
        let (beyond, pending) = (Some(&beyond), &|| postfix.queue_length());
        let peer = Peer { kind, smtp, group: &group, files: folder, beyond, pending };
        self.measure_all(&peer, cases, rows)?;
        postfix.check_deferred(waiting_in(cases).unwrap_or(0))
    }

    fn opensmtpd(&self, cases: &[Case], rows: &mut Vec<Row>) -> Result<()> {
        let folder = self.fresh_folder("opensmtpd")?;
        let beyond = Beyond::start()?;
        let group = Group::make("opensmtpd")?;
        let server = OpenSmtpd::start(&folder, &group, beyond.sink.smtp)?;
        let (kind, smtp) = (Kind::Opensmtpd, server.smtp);
        let (beyond, pending) = (Some(&beyond), &|| server.queue_length());
        let peer = Peer { kind, smtp, group: &group, files: folder, beyond, pending };
        self.measure_all(&peer, cases, rows)
    }

    fn form(&self, size_octets: usize) -> Form {
        Form { accounts: self.plan.setting.accounts, size_octets }
    }

    fn fresh_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn measure_all(&self, peer: &Peer<'_>, cases: &[Case], rows: &mut Vec<Row>) -> Result<()> {
        for part in [Part::Accept, Part::Relay] {
            if let Some(case) = cases.iter().find(|case| case.part == part) {
                let before = peer.arrived()?;
                let warm_up = Case { connections: 10, ..*case };
                let latencies = self.load(peer, warm_up, 0, WARM_UP)?;
                peer.await_end(*case, before, latencies.count())?;
            }
        }
        for (run, case) in (1..).zip(cases) {
            rows.push(self.measure(peer, *case, run)?);
        }
        Ok(())
    }

    fn measure(&self, peer: &Peer<'_>, case: Case, run: u32) -> Result<Row> {
        let duration = Duration::from_secs(self.plan.setting.seconds);
        let before = peer.arrived()?;
        let beyond = peer.beyond.map(|beyond| &beyond.group);
        let meter = Meter::begin(&self.folder, Groups { server: Some(peer.group), beyond })?;
        let begun = Instant::now();
        let latencies = self.load(peer, case, run, duration)?;
        let accepted_in = begun.elapsed();
        peer.await_end(case, before, latencies.count())?;
        let done_in = begun.elapsed();
        let reading = meter.end(&peer.files)?;
        let row = Row::new(peer.kind, case, latencies, [accepted_in, done_in], reading);
        println!("{row}");
        Ok(row)
    }

    fn load(&self, peer: &Peer<'_>, case: Case, run: u32, duration: Duration) -> Result<Latencies> {
        let domain = match case.part {
            Part::Accept => DOMAIN,
            Part::Relay => BEYOND,
        };
        let load = Load {
            address: peer.smtp,
            form: self.form(case.octets),
            to: Audience { domain, each: case.recipients },
            round: run,
            connections: case.connections,
            held: 0,
            end: End::After(duration),
        };
        let progress = load.start()?.join();
        if let Some(fault) = progress.faults().first() {
            bail!("{case}: a connection ended too early: {fault}");
        }
        let latencies = progress.take_acknowledged().iter().map(|one| one.latency).collect();
        Ok(Latencies::new(latencies))
    }
}

impl Peer<'_> {
    /// To how many recipients messages came where it relays to.
    fn arrived(&self) -> Result<u64> {
        self.beyond.map_or(Ok(0), |beyond| beyond.sink.received())
    }

    /// Waits until all of these messages are where they belong.
    fn await_end(&self, case: Case, arrived_before: u64, messages: usize) -> Result<()> {
        let expected = u64::try_from(messages)? * u64::from(case.recipients);
        let all_arrived = || Ok(self.arrived()? >= arrived_before + expected);
        let nothing_pending = || Ok((self.pending)()? == 0);
        let waited = match case.part {
            Part::Relay => wait_until(&all_arrived),
            Part::Accept => wait_until(&nothing_pending),
        };
        waited.with_context(|| format!("{case}: {messages} messages were accepted"))
    }
}

fn waiting_in(cases: &[Case]) -> Option<u32> {
    cases.first().and_then(|case| case.waiting)
}

fn wait_until(is_done: &dyn Fn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + ARRIVAL_MAX;
    while !is_done()? {
        if Instant::now() > deadline {
            bail!("after {} s not all has arrived", ARRIVAL_MAX.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
