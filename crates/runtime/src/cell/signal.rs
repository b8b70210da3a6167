//! Signals between actors: monitors, links and exits, in the mailbox of whom they are meant for.
//!
//! A signal is a node in the mail, so that it keeps the order of its sender's messages, and is
//! exempt from the bound. It is meant for one incarnation, named by its pid; any other ignores it.
//!
//! # At once
//! An exit that ends its receiver does not wait behind messages. Whoever sends one to an actor that
//! does not trap exits pushes the node first and then sets `LOOK` and pokes; the owner, also of a
//! suspended handler, then goes through the mail for signals ([`look`]): it takes links and unlinks
//! in order, and the first exit that counts ends the incarnation. An actor that traps gets the exit
//! where it stands in the mail, unless it is a kill.
//!
//! Whether an exit is trapped is decided when it is sent, if the receiver traps at that moment, and
//! else when it is looked at. So what has been trapped is handled as a message also when trapping
//! is switched off before its turn comes, as in OTP.
//!
//! # Links
//! Each end keeps the pid of the other. Setting up and taking back are signals, so both ends may do
//! either at once; the rules are those of OTP's link protocol. An end that takes a link back
//! ignores what comes from the other (exits, links) until the other has acknowledged. Then neither
//! can be left believing in a link that the other has forgotten.
//!
//! What has been looked at leaves an empty node in the mail, which does nothing.

use super::future::Ran;
use super::node::{Node, Operations};
use super::relations::Watcher;
use super::turn::reverse;
use super::{Counted, Header, KILL, LOOK, Phase, TRAPS, VACANT};
use crate::inspect::Ask;
use crate::mailbox::ring;
use crate::sync::{AtomicU16, fault, fence};
use crate::system::core::Core;
use crate::worker::Worker;
use crate::{ExitReason, MonitorRef, Pid, TrappedExit};
use std::any::TypeId;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};

/// What one incarnation asks of another, or tells it.
pub(crate) enum Signal {
    /// Asks to be told of the end.
    Watch(MonitorRef, Watcher),
    /// Takes that back.
    Unwatch(MonitorRef),
    /// The other end of a link.
    Link {
        from: Pid,
    },
    /// Takes a link back, under an id.
    Unlink {
        from: Pid,
        id: u64,
    },
    /// The link that was taken back under this id is forgotten.
    Unlinked {
        from: Pid,
        id: u64,
    },
    Exit(ExitSignal),
    /// Inspection.
    Ask(Ask),
}

pub(crate) struct ExitSignal {
    from: Pid,
    reason: ExitReason,
    /// Came over a link: counts only while there is one, and a kill is a reason like others.
    link: bool,
    /// The receiver trapped exits when this was sent.
    trapped: bool,
}

impl ExitSignal {
    fn is_kill(&self) -> bool {
        !self.link && self.reason == ExitReason::Kill
    }
}

/// What becomes of the receiver of a signal.
enum Received {
    Nothing,
    /// It handles this.
    Deliver(TrappedExit),
    /// It ends now.
    End(ExitReason),
}

#[repr(C)]
struct SignalNode {
    node: Node,
    core: NonNull<Core>,
    target: Pid,
    /// `None` once somebody has looked at it.
    signal: Option<Signal>,
}

static OPERATIONS: Operations = Operations {
    run: run_signal,
    drop: drop_signal,
    name: || "signal",
    of_incarnation: true,
    node_type: TypeId::of::<SignalNode>,
};

/// Sends a signal to an incarnation of this actor. [`Pid::NONE`] is the one that is over.
pub(crate) fn send(to: &Counted, target: Pid, signal: Signal) {
    let answers = matches!(
        signal,
        Signal::Watch(..) | Signal::Link { .. } | Signal::Unlink { .. }
    );
    let node = SignalNode {
        node: Node::new(&OPERATIONS),
        core: to.header().table().core,
        target,
        signal: Some(signal),
    };
    let node = NonNull::from(Box::leak(Box::new(node))).cast();
    if !to.push_exempt(node) {
        // SAFETY: a refused node stays ours.
        unsafe { drop_signal(node, &ExitReason::NoProcess) };
        return;
    }
    if answers && sees_vacant(&to.header().signals) {
        to.signal(LOOK);
    }
}

/// Marks a cell as vacant; the owner looks at its mail and at its pid afterwards.
pub(crate) fn mark_vacant(signals: &AtomicU16) {
    signals.fetch_or(VACANT, AcqRel);
    fence(SeqCst);
}

/// Whether a cell is vacant, for who has just pushed a request: either the owner, who marks the
/// cell and then looks at its mail, finds the request, or the mark is seen here.
fn sees_vacant(signals: &AtomicU16) -> bool {
    if !fault::planted("asker does not fence") {
        fence(SeqCst);
    }
    signals.load(Relaxed) & VACANT != 0
}

/// Asks an incarnation of this actor, ahead of what waits in its mailbox.
pub(crate) fn ask(to: &Counted, target: Pid, signal: Signal) {
    send(to, target, signal);
    to.signal(LOOK);
}

