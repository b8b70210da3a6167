//! A system: workers, names, timers, and the actors that live among them.
//!
//! A system is an instance; several may live in one process and know nothing of each other.
//!
//! # Safety
//! The core of a system is a heap allocation that outlives its threads, its cells and its handles.
//! It is freed when the last handle goes, provided that the system was shut down, all its threads
//! have ended and no cell is left; otherwise it stays, a few hundred kilobytes.

pub(crate) mod core;

use self::core::{AroundWorker, Core, OnEvent, Settings};
use crate::cell::end::begin_init;
use crate::cell::node::{Node, Operations};
use crate::cell::turn::{Turn, suspend};
use crate::cell::word::Released;
use crate::cell::{self, Counted, FINISH, Header, Phase};
use crate::clock::{Clock, Time};
use crate::random::Random;
use crate::worker::{self, Worker};
use crate::{Actor, ActorRef, AnyRef, Counters, Event, ExitReason, Pid, RegisterError, TypeStats};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Inits nested on one stack: a chain of actors that spawn each other in `init` goes on in the run
/// queue from here.
pub(crate) const DEPTH_MAX: u32 = 16;

/// Something that handlers leave for other threads and that must be pushed on now and then.
///
/// Called by a worker when it runs out of work and every 64 turns, and by the watchdog when a
/// worker is stuck. Must be cheap and must not wait.
pub trait Flusher: Send + Sync {
    /// Pushes on what this thread has left.
    fn flush(&self);
}

/// A handle to a system of actors. Clones are handles to the same one.
pub struct System {
    core: NonNull<Core>,
}

// SAFETY: the core is Sync, and a handle is counted.
unsafe impl Send for System {}
// SAFETY: S2, as above.
unsafe impl Sync for System {}

/// How a system is made. See [`System::builder`].
#[must_use = "a builder does nothing until it builds"]
pub struct SystemBuilder {
    name: String,
    workers: Option<usize>,
    seed: Option<u64>,
    manual_clock: bool,
    list_all: bool,
    watchdog: bool,
    on_event: Option<OnEvent>,
    around_worker: Option<AroundWorker>,
}

static DEFAULT: Mutex<Option<System>> = Mutex::new(None);

thread_local! {
    static ENTERED: RefCell<Vec<System>> = const { RefCell::new(Vec::new()) };
}

impl System {
    /// Begins a system: one worker per core, a watchdog, the machine's clock.
    pub fn builder() -> SystemBuilder {
        SystemBuilder {
            name: "vaxel".to_owned(),
            workers: None,
            seed: None,
            manual_clock: false,
            list_all: false,
            watchdog: true,
            on_event: None,
            around_worker: None,
        }
    }

    /// The system of this thread: the one whose worker it is, else the one entered last, else the
    /// process's default.
    ///
    /// # Panics
    /// If there is none.
    pub fn current() -> Self {
        Self::try_current().unwrap_or_else(|| {
            panic!("no system here: use #[vaxel::main], System::enter or System::make_default")
        })
    }

    /// As [`System::current`], or `None`.
    pub fn try_current() -> Option<Self> {
        if let Some(core) = worker::current_core() {
            return Some(Self::of(core));
        }
        let entered = ENTERED.with_borrow(|entered| entered.last().cloned());
        entered.or_else(|| {
            DEFAULT
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        })
    }

    /// A handle that has been counted.
    pub(crate) fn adopt(core: NonNull<Core>) -> Self {
        Self { core }
    }

    pub(crate) fn of(core: NonNull<Core>) -> Self {
        // SAFETY: the caller has a worker, a cell or a handle of this core, so it lives.
        unsafe { core.as_ref() }.handles.fetch_add(1, Relaxed);
        Self { core }
    }

    pub(crate) fn core(&self) -> &Core {
        // SAFETY: a handle keeps the core.
        unsafe { self.core.as_ref() }
    }

    /// Makes this the system of the current thread until the guard is dropped.
    pub fn enter(&self) -> Entered {
        ENTERED.with_borrow_mut(|entered| entered.push(self.clone()));
        Entered(std::marker::PhantomData)
    }

    /// Makes this the system of every thread that has no other.
    pub fn make_default(&self) {
        let before = DEFAULT
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(self.clone());
        drop(before);
    }

