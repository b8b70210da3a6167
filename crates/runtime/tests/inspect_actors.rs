//! Inspection: listing, describing, suspending, tracing, showing.

mod common;

use common::{Came, Note, Seat, fault, run, system};
use std::collections::HashSet;
use vaxel_runtime::inspect::{Activity, ActorFilter, InspectError, Inspector};
use vaxel_runtime::{Actor, Context, ExitReason, Handler, Message, System};

struct Shown(u32);

impl Actor for Shown {
    type Args = u32;

    async fn init(number: u32, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Self(number))
    }

    fn inspect(&self) -> Option<String> {
        assert!(self.0 != 13, "unlucky");
        Some(format!("Shown({})", self.0))
    }
}

impl Message for Number {
    type Reply = u32;
}

struct Number;

impl Handler<Number> for Shown {
    async fn handle(&mut self, _: Number, _: &mut Context<Self>) -> u32 {
        self.0
    }
}

#[test]
fn every_actor_is_listed_once_page_by_page() {
    let count = if cfg!(debug_assertions) {
        200_000
    } else {
        1_000_000
    };
    let system = System::builder().workers(2).list_all().build();
    let actors: Vec<_> = (0..count)
        .map(|number| system.spawn::<Shown>(number))
        .collect();
    let inspector = system.inspect();
    let (mut seen, mut from, mut pages) = (HashSet::new(), None, 0);
    loop {
        let page = inspector.list(&ActorFilter::of_type("Shown"), from, 1_000);
        assert!(page.actors.len() <= Inspector::PAGE_MAX);
        seen.extend(page.actors.iter().map(|actor| actor.pid));
        pages += 1;
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert!(pages <= count / 1_000 + 64, "{pages} pages");
    assert_eq!(seen.len(), count as usize);
    assert!(actors.iter().all(|actor| seen.contains(&actor.pid())));
    // A filter that takes nobody goes through all of them in few pages.
    let nobody = ActorFilter::all().mailbox_at_least(1_000_000);
    assert_eq!(inspector.actors(&nobody).count(), 0);
    // Listing has woken nobody: not one message was handled.
    assert!(
        inspector
            .actors(&ActorFilter::all())
            .all(|actor| actor.handled <= 1)
    );
    drop(actors);
    system.shutdown();
}

#[test]
fn a_list_may_go_on_while_actors_come_and_go() {
    let system = System::builder().workers(2).list_all().build();
    let lasting: Vec<_> = (0..1_000)
        .map(|number| system.spawn::<Shown>(number))
        .collect();
    let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(1);
    let churns = system.clone();
    let churn = std::thread::spawn(move || {
        while stopped.try_recv().is_err() {
            drop(churns.spawn::<Shown>(0));
        }
    });
    for _ in 0..50 {
        let listed: Vec<_> = system
            .inspect()
            .actors(&ActorFilter::all())
            .map(|it| it.pid)
            .collect();
        let set: HashSet<_> = listed.iter().copied().collect();
        assert!(lasting.iter().all(|actor| set.contains(&actor.pid())));
    }
    stop.send(()).expect("it churns");
    churn.join().expect("it stops");
    system.shutdown();
}

#[test]
fn a_description_tells_who_is_tied_to_whom() {
    let system = system();
    let (a, b, c) = (
        Seat::new(&system),
        Seat::trapping(&system),
        Seat::new(&system),
    );
    a.link(&b);
    let to = c.actor.clone();
    a.act(move |cx| cx.monitor(&to));
    a.act(|cx| cx.register("the first").expect("it is free"));
    let inspector = system.inspect();
    let tells = |seat: &Seat| {
        let asked = inspector.describe(&seat.actor);
        run(&system, "a description", asked).expect("it lives")
    };
    let (first, second, third) = (tells(&a), tells(&b), tells(&c));
    assert_eq!(
        (&first.links[..], &second.links[..]),
        (&[b.pid][..], &[a.pid][..])
    );
    assert_eq!(
        (&first.monitors[..], &third.monitored_by[..]),
        (&[c.pid][..], &[a.pid][..])
    );
    assert!(second.summary.traps_exits && !first.summary.traps_exits);
    assert_eq!(&*first.names[0], "the first");
    assert_eq!(first.summary.pid, a.pid);
    assert!(first.summary.type_name.ends_with("Peer"));
    assert_eq!(first.handler, None);

    let named = inspector.named("first", 10);
    assert_eq!((named.len(), named[0].1.pid), (1, a.pid));
    assert_eq!(inspector.find(c.pid).map(|found| found.pid()), Some(c.pid));
    c.end(ExitReason::Normal);
    let gone = run(&system, "an answer", inspector.describe(&c.actor));
    assert_eq!(gone.expect_err("it is over"), InspectError::NoProcess);
    assert!(inspector.find(c.pid).is_none() && inspector.summary(&c.pid).is_none());
    assert_eq!(tells(&a).monitors, []);
    system.shutdown();
}

#[test]
fn an_actor_that_awaits_answers_ahead_of_its_mail() {
    let system = system();
    let a = Seat::new(&system);
    a.suspend();
    for number in 0..10 {
        a.actor.cast(Note(number)).expect("room");
    }
    let inspector = system.inspect();
    let told = run(&system, "a description", inspector.describe(&a.actor)).expect("it lives");
    assert_eq!((told.waiting, told.summary.mailbox_len), (10, 10));
    assert!(
        told.handler
            .is_some_and(|handler| handler.message.ends_with("Never")),
        "{:?}",
        told.handler
    );
    let summary = inspector.summary(&a.actor).expect("it lives");
    assert_eq!(summary.activity, Activity::Awaits);
    let awaiting = ActorFilter::all().doing(Activity::Awaits);
    assert!(inspector.actors(&awaiting).any(|actor| actor.pid == a.pid));
    let watcher = Seat::new(&system);
    let to = a.pid;
    watcher.act(move |cx| cx.monitor(&to));
    inspector.kill(&a.actor);
    assert_eq!(watcher.next(), Came::Down(a.pid, ExitReason::Killed));
    system.shutdown();
}

#[test]
fn a_suspended_actor_begins_no_message_but_answers_and_obeys() {
    let system = system();
    let (a, other) = (Seat::new(&system), Seat::new(&system));
    a.link(&other);
    let inspector = system.inspect();
    run(&system, "the suspension", inspector.suspend(&a.actor)).expect("it lives");
    for number in 0..3 {
        a.actor.cast(Note(number)).expect("room");
    }
    let told = run(&system, "a description", inspector.describe(&a.actor)).expect("it lives");
    assert_eq!(told.summary.activity, Activity::Suspended);
    assert_eq!(told.links, [other.pid]);
    assert_eq!(a.rest(), [], "no message was begun");
    run(&system, "the release", inspector.resume(&a.actor)).expect("it lives");
    assert_eq!(a.all(), [Came::Note(0), Came::Note(1), Came::Note(2)]);

    // An exit, a shutdown and a kill reach it all the same.
    let exit = a.actor.exit();
    a.act(|_| ());
    run(&system, "the suspension", inspector.suspend(&a.actor)).expect("it lives");
    other.end(fault());
    assert_eq!(run(&system, "its end", exit), fault());
    let b = Seat::new(&system);
    let exit = b.actor.exit();
    b.act(|_| ());
    run(&system, "the suspension", inspector.suspend(&b.actor)).expect("it lives");
    b.actor.shutdown();
    assert_eq!(run(&system, "its end", exit), ExitReason::Shutdown);
    assert_eq!(b.rest(), [Came::Terminated(ExitReason::Shutdown)]);
    system.shutdown();
}

#[test]
fn a_suspended_actor_that_nobody_refers_to_ends() {
    let system = system();
    let a = Seat::new(&system);
    let watcher = Seat::new(&system);
    let pid = a.pid;
    watcher.act(move |cx| cx.monitor(&pid));
    a.act(|_| ());
    run(
        &system,
        "the suspension",
        system.inspect().suspend(&a.actor),
    )
    .expect("it lives");
    drop(a);
    assert_eq!(watcher.next(), Came::Down(pid, ExitReason::Normal));
    system.shutdown();
}

#[test]
fn a_trace_keeps_the_newest_and_ends_with_its_tracer() {
    let system = system();
    let a = Seat::new(&system);
    let inspector = system.inspect();
    let tracer = run(&system, "a tracer", inspector.trace(&a.actor, 4)).expect("it lives");
    for number in 0..10 {
        a.actor.cast(Note(number)).expect("room");
    }
    a.all();
    let (events, dropped) = tracer.take();
    assert_eq!((events.len(), dropped), (4, 7), "ten notes and one call");
    assert!(
        events[..3]
            .iter()
            .all(|event| event.message.ends_with("Note"))
    );
    assert!(inspector.summary(&a.actor).expect("it lives").is_traced);
    assert_eq!(tracer.take(), (Vec::new(), 0));
    drop(tracer);
    a.all();
    assert!(!inspector.summary(&a.actor).expect("it lives").is_traced);
    system.shutdown();
}

#[test]
fn a_state_is_shown_by_types_that_want_to() {
    let system = system();
    let inspector = system.inspect();
    let (shown, unlucky) = (system.spawn::<Shown>(7), system.spawn::<Shown>(13));
    let hidden = Seat::new(&system);
    let text = run(&system, "a state", inspector.state(&shown));
    assert_eq!(text.as_deref(), Ok("Shown(7)"));
    let text = run(&system, "a state", inspector.state(&unlucky));
    assert_eq!(text, Err(InspectError::Panicked));
    assert_eq!(
        run(&system, "an answer", unlucky.call(Number)),
        Ok(13),
        "it goes on"
    );
    let text = run(&system, "a state", inspector.state(&hidden.actor));
    assert_eq!(text, Err(InspectError::Hidden));
    system.shutdown();
}

#[test]
fn handled_messages_are_counted_per_actor() {
    let system = system();
    let shown = system.spawn::<Shown>(1);
    for _ in 0..100 {
        let answer = run(&system, "an answer", shown.call(Number));
        assert_eq!(answer, Ok(1));
    }
    let told = run(&system, "a description", system.inspect().describe(&shown)).expect("it lives");
    assert!(
        (100..=103).contains(&told.summary.handled),
        "{}",
        told.summary.handled
    );
    system.shutdown();
}
