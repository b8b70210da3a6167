//! Routers: one of several actors for each message.
//!
//! A router is not an actor but a handle: who sends chooses the routee and sends to it directly.
//!
//! # Strategies
//! - **Round robin**: one after another.
//! - **Least busy**: one that has nothing to do, else the one with the fewest messages waiting; it
//!   looks at every routee.
//! - **By key** ([`route_by`](Router::route_by), on every router): a consistent hash. Each routee
//!   stands at 128 points of a ring. When one joins, keys move to it and between no others; when
//!   one leaves, only its own keys move.
//! - **Broadcast**: to all.
//!
//! # Routees
//! They are a list of references, to which others can be added, or [workers](Router::supervise)
//! that the router has its supervisor start. A worker that crashes is started again at its address,
//! so no key moves and no message is lost but the one that crashed it. A routee that has ended for
//! good is left out, and forgotten when it is next met. A router keeps its routees alive.
//!
//! # Ordering, bounds
//! Messages of one sender to one routee keep their order: with a key, all messages of that key do.
//! A routee whose mailbox is full refuses; with [`Overflow::Next`] a `cast` that is not by key goes
//! to the next one that has room.
//!
//! ```
//! use vaxel_actor::prelude::*;
//! use vaxel_actor::router::Router;
//!
//! struct Resizer;
//!
//! #[actor(crate = vaxel_actor)]
//! impl Resizer {
//!     fn init() -> Self {
//!         Resizer
//!     }
//!
//!     #[call]
//!     fn resize(&mut self, pixels: u32) -> u32 {
//!         pixels / 2
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let resizers: Router<ResizerRef> = Router::least_busy([]);
//! Supervisor::one_for_one().child(resizers.supervise(4, Resizer::child())).start().await?;
//!
//! assert_eq!(resizers.route()?.resize(640).await?, 320);
//! assert_eq!(resizers.route_by("holiday.jpg")?.resize(480).await?, 240);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod ring;
mod routees;
mod supervised;

use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use vaxel_runtime::{AnyRef, Message, SendError, Watchable};

use self::routees::{Routee, Routees};
use crate::reference::{Receives, Reference};

/// Points of each routee on the ring of keys.
pub const POINTS_PER_ROUTEE: usize = ring::POINTS;

/// Chooses among actors. A handle: clones are handles to the same one.
///
/// `R` is the kind of reference it hands out. See the [module](self).
pub struct Router<R: Reference>(Arc<Inner<R>>);

struct Inner<R> {
    strategy: Strategy,
    next: AtomicUsize,
    teams: AtomicU32,
    tries_others: AtomicBool,
    routees: RwLock<Routees<R>>,
}

#[derive(Debug, Clone, Copy)]
enum Strategy {
    RoundRobin,
    LeastBusy,
}

/// What a `cast` does when the mailbox of the chosen routee is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overflow {
    /// The message comes back.
    #[default]
    Refuse,
    /// It goes to the next routee that has room, and comes back when none has.
    Next,
}

/// A router has nobody to route to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the router has no routee that lives")]
pub struct NoRoutee;

/// What became of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broadcasted {
    /// Routees that got the message.
    pub sent: usize,
    /// Routees whose mailbox was full, or that had ended.
    pub refused: usize,
}

impl<R: Reference> Router<R> {
    /// Routes to one after another.
    pub fn round_robin(routees: impl IntoIterator<Item = R>) -> Self {
        Self::with(Strategy::RoundRobin, routees)
    }

    /// Routes to the one that has the least to do; among equals one after another.
    pub fn least_busy(routees: impl IntoIterator<Item = R>) -> Self {
        Self::with(Strategy::LeastBusy, routees)
    }

    /// Routes by key, and one after another where there is no key: a round robin whose ring is made
    /// beforehand.
    pub fn consistent_hash(routees: impl IntoIterator<Item = R>) -> Self {
        let router = Self::round_robin(routees);
        router.write().make_ring();
        router
    }

    fn with(strategy: Strategy, actors: impl IntoIterator<Item = R>) -> Self {
        let mut routees = Routees::new();
        routees.add(actors);
        Router(Arc::new(Inner {
            strategy,
            next: AtomicUsize::new(0),
            teams: AtomicU32::new(0),
            tries_others: AtomicBool::new(false),
            routees: RwLock::new(routees),
        }))
    }

    /// What `cast` does when a mailbox is full, for all handles. Default: [`Overflow::Refuse`].
    pub fn overflow(self, overflow: Overflow) -> Self {
        let tries_others = overflow == Overflow::Next;
        self.0.tries_others.store(tries_others, Relaxed);
        self
    }

    /// Adds a routee.
    pub fn add(&self, routee: impl Into<R>) {
        self.write().add([routee.into()]);
    }

    /// Takes a routee out, however often it was added. False: it is none.
    pub fn remove(&self, routee: &impl Watchable) -> bool {
        let gone = AnyRef::from(routee);
        self.write().retain(|routee| routee.erased != gone)
    }

