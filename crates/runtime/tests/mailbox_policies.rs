//! What happens at the bound of a mailbox, policy by policy, and under a flood.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;
use vaxel_runtime::{
    Actor, ActorRef, CallError, Context, ExitReason, Handler, Mailbox, Message, OnFull, SendError,
    System, TypeStats,
};

const BOUND: u32 = 4;
const REFUSE: u8 = 0;
const WAIT: u8 = 1;
const DROP_NEWEST: u8 = 2;
const DROP_OLDEST: u8 = 3;
const KEEP_NEWEST: u8 = 4;

/// Writes down the numbers it is sent; holds still when told.
struct Box_<const POLICY: u8> {
    seen: Vec<u64>,
}

impl<const POLICY: u8> Actor for Box_<POLICY> {
    type Args = ();
    const MAILBOX: Mailbox = Mailbox::bounded(BOUND).on_full(match POLICY {
        REFUSE => OnFull::Refuse,
        WAIT => OnFull::Wait,
        DROP_NEWEST => OnFull::DropNewest,
        DROP_OLDEST => OnFull::DropOldest,
        _ => OnFull::KeepNewest,
    });

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Self { seen: Vec::new() })
    }
}

/// A number, its key, and perhaps a count of those that live.
#[derive(Debug)]
struct Number(u64, Option<u64>, #[expect(dead_code)] Option<Alive>);

#[derive(Debug)]
struct Alive(Arc<AtomicI64>);

impl Alive {
    fn new(count: &Arc<AtomicI64>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Message for Number {
    type Reply = u64;

    fn key(&self) -> Option<u64> {
        self.1
    }
}

fn number(number: u64) -> Number {
    Number(number, None, None)
}

fn keyed(number: u64, key: u64) -> Number {
    Number(number, Some(key), None)
}

struct Hold(mpsc::SyncSender<()>, mpsc::Receiver<()>);
impl Message for Hold {
    type Reply = ();
}

struct Seen;
impl Message for Seen {
    type Reply = Vec<u64>;
}

impl<const POLICY: u8> Handler<Number> for Box_<POLICY> {
    async fn handle(&mut self, number: Number, _: &mut Context<Self>) -> u64 {
        self.seen.push(number.0);
        number.0
    }
}

impl<const POLICY: u8> Handler<Hold> for Box_<POLICY> {
    async fn handle(&mut self, Hold(held, release): Hold, _: &mut Context<Self>) {
        held.send(()).unwrap();
        let _ = release.recv();
    }
}

impl<const POLICY: u8> Handler<Seen> for Box_<POLICY> {
    async fn handle(&mut self, _: Seen, _: &mut Context<Self>) -> Vec<u64> {
        std::mem::take(&mut self.seen)
    }
}

fn run<T: Send + 'static>(
    system: &System,
    what: &str,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    let (done, result) = mpsc::sync_channel(1);
    let join = system.spawn_future(async move { done.send(future.await) });
    let result = result.recv_timeout(Duration::from_secs(20));
    drop(join);
    result.unwrap_or_else(|_| panic!("no result of: {what}"))
}

/// Blocks the actor in a handler, its mailbox empty; dropping what is returned lets it go on.
fn hold<const POLICY: u8>(actor: &ActorRef<Box_<POLICY>>) -> mpsc::SyncSender<()> {
    let (held, is_held) = mpsc::sync_channel(1);
    let (release, released) = mpsc::sync_channel(1);
    actor.cast(Hold(held, released)).unwrap();
    let wait = is_held.recv_timeout(Duration::from_secs(20));
    wait.expect("the actor holds still");
    release
}

fn seen<const POLICY: u8>(system: &System, actor: &ActorRef<Box_<POLICY>>) -> Vec<u64> {
    // The question must not take a place from what it asks for.
    while actor.mailbox_len() > 0 {
        std::thread::yield_now();
    }
    let call = actor.call(Seen);
    run(system, "what was seen", call).expect("it lives")
}

fn stats(system: &System) -> TypeStats {
    let types = system.types();
    let of = types.into_iter().find(|of| of.name.contains("Box_"));
    of.expect("it was spawned")
}

fn system() -> System {
    System::builder().workers(2).build()
}

#[test]
fn refuse_and_wait_tell_a_cast() {
    fn check<const POLICY: u8>() {
        let system = system();
        let actor = system.spawn::<Box_<POLICY>>(());
        let release = hold(&actor);
        for n in 0..4 {
            actor.cast(number(n)).unwrap();
        }
        let refused = actor.cast(number(4));
        assert!(matches!(refused, Err(SendError::Full(Number(4, ..)))));
        assert_eq!(actor.mailbox_len(), 4);
        drop(release);
        assert_eq!(seen(&system, &actor), [0, 1, 2, 3]);
        assert_eq!(stats(&system).mailbox_full, 1);
        assert_eq!(system.counters().mailbox_full, 1);
        system.shutdown();
    }
    check::<REFUSE>();
    check::<WAIT>();
}

#[test]
fn drop_newest_keeps_what_came_first() {
    let system = system();
    let actor = system.spawn::<Box_<DROP_NEWEST>>(());
    let release = hold(&actor);
    for n in 0..10 {
        actor.cast(number(n)).unwrap();
    }
    assert_eq!(actor.mailbox_len(), 4);
    drop(release);
    assert_eq!(seen(&system, &actor), [0, 1, 2, 3]);
    assert_eq!(stats(&system).mailbox_dropped_newest, 6);
    assert_eq!(system.counters().mailbox_dropped_newest, 6);
    system.shutdown();
}

#[test]
fn drop_oldest_keeps_what_came_last_and_tells_a_call() {
    let system = system();
    let actor = system.spawn::<Box_<DROP_OLDEST>>(());
    let release = hold(&actor);
    let first = actor.call(number(100));
    for n in 0..10 {
        actor.cast(number(n)).unwrap();
    }
    let last = actor.call(number(200));
    assert_eq!(actor.mailbox_len(), 4);
    drop(release);
    let answers = run(
        &system,
        "two calls",
        async move { (first.await, last.await) },
    );
    assert_eq!(answers, (Err(CallError::Full), Ok(200)));
    assert_eq!(seen(&system, &actor), [7, 8, 9, 200]);
    assert_eq!(stats(&system).mailbox_dropped_oldest, 8);
    system.shutdown();
}

#[test]
fn keep_newest_gives_up_the_superseded_first() {
    let system = system();
    let actor = system.spawn::<Box_<KEEP_NEWEST>>(());
    let release = hold(&actor);
    // Room for four: nothing is lost yet.
    for (n, key) in [(0, 7), (1, 8), (2, 7), (3, 9)] {
        actor.cast(keyed(n, key)).unwrap();
    }
    assert_eq!(actor.mailbox_len(), 4);
    // 0 is superseded by 2; then 1 by 4, although it is the oldest already; then 3 by 5.
    actor.cast(keyed(4, 8)).unwrap();
    actor.cast(keyed(5, 9)).unwrap();
    actor.cast(keyed(6, 10)).unwrap();
    assert_eq!(stats(&system).mailbox_superseded, 3);
    assert_eq!(stats(&system).mailbox_dropped_oldest, 0);
    // A fifth key: now the oldest goes.
    actor.cast(keyed(7, 11)).unwrap();
    assert_eq!(stats(&system).mailbox_dropped_oldest, 1);
    drop(release);
    assert_eq!(seen(&system, &actor), [4, 5, 6, 7]);
    system.shutdown();
}

#[test]
fn senders_wait_in_the_order_in_which_they_came() {
    let system = system();
    let actor = system.spawn::<Box_<WAIT>>(());
    let release = hold(&actor);
    for n in 0..4 {
        actor.cast(number(n)).unwrap();
    }
    let mut sends: Vec<_> = (4..12).map(|n| Box::pin(actor.send(number(n)))).collect();
    let waker = futures_waker();
    let mut cx = std::task::Context::from_waker(&waker);
    for send in &mut sends {
        assert!(send.as_mut().poll(&mut cx).is_pending());
    }
    // One gives up: its message is never sent.
    drop(sends.remove(2));
    // A call waits in the same queue, behind them; a cast does not overtake them.
    let call = actor.call(number(12));
    assert!(actor.cast(number(13)).is_err());
    assert_eq!(stats(&system).mailbox_waited, 9);
    drop(release);
    let sent = run(&system, "sends", async move {
        for send in sends {
            send.await.map_err(|_| "refused")?;
        }
        call.await.map_err(|_| "unanswered")
    });
    assert_eq!(sent, Ok(12));
    assert_eq!(
        seen(&system, &actor),
        [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]
    );
    // The gate is open again.
    actor.cast(number(14)).unwrap();
    assert_eq!(seen(&system, &actor), [14]);
    system.shutdown();
}

fn futures_waker() -> std::task::Waker {
    std::task::Waker::noop().clone()
}

#[test]
fn a_call_waits_for_room_until_its_limit_whatever_the_policy() {
    fn check<const POLICY: u8>() {
        let system = System::builder().workers(2).manual_clock().build();
        let actor = system.spawn::<Box_<POLICY>>(());
        let release = hold(&actor);
        for n in 0..4 {
            actor.cast(number(n)).unwrap();
        }
        let mut late = actor.call(number(5)).timeout(Duration::from_secs(1));
        let dropped = actor.call(number(6));
        let patient = actor.call(number(7)).no_timeout();
        let advancing = system.clone();
        let answer = run(&system, "a call that finds no room", async move {
            let first = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut late).poll(cx))).await;
            assert!(first.is_pending());
            advancing.advance(Duration::from_secs(1));
            late.await
        });
        assert_eq!(answer, Err(CallError::Full));
        drop(dropped);
        drop(release);
        assert_eq!(run(&system, "a patient call", patient), Ok(7));
        assert_eq!(seen(&system, &actor), [0, 1, 2, 3, 7]);
        system.shutdown();
    }
    check::<REFUSE>();
    check::<WAIT>();
    check::<DROP_NEWEST>();
}

