//! Children: what a supervisor is built from.
//!
//! A child is an actor that does not end by itself. When its incarnation is over its cell becomes
//! *vacant*: the address and the mail stay, the state is gone, and the parent gets a [`ChildExit`].
//! The parent then starts it again in place or closes it. While nobody decides, mail waits up to
//! the bound.

mod started;

use crate::cell::end::{declare_dead, request_restart};
use crate::cell::supervision::{OfCell, supervise};
use crate::cell::word::Released;
use crate::cell::{self, CLOSE, Counted, KILL, Phase, SHUTDOWN};
use crate::exit_watch::Exit;
use crate::worker::Worker;
use crate::{Actor, ActorRef, AnyRef, ExitReason, Message, Pid, Recipient, System};
pub(crate) use started::StartSlot;
use std::future::Future;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::task::{Context, Poll};

/// Tells a parent that an incarnation of a child is over. Exempt from the bound of its mailbox.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ChildExit {
    /// What the parent called the child.
    pub tag: u64,
    /// The incarnation that ended.
    pub pid: Pid,
    /// Why.
    pub reason: ExitReason,
}

impl Message for ChildExit {
    type Reply = ();
}

/// The parent's hold on a child. Dropping it shuts the child down and closes it: children do not
/// outlive their parent.
pub struct Child {
    actor: AnyRef,
}

impl std::fmt::Debug for Child {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Child({:?})", self.actor)
    }
}

impl System {
    /// Spawns a child of `parent`. Its `init` runs on a worker with fresh arguments, now and at
    /// each restart; [`Child::started`] tells how that went. The parent is known by its pid and not
    /// kept alive; when it is over, the child ends as any other actor.
    pub fn spawn_child<A: Actor>(
        &self,
        args: impl Fn() -> A::Args + Send + 'static,
        parent: &Recipient<ChildExit>,
        tag: u64,
    ) -> (Child, ActorRef<A>) {
        let (child, actor) = self.allocate_child(args, parent, tag);
        let counted = child.counted();
        counted.header().signals.fetch_or(cell::RESTART, Relaxed);
        crate::worker::schedule(counted.cell());
        (child, actor)
    }

    /// As [`spawn_child`](Self::spawn_child), but nothing runs before [`Child::start`]: until then
    /// the child can be given a name, and its [`pid`](Child::pid) is that of its first incarnation.
    pub fn prepare_child<A: Actor>(
        &self,
        args: impl Fn() -> A::Args + Send + 'static,
        parent: &Recipient<ChildExit>,
        tag: u64,
    ) -> (Child, ActorRef<A>) {
        let (child, actor) = self.allocate_child(args, parent, tag);
        if child.counted().header().word.suspend() == Released::Again {
            crate::worker::schedule(child.counted().cell());
        }
        (child, actor)
    }

    /// A vacant cell that the caller owns (SCHED).
    fn allocate_child<A: Actor>(
        &self,
        args: impl Fn() -> A::Args + Send + 'static,
        parent: &Recipient<ChildExit>,
        tag: u64,
    ) -> (Child, ActorRef<A>) {
        let core = self.core();
        let cell = crate::worker::with_current(NonNull::from(core), |worker| {
            let table = worker.map_or_else(|| core.table::<A>(), Worker::table::<A>);
            cell::allocate::<A>(table, worker, Phase::Vacant)
        });
        let told = parent.counted().header().table();
        told.child_exit.get_or_init(|| parent.exempt());
        // SAFETY: the first reference; the cell is ours (SCHED) until the caller gives it up, and
        // one of `A`'s.
        let (counted, actor) = unsafe {
            let counted = Counted::adopt(cell);
            supervise::<A, _>(cell, args, parent.pid(), tag);
            (counted.clone(), ActorRef::from_counted(counted))
        };
        let child = Child {
            actor: AnyRef::from_counted(counted),
        };
        (child, actor)
    }
}

impl Child {
    fn counted(&self) -> &Counted {
        self.actor.counted()
    }