    /// All routees, in the order in which they were added.
    pub fn routees(&self) -> Vec<R> {
        let list = self.read().list().clone();
        list.iter().map(|routee| routee.actor.clone()).collect()
    }

    /// The next routee, as the strategy has it.
    ///
    /// # Errors
    /// If there is none that lives.
    pub fn route(&self) -> Result<R, NoRoutee> {
        loop {
            let routees = self.read();
            let list = routees.list();
            let chosen = self.choose(list).ok_or(NoRoutee)?;
            if list[chosen].erased.is_alive() {
                return Ok(list[chosen].actor.clone());
            }
            drop(routees);
            self.forget_ended();
        }
    }

    /// The routee of a key.
    ///
    /// # Errors
    /// If there is none that lives.
    pub fn route_by<K: Hash + ?Sized>(&self, key: &K) -> Result<R, NoRoutee> {
        loop {
            let routees = self.read();
            if !routees.has_ring() {
                drop(routees);
                self.write().make_ring();
                continue;
            }
            let chosen = routees.by_key(key).ok_or(NoRoutee)?;
            if chosen.erased.is_alive() {
                return Ok(chosen.actor.clone());
            }
            drop(routees);
            self.forget_ended();
        }
    }

    /// Sends a message to the next routee.
    ///
    /// # Errors
    /// If there is none (the error is then `Closed`), or its mailbox is full; the message comes
    /// back.
    pub fn cast<M: Message>(&self, message: M) -> Result<(), SendError<M>>
    where
        R: Receives<M>,
    {
        let Ok(first) = self.route() else {
            return Err(SendError::Closed(message));
        };
        let mut refused = match first.receive(message) {
            Err(refused) if self.0.tries_others.load(Relaxed) => refused,
            sent => return sent,
        };
        let list = self.read().list().clone();
        let at = list.iter().position(|routee| routee.actor_is(&first));
        let at = at.map_or(0, |at| at + 1);
        for other in list.iter().cycle().skip(at).take(list.len()) {
            match other.actor.receive(refused.into_message()) {
                Ok(()) => return Ok(()),
                Err(again) => refused = again,
            }
        }
        Err(refused)
    }

    /// Sends a message to the routee of a key.
    ///
    /// # Errors
    /// As for [`cast`](Self::cast), whatever the overflow policy.
    pub fn cast_by<K, M>(&self, key: &K, message: M) -> Result<(), SendError<M>>
    where
        K: Hash + ?Sized,
        M: Message,
        R: Receives<M>,
    {
        match self.route_by(key) {
            Ok(routee) => routee.receive(message),
            Err(NoRoutee) => Err(SendError::Closed(message)),
        }
    }

    /// Sends a copy of a message to every routee.
    pub fn broadcast<M: Message + Clone>(&self, message: &M) -> Broadcasted
    where
        R: Receives<M>,
    {
        let list = self.read().list().clone();
        let sent = list
            .iter()
            .map(|routee| routee.actor.receive(message.clone()));
        let sent = sent.filter(Result::is_ok).count();
        Broadcasted {
            sent,
            refused: list.len() - sent,
        }
    }

    fn choose(&self, list: &[Routee<R>]) -> Option<usize> {
        if list.is_empty() {
            return None;
        }
        let next = self.0.next.fetch_add(1, Relaxed) % list.len();
        if let Strategy::RoundRobin = self.0.strategy {
            return Some(next);
        }
        let mut best = (next, load(&list[next]));
        for at in (next + 1..list.len()).chain(0..next) {
            // Nobody has less to do than nothing.
            if best.1 == 0 {
                break;
            }
            let load = load(&list[at]);
            if load < best.1 {
                best = (at, load);
            }
        }
        Some(best.0)
    }

    fn forget_ended(&self) {
        self.write().retain(|routee| routee.erased.is_alive());
    }

    fn read(&self) -> RwLockReadGuard<'_, Routees<R>> {
        let routees = self.0.routees.read();
        routees.unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Routees<R>> {
        let routees = self.0.routees.write();
        routees.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Reference> Routee<R> {
    fn actor_is(&self, other: &R) -> bool {
        self.erased == AnyRef::from(other)
    }
}

/// How much a routee has to do; one that has ended comes last.
fn load<R>(routee: &Routee<R>) -> usize {
    if !routee.erased.is_alive() {
        return usize::MAX;
    }
    2 * routee.erased.mailbox_len() + usize::from(!routee.erased.is_idle())
}

impl<R: Reference> Clone for Router<R> {
    fn clone(&self) -> Self {
        Router(self.0.clone())
    }
}

impl<R: Reference> std::fmt::Debug for Router<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router")
            .field("strategy", &self.0.strategy)
            .field("routees", &self.read().list().len())
            .finish_non_exhaustive()
    }
}
