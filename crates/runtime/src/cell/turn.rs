//! One turn: a worker takes a cell and handles up to 64 messages.

use super::end::{end_incarnation, fail_waiting, finish, start_incarnation};
use super::future::{self, Ran};
use super::node::Node;
use super::out_of_turn;
use super::signal;
use super::word::Released;
use super::{
    CLOSE, FAIL_MAIL, FINISH, Header, KILL, LOOK, PAUSED, Phase, RESTART, SHUTDOWN, STOP, TRACED,
};
use crate::ExitReason;
use crate::call::cycle;
use crate::types::Count;
use crate::worker::Worker;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::{AcqRel, Relaxed};

/// Messages per turn before the cell goes to the tail of the queue. Long enough to amortise the
/// queue (a few nanoseconds a message), short enough that a flooded actor does not starve others.
pub(crate) const BUDGET: u32 = 64;

/// What somebody may ask for between two messages.
const REQUESTS: u16 = PAUSED | SHUTDOWN | KILL | RESTART | CLOSE | FAIL_MAIL | LOOK;

/// What the worker does with the cell after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Given up: must not be touched.
    Done,
    /// Still ours: to the tail of the queue.
    Requeue,
}

/// Runs one turn of at most `budget` messages; a panic ends the incarnation and nothing else.
///
/// # Safety
/// The caller owns the cell.
pub(crate) unsafe fn run(cell: NonNull<Header>, worker: &Worker, budget: u32) -> Turn {
    // SAFETY: what this needs is what the caller has promised.
    match crate::panic::catch(|| unsafe { turn(cell, worker, budget) }) {
        Ok(turn) => turn,
        Err(reason) => {
            worker.end_message();
            // SAFETY: a panic leaves us owner; what was being polled is noted in the worker.
            unsafe { crashed(cell, worker, &reason) }
        }
    }
}

/// The incarnation panicked: whoever waited for the poisonous message gets the crash.
unsafe fn crashed(cell: NonNull<Header>, worker: &Worker, reason: &ExitReason) -> Turn {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    if let Some(block) = worker.take_inflight() {
        if let Some(side) = header.side()
            && side.future == block.as_ptr()
        {
            side.future = null_mut();
        }
        let _ending = crate::panic::Ending::because(reason);
        // SAFETY: the block was being polled by us and is attached to nothing any more.
        unsafe { future::abandon(block, reason) };
    }
    header.table().count(Some(worker), Count::Crashes, 1);
    // SAFETY: S2, we own the cell.
    unsafe { end_incarnation(cell, Some(worker), reason) }
}

unsafe fn turn(cell: NonNull<Header>, worker: &Worker, mut budget: u32) -> Turn {
    // SAFETY: owner, and so until the cell is given up.
    let header = unsafe { cell.as_ref() };
    worker.begin_turn(header);
    if let Some(block) = header.side().and_then(|side| NonNull::new(side.future)) {
        // SAFETY: owner; the block is attached.
        if let Some(turn) = unsafe { resume(cell, worker, block) } {
            return turn;
        }
        // The rest of a handler is as much work as a message.
        budget -= 1;
    }
    let limit = budget;
    let mut tallied = budget;
    let turn = loop {
        let set = header.signals.load(Relaxed);
        if set & REQUESTS != 0 {
            // SAFETY: S2, we own the cell.
            if let Some(turn) = unsafe { signals(cell, worker) } {
                break turn;
            }
        }
        if header.flags.get() != 0 {
            out_of_turn::splice(header);
            if header.flags.get() != 0 {
                tally(header, &mut tallied, budget);
                // SAFETY: S2, we own the cell.
                break unsafe { stop(cell, worker) };
            }
        }
        if header.phase.get() == Phase::Vacant || set & REQUESTS != 0 && is_paused(header) {
            tally(header, &mut tallied, budget);
            // A signal that came while we looked is looked at, or the cell would be woken for ever.
            if header.word.begin_poll() {
                continue;
            }
            break suspend(header);
        }
        let Some(node) = next(header) else {
            if header.word.is_forsaken() {
                header.request_stop(ExitReason::Normal);
                continue;
            }
            tally(header, &mut tallied, budget);
            if header.word.release() == Released::Idle {
                break Turn::Done;
            }
            continue;
        };
        if budget == 0 || budget < BUDGET && worker.is_hurried() {
            header.local.set(node.as_ptr());
            tally(header, &mut tallied, budget);
            break Turn::Requeue;
        }
        budget -= 1;
        // SAFETY: S2, we own the cell, and the node is ours (S4).
        let ran = unsafe { begin(cell, node, worker, set) };
        if ran == Ran::Pending {
            tally(header, &mut tallied, budget);
            break suspend(header);
        }
    };
    worker.count_messages(limit - budget);
    turn
}

