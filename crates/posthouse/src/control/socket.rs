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
use platform::shutdown::Hold;
use platform::{Disk, RealDisk, Shutdown};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
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
        let Ok(permit) = Arc::clone(&self.commands).try_acquire_owned() else {
            warn!(limit = COMMANDS_MAX, "too many commands at a time");
            return;
        };
        let place = Arc::new(Place { _permit: permit, _hold: shutdown.hold() });
        let (engine, shutdown) = (Arc::clone(engine), shutdown.clone());
        if shutdown.has_begun() {
            return; // perhaps nobody waits for our hold any more
        }
        tokio::spawn(async move {
            tokio::select! {
                served = serve(stream, &place, &engine, &shutdown) => {
                    if let Err(error) = served {
                        debug!(%error, "command ended early");
                    }
                }
                () = shutdown.over() => {}
            }
        });
    }
}

/// A command's place among the others; the end of the server waits until it is dropped.
#[derive(Debug)]
struct Place {
    _permit: OwnedSemaphorePermit,
    _hold: Hold,
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
async fn serve(
    mut stream: UnixStream,
    place: &Arc<Place>,
    engine: &Arc<Engine>,
    shutdown: &Shutdown,
) -> io::Result<()> {
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
        Ok(request) => answer(&mut stream, request, place, engine, shutdown).await,
        Err(error) => refuse(&mut stream, format!("this request is unknown: {error}"), None).await,
    }
}

async fn answer(
    stream: &mut UnixStream,
    request: Request,
    place: &Arc<Place>,
    engine: &Arc<Engine>,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let clock = engine.clock.as_ref();
    let waits = request.waits();
    let (items, mut receiver) = Items::channel();
    let (mut reader, mut writer) = stream.split();
    let work = begin(request, items, Arc::clone(place), Arc::clone(engine), shutdown.clone());
    let forward = async move {
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
        Ok(Ok(())) => Frame::End,
        Ok(Err(failure)) => Frame::refusal(failure),
        Err(_) => Frame::refusal(Failure::new("the server could not finish this command")),
    };
    within(clock, PATIENCE, send(&mut writer?, &frame)).await.map_err(io::Error::other)?
}

/// Begins the work on a request, in a task of its own: a change that has begun is brought to its
/// end, in the store and in what we know of it, even if its command is gone. Work that only
/// tells something ends when nobody takes its pieces.
fn begin(
    request: Request,
    items: Items,
    place: Arc<Place>,
    engine: Arc<Engine>,
    shutdown: Shutdown,
) -> JoinHandle<Result<(), Failure>> {
    tokio::spawn(async move {
        let _place = place;
        tokio::select! {
            done = perform(request, &engine, &items) => done,
            () = shutdown.over() => Err(Failure::new("the server has ended")),
        }
    })
}

async fn refuse(stream: &mut UnixStream, what: String, remedy: Option<String>) -> io::Result<()> {
    let failure = Failure::new(what).remedy_if(remedy);
    send(stream, &Frame::refusal(failure)).await
}

#[cfg(test)]
mod tests {
    use envelope::{Address, Domain};
    use platform::shutdown::Drained;
    use tempfile::TempDir;

    use super::super::request::Secret;
    use super::*;

    #[tokio::test]
    async fn a_change_is_finished_although_its_command_is_gone() {
        let temporary = TempDir::new().expect("a folder");
        let folder = Folder::new(temporary.path());
        let lock = folder.lock().expect("ours");
        let engine = Arc::new(Engine::open(&folder, lock).await.expect("a store"));
        let domain = Domain::parse("example.org").expect("a domain");
        engine.directory.add_domain(domain).await.expect("local");
        let shutdown = Shutdown::new();
        let socket = ControlSocket::bind(&folder).expect("bound");
        tokio::spawn(socket.run(Arc::clone(&engine), shutdown.clone()));

        let anna = Address::parse("anna@example.org").expect("an address");
        let request = Request::AccountAdd {
            addresses: vec![anna.clone()],
            // It takes a while to make a verifier of it: the command is gone before.
            password: Some(Secret("correct horse".to_owned())),
            name: None,
            quota_octets: None,
        };
        let mut stream = UnixStream::connect(folder.socket()).await.expect("there");
        let hello = receive::<Frame>(&mut stream).await.expect("read");
        assert!(matches!(hello, Some(Frame::Hello)));
        let question = Question::new(&request).expect("JSON");
        send(&mut stream, &question).await.expect("sent");
        drop(stream);

        let known = async {
            while engine.directory.account(&anna).is_none() {
                tokio::task::yield_now().await;
            }
        };
        within(engine.clock.as_ref(), PATIENCE, known).await.expect("the account is known");
        assert_eq!(shutdown.drain(engine.clock.as_ref(), PATIENCE).await, Drained::InTime);
    }
}
