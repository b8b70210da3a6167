//! The list behind the lock: who is free, who is lent, who waits.
//!
//! A worker that comes back is given to who waits under the lock, or is put on the list; who waits
//! is on the list before a worker is started for it. So nobody waits while a worker is free.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use vaxel_runtime::{AnyRef, ExitReason, Pid, System};

use super::builder::{Order, Settings};
use super::{CheckOutError, CheckedOut, PoolStatus};
use crate::reference::Reference;

/// Starts a worker beyond the size.
pub(super) type Start<R> = Arc<dyn Fn() -> Starting<R> + Send + Sync>;
pub(super) type Starting<R> = Pin<Box<dyn Future<Output = Result<R, ExitReason>> + Send>>;

pub(super) struct Shared<R: Reference> {
    pub(super) settings: Settings,
    state: Mutex<State<R>>,
}

struct State<R: Reference> {
    /// None while the workers are not there.
    running: Option<Running<R>>,
    /// Grows when the workers start: those of an earlier time do not come back.
    epoch: u64,
    idle: VecDeque<Worker<R>>,
    busy: usize,
    overflow: usize,
    waiting: VecDeque<Waiter<R>>,
    next_waiter: u64,
}

struct Running<R> {
    system: System,
    start: Start<R>,
}

pub(super) struct Worker<R> {
    pub(super) actor: R,
    erased: AnyRef,
    /// The incarnation that was started.
    pid: Pid,
    epoch: u64,
    is_overflow: bool,
}

struct Waiter<R: Reference> {
    id: u64,
    give: oneshot::Sender<Given<R>>,
}

type Given<R> = Result<Worker<R>, CheckOutError>;

/// What a check-out has come to.
pub(super) enum Lent<R: Reference> {
    Now(CheckedOut<R>),
    Later(Waiting<R>, System),
}

/// A place among those that wait. Dropping it gives the place up, and back what came too late.
pub(super) struct Waiting<R: Reference> {
    id: u64,
    given: oneshot::Receiver<Given<R>>,
    pool: Arc<Shared<R>>,
}

