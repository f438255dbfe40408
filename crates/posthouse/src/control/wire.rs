//! Frames of the control socket: four octets of length, then that much JSON.
//!
//! ```text
//!   server → command   Frame::Hello
//!   command → server   Question { version, request }
//!   server → command   Frame::Item …, Frame::Item …, Frame::End
//! ```
//!
//! Standards: none of its own.
//! Not here: what is asked and told.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::item::Item;
use super::request::Request;
use crate::failure::{Exit, Failure};

/// Version of requests and items. A server answers only its own.
pub(super) const PROTOCOL_VERSION: u32 = 1;

/// Longest frame in octets: the transcript of the longest conversation fits, and whoever sends
/// rubbish cannot fill the memory.
pub(super) const FRAME_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// What a command sends.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Question {
    /// [`PROTOCOL_VERSION`] of the command.
    pub(super) version: u32,
    /// What it wants. Left as it is until the version is known to fit.
    pub(super) request: serde_json::Value,
}

impl Question {
    /// A question of this version.
    pub(super) fn new(request: &Request) -> io::Result<Self> {
        Ok(Self { version: PROTOCOL_VERSION, request: serde_json::to_value(request)? })
    }
}

/// What a server sends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Frame {
    /// The command was let in. One that waits in vain when a server ends does not hear this,
    /// and knows that nothing was done.
    Hello,
    /// A piece of the answer.
    Item(Box<Item>),
    /// All was said and done.
    End,
    /// It was not done.
    Refused {
        /// Why.
        what: String,
        /// What to do about it.
        remedy: Option<String>,
        /// What the command's caller is told: the same as without a server.
        #[serde(default)]
        exit: Exit,
    },
}

impl Frame {
    /// What a failure is on the wire.
    pub(super) fn refusal(failure: Failure) -> Self {
        let exit = failure.exit();
        let (what, remedy) = failure.into_parts();
        Self::Refused { what, remedy, exit }
    }
}

/// Sends one frame.
pub(super) async fn send<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    value: &T,
) -> io::Result<()> {
    let octets = serde_json::to_vec(value)?;
    let length = u32::try_from(octets.len()).ok().filter(|_| octets.len() <= FRAME_OCTETS_MAX);
    let length = length.ok_or_else(|| io::Error::other("the answer is too long for one frame"))?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&octets).await?;
    stream.flush().await
}

/// Receives one frame; `None` where the other side has closed the connection.
pub(super) async fn receive<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME_OCTETS_MAX {
        return Err(io::Error::other("a frame is too long"));
    }
    let mut octets = vec![0; length];
    stream.read_exact(&mut octets).await?;
    Ok(Some(serde_json::from_slice(&octets)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_back_and_bad_ones_are_refused() {
        let mut stream = Vec::new();
        send(&mut stream, &Question::new(&Request::DomainList).expect("JSON")).await.expect("sent");
        let question: Question = receive(&mut stream.as_slice()).await.expect("read").expect("one");
        assert_eq!(question.version, PROTOCOL_VERSION);
        assert!(serde_json::from_value::<Request>(question.request).is_ok());

        let table: [(&[u8], &str); 4] = [
            (b"\xff\xff\xff\xff", "4 GiB"),
            (b"\x00\x00\x00\x05{}", "shorter than it says"),
            (b"\x00\x00\x00\x02no", "not JSON"),
            (b"\x00\x00\x00\x02[]", "another JSON"),
        ];
        for (octets, why) in table {
            let mut octets = octets;
            assert!(receive::<Frame>(&mut octets).await.is_err(), "{why}");
        }
        // What a server from before the exit code says.
        let mut octets: &[u8] =
            b"\x00\x00\x00\x30{\"refused\":{\"what\":\"no such one\",\"remedy\":null}}";
        let frame = receive::<Frame>(&mut octets).await.expect("read");
        assert!(matches!(frame, Some(Frame::Refused { exit: Exit::Failed, .. })), "{frame:?}");
        let mut nothing: &[u8] = b"";
        assert!(receive::<Frame>(&mut nothing).await.expect("read").is_none(), "closed");
    }
}
