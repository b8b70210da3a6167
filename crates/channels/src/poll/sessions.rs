//! The sessions that are open, by the number in their tokens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vaxel_actor::ActorRef;

use super::session::PollSession;

/// The sessions that are open.
#[derive(Default)]
pub(super) struct OpenSessions {
    open: Mutex<HashMap<u64, ActorRef<PollSession>>>,
    numbers: AtomicU64,
}

/// A session's place among the open ones, given up when dropped.
pub(super) struct Place {
    sessions: Arc<OpenSessions>,
    number: u64,
}

impl OpenSessions {
    /// A place that nobody has taken yet.
    pub(super) fn place(self: &Arc<Self>) -> Place {
        Place {
            sessions: self.clone(),
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(super) fn insert(&self, number: u64, session: ActorRef<PollSession>) {
        self.lock().insert(number, session);
    }

    pub(super) fn find(&self, number: u64) -> Option<ActorRef<PollSession>> {
        self.lock().get(&number).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Takes some sessions out.
    pub(super) fn take(&self, count: usize) -> Vec<ActorRef<PollSession>> {
        let mut open = self.lock();
        let numbers: Vec<u64> = open.keys().copied().take(count).collect();
        numbers
            .into_iter()
            .filter_map(|number| open.remove(&number))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, ActorRef<PollSession>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let session = self.sessions.lock().remove(&self.number);
        drop(session);
    }
}