    fn supervision(&self) -> OfCell<'_> {
        // SAFETY: the cell was made a child before there was a `Child`.
        unsafe { OfCell::child(self.counted().header()) }
    }

    /// What the parent called the child.
    pub fn tag(&self) -> u64 {
        self.supervision().tag()
    }

    /// Starts a new incarnation in place of the one that is over: same address, same mail, new pid.
    /// Does nothing while an incarnation lives. Call it once per [`ChildExit`].
    pub fn restart(&self) {
        self.supervision().started().reset();
        let core = self.counted().header().table().core();
        core.restarts.fetch_add(1, Relaxed);
        request_restart(self.counted());
    }

    /// The pid that the next incarnation will have, told before it is started: to be asked for when
    /// there is none, by who will start it.
    pub fn next_pid(&self) -> Pid {
        let header = self.counted().header();
        // From here on the cell is one that has been prepared. Only the parent starts a child, so
        // nobody else is told this pid of an incarnation that never comes.
        header.signals.fetch_and(!cell::VACANT, AcqRel);
        header.table().core().pids.ensure(self.counted().cell())
    }

    /// Starts the first incarnation of a [prepared](System::prepare_child) child. Call it once.
    pub fn start(&self) {
        request_restart(self.counted());
    }

    /// Fails the mail that waits for an incarnation that is over, with the reason of its end; what
    /// is sent later waits for the next one. Does nothing while an incarnation lives.
    pub fn fail_mail(&self) {
        self.counted().signal(cell::FAIL_MAIL);
    }

    /// Resolves when the `init` of the newest incarnation is done, with the reason if it failed.
    pub fn started(&self) -> Started {
        Started(self.counted().clone())
    }

    /// As [`ActorRef::shutdown`](crate::ActorRef::shutdown): the parent gets a [`ChildExit`].
    pub fn shutdown(&self) {
        self.counted().signal(SHUTDOWN);
    }

    /// As [`ActorRef::kill`](crate::ActorRef::kill): the parent gets a [`ChildExit`].
    pub fn kill(&self) {
        self.counted().signal(KILL);
    }

    /// Resolves when the current incarnation ends.
    pub fn exit(&self) -> Exit {
        self.actor.exit()
    }

    /// Resolves when the incarnation of that pid is over, with [`ExitReason::NoProcess`] if it was
    /// over before. Unlike [`exit`](Self::exit) it never waits for a later incarnation.
    pub fn exit_of(&self, pid: Pid) -> Exit {
        crate::reference::exit_of(self.counted(), pid)
    }

    /// The pid of the current incarnation, [`Pid::NONE`] between its end and the restart.
    pub fn pid(&self) -> Pid {
        self.actor.pid()
    }

    /// The actor.
    pub fn actor(&self) -> &AnyRef {
        &self.actor
    }

    /// Gives up on a child that was killed and does not end, because its handler does not return:
    /// it is declared dead. From now on nothing can be sent to it, its names are free, and the mail
    /// that waits fails. Its thread and its state are gone only when the handler returns; its
    /// monitors hear of its end then, and so do calls in the batch it had already taken.
    pub fn abandon(self) {
        declare_dead(self.counted());
    }

    /// As [`close`](Self::close), and the child stays at hand.
    pub fn begin_close(&self) {
        self.counted().signal(SHUTDOWN | CLOSE);
    }

    /// Ends the child for good: at once if it is vacant, else after a shutdown. The mail that waits
    /// fails with the reason of its end. The same as dropping.
    pub fn close(self) {}
}

impl Drop for Child {
    fn drop(&mut self) {
        self.counted().signal(SHUTDOWN | CLOSE);
    }
}

/// Resolves with how a start went. Cancel-safe.
#[must_use = "futures do nothing unless polled"]
pub struct Started(Counted);

impl Future for Started {
    type Output = Result<(), ExitReason>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: made by `Child::started`, so the cell is a child.
        unsafe { OfCell::child(self.0.header()) }.started().poll(cx)
    }
}
