//! Timers in numbers, from several workers, on a manual clock and on the machine's.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::{Duration, Instant};
use vaxel_runtime::{
    Actor, ActorRef, CallError, Context, ExitReason, Handler, Message, System, TimerRef, time,
};

const MILLI: Duration = Duration::from_millis(1);

struct Clockwork {
    fired: mpsc::SyncSender<u64>,
    timers: Vec<TimerRef>,
}

impl Actor for Clockwork {
    type Args = mpsc::SyncSender<u64>;

    async fn init(fired: Self::Args, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Self {
            fired,
            timers: Vec::new(),
        })
    }
}

macro_rules! message {
    ($name:ident($($field:ty),*) -> $reply:ty) => {
        struct $name($(#[allow(dead_code)] $field),*);
        impl Message for $name {
            type Reply = $reply;
        }
    };
}

message!(Start(Vec<u64>) -> ());
message!(Cancel(usize) -> usize);
message!(Ring(u64) -> ());
message!(Never() -> ());
message!(Beat(Duration) -> ());

impl Handler<Start> for Clockwork {
    async fn handle(&mut self, Start(millis): Start, cx: &mut Context<Self>) {
        for millis in millis {
            let timer = cx.send_after(MILLI * millis as u32, Ring(millis));
            self.timers.push(timer);
        }
    }
}

impl Handler<Cancel> for Clockwork {
    /// Cancels every so-manieth timer and says how many had not fired.
    async fn handle(&mut self, Cancel(step): Cancel, cx: &mut Context<Self>) -> usize {
        let timers = self.timers.iter().step_by(step);
        timers.filter(|timer| cx.cancel(timer)).count()
    }
}

impl Handler<Ring> for Clockwork {
    async fn handle(&mut self, Ring(millis): Ring, _: &mut Context<Self>) {
        let _ = self.fired.send(millis);
    }
}

impl Handler<Never> for Clockwork {
    async fn handle(&mut self, _: Never, cx: &mut Context<Self>) {
        let _me = cx.me();
        std::future::pending::<()>().await;
    }
}

impl Handler<Beat> for Clockwork {
    async fn handle(&mut self, Beat(period): Beat, cx: &mut Context<Self>) {
        cx.send_every(period, || Ring(0));
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

/// Calls an actor and waits for the answer without a timer of its own.
fn ask<M: Message>(system: &System, what: &str, actor: &ActorRef<Clockwork>, message: M) -> M::Reply
where
    Clockwork: Handler<M>,
{
    let call = actor.call(message).no_timeout();
    match run(system, what, call) {
        Ok(reply) => reply,
        Err(error) => panic!("{what}: {error}"),
    }
}

#[test]
fn timers_of_many_actors_fire_once_each_in_the_order_of_time() {
    let system = System::builder().workers(2).manual_clock().seed(3).build();
    let (fired, fires) = mpsc::sync_channel(10_000);
    let actors: Vec<_> = (0..8)
        .map(|_| system.spawn::<Clockwork>(fired.clone()))
        .collect();
    let millis = |actor: u64| (1..=500).map(move |n| n * 8 + actor).collect::<Vec<u64>>();
    for (index, actor) in actors.iter().enumerate() {
        ask(&system, "start", actor, Start(millis(index as u64)));
    }
    assert_eq!(system.counters().timers_pending, 4_000);
    // Every other timer of every other actor is taken back.
    let cancelled: usize = (actors.iter().step_by(2))
        .map(|actor| ask(&system, "cancel", actor, Cancel(2)))
        .sum();
    assert_eq!(cancelled, 1_000);
    assert_eq!(system.counters().timers_pending, 3_000);
    let mut seen = Vec::new();
    for now in 1..=4_100u64 {
        system.advance(MILLI);
        let due = (0..8u64).filter(|actor| {
            let number = now.wrapping_sub(*actor) / 8;
            let exists = now > *actor && (now - actor) % 8 == 0 && (1..=500).contains(&number);
            exists && !(actor % 2 == 0 && number % 2 == 1)
        });
        for _ in due {
            let millis = fires.recv_timeout(Duration::from_secs(20));
            seen.push(millis.unwrap_or_else(|_| panic!("nothing fired at {now} ms")));
            assert_eq!(seen.last(), Some(&now), "early or late");
        }
    }
    assert_eq!(seen.len(), 3_000);
    assert!(fires.try_recv().is_err());
    assert_eq!(system.counters().timers_pending, 0);
    system.shutdown();
}

#[test]
fn one_jump_of_the_clock_fires_in_the_order_of_deadlines_across_workers() {
    let system = System::builder().workers(1).manual_clock().build();
    let (fired, fires) = mpsc::sync_channel(10_000);
    let actor = system.spawn::<Clockwork>(fired);
    // Started on two threads, so in two wheels.
    ask(&system, "start", &actor, Start(vec![50, 10, 30, 9_000]));
    let order = Arc::new(Mutex::new(Vec::new()));
    let entered = system.enter();
    let mut sleeps: Vec<_> = [40u64, 20, 60]
        .iter()
        // tidy: allow(sleep-in-test): the timers under test, polled by hand
        .map(|&millis| (millis, Box::pin(time::sleep(MILLI * millis as u32))))
        .collect();
    struct Note(u64, Arc<Mutex<Vec<u64>>>);
    impl std::task::Wake for Note {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    for (millis, sleep) in &mut sleeps {
        let waker = Arc::new(Note(*millis, order.clone())).into();
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        // A second poll moves the timer to the new waker instead of starting another one.
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(system.counters().timers_pending, 7);
    system.advance(Duration::from_secs(1));
    drop(entered);
    assert_eq!(*order.lock().unwrap(), [20, 40, 60]);
    let rings: Vec<u64> = (0..3)
        .map(|_| fires.recv_timeout(Duration::from_secs(20)).unwrap())
        .collect();
    assert_eq!(rings, [10, 30, 50]);
    assert_eq!(system.counters().timers_pending, 1);
    system.shutdown();
}

#[test]
fn an_interval_does_not_drift() {
    let system = System::builder().workers(1).manual_clock().build();
    let (fired, fires) = mpsc::sync_channel(10_000);
    let actor = system.spawn::<Clockwork>(fired);
    let beat = Duration::from_micros(2_500);
    ask(&system, "beat", &actor, Beat(beat));
    // 2.5 ms round up to 3, 5, 8, 10: a thousand beats take 2.5 s, not 3 s.
    for _ in 0..2_500 {
        system.advance(MILLI);
    }
    for beat in 0..1_000 {
        let rang = fires.recv_timeout(Duration::from_secs(20));
        assert!(rang.is_ok(), "beat {beat} is missing");
    }
    assert!(fires.try_recv().is_err());
    system.shutdown();
}

/// Keeps polling a call together with something that is always ready first.
async fn polled_often<F: Future + Unpin>(mut call: F) -> F::Output {
    let mut polls = 0;
    std::future::poll_fn(move |cx| {
        polls += 1;
        let answer = Pin::new(&mut call).poll(cx);
        if answer.is_pending() && polls < 1_000 {
            cx.waker().wake_by_ref();
        }
        answer
    })
    .await
}

#[test]
fn a_call_that_nobody_answers_ends_in_time_and_never_early() {
    let system = System::builder().workers(2).build();
    let (fired, _fires) = mpsc::sync_channel(10_000);
    // Below and above the limit from which a call notes itself instead of starting a timer.
    for millis in [20, 150] {
        for often in [false, true] {
            let actor = system.spawn::<Clockwork>(fired.clone());
            let limit = MILLI * millis;
            let (result, took) = run(&system, "a call without an answer", async move {
                let begun = Instant::now();
                let call = actor.call(Never()).timeout(limit);
                let result = if often {
                    polled_often(call).await
                } else {
                    call.await
                };
                (result, begun.elapsed())
            });
            assert_eq!(result, Err(CallError::Timeout));
            assert!(took >= limit, "ended early, after {took:?}");
            // Generous: the machine may be busy.
            assert!(
                took < limit + Duration::from_secs(5),
                "ended late: {took:?}"
            );
        }
    }
    let counters = system.counters();
    assert_eq!(counters.timers_pending, 0);
    system.shutdown();
}

#[test]
fn a_limit_of_a_call_on_a_manual_clock_is_exact() {
    let system = System::builder().workers(1).manual_clock().build();
    let (fired, _fires) = mpsc::sync_channel(10_000);
    let actor = system.spawn::<Clockwork>(fired);
    let (done, result) = mpsc::sync_channel(1);
    let calling = actor.clone();
    let join = system.spawn_future(async move {
        let mut call = calling.call(Never());
        let first = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut call).poll(cx))).await;
        assert!(first.is_pending());
        done.send(None).unwrap();
        done.send(Some(call.await)).unwrap();
    });
    assert_eq!(result.recv().unwrap(), None);
    system.advance(Duration::from_millis(4_999));
    assert!(result.recv_timeout(Duration::from_millis(20)).is_err());
    system.advance(MILLI);
    let answer = result.recv_timeout(Duration::from_secs(20));
    assert_eq!(
        answer.expect("the limit is over"),
        Some(Err(CallError::Timeout))
    );
    drop(join);
    system.shutdown();
}
