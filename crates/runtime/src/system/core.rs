//! The engine room of a system: queues, seats, tables, threads.

use crate::call::cycle::Waiting;
use crate::cell::Header;
use crate::cell::end::end_incarnation;
use crate::choice::Choice;
use crate::clock::{Clock, Time};
use crate::inspect::CurrentHandler;
use crate::mailbox::ring::Rings;
use crate::mailbox::room::Room;
use crate::names::Names;
use crate::pid::Pids;
use crate::random::Random;
use crate::timer::Timers;
use crate::types::{TypeStats, TypeTable};
use crate::watchdog::Watchdog;
use crate::worker::idle::Idle;
use crate::worker::injector::Injector;
use crate::worker::{SEATS_MAX, Seat, Worker};
use crate::{Actor, Counters, Event, ExitReason, Flusher, MonitorRef};
use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, SeqCst},
    fence,
};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

/// What each worker thread runs inside of; see `SystemBuilder::around_worker`.
pub(crate) type AroundWorker = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;
pub(crate) type OnEvent = Arc<dyn Fn(&Event) + Send + Sync>;

/// Cells that one batch gathers before it hands them over.
const BATCH: usize = 64;

pub(crate) struct Core {
    pub(crate) name: String,
    pub(crate) workers: usize,
    pub(crate) injector: Injector,
    pub(crate) idle: Idle,
    pub(crate) seats: Box<[Seat]>,
    seats_used: AtomicUsize,
    pub(crate) pids: Pids,
    pub(crate) list_all: bool,
    pub(crate) names: Names,
    pub(crate) clock: Clock,
    pub(crate) timers: Timers,
    pub(crate) waiting: Waiting,
    pub(crate) watchdog: Watchdog,
    /// Somebody looks after calls that wait for long. Not so on a manual clock, where a limit must
    /// begin at the moment at which the call does.
    pub(crate) sweeps_calls: bool,
    /// A worker may look on for a moment before it parks: others run meanwhile, and time passes.
    pub(crate) spins: bool,
    types: RwLock<HashMap<TypeId, NonNull<TypeTable>>>,
    flushers: RwLock<Vec<Arc<dyn Flusher>>>,
    on_event: Option<OnEvent>,
    around_worker: Option<AroundWorker>,
    seed: u64,
    closed: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Handles of users. The core is freed when none is left, the system is shut down, and no cell
    /// remains.
    pub(crate) handles: AtomicUsize,
    pub(crate) roots: Mutex<Vec<crate::AnyRef>>,
    /// Who waits for room in a mailbox.
    pub(crate) room: Room,
    pub(crate) rings: Rings,
    pub(crate) dead_letters: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) monitors: AtomicU64,
}

// SAFETY: everything inside is synchronised; the type tables are immutable but for their atomics.
unsafe impl Send for Core {}
// SAFETY: S2, as above.
unsafe impl Sync for Core {}

pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) workers: usize,
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) list_all: bool,
    pub(crate) watchdog: bool,
    pub(crate) on_event: Option<OnEvent>,
    pub(crate) around_worker: Option<AroundWorker>,
    /// No threads: somebody runs the cells one by one, and the same run gives the same pids.
    pub(crate) driven: bool,
}

crate::sync::thread_local! {
    /// What a batch on this thread has gathered, and for which system.
    static GATHERED: RefCell<Vec<*mut Header>> = const { RefCell::new(Vec::new()) };
    static BATCH_OF: Cell<Option<NonNull<Core>>> = const { Cell::new(None) };
    /// This thread is in `bury`.
    static BURIES: Cell<bool> = const { Cell::new(false) };
}

/// Folds a type's identity to 64 bits; it is a hash already.
pub(crate) fn type_hash(id: TypeId) -> u64 {
    struct Fold(u64);
    impl Hasher for Fold {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
            }
        }
        fn write_u64(&mut self, bits: u64) {
            self.0 ^= bits;
        }
    }
    let mut fold = Fold(0);
    id.hash(&mut fold);
    fold.0
}

/// Whether threads of this process can run at the same time.
fn has_cores() -> bool {
    std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1)
}

impl Core {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            name: settings.name,
            workers: settings.workers,
            injector: Injector::new(),
            idle: Idle::new(),
            seats: (0..SEATS_MAX).map(|_| Seat::new()).collect(),
            seats_used: AtomicUsize::new(0),
            pids: if settings.driven {
                Pids::in_order()
            } else {
                Pids::new()
            },
            names: Names::default(),
            sweeps_calls: settings.watchdog && !settings.clock.is_manual(),
            spins: !settings.clock.is_manual() && has_cores(),
            waiting: Waiting::default(),
            timers: Timers::new(&settings.clock),
            clock: settings.clock,
            list_all: settings.list_all,
            watchdog: Watchdog::new(),
            types: RwLock::default(),
            flushers: RwLock::default(),
            on_event: settings.on_event,
            around_worker: settings.around_worker,
            seed: settings.seed,
            closed: AtomicBool::new(false),
            threads: Mutex::default(),
            handles: AtomicUsize::new(1),
            roots: Mutex::default(),
            room: Room::default(),
            rings: Rings::default(),
            dead_letters: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            monitors: AtomicU64::new(0),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    pub(crate) fn seats_used(&self) -> usize {
        self.seats_used.load(Acquire)
    }

