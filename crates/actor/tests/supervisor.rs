//! What a supervisor promises: order, restarts, intensity, rollback, and a clean end.

mod common;

use common::{Log, Pen, in_system, in_timeless_system, log, soon};
use tokio::sync::{mpsc, oneshot};
use vaxel_actor::prelude::*;
use vaxel_actor::supervisor::{
    ChildChange, ChildEvent, ChildInfo, ChildKind, ChildState, StartChildError,
};
use vaxel_actor::{Message, Pid, StartError};

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Init(&'static str),
    Terminate(&'static str),
    Dropped(&'static str),
}

use Line::{Dropped, Init, Terminate};

#[derive(Message)]
#[message(crate = vaxel_actor)]
struct Minute;

/// Writes down its life.
struct Worker {
    name: &'static str,
    pen: Pen<Line>,
    handled: u32,
}

#[actor(crate = vaxel_actor)]
impl Worker {
    fn init(name: &'static str, pen: Pen<Line>) -> Result<Self, String> {
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
    fn count(&mut self) -> u32 {
        self.handled += 1;
        self.handled
    }

    #[call]
    fn pid(&mut self, cx: &mut Context<Self>) -> Pid {
        cx.pid()
    }

    #[cast]
    fn crash(&mut self) {
        panic!("asked to crash");
    }

    /// A message to itself after a minute, which leaves a line.
    #[call]
    fn set_timer(&mut self, cx: &mut Context<Self>) {
        cx.send_after(secs(60), Minute);
    }

    #[info]
    fn minute(&mut self, _: Minute) {
        self.handled += 100;
    }

    #[cast]
    fn leave(&mut self, cx: &mut Context<Self>) {
        cx.stop();
    }

    /// Says when it has begun, waits until it is let go, and crashes.
    #[cast]
    async fn crash_later(&mut self, begun: oneshot::Sender<()>, go: oneshot::Receiver<()>) {
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

fn lines(log: &Log<Line>, count: usize) -> Vec<Line> {
    (0..count).map(|_| log.next("a line of the log")).collect()
}

async fn child_named(supervisor: &SupervisorRef, name: &str) -> ChildInfo {
    let children = soon("the children", supervisor.which_children())
        .await
        .expect("it answers");
    let found = children
        .into_iter()
        .find(|child| child.name.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("no child {name}"))
}

/// Everything that happens among the children from now on.
async fn changes(supervisor: &SupervisorRef) -> mpsc::Receiver<ChildEvent> {
    let (changes, seen) = mpsc::channel(64);
    let ear = Ear::spawn(changes).recipient();
    assert_eq!(
        soon("the subscription", supervisor.subscribe(ear)).await,
        Ok(true)
    );
    seen
}

/// Waits until the supervisor has let a child go.
async fn ended(changes: &mut mpsc::Receiver<ChildEvent>) -> ExitReason {
    loop {
        let event = soon("the end of a child", changes.recv())
            .await
            .expect("the ear lives");
        if let ChildChange::Ended { reason, .. } = event.change {
            return reason;
        }
    }
}

fn worker(name: &'static str, pen: &Pen<Line>) -> ChildSpec<Worker> {
    Worker::child(name, pen.clone()).name(name)
}

#[test]
fn children_start_left_to_right_and_stop_right_to_left() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one()
            .child(worker("a", &pen))
            .child(worker("b", &pen))
            .child(worker("c", &pen));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        assert_eq!(lines(&log, 3), [Init("a"), Init("b"), Init("c")]);
        let exit = tree.exit();
        tree.shutdown();
        assert_eq!(soon("the end", exit).await, ExitReason::Shutdown);
        let end = [
            Terminate("c"),
            Dropped("c"),
            Terminate("b"),
            Dropped("b"),
            Terminate("a"),
            Dropped("a"),
        ];
        assert_eq!(log.rest(), end);
    });
}

#[test]
fn a_failed_start_names_the_child_and_rolls_back() {
    in_system(|system| async move {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one()
            .child(worker("a", &pen))
            .child(worker("b", &pen))
            .child(worker("bad", &pen))
            .child(worker("d", &pen));
        let error = soon("the failure", tree.start())
            .await
            .expect_err("a child is bad");
        assert_eq!(
            error.to_string(),
            "child `bad` failed to start: error: no disk"
        );
        assert!(matches!(&error, StartError::Child { child, .. } if &**child == "bad"));
        let end = [
            Init("a"),
            Init("b"),
            Init("bad"),
            Terminate("b"),
            Dropped("b"),
            Terminate("a"),
            Dropped("a"),
        ];
        assert_eq!(log.rest(), end, "the last child never started");
        assert!(
            system.whereis::<Worker>("a").is_none(),
            "its name is free again"
        );
    });
}

#[test]
fn a_name_that_is_taken_fails_the_start() {
    in_system(|_| async {
        let (pen, _log) = log();
        let tree = Supervisor::one_for_one()
            .child(worker("a", &pen))
            .child(worker("a", &pen));
        let error = soon("the failure", tree.start())
            .await
            .expect_err("the name is taken");
        let text = "child `a` failed to start: error: the name \"a\" is taken";
        assert_eq!(error.to_string(), text);
    });
}

#[test]
fn a_restarted_child_keeps_address_mail_and_name_but_not_its_pid() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one().child(worker("a", &pen));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        let child = WorkerRef::whereis("a").expect("it has its name");
        let old = soon("a pid", child.pid()).await.expect("it lives");
        assert_eq!(soon("a count", child.count()).await, Ok(1));

        let ((begun, beginning), (go, gate)) = (oneshot::channel(), oneshot::channel());
        child
            .crash_later(begun, gate)
            .expect("the mailbox has room");
        soon("the handler", beginning).await.expect("it began");
        let waiting = [child.count(), child.count()];
        go.send(()).expect("the handler waits");

        let [first, second] = waiting;
        assert_eq!(
            soon("mail that waited", first).await,
            Ok(1),
            "a new state, the old mail"
        );
        assert_eq!(
            soon("mail that waited", second).await,
            Ok(2),
            "in its order"
        );
        let new = soon("a pid", child.pid()).await.expect("it lives again");
        assert_ne!(new, old);
        assert_eq!(WorkerRef::whereis("a"), Some(child));
        let info = child_named(&tree, "a").await;
        assert_eq!(
            (info.restarts, info.state, info.pid),
            (1, ChildState::Running, Some(new))
        );
        assert_eq!(lines(&log, 3), [Init("a"), Dropped("a"), Init("a")]);
    });
}

