//! A worker: one thread that runs cells.
//!
//! # Order of work
//! A message sent from a handler makes its receiver the next cell to run (the LIFO slot: its data
//! is still in the cache), at most three times in a row; what was in the slot before goes to the
//! tail of the worker's own [ring](ring). Every 61st turn, and when its own work is done, the
//! worker looks at the [injector](injector), where other threads bring work; then it steals half of
//! another worker's ring; then it parks. Where it was woken soon after the last few times, it
//! [spins](spin) for a moment first.
//!
//! A turn that lasts longer than a millisecond is ended by the [watchdog](crate::watchdog) after
//! the message that is being handled, and the worker looks at the injector before anything else:
//! messages of a few milliseconds each delay others by one of them, not by a turn of 64 of them
//! (`vaxel bench actors --case unseen`).
//!
//! # Hand-over
//! A worker that the watchdog has declared stuck keeps its seat until its handler returns.
//! Meanwhile others take from its ring and its LIFO slot, and what the stuck handler schedules goes
//! to the injector. When the handler returns, the worker hands over what is left and its thread
//! ends.
//!
//! The worker may not be stuck any more when it is replaced; how its [slot](slot) is handed over
//! then is a protocol of its own.

pub(crate) mod handled;
pub(crate) mod idle;
pub(crate) mod injector;
pub(crate) mod ring;
#[cfg(all(test, shuttle))]
mod schedules;
pub(crate) mod slot;
mod spin;

use crate::call::CallHead;
use crate::call::cycle::Exam;
use crate::call::pending::{Entry, Pending};
use crate::cell::future::{Block, BlockOperations, Blocks, Ran, Subject};
use crate::cell::node::Operations;
use crate::cell::turn::{self, Turn};
use crate::cell::{Header, future};
use crate::choice::Choice;
use crate::sync::thread::{self, Thread};
use crate::sync::{AtomicBool, AtomicPtr, AtomicU64, Mutex, fault, spin_loop, thread_local};
use crate::system::core::Core;
use crate::types::{Count, TypeTable};
use handled::Handled;
use ring::{Ring, STEAL_MAX};
use slot::Slot;
use spin::{PAUSES, SPIN_MAX, Spin};
use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::ptr::{NonNull, null, null_mut};
use std::sync::PoisonError;
use std::sync::atomic::{
    AtomicI32,
    Ordering::{Relaxed, Release},
};
use std::task::RawWakerVTable;

/// Seats of a system: workers and spares together. One bit each in the word of who is parked.
pub(crate) const SEATS_MAX: usize = 64;

/// Turns between two looks at the injector while the worker has work of its own.
const INJECTOR_EVERY: u64 = 61;
/// Turns between two flushes of what handlers have left for other threads.
const FLUSH_EVERY: u64 = 64;
/// Cells run in a row from the LIFO slot before the ring gets its turn.
const LIFO_STREAK_MAX: u32 = 3;

/// What others see of a worker.
#[repr(align(128))]
pub(crate) struct Seat {
    ring: Ring<Header>,
    pub(crate) slot: Slot<Header>,
    /// Odd while a message is being handled.
    pub(crate) ticks: AtomicU64,
    /// Turns begun: one that lasts is seen by the watchdog.
    pub(crate) turns: AtomicU64,
    /// The turn has lasted for a millisecond: it ends after the message being handled.
    pub(crate) hurry: AtomicBool,
    pub(crate) taken: AtomicBool,
    /// What is being handled, for the watchdog's report.
    pub(crate) table: AtomicPtr<TypeTable>,
    operations: AtomicPtr<Operations>,
    pub(crate) handled: Handled,
    pub(crate) thread_id: AtomicI32,
    pub(crate) clock_id: AtomicI32,
    thread: Mutex<Option<Thread>>,
    /// Calls that wait since a moment ago.
    pub(crate) calls: Pending,
}

impl Seat {
    pub(crate) fn new() -> Self {
        Self {
            ring: Ring::new(),
            slot: Slot::new(),
            ticks: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            hurry: AtomicBool::new(false),
            taken: AtomicBool::new(false),
            table: AtomicPtr::new(null_mut()),
            operations: AtomicPtr::new(null_mut()),
            handled: Handled::new(),
            thread_id: AtomicI32::new(0),
            clock_id: AtomicI32::new(0),
            thread: Mutex::new(None),
            calls: Pending::new(),
        }
    }

