//! What tasks promise: outputs, crashes, links, limits, streams and their supervisor.

mod common;

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context as Polling, Poll, Waker};

use common::{Pen, in_timeless_system, log, soon};
use tokio::sync::oneshot;
use vaxel_actor::prelude::*;
use vaxel_actor::task::{self, OnTimeout, StartTaskError, TaskSupervisor};
use vaxel_actor::{Task, TaskError, TimeLimit};

type Gate = oneshot::Receiver<u32>;

/// The output is what comes through; a gate that is shut is a crash.
async fn through(gate: Gate) -> u32 {
    gate.await.expect("the gate is shut")
}

fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    let mut cx = Polling::from_waker(Waker::noop());
    Pin::new(future).poll(&mut cx).is_pending()
}

fn message_of(error: &TaskError) -> &str {
    match error {
        TaskError::Exit(ExitReason::Panic(crash)) => &crash.message,
        other => panic!("no panic: {other}"),
    }
}

/// Has tasks of its own.
struct Owner {
    task: Option<Task<u32>>,
    seen: Pen<ExitReason>,
}

#[actor(crate = vaxel_actor)]
impl Owner {
    fn init(traps: bool, seen: Pen<ExitReason>, cx: &mut Context<Self>) -> Self {
        cx.trap_exits(traps);
        Owner { task: None, seen }
    }

    #[call]
    fn begin(&mut self, linked: bool, gate: Gate, cx: &mut Context<Self>) {
        let task = through(gate);
        self.task = Some(match linked {
            true => cx.task(task),
            false => cx.task_nolink(task),
        });
    }

    #[call]
    async fn output(&mut self) -> Result<u32, TaskError> {
        self.task.take().expect("it has begun").await
    }

    #[call]
    async fn shut_down(&mut self) -> Result<Option<u32>, TaskError> {
        let task = self.task.take().expect("it has begun");
        task.shutdown(TimeLimit::Unlimited).await
    }

    #[info]
    fn exited(&mut self, exit: TrappedExit) {
        self.seen.send(exit.reason).expect("the test reads");
    }
}

#[test]
fn a_task_yields_its_output_or_the_place_and_message_of_its_crash() {
    in_timeless_system(|_| async {
        let (open, gate) = oneshot::channel();
        let (task, bad) = (
            Task::spawn(through(gate)),
            Task::spawn(async { panic!("bad") }),
        );
        let bad: Result<(), _> = soon("a crash", bad).await;
        match bad.expect_err("it crashes") {
            TaskError::Exit(ExitReason::Panic(crash)) => {
                assert_eq!(crash.message, "bad");
                assert!(crash.location.contains("task_results.rs:"), "{crash}");
            }
            other => panic!("{other}"),
        }
        open.send(7).expect("the task lives");
        assert_eq!(soon("an output", task).await, Ok(7));
    });
}

#[test]
fn a_task_runs_on_without_its_handle() {
    in_timeless_system(|_| async {
        let ((open, gate), (done, output)) = (oneshot::channel(), oneshot::channel());
        drop(Task::spawn(async move { done.send(through(gate).await) }));
        open.send(7).expect("the task lives");
        assert_eq!(soon("an output", output).await, Ok(7));
    });
}

#[test]
fn awaiting_ends_after_five_seconds_and_the_task_runs_on() {
    in_timeless_system(|system| async move {
        let (open, gate) = oneshot::channel();
        let mut task = Task::spawn(through(gate));
        assert!(is_pending(&mut task));
        system.advance(secs(5) - millis(1));
        assert!(is_pending(&mut task));
        system.advance(millis(1));
        assert_eq!(soon("the limit", &mut task).await, Err(TaskError::Timeout));
        assert!(is_pending(&mut task), "a wait of its own");

        task = task.no_timeout();
        system.advance(secs(3600));
        assert!(is_pending(&mut task));
        open.send(7).expect("the task lives");
        assert_eq!(soon("an output", &mut task).await, Ok(7));
        let again = soon("nothing", task).await;
        assert_eq!(again, Err(TaskError::Exit(ExitReason::NoProcess)));
    });
}

