//! What a server does by itself: it forgets what nobody asks for any more, and knows again who
//! is who when that was changed.
//!
//! Standards: none of its own.
//! Not here: mail, which is never forgotten.

use std::sync::Arc;
use std::time::Duration;

use platform::Shutdown;
use store::{Change, StoreError, UnixMillis};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tracing::{info, warn};

use crate::config::Queue;
use crate::engine::Engine;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Pause after the store failed to answer.
const PAUSE: Duration = Duration::from_secs(5);

/// How long what is kept for curiosity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    events: Duration,
    transcripts: Duration,
}

impl Kept {
    /// As the configuration has it.
    pub(super) fn of(queue: &Queue) -> Self {
        Self { events: queue.keep_events, transcripts: queue.keep_transcripts }
    }
}

/// Forgets submissions that were settled long ago, and what was said for them, now and every day
/// until we shut down.
pub(super) async fn run(engine: Arc<Engine>, kept: Kept, shutdown: Shutdown) {
    loop {
        let before = UnixMillis((engine.clock.now() - kept.transcripts).millis());
        if let Err(error) = forget_transcripts(before, &engine, &shutdown).await {
            warn!(%error, "could not forget what was said long ago");
        }
        let before = UnixMillis((engine.clock.now() - kept.events).millis());
        match forget(before, &engine, &shutdown).await {
            Ok(0) => {}
            Ok(submissions) => info!(submissions, "forgot what was settled long ago"),
            Err(error) => warn!(%error, "could not forget what was settled long ago"),
        }
        tokio::select! {
            () = engine.clock.sleep(DAY) => {}
            () = shutdown.begun() => return,
        }
    }
}

/// Forgets all that is older, in steps that leave the writer free in between; how many.
async fn forget(
    before: UnixMillis,
    engine: &Engine,
    shutdown: &Shutdown,
) -> Result<u64, StoreError> {
    let mut all = 0_u64;
    while !shutdown.has_begun() {
        match engine.store.forget_settled(before).await? {
            0 => break,
            some => all = all.saturating_add(some),
        }
    }
    Ok(all)
}

/// Forgets what was said in older attempts, likewise in steps.
async fn forget_transcripts(
    before: UnixMillis,
    engine: &Engine,
    shutdown: &Shutdown,
) -> Result<(), StoreError> {
    let mut at = None;
    while !shutdown.has_begun() {
        at = engine.store.forget_transcripts(before, at).await?;
        if at.is_none() {
            break;
        }
    }
    Ok(())
}

/// Keeps the directory as the store has it, however it came to be changed there, until we shut
/// down. `news` has to be subscribed to before anything can be changed.
pub(super) async fn follow(mut news: Receiver<Change>, engine: Arc<Engine>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            changed = directory_changed(&mut news) => if !changed { return },
        }
        while let Err(error) = engine.directory.refresh().await {
            warn!(%error, "could not read domains, accounts and aliases anew");
            tokio::select! {
                () = engine.clock.sleep(PAUSE) => {}
                () = shutdown.begun() => return,
            }
        }
    }
}

/// Waits until the directory may have changed, and passes over all that is told already: one
/// reading is enough for a thousand new accounts. False when no more news can come.
///
/// Cancel safe: news that it has taken is lost only when nobody is there to ask again.
async fn directory_changed(news: &mut Receiver<Change>) -> bool {
    loop {
        match news.recv().await {
            Ok(Change::Directory) | Err(RecvError::Lagged(_)) => break,
            Ok(_) => {}
            Err(RecvError::Closed) => return false,
        }
    }
    loop {
        match news.try_recv() {
            Ok(_) | Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use envelope::Domain;
    use platform::clock::within;
    use tempfile::TempDir;

    use super::*;
    use crate::folder::Folder;

    #[tokio::test]
    async fn the_directory_follows_the_store() {
        let temporary = TempDir::new().expect("a folder");
        let folder = Folder::new(temporary.path());
        let lock = folder.lock().expect("ours");
        let engine = Arc::new(Engine::open(&folder, lock).await.expect("a store"));
        let shutdown = Shutdown::new();
        let news = engine.store.subscribe();
        let follower = tokio::spawn(follow(news, Arc::clone(&engine), shutdown.clone()));
        // Again and again: news that came while it read must not be lost.
        for number in 0..20 {
            let domain = Domain::parse(&format!("d{number}.example")).expect("a domain");
            engine.store.add_domain(domain.clone(), UnixMillis(0)).await.expect("added");
            let known = async {
                while !engine.directory.is_local(&domain) {
                    tokio::task::yield_now().await;
                }
            };
            let patience = Duration::from_secs(30);
            within(engine.clock.as_ref(), patience, known).await.expect("it is known");
        }
        shutdown.begin();
        follower.await.expect("it ends with us");
    }
}
