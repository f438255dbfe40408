//! One history: the world is made, runs until nothing is left to do, and is judged.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use directory::Directory;
use dns::{StubOptions, StubResolver, Zone, ZoneServer};
use envelope::{Address, Domain};
use mta::reception::{ReceptionConfig, Service};
use mta::{Config, Mta, OutboundConfig, PrivateTargets, QueueConfig, Reception};
use platform::{ClientTls, Clock, Net, Random, RealDisk, Shutdown, Task, Timestamp};
use sim::{Reach, SimClock, SimDisk, SimNet, SimRandom};
use smtp::server::{AuthInClear, Tls};
use store::{QueueFilter, Store};
use store_sqlite::{Options, SqliteStore, Turn, Writer};
use tempfile::TempDir;

use crate::author::{self, AUTHOR, Heard, Told};
use crate::peer::{self, Peer};
use crate::plan::{self, DAY_S, Kind, Letter, Size};

pub(crate) const BEGAN: Timestamp = Timestamp(1_795_000_000_000);
/// After so long everything must be over: what was written last has expired, and all of its
/// schedule was tried.
const OVER: Duration = Duration::from_secs(14 * DAY_S);
/// Attempts at a time, and how many of them one domain gets.
pub(crate) const ATTEMPTS_MAX: usize = 20;
pub(crate) const ATTEMPTS_OF_DOMAIN_MAX: usize = 4;
const HOME: &str = "4.0.0.1:25";
const DNS: &str = "9.9.9.9:53";
const SIM_FOLDER: &str = "/sim";

pub(crate) fn queue_config() -> QueueConfig {
    QueueConfig { attempts_max: ATTEMPTS_MAX, ..QueueConfig::default() }
}

/// What there is between two crashes.
struct Life {
    store: Arc<SqliteStore>,
    writer: Writer,
    /// The queue and the listener, once they run.
    tasks: Vec<Task>,
}

pub(crate) struct World {
    pub(crate) clock: SimClock,
    random: SimRandom,
    net: SimNet,
    disk: SimDisk,
    folders: TempDir,
    lives: u64,
    life: Life,
    tls: ClientTls,
    pub(crate) peers: Vec<Arc<Peer>>,
    pub(crate) told: Heard,
    pub(crate) crashed_at: Option<Duration>,
}

/// Runs one history; an error tells which law it broke, and what happened.
pub(crate) fn run(seed: u64, size: Size) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(history(seed, size))
}

async fn history(seed: u64, size: Size) -> Result<(), String> {
    let random = SimRandom::new(seed);
    let clock = SimClock::new(BEGAN);
    let net = SimNet::new(clock.clone(), seed ^ 0xabcd, [4, 0, 0, 1].into());
    let zone = Zone::new();
    let destinations = plan::destinations(size, &random, &net, &zone);
    let letters = plan::letters(size, &random, &destinations);
    let mut world = World::new(seed, random, clock, net)?;
    let dns = socket(DNS)?;
    let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
    let server = ZoneServer::serve(&world.net, clock, dns, zone).await;
    let _dns = server.map_err(|error| error.to_string())?;
    let mut tasks = Vec::new();
    for (number, destination) in (0..).zip(destinations) {
        if matches!(destination.kind, Kind::Refuses | Kind::Silent) {
            continue; // nobody is there
        }
        let seed = seed.wrapping_mul(1000).wrapping_add(number);
        let (peer, task) = Peer::start(destination, &world.net, &world.clock, seed).await?;
        tasks.extend([task, Task::start(weather(Arc::clone(&peer), &world, seed))]);
        world.peers.push(peer);
    }
    world.settle_in().await?;
    world.begin().await?;
    let home = socket(HOME)?;
    let all = letters.len();
    for letter in letters.into_iter().map(Arc::new) {
        let (net, clock, told) = (world.net.clone(), world.clock.clone(), world.told.clone());
        tasks.push(Task::start(author::write(letter, net, clock, home, told)));
    }
    if !world.random.once_in(3) {
        let at = Duration::from_secs(world.random.below(3 * DAY_S));
        world.pass(at).await?;
        world.crash().await?;
    }
    world.run_until_over(all).await?;
    world.check().await
}

fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text} is no address"))
}

/// Hosts that come and go.
fn weather(peer: Arc<Peer>, world: &World, seed: u64) -> impl Future<Output = ()> + Send + 'static {
    let (net, clock, random) = (world.net.clone(), world.clock.clone(), SimRandom::new(!seed));
    async move {
        let address = peer.destination.address;
        let turn = |reach| {
            let way = net.way(address);
            net.set_way(address, sim::Way { reach, ..way });
        };
        match peer.destination.kind {
            Kind::ComesBack => {
                clock.sleep(Duration::from_secs(2 * DAY_S)).await;
                turn(Reach::Open);
            }
            Kind::Partitioned => loop {
                clock.sleep(Duration::from_secs(random.below(6 * 3600))).await;
                turn(Reach::Silent);
                clock.sleep(Duration::from_secs(random.below(3 * 3600))).await;
                turn(Reach::Open);
            },
            _ => {}
        }
    }
}

fn options(disk: &SimDisk, clock: &SimClock, database_folder: PathBuf) -> Options {
    Options {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(clock.clone()),
        database_folder: Some(database_folder),
        segment_octets_max: 4_000_000,
        reserve_octets: 1024 * 1024,
        reader_threads: 0,
        ..Options::default()
    }
}

/// Where SQLite's own files are: in memory if the system has such a place.
fn fast_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

impl World {
    fn new(seed: u64, random: SimRandom, clock: SimClock, net: SimNet) -> Result<Self, String> {
        let disk = SimDisk::new(seed ^ 0x5eed, 1024 * 1024 * 1024);
        let folders = tempfile::tempdir_in(fast_folder()).map_err(|error| error.to_string())?;
        let folder = folders.path().join("0");
        std::fs::create_dir(&folder).map_err(|error| error.to_string())?;
        let life = Life::open(&disk, &clock, folder)?;
        let tls = ClientTls::opportunistic(&RealDisk, &[]).map_err(|error| error.to_string())?;
        Ok(Self {
            clock,
            random,
            net,
            disk,
            folders,
            lives: 0,
            life,
            tls,
            peers: Vec::new(),
            told: Arc::default(),
            crashed_at: None,
        })
    }

    pub(crate) fn store(&self) -> Arc<SqliteStore> {
        Arc::clone(&self.life.store)
    }