/// Begins a message.
///
/// # Safety
/// Owner only; the node is the owner's (S4).
#[inline]
unsafe fn begin(cell: NonNull<Header>, node: NonNull<Node>, worker: &Worker, set: u16) -> Ran {
    // SAFETY: what this needs is what the caller has promised; the node is consumed by `run`.
    unsafe {
        let header = cell.as_ref();
        let Node { next, operations } = *node.as_ptr();
        header.local.set(next);
        if set & TRACED != 0 {
            crate::inspect::note(header, node);
        }
        worker.begin_message(header, operations);
        let ran = (operations.run)(cell, node, worker);
        worker.end_message();
        ran
    }
}

/// Counts the messages of this turn so far, before the cell may be given up.
#[inline]
fn tally(header: &Header, tallied: &mut u32, budget: u32) {
    let handled = header.handled.load(Relaxed).wrapping_add(*tallied - budget);
    header.handled.store(handled, Relaxed);
    *tallied = budget;
}

/// Whether the actor was suspended from outside. One that nobody can let go on goes on.
fn is_paused(header: &Header) -> bool {
    header.signals.load(Relaxed) & PAUSED != 0
        && header.phase.get() == Phase::Running
        && !header.word.no_references()
}

/// The next message in order: from the batch already taken, else a new batch. Owner only.
#[inline]
fn next(header: &Header) -> Option<NonNull<Node>> {
    if let Some(node) = NonNull::new(header.local.get()) {
        return Some(node);
    }
    let newest = header.word.take();
    if header.word.is_gated() {
        header.table().core().room.admit(NonNull::from(header));
    }
    // SAFETY: the nodes just taken are ours (S4).
    NonNull::new(unsafe { reverse(newest) })
}

/// Turns a list taken from the word, newest first, into one in order.
///
/// # Safety
/// The nodes belong to the caller.
pub(crate) unsafe fn reverse(newest: u64) -> *mut Node {
    let mut rest: *mut Node = std::ptr::with_exposed_provenance_mut(newest as usize);
    let mut ordered = null_mut();
    while !rest.is_null() {
        // SAFETY: what this needs is what the caller has promised.
        unsafe {
            let next = (*rest).next;
            (*rest).next = ordered;
            ordered = rest;
            rest = next;
        }
    }
    ordered
}

/// Gives a cell up whose handler awaits, to its wakers, and to its senders if it receives.
pub(crate) fn suspend(header: &Header) -> Turn {
    let released = if out_of_turn::is_receiving(header) {
        header.word.suspend_receiving()
    } else {
        header.word.suspend()
    };
    match released {
        Released::Idle => Turn::Done,
        Released::Again => Turn::Requeue,
    }
}

