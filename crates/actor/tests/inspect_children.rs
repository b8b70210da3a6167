//! What supervisors tell of their children.

mod common;

use common::worker::{Worker, lines, worker};
use common::{in_system, log, soon};
use vaxel_actor::inspect::{Children, Description};
use vaxel_actor::prelude::*;
use vaxel_actor::task::TaskSupervisor;
use vaxel_actor::{AnyRef, Pid};

async fn describe(system: &System, actor: &AnyRef) -> Description {
    let told = soon("a description", system.inspect().describe(actor)).await;
    told.expect("it lives")
}

async fn children(system: &System, actor: &AnyRef) -> Children {
    let told = describe(system, actor).await.children;
    told.expect("no handler awaits")
}

#[test]
fn a_supervisor_tells_its_children_and_they_tell_their_parent() {
    in_system(|system| async move {
        let (pen, log) = log();
        let tree = Supervisor::one_for_one()
            .child(worker("a", &pen).restart(Restart::Transient))
            .child(worker("b", &pen));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        lines(&log, 2);
        let find = |name| system.whereis::<Worker>(name);
        let pids = ["a", "b"].map(|name| find(name).expect("it is named").pid());
        let told = children(&system, &tree.erase()).await;
        assert_eq!((told.count, &told.pids[..]), (2, &pids[..]));
        let child = find("b").expect("it is named").erase();
        let child = describe(&system, &child).await;
        assert_eq!(child.parent, Some(tree.pid()));
        assert_eq!(child.children, Some(Children::default()));

        // One at rest is counted, and has no pid.
        let rests = soon("the end of a child", tree.terminate_child("a")).await;
        rests.expect("it ends");
        let told = children(&system, &tree.erase()).await;
        assert_eq!((told.count, &told.pids[..]), (2, &pids[1..]));
    });
}

#[test]
fn no_more_children_are_told_than_a_thousand() {
    in_system(|system| async move {
        let (pen, _log) = log();
        let many = Supervisor::dynamic();
        let many = soon("the start", many.start()).await.expect("it starts");
        let count = Children::PIDS_MAX + 200;
        for _ in 0..count {
            let added = soon(
                "a child",
                many.start_child(Worker::child("one", pen.clone())),
            )
            .await;
            added.expect("it starts");
        }
        let told = children(&system, &many.erase()).await;
        assert_eq!((told.count, told.pids.len()), (count, Children::PIDS_MAX));
    });
}

#[test]
fn a_supervisor_of_tasks_tells_them() {
    in_system(|system| async move {
        let tasks = TaskSupervisor::builder().spawn();
        let started = tasks.task(std::future::pending::<()>());
        let task = soon("a task", started).await.expect("it starts");
        let told = children(&system, &tasks.erase()).await;
        let pid: Pid = task.actor().pid();
        assert_eq!((told.count, &told.pids[..]), (1, &[pid][..]));
    });
}
