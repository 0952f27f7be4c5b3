//! The order in which the server stops: readiness goes, nobody new is let in, calls are told, then the end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

/// How long what is running may take to finish once stopping has begun.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Everyone's view of whether the server is stopping. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    begun: Arc<watch::Sender<bool>>,
    // Guards are clones of this sender: once the last one is gone, the receiver in `Ending` sees the end.
    guards: mpsc::WeakSender<()>,
}

/// The other end, kept by whoever stops the server.
#[derive(Debug)]
pub struct Ending {
    shutdown: Shutdown,
    own_guard: mpsc::Sender<()>,
    all_gone: mpsc::Receiver<()>,
}

/// Held by a loop that has something to finish (calls to say BYE to); the server waits for it, up to [`LIMIT`].
#[derive(Debug)]
pub struct Guard(#[expect(dead_code, reason = "only its drop counts")] Option<mpsc::Sender<()>>);

impl Shutdown {
    /// A server that runs.
    pub fn new() -> (Shutdown, Ending) {
        let (own_guard, all_gone) = mpsc::channel(1);
        let shutdown = Shutdown { begun: Arc::new(watch::Sender::new(false)), guards: own_guard.downgrade() };
        (shutdown.clone(), Ending { shutdown, own_guard, all_gone })
    }

    /// Says that the server is to stop. Saying it twice changes nothing.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Whether stopping has begun.
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// Waits until stopping has begun.
    pub async fn begun(&self) {
        let mut begun = self.begun.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = begun.wait_for(|begun| *begun).await;
    }

    /// Makes the server wait for the holder when it stops.
    pub fn guard(&self) -> Guard {
        Guard(self.guards.upgrade())
    }
}

impl Ending {
    /// Begins to stop, and waits until every guard is gone or the time is up.
    ///
    /// Returns whether all finished in time.
    pub async fn finish(mut self, limit: Duration) -> bool {
        self.shutdown.begin();
        drop(self.own_guard);
        tokio::time::timeout(limit, self.all_gone.recv()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_guards_but_not_for_ever() {
        let (shutdown, ending) = Shutdown::new();
        let guard = shutdown.guard();
        assert!(!shutdown.has_begun());
        let end = tokio::spawn(ending.finish(LIMIT));
        shutdown.begun().await;
        drop(guard);
        assert!(end.await.expect("no panic"));

        let (shutdown, ending) = Shutdown::new();
        let _held = shutdown.guard();
        assert!(!ending.finish(LIMIT).await);
    }
}