    /// Spawns an actor.
    ///
    /// On a worker of this system `init` runs at once, up to its first await; elsewhere it is
    /// queued for a worker. The actor lives until it stops, crashes, or nobody holds a reference.
    #[inline]
    pub fn spawn<A: Actor>(&self, args: A::Args) -> ActorRef<A> {
        spawn_in(self.core, args)
    }

    /// Spawns an actor whose `init` is queued for a worker, wherever this is called: for threads
    /// that must not run user code.
    pub fn spawn_queued<A: Actor>(&self, args: A::Args) -> ActorRef<A> {
        spawn_queued(self.core, args, |_| ())
    }

    /// Keeps an actor alive until the system shuts down, which stops the actors kept in reverse
    /// order. For the top of supervision trees.
    pub fn keep(&self, actor: AnyRef) {
        let mut roots = self
            .core()
            .roots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        roots.retain(AnyRef::is_alive);
        roots.push(actor);
    }

    /// Gives an actor a name. The name keeps it alive and goes when it ends.
    ///
    /// # Errors
    /// If another actor has the name, or this one has ended.
    pub fn register<A: Actor>(&self, name: &str, actor: &ActorRef<A>) -> Result<(), RegisterError> {
        self.core().names.register(name, actor.counted())
    }

    /// Takes a name back. True when it was given.
    pub fn unregister(&self, name: &str) -> bool {
        self.core().names.unregister(name)
    }

    /// The actor of that name and type.
    pub fn whereis<A: Actor>(&self, name: &str) -> Option<ActorRef<A>> {
        let counted = self.core().names.find(name)?;
        let same = counted.header().table().type_id == std::any::TypeId::of::<A>();
        // SAFETY: the type has just been compared.
        same.then(|| unsafe { ActorRef::from_counted(counted) })
    }

    /// Sends an exit signal to an incarnation, as [`ActorRef::exit_with`] does; nobody misses it
    /// when that is over.
    pub fn exit(&self, pid: Pid, reason: ExitReason) {
        crate::cell::signal::exit(self.core(), Pid::NONE, pid, reason);
    }

    /// The actor of that pid, if that incarnation lives and anybody holds a reference to it.
    pub fn actor(&self, pid: Pid) -> Option<AnyRef> {
        self.core().pids.find(pid).map(AnyRef::from_counted)
    }

    /// All names and who has them, in no order.
    pub fn names(&self) -> Vec<(Arc<str>, AnyRef)> {
        let names = self.core().names.list();
        names
            .into_iter()
            .map(|(name, counted)| (name, AnyRef::from_counted(counted)))
            .collect()
    }

    /// Looks at the actors of this system from outside.
    pub fn inspect(&self) -> crate::inspect::Inspector {
        crate::inspect::Inspector::new(self.clone())
    }

    /// The named numbers of this system.
    pub fn counters(&self) -> Counters {
        self.core().counters()
    }

    /// The figures of every actor type that was ever spawned here, in no order.
    pub fn types(&self) -> Vec<TypeStats> {
        self.core().stats()
    }

    /// Worker threads that this system was built with.
    pub fn workers(&self) -> usize {
        self.core().workers
    }

    /// Now, on this system's clock.
    pub fn now(&self) -> Time {
        self.core().clock.now()
    }

    /// Tells the event hook; see [`SystemBuilder::on_event`].
    pub fn emit(&self, event: &Event) {
        self.core().emit(event);
    }

    /// A generator of its own, from the seed of the system: the same for the same `stream`.
    pub fn random(&self, stream: u64) -> Random {
        self.core().random(stream)
    }

    /// Moves a manual clock and runs the timers that are due, which is done when this returns;
    /// does nothing on the machine's clock. Not for what a timer runs: it would wait for itself.
    ///
    /// A timer whose moment is there when it is started, also one of zero, runs soon and without a
    /// move.
    pub fn advance(&self, by: Duration) {
        if self.core().clock.is_manual() {
            self.core().timers.advance(self.core(), by);
        }
    }

