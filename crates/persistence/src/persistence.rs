//! What all durable actors of a store share: the store and its bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use vaxel_store::Store;

/// A store with bounds on what actors ask of it. Cheap to clone.
#[derive(Clone)]
pub struct Persistence(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    recoveries: Semaphore,
    writes: Semaphore,
    committed: Notify,
    counts: Counts,
}

/// The bounds of a [`Persistence`].
#[derive(Debug, Clone)]
pub struct PersistenceConfig {
    recoveries_max: usize,
    writes_max: usize,
}

impl Default for PersistenceConfig {
    fn default() -> Self {
        PersistenceConfig {
            recoveries_max: 50,
            writes_max: 8_192,
        }
    }
}

impl PersistenceConfig {
    /// How many actors recover at once; others wait, in order. Default: 50.
    #[must_use]
    pub fn recoveries_max(mut self, recoveries: usize) -> Self {
        self.recoveries_max = recoveries.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// How many commits are under way at once; other actors wait, in order. Should be below the
    /// queue of the store. Default: 8,192.
    #[must_use]
    pub fn writes_max(mut self, writes: usize) -> Self {
        self.writes_max = writes.clamp(1, Semaphore::MAX_PERMITS);
        self
    }
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) recoveries: AtomicU64,
    pub(crate) events_replayed: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) commits_failed: AtomicU64,
    pub(crate) snapshots: AtomicU64,
    pub(crate) snapshots_failed: AtomicU64,
    pub(crate) snapshots_damaged: AtomicU64,
}

/// What the actors of a [`Persistence`] have done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PersistenceCounters {
    /// Actors that recovered.
    pub recoveries: u64,
    /// Events that were read for that.
    pub events_replayed: u64,
    /// Commits of actors; many share one of the store's.
    pub commits: u64,
    /// Commits that failed, each of which ended its actor.
    pub commits_failed: u64,
    /// Snapshots that were begun.
    pub snapshots: u64,
    /// Snapshots that were not stored. The next one makes up for it.
    pub snapshots_failed: u64,
    /// Snapshots that were damaged or of another version, and passed over.
    pub snapshots_damaged: u64,
}

impl Persistence {
    /// On this store.
    pub fn new(store: impl Store) -> Self {
        Self::with(Arc::new(store), PersistenceConfig::default())
    }

    /// On a store that others use too, with other bounds.
    pub fn with(store: Arc<dyn Store>, config: PersistenceConfig) -> Self {
        Persistence(Arc::new(Shared {
            store,
            recoveries: Semaphore::new(config.recoveries_max),
            writes: Semaphore::new(config.writes_max),
            committed: Notify::new(),
            counts: Counts::default(),
        }))
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// What its actors have done.
    pub fn counters(&self) -> PersistenceCounters {
        let counts = &self.0.counts;
        let load = |count: &AtomicU64| count.load(Relaxed);
        PersistenceCounters {
            recoveries: load(&counts.recoveries),
            events_replayed: load(&counts.events_replayed),
            commits: load(&counts.commits),
            commits_failed: load(&counts.commits_failed),
            snapshots: load(&counts.snapshots),
            snapshots_failed: load(&counts.snapshots_failed),
            snapshots_damaged: load(&counts.snapshots_damaged),
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// Waits for one's turn to recover.
    pub(crate) async fn recovering(&self) -> SemaphorePermit<'_> {
        let permit = self.0.recoveries.acquire().await;
        permit.unwrap_or_else(|_| unreachable!("the semaphore is never closed"))
    }

    /// Waits for one's turn to write.
    pub(crate) async fn writing(&self) -> SemaphorePermit<'_> {
        let permit = self.0.writes.acquire().await;
        permit.unwrap_or_else(|_| unreachable!("the semaphore is never closed"))
    }

    /// Counts a commit, and tells the projections of this process.
    pub(crate) fn committed(&self, is_ok: bool) {
        let counts = &self.0.counts;
        if is_ok {
            counts.commits.fetch_add(1, Relaxed);
            self.0.committed.notify_waiters();
        } else {
            counts.commits_failed.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn next_commit(&self) -> &Notify {
        &self.0.committed
    }
}

impl std::fmt::Debug for Persistence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Persistence")
            .field(&self.counters())
            .finish()
    }
}
