//! What a supervisor tells about its children.

use std::fmt;
use std::sync::Arc;

use vaxel_runtime::{ExitReason, Message, Pid};

use super::{ChildKind, Restart, SupervisorRef};

/// One child of one supervisor, for as long as the supervisor keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChildId(pub(crate) u64);

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
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
    /// Its present incarnation; none when stopped.
    pub pid: Option<Pid>,
    /// Where it is in its life.
    pub state: ChildState,
    /// How often it has been started again.
    pub restarts: u32,
    /// Its own reference, if it is a supervisor: the way down the tree.
    pub supervisor: Option<SupervisorRef>,
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
    /// It ended and is not started again.
    Ended {
        /// The incarnation that ended.
        pid: Pid,
        /// Why it ended.
        reason: ExitReason,
    },
    /// Too many restarts in too short a time: the supervisor gives up and stops all children.
    IntensityExceeded,
}
