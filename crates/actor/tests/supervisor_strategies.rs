//! one_for_all and rest_for_one, after what real OTP does.

mod common;

use common::worker::{
    Dropped, Init, Line, Terminate, Worker, changes, child, child_named, lines, worker,
};
use common::{Log, Pen, in_system, log, soon};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tokio::sync::oneshot;
use vaxel_actor::prelude::*;
use vaxel_actor::supervisor::{ChildChange, ChildState, SupervisorBuilder};

async fn start(tree: SupervisorBuilder, log: &Log<Line>, count: usize) -> SupervisorRef {
    let tree = soon("the start", tree.start()).await.expect("it starts");
    lines(log, count);
    tree
}

#[test]
fn one_for_all_stops_right_to_left_and_starts_left_to_right() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_all()
            .child(worker("a", &pen))
            .child(worker("b", &pen))
            .child(worker("c", &pen));
        let tree = start(tree, &log, 3).await;
        let all = ["a", "b", "c"].map(child);
        let pids = [&all[0], &all[1], &all[2]].map(|child| child.erase().pid());
        all[1].crash().expect("there is room");
        let expected = [
            Dropped("b"),
            Terminate("c"),
            Dropped("c"),
            Terminate("a"),
            Dropped("a"),
            Init("a"),
            Init("b"),
            Init("c"),
        ];
        assert_eq!(lines(&log, 8), expected);
        for (child, old) in all.iter().zip(pids) {
            assert_ne!(
                soon("a pid", child.pid()).await,
                Ok(old),
                "the same address lives again"
            );
        }
        let counts = soon("the counts", tree.count_children())
            .await
            .expect("it answers");
        assert_eq!((counts.active, counts.restarts), (3, 3));
    });
}

#[test]
fn rest_for_one_leaves_those_before_alone() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::rest_for_one()
            .child(worker("a", &pen))
            .child(worker("b", &pen))
            .child(worker("c", &pen));
        let tree = start(tree, &log, 3).await;
        child("b").crash().expect("there is room");
        let expected = [
            Dropped("b"),
            Terminate("c"),
            Dropped("c"),
            Init("b"),
            Init("c"),
        ];
        assert_eq!(lines(&log, 5), expected);
        child("c").crash().expect("there is room");
        assert_eq!(lines(&log, 2), [Dropped("c"), Init("c")]);
        assert_eq!(child_named(&tree, "a").await.restarts, 0);
        drop(log);
    });
}

#[test]
fn mail_for_a_state_that_is_gone_fails_and_later_mail_arrives() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_all()
            .child(worker("a", &pen))
            .child(worker("b", &pen));
        let tree = start(tree, &log, 2).await;
        let mut seen = changes(&tree).await;
        let (a, b) = (child("a"), child("b"));
        let ((begun, beginning), (go, gate)) = (oneshot::channel(), oneshot::channel());
        a.crash_later(begun, gate).expect("there is room");
        soon("the handler", beginning).await.expect("it began");
        let waiting = a.count();
        go.send(()).expect("the handler waits");
        let failed = soon("the mail", waiting)
            .await
            .expect_err("its state is gone");
        assert!(
            matches!(failed, CallError::Crashed(ExitReason::Panic(_))),
            "{failed}"
        );
        for _ in 0..2 {
            let event = soon("a restart", seen.recv()).await.expect("the ear lives");
            assert!(matches!(
                event.change,
                ChildChange::Restarted { restarts: 1, .. }
            ));
        }
        assert_eq!(soon("an answer", a.count()).await, Ok(1));
        assert_eq!(soon("an answer", b.count()).await, Ok(1));
    });
}

#[test]
fn temporary_children_of_the_group_are_forgotten_and_those_at_rest_are_started() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_all()
            .child(worker("a", &pen))
            .child(worker("transient", &pen).transient())
            .child(worker("temporary", &pen).temporary())
            .child(worker("d", &pen));
        let tree = start(tree, &log, 4).await;
        let mut seen = changes(&tree).await;
        child("transient").leave().expect("there is room");
        let event = soon("its end", seen.recv()).await.expect("the ear lives");
        assert!(matches!(event.change, ChildChange::Ended { .. }));
        assert_eq!(
            child_named(&tree, "transient").await.state,
            ChildState::Stopped
        );
        lines(&log, 2);
        child("d").crash().expect("there is room");
        let expected = [
            Dropped("d"),
            Terminate("temporary"),
            Dropped("temporary"),
            Terminate("a"),
            Dropped("a"),
            Init("a"),
            Init("transient"),
            Init("d"),
        ];
        assert_eq!(lines(&log, 8), expected);
        let children = soon("the children", tree.which_children())
            .await
            .expect("it answers");
        let names: Vec<_> = children
            .iter()
            .filter_map(|child| child.name.as_deref())
            .collect();
        assert_eq!(names, ["a", "transient", "d"]);
    });
}

