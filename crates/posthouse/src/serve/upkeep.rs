//! What a server does once a day: it forgets what nobody asks for any more.
//!
//! Standards: none of its own.
//! Not here: mail, which is never forgotten.

use std::sync::Arc;
use std::time::Duration;

use platform::Shutdown;
use store::UnixMillis;
use tracing::{info, warn};

use crate::engine::Engine;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long events and transcripts of settled submissions are kept: notices come back within
/// five days, and people ask what became of a letter within the month.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Forgets settled submissions, now and every day until we shut down.
pub(super) async fn run(engine: Arc<Engine>, shutdown: Shutdown) {
    loop {
        let before = UnixMillis((engine.clock.now() - KEPT).millis());
        match engine.store.forget_settled(before).await {
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
