//! An SMTP server that takes everything and keeps nothing: what the conversation alone costs.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};

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
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                // A client that goes away in the middle is no news for a sink.
                drop(converse(stream).await);
            });
        }
    })
}

async fn converse(stream: TcpStream) -> Io<()> {
    stream.set_nodelay(true)?;
    let mut stream = AsyncReader::with_capacity(64 << 10, stream);
    let mut line = Vec::new();
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
                replies.extend_from_slice(b"250 2.0.0 gone\r\n");
            }
            Some(b'Q') => return stream.write_all(b"221 2.0.0 bye\r\n").await,
            _ => replies.extend_from_slice(b"250 2.0.0 ok\r\n"),
        }
    }
}