    /// Until the guard is dropped, cells that this thread schedules are gathered and handed to the
    /// workers 64 at a time, and once more at the end: one lock and one wake-up instead of many.
    ///
    /// For threads that bring messages in bulk. On a worker it does nothing.
    pub fn batch(&self) -> Batch<'_> {
        let core = self.core();
        Batch {
            core: core.begin_batch().then_some(core),
            thread: std::marker::PhantomData,
        }
    }

    /// Adds something that workers push on when they run out of work.
    pub fn add_flusher(&self, flusher: Arc<dyn Flusher>) {
        self.core().add_flusher(flusher);
    }

    /// Ends the system: stops the actors that were [kept](System::keep) in reverse order and waits
    /// for each, then stops the workers. Actors that still live end without `terminate` when they
    /// are next sent something. Blocks; a worker whose handler does not return is left behind after
    /// two seconds.
    ///
    /// # Panics
    /// If called on one of the system's own workers.
    pub fn shutdown(&self) {
        assert!(
            worker::current_core() != Some(self.core),
            "a system cannot be shut down by its own worker: ask a thread outside of it"
        );
        let roots = std::mem::take(
            &mut *self
                .core()
                .roots
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for root in roots.into_iter().rev() {
            let exit = root.exit();
            root.shutdown();
            exit.wait();
        }
        {
            let mut default = DEFAULT.lock().unwrap_or_else(PoisonError::into_inner);
            if default
                .as_ref()
                .is_some_and(|system| system.core == self.core)
            {
                let before = default.take();
                drop(default);
                drop(before);
            }
        }
        self.core().close();
    }
}

/// Keeps a thread's current system; see [`System::enter`].
#[must_use = "the system is left when the guard is dropped"]
pub struct Entered(std::marker::PhantomData<*const ()>);

impl Drop for Entered {
    fn drop(&mut self) {
        let left = ENTERED.with_borrow_mut(Vec::pop);
        drop(left);
    }
}

/// Gathers the cells that a thread schedules; see [`System::batch`].
#[must_use = "what was gathered is handed over when the guard is dropped"]
pub struct Batch<'a> {
    core: Option<&'a Core>,
    thread: std::marker::PhantomData<*const ()>,
}

impl Batch<'_> {
    /// Hands over what has been gathered so far.
    pub fn hand_over(&self) {
        if let Some(core) = self.core {
            core.hand_over_batch();
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if let Some(core) = self.core {
            core.end_batch();
        }
    }
}

impl Clone for System {
    fn clone(&self) -> Self {
        Self::of(self.core)
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let core = self.core();
        if core.handles.fetch_sub(1, AcqRel) == 1 && core.is_closed() && !core.has_cells() {
            // SAFETY: no handle, no cell, and `close` has joined the threads: a thread left behind
            // still runs a cell, which would have been counted.
            drop(unsafe { Box::from_raw(self.core.as_ptr()) });
        }
    }
}

impl PartialEq for System {
    fn eq(&self, other: &Self) -> bool {
        self.core == other.core
    }
}

impl Eq for System {}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System")
            .field("name", &self.core().name)
            .finish_non_exhaustive()
    }
}

impl SystemBuilder {
    /// The name that threads bear. Default: `vaxel`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Worker threads, between 1 and 32. Default: one per core.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// The seed of everything random. Default: a fresh one.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Time moves only by [`System::advance`]. For tests.
    pub fn manual_clock(mut self) -> Self {
        self.manual_clock = true;
        self
    }

    /// Gives every actor a pid when it is spawned, so that [inspection](System::inspect) lists it:
    /// 12 bytes and one lock per actor, of which there are 16. Without it only those have one that
    /// somebody asked for it.
    pub fn list_all(mut self) -> Self {
        self.list_all = true;
        self
    }

    /// Whether a stuck worker is replaced. Default: yes.
    pub fn watchdog(mut self, watchdog: bool) -> Self {
        self.watchdog = watchdog;
        self
    }