#[test]
fn an_end_gives_back_what_waits_for_room() {
    let system = system();
    let actor = system.spawn::<Box_<WAIT>>(());
    let release = hold(&actor);
    let alive = Arc::new(AtomicI64::new(0));
    let counted = |n| Number(n, None, Some(Alive::new(&alive)));
    for n in 0..4 {
        actor.cast(counted(n)).unwrap();
    }
    let mut send = Box::pin(actor.send(counted(4)));
    let call = actor.call(counted(5));
    let waker = futures_waker();
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(send.as_mut().poll(&mut cx).is_pending());
    let mut forgotten = Box::pin(actor.send(counted(6)));
    assert!(forgotten.as_mut().poll(&mut cx).is_pending());
    let exit = actor.exit();
    actor.kill();
    drop(release);
    assert_eq!(exit.wait(), ExitReason::Killed);
    let (sent, called) = run(&system, "an end", async move { (send.await, call.await) });
    assert!(matches!(sent, Err(SendError::Closed(Number(4, ..)))));
    assert_eq!(called, Err(CallError::Crashed(ExitReason::Killed)));
    drop(sent);
    drop(forgotten);
    assert_eq!(alive.load(SeqCst), 0, "a message was leaked");
    system.shutdown();
}

/// Four threads send a million messages each to an actor that holds still, then lets go.
fn flood<const POLICY: u8>() -> TypeStats {
    const THREADS: u64 = 4;
    const EACH: u64 = 1_000_000;
    let system = system();
    let actor = system.spawn::<Box_<POLICY>>(());
    let release = hold(&actor);
    let alive = Arc::new(AtomicI64::new(0));
    let most = Arc::new(AtomicI64::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (actor, alive, most) = (actor.clone(), alive.clone(), most.clone());
            std::thread::spawn(move || {
                for n in 0..EACH {
                    let key = Some(n % 3);
                    let message = Number(thread * EACH + n, key, Some(Alive::new(&alive)));
                    // A refusal is what the flood is about.
                    let _ = actor.cast(message);
                    most.fetch_max(alive.load(SeqCst), SeqCst);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    // What waits, and one message in the hands of each thread.
    let bound = i64::from(BOUND) + 2 * THREADS as i64;
    let most = most.load(SeqCst);
    assert!(most <= bound, "{most} messages were alive at once");
    assert_eq!(actor.mailbox_len(), BOUND as usize);
    drop(release);
    let seen = seen(&system, &actor);
    assert_eq!(seen.len(), BOUND as usize);
    for thread in 0..THREADS {
        let of_thread = seen.iter().filter(|&&n| n / EACH == thread);
        assert!(of_thread.is_sorted(), "out of order: {seen:?}");
    }
    assert_eq!(alive.load(SeqCst), 0, "a message was leaked");
    let stats = stats(&system);
    let lost = stats.mailbox_full
        + stats.mailbox_dropped_newest
        + stats.mailbox_dropped_oldest
        + stats.mailbox_superseded;
    assert_eq!(
        lost,
        THREADS * EACH - u64::from(BOUND),
        "each outcome is counted"
    );
    system.shutdown();
    stats
}

#[test]
fn a_flooded_actor_keeps_its_bound_and_counts_what_it_lost() {
    assert!(flood::<REFUSE>().mailbox_full > 0);
    assert!(flood::<DROP_NEWEST>().mailbox_dropped_newest > 0);
    assert!(flood::<DROP_OLDEST>().mailbox_dropped_oldest > 0);
    assert!(flood::<KEEP_NEWEST>().mailbox_superseded > 0);
}

#[test]
fn waiting_senders_keep_the_order_of_each_under_load() {
    let system = system();
    let actor = system.spawn::<Box_<WAIT>>(());
    let senders: Vec<_> = (0..8u64)
        .map(|sender| {
            let actor = actor.clone();
            system.spawn_future(async move {
                for n in 0..2_000 {
                    let message = number(sender * 10_000 + n);
                    // In turns by the three ways to send.
                    let sent = match n % 3 {
                        0 => actor.send(message).await.is_ok(),
                        1 => actor.call(message).await.is_ok(),
                        _ => match actor.cast(message) {
                            Ok(()) => true,
                            Err(full) => actor.send(full.into_message()).await.is_ok(),
                        },
                    };
                    assert!(sent);
                }
            })
        })
        .collect();
    for sender in senders {
        run(&system, "a sender", sender).expect("it does not panic");
    }
    let seen = seen(&system, &actor);
    assert_eq!(seen.len(), 16_000);
    for sender in 0..8 {
        let of_sender = seen.iter().filter(|&&n| n / 10_000 == sender);
        assert!(
            of_sender.is_sorted(),
            "the messages of {sender} are out of order"
        );
    }
    assert!(stats(&system).mailbox_waited > 0);
    system.shutdown();
}

#[test]
fn mail_that_may_be_dropped_keeps_its_order_with_signals() {
    let system = system();
    let actor = system.spawn::<Box_<DROP_OLDEST>>(());
    let release = hold(&actor);
    let early = actor.call(number(1));
    // Behind what was sent, before what comes later.
    actor.stop();
    let late = actor.call(number(2));
    drop(release);
    let answers = run(&system, "calls around a stop", async move {
        (early.await, late.await)
    });
    assert_eq!(answers, (Ok(1), Err(CallError::Closed)));
    system.shutdown();
}