impl<R: Reference> Shared<R> {
    pub(super) fn new(settings: Settings) -> Self {
        Shared {
            settings,
            state: Mutex::new(State {
                running: None,
                epoch: 0,
                idle: VecDeque::new(),
                busy: 0,
                overflow: 0,
                waiting: VecDeque::new(),
                next_waiter: 0,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The workers have started.
    pub(super) fn open(&self, system: System, start: Start<R>, workers: Vec<R>) {
        let mut state = self.lock();
        state.epoch += 1;
        let epoch = state.epoch;
        state.idle = workers
            .into_iter()
            .map(|actor| Worker::new(actor, epoch, false))
            .collect();
        (state.busy, state.overflow) = (0, 0);
        state.running = Some(Running { system, start });
    }

    /// The workers end: who waits is told.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        let running = state.running.take();
        let idle = std::mem::take(&mut state.idle);
        let waiting = std::mem::take(&mut state.waiting);
        (state.busy, state.overflow) = (0, 0);
        drop(state);
        for waiter in waiting {
            // Who has given up meanwhile is not missed.
            let _ = waiter.give.send(Err(CheckOutError::Closed));
        }
        // Outside the lock: these may be last references.
        drop((running, idle));
    }

    pub(super) fn lend_now(self: &Arc<Self>) -> Result<CheckedOut<R>, CheckOutError> {
        let mut state = self.lock();
        if state.running.is_none() {
            return Err(CheckOutError::Closed);
        }
        let worker = state.idle.pop_front().ok_or(CheckOutError::Full)?;
        state.busy += 1;
        drop(state);
        Ok(CheckedOut::new(worker, self.clone()))
    }

    /// A free worker, or a place among those that wait for one; a worker is then started if there
    /// may be one more.
    pub(super) fn lend(self: &Arc<Self>) -> Result<Lent<R>, CheckOutError> {
        match self.lend_now() {
            Err(CheckOutError::Full) => {}
            other => return other.map(Lent::Now),
        }
        let mut state = self.lock();
        let Some(running) = &state.running else {
            return Err(CheckOutError::Closed);
        };
        let (system, start) = (running.system.clone(), running.start.clone());
        // One may have come back between the two locks.
        if let Some(worker) = state.idle.pop_front() {
            state.busy += 1;
            drop(state);
            return Ok(Lent::Now(CheckedOut::new(worker, self.clone())));
        }
        let starts = state.overflow < self.settings.max_overflow;
        if !starts && state.waiting.len() >= self.settings.waiting_max {
            return Err(CheckOutError::Full);
        }
        let (give, given) = oneshot::channel();
        let id = state.next_waiter;
        state.next_waiter += 1;
        state.waiting.push_back(Waiter { id, give });
        state.overflow += usize::from(starts);
        let epoch = state.epoch;
        drop(state);
        if starts {
            self.start_worker(&system, &start, epoch);
        }
        let waiting = Waiting {
            id,
            given,
            pool: self.clone(),
        };
        Ok(Lent::Later(waiting, system))
    }

    /// Starts a worker that has been counted, for whoever waits longest when it is there.
    fn start_worker(self: &Arc<Self>, system: &System, start: &Start<R>, epoch: u64) {
        let (pool, starting) = (self.clone(), start());
        drop(system.spawn_future(async move {
            let started = starting.await;
            match started {
                Ok(actor) => {
                    let worker = Worker::new(actor, epoch, true);
                    let mut state = pool.lock();
                    // Given out below as if it had been lent.
                    state.busy += usize::from(state.epoch == epoch);
                    drop(state);
                    pool.take_back(worker);
                }
                Err(reason) => pool.failed(epoch, reason),
            }
        }));
    }

    fn failed(&self, epoch: u64, reason: ExitReason) {
        let mut state = self.lock();
        if state.epoch != epoch || state.running.is_none() {
            return;
        }
        state.overflow -= 1;
        let waiter = state.next_waiting(self.settings.waiting_order);
        drop(state);
        if let Some(waiter) = waiter {
            let _ = waiter.give.send(Err(CheckOutError::Start(reason)));
        }
    }

    /// A worker has come back, or has just started: it goes to who waits, or is free, or is not
    /// needed any more.
    pub(super) fn take_back(self: &Arc<Self>, worker: Worker<R>) {
        let mut state = self.lock();
        if worker.epoch != state.epoch || state.running.is_none() {
            drop(state);
            return;
        }
        if worker.is_over() {
            state.busy -= 1;
            self.replace(state, worker);
            return;
        }
        let mut worker = worker;
        while let Some(waiter) = state.next_waiting(self.settings.waiting_order) {
            match waiter.give.send(Ok(worker)) {
                Ok(()) => return,
                Err(Ok(back)) => worker = back,
                Err(Err(_)) => return,
            }
        }
        state.busy -= 1;
        if worker.is_overflow {
            state.overflow -= 1;
            drop(state);
            worker.erased.stop();
            return;
        }
        match self.settings.strategy {
            Order::Lifo => state.idle.push_front(worker),
            Order::Fifo => state.idle.push_back(worker),
        }
    }

    /// A worker is over for good: it is not counted any more, and if it was one beyond the size and
    /// somebody waits, another is started.
    fn replace(self: &Arc<Self>, mut state: MutexGuard<'_, State<R>>, gone: Worker<R>) {
        if !gone.is_overflow {
            return;
        }
        state.overflow -= 1;
        if state.waiting.is_empty() {
            return;
        }
        let Some(running) = &state.running else {
            return;
        };
        let (system, start) = (running.system.clone(), running.start.clone());
        state.overflow += 1;
        let epoch = state.epoch;
        drop(state);
        self.start_worker(&system, &start, epoch);
    }

    pub(super) fn status(&self) -> PoolStatus {
        let state = self.lock();
        PoolStatus {
            idle: state.idle.len(),
            busy: state.busy,
            overflow: state.overflow,
            waiting: state.waiting.len(),
        }
    }
}

impl<R: Reference> State<R> {
    fn next_waiting(&mut self, order: Order) -> Option<Waiter<R>> {
        match order {
            Order::Fifo => self.waiting.pop_front(),
            Order::Lifo => self.waiting.pop_back(),
        }
    }
}

impl<R: Reference> Worker<R> {
    /// One beyond the size is not started again, so it is over with its incarnation.
    fn is_over(&self) -> bool {
        !self.erased.is_alive() || self.is_overflow && self.erased.pid() != self.pid
    }

    fn new(actor: R, epoch: u64, is_overflow: bool) -> Self {
        let erased = AnyRef::from(&actor);
        Worker {
            pid: erased.pid(),
            erased,
            actor,
            epoch,
            is_overflow,
        }
    }
}

impl<R: Reference> Waiting<R> {
    pub(super) async fn worker(&mut self) -> Result<CheckedOut<R>, CheckOutError> {
        match (&mut self.given).await {
            Ok(Ok(worker)) => Ok(CheckedOut::new(worker, self.pool.clone())),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(CheckOutError::Closed),
        }
    }
}

impl<R: Reference> Drop for Waiting<R> {
    fn drop(&mut self) {
        self.given.close();
        // A worker may have been given between the last poll and now.
        if let Ok(Ok(worker)) = self.given.try_recv() {
            self.pool.take_back(worker);
        }
        let mut state = self.pool.lock();
        let at = state.waiting.iter().position(|waiter| waiter.id == self.id);
        let gone = at.and_then(|at| state.waiting.remove(at));
        drop(state);
        drop(gone);
    }
}
