//! What a supervisor of ordered children answers when it is asked, after what real OTP does; and
//! how it shuts down by itself.

mod common;

use common::worker::{Dropped, Init, Terminate, Worker, changes, child, ended, lines, worker};
use common::{in_system, log, soon};
use vaxel_actor::StartError;
use vaxel_actor::prelude::*;
use vaxel_actor::supervisor::{
    ChildKind, ChildState, DeleteChildError, PartitionSupervisor, PartitionSupervisorRef,
    RestartChildError, SpecError, StartChildError, TerminateChildError,
};

#[test]
fn children_are_stopped_deleted_and_started_by_name() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one()
            .child(worker("a", &pen))
            .child(worker("b", &pen).transient());
        let tree = soon("the start", tree.start()).await.expect("it starts");
        let pid = child("a").erase().pid();

        let running = CallError::Handler(RestartChildError::Running);
        assert_eq!(
            soon("an answer", tree.restart_child("a")).await,
            Err(running)
        );
        let running = CallError::Handler(DeleteChildError::Running);
        assert_eq!(
            soon("an answer", tree.delete_child("a")).await,
            Err(running)
        );
        let unknown = CallError::Handler(TerminateChildError::NotFound);
        assert_eq!(
            soon("an answer", tree.terminate_child("zz")).await,
            Err(unknown)
        );
        let unknown = CallError::Handler(DeleteChildError::NotFound);
        assert_eq!(
            soon("an answer", tree.delete_child("zz")).await,
            Err(unknown)
        );
        let again = soon("an answer", tree.start_child(worker("a", &pen))).await;
        let started = CallError::Handler(StartChildError::AlreadyStarted(pid));
        assert_eq!(again.expect_err("it runs"), started);

        for _ in 0..2 {
            assert_eq!(soon("the end", tree.terminate_child("a")).await, Ok(()));
        }
        let again = soon("an answer", tree.start_child(worker("a", &pen))).await;
        let present = CallError::Handler(StartChildError::AlreadyPresent);
        assert_eq!(again.expect_err("it is on record"), present);
        assert_eq!(soon("the start", tree.restart_child("a")).await, Ok(()));
        assert_eq!(soon("the end", tree.terminate_child("a")).await, Ok(()));
        assert_eq!(soon("an answer", tree.delete_child("a")).await, Ok(()));
        let found = soon("an answer", tree.child("a"))
            .await
            .expect("it answers");
        assert!(found.is_none());
        drop(log);
    });
}

#[test]
fn a_child_added_later_is_kept_as_the_others_are() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one().child(worker("a", &pen)).start();
        let tree = soon("the start", tree).await.expect("it starts");
        let mut seen = changes(&tree).await;
        let added = soon("a child", tree.start_child(worker("b", &pen))).await;
        let added = common::worker::WorkerRef::from(added.expect("it starts"));
        added.crash().expect("there is room");
        assert_eq!(
            soon("an answer", added.count()).await,
            Ok(1),
            "the same address"
        );
        let bad = soon("the failure", tree.start_child(worker("bad", &pen))).await;
        let text = bad.expect_err("it is bad").to_string();
        assert_eq!(text, "the child failed to start: error: no disk");
        assert!(ended(&mut seen).await.is_abnormal());
        let names = soon("the children", tree.which_children())
            .await
            .expect("it answers");
        let names: Vec<_> = names
            .iter()
            .filter_map(|child| child.name.as_deref())
            .collect();
        assert_eq!(names, ["a", "b"], "the bad one is not kept");
        lines(&log, 5);
        let exit = tree.exit();
        tree.shutdown();
        soon("the end", exit).await;
        let end = [Terminate("b"), Dropped("b"), Terminate("a"), Dropped("a")];
        assert_eq!(
            log.rest(),
            end,
            "in reverse, each gone before the next is asked"
        );
    });
}

