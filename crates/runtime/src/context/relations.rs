//! Monitors, links and exits, from inside an actor.

use super::Context;
use crate::cell::future::{Ran, drive};
use crate::cell::node::{Discard, Node, Operations, state_of};
use crate::cell::relations::{Link, Linking, Relations, Watcher};
use crate::cell::signal::{self, Signal};
use crate::cell::{Counted, Header, TRAPS};
use crate::reference::Target;
use crate::reference::sealed::{Home, Whom};
use crate::sync::fault;
use crate::system::core::Core;
use crate::system::spawn_with;
use crate::worker::Worker;
use crate::{Actor, ActorRef, Down, ExitReason, Handler, MonitorRef, Pid, TrappedExit};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::AcqRel;

impl<A: Actor> Context<A> {
    fn core(&self) -> &Core {
        self.header().table().core()
    }

    fn home(&self) -> Home {
        Home(self.header().table().core)
    }

    fn relations(&mut self) -> &mut Relations {
        self.header().side_or_new().relations()
    }

    /// Asks to be told, by exactly one [`Down`], when that incarnation ends; at once, with
    /// [`ExitReason::NoProcess`], if it has. The request keeps the order of this actor's other
    /// messages to it. A monitor belongs to this incarnation and ends with it.
    ///
    /// ```
    /// use vaxel_runtime::{Actor, AnyRef, Context, Down, ExitReason, Handler, System};
    ///
    /// /// Says who has ended.
    /// struct Watcher(std::sync::mpsc::SyncSender<ExitReason>);
    ///
    /// impl Actor for Watcher {
    ///     type Args = (AnyRef, std::sync::mpsc::SyncSender<ExitReason>);
    ///     async fn init(
    ///         (other, tell): Self::Args,
    ///         cx: &mut Context<Self>,
    ///     ) -> Result<Self, ExitReason> {
    ///         cx.monitor(&other);
    ///         Ok(Watcher(tell))
    ///     }
    /// }
    /// impl Handler<Down> for Watcher {
    ///     async fn handle(&mut self, down: Down, _: &mut Context<Self>) {
    ///         self.0.send(down.reason).expect("somebody reads");
    ///     }
    /// }
    /// # struct Other;
    /// # impl Actor for Other {
    /// #     type Args = ();
    /// #     async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> { Ok(Other) }
    /// # }
    ///
    /// let system = System::builder().workers(1).build();
    /// let other = system.spawn::<Other>(());
    /// let (tell, told) = std::sync::mpsc::sync_channel(1);
    /// let watcher = system.spawn::<Watcher>((other.erase(), tell));
    /// other.kill();
    /// // `Killed`, or `NoProcess` if it was gone before the watcher began.
    /// assert!(told.recv().unwrap().is_abnormal());
    /// # drop(watcher);
    /// # system.shutdown();
    /// ```
    ///
    /// # Panics
    /// If `target` lives in another system.
    pub fn monitor(&mut self, target: &impl Target) -> MonitorRef
    where
        A: Handler<Down>,
    {
        let Whom { found, pid: target } = target.whom(self.home());
        let (monitor, watcher) = self.new_monitor(target);
        let core = self.core();
        match found {
            Some(found) => signal::send(&found, target, Signal::Watch(monitor, watcher)),
            None => watcher.tell(core, monitor, target, &ExitReason::NoProcess),
        }
        monitor
    }

    fn new_monitor(&mut self, target: Pid) -> (MonitorRef, Watcher)
    where
        A: Handler<Down>,
    {
        let (monitor, pid) = (self.core().next_id(), self.pid());
        self.relations().monitors.insert(monitor, target);
        let tell = cast_exempt_down::<A>;
        (monitor, Watcher::Actor { pid, tell })
    }

    /// Takes a monitor back: no [`Down`] of it is handled from now on, also if one waits in the
    /// mailbox. True when none had been.
    pub fn demonitor(&mut self, monitor: MonitorRef) -> bool {
        let Some(target) = self.relations().monitors.remove(monitor) else {
            return false;
        };
        signal::send_to(self.core(), target, Signal::Unwatch(monitor));
        true
    }

