//! Inspection: what waits for an actor, and what it handles.

mod common;

use common::{Note, Seat, run, system};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};
use vaxel_runtime::inspect::{Activity, ActorFilter, ActorSummary};
use vaxel_runtime::{
    Actor, ActorRef, Context, ExitReason, Handler, Mailbox, Message, OnFull, System,
};

const BOUND: u32 = 4;

/// Handles one message, and never ends: its mail waits.
struct Busy<const POLICY: u8>;

const WAITS: u8 = 0;
const DROPS_OLDEST: u8 = 1;
const KEEPS_NEWEST: u8 = 2;
const UNBOUNDED: u8 = 3;

impl<const POLICY: u8> Actor for Busy<POLICY> {
    type Args = ();

    const MAILBOX: Mailbox = match POLICY {
        WAITS => Mailbox::bounded(BOUND).on_full(OnFull::Wait),
        DROPS_OLDEST => Mailbox::bounded(BOUND).on_full(OnFull::DropOldest),
        KEEPS_NEWEST => Mailbox::bounded(BOUND).on_full(OnFull::KeepNewest),
        _ => Mailbox::unbounded(),
    };

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Self)
    }
}

struct Begin(mpsc::SyncSender<()>);

impl Message for Begin {
    type Reply = ();
}

impl<const POLICY: u8> Handler<Begin> for Busy<POLICY> {
    async fn handle(&mut self, Begin(begun): Begin, _: &mut Context<Self>) {
        let _ = begun.send(());
        pending::<()>().await;
    }
}

struct More(u64);

impl Message for More {
    type Reply = ();

    fn key(&self) -> Option<u64> {
        Some(self.0)
    }
}

impl<const POLICY: u8> Handler<More> for Busy<POLICY> {
    async fn handle(&mut self, _: More, _: &mut Context<Self>) {}
}

/// An actor whose handler awaits for ever.
fn busy<const POLICY: u8>(system: &System) -> ActorRef<Busy<POLICY>> {
    let actor = system.spawn::<Busy<POLICY>>(());
    let (begun, begins) = mpsc::sync_channel(1);
    actor.cast(Begin(begun)).expect("room");
    let begins = begins.recv_timeout(Duration::from_secs(20));
    begins.expect("the handler begins");
    actor
}

fn summary<const POLICY: u8>(system: &System, of: &ActorRef<Busy<POLICY>>) -> ActorSummary {
    system.inspect().summary(of).expect("it lives")
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut TaskContext::from_waker(Waker::noop()))
}

/// How many wait as its summary, its reference and its description tell it.
fn told<const POLICY: u8>(system: &System, actor: &ActorRef<Busy<POLICY>>) -> [usize; 3] {
    let asked = system.inspect().describe(actor);
    let told = run(system, "a description", asked).expect("it lives");
    [
        summary(system, actor).mailbox_len,
        actor.mailbox_len(),
        told.waiting,
    ]
}

/// What those mailboxes hold from which senders may take messages out.
fn counts_a_ring<const POLICY: u8>(system: &System) {
    let actor = busy::<POLICY>(system);
    for sent in 1..=BOUND as usize {
        actor.cast(More(sent as u64)).expect("older ones give way");
        assert_eq!(told(system, &actor), [sent; 3]);
    }
    for key in 0..10 {
        actor.cast(More(key)).expect("older ones give way");
    }
    assert_eq!(told(system, &actor), [BOUND as usize; 3]);
    assert_eq!(summary(system, &actor).mailbox_capacity, Some(BOUND));
    let long = ActorFilter::all().mailbox_at_least(BOUND as usize);
    let inspector = system.inspect();
    let listed = inspector.actors(&long);
    assert_eq!(listed.filter(|one| one.pid == actor.pid()).count(), 1);
}

#[test]
fn messages_that_may_be_dropped_are_counted() {
    let system = system();
    counts_a_ring::<DROPS_OLDEST>(&system);
    counts_a_ring::<KEEPS_NEWEST>(&system);
    system.shutdown();
}

