//! `DATA/control.sock`: where the server takes commands from its owner and from root.
//!
//! A Unix socket needs no port, and the system tells who is at the other end.
//!
//! Standards: unix(7), SO_PEERCRED.
//! Not here: doing what is asked (`perform`).

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::geteuid;
use platform::clock::within;
use platform::{Disk, RealDisk, Shutdown};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::perform::{Items, perform};
use super::request::Request;
use super::wire::{Frame, PROTOCOL_VERSION, Question, receive, send};
use crate::engine::Engine;
use crate::failure::{Failure, of_file};
use crate::folder::Folder;

/// Commands at a time; `trace --follow` holds its place for long.
const COMMANDS_MAX: usize = 64;

/// How long a command may take to say what it wants, and to read each piece of the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause after a failure of the system to hand us a connection.
const PAUSE: Duration = Duration::from_millis(200);

/// The socket, bound.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    commands: Arc<Semaphore>,
}

impl ControlSocket {
    /// Binds the socket of a folder that is ours, in place of one that a crash left behind.
    pub(crate) fn bind(folder: &Folder) -> Result<Self, Failure> {
        let path = folder.socket();
        let failed = |error: &io::Error| of_file("make the control socket", &path, error);
        match RealDisk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&error)),
            _ => {}
        }
        let near = super::ask::Near::new(folder).map_err(|error| failed(&error))?;
        let listener = UnixListener::bind(near.socket()).map_err(|error| failed(&error))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| failed(&error))?;
        Ok(Self { listener, path, commands: Arc::new(Semaphore::new(COMMANDS_MAX)) })
    }

    /// Takes commands until we shut down.
    pub(crate) async fn run(self, engine: Arc<Engine>, shutdown: Shutdown) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.begun() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.take(stream, &engine, &shutdown),
                Err(error) => {
                    warn!(%error, "control connection not accepted");
                    engine.clock.sleep(PAUSE).await;
                }
            }
        }
    }

    fn take(&self, stream: UnixStream, engine: &Arc<Engine>, shutdown: &Shutdown) {
        let Ok(place) = Arc::clone(&self.commands).try_acquire_owned() else {
            warn!(limit = COMMANDS_MAX, "too many commands at a time");
            return;
        };
        let (engine, hold, shutdown) = (Arc::clone(engine), shutdown.hold(), shutdown.clone());
        if shutdown.has_begun() {
            return; // perhaps nobody waits for our hold any more
        }
        tokio::spawn(async move {
            tokio::select! {
                served = serve(stream, &engine, &shutdown) => {
                    if let Err(error) = served {
                        debug!(%error, "command ended early");
                    }
                }
                () = shutdown.over() => {}
            }
            drop((place, hold));
        });
    }
}

impl Drop for ControlSocket {
    /// Who comes now finds nobody, instead of one that does not answer. After a crash the next
    /// server removes it.
    fn drop(&mut self) {
        RealDisk.remove(&self.path).ok();
    }
}

/// Whether this peer may administer the server.
fn may_command(stream: &UnixStream) -> io::Result<bool> {
    let user = stream.peer_cred()?.uid();
    Ok(user == 0 || user == geteuid().as_raw())
}

/// One command, from its question to the end of its answer.
async fn serve(mut stream: UnixStream, engine: &Engine, shutdown: &Shutdown) -> io::Result<()> {
    let clock = engine.clock.as_ref();
    if !may_command(&stream)? {
        let what = "this server takes commands from its own user and from root only".to_owned();
        return refuse(&mut stream, what, Some("use sudo".to_owned())).await;
    }
    send(&mut stream, &Frame::Hello).await?;
    let question = within(clock, PATIENCE, receive::<Question>(&mut stream)).await;
    let Ok(Some(question)) = question.map_err(io::Error::other)? else { return Ok(()) };
    if question.version != PROTOCOL_VERSION {
        let what = format!(
            "this command speaks version {} of the control protocol, the server version \
             {PROTOCOL_VERSION}",
            question.version
        );
        let remedy = Some("use the program that the server was started from".to_owned());
        return refuse(&mut stream, what, remedy).await;
    }
    match serde_json::from_value::<Request>(question.request) {
        Ok(request) => answer(&mut stream, request, engine, shutdown).await,
        Err(error) => refuse(&mut stream, format!("this request is unknown: {error}"), None).await,
    }
}

async fn answer(
    stream: &mut UnixStream,
    request: Request,
    engine: &Engine,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let clock = engine.clock.as_ref();
    let waits = request.waits();
    let (items, mut receiver) = Items::channel();
    let (mut reader, mut writer) = stream.split();
    let work = async move { perform(request, engine, &items).await };
    let forward = async {
        while let Some(item) = receiver.recv().await {
            let frame = Frame::Item(Box::new(item));
            within(clock, PATIENCE, send(&mut writer, &frame))
                .await
                .map_err(io::Error::other)??;
        }
        Ok::<_, io::Error>(writer)
    };
    // A command that is gone says so by closing; one that waits says nothing.
    let left = async {
        let mut nothing = [0; 1];
        tokio::io::AsyncReadExt::read(&mut reader, &mut nothing).await
    };
    let (done, writer) = tokio::select! {
        both = async { tokio::join!(work, forward) } => both,
        _ = left => return Ok(()),
        // Whoever only waits for news must not hold up our end.
        () = shutdown.begun(), if waits => {
            let what = "the server is ending".to_owned();
            return refuse(stream, what, Some("ask again when it is back".to_owned())).await;
        }
    };
    let frame = match done {
        Ok(()) => Frame::End,
        Err(failure) => {
            let (what, remedy) = failure.into_parts();
            Frame::Refused { what, remedy }
        }
    };
    within(clock, PATIENCE, send(&mut writer?, &frame)).await.map_err(io::Error::other)?
}

async fn refuse(stream: &mut UnixStream, what: String, remedy: Option<String>) -> io::Result<()> {
    send(stream, &Frame::Refused { what, remedy }).await
}