    /// Links this actor and that incarnation: when one of them ends, the other gets an exit signal
    /// with the reason, exactly once. At once, with [`ExitReason::NoProcess`], if it has ended
    /// before. Two actors have at most one link, and nobody is linked to itself. A link belongs to
    /// both incarnations: a restart ends it.
    ///
    /// What an exit signal does is told at [`trap_exits`](Self::trap_exits). The pid returned is
    /// the incarnation linked to, [`Pid::NONE`] if it has ended; [`unlink`](Self::unlink) takes it.
    ///
    /// # Panics
    /// If `target` lives in another system.
    pub fn link(&mut self, target: &impl Target) -> Pid {
        let Whom { found, pid: target } = target.whom(self.home());
        let me = self.pid();
        if target == me {
            return me;
        }
        let linking = self.relations().links.link(target, found.is_some());
        match (linking, found) {
            (Linking::Send, Some(found)) => {
                signal::send(&found, target, Signal::Link { from: me });
            }
            (Linking::NoProcess, _) => self.no_process(target),
            _ => {}
        }
        target
    }

    /// The other end of a link had ended before.
    fn no_process(&self, target: Pid) {
        signal::send_exit(
            &self.counted(),
            self.pid(),
            target,
            ExitReason::NoProcess,
            true,
        );
    }

    /// Takes a link back, from both ends: no exit of it is handled from now on, also if one waits
    /// in the mailbox. A reference means the current incarnation; for an earlier one, whose exit
    /// may still wait, there is the pid that [`link`](Self::link) returned.
    ///
    /// # Panics
    /// If `target` lives in another system.
    pub fn unlink(&mut self, target: &impl Target) {
        let Whom { found, pid: target } = target.whom(self.home());
        let (me, MonitorRef(id)) = (self.pid(), self.core().next_id());
        if self.relations().links.unlink(target, id, found.is_some())
            && let Some(found) = found
        {
            signal::send(&found, target, Signal::Unlink { from: me, id });
        }
    }

    /// The pids this actor is linked to, in no order. In `init`, before its first await, that is
    /// who spawned it by [`spawn_link`](Self::spawn_link), if anybody did.
    pub fn links(&self) -> Vec<Pid> {
        let relations = self
            .header()
            .side()
            .and_then(|side| side.relations.as_ref());
        relations.map_or_else(Vec::new, |relations| relations.links.linked().collect())
    }

    /// Spawns an actor that is linked to this one before its `init` begins.
    pub fn spawn_link<B: Actor>(&mut self, args: B::Args) -> ActorRef<B> {
        let (core, me, mine) = (self.header().table().core, self.pid(), self.cell);
        spawn_with(core, args, |cell| {
            // SAFETY: we are inside a poll of our own cell, and the new one is not shared yet (S2).
            let (mine, new) = unsafe { (mine.as_ref(), cell.as_ref()) };
            let pid = new.table().core().pids.ensure(cell);
            let linked = Link::Linked { exits: 1 };
            mine.side_or_new().relations().links.set(pid, linked);
            new.side_or_new().relations().links.set(me, linked);
        })
    }

    /// Spawns an actor that is monitored by this one before its `init` begins.
    pub fn spawn_monitor<B: Actor>(&mut self, args: B::Args) -> (ActorRef<B>, MonitorRef)
    where
        A: Handler<Down>,
    {
        let mut set = None;
        let core = self.header().table().core;
        let actor = spawn_with(core, args, |cell| {
            // SAFETY: the new cell is not shared yet (S2).
            let new = unsafe { cell.as_ref() };
            let pid = new.table().core().pids.ensure(cell);
            let (monitor, watcher) = self.new_monitor(pid);
            new.side_or_new().relations().watchers.add(monitor, watcher);
            set = Some(monitor);
        });
        let monitor = set.unwrap_or_else(|| unreachable!("a cell is made ready once"));
        (actor, monitor)
    }