    /// Is told of crashes and stuck handlers; see [`Event`] for what it may do.
    ///
    /// ```
    /// use vaxel_runtime::{Actor, Context, Event, ExitReason, System};
    ///
    /// struct Fragile;
    /// impl Actor for Fragile {
    ///     type Args = ();
    ///     async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
    ///         panic!("made of glass");
    ///     }
    /// }
    ///
    /// let (tell, told) = std::sync::mpsc::sync_channel(16);
    /// let log = move |event: &Event| {
    ///     if let Event::ActorCrashed { actor, reason, .. } = event {
    ///         // Must not wait: what does not fit is left out.
    ///         let _ = tell.try_send(format!("{actor}: {reason}"));
    ///     }
    /// };
    /// let system = System::builder().workers(1).on_event(log).build();
    /// system.spawn::<Fragile>(());
    /// let line = told.recv().unwrap();
    /// assert!(line.contains("Fragile") && line.ends_with("made of glass"), "{line}");
    /// system.shutdown();
    /// ```
    pub fn on_event(mut self, hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Arc::new(hook));
        self
    }

    /// Runs around the life of every worker thread, spares included: it must call what it
    /// is given once. For what a thread must hold while handlers run, such as the context of an
    /// async library.
    pub fn around_worker(
        mut self,
        hook: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static,
    ) -> Self {
        self.around_worker = Some(Arc::new(hook));
        self
    }

    /// Starts the threads.
    ///
    /// # Panics
    /// If no thread can be started.
    pub fn build(self) -> System {
        let watchdog = self.watchdog;
        let pointer = self.leak_core(false);
        // SAFETY: just leaked; it is freed only when the last handle, thread and cell are gone.
        let core = unsafe { pointer.as_ref() };
        let mut started = (0..core.workers).all(|_| core.start_worker());
        let name = core.name.clone();
        started &= core.start_thread(format!("{name}-timer"), |core| core.timers.drive(core));
        if watchdog {
            started &=
                core.start_thread(format!("{name}-watchdog"), |core| core.watchdog.watch(core));
        }
        assert!(started, "the operating system refuses threads");
        System::adopt(pointer)
    }

    /// The engine room without its threads, with one handle counted.
    pub(crate) fn leak_core(self, driven: bool) -> NonNull<Core> {
        crate::panic::install_hook();
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let settings = Settings {
            name: self.name,
            workers: self.workers.unwrap_or_else(cores).clamp(1, 32),
            seed: self.seed.unwrap_or_else(Random::fresh_seed),
            clock: if self.manual_clock || driven {
                Clock::manual()
            } else {
                Clock::machine()
            },
            list_all: self.list_all,
            watchdog: self.watchdog,
            on_event: self.on_event,
            around_worker: self.around_worker,
            driven,
        };
        // One pointer from the box on: a unique borrow made after threads read the core would end
        // their right to read it.
        NonNull::from(Box::leak(Box::new(Core::new(settings))))
    }
}

/// Spawns an actor in the current system: [`System::spawn`] without the handle, whose count all
/// workers would otherwise touch at every spawn.
///
/// # Panics
/// If there is no current system, see [`System::current`].
#[inline]
pub fn spawn<A: Actor>(args: A::Args) -> ActorRef<A> {
    match worker::current_core() {
        Some(core) => spawn_in(core, args),
        None => System::current().spawn(args),
    }
}

/// Spawns in the system of this core, which the caller keeps alive.
#[inline]
pub(crate) fn spawn_in<A: Actor>(core: NonNull<Core>, args: A::Args) -> ActorRef<A> {
    spawn_with(core, args, |_| ())
}

/// Spawns an actor whose cell is made ready first, while it is the caller's own and before `init`.
#[inline]
pub(crate) fn spawn_with<A: Actor>(
    core: NonNull<Core>,
    args: A::Args,
    prepare: impl FnOnce(NonNull<Header>),
) -> ActorRef<A> {
    worker::with_current(core, |worker| match worker {
        Some(worker) if worker.depth.get() < DEPTH_MAX => spawn_here(worker, args, prepare),
        _ => spawn_queued(core, args, prepare),
    })
}

fn spawn_queued<A: Actor>(
    core: NonNull<Core>,
    args: A::Args,
    prepare: impl FnOnce(NonNull<Header>),
) -> ActorRef<A> {
    let cell = worker::with_current(core, |worker| {
        // SAFETY: what this needs is what the caller has promised.
        let table = unsafe { core.as_ref() }.table::<A>();
        cell::allocate::<A>(table, worker, Phase::Starting)
    });
    // SAFETY: the first reference is ours, and so is the cell until it is queued.
    let actor = unsafe {
        let node = InitNode::<A>::allocate(args);
        cell.as_ref().local.set(node.as_ptr());
        ActorRef::from_counted(Counted::adopt(cell))
    };
    prepare(cell);
    // SAFETY: what this needs is what the caller has promised.
    list(unsafe { core.as_ref() }, cell);
    worker::schedule(cell);
    actor
}

