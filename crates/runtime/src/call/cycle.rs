//! Call cycles: actors that wait for each other.
//!
//! Only calls that have been waiting for a while get here, so the calls that are answered at once
//! pay nothing.
//!
//! # Protocol
//! 1. A call that has been waiting for some milliseconds asks that the handler which polls it be
//!    *examined*: polled once more, with wakers that count their clones. A future that is pending
//!    must clone a waker it has not seen, so afterwards it is known whether the handler waits for
//!    anything but calls.
//! 2. If it waits for calls alone, the actor enters its callees into the table, and looks whether
//!    everybody it waits for, directly and through others, is in the table too and has not been
//!    woken. Then nobody among them can ever run again but by a time limit or a kill. All of that
//!    happens under the lock of the table.
//! 3. An actor leaves the table before it is polled again, and before its wake is forgotten. So an
//!    actor that is in the table and is not woken has not run since it entered.
//! 4. The last one to enter finds the cycle, if it is part of it. The call that fails is the one
//!    that closed the cycle: its callee has not begun with it, and has no need to. Its caller is
//!    woken, so nobody else finds the same cycle.

use super::CallHead;
use crate::Pid;
use crate::cell::future::{self, Block, Ran};
use crate::cell::relations::Relations;
use crate::cell::{Counted, EXAMINING, Header, WAKER, out_of_turn};
use crate::worker::{self, Worker};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Actors that one look at the table visits; a larger cycle ends by its time limits.
const VISITS_MAX: usize = 1024;

/// Who waits for whom in a call cycle: each for the next, the last for the first.
///
/// It reads `call cycle: app::Till<0.3.1> → app::Bank "bank"<0.4.1> → app::Till<0.3.1>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCycle(Arc<[Member]>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    pid: Pid,
    type_name: &'static str,
    name: Option<Arc<str>>,
}

impl CallCycle {
    /// The incarnations, beginning with the one whose call failed.
    pub fn pids(&self) -> impl ExactSizeIterator<Item = Pid> + '_ {
        self.0.iter().map(|member| member.pid)
    }
}