/// Polls the suspended handler again. `None`: it is done, go on with the mail.
unsafe fn resume(
    cell: NonNull<Header>,
    worker: &Worker,
    block: NonNull<future::Block>,
) -> Option<Turn> {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    // Before the wake is forgotten, by which others see that this actor is not stuck.
    // SAFETY: S2, we own the cell.
    let examine = unsafe { cycle::resumed(cell) };
    // In this order: who drops the last reference may have sent something just before, and a wake
    // that is forgotten here may be the one of a kill.
    let forsaken = header.word.no_references();
    let woken = header.word.begin_poll() || out_of_turn::has_received(header);
    if header.signals.load(Relaxed) & LOOK != 0 {
        header.signals.fetch_and(!LOOK, AcqRel);
        // SAFETY: owner, and an incarnation lives: one of its handlers is suspended.
        if let Some(reason) = unsafe { signal::look(cell) } {
            // SAFETY: owner; `end_incarnation` drops the attached future.
            return Some(unsafe { end_incarnation(cell, Some(worker), &reason) });
        }
    }
    let killed = header.signals.load(Relaxed) & KILL != 0;
    if killed || !woken && forsaken {
        // Killed, or nobody is left who could wake it. One that has been woken is polled even if
        // the waker was the last reference.
        let reason = if killed {
            ExitReason::Killed
        } else {
            ExitReason::Normal
        };
        header.signals.fetch_and(!KILL, AcqRel);
        // SAFETY: owner; `end_incarnation` drops the attached future.
        return Some(unsafe { end_incarnation(cell, Some(worker), &reason) });
    }
    // SAFETY: the block is attached to this cell, which we own.
    worker.begin_resume(header, unsafe { future::operations(block) });
    // SAFETY: owner; the block is attached to this cell.
    let ran = unsafe {
        if examine {
            cycle::examine(cell, worker, block)
        } else {
            worker.poll(cell, block)
        }
    };
    worker.end_message();
    if ran == Ran::Pending {
        return Some(suspend(header));
    }
    let side = header.side_or_new();
    side.future = null_mut();
    if let Some(relations) = &mut side.relations {
        relations.waits = None;
    }
    // SAFETY: a future that is ready has been dropped.
    unsafe { future::recycle(worker, block) };
    None
}

/// Looks at what was asked from outside. `None`: go on.
unsafe fn signals(cell: NonNull<Header>, worker: &Worker) -> Option<Turn> {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let set = header
        .signals
        .fetch_and(!(SHUTDOWN | KILL | RESTART | FAIL_MAIL | LOOK), AcqRel);
    if header.phase.get() == Phase::Vacant {
        if set & LOOK != 0 {
            let last = header.side().and_then(|side| side.exit.as_deref().cloned());
            // SAFETY: S2, we own the cell.
            unsafe { signal::fail_past(cell, &last.unwrap_or(ExitReason::Normal)) };
        }
        if set & FAIL_MAIL != 0 {
            // SAFETY: S2, we own the cell.
            unsafe { fail_waiting(cell) };
        }
        if set & CLOSE != 0 {
            // SAFETY: S2, we own the cell, and the incarnation is over.
            unsafe { finish(cell, Some(worker)) };
            return Some(Turn::Done);
        }
        if set & RESTART != 0 {
            // What was asked before the restart is forgotten; this came after.
            header.signals.fetch_or(set & (SHUTDOWN | KILL), AcqRel);
            // SAFETY: S2, we own the cell, which is vacant.
            return unsafe { start_incarnation(cell, worker) }.then(|| suspend(header));
        }
        return None;
    }
    // A paused actor looks each time: a handler that awaited may have kept something back.
    if set & (LOOK | PAUSED) != 0
        // SAFETY: owner, and an incarnation lives.
        && let Some(reason) = unsafe { signal::look(cell) }
    {
        // SAFETY: S2, we own the cell.
        return Some(unsafe { end_incarnation(cell, Some(worker), &reason) });
    }
    if set & KILL != 0 {
        // SAFETY: S2, we own the cell.
        return Some(unsafe { end_incarnation(cell, Some(worker), &ExitReason::Killed) });
    }
    match header.phase.get() {
        Phase::Running if set & (SHUTDOWN | CLOSE) != 0 => {
            header.request_stop(ExitReason::Shutdown);
        }
        Phase::Starting if set & (SHUTDOWN | CLOSE) != 0 => {
            // SAFETY: S2, we own the cell.
            return Some(unsafe { end_incarnation(cell, Some(worker), &ExitReason::Shutdown) });
        }
        _ => {}
    }
    None
}

/// The actor stops: `terminate` first, unless that has run.
unsafe fn stop(cell: NonNull<Header>, worker: &Worker) -> Turn {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let reason = header
        .side()
        .and_then(|side| side.exit.as_deref().cloned())
        .unwrap_or(ExitReason::Normal);
    if header.flags.get() & FINISH == 0 && header.phase.get() == Phase::Running {
        header.flags.set(header.flags.get() & !STOP);
        header.phase.set(Phase::Stopping);
        // SAFETY: owner; phase Stopping has a state.
        let ran = unsafe { (header.table().terminate)(cell, worker, reason.clone()) };
        if ran == Ran::Pending {
            return suspend(header);
        }
    }
    // SAFETY: S2, we own the cell.
    unsafe { end_incarnation(cell, Some(worker), &reason) }
}
