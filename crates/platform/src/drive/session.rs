//! One session on one stream.

use std::error::Error;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::{Drive, Ended, Interrupt, Next, Pump, Start};
use crate::clock::within;
use crate::net::{Stream, linger, read_once};
use crate::tls::{Side, TlsError, enter_tls};

/// Time for the peer to take what we say before we close on it.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// A larger output buffer is let go when we wait for the peer, so that idle connections are
/// small.
const IDLE_OUTPUT_OCTETS_MAX: usize = 4 * 1024;

pub(super) struct Session<'a, D> {
    /// None once it is broken, so that nothing more is written.
    stream: Option<Box<dyn Stream>>,
    drive: D,
    pump: &'a Pump,
    output: Vec<u8>,
    step: Step,
    ended: Ended,
}

/// What the peer is doing, by the rule in the module's header.
#[derive(Debug)]
struct Step {
    /// When it began, later by the time that the drive took.
    began: Duration,
    /// Octets that arrived in it.
    octets: u64,
}

impl<'a, D: Drive> Session<'a, D> {
    pub(super) fn new(stream: Box<dyn Stream>, drive: D, pump: &'a Pump) -> Self {
        let ended = Ended { peer: stream.peer(), octets_in: 0, octets_out: 0, why: None };
        let step = Step { began: pump.clock.monotonic(), octets: 0 };
        Self { stream: Some(stream), drive, pump, output: Vec::new(), step, ended }
    }

    pub(super) async fn serve(mut self, start: Start) -> Ended {
        if let Err(why) = self.run(start).await {
            self.output.clear();
            self.drive.interrupt(why.clone(), &mut self.output).await;
            self.ended.why = Some(why);
            self.write(LAST_WORDS).await.ok(); // it ends here, whether they arrive or not
        }
        if let Some(mut stream) = self.stream.take() {
            linger(&mut *stream, &*self.pump.clock).await;
        }
        self.ended
    }

    async fn run(&mut self, start: Start) -> Result<(), Interrupt> {
        if start == Start::Tls {
            self.enter_tls().await?;
        }
        loop {
            let before = self.pump.clock.monotonic();
            let next = self.drive.advance(&mut self.output).await;
            if self.output.is_empty() {
                let took = self.pump.clock.monotonic().saturating_sub(before);
                self.step.began = self.step.began.saturating_add(took);
            } else {
                let limit = self.time_for(self.pump.limits.write, self.output.len() as u64);
                self.write(limit).await?;
                self.begin_step();
            }
            if self.pump.shutdown.is_over() {
                return Err(Interrupt::ShuttingDown);
            }
            match next {
                Next::More => {}
                Next::Read { within } => self.read(within).await?,
                Next::Listen { within } => match self.read(within).await {
                    // Silence is what it listens for.
                    Err(Interrupt::TimedOut) => self.begin_step(),
                    other => other?,
                },
                Next::EnterTls => self.enter_tls().await?,
                Next::Close => return Ok(()),
            }
        }
    }

    fn begin_step(&mut self) {
        self.step = Step { began: self.pump.clock.monotonic(), octets: 0 };
    }

    /// `base` and the time that so many octets take at the lowest rate.
    fn time_for(&self, base: Duration, octets: u64) -> Duration {
        match octets.saturating_mul(1000).checked_div(self.pump.limits.octets_per_second_min) {
            Some(milliseconds) => base.saturating_add(Duration::from_millis(milliseconds)),
            None => Duration::MAX,
        }
    }

    /// Waits for input, until the step's time is over or we shut down.
    async fn read(&mut self, time: Duration) -> Result<(), Interrupt> {
        let may_end = self.drive.may_end();
        let (clock, shutdown) = (&self.pump.clock, &self.pump.shutdown);
        if may_end && shutdown.has_begun() {
            return Err(Interrupt::ShuttingDown);
        }
        if self.output.capacity() > IDLE_OUTPUT_OCTETS_MAX {
            self.output = Vec::new();
        }
        let end = self.step.began.saturating_add(self.time_for(time, self.step.octets));
        let Some(stream) = &mut self.stream else { return Err(Interrupt::PeerGone) };
        let drive = &mut self.drive;
        let octets = tokio::select! {
            biased;
            octets = read_once(&mut **stream, |octets| drive.receive(octets)) => octets,
            () = async {
                if may_end { shutdown.begun().await } else { shutdown.over().await }
            } => return Err(Interrupt::ShuttingDown),
            () = async { clock.sleep(end.saturating_sub(clock.monotonic())).await } => {
                return Err(match self.step.octets {
                    0 => Interrupt::TimedOut,
                    _ => Interrupt::TooSlow,
                });
            }
        };
        match octets {
            Ok(octets @ 1..) => {
                let octets = octets as u64;
                self.ended.octets_in = self.ended.octets_in.saturating_add(octets);
                self.step.octets = self.step.octets.saturating_add(octets);
                Ok(())
            }
            Ok(0) | Err(_) => {
                self.stream = None;
                Err(Interrupt::PeerGone)
            }
        }
    }

    /// Writes the output and empties it.
    async fn write(&mut self, limit: Duration) -> Result<(), Interrupt> {
        let Some(stream) = &mut self.stream else { return Err(Interrupt::PeerGone) };
        let write = async {
            stream.write_all(&self.output).await?;
            stream.flush().await
        };
        let written = within(&*self.pump.clock, limit, write).await;
        let octets = self.output.len() as u64;
        self.output.clear();
        let why = match written {
            Ok(Ok(())) => {
                self.ended.octets_out = self.ended.octets_out.saturating_add(octets);
                return Ok(());
            }
            Ok(Err(_)) => Interrupt::PeerGone,
            Err(_) => Interrupt::TooSlow,
        };
        self.stream = None; // a part may have been written, so nothing may follow
        Err(why)
    }

    async fn enter_tls(&mut self) -> Result<(), Interrupt> {
        let Some(tls) = &self.pump.tls else {
            self.stream = None;
            return Err(Interrupt::TlsFailed("TLS is not configured".to_owned()));
        };
        let Some(stream) = self.stream.take() else { return Err(Interrupt::PeerGone) };
        let limit = self.pump.limits.handshake;
        match enter_tls(stream, Side::Server(tls), &*self.pump.clock, limit).await {
            Ok((stream, facts)) => {
                self.stream = Some(stream);
                self.drive.enter_tls(facts);
                self.begin_step();
                Ok(())
            }
            Err(error) => Err(Interrupt::TlsFailed(in_words(&error))),
        }
    }
}

/// The error with its causes that it does not tell itself.
fn in_words(error: &TlsError) -> String {
    let text = error.to_string();
    match error.source().map(ToString::to_string) {
        Some(cause) if !text.contains(&cause) => format!("{text}: {cause}"),
        _ => text,
    }
}
