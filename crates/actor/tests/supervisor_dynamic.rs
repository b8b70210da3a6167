//! Dynamic supervisors: children that come and go, side by side, within a bound.

mod common;

use common::worker::{
    Dropped, Init, Terminate, Worker, WorkerRef, changes, child_named, ended, lines, worker,
};
use common::{in_system, in_timeless_system, log, soon};
use vaxel_actor::prelude::*;
use vaxel_actor::supervisor::{
    SimpleOneForOneRef, SpecError, StartChildError, TerminateChildError,
};

#[test]
fn children_come_and_go_while_it_runs() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = soon("the start", Supervisor::dynamic().start())
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
        assert_eq!(soon("the end", tree.terminate_child(info.id)).await, Ok(()));
        assert_eq!(
            soon("the answer", tree.terminate_child(info.id)).await,
            Err(CallError::Handler(TerminateChildError::NotFound)),
        );
        assert!(soon("the refusal", kept.count()).await.is_err());
        let counts = soon("the counts", tree.count_children())
            .await
            .expect("it answers");
        assert_eq!(counts.total, 0);
    });
}

#[test]
fn ten_thousand_children_are_added_and_stopped_together() {
    const COUNT: usize = 10_000;
    in_system(|_| async {
        let (pen, log) = log();
        let first = worker("first", &pen);
        let tree = soon("the start", Supervisor::dynamic().start())
            .await
            .expect("it starts");
        soon("a child", tree.start_child(first))
            .await
            .expect("it starts");
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

#[test]
fn one_more_than_it_may_have_is_refused_until_another_ends() {
    in_system(|_| async {
        let tree = Supervisor::dynamic().children_max(2).start();
        let tree = soon("the start", tree).await.expect("it starts");
        let start = || tree.start_child(Quiet::child(1));
        let first = soon("a child", start()).await.expect("there is room");
        let _second = soon("a child", start()).await.expect("there is room");
        let third = soon("the refusal", start()).await.expect_err("it is full");
        let full = StartChildError::TooManyChildren { max: 2 };
        assert_eq!(third, CallError::Handler(full));
        assert_eq!(soon("the end", tree.terminate_child(&first)).await, Ok(()));
        soon("a child", start()).await.expect("there is room again");
    });
}

#[test]
fn a_significant_child_is_refused() {
    in_system(|_| async {
        let tree = soon("the start", Supervisor::dynamic().start())
            .await
            .expect("it starts");
        let spec = Quiet::child(1).temporary().significant();
        let error = soon("the refusal", tree.start_child(spec))
            .await
            .expect_err("it is");
        let CallError::Handler(StartChildError::Spec(why)) = error else {
            panic!("{error:?}");
        };
        assert!(matches!(why, SpecError::SignificantWithoutAutoShutdown(_)));
    });
}

#[test]
fn each_is_killed_when_its_own_time_is_up() {
    in_timeless_system(|system| async move {
        let (pen, log) = log();
        let tree = soon("the start", Supervisor::dynamic().start())
            .await
            .expect("it starts");
        let mut exits = Vec::new();
        for (name, limit) in [("stubborn 20", secs(20)), ("stubborn 10", secs(10))] {
            let spec = worker(name, &pen).shutdown(limit);
            let child = soon("a child", tree.start_child(spec))
                .await
                .expect("it starts");
            exits.push(child.exit());
        }
        let quick = soon("a child", tree.start_child(worker("quick", &pen))).await;
        drop(quick.expect("it starts"));
        lines(&log, 3);
        let (exit, slow) = (tree.exit(), exits.remove(0));
        tree.shutdown();
        let mut asked = lines(&log, 4);
        asked.retain(|line| matches!(line, Terminate(_)));
        assert_eq!(asked.len(), 3, "all are asked at once");
        system.advance(secs(10));
        assert_eq!(
            soon("the first kill", exits.remove(0)).await,
            ExitReason::Killed
        );
        assert_eq!(lines(&log, 1), [Dropped("stubborn 10")]);
        system.advance(secs(10));
        assert_eq!(soon("the second kill", slow).await, ExitReason::Killed);
        assert_eq!(soon("the end", exit).await, ExitReason::Shutdown);
        assert_eq!(log.rest(), [Dropped("stubborn 20")]);
    });
}

#[test]
fn too_many_restarts_end_it_and_its_supervisor_starts_it_without_children() {
    in_system(|_| async {
        let (pen, _log) = log();
        let dynamic = Supervisor::dynamic()
            .max_restarts(0)
            .into_child()
            .name("dynamic");
        let tree = soon(
            "the start",
            Supervisor::one_for_one().child(dynamic).start(),
        );
        let tree = tree.await.expect("it starts");
        let mut seen = changes(&tree).await;
        let dynamic = DynamicSupervisorRef::whereis("dynamic").expect("it has its name");
        let child = soon("a child", dynamic.start_child(worker("a", &pen))).await;
        let child = WorkerRef::from(child.expect("it starts"));
        child.crash().expect("there is room");
        soon("the restart", seen.recv())
            .await
            .expect("the ear lives");
        let counts = soon("the counts", dynamic.count_children())
            .await
            .expect("it is back");
        assert_eq!((counts.total, counts.restarts), (0, 0));
        assert_eq!(WorkerRef::whereis("a"), None);
    });
}

#[test]
fn a_template_makes_children_that_are_alike() {
    in_system(|_| async {
        let (pen, log) = log();
        let template = move |name: &'static str| Worker::child(name, pen.clone()).temporary();
        let alike = Supervisor::simple_one_for_one(template)
            .into_child()
            .name("alike");
        let tree = soon("the start", Supervisor::one_for_one().child(alike).start());
        let _tree = tree.await.expect("it starts");
        let alike = SimpleOneForOneRef::<&'static str, Worker>::whereis("alike");
        let alike = soon("the template", alike).await.expect("it has its name");
        for name in ["a", "b"] {
            soon("a child", alike.start_child(name))
                .await
                .expect("it starts");
        }
        assert_eq!(lines(&log, 2), [Init("a"), Init("b")]);
        let counts = soon("the counts", alike.count_children())
            .await
            .expect("it answers");
        assert_eq!((counts.active, counts.workers), (2, 2));
        let other = SimpleOneForOneRef::<u64, Worker>::whereis("alike");
        let error = soon("the refusal", other)
            .await
            .expect_err("it is another template");
        assert_eq!(error, CallError::Handler(StartChildError::Template));
    });
}
