//! Beginnings and ends of incarnations.
//!
//! An incarnation ends exactly once: future dropped, state dropped, pid retired, links and
//! watchers told.
//! What follows depends on whether somebody supervises the cell: a child becomes vacant, keeps its
//! mail and waits for its supervisor; every other cell is closed and its mail fails with the
//! reason.

use super::future::{self, Completion, Ran, drive};
use super::node::state_of;
use super::signal;
use super::supervision::OfCell;
use super::turn::{Turn, reverse};
use super::word::Released;
use super::{
    ABANDONED, ActorCell, CLOSE, Counted, FINISH, Header, KILL, NAMED, PAUSED, Phase, RESTART,
    TRACED, TRAPS, VACANT,
};
use crate::call::cycle;
use crate::child::ChildExit;
use crate::types::Count;
use crate::worker::Worker;
use crate::{Actor, Event, ExitReason, Pid};
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, SeqCst};
use std::sync::atomic::fence;

/// `init` is done: the state moves in, or the start has failed.
pub(crate) struct InitDone<A>(PhantomData<fn(A)>);

impl<A: Actor> Completion<Result<A, ExitReason>> for InitDone<A> {
    const MESSAGE: fn() -> &'static str = || "init";

    #[inline]
    unsafe fn complete(self, cell: NonNull<Header>, value: Result<A, ExitReason>) {
        // SAFETY: S2, we own the cell.
        let header = unsafe { cell.as_ref() };
        match value {
            Ok(state) => {
                let typed = cell.cast::<ActorCell<A>>().as_ptr();
                // SAFETY: there is no state yet (S3), and the owner may write it.
                unsafe { (*(*typed).state.get()).write(state) };
                header.phase.set(Phase::Running);
                if let Some(supervision) = OfCell::of(header) {
                    supervision.started().set(Ok(()));
                }
            }
            Err(reason) => {
                header.side_or_new().exit = Some(Box::new(reason));
                header.flags.set(FINISH);
            }
        }
    }

    fn abandon(self, _reason: &ExitReason) {}
}

/// Runs `init` up to its first await.
///
/// # Safety
/// The caller owns the cell, one of `A`'s, in phase Starting and without a future.
#[inline]
pub(crate) unsafe fn begin_init<A: Actor>(
    cell: NonNull<Header>,
    worker: &Worker,
    args: A::Args,
) -> Ran {
    // SAFETY: what this needs is what the caller has promised.
    unsafe {
        drive::<A, _, _>(cell, worker, InitDone(PhantomData), |_, cx| {
            A::init(args, cx)
        })
    }
}

/// The reason for which most actors end; `terminate` borrows it from here.
static NORMAL: ExitReason = ExitReason::Normal;

/// `terminate` is done; the turn goes on to the end. Keeps the reason that `terminate` borrows if
/// it is an uncommon one.
struct TerminateDone(Option<Arc<ExitReason>>);

impl Completion<()> for TerminateDone {
    const MESSAGE: fn() -> &'static str = || "terminate";

    unsafe fn complete(self, cell: NonNull<Header>, (): ()) {
        // SAFETY: S2, we own the cell.
        let header = unsafe { cell.as_ref() };
        header.flags.set(FINISH);
        drop(self.0);
    }

    fn abandon(self, _reason: &ExitReason) {}
}

/// Runs `terminate` up to its first await.
///
/// # Safety
/// Owner only, phase Stopping, no attached future.
pub(crate) unsafe fn begin_terminate<A: Actor>(
    cell: NonNull<Header>,
    worker: &Worker,
    reason: ExitReason,
) -> Ran {
    let kept = (reason != ExitReason::Normal).then(|| Arc::new(reason));
    let borrowed = kept.as_ref().map_or(&raw const NORMAL, Arc::as_ptr);
    // SAFETY: owner, S3; the completion keeps the reason alive unless it is a static, and a block
    // drops its future before it gives the completion up.
    unsafe {
        drive::<A, _, _>(cell, worker, TerminateDone(kept), |cell, cx| {
            A::terminate(state_of(cell), &*borrowed, cx)
        })
    }
}

/// Begins a new incarnation of a vacant child. True: its `init` awaits.
///
/// # Safety
/// Owner only, phase Vacant.
pub(crate) unsafe fn start_incarnation(cell: NonNull<Header>, worker: &Worker) -> bool {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    header.phase.set(Phase::Starting);
    header.flags.set(0);
    header.signals.fetch_and(!VACANT, AcqRel);
    header.table().core().pids.ensure(cell);
    let last = header.side().and_then(|side| side.exit.take());
    let last = last.map_or(ExitReason::Normal, |reason| *reason);
    // SAFETY: owner. What waits for the incarnation that is over has waited long enough.
    unsafe { signal::fail_past(cell, &last) };
    let Some(supervision) = OfCell::of(header) else {
        return false;
    };
    worker.begin_start(header);
    // SAFETY: owner; a vacant cell has no state and is not over.
    let ran = unsafe { supervision.start(cell, worker) };
    worker.end_message();
    ran == Ran::Pending
}

