//! Monitors: exactly one down each.

mod common;

use common::{Came, Seat, fault, run, system};
use vaxel_runtime::{ExitReason, Pid};

#[test]
fn each_monitor_has_its_own_down() {
    let system = system();
    let (a, b) = (Seat::new(&system), Seat::new(&system));
    let to = b.actor.clone();
    let first = a.act(move |cx| (cx.monitor(&to), cx.monitor(&to)));
    assert_ne!(first.0, first.1);
    b.end(fault());
    assert_eq!(
        a.all(),
        [Came::Down(b.pid, fault()), Came::Down(b.pid, fault())]
    );
    system.shutdown();
}

#[test]
fn who_has_ended_is_no_process_at_once() {
    let system = system();
    let (a, b) = (Seat::new(&system), Seat::new(&system));
    b.end(fault());
    let (to, pid) = (b.actor.clone(), b.pid);
    a.act(move |cx| {
        cx.monitor(&to);
        cx.monitor(&pid);
    });
    let no_process = |pid| Came::Down(pid, ExitReason::NoProcess);
    assert_eq!(a.all(), [no_process(Pid::NONE), no_process(pid)]);
    system.shutdown();
}

#[test]
fn demonitor_forgets_a_down_that_waits() {
    let system = system();
    let (a, b) = (Seat::new(&system), Seat::new(&system));
    let to = b.actor.clone();
    let monitor = a.act(move |cx| cx.monitor(&to));
    let busy = a.busy();
    a.tell(move |cx| {
        assert!(cx.demonitor(monitor));
        assert!(!cx.demonitor(monitor), "it is gone");
    });
    b.end(fault());
    drop(busy);
    assert_eq!(a.all(), []);
    system.shutdown();
}

#[test]
fn a_vacant_child_is_no_process_until_it_is_restarted() {
    let system = system();
    let (parent, a) = (Seat::new(&system), Seat::new(&system));
    let (log, _seen) = std::sync::mpsc::sync_channel(8);
    let (child, actor) =
        system.spawn_child::<common::Peer>(move || log.clone(), &parent.actor.recipient(), 1);
    // Asked before the first incarnation has begun: it is the one that is meant.
    let exit = actor.exit();
    run(&system, "the start", child.started()).expect("it starts");
    actor.exit_with(fault());
    assert_eq!(run(&system, "its end", exit), fault());
    assert_eq!(parent.next(), Came::Child(fault()));
    let to = actor.clone();
    a.act(move |cx| cx.monitor(&to));
    assert_eq!(a.next(), Came::Down(Pid::NONE, ExitReason::NoProcess));
    assert_eq!(run(&system, "the last reason", child.exit()), fault());

    child.restart();
    let exit = actor.exit();
    let to = actor.clone();
    a.act(move |cx| cx.monitor(&to));
    let pid = actor.pid();
    actor.shutdown();
    assert_eq!(run(&system, "its second end", exit), ExitReason::Shutdown);
    assert_eq!(a.next(), Came::Down(pid, ExitReason::Shutdown));
    drop(child);
    system.shutdown();
}

#[test]
#[should_panic(expected = "stay within one system")]
fn a_monitor_of_another_system_is_refused() {
    let (here, there) = (system(), system());
    let (a, b) = (Seat::new(&here), Seat::new(&there));
    let to = b.actor.clone();
    let exit = a.actor.exit();
    a.tell(move |cx| {
        cx.monitor(&to);
    });
    let reason = run(&here, "its end", exit);
    there.shutdown();
    here.shutdown();
    panic!("{reason}");
}