#[test]
fn policy_and_reason_decide_about_a_restart() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one()
            .max_restarts(100)
            .child(worker("permanent", &pen))
            .child(worker("transient", &pen).transient())
            .child(worker("temporary", &pen).temporary());
        let tree = soon("the start", tree.start()).await.expect("it starts");
        lines(&log, 3);
        let child = |name| WorkerRef::whereis(name).expect("it has its name");

        let mut changes = changes(&tree).await;
        for name in ["permanent", "transient"] {
            child(name).crash().expect("the mailbox has room");
            assert_eq!(lines(&log, 2), [Dropped(name), Init(name)]);
        }
        child("permanent").leave().expect("the mailbox has room");
        let again = [
            Terminate("permanent"),
            Dropped("permanent"),
            Init("permanent"),
        ];
        assert_eq!(lines(&log, 3), again);

        for (name, end) in [("transient", true), ("temporary", false)] {
            let leaving = child(name);
            if end {
                leaving.leave().expect("the mailbox has room");
                assert_eq!(lines(&log, 2), [Terminate(name), Dropped(name)]);
            } else {
                leaving.crash().expect("the mailbox has room");
                assert_eq!(lines(&log, 1), [Dropped(name)]);
            }
            assert_eq!(ended(&mut changes).await.is_abnormal(), !end);
            let info = child_named(&tree, name).await;
            assert_eq!((info.state, info.pid), (ChildState::Stopped, None));
            let refused = soon("the refusal", leaving.count()).await;
            assert!(refused.is_err(), "nobody answers under the old address");
            assert_eq!(WorkerRef::whereis(name), None);
        }
        assert_eq!(child_named(&tree, "permanent").await.restarts, 2);
        let counts = soon("the counts", tree.count_children())
            .await
            .expect("it answers");
        assert_eq!((counts.total, counts.active, counts.restarts), (3, 1, 3));
    });
}

