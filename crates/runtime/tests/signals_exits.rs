//! Exit signals: what each reason does to whom, and when.

mod common;

use common::{Came, Note, Seat, fault, run, system};
use vaxel_runtime::{ExitReason, Pid};

#[test]
fn normal_is_ignored_unless_trapped() {
    let system = system();
    let (plain, trapping) = (Seat::new(&system), Seat::trapping(&system));
    plain.actor.exit_with(ExitReason::Normal);
    trapping.actor.exit_with(ExitReason::Normal);
    assert_eq!(plain.all(), []);
    assert_eq!(trapping.all(), [Came::Exit(Pid::NONE, ExitReason::Normal)]);
    system.shutdown();
}

#[test]
fn normal_counts_when_an_actor_sends_it_to_itself() {
    let system = system();
    let a = Seat::new(&system);
    let exit = a.actor.exit();
    a.tell(|cx| {
        let me = cx.me();
        cx.exit(&me, ExitReason::Normal);
    });
    assert_eq!(run(&system, "its end", exit), ExitReason::Normal);
    assert_eq!(a.rest(), [], "terminate does not run");

    let a = Seat::trapping(&system);
    a.act(|cx| cx.exit(&cx.pid(), ExitReason::Normal));
    assert_eq!(a.all(), [Came::Exit(a.pid, ExitReason::Normal)]);
    system.shutdown();
}

#[test]
fn every_other_reason_ends_who_does_not_trap() {
    let system = system();
    let reasons = [
        ExitReason::Shutdown,
        ExitReason::shutdown_with("deploy"),
        ExitReason::Killed,
        ExitReason::NoProcess,
        fault(),
    ];
    for reason in reasons {
        for suspended in [false, true] {
            let a = Seat::new(&system);
            if suspended {
                a.suspend();
            }
            let exit = a.actor.exit();
            a.actor.exit_with(reason.clone());
            assert_eq!(run(&system, "its end", exit), reason);
            assert_eq!(a.rest(), [], "terminate does not run");
        }
    }
    system.shutdown();
}

#[test]
fn an_exit_does_not_wait_behind_messages() {
    let system = system();
    let a = Seat::new(&system);
    let busy = a.busy();
    for number in 0..100 {
        a.actor.cast(Note(number)).expect("room");
    }
    let exit = a.actor.exit();
    a.actor.exit_with(ExitReason::Shutdown);
    drop(busy);
    assert_eq!(run(&system, "its end", exit), ExitReason::Shutdown);
    assert_eq!(a.rest(), []);
    system.shutdown();
}

#[test]
fn a_trapped_exit_keeps_its_place_among_messages() {
    let system = system();
    let (a, b) = (Seat::trapping(&system), Seat::new(&system));
    b.link(&a);
    let to = b.actor.clone();
    a.act(move |cx| cx.monitor(&to));
    b.act(|_| ());
    let to = a.actor.clone();
    b.tell(move |cx| {
        to.cast(Note(1)).expect("room");
        cx.exit(&to, ExitReason::shutdown_with("first"));
        to.cast(Note(2)).expect("room");
        cx.exit(&to, ExitReason::Normal);
        cx.stop_with(fault());
    });
    let came = [
        Came::Note(1),
        Came::Exit(b.pid, ExitReason::shutdown_with("first")),
        Came::Note(2),
        Came::Exit(b.pid, ExitReason::Normal),
        // The link before the monitor, as in OTP.
        Came::Exit(b.pid, fault()),
        Came::Down(b.pid, fault()),
    ];
    for expected in came {
        assert_eq!(a.next(), expected);
    }
    system.shutdown();
}

#[test]
fn a_kill_that_was_sent_cannot_be_trapped() {
    let system = system();
    let (a, watcher) = (Seat::trapping(&system), Seat::trapping(&system));
    watcher.link(&a);
    let to = a.actor.clone();
    watcher.act(move |cx| cx.monitor(&to));
    a.suspend();
    a.actor.exit_with(ExitReason::Kill);
    assert_eq!(watcher.next(), Came::Exit(a.pid, ExitReason::Killed));
    assert_eq!(watcher.next(), Came::Down(a.pid, ExitReason::Killed));
    assert_eq!(a.rest(), []);
    system.shutdown();
}

#[test]
fn kill_over_a_link_is_a_reason_like_others() {
    let system = system();
    let (trapping, plain, stops) = (
        Seat::trapping(&system),
        Seat::new(&system),
        Seat::new(&system),
    );
    trapping.link(&stops);
    plain.link(&stops);
    let exit = plain.actor.exit();
    stops.end(ExitReason::Kill);
    assert_eq!(trapping.all(), [Came::Exit(stops.pid, ExitReason::Kill)]);
    assert_eq!(run(&system, "the plain one", exit), ExitReason::Kill);
    system.shutdown();
}

#[test]
fn the_first_of_two_fatal_signals_of_one_sender_counts() {
    let system = system();
    let a = Seat::new(&system);
    let busy = a.busy();
    let exit = a.actor.exit();
    a.actor.exit_with(fault());
    a.actor.kill();
    drop(busy);
    assert_eq!(run(&system, "its end", exit), fault());

    let a = Seat::new(&system);
    let busy = a.busy();
    let exit = a.actor.exit();
    a.actor.kill();
    a.actor.exit_with(fault());
    drop(busy);
    assert_eq!(run(&system, "its end", exit), ExitReason::Killed);
    system.shutdown();
}

#[test]
fn what_was_trapped_stays_a_message_and_what_was_not_is_trapped_in_time() {
    let system = system();
    let a = Seat::trapping(&system);
    let busy = a.busy();
    a.tell(|cx| assert!(cx.trap_exits(false)));
    a.actor.exit_with(fault());
    drop(busy);
    assert_eq!(a.next(), Came::Exit(Pid::NONE, fault()));
    assert_eq!(a.all(), []);

    // Sent while it did not trap, looked at when it does: the handler that runs has the say.
    let a = Seat::new(&system);
    let (begun, seen) = std::sync::mpsc::sync_channel(1);
    let (end, ended) = std::sync::mpsc::sync_channel::<()>(1);
    a.tell(move |cx| {
        begun.send(()).expect("the test waits");
        let _ = ended.recv();
        cx.trap_exits(true);
    });
    seen.recv().expect("the handler begins");
    a.actor.exit_with(fault());
    drop(end);
    assert_eq!(a.all(), [Came::Exit(Pid::NONE, fault())]);
    system.shutdown();
}

#[test]
fn an_exit_ends_an_init_that_waits() {
    use std::future::pending;
    use vaxel_runtime::{Actor, Context};

    struct Slow;
    impl Actor for Slow {
        type Args = ();
        async fn init((): (), cx: &mut Context<Self>) -> Result<Self, ExitReason> {
            let _me = cx.me();
            pending().await
        }
    }
    let system = system();
    let slow = system.spawn::<Slow>(());
    let exit = slow.exit();
    slow.exit_with(ExitReason::Shutdown);
    assert_eq!(run(&system, "its end", exit), ExitReason::Shutdown);
    system.shutdown();
}

#[test]
fn an_exit_by_pid_means_that_incarnation_or_nobody() {
    let system = system();
    let a = Seat::new(&system);
    let exit = a.actor.exit();
    system.exit(a.pid, ExitReason::Kill);
    assert_eq!(run(&system, "its end", exit), ExitReason::Killed);
    system.exit(a.pid, ExitReason::Kill);
    system.exit(Pid::NONE, fault());
    system.shutdown();
}
