//! What the tests of this crate share: streams in memory and a drive that follows a script.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use platform::tls::{ALPN_SMTP, Identity};
use platform::{
    Clock, Drive, Interrupt, Net, Next, Pause, Pump, PumpLimits, RealDisk, ServerTls, Shutdown,
    Stream, SystemClock, Timestamp, TlsFacts, TokioNet,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// One end of a connection in memory, for tests with a paused clock.
pub(crate) struct Memory(DuplexStream);

pub(crate) fn memory(octets: usize) -> (Box<dyn Stream>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(octets);
    (Box::new(Memory(ours)), theirs)
}

impl Stream for Memory {
    fn peer(&self) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 40_000))
    }

    fn local(&self) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 2], 25))
    }
}

impl AsyncRead for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// A connection over the loopback interface: the server's end and the client's.
pub(crate) async fn loopback() -> (Box<dyn Stream>, Box<dyn Stream>) {
    let listener = TokioNet.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let connect = TokioNet.connect(None, listener.local());
    let (server, client) = tokio::join!(listener.accept(), connect);
    (server.unwrap(), client.unwrap())
}

/// What an [`Echo`] has met, to look at from outside.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) lines: Vec<String>,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) interrupted: Option<Interrupt>,
}

/// A line protocol: answers each line by `ok LINE`; some lines do more.
///
/// `STARTTLS`, `QUIT`, `BEGIN` and `END` (a transaction), `BIG` (1 MiB of output),
/// `SLOW` (takes the drive a minute, says nothing), `TAKE` (swallows all that follows up to a
/// line `.`, without a word).
pub(crate) struct Echo {
    input: Vec<u8>,
    greeted: bool,
    in_transaction: bool,
    taking: bool,
    big: usize,
    within: Duration,
    /// How long it listens before it greets.
    pub(crate) listens: Option<Duration>,
    seen: Arc<Mutex<Seen>>,
}

impl Echo {
    pub(crate) fn new(within: Duration) -> (Self, Arc<Mutex<Seen>>) {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let echo = Self {
            input: Vec::new(),
            greeted: false,
            in_transaction: false,
            taking: false,
            big: 0,
            within,
            listens: None,
            seen: Arc::clone(&seen),
        };
        (echo, seen)
    }
}

impl Drive for Echo {
    fn receive(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
    }

    async fn advance(&mut self, output: &mut Vec<u8>) -> Next {
        if let Some(within) = self.listens.take() {
            return Next::Listen { within };
        }
        if !self.greeted {
            self.greeted = true;
            output.extend_from_slice(b"hello\n");
            return Next::Read { within: self.within };
        }
        if self.big > 0 {
            self.big -= 1;
            output.extend_from_slice(&[b'x'; 1024]);
            return Next::More;
        }
        while let Some(end) = self.input.iter().position(|octet| *octet == b'\n') {
            let line = String::from_utf8(self.input.drain(..=end).collect()).unwrap();
            let line = line.trim_end().to_owned();
            if self.taking {
                self.taking = line != ".";
                if !self.taking {
                    output.extend_from_slice(b"taken\n");
                }
                continue;
            }
            self.seen.lock().unwrap().lines.push(line.clone());
            match line.as_str() {
                "STARTTLS" => {
                    output.extend_from_slice(b"go\n");
                    return Next::EnterTls;
                }
                "QUIT" => {
                    output.extend_from_slice(b"bye\n");
                    return Next::Close;
                }
                "BIG" => {
                    self.big = 1024;
                    return Next::More;
                }
                "SLOW" => {
                    SystemClock.sleep(Duration::from_secs(60)).await;
                    continue;
                }
                "TAKE" => self.taking = true,
                "BEGIN" => self.in_transaction = true,
                "END" => self.in_transaction = false,
                _ => {}
            }
            output.extend_from_slice(format!("ok {line}\n").as_bytes());
        }
        Next::Read { within: self.within }
    }

    fn enter_tls(&mut self, facts: TlsFacts) {
        self.input.clear();
        self.seen.lock().unwrap().tls = Some(facts);
    }

    async fn interrupt(&mut self, why: Interrupt, output: &mut Vec<u8>) {
        output.extend_from_slice(format!("421 {why:?}\n").as_bytes());
        self.seen.lock().unwrap().interrupted = Some(why);
    }

    fn may_end(&self) -> bool {
        !self.in_transaction
    }
}

/// A pump without TLS.
pub(crate) fn pump() -> Pump {
    Pump {
        clock: Arc::new(SystemClock),
        tls: None,
        shutdown: Shutdown::new(),
        limits: PumpLimits::default(),
    }
}

/// A pump with a certificate of its own authority in `dir`.
pub(crate) fn pump_with_tls(dir: &Path) -> Pump {
    let identity = Identity::self_signed(&RealDisk, &SystemClock, dir, "mx.example.org", &[]);
    let tls = ServerTls::new(&identity.unwrap(), ALPN_SMTP).unwrap();
    Pump { tls: Some(tls), ..pump() }
}

/// A clock that stands still for the wall, and goes on for waits.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }

    fn sleep(&self, how_long: Duration) -> Pause {
        SystemClock.sleep(how_long)
    }
}
