//! An SMTP server that takes everything and keeps nothing: what the conversation alone costs, and
//! where a relay sends to.
//!
//! It keeps one number: to how many recipients messages came, which `COUNT` tells.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream as BlockingStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, anyhow};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader as AsyncReader, Result as Io};
use tokio::net::{TcpListener, TcpStream};

use crate::bench::meter::Group;

/// A sink in a process of its own, so that its CPU time can be told. Dropping it ends it.
#[derive(Debug)]
pub(super) struct RunningSink {
    child: Child,
    pub(super) smtp: SocketAddr,
}

impl RunningSink {
    /// Starts it as a member of the group.
    pub(super) fn start(group: &Group) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut child = group
            .command(Path::new(&program))
            .arg("sink")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the sink")?;
        let output = child.stdout.take().ok_or_else(|| anyhow!("no standard output"))?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let smtp = line.trim().parse().with_context(|| format!("the sink said {line:?}"))?;
        Ok(Self { child, smtp })
    }

    /// To how many recipients messages came so far.
    pub(super) fn received(&self) -> Result<u64> {
        let mut stream = BlockingStream::connect(self.smtp)?;
        stream.write_all(b"COUNT\r\n")?;
        let mut replies = BufReader::new(stream);
        let mut line = String::new();
        replies.read_line(&mut line)?; // its greeting
        line.clear();
        replies.read_line(&mut line)?;
        let number = line.strip_prefix("250 ").and_then(|rest| rest.trim().parse().ok());
        number.ok_or_else(|| anyhow!("the sink said {line:?}"))
    }
}

impl Drop for RunningSink {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Serves until it is killed; prints the address first.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let received = Arc::new(AtomicU64::new(0));
        loop {
            let (stream, _) = listener.accept().await?;
            let received = Arc::clone(&received);
            tokio::spawn(async move {
                // A client that goes away in the middle is no news for a sink.
                drop(converse(stream, &received).await);
            });
        }
    })
}

async fn converse(stream: TcpStream, received: &AtomicU64) -> Io<()> {
    stream.set_nodelay(true)?;
    let mut stream = AsyncReader::with_capacity(64 << 10, stream);
    let mut line = Vec::new();
    let mut recipients = 0;
    let mut replies = b"220 sink ESMTP\r\n".to_vec();
    loop {
        // Pipelined commands are answered together.
        if stream.buffer().is_empty() && !replies.is_empty() {
            stream.write_all(&replies).await?;
            replies.clear();
        }
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        match line.first().map(u8::to_ascii_uppercase) {
            Some(b'E') => replies.extend_from_slice(b"250-sink\r\n250 PIPELINING\r\n"),
            Some(b'D') => {
                replies.extend_from_slice(b"354 go on\r\n");
                stream.write_all(&replies).await?;
                replies.clear();
                while line != b".\r\n" {
                    line.clear();
                    if stream.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(());
                    }
                }
                received.fetch_add(recipients, Ordering::Relaxed);
                replies.extend_from_slice(b"250 2.0.0 gone\r\n");
            }
            Some(b'C') => {
                let count = received.load(Ordering::Relaxed);
                replies.extend_from_slice(format!("250 {count}\r\n").as_bytes());
            }
            Some(b'M') => {
                recipients = 0;
                replies.extend_from_slice(b"250 2.0.0 ok\r\n");
            }
            Some(b'R') if line.get(1).is_some_and(|letter| letter.eq_ignore_ascii_case(&b'C')) => {
                recipients += 1;
                replies.extend_from_slice(b"250 2.0.0 ok\r\n");
            }
            Some(b'Q') => return stream.write_all(b"221 2.0.0 bye\r\n").await,
            _ => replies.extend_from_slice(b"250 2.0.0 ok\r\n"),
        }
    }
}
