//! The outside world: time, luck, network, disk and TLS, each behind something a test can hold.
//!
//! Everything above asks the [`Clock`], the [`Random`], the [`Net`] and the [`Disk`] that it
//! was handed; so a simulation can run years of retries in a second. Tokio and rustls live
//! here and nowhere else, and no other crate opens a socket.
//!
//! ```text
//!   Listener → accept → drive::serve ⇄ a Drive (crates mta, access)      servers
//!   Net → Connection ⇄ a client session (crates mta, mailbag)            clients
//!                └── tls::enter_tls ──┘   the one way from clear text into TLS
//! ```
//!
//! Standards: RFC 8446 (TLS 1.3), RFC 7301 (ALPN), RFC 7435 (opportunistic security).
//! Not here: any protocol's words (`smtp`, `pop3`), names (`dns`), what is stored (`store`).

pub mod accept;
pub mod clock;
pub mod connection;
pub mod disk;
pub mod drive;
pub mod net;
pub mod proxy;
pub mod random;
pub mod shutdown;
pub mod task;
pub mod tls;

pub use accept::{AcceptLimits, Acceptor, Gate};
pub use clock::{Clock, Pause, SystemClock, Timestamp};
pub use connection::{Connection, ConnectionError};
pub use disk::{Disk, DiskFile, FolderLock, LockError, RealDisk};
pub use drive::{Drive, Ended, Interrupt, Next, Pump, PumpLimits, Start, serve};
pub use net::{BoxFuture, Datagram, Endpoint, Listener, Net, Stream, TokioNet, own_addresses};
pub use random::{Random, SystemRandom};
pub use shutdown::Shutdown;
pub use task::Task;
pub use tls::{ClientTls, ServerTls, TlsFacts, Verified};
