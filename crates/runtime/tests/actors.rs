//! Behaviour of actors on the public API of the runtime.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use vaxel_runtime::{
    Actor, ActorRef, CallError, Context, Down, Event, ExitReason, Handler, Mailbox, Message,
    SendError, System, time,
};

/// Runs a future on the system and blocks until it is done; names what was awaited when it hangs.
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

fn system() -> System {
    System::builder().workers(2).build()
}

macro_rules! messages {
    ($($name:ident $(($($field:ty),*))? -> $reply:ty;)*) => {$(
        struct $name $(($($field),*))?;
        impl Message for $name {
            type Reply = $reply;
        }
    )*};
}

messages! {
    Add(i64) -> i64;
    Boom -> ();
    BoomAfterAwait -> ();
    BoomBeforeFuture -> ();
    Nap(Duration) -> ();
    Never -> ();
    Hold(mpsc::Receiver<()>) -> ();
    Seen -> Vec<String>;
    Watch(ActorRef<Counter>) -> ();
    Note(&'static str) -> ();
    StartTimer -> ();
}

struct Counter {
    sum: i64,
    dropped: Option<Arc<AtomicUsize>>,
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(dropped) = &self.dropped {
            dropped.fetch_add(1, SeqCst);
        }
    }
}

impl Actor for Counter {
    type Args = Option<Arc<AtomicUsize>>;
    const MAILBOX: Mailbox = Mailbox::bounded(4);

    async fn init(dropped: Self::Args, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Self { sum: 0, dropped })
    }
}

impl Handler<Add> for Counter {
    async fn handle(&mut self, Add(by): Add, _: &mut Context<Self>) -> i64 {
        self.sum += by;
        self.sum
    }
}

impl Handler<Boom> for Counter {
    async fn handle(&mut self, _: Boom, _: &mut Context<Self>) {
        panic!("boom {}", self.sum);
    }
}

impl Handler<BoomAfterAwait> for Counter {
    async fn handle(&mut self, _: BoomAfterAwait, _: &mut Context<Self>) {
        // tidy: allow(sleep-in-test): the handler under test is suspended by it, nothing waits
        time::sleep(Duration::from_millis(1)).await;
        panic!("late boom");
    }
}

impl Handler<BoomBeforeFuture> for Counter {
    fn handle(
        &mut self,
        _: BoomBeforeFuture,
        _: &mut Context<Self>,
    ) -> impl Future<Output = ()> + Send {
        if self.sum >= 0 {
            panic!("early boom");
        }
        async {}
    }
}

impl Handler<Nap> for Counter {
    async fn handle(&mut self, Nap(nap): Nap, _: &mut Context<Self>) {
        // tidy: allow(sleep-in-test): the handler under test is suspended by it, nothing waits
        time::sleep(nap).await;
    }
}

impl Handler<Never> for Counter {
    async fn handle(&mut self, _: Never, cx: &mut Context<Self>) {
        let _me = cx.me();
        std::future::pending::<()>().await;
    }
}

impl Handler<Hold> for Counter {
    async fn handle(&mut self, Hold(release): Hold, _: &mut Context<Self>) {
        let _ = release.recv();
    }
}

/// Writes down what it sees.
#[derive(Default)]
struct Scribe {
    seen: Vec<String>,
}

impl Actor for Scribe {
    type Args = ();

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Self::default())
    }
}

impl Handler<Seen> for Scribe {
    async fn handle(&mut self, _: Seen, _: &mut Context<Self>) -> Vec<String> {
        self.seen.clone()
    }
}

impl Handler<Watch> for Scribe {
    async fn handle(&mut self, Watch(target): Watch, cx: &mut Context<Self>) {
        cx.monitor(&target);
    }
}

impl Handler<Down> for Scribe {
    async fn handle(&mut self, down: Down, _: &mut Context<Self>) {
        self.seen.push(format!("down: {}", down.reason));
    }
}

impl Handler<Note> for Scribe {
    async fn handle(&mut self, Note(note): Note, _: &mut Context<Self>) {
        self.seen.push(note.to_owned());
    }
}

impl Handler<StartTimer> for Scribe {
    async fn handle(&mut self, _: StartTimer, cx: &mut Context<Self>) {
        let gone = cx.send_after(Duration::from_millis(30), Note("cancelled"));
        cx.send_after(Duration::from_millis(40), Note("after 40"));
        cx.send_after(Duration::from_millis(20), Note("after 20"));
        cx.send_after(Duration::from_millis(5), Note("after 5"));
        assert!(cx.cancel(&gone));
    }
}