#[test]
fn senders_that_wait_are_counted_apart() {
    let system = system();
    let actor = busy::<WAITS>(&system);
    let bound = BOUND as usize;
    for _ in 0..bound {
        actor.cast(More(0)).expect("room");
    }
    assert_eq!(summary(&system, &actor).senders_waiting, 0);
    let mut sends: Vec<_> = (0..3).map(|key| actor.send(More(key))).collect();
    assert!(sends.iter_mut().all(|send| poll(send).is_pending()));
    let mut call = actor.call(More(7));
    assert!(poll(&mut call).is_pending());
    let seen = summary(&system, &actor);
    assert_eq!((seen.mailbox_len, seen.senders_waiting), (bound, 4));
    assert_eq!(seen.mailbox_capacity, Some(BOUND));
    assert_eq!(told(&system, &actor), [bound; 3]);
    // Who gives up waits no more.
    drop((sends.pop(), call));
    assert_eq!(summary(&system, &actor).senders_waiting, 2);
    drop(sends);
    let seen = summary(&system, &actor);
    assert_eq!((seen.mailbox_len, seen.senders_waiting), (bound, 0));
    system.shutdown();
}

#[test]
fn a_mailbox_without_a_bound_has_none() {
    let system = system();
    let actor = busy::<UNBOUNDED>(&system);
    (0..100).for_each(|key| actor.cast(More(key)).expect("there is no bound"));
    assert_eq!(told(&system, &actor), [100; 3]);
    assert_eq!(summary(&system, &actor).mailbox_capacity, None);
    system.shutdown();
}

#[test]
fn the_handler_that_a_worker_runs_is_seen_and_for_how_long() {
    let system = System::builder().workers(1).build();
    let (seat, other) = (Seat::new(&system), Seat::new(&system));
    let inspector = system.inspect();
    let idle = inspector.summary(&seat.actor).expect("it lives");
    assert_eq!(idle.handler, None);
    let end = seat.busy();
    other.actor.cast(Note(1)).expect("room");
    // The watchdog sees it soon, and notes when; from then on the moment stays.
    let patience = Instant::now() + Duration::from_secs(20);
    let mut since = None;
    loop {
        assert!(Instant::now() < patience, "nobody notes when it began");
        let seen = inspector.summary(&seat.actor).expect("it lives");
        let handler = seen.handler.expect("a worker runs it");
        assert!(handler.message.ends_with("Busy"), "{handler:?}");
        assert_eq!(seen.activity, Activity::Active);
        let stays = since.replace(handler.since) == Some(handler.since);
        if stays && system.now().since(handler.since) >= Duration::from_millis(50) {
            break;
        }
        std::thread::yield_now();
    }
    let waits = inspector.summary(&other.actor).expect("it lives");
    assert_eq!((waits.activity, waits.handler), (Activity::Active, None));
    drop(end);
    seat.act(|_| ());
    // Asked again and again, it is between two messages at last.
    while let Some(seen) = inspector.summary(&seat.actor) {
        assert!(Instant::now() < patience, "still seen: {seen:?}");
        if seen.handler.is_none() {
            break;
        }
        std::thread::yield_now();
    }
    system.shutdown();
}

#[test]
fn a_handler_that_awaits_is_told_by_its_message_and_since_when() {
    let system = System::builder().workers(1).manual_clock().build();
    let (seat, inspector) = (Seat::new(&system), system.inspect());
    system.advance(Duration::from_millis(1_500));
    seat.suspend();
    seat.actor.cast(Note(1)).expect("room");
    let tells = || {
        let asked = inspector.describe(&seat.actor);
        run(&system, "a description", asked).expect("it lives")
    };
    let told = tells();
    system.advance(Duration::from_secs(2));
    let (first, later) = (told.handler.expect("it awaits"), tells().handler);
    assert!(first.message.ends_with("Never"), "{first:?}");
    assert_eq!(first.since.since_start(), Duration::from_millis(1_500));
    assert_eq!(later, Some(first), "for as long as it awaits");
    assert_eq!(told.children, None, "only the state knows, and it is lent");
    assert_eq!(told.summary.handler, None, "no worker runs it");
    system.shutdown();
}
