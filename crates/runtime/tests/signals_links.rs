//! Links: who hears of whose end, how often, and in which order.

mod common;

use common::{Came, Seat, fault, system};
use std::sync::mpsc;
use vaxel_runtime::{ExitReason, Pid};

#[test]
fn an_end_goes_both_ways_and_comes_once() {
    let system = system();
    for first in [true, false] {
        let (a, b) = (Seat::trapping(&system), Seat::trapping(&system));
        assert_eq!(a.link(&b), b.pid);
        assert_eq!(
            b.link(&a),
            a.pid,
            "linking twice, from either end, is one link"
        );
        a.link(&b);
        let (ends, hears) = if first { (&a, &b) } else { (&b, &a) };
        ends.end(fault());
        assert_eq!(hears.all(), [Came::Exit(ends.pid, fault())]);
    }
    system.shutdown();
}

#[test]
fn an_untrapped_exit_ends_a_chain_with_the_first_reason() {
    let system = system();
    let chain: Vec<_> = (0..50).map(|_| Seat::new(&system)).collect();
    for pair in chain.windows(2) {
        pair[0].link(&pair[1]);
    }
    let last = chain[49].actor.exit();
    chain[0].end(fault());
    assert_eq!(common::run(&system, "the end of the chain", last), fault());
    for seat in &chain {
        assert!(!seat.actor.is_alive() || seat.exit() == fault());
        let terminated = [Came::Terminated(fault())];
        let expected = if seat.pid == chain[0].pid {
            &terminated[..]
        } else {
            &[]
        };
        assert_eq!(
            seat.rest(),
            expected,
            "terminate runs only in who stopped itself"
        );
    }
    system.shutdown();
}

#[test]
fn a_normal_end_means_nothing_to_who_does_not_trap() {
    let system = system();
    let (a, b) = (Seat::new(&system), Seat::new(&system));
    a.link(&b);
    b.end(ExitReason::Normal);
    assert_eq!(a.all(), []);
    let trapping = Seat::trapping(&system);
    trapping.link(&a);
    a.end(ExitReason::Normal);
    assert_eq!(trapping.all(), [Came::Exit(a.pid, ExitReason::Normal)]);
    system.shutdown();
}

#[test]
fn a_suspended_handler_is_ended_too() {
    let system = system();
    let (a, b) = (Seat::new(&system), Seat::new(&system));
    a.link(&b);
    b.suspend();
    let exit = b.actor.exit();
    a.end(ExitReason::Shutdown);
    assert_eq!(
        common::run(&system, "the suspended one", exit),
        ExitReason::Shutdown
    );
    assert_eq!(b.rest(), [], "terminate does not run");
    system.shutdown();
}

#[test]
fn a_link_that_a_suspended_actor_has_not_seen_counts() {
    let system = system();
    let (a, b) = (Seat::new(&system), Seat::new(&system));
    b.suspend();
    a.link(&b);
    let exit = b.actor.exit();
    a.end(fault());
    assert_eq!(common::run(&system, "the suspended one", exit), fault());

    let (c, d) = (Seat::trapping(&system), Seat::new(&system));
    d.suspend();
    c.link(&d);
    d.actor.kill();
    assert_eq!(c.next(), Came::Exit(d.pid, ExitReason::Killed));
    assert_eq!(c.all(), []);
    system.shutdown();
}

#[test]
fn a_link_to_who_has_ended_is_no_process() {
    let system = system();
    let (gone, trapping) = (Seat::new(&system), Seat::trapping(&system));
    gone.end(ExitReason::Normal);
    let (by_ref, pid) = (gone.actor.clone(), gone.pid);
    trapping.act(move |cx| {
        assert_eq!(cx.link(&by_ref), Pid::NONE);
        assert_eq!(cx.link(&pid), pid);
        // As in OTP: each link that finds nobody is told of.
        cx.link(&pid);
    });
    let no_process = |pid| Came::Exit(pid, ExitReason::NoProcess);
    assert_eq!(
        trapping.all(),
        [no_process(Pid::NONE), no_process(pid), no_process(pid)]
    );
    // Taken back in the same breath, nothing comes.
    trapping.act(move |cx| {
        cx.link(&pid);
        cx.unlink(&pid);
    });
    assert_eq!(trapping.all(), []);

    let other = Seat::new(&system);
    let exit = other.actor.exit();
    other.tell(move |cx| {
        cx.link(&pid);
    });
    assert_eq!(
        common::run(&system, "the one that linked", exit),
        ExitReason::NoProcess
    );
    system.shutdown();
}

#[test]
fn a_second_link_after_an_exit_that_waits_is_a_second_exit() {
    let system = system();
    let (a, b) = (Seat::trapping(&system), Seat::new(&system));
    a.link(&b);
    let busy = a.busy();
    let pid = b.pid;
    a.tell(move |cx| {
        cx.link(&pid);
    });
    b.end(fault());
    drop(busy);
    let came = [
        Came::Exit(pid, fault()),
        Came::Exit(pid, ExitReason::NoProcess),
    ];
    assert_eq!([a.next(), a.next()], came);
    assert_eq!(a.all(), []);
    system.shutdown();
}

