//! The server: everything started in the right order, watched, and ended in good order.
//!
//! ```text
//!   lock the folder → bind all addresses → certificate → store → control socket → sessions, queue
//!                                                                              → `ready`
//!   SIGTERM, SIGINT → no new connections; transactions may finish → exit 0
//! ```
//!
//! A failure before `ready` ends the program with one clear line. After it nothing that comes
//! from outside does.
//!
//! Standards: sd_notify(3), daemon(7).
//! Not here: what sessions and the queue do (crates `mta`, `access`).

mod certificate;
mod front;
mod hardening;
mod listeners;
pub(crate) mod log;
mod upkeep;
mod wiring;

use std::io::{self, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use platform::shutdown::{self, Drained, Signal};
use platform::{Clock, Shutdown, SystemClock};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::archive;
use crate::config::Config;
use crate::control::{self, ControlSocket};
use crate::engine::Engine;
use crate::failure::{Exit, Failure};
use crate::folder::Folder;

use self::certificate::Certificate;
use self::listeners::Listeners;
pub(crate) use self::listeners::{no_smtp_listener, not_bound, supposed};

/// How long transactions may take to finish once we are told to end.
const DRAIN: Duration = Duration::from_secs(30);

/// Files that are open besides connections: the store, its readers, the log.
const FILES_BESIDE_CONNECTIONS: u64 = 200;

/// What ends the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// SIGTERM or SIGINT.
    Signal,
    /// These, or the end of standard input.
    InputEnds,
}

/// Runs the server until it is told to end.
pub(crate) async fn run(config: &Config, until: Until) -> Result<Exit, Failure> {
    if config.listeners.is_empty() {
        return Err(Failure::new("there is no listener, so nobody could connect")
            .in_path(&config.file)
            .remedy("add a [[listener]] with protocol, bind and tls"));
    }
    hardening::harden();
    let mut signals = Signals::new(until)?;
    let shutdown = Shutdown::new();
    allow_many_files(config);
    let folder = Folder::new(&config.data_dir);
    let lock = control::take(&folder).await?;
    let listeners = Listeners::bind(config).await?;
    let certificate = Certificate::load(config, &folder)?;
    let engine = Arc::new(Engine::open(&folder, lock).await?);
    engine.directory.separate_by(config.separator).await?;
    let control = ControlSocket::bind(&folder)?;
    let mta = wiring::mta(config, &engine, listeners.smtp_addresses())?;
    mta.read_orders().await?;
    let mta = Arc::clone(engine.in_motion.get_or_init(|| mta));

    let ready = listeners.ready_line();
    listeners.serve(config, &engine, &mta, &certificate, &shutdown)?;
    let news = engine.store.subscribe();
    tokio::spawn(upkeep::follow(news, Arc::clone(&engine), shutdown.clone()));
    tokio::spawn(control.run(Arc::clone(&engine), shutdown.clone()));
    let kept = upkeep::Kept::of(&config.queue);
    tokio::spawn(upkeep::run(Arc::clone(&engine), kept, shutdown.clone()));
    if let Some(backup) = config.backup.clone() {
        tokio::spawn(archive::run(Arc::clone(&engine), backup, shutdown.clone()));
    }
    let mut queue = tokio::spawn(mta::queue::run(mta, shutdown.clone()));
    info!(hostname = %config.hostname, data_dir = %config.data_dir.display(), "serving");
    tell_ready(&ready);

    let store = pin!(engine.store_ended());
    let ended = wait(&mut signals, &certificate, &mut queue, store).await;
    tell(&sd_notify::NotifyState::Stopping);
    info!("ending: transactions may finish");
    let hurry = shutdown.clone();
    tokio::spawn(async move {
        // Told a second time, we do not wait for anybody.
        while signals.next().await != Signal::End {}
        hurry.end_now();
    });
    let drained = shutdown.drain(&SystemClock, DRAIN).await;
    if drained == Drained::CutOff {
        warn!(
            after_s = DRAIN.as_secs(),
            "some transactions were cut off; their senders will try again"
        );
    }
    if !queue.is_finished() {
        // It watches the same shutdown; what it was about to do is in the store.
        platform::clock::within(&SystemClock, Duration::from_secs(5), queue).await.ok();
    }
    log_counters(&engine);
    Ok(ended)
}

