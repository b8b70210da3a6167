//! Loom models of the slot and of the notes: caller, replier and sweeper on these very functions.

use super::super::pending::{Pending, Sweepable, withdraw};
use super::*;
use loom::cell::UnsafeCell;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::SeqCst};
use std::task::RawWaker;

/// A waker that counts itself: how many there are, and how often it was woken.
#[derive(Default)]
struct Ears {
    alive: AtomicIsize,
    woken: AtomicUsize,
}

static TABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        ears(data).alive.fetch_add(1, SeqCst);
        RawWaker::new(data, &TABLE)
    },
    |data| {
        ears(data).woken.fetch_add(1, SeqCst);
        gone(data);
    },
    |data| {
        ears(data).woken.fetch_add(1, SeqCst);
    },
    gone,
);

fn ears<'a>(data: *const ()) -> &'a Ears {
    // SAFETY: every `Ears` of a model is leaked.
    unsafe { &*data.cast::<Ears>() }
}

fn gone(data: *const ()) {
    let before = ears(data).alive.fetch_sub(1, SeqCst);
    assert!(before > 0, "a waker was dropped twice");
}

impl Ears {
    fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Lends a waker, as a poll does.
    fn lend<R>(&'static self, use_it: impl FnOnce(&Waker) -> R) -> R {
        self.alive.fetch_add(1, SeqCst);
        // SAFETY: the table keeps count and frees nothing.
        let waker = unsafe { Waker::new(std::ptr::from_ref(self).cast(), &TABLE) };
        use_it(&waker)
    }
}

struct Node {
    slot: Slot,
    outcome: UnsafeCell<u32>,
    /// Read by who touches the node, written by who frees it.
    memory: UnsafeCell<()>,
    freed: AtomicUsize,
    dropped: AtomicUsize,
}

impl Sweepable for Node {
    unsafe fn nudge(node: NonNull<Self>) -> Nudged {
        // SAFETY: the node lives, by the caller's word.
        let node = unsafe { node.as_ref() };
        // Loom sees a free at the same time as a race.
        node.memory.with(|_| ());
        node.slot.nudge()
    }
}

fn node() -> StdArc<Node> {
    StdArc::new(Node {
        slot: Slot::new(),
        outcome: UnsafeCell::new(0),
        memory: UnsafeCell::new(()),
        freed: AtomicUsize::new(0),
        dropped: AtomicUsize::new(0),
    })
}

impl Node {
    fn free(&self, outcome_dropped: bool) {
        self.memory.with_mut(|_| ());
        self.dropped.fetch_add(usize::from(outcome_dropped), SeqCst);
        assert_eq!(self.freed.fetch_add(1, SeqCst), 0, "double free");
    }

    fn reply(&self) {
        // SAFETY: Loom has just checked that nobody else is inside.
        self.outcome.with_mut(|outcome| unsafe { *outcome = 7 });
        match self.slot.publish() {
            Published::Wake(waker) => waker.wake(),
            Published::Quiet => {}
            Published::Gone => self.free(true),
        }
    }

    fn take(&self) {
        // SAFETY: Loom has just checked that nobody else is inside.
        assert_eq!(self.outcome.with(|outcome| unsafe { *outcome }), 7);
        self.free(false);
    }

    fn leave(&self) {
        if self.slot.leave() == Left::Outcome {
            self.free(true);
        }
    }
}

/// Polls with `polls` different wakers, then gives up unless there is an outcome.
fn call_and_reply(polls: usize) {
    let node = node();
    let other = node.clone();
    let replier = loom::thread::spawn(move || other.reply());
    let ears: Vec<_> = (0..polls).map(|_| Ears::new()).collect();
    let taken = ears
        .iter()
        .any(|ears| ears.lend(|waker| node.slot.wait(waker)) == Wait::Done);
    if taken {
        node.take();
    } else {
        node.leave();
    }
    replier.join().unwrap();
    assert_eq!(node.freed.load(SeqCst), 1, "leaked");
    assert_eq!(node.dropped.load(SeqCst), usize::from(!taken));
    for ears in ears {
        assert_eq!(ears.alive.load(SeqCst), 0, "a waker was leaked");
    }
}

fn catches(fault: &'static str, model: fn()) {
    let planted = || fault::with(Some(fault), || loom::model(model));
    assert!(
        std::panic::catch_unwind(planted).is_err(),
        "unnoticed: {fault}"
    );
}

#[test]
fn node_and_wakers_are_freed_once() {
    for polls in 0..=2 {
        fault::with(None, || loom::model(move || call_and_reply(polls)));
    }
    catches("a waker that was taken is dropped", || call_and_reply(2));
    catches("rounds are not told apart", || call_and_reply(2));
}

/// The caller waits once, and may be nudged; it must be woken by the replier in the end. With
/// `answered` it is polled again when the reply is there, at the same time as the sweep.
fn call_and_sweep(answered: bool) {
    let node = node();
    let pending = StdArc::new(Pending::<Node>::new());
    let ears = Ears::new();
    let cursor = Cell::new(0);
    let pointer = NonNull::from(&*node);
    let mut taken = ears.lend(|waker| node.slot.wait(waker)) == Wait::Done;
    let entry = pending.note(&cursor, pointer);
    let (other, table) = (node.clone(), pending.clone());
    let mut replier = Some(loom::thread::spawn(move || other.reply()));
    let sweeper = loom::thread::spawn(move || {
        let mut woken = Vec::new();
        table.sweep(&mut woken);
        woken.into_iter().for_each(Waker::wake);
    });
    if answered && let Some(replier) = replier.take() {
        replier.join().unwrap();
    }
    // The caller is polled again for some reason of its own.
    let mut late = false;
    if !taken {
        match ears.lend(|waker| node.slot.wait(waker)) {
            Wait::Done => taken = true,
            Wait::Waits { late: nudged, .. } => late = nudged,
        }
    }
    if taken {
        if let Some(entry) = entry
            && !fault::planted("the caller leaves its note behind")
        {
            withdraw(entry, pointer);
        }
        node.take();
    }
    if let Some(replier) = replier {
        replier.join().unwrap();
    }
    sweeper.join().unwrap();
    if !taken {
        let woken = ears.woken.load(SeqCst);
        assert!(woken > 0, "lost wake-up");
        assert!(
            !late || woken == 2,
            "a nudged caller is woken for its answer too"
        );
        if let Some(entry) = entry {
            withdraw(entry, pointer);
        }
        assert_eq!(ears.lend(|waker| node.slot.wait(waker)), Wait::Done);
        node.take();
    }
    assert_eq!(node.freed.load(SeqCst), 1);
    assert_eq!(ears.alive.load(SeqCst), 0, "a waker was leaked");
}

#[test]
fn a_sweeper_touches_no_call_that_is_over() {
    for answered in [false, true] {
        fault::with(None, || loom::model(move || call_and_sweep(answered)));
    }
    catches("the caller leaves its note behind", || call_and_sweep(true));
    catches("the sweeper does not claim", || call_and_sweep(true));
}