    /// Whether this incarnation gets exit signals as messages. Returns what it was; false at the
    /// beginning.
    ///
    /// An exit signal comes from a link or from [`exit`](Self::exit). To an actor that does not
    /// trap, `Normal` means nothing, and any other reason ends it at once with that reason, also in
    /// the middle of an await and without `terminate`. An actor that traps gets a [`TrappedExit`]
    /// in the order in which its sender sent messages. A `Kill` that was sent cannot be trapped;
    /// one over a link, of an actor that stopped itself with it, can.
    ///
    /// ```
    /// use vaxel_runtime::{Actor, Context, ExitReason, Handler, System, TrappedExit};
    ///
    /// /// Works for who has spawned it, and may fail.
    /// struct Helper;
    /// impl Actor for Helper {
    ///     type Args = ();
    ///     async fn init((): (), cx: &mut Context<Self>) -> Result<Self, ExitReason> {
    ///         Err(ExitReason::error("out of paper"))
    ///     }
    /// }
    ///
    /// /// Goes on without its helper.
    /// struct Master(std::sync::mpsc::SyncSender<ExitReason>);
    /// impl Actor for Master {
    ///     type Args = std::sync::mpsc::SyncSender<ExitReason>;
    ///     async fn init(tell: Self::Args, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
    ///         cx.trap_exits(true);
    ///         cx.spawn_link::<Helper>(());
    ///         Ok(Master(tell))
    ///     }
    /// }
    /// impl Handler<TrappedExit> for Master {
    ///     async fn handle(&mut self, exit: TrappedExit, _: &mut Context<Self>) {
    ///         self.0.send(exit.reason).expect("somebody reads");
    ///     }
    /// }
    ///
    /// let system = System::builder().workers(1).build();
    /// let (tell, told) = std::sync::mpsc::sync_channel(1);
    /// let master = system.spawn::<Master>(tell);
    /// assert_eq!(told.recv().unwrap(), ExitReason::error("out of paper"));
    /// assert!(master.is_alive());
    /// # system.shutdown();
    /// ```
    pub fn trap_exits(&mut self, trap: bool) -> bool
    where
        A: Handler<TrappedExit>,
    {
        self.relations().deliver = Some(run_exit::<A>);
        let signals = &self.header().signals;
        let before = if trap {
            signals.fetch_or(TRAPS, AcqRel)
        } else {
            signals.fetch_and(!TRAPS, AcqRel)
        };
        before & TRAPS != 0
    }

    /// Sends an exit signal, as OTP's `exit/2` does; see [`trap_exits`](Self::trap_exits). Sent to
    /// itself, `Normal` counts too, and the actor ends at its next await or when its handler
    /// returns.
    ///
    /// # Panics
    /// If `target` lives in another system.
    pub fn exit(&mut self, target: &impl Target, reason: ExitReason) {
        let Whom { found, pid: target } = target.whom(self.home());
        if let Some(to) = found {
            signal::send_exit(&to, target, self.pid(), reason, false);
        }
    }
}

/// Handles a trapped exit.
unsafe fn run_exit<A: Handler<TrappedExit>>(
    cell: NonNull<Header>,
    exit: TrappedExit,
    worker: &Worker,
) -> Ran {
    // SAFETY: owner, phase Running.
    unsafe {
        drive::<A, _, _>(cell, worker, Discard::of::<TrappedExit>(), |cell, cx| {
            A::handle(state_of(cell), exit, cx)
        })
    }
}

/// Delivers a down: counted against nothing, handled only while its monitor is set.
fn cast_exempt_down<A: Handler<Down>>(to: &Counted, down: Down) {
    let node = DownNode::allocate::<A>(down);
    if !to.push_exempt(node) {
        // SAFETY: a refused node stays ours.
        unsafe { (node.as_ref().operations.drop)(node, &ExitReason::NoProcess) };
    }
}

#[repr(C)]
struct DownNode {
    node: Node,
    down: Down,
}

struct DownOperations<A>(PhantomData<fn(A)>);

impl<A: Handler<Down>> DownOperations<A> {
    const OPERATIONS: &'static Operations = &Operations {
        run: run_down::<A>,
        drop: drop_down,
        name: std::any::type_name::<Down>,
        of_incarnation: true,
        node_type: std::any::TypeId::of::<DownNode>,
    };
}

impl DownNode {
    fn allocate<A: Handler<Down>>(down: Down) -> NonNull<Node> {
        let node = Node::new(DownOperations::<A>::OPERATIONS);
        NonNull::from(Box::leak(Box::new(Self { node, down }))).cast()
    }
}

unsafe fn run_down<A: Handler<Down>>(
    cell: NonNull<Header>,
    node: NonNull<Node>,
    worker: &Worker,
) -> Ran {
    // SAFETY: S4.
    let down = unsafe { Box::from_raw(node.cast::<DownNode>().as_ptr()) }.down;
    // SAFETY: S2, we own the cell.
    let side = unsafe { cell.as_ref() }.side();
    let relations = side.and_then(|side| side.relations.as_mut());
    let wanted = relations.and_then(|relations| relations.monitors.remove(down.monitor));
    if wanted.is_none() && !fault::planted("an end is told twice") {
        return Ran::Ready;
    }
    // SAFETY: owner, phase Running.
    unsafe {
        drive::<A, _, _>(cell, worker, Discard::of::<Down>(), |cell, cx| {
            A::handle(state_of(cell), down, cx)
        })
    }
}

unsafe fn drop_down(node: NonNull<Node>, _reason: &ExitReason) {
    // SAFETY: S4.
    drop(unsafe { Box::from_raw(node.cast::<DownNode>().as_ptr()) });
}