/// Ends the incarnation.
///
/// # Safety
/// Owner only. After `Done` the cell must not be touched.
pub(crate) unsafe fn end_incarnation(
    cell: NonNull<Header>,
    worker: Option<&Worker>,
    reason: &ExitReason,
) -> Turn {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let ending = crate::panic::Ending::because(reason);
    if let Some(block) = header.side().and_then(|side| NonNull::new(side.future)) {
        header.side_or_new().future = null_mut();
        // SAFETY: S2, we own the cell.
        unsafe { cycle::resumed(cell) };
        // SAFETY: the attached block is ours and detached.
        unsafe { future::abandon(block, reason) };
    }
    if matches!(header.phase.get(), Phase::Running | Phase::Stopping) {
        header.phase.set(Phase::Vacant);
        // SAFETY: S3: there is a state, and from here on there is none.
        crate::panic::contain(|| unsafe { (header.table().drop_state)(cell) });
    }
    drop(ending);
    header.phase.set(Phase::Vacant);
    super::out_of_turn::give_back(header);
    header.flags.set(0);
    let of_incarnation = TRAPS | PAUSED | TRACED;
    if header.signals.load(Acquire) & of_incarnation != 0 {
        header.signals.fetch_and(!of_incarnation, AcqRel);
    }
    if let Some(side) = header.side() {
        side.exit = None;
    }
    if *reason != ExitReason::Normal {
        header.side_or_new().exit = Some(Box::new(reason.clone()));
    }
    let core = header.table().core();
    if reason.is_abnormal() {
        core.emit(&Event::ActorCrashed {
            actor: header.table().name,
            pid: core.pids.of(cell),
            reason: reason.clone(),
        });
    }
    // SAFETY: owner, the incarnation is over.
    if unsafe { become_vacant(cell, reason) } {
        return match header.word.suspend() {
            Released::Idle => Turn::Done,
            Released::Again => Turn::Requeue,
        };
    }
    // SAFETY: S2, we own the cell.
    unsafe { finish(cell, worker) };
    Turn::Done
}

/// Asks the supervisor. False: there is none who could answer.
unsafe fn become_vacant(cell: NonNull<Header>, reason: &ExitReason) -> bool {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let closing = header.signals.load(Acquire) & CLOSE != 0;
    let core = header.table().core();
    let Some(supervision) = OfCell::of(header) else {
        return false;
    };
    supervision.started().set(Err(reason.clone()));
    if closing {
        return false;
    }
    let Some(parent) = core.pids.find(supervision.parent()) else {
        return false;
    };
    let Some(tell) = parent.header().table().child_exit.get() else {
        return false;
    };
    // Before the pid and the mail are looked at: who comes later finds the mark.
    signal::mark_vacant(&header.signals);
    let pid = core.pids.retire(cell).unwrap_or(Pid::NONE);
    // SAFETY: S2, we own the cell.
    unsafe { tell_relations(cell, pid, reason) };
    // SAFETY: S2, we own the cell.
    unsafe { fail_requests_of_incarnation(cell, reason) };
    tell(
        &parent,
        ChildExit {
            tag: supervision.tag(),
            pid,
            reason: reason.clone(),
        },
    )
}

unsafe fn tell_relations(cell: NonNull<Header>, pid: Pid, reason: &ExitReason) {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    if let Some(relations) = header.side().and_then(|side| side.relations.take()) {
        relations.end(header.table().core(), pid, reason);
    }
}

/// Signals and stops that wait in the mail were meant for the incarnation that is over; messages
/// stay for the next one.
unsafe fn fail_requests_of_incarnation(cell: NonNull<Header>, reason: &ExitReason) {
    // SAFETY: owner: the mail taken is ours (S4).
    let header = unsafe { cell.as_ref() };
    // SAFETY: S2, as above.
    let newer = unsafe { reverse(header.word.take()) };
    let mut link: *mut *mut super::node::Node = header.local.as_ptr();
    // SAFETY: `local` and the nodes are the owner's; `link` always points at the pointer to the
    // node under inspection.
    unsafe {
        while !(*link).is_null() {
            link = &raw mut (**link).next;
        }
        *link = newer;
        link = header.local.as_ptr();
        while let Some(node) = NonNull::new(*link) {
            if node.as_ref().operations.of_incarnation {
                *link = node.as_ref().next;
                (node.as_ref().operations.drop)(node, reason);
            } else {
                link = &raw mut (*node.as_ptr()).next;
            }
        }
    }
}

