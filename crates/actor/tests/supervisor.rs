//! What a supervisor promises: order, restarts, intensity, rollback, and a clean end.

mod common;

use common::worker::{
    Dropped, Init, Terminate, Worker, WorkerRef, changes, child_named, ended, lines, worker,
};
use common::{in_system, in_timeless_system, log, soon};
use tokio::sync::oneshot;
use vaxel_actor::StartError;
use vaxel_actor::prelude::*;
use vaxel_actor::supervisor::{ChildChange, ChildKind, ChildState, RestartChildError, SpecError};

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
        let (pen, log) = log();
        let tree = Supervisor::one_for_one()
            .child(worker("a", &pen))
            .child(worker("a", &pen));
        let error = soon("the failure", tree.start())
            .await
            .expect_err("the name is taken");
        assert_eq!(
            error,
            StartError::Spec(SpecError::DuplicateName("a".into()))
        );
        assert_eq!(log.rest(), [], "nothing was started");

        let first = soon(
            "the start",
            Supervisor::one_for_one().child(worker("a", &pen)).start(),
        );
        let _first = first.await.expect("the name is free");
        let again = Supervisor::one_for_one().child(worker("a", &pen));
        let error = soon("the failure", again.start())
            .await
            .expect_err("the name is taken");
        let text = "child `a` failed to start: error: the name \"a\" is taken";
        assert_eq!(error.to_string(), text);
        assert_eq!(log.rest(), [Init("a")], "the second never ran");
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
            let info = soon("the child", tree.child(name))
                .await
                .expect("it answers");
            let info = info.map(|info| (info.state, info.pid));
            let at_rest = end.then_some((ChildState::Stopped, None));
            assert_eq!(info, at_rest, "a temporary child is forgotten");
            let refused = soon("the refusal", leaving.count()).await;
            assert!(refused.is_err(), "nobody answers under the old address");
            assert_eq!(WorkerRef::whereis(name), None);
        }
        assert_eq!(child_named(&tree, "permanent").await.restarts, 2);
        let counts = soon("the counts", tree.count_children())
            .await
            .expect("it answers");
        assert_eq!((counts.total, counts.active, counts.restarts), (2, 1, 3));
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
        let inner = before
            .supervisor
            .as_ref()
            .and_then(|inner| inner.ordered().cloned());
        let inner = inner.expect("it is a supervisor");
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
            Err(CallError::Handler(RestartChildError::Running)),
        );
        assert_eq!(soon("the end", tree.terminate_child(id)).await, Ok(()));
        assert_eq!(lines(&log, 2), [Terminate("stubborn"), Dropped("stubborn")]);
        assert_eq!(
            child_named(&tree, "stubborn").await.state,
            ChildState::Stopped
        );
        assert_eq!(soon("the start", tree.restart_child(id)).await, Ok(()));
        assert_eq!(lines(&log, 1), [Init("stubborn")]);
        let again = WorkerRef::whereis("stubborn").expect("it has its name again");
        assert_eq!(soon("an answer", again.count()).await, Ok(1));
    });
}
