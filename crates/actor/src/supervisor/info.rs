//! What a supervisor tells about its children.

use std::fmt;
use std::sync::Arc;

use std::time::Duration;

use vaxel_runtime::{Actor, ActorRef, AnyRef, ExitReason, Message, Pid};

use super::{AnySupervisor, Backoff, ChildKind, Restart, Shutdown};

/// One child of one supervisor, for as long as the supervisor keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChildId(pub(crate) u64);

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// How a child is named to its supervisor: by its id, by its registered name, or by a reference.
///
/// Every method that wants one takes a [`ChildId`], a `&str` or an `&ActorRef`. Finding a child of
/// a dynamic supervisor by name or reference takes time in proportion to their number.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChildKey {
    /// The id that its supervisor gave it.
    Id(ChildId),
    /// The name of its spec.
    Name(Arc<str>),
    /// The actor itself.
    Actor(AnyRef),
}

impl From<ChildId> for ChildKey {
    fn from(id: ChildId) -> Self {
        ChildKey::Id(id)
    }
}

impl From<&str> for ChildKey {
    fn from(name: &str) -> Self {
        ChildKey::Name(name.into())
    }
}

impl<A: Actor> From<&ActorRef<A>> for ChildKey {
    fn from(actor: &ActorRef<A>) -> Self {
        ChildKey::Actor(actor.erase())
    }
}

impl From<&AnyRef> for ChildKey {
    fn from(actor: &AnyRef) -> Self {
        ChildKey::Actor(actor.clone())
    }
}

/// Where a child is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChildState {
    /// Its `init` has not finished.
    Starting,
    /// It handles messages.
    Running,
    /// It has been asked to stop and has not ended.
    Stopping,
    /// It has ended and will be started again: when its delay is over, or after another try.
    Restarting,
    /// It has ended, and nobody starts it again unless asked.
    Stopped,
}

/// A child as its supervisor sees it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ChildInfo {
    /// Which child.
    pub id: ChildId,
    /// Its registered name, if it was given one.
    pub name: Option<Arc<str>>,
    /// The Rust path of the actor's type.
    pub actor: &'static str,
    /// Whether it supervises others.
    pub kind: ChildKind,
    /// When it is started again.
    pub restart: Restart,
    /// How long it may take to stop.
    pub shutdown: Shutdown,
    /// Whether its end may shut its supervisor down.
    pub significant: bool,
    /// How long it waits before a restart, if it does.
    pub backoff: Option<Backoff>,
    /// Its present incarnation; none when stopped.
    pub pid: Option<Pid>,
    /// Where it is in its life.
    pub state: ChildState,
    /// How often it has been started again.
    pub restarts: u32,
    /// Its own reference, if it is a supervisor: the way down the tree.
    pub supervisor: Option<AnySupervisor>,
}

/// How many children a supervisor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ChildCounts {
    /// Children kept, stopped ones included.
    pub total: usize,
    /// Children with an incarnation.
    pub active: usize,
    /// Of the total, those that supervise.
    pub supervisors: usize,
    /// Of the total, the others.
    pub workers: usize,
    /// Restarts of all children so far.
    pub restarts: u64,
}

/// A change among a supervisor's children, told to who has subscribed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ChildEvent {
    /// Whose child.
    pub supervisor: Pid,
    /// Which child.
    pub child: ChildId,
    /// Its registered name, if it was given one.
    pub name: Option<Arc<str>>,
    /// What happened.
    pub change: ChildChange,
}

impl Message for ChildEvent {
    type Reply = ();
}

/// What happened to a child.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ChildChange {
    /// A new child was started.
    Started {
        /// Its first incarnation.
        pid: Pid,
    },
    /// An incarnation ended and another was started in its place.
    Restarted {
        /// The incarnation that ended.
        old: Pid,
        /// Why it ended.
        reason: ExitReason,
        /// How often this child has been started again by now.
        restarts: u32,
    },
    /// An incarnation ended, and the next one waits for its delay.
    Delayed {
        /// The incarnation that ended.
        pid: Pid,
        /// Why it ended.
        reason: ExitReason,
        /// How long it stays down.
        delay: Duration,
    },
    /// Its `init` failed at a restart; it is tried again, or its supervisor gives up.
    StartFailed {
        /// Why.
        reason: ExitReason,
    },
    /// It ended and is not started again.
    Ended {
        /// The incarnation that ended.
        pid: Pid,
        /// Why it ended.
        reason: ExitReason,
    },
    /// Too many restarts in too short a time: the supervisor gives up and stops all children.
    IntensityExceeded,
    /// A significant child ended: the supervisor shuts down, as its `auto_shutdown` says.
    AutoShutdown,
}
