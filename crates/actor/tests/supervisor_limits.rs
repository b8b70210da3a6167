//! Delayed restarts, children that cannot be stopped, and what is reported.

mod common;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use common::worker::{Dropped, Init, changes, child, child_named, lines, worker};
use common::{in_system_of, in_timeless_system, log, soon};
use tokio::sync::oneshot;
use vaxel_actor::prelude::*;
use vaxel_actor::supervisor::{ChildChange, ChildState};
use vaxel_actor::{Event, ReportContext, SupervisorReport};

#[test]
fn a_delayed_restart_grows_keeps_the_mail_and_is_not_counted() {
    in_timeless_system(|system| async move {
        let (pen, log) = log();
        let backoff = Backoff::exponential(secs(1), secs(60)).jitter(0.0);
        let tree = Supervisor::one_for_one()
            .max_restarts(0)
            .child(worker("a", &pen).backoff(backoff));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        let mut seen = changes(&tree).await;
        let a = child("a");
        assert_eq!(lines(&log, 1), [Init("a")]);
        for delay in [1, 2, 4, 8] {
            a.crash().expect("there is room");
            let event = soon("the delay", seen.recv()).await.expect("the ear lives");
            let ChildChange::Delayed { delay: told, .. } = event.change else {
                panic!("{event:?}");
            };
            assert_eq!(told, secs(delay));
            let waiting = a.count().no_timeout();
            system.advance(secs(delay) - millis(1));
            assert_eq!(child_named(&tree, "a").await.state, ChildState::Restarting);
            assert_eq!(lines(&log, 1), [Dropped("a")]);
            system.advance(millis(2));
            assert_eq!(lines(&log, 1), [Init("a")]);
            assert_eq!(soon("mail that waited", waiting).await, Ok(1));
            soon("the restart", seen.recv())
                .await
                .expect("the ear lives");
        }
        system.advance(secs(31));
        a.crash().expect("there is room");
        let event = soon("the delay", seen.recv()).await.expect("the ear lives");
        assert!(
            matches!(event.change, ChildChange::Delayed { delay, .. } if delay == secs(1)),
            "after a quiet time it begins anew: {event:?}"
        );
    });
}

#[test]
fn a_delay_that_never_helps_ends_the_supervisor_if_told_so() {
    in_timeless_system(|system| async move {
        let (pen, _log) = log();
        let backoff = Backoff::exponential(secs(1), secs(60)).give_up_after(1);
        let tree = Supervisor::one_for_one().child(worker("a", &pen).backoff(backoff));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        let mut seen = changes(&tree).await;
        let (a, exit) = (child("a"), tree.exit());
        a.crash().expect("there is room");
        soon("the delay", seen.recv()).await.expect("the ear lives");
        let waiting = a.count().no_timeout();
        system.advance(secs(1));
        assert_eq!(soon("it is back", waiting).await, Ok(1));
        a.crash().expect("there is room");
        assert_eq!(soon("the end", exit).await, ExitReason::Shutdown);
    });
}

#[test]
fn a_group_stops_at_once_and_starts_when_the_delay_is_over() {
    in_timeless_system(|system| async move {
        let (pen, log) = log();
        let backoff = Backoff::exponential(secs(1), secs(60)).jitter(0.0);
        let tree = Supervisor::one_for_all()
            .child(worker("a", &pen))
            .child(worker("b", &pen).backoff(backoff));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        let mut seen = changes(&tree).await;
        lines(&log, 2);
        child("b").crash().expect("there is room");
        soon("the delay", seen.recv()).await.expect("the ear lives");
        assert_eq!(lines(&log, 3).last(), Some(&Dropped("a")));
        assert_eq!(child_named(&tree, "a").await.state, ChildState::Restarting);
        let waiting = child("a").count().no_timeout();
        system.advance(secs(1));
        assert_eq!(lines(&log, 2), [Init("a"), Init("b")]);
        assert_eq!(soon("mail that came later", waiting).await, Ok(1));
        // Whoever stops the child that is waited for leaves the others at rest, not in between.
        child("b").crash().expect("there is room");
        for _ in 0..3 {
            soon("a change", seen.recv()).await.expect("the ear lives");
        }
        assert_eq!(soon("the end", tree.terminate_child("b")).await, Ok(()));
        assert_eq!(child_named(&tree, "a").await.state, ChildState::Stopped);
        assert_eq!(soon("the start", tree.restart_child("a")).await, Ok(()));
    });
}

/// Computes until it is let go.
struct Spinner;

#[actor(crate = vaxel_actor)]
impl Spinner {
    fn init() -> Self {
        Spinner
    }

    #[cast]
    fn spin(&mut self, begun: oneshot::Sender<()>, go: Arc<AtomicBool>) {
        let _ = begun.send(());
        while !go.load(SeqCst) {
            std::hint::spin_loop();
        }
    }