#[test]
fn calls_are_answered_in_order() {
    let system = system();
    let counter = system.spawn::<Counter>(None);
    let answers = run(&system, "three calls", async move {
        let (first, second) = (counter.call(Add(1)), counter.call(Add(10)));
        counter.cast(Add(100)).unwrap();
        [second.await, first.await, counter.call(Add(1000)).await]
    });
    assert_eq!(answers, [Ok(11), Ok(1), Ok(1111)]);
    system.shutdown();
}

#[test]
fn a_crash_reaches_the_caller_with_message_and_place() {
    let system = system();
    let dropped = Arc::new(AtomicUsize::new(0));
    for which in 0..3 {
        let counter = system.spawn::<Counter>(Some(dropped.clone()));
        let (error, later) = run(&system, "a crashing call", async move {
            let error = match which {
                0 => counter.call(Boom).await,
                1 => counter.call(BoomAfterAwait).await,
                _ => counter.call(BoomBeforeFuture).await,
            };
            (error.unwrap_err(), counter.call(Add(1)).await)
        });
        let CallError::Crashed(ExitReason::Panic(crash)) = error else {
            panic!("{error:?}")
        };
        assert!(crash.message.contains("boom"), "{crash}");
        assert!(crash.location.contains("actors.rs"), "{crash}");
        assert_eq!(later, Err(CallError::Closed));
        assert_eq!(dropped.load(SeqCst), which + 1, "the state is dropped once");
    }
    assert_eq!(system.counters().crashes, 3);
    system.shutdown();
}

#[test]
fn calls_that_wait_behind_a_crash_get_it_too() {
    let system = system();
    let counter = system.spawn::<Counter>(None);
    let second = run(&system, "a call behind a crash", async move {
        let first = counter.call(BoomAfterAwait);
        let second = counter.call(Add(1));
        let _ = first.await;
        second.await
    });
    assert!(
        matches!(second, Err(CallError::Crashed(ExitReason::Panic(_)))),
        "{second:?}"
    );
    system.shutdown();
}

#[test]
fn a_full_mailbox_gives_the_message_back() {
    let system = system();
    let counter = system.spawn::<Counter>(None);
    let (release, hold) = mpsc::sync_channel(1);
    counter.cast(Hold(hold)).unwrap();
    // At most the bound in the mailbox and one batch that was taken.
    let refused = (1..=100).find_map(|n| counter.cast(Add(n)).err());
    let Some(SendError::Full(Add(n))) = refused else {
        panic!("never full: {refused:?}")
    };
    assert!((4..=9).contains(&n), "refused the {n}th");
    assert!(system.counters().mailbox_full >= 1);
    drop(release);
    system.shutdown();
}

#[test]
#[cfg_attr(
    miri,
    ignore = "the reply is late by milliseconds, which Miri takes for a poll"
)]
fn a_call_times_out_and_the_late_reply_is_dropped() {
    let system = system();
    let counter = system.spawn::<Counter>(None);
    let late = counter.clone();
    let result = run(&system, "a call that times out", async move {
        late.call(Nap(Duration::from_millis(40)))
            .timeout(Duration::from_millis(5))
            .await
    });
    assert_eq!(result, Err(CallError::Timeout));
    let sum = run(&system, "a later call", async move {
        counter.call(Add(3)).await
    });
    assert_eq!(sum, Ok(3));
    system.shutdown();
}

#[test]
fn kill_ends_a_suspended_handler() {
    let system = system();
    let dropped = Arc::new(AtomicUsize::new(0));
    let counter = system.spawn::<Counter>(Some(dropped.clone()));
    let alive = counter.clone();
    run(
        &system,
        "the start",
        async move { alive.call(Add(0)).await },
    )
    .unwrap();
    let exit = counter.exit();
    let call = counter.call(Never);
    counter.kill();
    assert_eq!(exit.wait(), ExitReason::Killed);
    let result = run(&system, "the killed call", call);
    assert_eq!(result, Err(CallError::Crashed(ExitReason::Killed)));
    assert_eq!(dropped.load(SeqCst), 1);
    assert!(!counter.is_alive());
    system.shutdown();
}