#[test]
fn specs_that_make_no_sense_are_told_before_anything_starts() {
    in_system(|_| async {
        let (pen, log) = log();
        let permanent = Supervisor::one_for_one()
            .auto_shutdown(AutoShutdown::AnySignificant)
            .child(worker("a", &pen).significant());
        let error = soon("the failure", permanent.start())
            .await
            .expect_err("permanent");
        assert_eq!(
            error,
            StartError::Spec(SpecError::SignificantPermanent("a".into()))
        );
        let text = "child `a` is significant, so it must be transient or temporary, not permanent";
        assert_eq!(error.to_string(), text);
        let never = Supervisor::one_for_one().child(worker("a", &pen).transient().significant());
        let error = soon("the failure", never.start()).await.expect_err("never");
        let why = SpecError::SignificantWithoutAutoShutdown("a".into());
        assert_eq!(error, StartError::Spec(why));
        let full = Supervisor::one_for_one()
            .children_max(0)
            .child(worker("a", &pen));
        let error = soon("the failure", full.start())
            .await
            .expect_err("too many");
        let why = SpecError::TooManyChildren { count: 1, max: 0 };
        assert_eq!(error, StartError::Spec(why));
        assert_eq!(log.rest(), []);
    });
}

#[test]
fn the_end_of_a_significant_child_shuts_its_supervisor_down() {
    in_system(|_| async {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one()
            .auto_shutdown(AutoShutdown::AnySignificant)
            .child(worker("a", &pen).transient().significant())
            .child(worker("b", &pen).temporary().significant())
            .child(worker("c", &pen));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        lines(&log, 3);
        let exit = tree.exit();
        child("a").crash().expect("there is room");
        assert_eq!(
            lines(&log, 2),
            [Dropped("a"), Init("a")],
            "it was started again"
        );
        child("a").leave().expect("there is room");
        assert_eq!(soon("the end", exit).await, ExitReason::Shutdown);
        let end = [
            Terminate("a"),
            Dropped("a"),
            Terminate("c"),
            Dropped("c"),
            Terminate("b"),
            Dropped("b"),
        ];
        assert_eq!(log.rest(), end);
    });
}

#[test]
fn all_significant_waits_for_the_last_and_being_stopped_does_not_count() {
    in_system(|_| async {
        let (pen, _log) = log();
        let tree = Supervisor::one_for_one()
            .auto_shutdown(AutoShutdown::AllSignificant)
            .child(worker("a", &pen).transient().significant())
            .child(worker("b", &pen).temporary().significant())
            .child(worker("c", &pen));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        assert_eq!(
            soon("the end of one", tree.terminate_child("a")).await,
            Ok(())
        );
        let counts = soon("the counts", tree.count_children())
            .await
            .expect("it answers");
        assert_eq!(counts.active, 2);
        let exit = tree.exit();
        child("b").crash().expect("there is room");
        assert_eq!(soon("the end", exit).await, ExitReason::Shutdown);
    });
}

#[test]
fn keys_find_their_partition_also_after_restarts() {
    in_system(|_| async {
        let (pen, log) = log();
        let of = move |_| Worker::child("part", pen.clone());
        let parts = PartitionSupervisor::of(of)
            .partitions(4)
            .name("parts")
            .into_child();
        let tree = soon("the start", Supervisor::one_for_one().child(parts).start());
        let tree = tree.await.expect("it starts");
        lines(&log, 4);
        let parts = PartitionSupervisorRef::<Worker>::whereis("parts");
        let parts = soon("the routes", parts).await.expect("it has its name");
        assert_eq!(parts.partitions(), 4);
        let mut used: Vec<_> = (0..100).map(|key| parts.partition_of(&key)).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used, [0, 1, 2, 3]);

        let route = || parts.for_key("ada").map(common::worker::WorkerRef::from);
        let ada = route().expect("it runs");
        assert_eq!(child(&format!("parts/{}", parts.partition_of("ada"))), ada);
        ada.crash().expect("there is room");
        assert_eq!(soon("an answer", ada.count()).await, Ok(1));
        assert_eq!(route(), Some(ada.clone()), "a restart keeps the address");

        let mut seen = changes(&tree).await;
        parts.supervisor().kill();
        soon("the restart", seen.recv())
            .await
            .expect("the ear lives");
        soon("all partitions", parts.supervisor().count_children())
            .await
            .expect("it is back");
        let new = route().expect("it runs again");
        assert_ne!(new, ada, "a new supervisor, new addresses, the same route");
        assert_eq!(soon("an answer", new.count()).await, Ok(1));
        let info = soon("the child", tree.child("parts"))
            .await
            .expect("it answers");
        let info = info.expect("it is there");
        assert_eq!(
            (info.kind, info.state),
            (ChildKind::Supervisor, ChildState::Running)
        );
    });
}
