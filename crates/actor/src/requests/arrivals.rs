//! In which order answers arrived.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};

/// The slots whose call has been woken, in that order, each at most once.
#[derive(Default)]
pub(super) struct Arrivals(Mutex<State>);

#[derive(Default)]
struct State {
    order: VecDeque<usize>,
    /// Who waits for the next one.
    waiting: Option<Waker>,
}

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot that was woken first. None: the waker will be woken when there is one.
    pub(super) fn next(&self, waker: &Waker) -> Option<usize> {
        let mut state = self.lock();
        let next = state.order.pop_front();
        if next.is_none() {
            match &mut state.waiting {
                Some(waiting) => waiting.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
        next
    }
}

/// The waker of one call.
pub(super) struct Arrival {
    slot: usize,
    is_queued: AtomicBool,
    arrivals: Weak<Arrivals>,
}

impl Arrival {
    pub(super) fn new(slot: usize, arrivals: &Arc<Arrivals>) -> Self {
        Arrival {
            slot,
            is_queued: AtomicBool::new(false),
            arrivals: Arc::downgrade(arrivals),
        }
    }

    /// The slot has left the queue: the next wake queues it again. To be called before the poll.
    pub(super) fn is_taken(&self) {
        self.is_queued.store(false, SeqCst);
    }
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_queued.swap(true, SeqCst) {
            return;
        }
        let Some(arrivals) = self.arrivals.upgrade() else {
            return;
        };
        let waiting = {
            let mut state = arrivals.lock();
            state.order.push_back(self.slot);
            state.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}