#[test]
fn the_crash_of_a_temporary_child_concerns_nobody() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_all()
            .child(worker("a", &pen))
            .child(worker("temporary", &pen).temporary());
        let tree = start(tree, &log, 2).await;
        let mut seen = changes(&tree).await;
        child("temporary").crash().expect("there is room");
        let event = soon("its end", seen.recv()).await.expect("the ear lives");
        assert!(matches!(event.change, ChildChange::Ended { .. }));
        assert_eq!(log.rest(), [Dropped("temporary")]);
    });
}

/// Fails to start as often as it is told.
struct Moody;

#[actor(crate = vaxel_actor)]
impl Moody {
    fn init(name: &'static str, failures: Arc<AtomicU32>, pen: Pen<Line>) -> Result<Self, String> {
        let _ = pen.send(Init(name));
        let left = failures.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        left.map_or(Ok(Moody), |_| Err("no disk".to_owned()))
    }
}

#[test]
fn a_start_that_fails_is_tried_again_with_the_whole_group() {
    in_system(|_| async {
        let (pen, log) = log();
        let failures = Arc::new(AtomicU32::new(0));
        let tree = Supervisor::one_for_all()
            .child(worker("a", &pen))
            .child(Moody::child("moody", failures.clone(), pen.clone()).name("moody"))
            .child(worker("c", &pen));
        let tree = start(tree, &log, 3).await;
        failures.store(2, SeqCst);
        child("c").crash().expect("there is room");
        let again = [Init("moody"), Terminate("a"), Dropped("a"), Init("a")];
        let expected = [Dropped("c"), Terminate("a"), Dropped("a"), Init("a")]
            .into_iter()
            .chain(again)
            .chain([Init("moody"), Terminate("a"), Dropped("a"), Init("a")])
            .chain([Init("moody"), Init("c")]);
        assert_eq!(lines(&log, 14), expected.collect::<Vec<_>>());
        assert_eq!(child_named(&tree, "moody").await.state, ChildState::Running);
    });
}

#[test]
fn rest_for_one_tries_again_from_the_child_that_failed() {
    in_system(|_| async {
        let (pen, log) = log();
        let failures = Arc::new(AtomicU32::new(0));
        let tree = Supervisor::rest_for_one()
            .child(worker("a", &pen))
            .child(worker("b", &pen))
            .child(Moody::child("moody", failures.clone(), pen.clone()).name("moody"));
        let _tree = start(tree, &log, 3).await;
        failures.store(2, SeqCst);
        child("b").crash().expect("there is room");
        let expected = [
            Dropped("b"),
            Init("b"),
            Init("moody"),
            Init("moody"),
            Init("moody"),
        ];
        assert_eq!(lines(&log, 5), expected);
    });
}

#[test]
fn failed_starts_count_as_restarts() {
    in_system(|_| async {
        let (pen, log) = log();
        let failures = Arc::new(AtomicU32::new(0));
        let tree = Supervisor::one_for_all()
            .like_otp()
            .child(worker("a", &pen))
            .child(Moody::child("moody", failures.clone(), pen.clone()));
        let tree = start(tree, &log, 2).await;
        failures.store(u32::MAX, SeqCst);
        let exit = tree.exit();
        child("a").crash().expect("there is room");
        assert_eq!(soon("the end", exit).await, ExitReason::Shutdown);
        let expected = [
            Dropped("a"),
            Init("a"),
            Init("moody"),
            Terminate("a"),
            Dropped("a"),
        ];
        assert_eq!(log.rest(), expected);
    });
}

#[test]
fn two_that_crash_together_are_both_noticed_once() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_all()
            .max_restarts(100)
            .child(worker("a", &pen))
            .child(worker("b", &pen));
        let tree = start(tree, &log, 2).await;
        for _ in 0..20 {
            let (a, b) = (child("a"), child("b"));
            a.crash().expect("there is room");
            // The other may be gone already, with its mail.
            let _ = b.crash();
            while soon("an answer", a.count()).await.is_err() {}
            while soon("an answer", b.count()).await.is_err() {}
        }
        let counts = soon("the counts", tree.count_children())
            .await
            .expect("it answers");
        assert_eq!(counts.active, 2);
    });
}

#[test]
fn a_child_added_later_belongs_to_the_group() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = start(Supervisor::rest_for_one().child(worker("a", &pen)), &log, 1).await;
        let added = Worker::child("added", pen.clone());
        let added = soon("a child", tree.start_child(added))
            .await
            .expect("it starts");
        child("a").crash().expect("there is room");
        let expected = [
            Init("added"),
            Dropped("a"),
            Terminate("added"),
            Dropped("added"),
            Init("a"),
            Init("added"),
        ];
        assert_eq!(lines(&log, 6), expected);
        assert!(added.is_alive());
    });
}