    #[call]
    fn answer(&mut self) -> u32 {
        42
    }
}

#[test]
fn a_child_that_cannot_be_killed_is_declared_dead_and_succeeded() {
    in_timeless_system(|system| async move {
        let tree = Supervisor::one_for_one().child(Spinner::child().name("spinner"));
        let tree = soon("the start", tree.start()).await.expect("it starts");
        let old = SpinnerRef::whereis("spinner").expect("it has its name");
        let (go, (begun, beginning)) = (Arc::new(AtomicBool::new(false)), oneshot::channel());
        old.spin(begun, go.clone()).expect("there is room");
        soon("the handler", beginning).await.expect("it began");
        let waiting = old.answer().no_timeout();

        let asking = tree.clone();
        let stopping = tokio::spawn(async move { asking.terminate_child("spinner").await });
        // Its time to stop, then the time after its kill; each timer is set by a message.
        while child_named(&tree, "spinner").await.state != ChildState::Stopped {
            system.advance(secs(1));
        }
        let stopped = soon("the answer", stopping)
            .await
            .expect("it does not panic");
        assert_eq!(stopped, Ok(()));
        let failed = soon("its mail", waiting).await;
        assert_eq!(failed, Err(CallError::Crashed(ExitReason::Killed)));
        assert_eq!(
            soon("a refusal", old.answer()).await,
            Err(CallError::Closed)
        );

        assert_eq!(
            soon("the start", tree.restart_child("spinner")).await,
            Ok(())
        );
        let new = SpinnerRef::whereis("spinner").expect("the name follows");
        assert_ne!(new, old);
        assert_eq!(soon("an answer", new.answer()).await, Ok(42));
        go.store(true, SeqCst);
    });
}

#[test]
fn a_group_goes_on_without_a_child_that_cannot_be_killed() {
    in_timeless_system(|system| async move {
        let (pen, log) = log();
        let tree = Supervisor::one_for_all()
            .child(Spinner::child().name("spinner"))
            .child(worker("b", &pen));
        let _tree = soon("the start", tree.start()).await.expect("it starts");
        let old = SpinnerRef::whereis("spinner").expect("it has its name");
        let (go, (begun, beginning)) = (Arc::new(AtomicBool::new(false)), oneshot::channel());
        old.spin(begun, go.clone()).expect("there is room");
        soon("the handler", beginning).await.expect("it began");
        assert_eq!(log.next("the first start"), Init("b"));
        child("b").crash().expect("there is room");
        while old.is_alive() {
            system.advance(secs(1));
            std::thread::yield_now();
        }
        assert_eq!(log.next("the crash"), Dropped("b"));
        assert_eq!(log.next("the start"), Init("b"));
        let new = SpinnerRef::whereis("spinner").expect("the name follows");
        assert_eq!(soon("an answer", new.answer()).await, Ok(42));
        go.store(true, SeqCst);
    });
}

#[test]
fn reports_are_structured_and_in_the_order_of_events() {
    let reports: Arc<Mutex<Vec<SupervisorReport>>> = Arc::default();
    let heard = reports.clone();
    let hook = move |event: &Event| {
        if let Event::Supervisor(report) = event {
            heard
                .lock()
                .expect("nobody panics with it")
                .push(report.clone());
        }
    };
    in_system_of(
        |builder| builder.on_event(hook),
        |_| async {
            let (pen, log) = log();
            let tree = Supervisor::one_for_one()
                .like_otp()
                .child(worker("stubborn", &pen).shutdown(millis(5)))
                .child(worker("transient", &pen).transient())
                .child(worker("b", &pen));
            let tree = soon("the start", tree.start()).await.expect("it starts");
            lines(&log, 3);
            let exit = tree.exit();
            child("transient").leave().expect("there is room");
            lines(&log, 2);
            child("b").crash().expect("there is room");
            assert_eq!(lines(&log, 2), [Dropped("b"), Init("b")]);
            child("b").crash().expect("there is room");
            assert_eq!(soon("the end", exit).await, ExitReason::Shutdown);
            let bad = Supervisor::one_for_one().child(worker("bad", &pen)).start();
            soon("the failure", bad).await.expect_err("it is bad");
        },
    );
    let reports = reports.lock().expect("nobody panics with it");
    let reports: Vec<_> = reports
        .iter()
        .map(|report| (report.context, &*report.child))
        .collect();
    let expected = [
        (ReportContext::ChildTerminated, "b"),
        (ReportContext::ChildTerminated, "b"),
        (ReportContext::Shutdown, "b"),
        (ReportContext::ShutdownError, "stubborn"),
        (ReportContext::StartError, "bad"),
    ];
    assert_eq!(reports, expected);
}
