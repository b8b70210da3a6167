//! A child that writes down its life, and ways to look at its supervisor.

#![allow(dead_code)]

use tokio::sync::{mpsc, oneshot};
use vaxel_actor::prelude::*;
use vaxel_actor::supervisor::{AnySupervisor, ChildChange, ChildEvent, ChildInfo};
use vaxel_actor::{Message, Pid};

use super::{Log, Pen, soon};

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Init(&'static str),
    Terminate(&'static str),
    Dropped(&'static str),
}

pub(crate) use Line::{Dropped, Init, Terminate};

#[derive(Message)]
#[message(crate = vaxel_actor)]
pub(crate) struct Minute;

/// Writes down its life.
pub(crate) struct Worker {
    name: &'static str,
    pen: Pen<Line>,
    handled: u32,
}

#[actor(crate = vaxel_actor)]
impl Worker {
    pub(crate) fn init(name: &'static str, pen: Pen<Line>) -> Result<Self, String> {
        let _ = pen.send(Init(name));
        if name.starts_with("bad") {
            return Err("no disk".to_owned());
        }
        Ok(Worker {
            name,
            pen,
            handled: 0,
        })
    }

    #[call]
    pub(crate) fn count(&mut self) -> u32 {
        self.handled += 1;
        self.handled
    }

    #[call]
    pub(crate) fn pid(&mut self, cx: &mut Context<Self>) -> Pid {
        cx.pid()
    }

    #[cast]
    pub(crate) fn crash(&mut self) {
        panic!("asked to crash");
    }

    /// A message to itself after a minute, which leaves a line.
    #[call]
    pub(crate) fn set_timer(&mut self, cx: &mut Context<Self>) {
        cx.send_after(secs(60), Minute);
    }

    #[info]
    pub(crate) fn minute(&mut self, _: Minute) {
        self.handled += 100;
    }

    #[cast]
    pub(crate) fn leave(&mut self, cx: &mut Context<Self>) {
        cx.stop();
    }

    /// Says when it has begun, waits until it is let go, and crashes.
    #[cast]
    pub(crate) async fn crash_later(
        &mut self,
        begun: oneshot::Sender<()>,
        go: oneshot::Receiver<()>,
    ) {
        let _ = begun.send(());
        let _ = go.await;
        panic!("asked to crash");
    }

    async fn terminate(&mut self) {
        let _ = self.pen.send(Terminate(self.name));
        if self.name.starts_with("stubborn") {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.pen.send(Dropped(self.name));
    }
}

pub(crate) fn lines(log: &Log<Line>, count: usize) -> Vec<Line> {
    (0..count).map(|_| log.next("a line of the log")).collect()
}

pub(crate) async fn child_named(
    supervisor: &(impl Into<AnySupervisor> + Clone),
    name: &str,
) -> ChildInfo {
    let supervisor: AnySupervisor = supervisor.clone().into();
    let children = soon("the children", supervisor.which_children())
        .await
        .expect("it answers");
    let found = children
        .into_iter()
        .find(|child| child.name.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("no child {name}"))
}

/// Everything that happens among the children from now on.
pub(crate) async fn changes(
    supervisor: &(impl Into<AnySupervisor> + Clone),
) -> mpsc::Receiver<ChildEvent> {
    let supervisor: AnySupervisor = supervisor.clone().into();
    let (changes, seen) = mpsc::channel(64);
    let ear = Ear::spawn(changes).recipient();
    assert_eq!(
        soon("the subscription", supervisor.subscribe(ear)).await,
        Ok(true)
    );
    seen
}

/// Waits until the supervisor has let a child go.
pub(crate) async fn ended(changes: &mut mpsc::Receiver<ChildEvent>) -> ExitReason {
    loop {
        let event = soon("the end of a child", changes.recv())
            .await
            .expect("the ear lives");
        if let ChildChange::Ended { reason, .. } = event.change {
            return reason;
        }
    }
}

pub(crate) fn worker(name: &'static str, pen: &Pen<Line>) -> ChildSpec<Worker> {
    Worker::child(name, pen.clone()).name(name)
}

/// Passes on what it hears.
pub(crate) struct Ear(mpsc::Sender<ChildEvent>);

#[actor(crate = vaxel_actor)]
impl Ear {
    pub(crate) fn init(to: mpsc::Sender<ChildEvent>) -> Self {
        Ear(to)
    }

    #[info]
    pub(crate) fn heard(&mut self, event: ChildEvent) {
        let _ = self.0.try_send(event);
    }
}

/// A reference to a child by its name.
pub(crate) fn child(name: &str) -> WorkerRef {
    WorkerRef::whereis(name).unwrap_or_else(|| panic!("nobody is named {name}"))
}
