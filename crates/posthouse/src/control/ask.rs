//! Asking: the running server if there is one, else the store itself.
//!
//! ```text
//!   connect ─ok──────────────────────▶ the server answers
//!      │ nobody there
//!      ▼
//!   lock ─ok─▶ open the store ───────▶ we answer ourselves
//!      │ held: a server starts or ends, or another command is at work
//!      └──────▶ a moment later, again from the top
//! ```
//!
//! Standards: none of its own.
//! Not here: doing what is asked (`perform`).

use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use platform::clock::within;
use platform::{Clock, FolderLock, SystemClock};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::item::Item;
use super::perform::{Items, perform};
use super::request::Request;
use super::wire::{Frame, Question, receive, send};
use crate::engine::Engine;
use crate::failure::{Failure, of_file};
use crate::folder::{Folder, Taken};

/// How long a starting or ending server is waited for: longer than its transactions may take to
/// finish, and itself to end then.
const PATIENCE: Duration = Duration::from_secs(40);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Longest path that a socket's address takes, in octets (unix(7): 108 with its end).
const SOCKET_PATH_OCTETS_MAX: usize = 107;

/// Somebody who answers.
#[derive(Debug)]
enum Door {
    Server(UnixStream),
    Ours(FolderLock),
}

/// The answer to a request, piece by piece.
#[derive(Debug)]
pub(crate) enum Answer {
    /// From the server.
    Remote(UnixStream),
    /// From ourselves.
    Local {
        /// The pieces.
        items: mpsc::Receiver<Item>,
        /// Who makes them.
        work: JoinHandle<Result<(), Failure>>,
    },
}

/// Asks for one thing.
pub(crate) async fn ask(folder: &Folder, request: Request) -> Result<Answer, Failure> {
    match open(folder).await? {
        Door::Server(mut stream) => {
            let question = Question::new(&request).map_err(|error| broken(folder, &error))?;
            send(&mut stream, &question).await.map_err(|error| broken(folder, &error))?;
            Ok(Answer::Remote(stream))
        }
        Door::Ours(lock) => {
            let engine = Arc::new(Engine::open(folder, lock).await?);
            let (items, receiver) = Items::channel();
            let work = tokio::spawn(async move { perform(request, &engine, &items).await });
            Ok(Answer::Local { items: receiver, work })
        }
    }
}

/// Takes the folder for a server. A command that is at work there is waited for.
pub(crate) async fn take(folder: &Folder) -> Result<FolderLock, Failure> {
    match open(folder).await? {
        Door::Ours(lock) => Ok(lock),
        // Whoever answers holds the lock, and its file tells who that is.
        Door::Server(_) => match folder.lock() {
            Ok(lock) => Ok(lock),
            Err(taken) => Err(taken.into_failure(folder)),
        },
    }
}

async fn open(folder: &Folder) -> Result<Door, Failure> {
    let clock = SystemClock;
    let give_up = clock.monotonic().saturating_add(PATIENCE);
    loop {
        if let Some(stream) = connect(folder).await? {
            return Ok(Door::Server(stream));
        }
        match folder.lock() {
            Ok(lock) => return Ok(Door::Ours(lock)),
            Err(Taken::Failed(failure)) => return Err(failure),
            Err(Taken::ByProcess(pid)) if clock.monotonic() >= give_up => {
                return Err(Failure::new(format!(
                    "process {pid} has this data folder and takes no commands"
                ))
                .in_path(folder.path())
                .remedy("wait until it has started or ended, or see what it does"));
            }
            Err(Taken::ByProcess(_)) => clock.sleep(PAUSE).await,
        }
    }
}

/// A connection to the server; `None` when there is none.
async fn connect(folder: &Folder) -> Result<Option<UnixStream>, Failure> {
    if !folder.exists() {
        return Ok(None);
    }
    let near = Near::new(folder).map_err(|error| broken(folder, &error))?;
    match UnixStream::connect(near.socket()).await {
        Ok(stream) => welcomed(stream).await,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(of_file("reach the server", &folder.socket(), &error)),
    }
}

/// Waits to be let in; `None` when the server ended before.
async fn welcomed(mut stream: UnixStream) -> Result<Option<UnixStream>, Failure> {
    let first = within(&SystemClock, PATIENCE, receive::<Frame>(&mut stream)).await;
    match first {
        Ok(Ok(Some(Frame::Hello))) => Ok(Some(stream)),
        Ok(Ok(Some(Frame::Refused { what, remedy, exit }))) => {
            Err(Failure::with_exit(what, exit).remedy_if(remedy))
        }
        Ok(Ok(Some(_))) => Err(Failure::new("the server speaks another control protocol")
            .remedy("use the program that the server was started from")),
        Ok(Ok(None) | Err(_)) => Ok(None),
        Err(_) => Err(Failure::new("the server does not answer").remedy("see what it does")),
    }
}

fn broken(folder: &Folder, error: &io::Error) -> Failure {
    of_file("speak with the server", &folder.socket(), error)
}

impl Answer {
    /// The next piece; `None` when all was said and done.
    pub(crate) async fn next(&mut self) -> Result<Option<Item>, Failure> {
        match self {
            Self::Remote(stream) => match receive::<Frame>(stream).await {
                Ok(Some(Frame::Item(item))) => Ok(Some(*item)),
                Ok(Some(Frame::End | Frame::Hello)) => Ok(None),
                Ok(Some(Frame::Refused { what, remedy, exit })) => {
                    Err(Failure::with_exit(what, exit).remedy_if(remedy))
                }
                Ok(None) => Err(Failure::new("the server ended before it had answered")
                    .remedy("ask again to see what was done")),
                Err(error) => Err(Failure::new(format!("the server's answer broke off: {error}"))
                    .remedy("ask again to see what was done")),
            },
            Self::Local { items, work } => match items.recv().await {
                Some(item) => Ok(Some(item)),
                None => match work.await {
                    Ok(done) => done.map(|()| None),
                    Err(_) => Err(Failure::new("the command ended before it had answered")),
                },
            },
        }
    }

    /// Waits for the end of an answer that has no pieces.
    pub(crate) async fn done(mut self) -> Result<(), Failure> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}

/// A path to a folder's socket that fits into a socket's address.
///
/// A data folder may lie deeper than 108 octets; an open folder has a short name under /proc.
#[derive(Debug)]
pub(super) struct Near {
    path: PathBuf,
    _folder: Option<std::fs::File>,
}

impl Near {
    pub(super) fn new(folder: &Folder) -> io::Result<Self> {
        let path = folder.socket();
        if path.as_os_str().len() <= SOCKET_PATH_OCTETS_MAX {
            return Ok(Self { path, _folder: None });
        }
        let open = std::fs::OpenOptions::new().read(true).open(folder.path())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/control.sock", open.as_raw_fd()));
        Ok(Self { path, _folder: Some(open) })
    }

    pub(super) fn socket(&self) -> &std::path::Path {
        &self.path
    }
}