/// What the store did, for whoever measures it.
fn log_counters(engine: &Engine) {
    let counters = engine.store.counters();
    info!(
        accepted = counters.accepted,
        commits = counters.commits,
        syncs = counters.syncs,
        checkpoint_syncs = counters.checkpoint_syncs,
        content_octets = counters.content_octets,
        "ended",
    );
}

/// Sleeps until we are told to end, or a part of us has ended that cannot be done without: then
/// whoever started us should start us anew. A hangup makes us read the certificate anew.
async fn wait(
    signals: &mut Signals,
    certificate: &Certificate,
    queue: &mut JoinHandle<()>,
    mut store: Pin<&mut impl Future<Output = ()>>,
) -> Exit {
    loop {
        let told = tokio::select! {
            told = signals.next() => told,
            () = SystemClock.sleep(certificate::RENEWAL) => Signal::Reload,
            _ = &mut *queue => {
                error!("the queue has ended by itself");
                return Exit::Failed;
            }
            () = &mut store => {
                error!("the store has ended by itself");
                return Exit::Failed;
            }
        };
        match told {
            Signal::End => return Exit::Done,
            Signal::Reload => certificate.renew(),
        }
    }
}

/// What tells us to end or to read the certificate anew. SIGPIPE is ignored by Rust's start-up
/// code.
#[derive(Debug)]
struct Signals {
    system: shutdown::Signals,
    input_ended: Option<oneshot::Receiver<()>>,
}

impl Signals {
    fn new(until: Until) -> Result<Self, Failure> {
        let system = shutdown::Signals::listen()
            .map_err(|error| Failure::new(format!("signals cannot be watched: {error}")))?;
        Ok(Self {
            system,
            input_ended: match until {
                Until::Signal => None,
                Until::InputEnds => Some(input_ended()),
            },
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            told = self.system.next() => told,
            () = ended(&mut self.input_ended) => Signal::End,
        }
    }
}

/// Ready when standard input has ended, if anybody watches it.
async fn ended(watched: &mut Option<oneshot::Receiver<()>>) {
    match watched {
        Some(input) => {
            // The watcher tells by going away.
            input.await.ok();
            *watched = None;
        }
        None => std::future::pending().await,
    }
}

/// Reads standard input to its end, on a thread of its own: reading cannot be called off.
fn input_ended() -> oneshot::Receiver<()> {
    let (reads, ended) = oneshot::channel();
    std::thread::spawn(move || {
        // An error is an end, too.
        io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
        drop(reads);
    });
    ended
}

/// Raises the number of files that we may open to what the system allows us.
fn allow_many_files(config: &Config) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        warn!(%error, soft, hard, "the limit for open files stays");
    }
    let wanted = u64::from(config.limits.connections).saturating_add(FILES_BESIDE_CONNECTIONS);
    if hard < wanted {
        warn!(hard, wanted, "fewer files may be open than limits.connections needs");
    }
}

/// Whether anybody reads it or not: we are ready.
fn tell_ready(line: &str) {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).ok();
    tell(&sd_notify::NotifyState::Ready);
}

/// Tells systemd, if it started us.
fn tell(state: &sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        warn!(%error, "systemd was not told");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn a_queue_or_store_that_ends_ends_the_server() {
        let temporary = TempDir::new().expect("a folder");
        let text = "hostname = \"mx.example.org\"\ndata_dir = \"data\"\n";
        let file = temporary.path().join("posthouse.toml");
        let config = Config::parse(Path::new(&file), text).expect("good");
        let folder = Folder::new(&config.data_dir);
        folder.make().expect("made");
        let certificate = Certificate::load(&config, &folder).expect("of our own making");
        let mut signals = Signals::new(Until::Signal).expect("watched");
        let broken = tokio::spawn(std::future::pending());
        broken.abort();
        for (mut queue, why) in [(tokio::spawn(async {}), "returned"), (broken, "broke down")] {
            let store = pin!(std::future::pending());
            let ended = wait(&mut signals, &certificate, &mut queue, store).await;
            assert_eq!(ended, Exit::Failed, "{why}");
            assert!(queue.is_finished(), "{why}");
        }
        let mut queue = tokio::spawn(std::future::pending());
        let store = pin!(std::future::ready(()));
        assert_eq!(wait(&mut signals, &certificate, &mut queue, store).await, Exit::Failed);
    }
}