#[test]
fn too_many_restarts_end_the_supervisor_and_all_its_children() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one()
            .like_otp()
            .child(worker("a", &pen))
            .child(worker("b", &pen))
            .child(worker("c", &pen));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        lines(&log, 3);
        let (exit, b) = (
            tree.exit(),
            WorkerRef::whereis("b").expect("it has its name"),
        );
        b.crash().expect("the mailbox has room");
        assert_eq!(lines(&log, 2), [Dropped("b"), Init("b")]);
        b.crash().expect("the mailbox has room");
        assert_eq!(soon("the end", exit).await, ExitReason::Shutdown);
        let end = [
            Dropped("b"),
            Terminate("c"),
            Dropped("c"),
            Terminate("a"),
            Dropped("a"),
        ];
        assert_eq!(log.rest(), end);
    });
}

#[test]
fn restarts_that_are_far_apart_are_forgiven() {
    in_timeless_system(|system| async move {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one()
            .like_otp()
            .child(worker("a", &pen));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        let child = WorkerRef::whereis("a").expect("it has its name");
        for _ in 0..5 {
            child.crash().expect("the mailbox has room");
            assert_eq!(soon("a count", child.count()).await, Ok(1));
            system.advance(secs(6));
        }
        assert_eq!(child_named(&tree, "a").await.restarts, 5);
        drop(log);
    });
}

#[test]
fn a_timer_ends_with_the_incarnation_that_set_it() {
    in_timeless_system(|system| async move {
        let (pen, _log) = log();
        let tree = Supervisor::one_for_one().child(worker("a", &pen));
        soon("the start", tree.start()).await.expect("it starts");
        let child = WorkerRef::whereis("a").expect("it has its name");
        soon("the timer", child.set_timer())
            .await
            .expect("it lives");
        child.crash().expect("the mailbox has room");
        assert_eq!(
            soon("a count", child.count()).await,
            Ok(1),
            "the successor is there"
        );
        system.advance(secs(120));
        assert_eq!(
            soon("a count", child.count()).await,
            Ok(2),
            "no timer of its predecessor"
        );
        soon("the timer", child.set_timer())
            .await
            .expect("it lives");
        system.advance(secs(120));
        assert_eq!(
            soon("a count", child.count()).await,
            Ok(103),
            "its own timer"
        );
    });
}

#[test]
fn a_supervisor_sees_its_supervisor_child_end_with_shutdown() {
    in_system(|_| async {
        let (pen, log) = log();
        let inner = Supervisor::one_for_one()
            .max_restarts(0)
            .child(worker("leaf", &pen));
        let tree = Supervisor::one_for_one().child(inner.into_child().name("inner"));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        let mut seen = changes(&tree).await;

        let before = child_named(&tree, "inner").await;
        assert_eq!(before.kind, ChildKind::Supervisor);
        let inner = before.supervisor.expect("it is a supervisor");
        assert_eq!(child_named(&inner, "leaf").await.kind, ChildKind::Worker);

        WorkerRef::whereis("leaf")
            .expect("it has its name")
            .crash()
            .expect("there is room");
        let event = soon("an event", seen.recv()).await.expect("the ear lives");
        assert_eq!(event.child, before.id);
        assert_eq!(event.name.as_deref(), Some("inner"));
        let ChildChange::Restarted {
            old,
            reason,
            restarts,
        } = event.change
        else {
            panic!("{event:?}")
        };
        assert_eq!(
            (Some(old), reason, restarts),
            (before.pid, ExitReason::Shutdown, 1)
        );
        assert_eq!(
            lines(&log, 3),
            [Init("leaf"), Dropped("leaf"), Init("leaf")]
        );
        assert_eq!(
            SupervisorRef::whereis("inner"),
            Some(inner),
            "the address stays"
        );
    });
}