#[test]
fn stop_is_in_order_and_shutdown_is_not() {
    let system = system();
    let (release, hold) = mpsc::sync_channel(1);
    let counter = system.spawn::<Counter>(None);
    counter.cast(Hold(hold)).unwrap();
    let before = counter.call(Add(1));
    counter.stop();
    let after = counter.call(Add(1));
    drop(release);
    assert_eq!(run(&system, "sent before the stop", before), Ok(1));
    let after = run(&system, "sent after the stop", after);
    assert_eq!(after, Err(CallError::Closed));

    let (release, hold) = mpsc::sync_channel(1);
    let counter = system.spawn::<Counter>(None);
    counter.cast(Hold(hold)).unwrap();
    let waiting = counter.call(Add(1));
    let exit = counter.exit();
    counter.shutdown();
    drop(release);
    let waiting = run(&system, "waiting at the shutdown", waiting);
    assert_eq!(waiting, Err(CallError::Closed));
    assert_eq!(exit.wait(), ExitReason::Shutdown);
    system.shutdown();
}

#[test]
fn an_actor_without_references_ends_after_its_mail() {
    let system = system();
    let dropped = Arc::new(AtomicUsize::new(0));
    let counter = system.spawn::<Counter>(Some(dropped.clone()));
    let (release, hold) = mpsc::sync_channel(1);
    let exit = counter.exit();
    counter.cast(Hold(hold)).unwrap();
    counter.cast(Add(1)).unwrap();
    drop(counter);
    assert_eq!(dropped.load(SeqCst), 0);
    drop(release);
    assert_eq!(exit.wait(), ExitReason::Normal);
    let stats = || {
        let types = system.types();
        types
            .into_iter()
            .find(|stats| stats.name.ends_with("Counter"))
            .unwrap()
    };
    assert_eq!(stats().spawned, 1);
    // The worker counts a turn when it is over, which the exit may announce a moment earlier.
    while stats().messages < 3 || stats().alive > 0 {
        std::thread::yield_now();
    }
    system.shutdown();
}

#[test]
fn a_monitor_fires_exactly_once_in_order() {
    let system = system();
    let scribe = system.spawn::<Scribe>(());
    let counter = system.spawn::<Counter>(None);
    let seen = run(&system, "downs", async move {
        scribe.call(Watch(counter.clone())).await.unwrap();
        scribe.call(Watch(counter.clone())).await.unwrap();
        let exit = counter.exit();
        let _ = counter.call(Boom).await;
        exit.await;
        // Already gone: told at once.
        scribe.call(Watch(counter)).await.unwrap();
        scribe.call(Note("later")).await.unwrap();
        scribe.call(Seen).await.unwrap()
    });
    let panics = seen.iter().filter(|line| line.contains("boom 0")).count();
    assert_eq!(panics, 2, "{seen:?}");
    assert_eq!(
        seen.iter()
            .filter(|line| line.contains("no such actor"))
            .count(),
        1,
        "{seen:?}"
    );
    assert_eq!(seen.len(), 4);
    system.shutdown();
}

#[test]
#[cfg_attr(
    miri,
    ignore = "the timer is cancelled within milliseconds, which Miri takes longer for"
)]
fn timers_fire_in_order_and_can_be_cancelled() {
    let system = system();
    let scribe = system.spawn::<Scribe>(());
    let seen = run(&system, "two timers", async move {
        scribe.call(StartTimer).await.unwrap();
        loop {
            // The last timer tells that the cancelled one, which was due before it, did not fire.
            let seen = scribe.call(Seen).await.unwrap();
            if seen.len() >= 3 {
                return seen;
            }
        }
    });
    assert_eq!(seen, ["after 5", "after 20", "after 40"]);
    system.shutdown();
}

#[test]
fn a_manual_clock_moves_when_told() {
    let system = System::builder().workers(1).manual_clock().build();
    let scribe = system.spawn::<Scribe>(());
    let ask = scribe.clone();
    run(&system, "starting timers", async move {
        ask.call(StartTimer).await
    })
    .unwrap();
    system.advance(Duration::from_millis(4));
    let ask = scribe.clone();
    let seen = run(&system, "too early", async move {
        ask.call(Seen).no_timeout().await.unwrap()
    });
    assert!(seen.is_empty());
    system.advance(Duration::from_millis(16));
    let ask = scribe.clone();
    let seen = run(&system, "in time", async move {
        ask.call(Seen).no_timeout().await.unwrap()
    });
    assert_eq!(seen, ["after 5", "after 20"]);
    drop(scribe);
    system.shutdown();
}