    /// The time for what need not be exact: on the machine's clock, when the watchdog looked last.
    #[inline]
    pub(crate) fn rough_now(&self) -> Time {
        match self.sweeps_calls {
            true => self.clock.seen(),
            false => self.clock.now(),
        }
    }

    /// The handler of an actor that a worker runs at this moment.
    pub(crate) fn handler_of(&self, header: &Header) -> Option<CurrentHandler> {
        let now = self.rough_now();
        let used = &self.seats[..self.seats_used()];
        let (message, since) = used.iter().find_map(|seat| seat.handles(header, now))?;
        Some(CurrentHandler { message, since })
    }

    pub(crate) fn choice_for(&self, seat: usize) -> Choice {
        Choice::new(Random::seeded(
            self.seed ^ (seat as u64).wrapping_mul(0x9e37_79b9),
        ))
    }

    /// The next id of a monitor or of a link that is taken back.
    pub(crate) fn next_id(&self) -> MonitorRef {
        MonitorRef(self.monitors.fetch_add(1, Relaxed))
    }

    /// Numbers for everybody else: from the seed as well, and none of a worker's.
    pub(crate) fn random(&self, stream: u64) -> Random {
        let mut mix = Random::seeded(!self.seed);
        let salt = mix.bits();
        Random::seeded(salt ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn emit(&self, event: &Event) {
        if let Some(hook) = &self.on_event {
            crate::panic::contain(|| hook(event));
        }
    }

    /// The table of an actor type, made at first use.
    pub(crate) fn table<A: Actor>(&self) -> NonNull<TypeTable> {
        let id = TypeId::of::<A>();
        let known = self
            .types
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .copied();
        known.unwrap_or_else(|| {
            let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
            *types.entry(id).or_insert_with(|| {
                let table = TypeTable::new::<A>(NonNull::from(self));
                NonNull::from(Box::leak(Box::new(table)))
            })
        })
    }

    /// The tables there are now: more may be made meanwhile.
    fn tables(&self) -> Vec<&TypeTable> {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: tables live as long as the core.
        let tables = types.values().map(|table| unsafe { table.as_ref() });
        tables.collect()
    }

    pub(crate) fn stats(&self) -> Vec<TypeStats> {
        let tables = self.tables();
        tables.into_iter().map(TypeTable::stats).collect()
    }

    pub(crate) fn counters(&self) -> Counters {
        let stats = self.stats();
        let sum = |what: fn(&TypeStats) -> u64| stats.iter().map(what).sum();
        let seats = &self.seats[..self.seats_used()];
        Counters {
            actors_alive: sum(|stats| stats.alive),
            actors_spawned: sum(|stats| stats.spawned),
            messages: sum(|stats| stats.messages),
            crashes: sum(|stats| stats.crashes),
            calls_expired: sum(|stats| stats.calls_expired),
            restarts: self.restarts.load(Relaxed),
            mailbox_full: sum(|stats| stats.mailbox_full),
            mailbox_waited: sum(|stats| stats.mailbox_waited),
            mailbox_dropped_newest: sum(|stats| stats.mailbox_dropped_newest),
            mailbox_dropped_oldest: sum(|stats| stats.mailbox_dropped_oldest),
            mailbox_superseded: sum(|stats| stats.mailbox_superseded),
            dead_letters: self.dead_letters.load(Relaxed),
            call_cycles: self.waiting.cycles(),
            handlers_stuck: self.watchdog.stuck.load(Relaxed),
            workers: seats.iter().filter(|seat| seat.taken.load(Relaxed)).count() as u64,
            workers_parked: self.idle.parked_count() as u64,
            timers_pending: self.timers.pending() as u64,
            timers_fired: self.timers.fired(),
            pids: self.pids.count() as u64,
        }
    }

    // ---- work from other threads

    /// Enqueues a cell from a thread that is no worker of this system.
    pub(crate) fn inject(&self, cell: NonNull<Header>) {
        if BATCH_OF.with(Cell::get) == Some(NonNull::from(self)) {
            let full = GATHERED.with(|gathered| {
                let mut gathered = gathered.borrow_mut();
                gathered.push(cell.as_ptr());
                gathered.len() >= BATCH
            });
            if full {
                self.hand_over_batch();
            }
            return;
        }
        self.injector.push_many(&[cell.as_ptr()]);
        self.notify();
        self.bury_if_closed();
    }

    /// From now on cells scheduled by this thread are gathered. False: they already are.
    pub(crate) fn begin_batch(&self) -> bool {
        let free = BATCH_OF.with(Cell::get).is_none();
        if free {
            BATCH_OF.with(|batch| batch.set(Some(NonNull::from(self))));
        }
        free
    }

    /// Gives what was gathered to the workers, under one lock and with one wake-up.
    pub(crate) fn hand_over_batch(&self) {
        let any = GATHERED.with(|gathered| {
            let mut gathered = gathered.borrow_mut();
            let any = !gathered.is_empty();
            if any {
                self.injector.push_many(&gathered);
                gathered.clear();
            }
            any
        });
        if any {
            self.notify();
            self.bury_if_closed();
        }
    }

    pub(crate) fn end_batch(&self) {
        BATCH_OF.with(|batch| batch.set(None));
        self.hand_over_batch();
    }

    /// Work has been published: wakes one worker if one sleeps and nobody is searching.
    #[inline]
    pub(crate) fn notify(&self) {
        if let Some(seat) = self.idle.claim() {
            self.seats[seat].unpark();
        }
    }

    // ---- flushers

    pub(crate) fn add_flusher(&self, flusher: Arc<dyn Flusher>) {
        self.flushers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(flusher);
    }

    pub(crate) fn flush(&self) {
        for flusher in &*self.flushers.read().unwrap_or_else(PoisonError::into_inner) {
            flusher.flush();
        }
    }

    // ---- threads

    /// Takes a free seat for a worker.
    pub(crate) fn take_seat(&self) -> Option<usize> {
        let seat = self
            .seats
            .iter()
            .position(|seat| !seat.taken.swap(true, AcqRel))?;
        self.seats_used.fetch_max(seat + 1, AcqRel);
        Some(seat)
    }

    /// Starts a worker on a free seat. False: there is none.
    pub(crate) fn start_worker(&self) -> bool {
        if self.is_closed() {
            return false;
        }
        let Some(seat) = self.take_seat() else {
            return false;
        };
        let name = format!("{}-worker-{seat}", self.name);
        let started = self.start_thread(name, move |core| match &core.around_worker {
            Some(around) => around(&mut || Worker::run(NonNull::from(core), seat)),
            None => Worker::run(NonNull::from(core), seat),
        });
        if !started {
            self.seats[seat].taken.store(false, SeqCst);
        }
        started
    }

    pub(crate) fn start_thread(
        &self,
        name: String,
        body: impl FnOnce(&Core) + Send + 'static,
    ) -> bool {
        struct Pointer(NonNull<Core>);
        // SAFETY: the core is Sync, and threads are joined before it is freed.
        unsafe impl Send for Pointer {}
        let core = Pointer(NonNull::from(self));
        let run = move || {
            let core = core;
            // SAFETY: as for `Pointer`.
            body(unsafe { core.0.as_ref() });
        };
        let thread = std::thread::Builder::new().name(name).spawn(run);
        let started = thread.is_ok();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        // Spares come and go; those that have ended are forgotten here.
        threads.retain(|thread| !thread.is_finished());
        threads.extend(thread);
        started
    }

    // ---- the end

    /// Nothing new begins, and workers end when they look.
    pub(crate) fn begin_close(&self) {
        self.closed.store(true, SeqCst);
        for seat in &self.seats {
            seat.unpark();
        }
    }

    /// Stops the threads. A worker whose handler does not return is left behind; false then.
    pub(crate) fn close(&self) -> bool {
        self.begin_close();
        self.timers.wake_thread();
        self.watchdog.wake_thread();
        let mut all = true;
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let patience = std::time::Duration::from_millis(1);
            let mut waits = 0;
            while !thread.is_finished() && waits < 2000 {
                thread.thread().unpark();
                std::thread::park_timeout(patience);
                waits += 1;
            }
            if thread.is_finished() {
                let _ = thread.join();
            } else {
                all = false;
            }
        }
        self.bury();
        // What the system itself holds goes last: names, roots added meanwhile, timers.
        let roots = std::mem::take(&mut *self.roots.lock().unwrap_or_else(PoisonError::into_inner));
        drop(roots);
        self.names.clear();
        self.timers.clear();
        self.bury();
        all
    }

    fn bury_if_closed(&self) {
        fence(SeqCst);
        if self.closed.load(Relaxed) {
            self.bury();
        }
    }

    /// Ends every cell that waits in a queue nobody serves any more. Ends bring other cells to the
    /// queue; the outermost call on this thread finds them, so that a chain of a million actors
    /// does not become a million frames.
    fn bury(&self) {
        if BURIES.with(|buries| buries.replace(true)) {
            return;
        }
        while let Some(cell) = self.injector.pop() {
            // SAFETY: a cell from a queue is owned by who took it. CLOSE keeps a child from
            // becoming vacant: its supervisor will not run again.
            unsafe {
                cell.as_ref().signals.fetch_or(crate::cell::CLOSE, AcqRel);
                end_incarnation(cell, None, &ExitReason::Shutdown);
            }
        }
        BURIES.with(|buries| buries.set(false));
    }

    /// Whether any cell's memory is still in use.
    pub(crate) fn has_cells(&self) -> bool {
        self.tables().into_iter().any(|table| table.cells() != 0)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let types = self.types.get_mut();
        for table in types.unwrap_or_else(PoisonError::into_inner).values() {
            // SAFETY: leaked from boxes in `table`, and no cell is left to use them.
            drop(unsafe { Box::from_raw(table.as_ptr()) });
        }
    }
}
