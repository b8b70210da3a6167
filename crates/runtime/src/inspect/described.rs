//! What an actor tells of itself.

use super::{ActorSummary, CurrentHandler};
use crate::Pid;
use crate::cell::relations::Watcher;
use crate::cell::supervision::OfCell;
use crate::cell::{Header, Phase, future, signal};
use std::ptr::NonNull;
use std::sync::Arc;

/// Longer lists of pids in a description are cut here.
const PIDS_MAX: usize = 1_000;

/// Everything there is to know of an actor, as it tells it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Description {
    /// What can be seen without asking.
    pub summary: ActorSummary,
    /// Its registered names.
    pub names: Vec<Arc<str>>,
    /// All messages that wait: those counted against the bound, downs, timers and trapped exits,
    /// and what a worker has taken and not begun. Not those of
    /// [senders that wait](ActorSummary::senders_waiting).
    pub waiting: usize,
    /// Bytes of its cell, state included.
    pub cell_bytes: usize,
    /// Whose child it is.
    pub parent: Option<Pid>,
    /// Those it has started and looks after, as [`Actor::children`](crate::Actor::children) tells
    /// it. `None` while a handler awaits, which has the state, and before `init` is done.
    pub children: Option<Children>,
    /// The actors it is linked to; this and the next two are cut at 1,000.
    pub links: Vec<Pid>,
    /// Whom it monitors.
    pub monitors: Vec<Pid>,
    /// Who monitors it.
    pub monitored_by: Vec<Pid>,
    /// The handler that awaits, and since when.
    pub handler: Option<CurrentHandler>,
    /// Whether `init` has not finished.
    pub is_starting: bool,
    /// Whether `terminate` runs.
    pub is_stopping: bool,
}

/// The children of an actor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Children {
    /// How many there are, those included that have ended and stay on record.
    pub count: usize,
    /// The pids of those that live, at most [`Children::PIDS_MAX`].
    pub pids: Vec<Pid>,
}

impl Children {
    /// No more pids than this are told.
    pub const PIDS_MAX: usize = PIDS_MAX;

    /// So many children, and their pids, of which no more are looked at than are told;
    /// [`Pid::NONE`] stands for one that has ended.
    pub fn new(count: usize, pids: impl IntoIterator<Item = Pid>) -> Self {
        let pids = pids.into_iter().take(PIDS_MAX);
        Self {
            count,
            pids: pids.filter(|pid| !pid.is_none()).collect(),
        }
    }
}

/// Owner only (S2).
pub(super) fn describe(header: &Header, cell: NonNull<Header>, me: Pid) -> Description {
    let core = header.table().core();
    let side = header.side();
    let handler = side.as_ref().and_then(|side| NonNull::new(side.future));
    let relations = side.and_then(|side| side.relations.as_deref());
    let (mut links, mut monitors, mut monitored_by) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(relations) = relations {
        links.extend(relations.links.linked().take(PIDS_MAX));
        monitors.extend(relations.monitors.values().copied().take(PIDS_MAX));
        let by = relations.watchers.list.values();
        monitored_by.extend(by.filter_map(Watcher::pid).take(PIDS_MAX));
    }
    let has_state = header.phase.get() == Phase::Running && handler.is_none();
    Description {
        summary: ActorSummary {
            // The question itself is nothing that it handles.
            handler: None,
            ..ActorSummary::of(header, me)
        },
        names: core.names.of(cell),
        waiting: signal::messages_waiting(header),
        cell_bytes: header.table().layout.size(),
        parent: OfCell::of(header).map(OfCell::parent),
        // SAFETY: S3, phase Running, and nobody has borrowed the state.
        children: has_state.then(|| unsafe { children(cell) }),
        links,
        monitors,
        monitored_by,
        // SAFETY: the attached block is the owner's (S5).
        handler: handler.map(|block| unsafe {
            CurrentHandler {
                message: future::operations(block).message(),
                since: future::awaits_since(block),
            }
        }),
        is_starting: header.phase.get() == Phase::Starting,
        is_stopping: header.phase.get() == Phase::Stopping,
    }
}

/// What the type tells of its children; none if it panics.
///
/// # Safety
/// Owner only; the state is initialised (S3), and nobody has borrowed it.
unsafe fn children(cell: NonNull<Header>) -> Children {
    // SAFETY: what this needs is what the caller has promised.
    let told = crate::panic::catch(|| unsafe { (cell.as_ref().table().children)(cell) });
    told.unwrap_or_default()
}