#[test]
fn a_killed_supervisor_is_started_again_and_its_children_have_their_names() {
    in_system(|_| async {
        let (pen, log) = log();
        let inner = Supervisor::one_for_one().child(worker("leaf", &pen));
        let tree = Supervisor::one_for_one().child(inner.into_child().name("inner"));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        let mut seen = changes(&tree).await;
        let inner = SupervisorRef::whereis("inner").expect("it has its name");
        inner.kill();
        let event = soon("an event", seen.recv()).await.expect("the ear lives");
        assert!(
            matches!(event.change, ChildChange::Restarted { restarts: 1, .. }),
            "{event:?}"
        );
        assert_eq!(child_named(&inner, "leaf").await.state, ChildState::Running);
        let leaf = WorkerRef::whereis("leaf").expect("it has its name again");
        assert_eq!(soon("an answer", leaf.count()).await, Ok(1));
        let counts = soon("the counts", tree.count_children())
            .await
            .expect("it answers");
        assert_eq!(counts.restarts, 1, "the first try succeeded");
        let mut starts = lines(&log, 4);
        starts.retain(|line| matches!(line, Init(_)));
        assert_eq!(starts, [Init("leaf"), Init("leaf")]);
    });
}

/// Passes on what it hears.
struct Ear(mpsc::Sender<ChildEvent>);

#[actor(crate = vaxel_actor)]
impl Ear {
    fn init(to: mpsc::Sender<ChildEvent>) -> Self {
        Ear(to)
    }

    #[info]
    fn heard(&mut self, event: ChildEvent) {
        let _ = self.0.try_send(event);
    }
}

#[test]
fn a_stubborn_child_is_killed_when_its_time_is_up() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one()
            .child(worker("a", &pen))
            .child(worker("stubborn", &pen).shutdown(millis(20)))
            .child(worker("never asked", &pen).shutdown(Shutdown::Kill));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        lines(&log, 3);
        let stubborn = WorkerRef::whereis("stubborn").expect("it has its name");
        let (exit, killed) = (tree.exit(), stubborn.exit());
        tree.shutdown();
        assert_eq!(soon("the kill", killed).await, ExitReason::Killed);
        assert_eq!(soon("the end", exit).await, ExitReason::Shutdown);
        let end = [
            Dropped("never asked"),
            Terminate("stubborn"),
            Dropped("stubborn"),
            Terminate("a"),
            Dropped("a"),
        ];
        assert_eq!(log.rest(), end);
    });
}

#[test]
fn a_supervisor_that_is_killed_takes_its_children_down() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one()
            .child(worker("a", &pen))
            .child(worker("b", &pen));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        let added = Worker::child("added", pen.clone());
        soon("the child", tree.start_child(added))
            .await
            .expect("it starts");
        lines(&log, 3);
        tree.kill();
        let mut end = lines(&log, 6);
        end.sort_by_key(|line| format!("{line:?}"));
        let all = [
            Dropped("a"),
            Dropped("added"),
            Dropped("b"),
            Terminate("a"),
            Terminate("added"),
            Terminate("b"),
        ];
        assert_eq!(end, all);
    });
}

