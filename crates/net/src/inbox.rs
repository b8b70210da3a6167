//! The inbox: how other threads reach a shard.
//!
//! # Protocol
//! 1. A push locks the queue, appends, and sets `some` if the queue was empty. From then on the
//!    command is published: a shard that is awake finds it at the end of its pass.
//! 2. A shard about to sleep sets `sleeping`, fences, and looks at `some` again.
//! 3. Whoever pushed fences and then looks at `sleeping`; who takes the flag down writes the
//!    eventfd.
//!
//! Of the two fences one comes first, so either the shard sees the command or the pusher sees the
//! sleeper: no wake is lost.
//!
//! # Deferred wakes
//! A worker that answers a batch of messages would wake the shard for the first of them and have
//! it write one small reply at a time. So a thread that holds a [`DeferWakes`] does step 3 later,
//! in [`flush_pending`], which has to be called when it runs out of work and every few dozen
//! messages. Should such a thread be stuck, [`NetFlusher::flush`] from another thread wakes the
//! shards in its place.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use thiserror::Error;
use vaxel_runtime::Flusher;

use crate::counters::Counters;
use crate::net::Drain;

/// What a shard can be told.
#[derive(Debug)]
pub(crate) enum Note<C> {
    Command(C),
    Drain(Drain),
    Shutdown,
}

/// The part of an inbox that wakes its shard.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Bell {
    some: AtomicBool,
    sleeping: AtomicBool,
    event: OwnedFd,
    counters: Arc<Counters>,
}

impl Bell {
    /// Wakes the shard if it sleeps and has mail.
    fn ring(&self) {
        fence(SeqCst);
        if self.some.load(Relaxed)
            && self.sleeping.load(Relaxed)
            && self.sleeping.swap(false, AcqRel)
        {
            self.counters.wakes.add_shared(1);
            // Fails only when the eventfd's counter is full, and then the shard is being woken.
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
    }
}

#[derive(Debug)]
struct Queue<C> {
    notes: Vec<Note<C>>,
    is_closed: bool,
}

/// The mail of one shard.
#[derive(Debug)]
pub(crate) struct Inbox<C> {
    queue: Mutex<Queue<C>>,
    bell: Arc<Bell>,
    commands_max: usize,
}

impl<C> Inbox<C> {
    pub(crate) fn new(commands_max: usize, counters: Arc<Counters>) -> rustix::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let (some, sleeping) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self {
            queue: Mutex::new(Queue {
                notes: Vec::new(),
                is_closed: false,
            }),
            bell: Arc::new(Bell {
                some,
                sleeping,
                event,
                counters,
            }),
            commands_max,
        })
    }

    pub(crate) fn event(&self) -> &OwnedFd {
        &self.bell.event
    }

    pub(crate) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    fn lock(&self) -> MutexGuard<'_, Queue<C>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes without waking. Orders of the owner are not subject to the bound.
    fn publish(&self, note: Note<C>) -> Result<(), PushError<Note<C>>> {
        let mut queue = self.lock();
        if queue.is_closed {
            return Err(PushError::Closed(note));
        }
        if queue.notes.len() >= self.commands_max && matches!(note, Note::Command(_)) {
            drop(queue);
            self.bell.counters.inbox_full.add_shared(1);
            return Err(PushError::Full(note));
        }
        queue.notes.push(note);
        if queue.notes.len() == 1 {
            self.bell.some.store(true, Release);
        }
        Ok(())
    }

    /// Publishes an order of the owner and wakes at once.
    pub(crate) fn order(&self, note: Note<C>) {
        if self.publish(note).is_ok() {
            self.bell.ring();
        }
    }

    /// Swaps the mail with `taken`, which is empty and keeps its capacity for the next time.
    pub(crate) fn take(&self, taken: &mut Vec<Note<C>>) {
        if self.bell.some.load(Acquire) {
            let mut queue = self.lock();
            std::mem::swap(&mut queue.notes, taken);
            self.bell.some.store(false, Release);
        }
    }

    /// Announces sleep. False when mail has come and the shard must stay awake.
    pub(crate) fn try_sleep(&self) -> bool {
        self.bell.sleeping.store(true, Relaxed);
        fence(SeqCst);
        let may_sleep = !self.bell.some.load(Relaxed);
        if !may_sleep {
            self.wake();
        }
        may_sleep
    }

    pub(crate) fn wake(&self) {
        self.bell.sleeping.store(false, Relaxed);
    }

    /// Ends the inbox; what is still in it is dropped.
    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        queue.is_closed = true;
        let notes = std::mem::take(&mut queue.notes);
        drop(queue);
        drop(notes);
    }
}

