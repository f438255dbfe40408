//! `posthouse try`: a whole rehearsal on loopback, with nothing to configure.
//!
//! ```text
//!   author's client ─SMTP─▶ castle ─MX?─▶ DNS        (this process: clients, DNS, catcher)
//!                             │ SMTP                 (castle, harbour: `posthouse serve`)
//!                             ▼
//!                          harbour ─POP3─▶ reader's client
//!                             └─ success notice ─▶ castle ─▶ the author's status
//! ```
//!
//! Two servers as they would run anywhere, for two made-up domains, each on a loopback address
//! of its own. What is shown comes from their stored events and transcripts, asked for over
//! their control sockets, and from the conversations that our two clients have.
//!
//! Standards: RFC 2606 §2 (the domain `example`), RFC 5321 §5 (MX), RFC 3464 (notices).
//! Not here: anything that mail passes through (crates `mta`, `access`).

mod author;
mod catcher;
mod journey;
mod letter;
mod place;
mod reader;
mod system;

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use dns::{Zone, ZoneServer};
use platform::shutdown::{Signal, Signals};
use platform::{Clock, Disk, Random, RealDisk, SystemClock, SystemRandom, TokioNet};

use crate::cli::{Output, Style, Talk, password, program};
use crate::control::Secret;
use crate::failure::{Exit, Failure, of_file};

use self::catcher::Catcher;
use self::place::{CATCHER, Place, SYSTEMS, Wish};
use self::system::System;

/// How the rehearsal is set up.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Keep everything in this folder [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The first of the 100 ports that are used [default: 2500, or the next that are free]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=65_000))]
    port_base: Option<u16>,
    /// End after the letters arrived: exit 0 only if they did
    #[arg(long)]
    once: bool,
}

/// Runs the rehearsal.
pub(crate) async fn run(
    options: Options,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let mut end = End::new()?;
    // Whatever runs already ends when this is dropped, and a temporary folder goes.
    let stage = tokio::select! {
        stage = Stage::set(&options, output, talk) => stage?,
        () = end.asked() => return Ok(Exit::Failed),
    };
    let done = tokio::select! {
        done = stage.play(&options, output, talk) => done,
        () = end.asked() => Ok(Exit::Failed),
    };
    if matches!(done, Ok(Exit::Done)) && !options.once {
        stage.wait(&mut end, output).await?;
    }
    stage.strike(talk).await;
    done
}

/// Ctrl-C, being told to end, or a terminal that is gone.
#[derive(Debug)]
struct End(Signals);

impl End {
    fn new() -> Result<Self, Failure> {
        match Signals::listen() {
            Ok(signals) => Ok(Self(signals)),
            Err(error) => Err(Failure::new(format!("signals cannot be watched: {error}"))),
        }
    }

    async fn asked(&mut self) {
        match self.0.next().await {
            // We have no configuration that could be read again.
            Signal::End | Signal::Reload => {}
        }
    }
}

/// Everything that runs.
#[derive(Debug)]
struct Stage {
    place: Place,
    password: Secret,
    systems: [System; 2],
    catcher: Catcher,
    _dns: ZoneServer,
    /// Let go last: fields are dropped in this order.
    home: Home,
}

impl Stage {
    /// DNS, catcher, two servers with an account each.
    async fn set(options: &Options, output: &mut Output, talk: &Talk) -> Result<Self, Failure> {
        let home = Home::new(options)?;
        let folder = &home.folder;
        let password = kept_password(folder)?;
        let place = Place::find(match (options.port_base, options.once) {
            (Some(base), _) => Wish::Base(base),
            (None, false) => Wish::Usual,
            (None, true) => Wish::Any,
        })
        .await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let dns = ZoneServer::serve(&TokioNet, Arc::clone(&clock), place.dns(), zone())
            .await
            .map_err(|error| Failure::new(format!("the DNS server cannot start: {error}")))?;
        let catcher = Catcher::start(place.catcher(), &folder.join("caught")).await?;
        talk.say(format_args!("starting two mail systems in {} …", folder.display()));
        let (castle, harbour) = tokio::try_join!(
            System::start(&SYSTEMS[0], &place, folder, &password),
            System::start(&SYSTEMS[1], &place, folder, &password),
        )?;
        for system in [&castle, &harbour] {
            let name = output.paint(Style::Strong, system.plan.domain);
            output.line(format!("{name:<18} {} {}", system.plan.hostname, system.ready))?;
        }
        output.line(format!(
            "{:<18} {}, with an MX record for every domain",
            "DNS",
            place.dns()
        ))?;
        output.flush()?;
        let systems = [castle, harbour];
        Ok(Self { place, password, systems, catcher, _dns: dns, home })
    }

