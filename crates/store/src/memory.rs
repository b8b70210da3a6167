//! The engine for tests: nothing is kept, nothing is synced, and faults can be planted.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use crate::WriteError;
use crate::sqlite::{Embedded, Engine, Faults};

/// A store in memory: SQLite's engine without a file.
///
/// The same statements run as on a file, on a thread of their own, so that what passes here and
/// fails there can only have to do with the disk.
#[derive(Debug)]
pub struct Memory {
    engine: Engine,
    faults: Arc<Faults>,
}

/// Nothing is written or read while this lives; see [`Memory::hold`].
#[derive(Debug)]
#[must_use = "the store goes on when this is dropped"]
pub struct Held {
    _release: SyncSender<()>,
}

impl Memory {
    /// An empty store.
    ///
    /// # Panics
    /// If the machine has no thread left.
    pub fn new() -> Self {
        let faults = Arc::<Faults>::default();
        match Engine::in_memory(faults.clone()) {
            Ok(engine) => Memory { engine, faults },
            Err(error) => panic!("a store in memory needs a thread: {error:?}"),
        }
    }

    /// Holds everything that is asked for from now on, in its order, until the guard is dropped:
    /// for tests of what happens while a commit is under way.
    pub fn hold(&self) -> Held {
        let (release, released) = sync_channel::<()>(0);
        // Ends with an error when the guard is gone.
        self.engine.in_turn(move |_| _ = released.recv());
        Held { _release: release }
    }

    /// Lets the next commit fail with this error. Nothing of it is stored.
    pub fn fail_next_commit(&self, error: WriteError) {
        self.faults.plant(error);
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Embedded for Memory {
    fn engine(&self) -> &Engine {
        &self.engine
    }
}