    pub(crate) fn unpark(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = &*thread {
            thread.unpark();
        }
    }

    fn has_work(&self) -> bool {
        !self.ring.is_empty() || self.slot.has_left()
    }
}

/// Types a worker remembers, so that spawning does not look into the system's table each time.
const TYPES_CACHED: usize = 16;

type KnownType = (TypeId, NonNull<TypeTable>);

pub(crate) struct Worker {
    pub(crate) core: NonNull<Core>,
    pub(crate) seat: usize,
    pub(crate) blocks: Blocks,
    /// The future being polled, so that a panic knows what to drop.
    inflight: Cell<*mut Block>,
    turns: Cell<u64>,
    lifo_streak: Cell<u32>,
    /// Inits that run inside other handlers, see `System::spawn`.
    pub(crate) depth: Cell<u32>,
    tick: Cell<u64>,
    table: Cell<*const TypeTable>,
    stolen: RefCell<Vec<*mut Header>>,
    types: [Cell<Option<KnownType>>; TYPES_CACHED],
    choice: Choice,
    /// Where the last call was noted.
    call_cursor: Cell<usize>,
    /// What the handler that is being examined waits for.
    pub(crate) exam: Exam,
    spin: Spin,
}

thread_local! {
    static CURRENT: Cell<*const Worker> = const { Cell::new(null()) };
}

/// The worker that runs on this thread, if it belongs to this system.
#[inline]
pub(crate) fn with_current<R>(core: NonNull<Core>, use_it: impl FnOnce(Option<&Worker>) -> R) -> R {
    let current = CURRENT.with(Cell::get);
    // SAFETY: set by `Worker::run` for as long as the worker lives on this thread's stack.
    let worker = unsafe { current.as_ref() }.filter(|worker| worker.core == core);
    use_it(worker)
}

/// The system whose worker this thread is.
pub(crate) fn current_core() -> Option<NonNull<Core>> {
    // SAFETY: as in `with_current`.
    unsafe { CURRENT.with(Cell::get).as_ref() }.map(|worker| worker.core)
}

/// The examination that this thread's worker makes, if it is a worker.
pub(crate) fn with_exam(use_it: impl FnOnce(&Exam)) {
    // SAFETY: as in `with_current`.
    if let Some(worker) = unsafe { CURRENT.with(Cell::get).as_ref() } {
        use_it(&worker.exam);
    }
}

/// The seat of the worker that this thread is, of whatever system.
pub(crate) fn seat_of_thread() -> Option<usize> {
    // SAFETY: as in `with_current`.
    unsafe { CURRENT.with(Cell::get).as_ref() }.map(|worker| worker.seat)
}

/// Enqueues a cell whose `SCHED` the caller has just set.
#[inline]
pub(crate) fn schedule(cell: NonNull<Header>) {
    // SAFETY: SCHED is ours, so the cell lives (S1), and the core outlives it.
    let core = unsafe { cell.as_ref() }.table().core;
    with_current(core, |worker| match worker {
        Some(worker) => worker.schedule(cell),
        // SAFETY: S2, as above.
        None => unsafe { core.as_ref() }.inject(cell),
    });
}

