//! One message that is held until its time: what throttled and debounced senders share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vaxel_runtime::{Message, Recipient, System, Time};

use crate::time_limit::sleep_in;

/// The numbers of a throttled or debounced sender since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HeldCounts {
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that gave way to a newer one, or came when nothing is sent.
    pub replaced: u64,
    /// Messages that found the mailbox full, or the actor gone.
    pub lost: u64,
}

/// When messages go: a state machine without a clock.
pub(super) trait Edges: Send + 'static {
    /// A message has come: whether it goes at once, is held in place of the one that is, or is
    /// dropped.
    fn came(&mut self, now: Time) -> Verdict;

    /// When something is to happen, if nothing comes.
    fn due(&self, is_held: bool) -> Option<Time>;

    /// Its time has come; what was held has gone.
    fn passed(&mut self, now: Time);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Send,
    Hold,
    Drop,
}

pub(super) struct Holder<M: Message, E> {
    pub(super) to: Recipient<M>,
    system: System,
    state: Mutex<State<M, E>>,
    sent: AtomicU64,
    replaced: AtomicU64,
    lost: AtomicU64,
}

struct State<M, E> {
    edges: E,
    held: Option<M>,
    /// Whether a task waits for the next edge.
    is_timed: bool,
}

impl<M: Message, E: Edges> Holder<M, E> {
    pub(super) fn new(to: Recipient<M>, edges: E) -> Arc<Self> {
        Arc::new(Holder {
            system: to.erase().system(),
            to,
            state: Mutex::new(State {
                edges,
                held: None,
                is_timed: false,
            }),
            sent: AtomicU64::new(0),
            replaced: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<M, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cast(self: &Arc<Self>, message: M) {
        let now = self.system.now();
        let mut state = self.lock();
        // A timer that is late must not let this message overtake, or replace what was due.
        let late = self.settle(&mut state, now);
        let refused = match state.edges.came(now) {
            Verdict::Send => self.send(message),
            Verdict::Drop => {
                self.replaced.fetch_add(1, Relaxed);
                Some(message)
            }
            Verdict::Hold => {
                let former = state.held.replace(message);
                let replaced = u64::from(former.is_some());
                self.replaced.fetch_add(replaced, Relaxed);
                former
            }
        };
        let starts = !state.is_timed && state.edges.due(state.held.is_some()).is_some();
        state.is_timed |= starts;
        drop(state);
        // Outside the lock: dropping a message may run anything.
        drop((late, refused));
        if starts {
            let holder = self.clone();
            drop(self.system.spawn_future(holder.run()));
        }
    }

    /// Waits for edges until there are none.
    async fn run(self: Arc<Self>) {
        loop {
            let due = {
                let mut state = self.lock();
                let late = self.settle(&mut state, self.system.now());
                let due = state.edges.due(state.held.is_some());
                state.is_timed = due.is_some();
                drop(state);
                drop(late);
                due
            };
            let Some(due) = due else { return };
            sleep_in(&self.system, due).await;
        }
    }

    /// Does what is due; a message that was refused is handed out.
    fn settle(&self, state: &mut State<M, E>, now: Time) -> Option<M> {
        let due = state.edges.due(state.held.is_some())?;
        if now < due {
            return None;
        }
        let refused = state.held.take().and_then(|message| self.send(message));
        state.edges.passed(now);
        refused
    }

    fn send(&self, message: M) -> Option<M> {
        match self.to.cast(message) {
            Ok(()) => {
                self.sent.fetch_add(1, Relaxed);
                None
            }
            Err(refused) => {
                self.lost.fetch_add(1, Relaxed);
                Some(refused.into_message())
            }
        }
    }

    /// Sends what is held now. False: nothing is.
    pub(super) fn flush(&self) -> bool {
        let mut state = self.lock();
        let Some(held) = state.held.take() else {
            return false;
        };
        let refused = self.send(held);
        drop(state);
        drop(refused);
        true
    }

    /// Takes back what is held.
    pub(super) fn cancel(&self) -> Option<M> {
        self.lock().held.take()
    }

    pub(super) fn counts(&self) -> HeldCounts {
        HeldCounts {
            sent: self.sent.load(Relaxed),
            replaced: self.replaced.load(Relaxed),
            lost: self.lost.load(Relaxed),
        }
    }
}