/// Fails the mail of a vacant cell with the reason for which its last incarnation ended: it was
/// meant for a state that its supervisor does not bring back.
///
/// # Safety
/// Owner only, phase Vacant.
pub(crate) unsafe fn fail_waiting(cell: NonNull<Header>) {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let reason = header.side().and_then(|side| side.exit.as_deref());
    let reason = reason.cloned().unwrap_or(ExitReason::Normal);
    // SAFETY: owner: the mail taken is ours (S4).
    let newer = unsafe { reverse(header.word.take()) };
    if header.word.is_gated() {
        header.table().core().room.fail(cell, &reason);
        header.word.open(0);
    }
    for list in [header.local.replace(null_mut()), newer] {
        // SAFETY: S4.
        unsafe { fail_mail(list, &reason) };
    }
}

/// Closes a cell whose incarnation is over: for good.
///
/// # Safety
/// Owner only; the caller must not touch the cell afterwards.
pub(crate) unsafe fn finish(cell: NonNull<Header>, worker: Option<&Worker>) {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let core = header.table().core();
    // Keeps the cell alive while it is taken apart, unless nobody else can free it anyway.
    let last = header.word.no_references();
    // SAFETY: S2, we own the cell.
    let guard = (!last).then(|| unsafe { Counted::of_owner(cell) });
    let reason = header
        .side()
        .and_then(|side| side.exit.take())
        .map_or(ExitReason::Normal, |reason| *reason);
    let (newest, gated) = header.word.close();
    // SAFETY: closing makes us owner of all mail (S4).
    let newer = unsafe { reverse(newest) };
    // Pairs with the registry and the table of pids, which mark the cell and then look whether the
    // word is closed.
    fence(SeqCst);
    let signals = header.signals.load(Acquire);
    if signals & NAMED != 0 {
        // Before anybody is told: a successor may want the name.
        core.names.forget(cell);
    }
    let pid = core.pids.retire(cell).unwrap_or(Pid::NONE);
    // SAFETY: S2, we own the cell.
    unsafe { tell_relations(cell, pid, &reason) };
    if gated {
        core.room.fail(cell, &reason);
    }
    for list in [header.local.replace(null_mut()), newer] {
        // SAFETY: S4.
        unsafe { fail_mail(list, &reason) };
    }
    if let Some(supervision) = OfCell::of(header) {
        crate::panic::contain(|| supervision.close());
    }
    header.table().count(worker, Count::Ended, 1);
    if signals & ABANDONED != 0 {
        release_abandoned(cell);
    }
    match guard {
        Some(guard) => drop(guard),
        // SAFETY: closed, and no reference is left or can come back.
        None => unsafe { super::free(cell) },
    }
}

/// Declares an actor dead whose handler does not return: from now on nothing can be sent to it, its
/// names are free, and the mail that waited fails. The handler is told to end by `KILL`; when it
/// returns, its owner finishes the cell. Messages that it had taken in a batch fail only then.
pub(crate) fn declare_dead(cell: &Counted) {
    let header = cell.header();
    // The owner goes on using a cell whose word says that nobody does: this reference keeps it.
    std::mem::forget(cell.clone());
    cell.signal(KILL | CLOSE | ABANDONED);
    // Pairs with `finish`, which closes the word, fences and then looks for the flag: either it
    // sees the flag, or we see that the word was closed.
    fence(SeqCst);
    let Some((newest, gated)) = header.word.declare_dead() else {
        release_abandoned(cell.cell());
        return;
    };
    if header.signals.load(Acquire) & NAMED != 0 {
        header.table().core().names.forget(cell.cell());
    }
    // SAFETY: S4, the nodes just taken are ours.
    unsafe { fail_mail(reverse(newest), &ExitReason::Killed) };
    if gated {
        let room = &header.table().core().room;
        room.fail(cell.cell(), &ExitReason::Killed);
    }
}

/// Gives up the reference that [`declare_dead`] leaked, unless that has been done. The caller holds
/// another one.
fn release_abandoned(cell: NonNull<Header>) {
    // SAFETY: S1, the caller's reference.
    let signals = unsafe { cell.as_ref() }
        .signals
        .fetch_and(!ABANDONED, AcqRel);
    if signals & ABANDONED != 0 {
        // SAFETY: the flag stands for a counted reference, and who clears it takes that over.
        drop(unsafe { Counted::adopt(cell) });
    }
}

/// Drops a list of messages; whoever waits for an answer is told the reason.
unsafe fn fail_mail(mut list: *mut super::node::Node, reason: &ExitReason) {
    let _ending = crate::panic::Ending::because(reason);
    while let Some(node) = NonNull::new(list) {
        // SAFETY: S4: ours; consumed by `drop`.
        unsafe {
            list = node.as_ref().next;
            let operations = node.as_ref().operations;
            crate::panic::contain(|| (operations.drop)(node, reason));
        }
    }
}

/// Asks a vacant cell's owner for a new incarnation. Requests to end that came while there was
/// nothing to end are forgotten.
pub(crate) fn request_restart(cell: &Counted) {
    cell.header()
        .signals
        .fetch_and(!super::SHUTDOWN & !super::KILL & !VACANT, AcqRel);
    cell.signal(RESTART);
}