/// Why a command was not taken. It comes back inside the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PushError<C> {
    /// [`Limits::inbox_commands_max`](crate::Limits::inbox_commands_max) commands wait already.
    #[error("the shard's inbox is full")]
    Full(C),
    /// The shard has been shut down.
    #[error("the shard has ended")]
    Closed(C),
}

impl<C> PushError<C> {
    /// The command.
    pub fn into_inner(self) -> C {
        match self {
            Self::Full(command) | Self::Closed(command) => command,
        }
    }

    fn map<D>(self, f: impl FnOnce(C) -> D) -> PushError<D> {
        match self {
            Self::Full(command) => PushError::Full(f(command)),
            Self::Closed(command) => PushError::Closed(f(command)),
        }
    }
}

/// Reaches one shard from any thread. Cheap to clone.
#[derive(Debug)]
pub struct ShardHandle<C> {
    pub(crate) index: usize,
    pub(crate) inbox: Arc<Inbox<C>>,
}

impl<C> Clone for ShardHandle<C> {
    fn clone(&self) -> Self {
        Self {
            index: self.index,
            inbox: Arc::clone(&self.inbox),
        }
    }
}

impl<C> ShardHandle<C> {
    /// The shard's number, from zero.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Hands a command to [`Protocol::command`](crate::Protocol::command) on the shard's thread.
    ///
    /// Never waits. Commands of one thread arrive in the order pushed. The command is visible to
    /// the shard at once; a sleeping shard is woken now, or, from a thread that holds a
    /// [`DeferWakes`], at the next [`flush_pending`].
    pub fn push(&self, command: C) -> Result<(), PushError<C>> {
        let unwrap = |note| match note {
            Note::Command(command) => command,
            Note::Drain(_) | Note::Shutdown => unreachable!("the note that was pushed comes back"),
        };
        self.inbox
            .publish(Note::Command(command))
            .map_err(|error| error.map(unwrap))?;
        if DEFERS.get() == 0 {
            self.inbox.bell.ring();
        } else {
            remember(&self.inbox.bell);
        }
        Ok(())
    }
}

thread_local! {
    /// How many [`DeferWakes`] the thread holds.
    static DEFERS: Cell<usize> = const { Cell::new(0) };
    /// Bells that the thread has to ring; as many as there are shards at most.
    static PENDING: RefCell<Vec<Arc<Bell>>> = const { RefCell::new(Vec::new()) };
}

fn remember(bell: &Arc<Bell>) {
    PENDING.with_borrow_mut(|pending| {
        if !pending.iter().any(|other| Arc::ptr_eq(other, bell)) {
            pending.push(Arc::clone(bell));
        }
    });
}

/// Wakes the shards that this thread has pushed to since the last call and that still sleep.
/// Nearly free when there are none.
pub fn flush_pending() {
    PENDING.with_borrow_mut(|pending| {
        for bell in pending.drain(..) {
            bell.ring();
        }
    });
}

/// While a thread holds one, its pushes wake nobody until [`flush_pending`]. Dropping the last one
/// calls it once more.
///
/// For the workers of an actor system whose flushers include a [`NetFlusher`]: held by the hook
/// given to [`around_worker`](vaxel_runtime::SystemBuilder::around_worker).
#[derive(Debug)]
#[must_use = "wakes are deferred only while this is held"]
pub struct DeferWakes {
    /// Belongs to its thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl DeferWakes {
    /// Defers the wakes of this thread.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        DEFERS.set(DEFERS.get() + 1);
        Self {
            _not_send: std::marker::PhantomData,
        }
    }
}

impl Drop for DeferWakes {
    fn drop(&mut self) {
        DEFERS.set(DEFERS.get() - 1);
        if DEFERS.get() == 0 {
            flush_pending();
        }
    }
}

/// What the actor runtime calls so that deferred wakes are not deferred for long: goes to
/// [`System::add_flusher`](vaxel_runtime::System::add_flusher).
#[derive(Clone, Debug)]
pub struct NetFlusher {
    pub(crate) bells: Arc<[Arc<Bell>]>,
}

