//! A generator of SMTP load that remembers what was acknowledged.
//!
//! ```text
//!   N connections, each: MAIL RCPT … DATA → 354 → content → 250 → Progress, again
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
use tokio::time::timeout;

use crate::letter::{Audience, Form, Marker};

/// A server that has not replied by then will never.
const REPLY_MAX: Duration = Duration::from_secs(120);

/// What to do to which server.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) form: Form,
    pub(crate) to: Audience,
    pub(crate) round: u32,
    /// Connections that send one message after the other.
    pub(crate) connections: u32,
    /// Connections that stay in the middle of a content.
    pub(crate) held: u32,
    pub(crate) end: End,
}

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// When its connections break.
    Broken,
    /// After this time.
    After(Duration),
    /// When each connection has sent so many messages.
    Sent(u32),
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
        let begun = Instant::now();
        let mut connections = JoinSet::new();
        for connection in 0..self.connections {
            let (load, progress) = (self.clone(), Arc::clone(progress));
            connections.spawn(async move {
                if let Err(error) = load.send_messages(connection, begun, &progress).await {
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
        begun: Instant,
        progress: &Progress,
    ) -> io::Result<()> {
        let mut client = Client::connect(self.address).await?;
        for number in 0.. {
            let is_over = match self.end {
                End::Broken => false,
                End::After(duration) => begun.elapsed() >= duration,
                End::Sent(count) => number >= count,
            };
            if is_over {
                return client.quit().await;
            }
            let marker = Marker { round: self.round, connection, number };
            let mut content = self.form.content(marker);
            content.extend_from_slice(b".\r\n");
            let to = self.form.recipients(marker, self.to);
            let message_begun = Instant::now();
            client.open_data(&to).await?;
            client.stream.write_all(&content).await?;
            client.expect('2').await?;
            let latency = message_begun.elapsed();
            progress.note_acknowledged(Acknowledged { marker, latency });
        }
        Ok(())
    }

    async fn stay_in_data(&self, connection: u32, progress: &Progress) -> io::Result<()> {
        let marker = Marker { round: self.round, connection, number: 0 };
        let mut client = Client::connect(self.address).await?;
        client.open_data(&self.form.recipients(marker, self.to)).await?;
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
    /// Whether it takes commands before it answered those before them.
    pipelining: bool,
}

impl Client {
    async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = BufReader::new(stream);
        let mut client = Self { stream, line: Vec::new(), pipelining: false };
        client.expect('2').await?;
        client.stream.write_all(b"EHLO load.sender.test\r\n").await?;
        while client.next_line().await? == Line::Inner {
            client.note_extension();
        }
        client.note_extension();
        client.check('2')?;
        Ok(client)
    }

    fn note_extension(&mut self) {
        self.pipelining |= self.line.get(4..).is_some_and(|word| word.starts_with(b"PIPELINING"));
    }

    /// MAIL, all RCPT and DATA, in one packet where that is allowed (RFC 2920), and their replies.
    async fn open_data(&mut self, recipients: &[String]) -> io::Result<()> {
        let mut commands = vec!["MAIL FROM:<load@sender.test>\r\n".to_owned()];
        commands.extend(recipients.iter().map(|to| format!("RCPT TO:<{to}>\r\n")));
        if self.pipelining {
            let all = format!("{}DATA\r\n", commands.concat());
            self.stream.write_all(all.as_bytes()).await?;
            for _ in &commands {
                self.expect('2').await?;
            }
            return self.expect('3').await;
        }
        for command in &commands {
            self.stream.write_all(command.as_bytes()).await?;
            self.expect('2').await?;
        }
        self.stream.write_all(b"DATA\r\n").await?;
        self.expect('3').await
    }

    /// Reads one reply, all its lines; an error unless it begins with `class`.
    async fn expect(&mut self, class: char) -> io::Result<()> {
        while self.next_line().await? == Line::Inner {}
        self.check(class)
    }

    async fn next_line(&mut self) -> io::Result<Line> {
        self.line.clear();
        let reading = timeout(REPLY_MAX, self.stream.read_until(b'\n', &mut self.line));
        match reading.await {
            Ok(Ok(0)) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                read?;
            }
            Err(_) => {
                return Err(Error::other(format!("no reply within {} s", REPLY_MAX.as_secs())));
            }
        }
        Ok(if self.line.get(3) == Some(&b'-') { Line::Inner } else { Line::Last })
    }

    fn check(&self, class: char) -> io::Result<()> {
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

/// A line of a reply (RFC 5321 §4.2.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Inner,
    Last,
}