impl Worker {
    fn new(core: NonNull<Core>, seat: usize, choice: Choice) -> Self {
        Self {
            core,
            seat,
            blocks: Blocks::new(),
            inflight: Cell::new(null_mut()),
            turns: Cell::new(0),
            lifo_streak: Cell::new(0),
            depth: Cell::new(0),
            tick: Cell::new(0),
            table: Cell::new(null()),
            stolen: RefCell::new(Vec::with_capacity(STEAL_MAX)),
            types: [const { Cell::new(None) }; TYPES_CACHED],
            choice,
            call_cursor: Cell::new(0),
            exam: Exam::default(),
            spin: Spin::new(),
        }
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core {
        // SAFETY: the core outlives its workers: they are joined before it is freed.
        unsafe { self.core.as_ref() }
    }

    #[inline]
    fn my_seat(&self) -> &Seat {
        &self.core().seats[self.seat]
    }

    #[inline]
    fn schedule(&self, cell: NonNull<Header>) {
        match self.my_seat().slot.put(cell) {
            Ok(before) => {
                if let Some(before) = NonNull::new(before) {
                    self.push(before);
                    self.core().notify();
                }
            }
            Err(for_all) => self.give_away(for_all),
        }
    }

    #[cold]
    fn give_away(&self, cells: [Option<NonNull<Header>>; 2]) {
        let cells = cells.into_iter().flatten();
        cells.for_each(|cell| self.core().inject(cell));
    }

    /// To the tail of our own ring; half of a full ring goes to the injector.
    fn push(&self, cell: NonNull<Header>) {
        let seat = self.my_seat();
        let mut cell = cell.as_ptr();
        while let Err(back) = seat.ring.push(cell) {
            cell = back;
            let mut stolen = self.stolen.borrow_mut();
            let count = seat.ring.steal(&mut stolen);
            self.core().injector.push_many(&stolen[..count]);
        }
    }

    fn requeue(&self, cell: NonNull<Header>) {
        self.push(cell);
        self.core().notify();
    }

    /// Polls a future; a panic finds it through `take_inflight`.
    ///
    /// # Safety
    /// As for [`future::poll`].
    #[inline]
    pub(crate) unsafe fn poll(&self, cell: NonNull<Header>, block: NonNull<Block>) -> Ran {
        // SAFETY: what this needs is what the caller has promised.
        unsafe { self.poll_with(cell, block, &crate::cell::WAKER) }
    }

    /// As [`poll`](Self::poll), with wakers of another table.
    ///
    /// # Safety
    /// As for [`future::poll`].
    #[inline]
    pub(crate) unsafe fn poll_with(
        &self,
        cell: NonNull<Header>,
        block: NonNull<Block>,
        waker: &'static RawWakerVTable,
    ) -> Ran {
        let before = self.inflight.replace(block.as_ptr());
        // SAFETY: what this needs is what the caller has promised.
        let ran = unsafe { future::poll(cell, block, waker) };
        self.inflight.set(before);
        ran
    }

    /// Whose handler is being polled on this thread.
    #[inline]
    pub(crate) fn subject(&self) -> Option<Subject> {
        let block = NonNull::new(self.inflight.get())?;
        // SAFETY: what is in flight is being polled.
        Some(unsafe { future::subject(block) })
    }

    /// Takes a note of a call that begins to wait. `None`: it must look at the time itself.
    #[inline]
    pub(crate) fn note_call(&self, call: NonNull<CallHead>) -> Option<NonNull<Entry<CallHead>>> {
        if !self.core().sweeps_calls {
            return None;
        }
        let entry = self.my_seat().calls.note(&self.call_cursor, call);
        entry.map(NonNull::from)
    }

    pub(crate) fn take_inflight(&self) -> Option<NonNull<Block>> {
        NonNull::new(self.inflight.replace(null_mut()))
    }

    /// What was being polled before an `init` that runs inside a handler; to be put back.
    pub(crate) fn inflight(&self) -> *mut Block {
        self.inflight.get()
    }

    pub(crate) fn set_inflight(&self, block: *mut Block) {
        self.inflight.set(block);
    }

    #[inline]
    pub(crate) fn begin_message(&self, header: &Header, operations: &'static Operations) {
        let seat = self.my_seat();
        seat.operations
            .store(std::ptr::from_ref(operations).cast_mut(), Relaxed);
        self.begin(header, seat);
    }

    /// The turn is this actor's from now on.
    #[inline]
    pub(crate) fn begin_turn(&self, header: &Header) {
        self.my_seat().handled.begin_turn(header);
    }

    /// A handler is polled again.
    pub(crate) fn begin_resume(&self, header: &Header, block: &'static BlockOperations) {
        self.begin_other(header, Some(block));
    }

    pub(crate) fn begin_start(&self, header: &Header) {
        self.begin_other(header, None);
    }

    fn begin_other(&self, header: &Header, block: Option<&'static BlockOperations>) {
        let seat = self.my_seat();
        seat.handled.resume(block);
        seat.operations.store(null_mut(), Relaxed);
        self.begin(header, seat);
    }

    #[inline]
    fn begin(&self, header: &Header, seat: &Seat) {
        let table: *const TypeTable = header.table();
        if self.table.replace(table) != table {
            seat.table.store(table.cast_mut(), Relaxed);
        }
        let tick = self.tick.get() | 1;
        self.tick.set(tick);
        seat.ticks.store(tick, Release);
    }

    #[inline]
    pub(crate) fn end_message(&self) {
        let tick = (self.tick.get() | 1) + 1;
        self.tick.set(tick);
        self.my_seat().ticks.store(tick, Release);
    }

    #[inline]
    pub(crate) fn count_messages(&self, count: u32) {
        // SAFETY: the table of the cell whose turn this was; tables outlive workers.
        let table = unsafe { self.table.get().as_ref() };
        if count > 0
            && let Some(table) = table
        {
            table.count(Some(self), Count::Messages, u64::from(count));
        }
    }

    /// The table of a type, from this worker's memory or the system's.
    #[inline]
    pub(crate) fn table<A: crate::Actor>(&self) -> NonNull<TypeTable> {
        let wanted = TypeId::of::<A>();
        let slot = &self.types[(crate::system::core::type_hash(wanted) as usize) % TYPES_CACHED];
        if let Some((id, table)) = slot.get()
            && id == wanted
        {
            return table;
        }
        let table = self.core().table::<A>();
        slot.set(Some((wanted, table)));
        table
    }

    /// Whether the turn has lasted so long that others should have theirs.
    #[inline]
    pub(crate) fn is_hurried(&self) -> bool {
        self.my_seat().hurry.load(Relaxed)
    }

    fn next(&self) -> Option<NonNull<Header>> {
        let (turn, seat) = (self.turns.get(), self.my_seat());
        let hurried = self.is_hurried();
        if hurried {
            seat.hurry.store(false, Relaxed);
            self.lifo_streak.set(LIFO_STREAK_MAX);
        }
        if (hurried || turn.is_multiple_of(INJECTOR_EVERY))
            && let Some(cell) = self.core().injector.pop()
        {
            return Some(cell);
        }
        if self.lifo_streak.get() < LIFO_STREAK_MAX
            && let Some(cell) = seat.slot.take()
        {
            self.lifo_streak.set(self.lifo_streak.get() + 1);
            return Some(cell);
        }
        self.lifo_streak.set(0);
        if let Some(cell) = seat.ring.pop() {
            return NonNull::new(cell);
        }
        seat.slot.take().or_else(|| self.find())
    }

    /// Work from elsewhere: the injector, then other workers.
    fn find(&self) -> Option<NonNull<Header>> {
        let core = self.core();
        let mut stolen = self.stolen.borrow_mut();
        stolen.clear();
        let share = core.workers.max(1);
        let count = core.injector.pop_many(share, STEAL_MAX, &mut stolen);
        if count > 0 {
            return self.adopt(&stolen[..count]);
        }
        let first = self.choice.below(core.seats_used());
        for offset in 0..core.seats_used() {
            let seat = &core.seats[(first + offset) % core.seats_used()];
            let count = seat.ring.steal(&mut stolen);
            if count > 0 {
                return self.adopt(&stolen[..count]);
            }
            if let Some(cell) = seat.slot.take_left() {
                return Some(cell);
            }
        }
        None
    }

    /// Runs the first of what was found and keeps the rest; there is room, our ring is empty.
    fn adopt(&self, cells: &[*mut Header]) -> Option<NonNull<Header>> {
        let seat = self.my_seat();
        for &cell in &cells[1..] {
            if let Err(back) = seat.ring.push(cell) {
                self.core().injector.push_many(&[back]);
            }
        }
        // On the way from one queue to the other nobody has seen them, and a worker may have gone
        // to sleep.
        if cells.len() > 1 && !fault::planted("nobody hears of what is adopted") {
            self.core().notify();
        }
        NonNull::new(cells[0])
    }

    fn has_work(&self) -> bool {
        let core = self.core();
        let used = &core.seats[..core.seats_used()];
        !core.injector.is_empty() || used.iter().any(Seat::has_work)
    }

    /// Looks for work, again and again for a moment.
    fn look_on(&self) -> Option<NonNull<Header>> {
        let core = self.core();
        let until = core.clock.now() + SPIN_MAX;
        while core.clock.now() < until && !core.is_closed() {
            (0..PAUSES).for_each(|_| spin_loop());
            if self.has_work()
                && let Some(cell) = self.find()
            {
                self.spin.has_found();
                return Some(cell);
            }
        }
        self.spin.was_in_vain();
        None
    }

    /// Looks for work as a searcher, then parks. `None`: look again.
    fn search(&self) -> Option<NonNull<Header>> {
        let core = self.core();
        core.flush();
        let alone = core.idle.start_search();
        let spins = alone && core.spins && self.spin.is_worth_it();
        let found = self
            .find()
            .or_else(|| if spins { self.look_on() } else { None });
        let last = core.idle.end_search();
        if found.is_some() {
            if last {
                core.notify();
            }
            return found;
        }
        core.idle.prepare_park(self.seat);
        if self.has_work() || core.is_closed() {
            core.idle.cancel_park(self.seat);
            return None;
        }
        let parked_at = core.clock.now();
        while core.idle.is_parked(self.seat) && !core.is_closed() {
            thread::park();
        }
        self.spin.has_parked(parked_at, core.clock.now());
        core.watchdog.worker_awake(&core.clock);
        None
    }

    fn run_cells(&self) {
        let core = self.core();
        while !core.is_closed() {
            self.turns.set(self.turns.get() + 1);
            self.my_seat().turns.store(self.turns.get(), Relaxed);
            if self.turns.get().is_multiple_of(FLUSH_EVERY) {
                core.flush();
            }
            let Some(cell) = self.next().or_else(|| self.search()) else {
                continue;
            };
            // SAFETY: a cell taken from a queue is owned by who took it (invariant 1 of the word).
            if unsafe { turn::run(cell, self, turn::BUDGET) } == Turn::Requeue {
                self.requeue(cell);
            }
            if self.my_seat().slot.is_replaced() {
                return;
            }
        }
    }

    /// Gives away what is left in ring and slot.
    fn hand_over(&self) {
        let (core, seat) = (self.core(), self.my_seat());
        if fault::planted("nothing is handed over") {
            return;
        }
        while let Some(cell) = seat
            .slot
            .take()
            .or_else(|| seat.ring.pop().and_then(NonNull::new))
        {
            core.injector.push_many(&[cell.as_ptr()]);
        }
        core.flush();
        core.notify();
    }

    /// A worker without a thread, for a driver: it has the seat and runs nothing by itself.
    pub(crate) fn without_thread(core: NonNull<Core>, seat: usize) -> Self {
        // SAFETY: the driver holds a handle of this core.
        let choice = unsafe { core.as_ref() }.choice_for(seat);
        Self::new(core, seat, choice)
    }

    /// Makes this the worker of the current thread while `code` runs.
    pub(crate) fn enter<R>(&self, code: impl FnOnce() -> R) -> R {
        struct Back(*const Worker);
        impl Drop for Back {
            fn drop(&mut self) {
                CURRENT.with(|current| current.set(self.0));
            }
        }
        let _back = Back(CURRENT.with(|current| current.replace(std::ptr::from_ref(self))));
        code()
    }

    /// Moves what is queued on this seat, oldest first, into `out`, and then what other threads
    /// have brought. True when some of that was not our own overflow.
    pub(crate) fn drain(&self, out: &mut Vec<NonNull<Header>>) -> bool {
        let (core, seat) = (self.core(), self.my_seat());
        // A ring that has run over keeps half of its entries.
        let may_be_ours = seat.ring.len() >= STEAL_MAX;
        let before = out.len();
        while let Some(cell) = core.injector.pop() {
            out.push(cell);
        }
        let from_outside = out.len() > before && !may_be_ours;
        while let Some(cell) = seat.ring.pop().and_then(NonNull::new) {
            out.push(cell);
        }
        out.extend(seat.slot.take());
        from_outside
    }

    /// How often a handler has been begun or resumed here, doubled.
    pub(crate) fn ticks(&self) -> u64 {
        self.tick.get()
    }

    /// The message begun last; `None` when that was a start or the rest of a handler.
    pub(crate) fn last_message(&self) -> Option<&'static Operations> {
        let operations = self.my_seat().operations.load(Relaxed).cast_const();
        // SAFETY: operations are statics.
        unsafe { operations.as_ref() }
    }

    /// The life of a worker thread.
    pub(crate) fn run(core: NonNull<Core>, seat: usize) {
        // SAFETY: threads are joined before the core is freed.
        let choice = unsafe { core.as_ref() }.choice_for(seat);
        let worker = Self::new(core, seat, choice);
        let mine = worker.my_seat();
        *mine.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
        crate::watchdog::announce_thread(mine);
        CURRENT.with(|current| current.set(&raw const worker));
        worker.run_cells();
        worker.hand_over();
        CURRENT.with(|current| current.set(null()));
        *mine.thread.lock().unwrap_or_else(PoisonError::into_inner) = None;
        mine.clock_id.store(0, Release);
        mine.slot.vacate();
        mine.taken.store(false, Release);
    }
}