#[test]
fn children_come_and_go_while_it_runs() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = soon("the start", Supervisor::one_for_one().start())
            .await
            .expect("it starts");
        let start = |spec| tree.start_child(spec);
        let mut changes = changes(&tree).await;

        let bad = soon("the failure", start(worker("bad", &pen)))
            .await
            .expect_err("it is bad");
        assert_eq!(bad.to_string(), "the child failed to start: error: no disk");
        assert_eq!(lines(&log, 1), [Init("bad")], "it was not tried again");

        let kept: WorkerRef = soon("a child", start(worker("kept", &pen)))
            .await
            .expect("it starts")
            .into();
        let taken = soon("the refusal", start(worker("kept", &pen))).await;
        assert!(
            matches!(&taken, Err(CallError::Handler(StartChildError::Name(_)))),
            "a name is given once: {taken:?}"
        );
        assert!(ended(&mut changes).await.is_abnormal(), "the bad one");
        let gone: WorkerRef = soon("a child", start(worker("gone", &pen).temporary()))
            .await
            .expect("it starts")
            .into();
        kept.crash().expect("the mailbox has room");
        assert_eq!(soon("an answer", kept.count()).await, Ok(1));
        gone.crash().expect("the mailbox has room");
        assert!(ended(&mut changes).await.is_abnormal());

        let info = child_named(&tree, "kept").await;
        assert_eq!(info.restarts, 1);
        let counts = soon("the counts", tree.count_children())
            .await
            .expect("it answers");
        assert_eq!(
            (counts.total, counts.active),
            (1, 1),
            "what ended is forgotten"
        );
        assert_eq!(
            soon("the end", tree.terminate_child(info.id)).await,
            Ok(true)
        );
        assert_eq!(
            soon("the answer", tree.terminate_child(info.id)).await,
            Ok(false)
        );
        assert!(soon("the refusal", kept.count()).await.is_err());
        let counts = soon("the counts", tree.count_children())
            .await
            .expect("it answers");
        assert_eq!(counts.total, 0);
    });
}

#[test]
fn a_child_from_the_start_stays_on_record_and_can_be_started_again() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one()
            .child(worker("stubborn", &pen).shutdown(millis(10)))
            .child(worker("b", &pen));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        lines(&log, 2);
        let id = child_named(&tree, "stubborn").await.id;
        assert_eq!(
            soon("the answer", tree.restart_child(id)).await,
            Ok(false),
            "it runs"
        );
        assert_eq!(soon("the end", tree.terminate_child(id)).await, Ok(true));
        assert_eq!(lines(&log, 2), [Terminate("stubborn"), Dropped("stubborn")]);
        assert_eq!(
            child_named(&tree, "stubborn").await.state,
            ChildState::Stopped
        );
        assert_eq!(soon("the start", tree.restart_child(id)).await, Ok(true));
        assert_eq!(lines(&log, 1), [Init("stubborn")]);
        let again = WorkerRef::whereis("stubborn").expect("it has its name again");
        assert_eq!(soon("an answer", again.count()).await, Ok(1));
    });
}

#[test]
fn ten_thousand_children_are_added_and_stopped_together() {
    const COUNT: usize = 10_000;
    in_system(|_| async {
        let (pen, log) = log();
        let first = worker("first", &pen);
        let tree = Supervisor::one_for_one().child(first).start();
        let tree = soon("the start", tree).await.expect("it starts");
        for _ in 0..COUNT {
            soon("a child", tree.start_child(Quiet::child(1).temporary()))
                .await
                .expect("starts");
        }
        let counts = soon("the counts", tree.count_children())
            .await
            .expect("it answers");
        assert_eq!(counts.active, COUNT + 1);
        let exit = tree.exit();
        tree.shutdown();
        assert_eq!(soon("the end", exit).await, ExitReason::Shutdown);
        assert_eq!(
            log.rest(),
            [Init("first"), Terminate("first"), Dropped("first")]
        );
    });
}

struct Quiet(#[expect(dead_code, reason = "it is kept, not read")] u64);

#[actor(crate = vaxel_actor)]
impl Quiet {
    fn init(n: u64) -> Self {
        Quiet(n)
    }
}