    /// What authors were told so far.
    pub(crate) fn letters(&self) -> Vec<(Arc<Letter>, Told)> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for an answer, and lets the world go on meanwhile. It goes on only when nobody has
    /// anything to do: the paused time of the runtime passes only then.
    pub(crate) async fn wait<T>(&mut self, answer: impl Future<Output = T>) -> T {
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                () = tokio::time::sleep(Duration::from_millis(1)) => self.go_on(),
            }
        }
    }

    fn go_on(&mut self) {
        if !matches!(self.life.writer.turn(Some(Duration::ZERO)), Turn::Done(_))
            && let Some(next) = self.clock.next_alarm()
        {
            self.clock.step(next);
        }
    }

    async fn pass(&mut self, how_long: Duration) -> Result<(), String> {
        let pause = self.clock.sleep(how_long);
        self.wait(pause).await;
        self.first_broken_at_peers()
    }

    async fn directory(&mut self) -> Result<Arc<Directory>, String> {
        let random = Arc::new(SimRandom::new(self.random.u64()));
        let opening = Directory::open(self.store(), Arc::new(self.clock.clone()), random, [7; 32]);
        self.wait(opening).await.map_err(|error| error.to_string())
    }

    /// Makes the domain and the author.
    async fn settle_in(&mut self) -> Result<(), String> {
        let directory = self.directory().await?;
        let author = Address::parse(AUTHOR).map_err(|error| error.to_string())?;
        let made = async {
            directory.add_domain(author.domain().clone()).await?;
            directory.add_accounts(vec![author], None, None, None).await
        };
        self.wait(made).await.map_err(|error| error.to_string()).map(drop)
    }

    /// Starts the transfer agent.
    async fn begin(&mut self) -> Result<(), String> {
        let directory = self.directory().await?;
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let net: Arc<dyn Net> = Arc::new(self.net.clone());
        let random: Arc<dyn Random> = Arc::new(SimRandom::new(self.random.u64()));
        let servers = StubOptions::new(vec![socket(DNS)?]);
        let (ours, luck) = (Arc::clone(&net), Arc::clone(&random));
        let resolver = StubResolver::new(ours, Arc::clone(&clock), luck, servers);
        let home = socket(HOME)?;
        let config = Config {
            hostname: Domain::parse("mx.home.test").map_err(|error| error.to_string())?,
            message_size_max: 10_000_000,
            recipients_max: 100,
            queue: queue_config(),
            outbound: OutboundConfig {
                private_targets: PrivateTargets::Refused,
                ..OutboundConfig::default()
            },
            language: mta::notice::Language::English,
            listening: vec![home],
        };
        let world = mta::World {
            store: self.store(),
            directory,
            resolver: Arc::new(resolver),
            net,
            clock,
            random,
            opportunistic_tls: self.tls.clone(),
            verified_tls: self.tls.clone(),
        };
        let mta = Mta::new(config, world);
        let network = "4.0.0.0/8".parse().map_err(|_| "no network")?;
        let reception = ReceptionConfig {
            service: Service::Smtp { relay_from: vec![network] },
            tls: Tls::None,
            auth_in_clear: AuthInClear::Refused,
        };
        let reception = Reception::new(Arc::clone(&mta), reception);
        let listener = self.net.listen(home).await.map_err(|error| error.to_string())?;
        let pump = peer::pump(&self.clock);
        let sessions = peer::accept(listener, pump, move |peer| reception.session(peer));
        let queue = mta::queue::run(mta, Shutdown::new());
        self.life.tasks = vec![Task::start(queue), Task::start(sessions)];
        Ok(())
    }

    /// The power goes, and comes back some time later.
    async fn crash(&mut self) -> Result<(), String> {
        let words = |error: std::io::Error| error.to_string();
        let (old, new) = (self.lives, self.lives + 1);
        self.lives = new;
        let [old, new] = [old, new].map(|life| self.folders.path().join(life.to_string()));
        std::fs::create_dir(&new).map_err(words)?;
        for name in ["store.db", "store.db-wal"] {
            std::fs::copy(old.join(name), new.join(name)).map_err(words)?;
        }
        self.life.tasks.clear();
        // Everybody who was cut off is gone before the store is.
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.disk.crash();
        self.life = Life::open(&self.disk, &self.clock, new)?;
        self.crashed_at = Some(self.clock.monotonic());
        for peer in &self.peers {
            peer.seen().asked.clear();
        }
        let downtime = Duration::from_secs(self.random.below(3600));
        self.pass(downtime).await?;
        self.begin().await
    }

    /// Until all letters are written and the queue is empty.
    async fn run_until_over(&mut self, letters: usize) -> Result<(), String> {
        loop {
            self.pass(Duration::from_secs(3600)).await?;
            let store = self.store();
            let waiting = self.wait(store.queue(QueueFilter::default())).await;
            let waiting = waiting.map_err(|error| error.to_string())?;
            if waiting.is_empty() && self.letters().len() == letters {
                return Ok(());
            }
            if self.clock.monotonic() > OVER {
                let first = waiting.first().map(|summary| summary.id);
                return Err(format!("{} wait after two weeks, such as {first:?}", waiting.len()));
            }
        }
    }
}

impl Life {
    fn open(disk: &SimDisk, clock: &SimClock, folder: PathBuf) -> Result<Self, String> {
        let (store, writer) =
            SqliteStore::open(Path::new(SIM_FOLDER), options(disk, clock, folder))
                .map_err(|error| format!("opening the store: {error}"))?;
        Ok(Self { store, writer, tasks: Vec::new() })
    }
}
