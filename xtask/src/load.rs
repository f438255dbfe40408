//! A generator of SMTP load that remembers what was acknowledged.
//!
//! ```text
//!   N connections, each: MAIL RCPT DATA → 354 → content → 250 → Progress, again
//!   M connections, each: … DATA → 354 → half of a content, and then silence
//! ```
//!
//! One thread runs all connections, so that it takes little from the server that it measures.

use std::io::{self, Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::letter::{Form, Marker};

/// What to do to which server.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) form: Form,
    pub(crate) round: u32,
    /// Connections that send one message after the other.
    pub(crate) connections: u32,
    /// Connections that stay in the middle of a content.
    pub(crate) held: u32,
    /// When to stop by itself; else when the connections break.
    pub(crate) duration: Option<Duration>,
}

/// What happened so far; read while the load runs.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    acknowledged: Mutex<Vec<Acknowledged>>,
    held: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

/// One message that got its 250.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledged {
    pub(crate) marker: Marker,
    /// From MAIL to the 250.
    pub(crate) latency: Duration,
}

impl Progress {
    pub(crate) fn acknowledged_count(&self) -> usize {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn held_count(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Takes what was acknowledged.
    pub(crate) fn take_acknowledged(&self) -> Vec<Acknowledged> {
        std::mem::take(&mut *self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How connections ended that ended too early.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_acknowledged(&self, acknowledged: Acknowledged) {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(acknowledged);
    }

    fn note_fault(&self, fault: String) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }
}

/// A load under way.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) progress: Arc<Progress>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Waits until all connections have ended.
    pub(crate) fn join(self) -> Arc<Progress> {
        if self.thread.join().is_err() {
            self.progress.note_fault("the load generator itself failed".to_owned());
        }
        self.progress
    }
}

impl Load {
    /// Starts the load on a thread of its own.
    pub(crate) fn start(&self) -> Result<Running> {
        let progress = Arc::new(Progress::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (load, shared) = (self.clone(), Arc::clone(&progress));
        let thread = thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || runtime.block_on(load.run(&shared)))
            .context("cannot start a thread")?;
        Ok(Running { progress, thread })
    }

    async fn run(self, progress: &Arc<Progress>) {
        let deadline = self.duration.map(|duration| Instant::now() + duration);
        let mut connections = JoinSet::new();
        for connection in 0..self.connections {
            let (load, progress) = (self.clone(), Arc::clone(progress));
            connections.spawn(async move {
                if let Err(error) = load.send_messages(connection, deadline, &progress).await {
                    progress.note_fault(error.to_string());
                }
            });
        }
        for connection in self.connections..self.connections + self.held {
            let (load, progress) = (self.clone(), Arc::clone(progress));
            connections.spawn(async move {
                if let Err(error) = load.stay_in_data(connection, &progress).await {
                    progress.note_fault(error.to_string());
                }
            });
        }
        while connections.join_next().await.is_some() {}
    }

    async fn send_messages(
        &self,
        connection: u32,
        deadline: Option<Instant>,
        progress: &Progress,
    ) -> io::Result<()> {
        let mut client = Client::connect(self.address).await?;
        for number in 0.. {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return client.quit().await;
            }
            let marker = Marker { round: self.round, connection, number };
            let mut content = self.form.content(marker);
            content.extend_from_slice(b".\r\n");
            let begun = Instant::now();
            client.open_data(&self.form.recipient(marker)).await?;
            client.stream.write_all(&content).await?;
            client.expect('2').await?;
            progress.note_acknowledged(Acknowledged { marker, latency: begun.elapsed() });
        }
        Ok(())
    }

    async fn stay_in_data(&self, connection: u32, progress: &Progress) -> io::Result<()> {
        let marker = Marker { round: self.round, connection, number: 0 };
        let mut client = Client::connect(self.address).await?;
        client.open_data(&self.form.recipient(marker)).await?;
        let content = self.form.content(marker);
        let half = content.get(..content.len() / 2).unwrap_or_default();
        client.stream.write_all(half).await?;
        progress.held.fetch_add(1, Ordering::SeqCst);
        let mut rest = Vec::new();
        client.stream.read_to_end(&mut rest).await?;
        Ok(())
    }
}

/// One SMTP connection.
struct Client {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
}

impl Client {
    async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream: BufReader::new(stream), line: Vec::new() };
        client.expect('2').await?;
        client.stream.write_all(b"EHLO load.sender.test\r\n").await?;
        client.expect('2').await?;
        Ok(client)
    }

    /// MAIL, RCPT and DATA in one packet (RFC 2920), and their three replies.
    async fn open_data(&mut self, recipient: &str) -> io::Result<()> {
        let commands = format!("MAIL FROM:<load@sender.test>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n");
        self.stream.write_all(commands.as_bytes()).await?;
        self.expect('2').await?;
        self.expect('2').await?;
        self.expect('3').await
    }

    /// Reads one reply, all its lines; an error unless it begins with `class`.
    async fn expect(&mut self, class: char) -> io::Result<()> {
        loop {
            self.line.clear();
            if self.stream.read_until(b'\n', &mut self.line).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if self.line.get(3) != Some(&b'-') {
                break;
            }
        }
        if self.line.first().copied().map(char::from) == Some(class) {
            return Ok(());
        }
        let reply = String::from_utf8_lossy(&self.line);
        Err(Error::other(format!("the server said: {}", reply.trim_end())))
    }

    async fn quit(mut self) -> io::Result<()> {
        self.stream.write_all(b"QUIT\r\n").await?;
        self.expect('2').await
    }
}