/// Spawns on a worker: `init` runs now, up to its first await.
#[inline]
fn spawn_here<A: Actor>(
    worker: &Worker,
    args: A::Args,
    prepare: impl FnOnce(NonNull<Header>),
) -> ActorRef<A> {
    let cell = cell::allocate::<A>(worker.table::<A>(), Some(worker), Phase::Starting);
    // SAFETY: S1, this is the first reference and it is counted.
    let actor = unsafe { ActorRef::from_counted(Counted::adopt(cell)) };
    prepare(cell);
    list(worker.core(), cell);
    worker.depth.set(worker.depth.get() + 1);
    let outer = worker.inflight();
    // SAFETY: the cell is ours until it is released below.
    let begun = crate::panic::catch(|| unsafe { begin_init::<A>(cell, worker, args) });
    worker.depth.set(worker.depth.get() - 1);
    // SAFETY: S2, we still own the cell.
    let turn = unsafe { settle(cell, worker, outer, begun) };
    if turn == Turn::Requeue {
        worker::schedule(cell);
    }
    actor
}

#[inline]
fn list(core: &Core, cell: NonNull<Header>) {
    if core.list_all {
        core.pids.ensure(cell);
    }
}

/// After the first poll of an `init` that ran on its spawner's stack.
unsafe fn settle(
    cell: NonNull<Header>,
    worker: &Worker,
    outer: *mut crate::cell::future::Block,
    begun: Result<crate::cell::future::Ran, ExitReason>,
) -> Turn {
    use crate::cell::future::{Ran, abandon};
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let released = |released| match released {
        Released::Idle => Turn::Done,
        Released::Again => Turn::Requeue,
    };
    match begun {
        Ok(Ran::Ready) if header.flags.get() == 0 => released(header.word.release()),
        // A failed start, a stop or something to go on with: a worker's turn sees to it.
        Ok(Ran::Ready) => {
            debug_assert!(header.flags.get() & FINISH != 0 || header.phase.get() == Phase::Running);
            Turn::Requeue
        }
        Ok(Ran::Pending) => suspend(header),
        Err(reason) => {
            if worker.inflight() != outer
                && let Some(block) = worker.take_inflight()
            {
                // SAFETY: the block of the init that panicked; nothing else refers to it.
                unsafe { abandon(block, &reason) };
            }
            worker.set_inflight(outer);
            header
                .table()
                .count(Some(worker), crate::types::Count::Crashes, 1);
            // SAFETY: S2, we own the cell.
            unsafe { cell::end::end_incarnation(cell, Some(worker), &reason) }
        }
    }
}

/// The first message of an actor that was spawned from outside.
#[repr(C)]
struct InitNode<A: Actor> {
    node: Node,
    args: A::Args,
}

impl<A: Actor> InitNode<A> {
    const OPERATIONS: &'static Operations = &Operations {
        run: run_init::<A>,
        drop: drop_init::<A>,
        name: || "init",
        of_incarnation: true,
        node_type: || std::any::TypeId::of::<Self>(),
    };

    fn allocate(args: A::Args) -> NonNull<Node> {
        let node = Self {
            node: Node::new(Self::OPERATIONS),
            args,
        };
        NonNull::from(Box::leak(Box::new(node))).cast()
    }
}

unsafe fn run_init<A: Actor>(
    cell: NonNull<Header>,
    node: NonNull<Node>,
    worker: &Worker,
) -> crate::cell::future::Ran {
    // SAFETY: S4, and only init nodes of `A` have these operations.
    let args = unsafe { Box::from_raw(node.cast::<InitNode<A>>().as_ptr()) }.args;
    // SAFETY: owner, phase Starting: this is the first node of a fresh cell.
    unsafe { begin_init::<A>(cell, worker, args) }
}

unsafe fn drop_init<A: Actor>(node: NonNull<Node>, _reason: &ExitReason) {
    // SAFETY: S4.
    drop(unsafe { Box::from_raw(node.cast::<InitNode<A>>().as_ptr()) });
}