#[test]
fn names_are_unique_typed_and_go_with_the_actor() {
    let system = system();
    let (one, two) = (system.spawn::<Counter>(None), system.spawn::<Counter>(None));
    system.register("counter", &one).unwrap();
    system.register("counter", &one).unwrap();
    assert!(system.register("counter", &two).is_err());
    assert_eq!(system.whereis::<Counter>("counter"), Some(one.clone()));
    assert!(system.whereis::<Scribe>("counter").is_none());
    let exit = one.exit();
    one.kill();
    exit.wait();
    // The name goes with the end of the actor, which the exit may announce a moment earlier.
    while system.whereis::<Counter>("counter").is_some() {
        std::thread::yield_now();
    }
    system.register("counter", &two).unwrap();
    assert!(system.register("again", &one).is_err());
    system.shutdown();
}

#[test]
fn a_named_actor_lives_without_references() {
    let system = system();
    let counter = system.spawn::<Counter>(None);
    system.register("kept", &counter).unwrap();
    let pid = counter.pid();
    drop(counter);
    let again = system.whereis::<Counter>("kept").unwrap();
    assert_eq!(again.pid(), pid);
    let sum = run(&system, "a call by name", async move {
        again.call(Add(7)).await
    });
    assert_eq!(sum, Ok(7));
    assert!(system.unregister("kept"));
    assert!(system.whereis::<Counter>("kept").is_none());
    system.shutdown();
}

#[test]
#[cfg_attr(
    miri,
    ignore = "Miri has no CPU clocks of threads, so nobody is declared stuck"
)]
fn a_spinning_handler_delays_nobody_else_and_is_reported() {
    struct Spinner;
    struct Spin(Arc<AtomicUsize>);
    impl Message for Spin {
        type Reply = ();
    }
    impl Actor for Spinner {
        type Args = ();
        async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
            Ok(Self)
        }
    }
    impl Handler<Spin> for Spinner {
        async fn handle(&mut self, Spin(stop): Spin, _: &mut Context<Self>) {
            while stop.load(SeqCst) == 0 {
                std::hint::spin_loop();
            }
        }
    }
    let (reports, reported) = mpsc::sync_channel(1);
    let hook = std::sync::Mutex::new(reports);
    let system = System::builder()
        .workers(1)
        .on_event(move |event| _ = hook.lock().unwrap().try_send(event.clone()))
        .build();
    let stop = Arc::new(AtomicUsize::new(0));
    let spinner = system.spawn::<Spinner>(());
    spinner.cast(Spin(stop.clone())).unwrap();
    let counter = system.spawn::<Counter>(None);
    let sum = run(&system, "a call beside a spinner", async move {
        counter.call(Add(1)).await
    });
    assert_eq!(sum, Ok(1));
    let report = reported
        .recv_timeout(Duration::from_secs(10))
        .expect("a report");
    let Event::HandlerStuck {
        actor,
        message,
        replaced,
        ..
    } = report
    else {
        panic!("{report:?}")
    };
    assert!(actor.ends_with("Spinner") && message.ends_with("Spin") && replaced);
    stop.store(1, SeqCst);
    let exit = spinner.exit();
    spinner.stop();
    assert_eq!(exit.wait(), ExitReason::Normal);
    system.shutdown();
}

#[test]
fn after_a_shutdown_nothing_hangs() {
    let system = system();
    let counter = system.spawn::<Counter>(None);
    system.shutdown();
    let call = counter.call(Add(1));
    assert!(!counter.is_alive() || counter.cast(Add(1)).is_err());
    drop(call);
    let orphan = system.spawn::<Counter>(None);
    assert!(orphan.cast(Add(1)).is_err());
}

#[test]
fn a_long_chain_of_nested_spawns_does_not_eat_the_stack() {
    struct Link;
    impl Actor for Link {
        type Args = (u32, mpsc::SyncSender<()>);
        async fn init(
            (left, done): Self::Args,
            cx: &mut Context<Self>,
        ) -> Result<Self, ExitReason> {
            if left == 0 {
                let _ = done.send(());
            } else {
                let next = cx.spawn::<Link>((left - 1, done));
                cx.system().keep(next.erase());
            }
            Err(ExitReason::Normal)
        }
    }
    let system = system();
    let (done, end) = mpsc::sync_channel(1);
    // Miri needs a fifth of a second for each.
    let length = if cfg!(miri) { 50 } else { 2_000 };
    let first = system.spawn::<Link>((length, done));
    end.recv_timeout(Duration::from_secs(20))
        .expect("the end of the chain");
    drop(first);
    system.shutdown();
}
