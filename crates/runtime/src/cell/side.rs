//! What only some actors need: a suspended handler, monitors, supervision.

use super::future::{Block, Ran};
use super::node::{Node, Operations};
use super::supervision::{ChildOperations, Supervision};
use super::{Counted, Header};
use crate::call::cycle::Waits;
use crate::exit_watch::ExitSlot;
use crate::worker::Worker;
use crate::{Down, ExitReason, MonitorRef, Pid};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

/// Made at first need, owned by the cell's owner (S2). A child has it from the beginning, as the
/// first part of its [supervision](super::supervision) (S6).
#[repr(C)]
pub(crate) struct Side {
    /// The suspended handler, if any.
    pub(crate) future: *mut Block,
    /// Why the actor stops, when it is not `Normal`. Boxed: few actors ever need it.
    pub(crate) exit: Option<Box<ExitReason>>,
    /// What is known of calls that the suspended handler has been waiting for. Boxed likewise.
    pub(crate) waits: Option<Box<Waits>>,
    pub(crate) relations: Option<Box<Relations>>,
    /// What can be done with the supervision that this is a part of.
    pub(super) child: Option<&'static ChildOperations>,
}

impl Side {
    pub(super) fn new(child: Option<&'static ChildOperations>) -> Self {
        Self {
            future: null_mut(),
            exit: None,
            waits: None,
            relations: None,
            child,
        }
    }
}

/// Gives a side structure back.
///
/// # Safety
/// The side structure is a cell's, which is freed with it.
pub(super) unsafe fn free(side: NonNull<Side>) {
    // SAFETY: by the caller's word it lives.
    match unsafe { side.as_ref() }.child {
        // SAFETY: S6: it is the beginning of a supervision with these operations.
        Some(operations) => unsafe { (operations.free)(side.cast::<Supervision>()) },
        // SAFETY: made by `side_or_new` from a box.
        None => drop(unsafe { Box::from_raw(side.as_ptr()) }),
    }
}

impl Side {
    pub(crate) fn relations(&mut self) -> &mut Relations {
        self.relations.get_or_insert_default()
    }
}

/// Who watches whom. Belongs to one incarnation.
#[derive(Default)]
pub(crate) struct Relations {
    /// Who is told when this incarnation ends.
    pub(crate) watchers: Vec<Watcher>,
    /// The monitors this incarnation has set and that have not fired.
    pub(crate) monitors: Vec<MonitorRef>,
}

/// Who is told that an incarnation ended.
pub(crate) enum Watcher {
    Actor {
        pid: Pid,
        monitor: MonitorRef,
        tell: fn(&Counted, Down),
    },
    Future(Arc<ExitSlot>),
}

impl Watcher {
    /// Delivers once; a watcher that is gone itself is not missed.
    pub(crate) fn tell(self, core: &crate::system::core::Core, ended: Pid, reason: &ExitReason) {
        match self {
            Self::Future(slot) => slot.set(reason.clone()),
            Self::Actor { pid, monitor, tell } => {
                if let Some(watcher) = core.pids.find(pid) {
                    tell(
                        &watcher,
                        Down {
                            monitor,
                            pid: ended,
                            reason: reason.clone(),
                        },
                    );
                }
            }
        }
    }
}

/// A request to be told: a message, so that it keeps the order of its sender's other messages.
#[repr(C)]
pub(crate) struct WatchNode {
    node: Node,
    core: NonNull<crate::system::core::Core>,
    target: Pid,
    watcher: Watcher,
}

impl WatchNode {
    pub(crate) fn allocate(
        core: NonNull<crate::system::core::Core>,
        target: Pid,
        watcher: Watcher,
    ) -> NonNull<Node> {
        static OPERATIONS: Operations = Operations {
            run: run_watch,
            drop: drop_watch,
            name: || "monitor",
            of_incarnation: true,
        };
        let node = Self {
            node: Node::new(&OPERATIONS),
            core,
            target,
            watcher,
        };
        NonNull::from(Box::leak(Box::new(node))).cast()
    }

    unsafe fn take(node: NonNull<Node>) -> Self {
        // SAFETY: S4, and only watch nodes have these operations.
        *unsafe { Box::from_raw(node.cast::<Self>().as_ptr()) }
    }
}

unsafe fn run_watch(cell: NonNull<Header>, node: NonNull<Node>, _worker: &Worker) -> Ran {
    // SAFETY: S4.
    let watch = unsafe { WatchNode::take(node) };
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let core = header.table().core();
    if core.pids.of(cell) == Some(watch.target) {
        header
            .side_or_new()
            .relations()
            .watchers
            .push(watch.watcher);
    } else {
        watch
            .watcher
            .tell(core, watch.target, &ExitReason::NoProcess);
    }
    Ran::Ready
}

unsafe fn drop_watch(node: NonNull<Node>, reason: &ExitReason) {
    // SAFETY: S4; the core outlives the cell in whose mail this node waited.
    let watch = unsafe { WatchNode::take(node) };
    // SAFETY: S2, as above.
    watch
        .watcher
        .tell(unsafe { watch.core.as_ref() }, watch.target, reason);
}

/// Takes a monitor back.
#[repr(C)]
pub(crate) struct UnwatchNode {
    node: Node,
    monitor: MonitorRef,
}

impl UnwatchNode {
    pub(crate) fn allocate(monitor: MonitorRef) -> NonNull<Node> {
        static OPERATIONS: Operations = Operations {
            run: run_unwatch,
            drop: drop_unwatch,
            name: || "demonitor",
            of_incarnation: true,
        };
        let node = Self {
            node: Node::new(&OPERATIONS),
            monitor,
        };
        NonNull::from(Box::leak(Box::new(node))).cast()
    }
}

unsafe fn run_unwatch(cell: NonNull<Header>, node: NonNull<Node>, _worker: &Worker) -> Ran {
    // SAFETY: S4.
    let unwatch = unsafe { Box::from_raw(node.cast::<UnwatchNode>().as_ptr()) };
    // SAFETY: S2, we own the cell.
    let side = unsafe { cell.as_ref() }.side();
    if let Some(relations) = side.and_then(|side| side.relations.as_mut()) {
        relations.watchers.retain(|watcher| {
            !matches!(watcher, Watcher::Actor { monitor, .. } if *monitor == unwatch.monitor)
        });
    }
    Ran::Ready
}

unsafe fn drop_unwatch(node: NonNull<Node>, _reason: &ExitReason) {
    // SAFETY: S4.
    drop(unsafe { Box::from_raw(node.cast::<UnwatchNode>().as_ptr()) });
}

/// Stops the actor behind the mail that was sent before.
pub(crate) fn allocate_stop() -> NonNull<Node> {
    static OPERATIONS: Operations = Operations {
        run: run_stop,
        drop: drop_stop,
        name: || "stop",
        of_incarnation: true,
    };
    NonNull::from(Box::leak(Box::new(Node::new(&OPERATIONS))))
}

unsafe fn run_stop(cell: NonNull<Header>, node: NonNull<Node>, _worker: &Worker) -> Ran {
    // SAFETY: S4 and S2, we own the cell and its node.
    unsafe {
        drop(Box::from_raw(node.as_ptr()));
        cell.as_ref().request_stop(ExitReason::Normal);
    }
    Ran::Ready
}

unsafe fn drop_stop(node: NonNull<Node>, _reason: &ExitReason) {
    // SAFETY: S4.
    drop(unsafe { Box::from_raw(node.as_ptr()) });
}