impl Flusher for NetFlusher {
    /// On a thread that defers its wakes: [`flush_pending`]. On any other, such as a watchdog that
    /// found a worker stuck: wakes every shard that sleeps and has mail, whoever brought it.
    fn flush(&self) {
        if DEFERS.get() > 0 {
            flush_pending();
        } else {
            for bell in self.bells.iter() {
                bell.ring();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(commands_max: usize) -> ShardHandle<u32> {
        let inbox = Inbox::new(commands_max, Arc::default()).unwrap();
        ShardHandle {
            index: 0,
            inbox: Arc::new(inbox),
        }
    }

    fn wakes(shard: &ShardHandle<u32>) -> u64 {
        shard.inbox.bell.counters.wakes.load()
    }

    #[test]
    fn only_a_sleeper_is_woken_and_only_once() {
        let shard = shard(10);
        shard.push(1).unwrap();
        assert_eq!(wakes(&shard), 0);
        assert!(!shard.inbox.try_sleep(), "mail is waiting");
        let mut taken = Vec::new();
        shard.inbox.take(&mut taken);
        assert!(shard.inbox.try_sleep());
        shard.push(2).unwrap();
        shard.push(3).unwrap();
        assert_eq!(wakes(&shard), 1);
        assert_eq!(taken.len(), 1);
    }

    #[test]
    fn deferred_wakes_come_with_the_flush() {
        let shard = shard(10);
        assert!(shard.inbox.try_sleep());
        let defer = DeferWakes::new();
        shard.push(1).unwrap();
        assert_eq!(wakes(&shard), 0);
        flush_pending();
        assert_eq!(wakes(&shard), 1);
        let mut taken = Vec::new();
        shard.inbox.take(&mut taken);
        assert!(shard.inbox.try_sleep());
        shard.push(2).unwrap();
        drop(defer);
        assert_eq!(wakes(&shard), 2);
    }

    #[test]
    fn another_thread_can_flush_in_place_of_a_stuck_one() {
        let shard = shard(10);
        let flusher = NetFlusher {
            bells: [Arc::clone(shard.inbox.bell())].into(),
        };
        assert!(shard.inbox.try_sleep());
        let _defer = DeferWakes::new();
        shard.push(1).unwrap();
        std::thread::spawn(move || flusher.flush()).join().unwrap();
        assert_eq!(wakes(&shard), 1);
    }

    #[test]
    fn no_wake_is_lost() {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        let shard = shard(1_000_000);
        let sleeper = shard.clone();
        let consumer = std::thread::spawn(move || {
            let (mut taken, mut count) = (Vec::new(), 0);
            while count < 100_000 {
                sleeper.inbox.take(&mut taken);
                count += taken.drain(..).count();
                if count < 100_000 && sleeper.inbox.try_sleep() {
                    let event = sleeper.inbox.event();
                    let mut waits = [PollFd::new(event, PollFlags::IN)];
                    let patience = Timespec {
                        tv_sec: 20,
                        tv_nsec: 0,
                    };
                    assert_eq!(poll(&mut waits, Some(&patience)), Ok(1), "awaited a wake");
                    rustix::io::read(event, &mut [0; 8]).unwrap();
                    sleeper.inbox.wake();
                }
            }
        });
        let push = |shard: ShardHandle<u32>| {
            move || {
                let _defer = DeferWakes::new();
                for number in 0..50_000 {
                    shard.push(number).unwrap();
                    if number % 7 == 0 {
                        flush_pending();
                    }
                }
            }
        };
        let pushers = [push(shard.clone()), push(shard)].map(std::thread::spawn);
        for thread in pushers.into_iter().chain([consumer]) {
            thread.join().unwrap();
        }
    }

    #[test]
    fn the_inbox_is_bounded_and_ends() {
        let shard = shard(2);
        shard.push(1).unwrap();
        shard.push(2).unwrap();
        assert_eq!(shard.push(3), Err(PushError::Full(3)));
        assert_eq!(shard.inbox.bell.counters.inbox_full.load(), 1);
        shard.inbox.close();
        assert_eq!(shard.push(4).unwrap_err().into_inner(), 4);
    }
}