#[test]
fn yield_for_looks_and_keeps_the_task() {
    in_timeless_system(|system| async move {
        let (open, gate) = oneshot::channel();
        let mut task = Task::spawn(through(gate));
        assert_eq!(soon("a look", task.yield_for(secs(0))).await, Ok(None));
        {
            let mut yielding = Box::pin(task.yield_for(secs(2)));
            assert!(is_pending(&mut yielding));
            system.advance(secs(2));
            assert_eq!(soon("the limit", yielding).await, Ok(None));
        }
        assert!(!task.is_finished());
        open.send(7).expect("the task lives");
        let output = task.yield_for(TimeLimit::Unlimited);
        assert_eq!(soon("an output", output).await, Ok(Some(7)));
        assert!(task.is_finished());
    });
}

#[test]
fn a_crash_reaches_the_owner_that_it_is_linked_to() {
    let (pen, seen) = log();
    in_timeless_system(|_| async {
        // One that does not trap ends with the reason of the task.
        let owner = Owner::spawn(false, pen.clone());
        let (open, gate) = oneshot::channel();
        soon("a task", owner.begin(true, gate))
            .await
            .expect("it begins");
        let ended = owner.exit();
        drop(open);
        let reason = soon("the end", ended).await;
        assert!(message_of(&TaskError::Exit(reason)).starts_with("the gate is shut"));

        // One that traps is told, and has the crash as its answer.
        let owner = Owner::spawn(true, pen.clone());
        let (open, gate) = oneshot::channel();
        soon("a task", owner.begin(true, gate))
            .await
            .expect("it begins");
        drop(open);
        let error = soon("a crash", owner.output())
            .await
            .expect_err("it crashed");
        let crash = match error {
            CallError::Handler(error) => error,
            other => panic!("{other}"),
        };
        assert!(message_of(&crash).starts_with("the gate is shut"));
        let told = TaskError::Exit(seen.next("the exit"));
        assert_eq!(told, crash);

        // One without a link goes on.
        let owner = Owner::spawn(false, pen);
        let (open, gate) = oneshot::channel();
        soon("a task", owner.begin(false, gate))
            .await
            .expect("it begins");
        drop(open);
        let error = soon("a crash", owner.output())
            .await
            .expect_err("it crashed");
        assert!(matches!(error, CallError::Handler(TaskError::Exit(_))));
        assert!(owner.is_alive());
    });
}

#[test]
fn a_linked_task_ends_with_its_owner_and_another_does_not() {
    let (pen, _seen) = log();
    in_timeless_system(|_| async {
        for linked in [true, false] {
            let owner = Owner::spawn(false, pen.clone());
            let (mut open, gate) = oneshot::channel();
            soon("a task", owner.begin(linked, gate))
                .await
                .expect("it begins");
            owner.kill();
            soon("the end", owner.exit()).await;
            if linked {
                soon("the end of the task", open.closed()).await;
            } else {
                assert!(open.send(7).is_ok());
            }
        }
    });
}