impl fmt::Display for CallCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("call cycle: ")?;
        for member in self.0.iter().chain(self.0.first()) {
            f.write_str(member.type_name)?;
            if let Some(name) = &member.name {
                write!(f, " {name:?}")?;
            }
            write!(f, "{}", member.pid)?;
            if !std::ptr::eq(member, &raw const self.0[0]) {
                f.write_str(" → ")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for CallCycle {}

/// What a suspended cell keeps of all this. Owner only (S2).
#[derive(Default)]
pub(crate) struct Waits {
    entered: bool,
    examine: bool,
    /// For the next poll, and for that one only.
    verdict: Option<Verdict>,
    shown: bool,
}

struct Verdict {
    call: NonNull<CallHead>,
    cycle: CallCycle,
}

type Entries = HashMap<NonNull<Header>, Entry>;

/// An actor that does nothing but wait for calls.
struct Entry {
    calls: Vec<(Counted, NonNull<CallHead>)>,
    /// The call it is handling meanwhile. Only compared.
    handles: Option<NonNull<CallHead>>,
    verdict: Option<Verdict>,
}

impl Entry {
    /// Whether somebody else than the callees may answer.
    fn is_open(&self) -> bool {
        self.calls.iter().any(|(_, call)| {
            // SAFETY: a call leaves the table before its node goes. A part of it is borrowed, for
            // the worker writes its link.
            let slot = unsafe { &(*call.as_ptr()).slot };
            slot.is_deferred()
        })
    }

    fn targets(&self) -> impl Iterator<Item = NonNull<Header>> + '_ {
        self.calls.iter().map(|(target, _)| target.cell())
    }

    fn call_to(&self, target: NonNull<Header>) -> Option<NonNull<CallHead>> {
        let mut calls = self.calls.iter();
        let found = calls.find(|(to, _)| to.cell() == target);
        found.map(|&(_, call)| call)
    }
}

/// The table.
#[derive(Default)]
pub(crate) struct Waiting {
    entries: Mutex<Entries>,
    cycles: AtomicU64,
}

// SAFETY: a cell in the table is suspended and leaves it before it can be freed; what is read of it
// is its word and its type.
unsafe impl Send for Waiting {}
// SAFETY: as above; the table is behind a lock.
unsafe impl Sync for Waiting {}

/// What an examination finds, on the worker that makes it.
#[derive(Default)]
pub(crate) struct Exam {
    runs: Cell<bool>,
    /// Clones of the waker that are not those of calls.
    wakers: Cell<u32>,
    calls: RefCell<Vec<(Counted, NonNull<CallHead>)>>,
}

impl Exam {
    pub(crate) fn wakers(&self) -> u32 {
        self.wakers.get()
    }

    pub(crate) fn forget_wakers(&self, before: u32) {
        self.wakers.set(before);
    }

    /// A waker of an examined handler has been cloned on this thread.
    pub(crate) fn cloned(&self) {
        self.wakers.set(self.wakers.get() + 1);
    }
}

/// Whether a waker is one of an examination.
#[inline]
pub(crate) fn is_examined(waker: &Waker) -> bool {
    std::ptr::eq(waker.vtable(), &raw const EXAMINING)
}

/// A call that has been waiting for a while has just been polled. True when the cell may enter the
/// table because of it: then the call must be [forgotten](Waiting::forget) before it goes.
///
/// # Safety
/// The cell is being polled on this thread, by this worker.
pub(crate) unsafe fn waits(
    worker: &Worker,
    cell: NonNull<Header>,
    waker: &Waker,
    target: &Counted,
    call: NonNull<CallHead>,
) -> bool {
    let ours = waker.data() == cell.as_ptr().cast_const().cast();
    if worker.exam.runs.get() {
        if ours && is_examined(waker) {
            let mut calls = worker.exam.calls.borrow_mut();
            calls.push((target.clone(), call));
            return true;
        }
    } else if ours && std::ptr::eq(waker.vtable(), &WAKER) {
        // SAFETY: S2, we are inside a poll of the cell.
        let relations = unsafe { cell.as_ref().side_or_new().relations() };
        let waits = relations.waits.get_or_insert_default();
        if !waits.examine {
            waits.examine = true;
            waker.wake_by_ref();
        }
    }
    false
}

/// The call that must fail, if this is the one.
///
/// # Safety
/// The cell is being polled on this thread.
pub(crate) unsafe fn verdict(cell: NonNull<Header>, call: NonNull<CallHead>) -> Option<CallCycle> {
    // SAFETY: S2, we are inside a poll of the cell.
    let relations = unsafe { cell.as_ref().side()?.relations.as_mut()? };
    let waits = relations.waits.as_mut()?;
    let verdict = waits.verdict.take_if(|verdict| verdict.call == call)?;
    Some(verdict.cycle)
}

/// A suspended handler is about to be polled again, or dropped: rule 3. True when it is to be
/// examined.
///
/// # Safety
/// Owner only.
#[inline]
pub(crate) unsafe fn resumed(cell: NonNull<Header>) -> bool {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let relations = header.side().and_then(|side| side.relations.as_mut());
    match relations {
        Some(relations) if relations.waits.is_some() => leave(header, relations),
        _ => false,
    }
}

#[cold]
fn leave(header: &Header, relations: &mut Relations) -> bool {
    let Some(waits) = &mut relations.waits else {
        return false;
    };
    if std::mem::take(&mut waits.entered) {
        waits.verdict = header.table().core().waiting.leave(NonNull::from(header));
    }
    let examine = std::mem::take(&mut waits.examine);
    if waits.verdict.is_none() || std::mem::replace(&mut waits.shown, true) {
        relations.waits = None;
    }
    examine
}

/// Polls a suspended handler, finds out what it waits for, and whether that is a cycle.
///
/// # Safety
/// Owner only; the block is attached to this cell.
#[cold]
pub(crate) unsafe fn examine(cell: NonNull<Header>, worker: &Worker, block: NonNull<Block>) -> Ran {
    let exam = &worker.exam;
    // A panic in an earlier examination has left its notes behind.
    exam.calls.borrow_mut().clear();
    exam.wakers.set(0);
    exam.runs.set(true);
    struct Over<'a>(&'a Exam);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.runs.set(false);
        }
    }
    let over = Over(exam);
    // SAFETY: what this needs is what the caller has promised.
    let ran = unsafe { worker.poll_with(cell, block, &EXAMINING) };
    drop(over);
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let calls = std::mem::take(&mut *exam.calls.borrow_mut());
    let waits_for_more = exam.wakers() > 0 || out_of_turn::is_receiving(header);
    if ran == Ran::Ready || calls.is_empty() || waits_for_more {
        return ran;
    }
    let entry = Entry {
        calls,
        // SAFETY: the block is attached: its handler is suspended.
        handles: unsafe { future::subject(block) }.call,
        verdict: None,
    };
    let relations = header.side_or_new().relations();
    relations.waits.get_or_insert_default().entered = true;
    worker.core().waiting.enter(cell, entry);
    ran
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cycles(&self) -> u64 {
        self.cycles.load(Relaxed)
    }

    fn leave(&self, cell: NonNull<Header>) -> Option<Verdict> {
        // Dropped outside the lock: a target may be the last reference to an actor.
        let entry = self.lock().remove(&cell);
        entry.and_then(|entry| entry.verdict)
    }

    /// A call is over: an actor that waits for it is not what the table says any more.
    pub(crate) fn forget(&self, cell: NonNull<Header>, call: NonNull<CallHead>) {
        let mut entries = self.lock();
        let knows = |entry: &Entry| entry.calls.iter().any(|&(_, known)| known == call);
        let entry = if entries.get(&cell).is_some_and(knows) {
            entries.remove(&cell)
        } else {
            None
        };
        drop(entries);
        drop(entry);
    }

    /// Rules 2 and 4.
    fn enter(&self, cell: NonNull<Header>, entry: Entry) {
        let mut entries = self.lock();
        let before = entries.insert(cell, entry);
        debug_assert!(before.is_none(), "rule 3");
        let Some(mut path) = Stuck::find(&entries, cell).and_then(|stuck| stuck.path_back()) else {
            return;
        };
        let Some((closing, call)) = closing_call(&entries, &path) else {
            return;
        };
        path.rotate_left(closing);
        let members = path.iter().map(|&cell| describe(cell)).collect();
        let Some(victim) = entries.get_mut(&path[0]) else {
            return;
        };
        victim.verdict = Some(Verdict {
            call,
            cycle: CallCycle(members),
        });
        self.cycles.fetch_add(1, Relaxed);
        // SAFETY: a cell in the table lives.
        if unsafe { path[0].as_ref() }.word.poke() {
            worker::schedule(path[0]);
        }
    }
}

