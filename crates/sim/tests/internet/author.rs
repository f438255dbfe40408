//! Authors: they hand in letters by SMTP and remember what they were told.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platform::clock::within;
use platform::{Clock, Net, Stream};
use sim::{SimClock, SimNet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::plan::Letter;

pub(crate) const AUTHOR: &str = "ada@home.test";

/// What all authors were told.
pub(crate) type Heard = Arc<Mutex<Vec<(Arc<Letter>, Told)>>>;

/// What an author was told of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// 250, at that time.
    Taken(Duration),
    /// No, or nobody was there.
    Refused,
    /// The server died before it answered to the content.
    Nothing,
}

/// Hands in one letter at its time.
pub(crate) async fn write(
    letter: Arc<Letter>,
    net: SimNet,
    clock: SimClock,
    to: SocketAddr,
    told: Heard,
) {
    clock.sleep(letter.at).await;
    let patience = Duration::from_secs(3600);
    let mut content_sent = false;
    let result = within(&clock, patience, hand_in(&letter, &net, to, &mut content_sent)).await;
    let answer = match result {
        Ok(Ok(true)) => Told::Taken(clock.monotonic()),
        Ok(Ok(false)) => Told::Refused,
        _ if content_sent => Told::Nothing,
        _ => Told::Refused,
    };
    told.lock().expect("nobody panics with it").push((letter, answer));
}

async fn hand_in(
    letter: &Letter,
    net: &SimNet,
    to: SocketAddr,
    content_sent: &mut bool,
) -> io::Result<bool> {
    let mut stream = net.connect(None, to).await?;
    let mut commands =
        vec!["EHLO author.test".to_owned(), format!("MAIL FROM:<{AUTHOR}> ENVID={}", letter.token)];
    let notify = if letter.never { " NOTIFY=NEVER" } else { "" };
    commands
        .extend(letter.to.iter().map(|(recipient, _)| format!("RCPT TO:<{recipient}>{notify}")));
    commands.push("DATA".to_owned());
    if !reply(&mut *stream).await?.starts_with('2') {
        return Ok(false);
    }
    for command in commands {
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        if !reply(&mut *stream).await?.starts_with(['2', '3']) {
            return Ok(false);
        }
    }
    let head = format!("From: <{AUTHOR}>\r\nSubject: {}\r\n\r\n", letter.token);
    let content = format!("{head}{}", letter.body).replace("\r\n.", "\r\n..");
    *content_sent = true;
    stream.write_all(format!("{content}.\r\n").as_bytes()).await?;
    let taken = reply(&mut *stream).await?.starts_with('2');
    stream.write_all(b"QUIT\r\n").await.ok();
    Ok(taken)
}

/// One whole reply: its last line.
async fn reply(stream: &mut dyn Stream) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        line.push(stream.read_u8().await?);
        if line.ends_with(b"\r\n") {
            if line.get(3) != Some(&b'-') {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            line.clear();
        }
    }
}