#[test]
fn a_task_that_is_shut_down_is_gone_and_its_owner_is_told_normal() {
    let (pen, seen) = log();
    in_timeless_system(|_| async {
        let owner = Owner::spawn(true, pen);
        let (open, gate) = oneshot::channel();
        soon("a task", owner.begin(true, gate))
            .await
            .expect("it begins");
        assert_eq!(soon("the end", owner.shut_down()).await, Ok(None));
        assert!(open.is_closed(), "its future was dropped");
        assert_eq!(seen.next("the exit"), ExitReason::Normal);

        // The output of one that was faster is not lost, nor is the reason of one that crashed.
        for (given, expected) in [(Some(7), Ok(Some(7))), (None, Err("the gate is shut"))] {
            let (open, gate) = oneshot::channel();
            soon("a task", owner.begin(true, gate))
                .await
                .expect("it begins");
            match given {
                Some(output) => open.send(output).expect("the task lives"),
                None => drop(open),
            }
            seen.next("the end of the task");
            match (soon("the end", owner.shut_down()).await, expected) {
                (Ok(output), expected) => assert_eq!(Ok(output), expected),
                (Err(CallError::Handler(error)), Err(message)) => {
                    assert!(message_of(&error).starts_with(message));
                }
                (other, _) => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn who_awaits_a_killed_task_is_told_so() {
    in_timeless_system(|_| async {
        let task = Task::spawn(pending::<()>());
        task.kill();
        let killed = Err(TaskError::Exit(ExitReason::Killed));
        assert_eq!(soon("the end", task).await, killed);
        // By its actor too, with whatever reason that was given.
        let (begin, begun) = oneshot::channel();
        let task = Task::spawn(async {
            begin.send(()).expect("the test waits");
            pending::<()>().await;
        });
        soon("the task", begun).await.expect("it begins");
        task.actor().exit_with(ExitReason::Shutdown);
        let ended = Err(TaskError::Exit(ExitReason::Shutdown));
        assert_eq!(soon("the end", task).await, ended);
    });
}

/// A stream over gates whose tasks say that they have begun.
struct Items {
    gates: Vec<oneshot::Sender<u32>>,
    items: Vec<(usize, Gate)>,
}

fn items(count: usize) -> Items {
    let channels = (0..count).map(|_| oneshot::channel());
    let (gates, through): (Vec<_>, Vec<_>) = channels.unzip();
    Items {
        gates,
        items: through.into_iter().enumerate().collect(),
    }
}

impl Items {
    fn open(&mut self, at: usize) {
        let gate = std::mem::replace(&mut self.gates[at], oneshot::channel().0);
        gate.send(at as u32 * 10).expect("the task lives");
    }
}

fn begun(pen: Pen<usize>) -> impl Fn((usize, Gate)) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    move |(at, gate)| {
        let pen = pen.clone();
        Box::pin(async move {
            pen.send(at).expect("the test reads");
            through(gate).await
        })
    }
}

#[test]
fn a_stream_runs_so_many_at_a_time_and_yields_in_order() {
    let (pen, started) = log();
    in_timeless_system(|_| async {
        let mut items = items(6);
        let gated = std::mem::take(&mut items.items);
        let mut stream = task::stream(gated, begun(pen)).max_concurrency(2);
        let mut cx = Polling::from_waker(Waker::noop());
        assert!(stream.poll_next(&mut cx).is_pending());
        let mut first = [started.next("a task"), started.next("a task")];
        first.sort_unstable();
        assert_eq!(first, [0, 1]);
        assert!(stream.poll_next(&mut cx).is_pending());
        assert_eq!(started.rest(), [], "two run");

        // Three outcomes wait behind the first, whose task runs: as many as may.
        for (opened, next) in [(1, 2), (2, 3)] {
            items.open(opened);
            while started.rest() != [next] {
                assert!(stream.poll_next(&mut cx).is_pending());
                tokio::task::yield_now().await;
            }
        }
        items.open(3);
        for _ in 0..1000 {
            assert!(stream.poll_next(&mut cx).is_pending());
            tokio::task::yield_now().await;
        }
        assert_eq!(started.rest(), [], "the fifth waits for the first");
        for at in [0, 4, 5] {
            items.open(at);
        }
        let outcomes = soon("the outcomes", stream.collect()).await;
        assert_eq!(outcomes, [0, 10, 20, 30, 40, 50].map(Ok));
    });
}

#[test]
fn an_unordered_stream_yields_as_tasks_end() {
    let (pen, _started) = log();
    in_timeless_system(|_| async {
        let mut items = items(3);
        let gated = std::mem::take(&mut items.items);
        let stream = task::stream(gated, begun(pen)).max_concurrency(3);
        let mut stream = stream.unordered();
        for at in [2, 0, 1] {
            let mut cx = Polling::from_waker(Waker::noop());
            assert!(stream.poll_next(&mut cx).is_pending());
            items.open(at);
            let outcome = soon("an outcome", stream.next()).await;
            assert_eq!(outcome, Some(Ok(at as u32 * 10)));
        }
        assert_eq!(soon("the end", stream.next()).await, None);
    });
}

#[test]
fn a_crash_in_a_stream_is_the_outcome_of_its_item() {
    in_timeless_system(|_| async {
        let halves = task::stream([2, 3, 4], |n: u32| {
            assert!(n.is_multiple_of(2), "{n} is odd");
            async move { n / 2 }
        });
        let outcomes = soon("the outcomes", halves.collect()).await;
        assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(1), &Ok(2)));
        let crash = outcomes[1].as_ref().expect_err("it is odd");
        assert_eq!(message_of(crash), "3 is odd");
    });
}

#[test]
fn an_item_that_is_late_ends_the_stream_or_only_its_task() {
    in_timeless_system(|system| async move {
        for then in [OnTimeout::Exit, OnTimeout::KillTask] {
            let (pen, started) = log();
            let mut items = items(3);
            let gated = std::mem::take(&mut items.items);
            let stream = task::stream(gated, begun(pen)).max_concurrency(2);
            let mut stream = stream.timeout(secs(2)).on_timeout(then);
            let mut cx = Polling::from_waker(Waker::noop());
            assert!(stream.poll_next(&mut cx).is_pending());
            started.next("a task");
            started.next("a task");
            items.open(2);
            system.advance(secs(2));
            let outcomes = soon("the outcomes", stream.collect()).await;
            for gate in &mut items.gates[..2] {
                soon("the end of a task", gate.closed()).await;
            }
            let late = Err(TaskError::Timeout);
            if then == OnTimeout::Exit {
                assert_eq!(outcomes, [late]);
                assert_eq!(started.rest(), [], "the third is not begun");
            } else {
                assert_eq!(outcomes, [late.clone(), late, Ok(20)]);
            }
        }
    });
}

#[test]
fn the_tasks_of_a_dropped_stream_end() {
    let (pen, started) = log();
    in_timeless_system(|_| async {
        let mut items = items(2);
        let gated = std::mem::take(&mut items.items);
        let mut stream = task::stream(gated, begun(pen)).max_concurrency(2);
        let mut cx = Polling::from_waker(Waker::noop());
        assert!(matches!(stream.poll_next(&mut cx), Poll::Pending));
        started.next("a task");
        started.next("a task");
        drop(stream);
        for gate in &mut items.gates {
            soon("the end of a task", gate.closed()).await;
        }
    });
}

#[test]
fn a_task_supervisor_has_so_many_tasks_and_survives_their_crashes() {
    in_timeless_system(|_| async {
        let tasks = TaskSupervisor::builder().children_max(1).spawn();
        let (open, gate) = oneshot::channel();
        let task = soon("a task", tasks.task(through(gate)))
            .await
            .expect("room");
        let refused = soon("a refusal", tasks.task(async {})).await;
        let full = CallError::Handler(StartTaskError::MaxChildren);
        assert_eq!(refused.expect_err("one too many"), full);
        assert_eq!(soon("a count", tasks.count_children()).await, Ok(1));

        drop(open);
        let error = soon("a crash", task).await.expect_err("it crashed");
        assert!(message_of(&error).starts_with("the gate is shut"));
        // Its exit is on the way to the supervisor.
        while soon("a count", tasks.count_children()).await != Ok(0) {
            tokio::task::yield_now().await;
        }
        let task = soon("a task", tasks.task(async { 7 })).await.expect("room");
        assert_eq!(soon("an output", task).await, Ok(7));
    });
}

#[test]
fn a_task_supervisor_that_stops_ends_its_tasks() {
    in_timeless_system(|system| async move {
        let tasks = TaskSupervisor::child().name("tasks");
        let supervisor = Supervisor::one_for_one().child(tasks).start().await;
        let supervisor = supervisor.expect("it starts");
        let tasks = task::TaskSupervisorRef::whereis("tasks").expect("a name");
        let mut handles = Vec::new();
        for _ in 0..3 {
            let task = soon("a task", tasks.task(pending::<u32>())).await;
            handles.push(task.expect("room"));
        }
        let exit = supervisor.exit();
        supervisor.shutdown();
        assert_eq!(soon("the end", exit).await, ExitReason::Shutdown);
        for task in handles {
            assert!(task.is_finished(), "before the supervisor");
            let ended = Err(TaskError::Exit(ExitReason::Shutdown));
            assert_eq!(soon("the end", task).await, ended);
        }
        drop(system);
    });
}