/// The place in a cycle of the actor whose callee has not begun with its call, and that call. There
/// is one: a handler that makes a call has begun before the call is handled.
fn closing_call(entries: &Entries, path: &[NonNull<Header>]) -> Option<(usize, NonNull<CallHead>)> {
    (0..path.len()).find_map(|index| {
        let next = path[(index + 1) % path.len()];
        let call = entries.get(&path[index])?.call_to(next)?;
        let begun = entries.get(&next)?.handles == Some(call);
        (!begun).then_some((index, call))
    })
}

/// Everybody an actor waits for, all of them stuck; who waits for them comes with each.
struct Stuck {
    root: NonNull<Header>,
    reached: Vec<NonNull<Header>>,
    waited_for_by: HashMap<NonNull<Header>, NonNull<Header>>,
}

impl Stuck {
    fn find(entries: &Entries, root: NonNull<Header>) -> Option<Self> {
        let mut stuck = Self {
            root,
            reached: vec![root],
            waited_for_by: HashMap::new(),
        };
        let mut next = 0;
        while let Some(&cell) = stuck.reached.get(next) {
            next += 1;
            let entry = entries.get(&cell)?;
            if entry.is_open() {
                return None;
            }
            for target in entry.targets() {
                if let std::collections::hash_map::Entry::Vacant(entry) =
                    stuck.waited_for_by.entry(target)
                {
                    entry.insert(cell);
                    if target != root {
                        stuck.reached.push(target);
                    }
                }
            }
            if stuck.reached.len() > VISITS_MAX {
                return None;
            }
        }
        // SAFETY: cells in the table live, and all that were reached are in it.
        let is_woken = |cell: &NonNull<Header>| unsafe { cell.as_ref() }.word.is_woken();
        (!stuck.reached.iter().any(is_woken)).then_some(stuck)
    }

    /// The way from the root back to itself, if it is part of a cycle.
    fn path_back(&self) -> Option<Vec<NonNull<Header>>> {
        let mut path = vec![*self.waited_for_by.get(&self.root)?];
        while let Some(&last) = path.last()
            && last != self.root
        {
            path.push(*self.waited_for_by.get(&last)?);
        }
        path.reverse();
        Some(path)
    }
}

fn describe(cell: NonNull<Header>) -> Member {
    // SAFETY: cells in the table live.
    let header = unsafe { cell.as_ref() };
    let core = header.table().core();
    Member {
        pid: core.pids.ensure(cell),
        type_name: header.table().name,
        name: core.names.of(cell).into_iter().next(),
    }
}
