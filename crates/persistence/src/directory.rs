//! Actors by key: started on demand, put to sleep when nobody has asked for a while.
//!
//! Sending to a key and putting its actor to sleep both hold the lock of the key's shard. An actor
//! counts what was sent to it and is not done with; only at zero it may go. So no message is lost
//! to an actor that is just going to sleep, and there are never two for one key in a directory.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use vaxel_actor::{Actor, ActorRef, Context, Handler, Message, System, Time};

/// Locks that keys are spread over: enough that workers seldom meet at one.
const SHARDS: usize = 64;

/// How long an actor is idle before it is put to sleep, unless told otherwise.
pub(crate) const IDLE_AFTER: Duration = Duration::from_secs(15 * 60);

/// How many actors a directory holds, unless told otherwise.
pub(crate) const ACTORS_MAX: usize = 1_000_000;

pub(crate) struct Directory<A: Actor> {
    shards: Vec<Mutex<HashMap<String, Slot<A>>>>,
    hasher: RandomState,
    awake: AtomicUsize,
}

struct Slot<A: Actor> {
    actor: ActorRef<A>,
    pending: Arc<Pending>,
}

#[derive(Default)]
struct Pending {
    /// What was sent and is not done.
    sent: AtomicUsize,
    /// The actor is about to end: it is sent nothing more.
    is_over: AtomicBool,
}

/// Something that was sent and is not done: dropped when it is.
pub(crate) struct Ticket(Arc<Pending>);

impl Ticket {
    fn take(pending: &Arc<Pending>) -> Self {
        pending.sent.fetch_add(1, Ordering::AcqRel);
        Ticket(pending.clone())
    }

    /// Says that the actor is about to end: who hears of it and asks again finds a new one.
    pub(crate) fn end(&self) {
        self.0.is_over.store(true, Ordering::Release);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // A handler that panics lets go of its ticket before its caller hears of the crash.
        if std::thread::panicking() {
            self.end();
        }
        self.0.sent.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<A: Actor> Directory<A> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Directory {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            awake: AtomicUsize::new(0),
        })
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, HashMap<String, Slot<A>>> {
        let hash = self.hasher.hash_one(key);
        let shard = &self.shards[(hash as usize) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Actors that are awake.
    pub(crate) fn len(&self) -> usize {
        self.awake.load(Ordering::Relaxed)
    }

    /// Sends to the actor of this key, which is started where there is none that lives. `None`:
    /// there are `max` of them already.
    pub(crate) fn send<R>(
        self: &Arc<Self>,
        system: &System,
        key: &str,
        max: usize,
        args: impl FnOnce(Box<dyn Fn() -> bool + Send + Sync>) -> A::Args,
        send: impl FnOnce(&ActorRef<A>, Ticket) -> R,
    ) -> Option<R> {
        let mut shard = self.shard(key);
        let lives = |slot: &&Slot<A>| {
            slot.actor.is_alive() && !slot.pending.is_over.load(Ordering::Acquire)
        };
        if let Some(slot) = shard.get(key).filter(lives) {
            return Some(send(&slot.actor, Ticket::take(&slot.pending)));
        }
        if shard.remove(key).is_some() {
            self.awake.fetch_sub(1, Ordering::Relaxed);
        }
        if self.len() >= max {
            return None;
        }
        let pending = Arc::<Pending>::default();
        let leave = self.leaving(key, &pending);
        // Queued: nothing of the actor may run under this lock.
        let actor = system.spawn_queued::<A>(args(leave));
        let sent = send(&actor, Ticket::take(&pending));
        shard.insert(key.to_owned(), Slot { actor, pending });
        self.awake.fetch_add(1, Ordering::Relaxed);
        Some(sent)
    }

    /// What an actor asks before it goes to sleep: true when it is forgotten here.
    fn leaving(
        self: &Arc<Self>,
        key: &str,
        pending: &Arc<Pending>,
    ) -> Box<dyn Fn() -> bool + Send + Sync> {
        let directory: Weak<Self> = Arc::downgrade(self);
        let (key, pending) = (key.to_owned(), pending.clone());
        Box::new(move || {
            let Some(directory) = directory.upgrade() else {
                return true;
            };
            let mut shard = directory.shard(&key);
            if pending.sent.load(Ordering::Acquire) > 0 {
                return false;
            }
            if let Entry::Occupied(slot) = shard.entry(key.clone())
                && Arc::ptr_eq(&slot.get().pending, &pending)
            {
                slot.remove();
                directory.awake.fetch_sub(1, Ordering::Relaxed);
            }
            true
        })
    }
}

/// What an actor of a directory knows about going to sleep.
#[derive(Clone)]
pub(crate) struct Idle {
    after: Duration,
    leave: Arc<dyn Fn() -> bool + Send + Sync>,
    last: Option<Time>,
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Idle({:?})", self.after)
    }
}

/// Tells an actor to see whether it is idle.
pub(crate) struct LookAround;

impl Message for LookAround {
    type Reply = ();
}

impl Idle {
    pub(crate) fn new(after: Duration, leave: Box<dyn Fn() -> bool + Send + Sync>) -> Self {
        Idle {
            after,
            leave: leave.into(),
            last: None,
        }
    }

    pub(crate) fn begin<A: Handler<LookAround>>(&self, cx: &mut Context<A>) {
        cx.send_after(self.after, LookAround);
    }

    /// Notes that there was something to do.
    pub(crate) fn note<A: Actor>(&mut self, cx: &Context<A>) {
        self.last = Some(cx.system().now());
    }

    pub(crate) fn look_around<A: Handler<LookAround>>(&mut self, cx: &mut Context<A>) {
        let now = cx.system().now();
        let since = self.last.map_or(self.after, |last| now - last);
        if since < self.after {
            cx.send_after(self.after - since, LookAround);
        } else if (self.leave)() {
            cx.stop();
        } else {
            self.begin(cx);
        }
    }
}

#[cfg(test)]
mod tests {
    use vaxel_actor::ExitReason;

    use super::*;

    struct Sleeper;

    impl Actor for Sleeper {
        type Args = ();

        async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
            Ok(Sleeper)
        }
    }

    #[test]
    fn an_actor_to_which_something_was_sent_may_not_leave() {
        let system = System::builder().workers(1).build();
        let directory = Directory::<Sleeper>::new();
        let leaving = Mutex::new(None);
        let send = || {
            let args = |leave| *leaving.lock().expect("nobody panics") = Some(leave);
            let send = |actor: &ActorRef<Sleeper>, ticket| (actor.clone(), ticket);
            directory
                .send(&system, "ada", 10, args, send)
                .expect("there is room")
        };
        let (first, ticket) = send();
        let leave = leaving
            .lock()
            .expect("nobody panics")
            .take()
            .expect("it was started");
        assert!(!leave(), "what was sent would be lost");
        drop(ticket);
        assert!(leave());
        assert_eq!(directory.len(), 0);
        let (second, _ticket) = send();
        assert_ne!(first, second, "there is another one from then on");
        assert!(leave(), "the first is forgotten already");
        assert_eq!(directory.len(), 1, "and does not take the second with it");
        system.shutdown();
    }
}
