//! An actor that does what a test tells it, and tells the test what came.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by test files of which each uses a part"
)]

use std::future::{Future, pending};
use std::sync::mpsc;
use std::time::Duration;
use vaxel_runtime::{
    Actor, ActorRef, ChildExit, Context, Down, ExitReason, Handler, Message, Pid, System,
    TrappedExit,
};

/// Runs a future on the system and blocks until it is done; names what was awaited when it hangs.
pub fn run<T: Send + 'static>(
    system: &System,
    what: &str,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    let (done, result) = mpsc::sync_channel(1);
    let join = system.spawn_future(async move { done.send(future.await) });
    let result = result.recv_timeout(Duration::from_secs(20));
    drop(join);
    result.unwrap_or_else(|_| panic!("no result of: {what}"))
}

pub fn system() -> System {
    System::builder().workers(2).build()
}

/// What came to a peer, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    Note(u32),
    Exit(Pid, ExitReason),
    Down(Pid, ExitReason),
    Child(ExitReason),
    Terminated(ExitReason),
}

pub struct Peer {
    log: mpsc::SyncSender<Came>,
}

impl Peer {
    fn came(&self, what: Came) {
        // The test may have seen enough.
        let _ = self.log.try_send(what);
    }
}

impl Actor for Peer {
    type Args = mpsc::SyncSender<Came>;

    async fn init(log: Self::Args, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Self { log })
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<Self>) {
        self.came(Came::Terminated(reason.clone()));
    }
}

/// Runs in the peer.
pub struct Do<R>(pub Act<R>);

pub type Act<R> = Box<dyn FnOnce(&mut Context<Peer>) -> R + Send>;

impl<R: Send + 'static> Message for Do<R> {
    type Reply = R;
}

impl<R: Send + 'static> Handler<Do<R>> for Peer {
    async fn handle(&mut self, Do(act): Do<R>, cx: &mut Context<Self>) -> R {
        act(cx)
    }
}

/// Never answered: the handler is suspended once it has said so.
pub struct Never(pub mpsc::SyncSender<()>);

impl Message for Never {
    type Reply = ();
}

impl Handler<Never> for Peer {
    async fn handle(&mut self, Never(suspended): Never, _: &mut Context<Self>) {
        let _ = suspended.send(());
        pending::<()>().await;
    }
}

/// Keeps a worker until the other end is dropped.
pub struct Busy(pub mpsc::SyncSender<()>, pub mpsc::Receiver<()>);

impl Message for Busy {
    type Reply = ();
}

impl Handler<Busy> for Peer {
    async fn handle(&mut self, Busy(begun, end): Busy, _: &mut Context<Self>) {
        let _ = begun.send(());
        let _ = end.recv();
    }
}

pub struct Note(pub u32);

impl Message for Note {
    type Reply = ();
}

impl Handler<Note> for Peer {
    async fn handle(&mut self, Note(number): Note, _: &mut Context<Self>) {
        self.came(Came::Note(number));
    }
}

impl Handler<TrappedExit> for Peer {
    async fn handle(&mut self, exit: TrappedExit, _: &mut Context<Self>) {
        self.came(Came::Exit(exit.from, exit.reason));
    }
}

impl Handler<Down> for Peer {
    async fn handle(&mut self, down: Down, _: &mut Context<Self>) {
        self.came(Came::Down(down.pid, down.reason));
    }
}

impl Handler<ChildExit> for Peer {
    async fn handle(&mut self, exit: ChildExit, _: &mut Context<Self>) {
        self.came(Came::Child(exit.reason));
    }
}

/// A peer and what came to it.
pub struct Seat {
    pub system: System,
    pub actor: ActorRef<Peer>,
    pub pid: Pid,
    log: mpsc::Receiver<Came>,
}

impl Seat {
    pub fn new(system: &System) -> Self {
        let (log, seen) = mpsc::sync_channel(1024);
        let actor = system.spawn::<Peer>(log);
        Self {
            system: system.clone(),
            pid: actor.pid(),
            actor,
            log: seen,
        }
    }

    pub fn trapping(system: &System) -> Self {
        let seat = Self::new(system);
        seat.act(|cx| assert!(!cx.trap_exits(true)));
        seat
    }

    /// Runs this in the actor and waits for it. What was sent to the actor before has been handled
    /// then.
    pub fn act<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Context<Peer>) -> R + Send + 'static,
    ) -> R {
        let call = self.actor.call(Do(Box::new(act)));
        run(&self.system, "what the peer was told to do", call).expect("the peer lives")
    }

    /// Sends this without waiting.
    pub fn tell(&self, act: impl FnOnce(&mut Context<Peer>) + Send + 'static) {
        let told = self.actor.cast(Do(Box::new(act)));
        told.expect("the peer lives and has room");
    }

    /// Suspends the actor for ever, in an await.
    pub fn suspend(&self) {
        let (suspended, seen) = mpsc::sync_channel(1);
        self.actor.cast(Never(suspended)).expect("room");
        seen.recv_timeout(Duration::from_secs(20))
            .expect("the handler begins");
    }

    /// Keeps the actor on its worker until what is returned is dropped.
    pub fn busy(&self) -> mpsc::SyncSender<()> {
        let (begun, seen) = mpsc::sync_channel(1);
        let (end, wait) = mpsc::sync_channel(1);
        self.actor.cast(Busy(begun, wait)).expect("room");
        seen.recv_timeout(Duration::from_secs(20))
            .expect("the handler begins");
        end
    }

    pub fn link(&self, other: &Self) -> Pid {
        let other = other.actor.clone();
        self.act(move |cx| cx.link(&other))
    }

    pub fn unlink(&self, other: Pid) {
        self.act(move |cx| cx.unlink(&other));
    }

    /// Ends the actor with a reason and waits until it has.
    pub fn end(&self, reason: ExitReason) {
        let exit = self.actor.exit();
        let stops = reason.clone();
        self.tell(move |cx| cx.stop_with(stops));
        assert_eq!(run(&self.system, "the end of a peer", exit), reason);
    }

    /// The next thing that came.
    pub fn next(&self) -> Came {
        self.log
            .recv_timeout(Duration::from_secs(20))
            .expect("nothing came to the peer in time")
    }

    /// Everything that came so far; the actor must live.
    pub fn all(&self) -> Vec<Came> {
        self.act(|_| ());
        self.log.try_iter().collect()
    }

    /// What came to an actor that has ended.
    pub fn rest(&self) -> Vec<Came> {
        self.log.try_iter().collect()
    }

    pub fn exit(&self) -> ExitReason {
        run(&self.system, "the end of a peer", self.actor.exit())
    }
}

pub fn fault() -> ExitReason {
    ExitReason::error("a fault")
}