    /// A letter each way.
    async fn play(
        &self,
        options: &Options,
        output: &mut Output,
        talk: &Talk,
    ) -> Result<Exit, Failure> {
        let [castle, harbour] = &self.systems;
        let mut exit = Exit::Done;
        for (letter, from, to) in
            [(&letter::LETTERS[0], castle, harbour), (&letter::LETTERS[1], harbour, castle)]
        {
            let journey = journey::Journey { letter, from, to, password: &self.password };
            if !journey.travel(output, talk).await? {
                exit = Exit::Failed;
            }
        }
        if exit == Exit::Done {
            let done =
                output.paint(Style::Good, "Both letters arrived, whole, and both authors know it.");
            output.line(format!("\n{done}"))?;
        }
        if !options.once {
            self.tell_logins(output)?;
        }
        output.flush()?;
        Ok(exit)
    }

    /// How anybody can look around.
    fn tell_logins(&self, output: &mut Output) -> Result<(), Failure> {
        let title =
            output.paint(Style::Strong, "Both systems go on running; nothing leaves this machine.");
        output.line(format!("\n{title} Log in with any client:\n"))?;
        for system in &self.systems {
            let (ip, account) = (system.plan.address, &system.account);
            let folder = self.home.folder.join(system.plan.folder);
            output.line(format!("  {account}   password {}", self.password.0))?;
            output.line(format!(
                "    SMTP {ip}:{} (STARTTLS), {ip}:{} (TLS)   POP3 {ip}:{} (STLS), {ip}:{} (TLS)",
                self.place.port(place::SUBMISSION),
                self.place.port(place::SUBMISSIONS),
                self.place.port(place::POP3),
                self.place.port(place::POP3S),
            ))?;
            output.line(format!(
                "    certificate authority {}",
                folder.join("data/tls/ca.pem").display()
            ))?;
            output.line(format!(
                "    {} --config {} queue list",
                program(),
                folder.join("posthouse.toml").display()
            ))?;
        }
        let castle = &self.systems[0];
        output.line("\nFor example:\n")?;
        output.line(format!(
            "  {} setup {} --pop3 {ip}:{} --submission {ip}:{} --tls implicit --ca {}",
            Path::new(&program()).with_file_name("mailbag").display(),
            castle.account,
            self.place.port(place::POP3S),
            self.place.port(place::SUBMISSIONS),
            self.home.folder.join(castle.plan.folder).join("data/tls/ca.pem").display(),
            ip = castle.plan.address,
        ))?;
        output.line("\nMail for any other domain is caught and shown here. Ctrl-C ends it all.\n")
    }

    /// Shows what is caught until we are told to end.
    async fn wait(&self, end: &mut End, output: &mut Output) -> Result<(), Failure> {
        loop {
            let caught = tokio::select! {
                caught = self.catcher.next() => caught,
                () = end.asked() => return Ok(()),
            };
            for line in caught.lines() {
                output.line(line)?;
            }
            output.flush()?;
        }
    }

    /// Ends everything.
    async fn strike(self, talk: &Talk) {
        let [castle, harbour] = self.systems;
        tokio::join!(castle.stop(), harbour.stop());
        if !self.home.temporary {
            talk.say(format_args!("everything is kept in {}", self.home.folder.display()));
        }
    }
}

/// The folder of the rehearsal. A temporary one goes when this does.
#[derive(Debug)]
struct Home {
    folder: PathBuf,
    temporary: bool,
}

impl Home {
    fn new(options: &Options) -> Result<Self, Failure> {
        if let Some(folder) = &options.dir {
            RealDisk
                .make_dir(folder)
                .map_err(|error| of_file("make the folder", folder, &error))?;
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            return Ok(Self { folder, temporary: false });
        }
        let name = format!("posthouse-try-{:08x}", SystemRandom.below(1 << 32));
        let folder = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| of_file("make a temporary folder", &folder, &error))?;
        Ok(Self { folder, temporary: true })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed is in the system's folder for such things.
            std::fs::remove_dir_all(&self.folder).ok();
        }
    }
}

/// The accounts' password: made up once for each folder.
fn kept_password(folder: &Path) -> Result<Secret, Failure> {
    const PASSWORD_OCTETS_MAX: usize = 1024;
    let path = folder.join("password");
    if RealDisk.exists(&path).unwrap_or(false) {
        let octets = RealDisk
            .read_whole(&path, PASSWORD_OCTETS_MAX)
            .map_err(|error| of_file("read the password", &path, &error))?;
        return Ok(Secret(String::from_utf8_lossy(&octets).trim().to_owned()));
    }
    let password = password::make_up(&SystemRandom);
    RealDisk
        .write_whole(&path, password.0.as_bytes())
        .map_err(|error| of_file("keep the password", &path, &error))?;
    Ok(password)
}

/// The world's DNS: our two domains, and one host that takes the mail of all others.
fn zone() -> Zone {
    let zone = Zone::new();
    for system in &SYSTEMS {
        zone.mx(system.domain, 10, system.hostname);
        zone.address(system.hostname, system.address.into());
        zone.ptr(system.address.into(), system.hostname);
    }
    zone.mx("*", 10, CATCHER.0);
    zone.address(CATCHER.0, CATCHER.1.into());
    zone
}

/// How long any single thing may take before it has failed.
const PATIENCE: Duration = Duration::from_secs(60);