#[test]
fn who_links_to_itself_is_not_linked() {
    let system = system();
    let a = Seat::trapping(&system);
    a.act(|cx| {
        let me = cx.me();
        assert_eq!(cx.link(&me), cx.pid());
    });
    a.act(|_| ());
    a.end(fault());
    assert_eq!(a.rest(), [Came::Terminated(fault())]);
    system.shutdown();
}

#[test]
fn unlink_takes_the_link_from_both_ends() {
    let system = system();
    let (a, b) = (Seat::new(&system), Seat::new(&system));
    a.link(&b);
    b.unlink(a.pid);
    b.act(|_| ());
    a.act(|_| ());
    b.end(fault());
    assert_eq!(a.all(), []);

    let (a, b) = (Seat::new(&system), Seat::new(&system));
    a.link(&b);
    a.unlink(b.pid);
    b.act(|_| ());
    a.end(fault());
    assert_eq!(b.all(), []);
    // And it can be set again.
    let c = Seat::trapping(&system);
    c.link(&b);
    c.unlink(b.pid);
    c.link(&b);
    b.end(fault());
    assert_eq!(c.all(), [Came::Exit(b.pid, fault())]);
    system.shutdown();
}

#[test]
fn an_exit_that_waits_is_not_handled_after_unlink() {
    let system = system();
    for trap in [true, false] {
        let (a, b) = (Seat::new(&system), Seat::new(&system));
        a.act(move |cx| cx.trap_exits(trap));
        a.link(&b);
        let (begun, seen) = mpsc::sync_channel(1);
        let (end, ended) = mpsc::sync_channel::<()>(1);
        let pid = b.pid;
        a.tell(move |cx| {
            begun.send(()).expect("the test waits");
            let _ = ended.recv();
            cx.unlink(&pid);
        });
        seen.recv().expect("the handler begins");
        b.end(fault());
        drop(end);
        assert_eq!(a.all(), [], "trap {trap}");
    }
    system.shutdown();
}

#[test]
fn many_links_of_one_actor() {
    let system = system();
    let hub = Seat::trapping(&system);
    let spokes: Vec<_> = (0..200).map(|_| Seat::new(&system)).collect();
    for spoke in &spokes {
        hub.link(spoke);
    }
    for spoke in &spokes[..100] {
        hub.unlink(spoke.pid);
    }
    for spoke in &spokes[..150] {
        spoke.end(fault());
    }
    let came: Vec<_> = spokes[100..150]
        .iter()
        .map(|spoke| Came::Exit(spoke.pid, fault()))
        .collect();
    assert_eq!(hub.all(), came);
    let exits: Vec<_> = spokes[150..]
        .iter()
        .map(|spoke| spoke.actor.exit())
        .collect();
    hub.end(ExitReason::Shutdown);
    for exit in exits {
        assert_eq!(common::run(&system, "a spoke", exit), ExitReason::Shutdown);
    }
    system.shutdown();
}

#[test]
fn a_spawned_link_is_there_before_init() {
    use vaxel_runtime::{Actor, Context};

    struct Refuses;
    impl Actor for Refuses {
        type Args = ();
        async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
            Err(fault())
        }
    }
    let system = system();
    let a = Seat::trapping(&system);
    let pid = a.act(|cx| {
        let refused = cx.spawn_link::<Refuses>(());
        refused.pid()
    });
    assert_eq!(a.next(), Came::Exit(pid, fault()));
    let (pid, _) = a.act(|cx| {
        let (refused, monitor) = cx.spawn_monitor::<Refuses>(());
        (refused.pid(), monitor)
    });
    assert_eq!(a.next(), Came::Down(pid, fault()));
    assert_eq!(a.all(), []);
    system.shutdown();
}

/// A child keeps its address through a restart, but the linked incarnation is over.
#[test]
fn a_restart_ends_the_links_of_the_incarnation_before() {
    let system = system();
    let (parent, peer) = (Seat::new(&system), Seat::trapping(&system));
    let (log, seen) = mpsc::sync_channel(8);
    let recipient = parent.actor.recipient();
    let (child, actor) = system.spawn_child::<common::Peer>(move || log.clone(), &recipient, 1);
    common::run(&system, "the start", child.started()).expect("it starts");
    let first = actor.pid();
    let linked = actor.clone();
    assert_eq!(peer.act(move |cx| cx.link(&linked)), first);
    actor.exit_with(fault());
    assert_eq!(parent.next(), Came::Child(fault()));
    assert_eq!(peer.next(), Came::Exit(first, fault()));
    assert_eq!(
        actor.pid(),
        Pid::NONE,
        "nobody is there between two incarnations"
    );
    let exit = common::run(&system, "the reason of a vacant child", actor.exit());
    assert_eq!(exit, fault(), "of the incarnation that is over");

    child.restart();
    common::run(&system, "the restart", child.started()).expect("it starts again");
    assert_ne!(actor.pid(), first);
    // The new incarnation is linked to nobody, and what was meant for the old one passes it by.
    system.exit(first, ExitReason::Kill);
    assert_eq!(peer.all(), []);
    peer.end(fault());
    assert!(actor.is_alive() && seen.try_iter().next().is_none());
    let doing = common::Do(Box::new(|cx: &mut vaxel_runtime::Context<common::Peer>| {
        cx.pid()
    }));
    assert_eq!(
        common::run(&system, "the new one", actor.call(doing)),
        Ok(actor.pid())
    );
    drop(child);
    system.shutdown();
}