/// Sends a signal to whoever has that pid.
pub(crate) fn send_to(core: &Core, target: Pid, signal: Signal) {
    match core.pids.find(target) {
        Some(to) => send(&to, target, signal),
        None => fail(signal, core, target, &ExitReason::NoProcess),
    }
}

/// Sends an exit signal as OTP's `exit/2` does.
pub(crate) fn exit(core: &Core, from: Pid, target: Pid, reason: ExitReason) {
    if let Some(to) = core.pids.find(target) {
        send_exit(&to, target, from, reason, false);
    }
}

/// Tells the other end of a link that this one has ended.
pub(crate) fn exit_over_link(core: &Core, from: Pid, target: Pid, reason: &ExitReason) {
    if let Some(to) = core.pids.find(target) {
        send_exit(&to, target, from, reason.clone(), true);
    }
}

pub(crate) fn send_exit(to: &Counted, target: Pid, from: Pid, reason: ExitReason, link: bool) {
    let set = to.header().signals.load(Acquire);
    let mut exit = ExitSignal {
        from,
        reason,
        link,
        trapped: false,
    };
    exit.trapped = set & TRAPS != 0 && !exit.is_kill();
    let harmless = exit.reason == ExitReason::Normal && from != target;
    if target.is_none() || set & (KILL | VACANT) != 0 || harmless && !link && !exit.trapped {
        return;
    }
    let at_once = !exit.trapped && !harmless;
    send(to, target, Signal::Exit(exit));
    // After the push: who looks because of the flag must find the node.
    if at_once {
        to.signal(LOOK);
    }
}

/// The signal meant an incarnation that is over; whoever waits for an answer gets one.
fn fail(signal: Signal, core: &Core, target: Pid, reason: &ExitReason) {
    match signal {
        Signal::Watch(id, watcher) => watcher.tell(core, id, target, reason),
        Signal::Link { from } => exit_over_link(core, target, from, reason),
        Signal::Unlink { from, id } => {
            let known = Signal::Unlinked { from: target, id };
            send_to(core, from, known);
        }
        Signal::Ask(ask) => ask.fail(),
        Signal::Unwatch(_) | Signal::Unlinked { .. } | Signal::Exit(_) => {}
    }
}

/// Acts on a signal that was meant for this incarnation.
///
/// # Safety
/// Owner only; no handler is suspended if it is a question about the state.
unsafe fn receive(cell: NonNull<Header>, me: Pid, signal: Signal) -> Received {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let core = header.table().core();
    if let Signal::Ask(ask) = signal {
        // SAFETY: what this needs is what the caller has promised.
        unsafe { ask.answer(cell, me) };
        return Received::Nothing;
    }
    let relations = header.side_or_new().relations();
    match signal {
        Signal::Watch(id, watcher) => relations.watchers.add(id, watcher),
        Signal::Unwatch(id) => drop(relations.watchers.list.remove(id)),
        Signal::Link { from } => relations.links.linked_by(from),
        Signal::Unlink { from, id } => {
            relations.links.unlinked_by(from);
            send_to(core, from, Signal::Unlinked { from: me, id });
        }
        Signal::Unlinked { from, id } => relations.links.acknowledged(from, id),
        Signal::Exit(exit) => {
            if exit.link && !relations.links.take_exit(exit.from) {
                return Received::Nothing;
            }
            if exit.is_kill() {
                return Received::End(ExitReason::Killed);
            }
            let (from, reason) = (exit.from, exit.reason);
            if exit.trapped || header.signals.load(Relaxed) & TRAPS != 0 {
                return Received::Deliver(TrappedExit { from, reason });
            }
            if reason != ExitReason::Normal || !exit.link && from == me {
                return Received::End(reason);
            }
        }
        Signal::Ask(_) => {}
    }
    Received::Nothing
}

unsafe fn run_signal(cell: NonNull<Header>, node: NonNull<Node>, worker: &Worker) -> Ran {
    // SAFETY: S4, and only signal nodes have these operations.
    let node = unsafe { Box::from_raw(node.cast::<SignalNode>().as_ptr()) };
    let Some(signal) = node.signal else {
        return Ran::Ready;
    };
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let core = header.table().core();
    if core.pids.of(cell) != Some(node.target) {
        fail(signal, core, node.target, &ExitReason::NoProcess);
        return Ran::Ready;
    }
    // SAFETY: owner, and no handler is suspended while mail is handled.
    match unsafe { receive(cell, node.target, signal) } {
        Received::Nothing => Ran::Ready,
        Received::End(reason) => {
            header.end_now(reason);
            Ran::Ready
        }
        Received::Deliver(exit) => {
            let deliver = header.side_or_new().relations().deliver;
            // SAFETY: owner, in the phase in which mail is handled; set for an actor of this type.
            deliver.map_or(Ran::Ready, |deliver| unsafe { deliver(cell, exit, worker) })
        }
    }
}

unsafe fn drop_signal(node: NonNull<Node>, reason: &ExitReason) {
    // SAFETY: S4.
    let node = unsafe { Box::from_raw(node.cast::<SignalNode>().as_ptr()) };
    if let Some(signal) = node.signal {
        // SAFETY: S1: the core outlives the cell in whose mail this node waited.
        fail(signal, unsafe { node.core.as_ref() }, node.target, reason);
    }
}

/// The signal nodes in the mail, in order. Owner only.
///
/// What waits in the word is taken over first: whoever declares the actor dead may take it, too. It
/// stays counted, so that looking often does not lift the bound.
fn waiting(header: &Header) -> Vec<NonNull<SignalNode>> {
    let mut found = Vec::new();
    let mut link: *mut *mut Node = header.local.as_ptr();
    let mut newer = Some(header.word.take_counted());
    // SAFETY: `local` and the nodes are the owner's (S4); `link` always points at the pointer to
    // the node under inspection.
    unsafe {
        loop {
            while let Some(node) = NonNull::new(*link) {
                if std::ptr::eq(node.as_ref().operations, &raw const OPERATIONS) {
                    found.push(node.cast());
                }
                link = &raw mut (*node.as_ptr()).next;
            }
            match newer.take() {
                Some(newest) => *link = reverse(newest),
                None => return found,
            }
        }
    }
}

/// Whether this is a signal that has been looked at. The caller owns the node (S4).
pub(crate) fn is_spent(node: NonNull<Node>) -> bool {
    // SAFETY: S4, and only signal nodes have these operations.
    unsafe {
        std::ptr::eq(node.as_ref().operations, &raw const OPERATIONS)
            && node.cast::<SignalNode>().as_ref().signal.is_none()
    }
}

/// How many messages wait, those not counted against the bound and those in the batch included;
/// signals are none, nor are the tokens that stand for the messages of a ring. Owner only.
pub(crate) fn messages_waiting(header: &Header) -> usize {
    waiting(header);
    let first = NonNull::new(header.local.get());
    // SAFETY: the mail has just been taken over and is ours (S4).
    let next = |node: &NonNull<Node>| NonNull::new(unsafe { node.as_ref() }.next);
    let all = std::iter::successors(first, next);
    // SAFETY: as above, ours (S4).
    let operations = |node: NonNull<Node>| unsafe { node.as_ref() }.operations;
    let is_message = |operations: &'static Operations| {
        !std::ptr::eq(operations, &raw const OPERATIONS) && !ring::is_token(operations)
    };
    let here = all.filter(|node| is_message(operations(*node))).count();
    let table = header.table();
    here + table.core().rings.length(header)
}

/// Looks for exits ahead of the messages before them. `Some`: the incarnation ends with it.
///
/// # Safety
/// Owner only, while an incarnation lives.
pub(crate) unsafe fn look(cell: NonNull<Header>) -> Option<ExitReason> {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let me = header.table().core().pids.of(cell)?;
    let traps = header.signals.load(Relaxed) & TRAPS != 0;
    let awaits = header.side().is_some_and(|side| !side.future.is_null());
    let has_state = header.phase.get() == Phase::Running && !awaits;
    for mut node in waiting(header) {
        // SAFETY: the node is in our mail and ours (S4); nobody else looks at it.
        let node = unsafe { node.as_mut() };
        let acts = match &node.signal {
            Some(Signal::Exit(exit)) => exit.is_kill() || !traps && !exit.trapped,
            Some(Signal::Link { .. } | Signal::Unlink { .. } | Signal::Unlinked { .. }) => !traps,
            Some(Signal::Ask(ask)) => has_state || !ask.needs_state(),
            _ => false,
        };
        if !acts || node.target != me {
            continue;
        }
        if let Some(signal) = node.signal.take()
            // SAFETY: owner; what needs the state waits while a handler has it.
            && let Received::End(reason) = unsafe { receive(cell, me, signal) }
        {
            return Some(reason);
        }
    }
    None
}

/// Answers what was asked of an incarnation that is over.
///
/// # Safety
/// Owner only.
pub(crate) unsafe fn fail_past(cell: NonNull<Header>, reason: &ExitReason) {
    // SAFETY: S2, we own the cell.
    let header = unsafe { cell.as_ref() };
    let now = header.table().core().pids.of(cell);
    for mut node in waiting(header) {
        // SAFETY: the node is in our mail and ours (S4); nobody else looks at it.
        let node = unsafe { node.as_mut() };
        if Some(node.target) != now
            && let Some(signal) = node.signal.take()
        {
            fail(signal, header.table().core(), node.target, reason);
        }
    }
}

/// Stands for the type of the node that stops an actor.
pub(crate) struct StopNode;

/// Stops the actor behind the mail that was sent before.
pub(crate) fn allocate_stop() -> NonNull<Node> {
    static OPERATIONS: Operations = Operations {
        run: run_stop,
        drop: drop_stop,
        name: || "stop",
        of_incarnation: true,
        node_type: TypeId::of::<StopNode>,
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

#[cfg(all(test, loom))]
#[path = "signal_models.rs"]
mod models;
