//! What a simulation promises: virtual time, reports of dead ends, probes, faults, a clean end.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use vaxel_runtime::{Actor, ActorRef, CallError, Context, ExitReason, Handler, Message, time};
use vaxel_testkit::{Check, Failure, Sim, check};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, Clone)]
struct Note(u32);
impl Message for Note {
    type Reply = ();
}

struct Ask;
impl Message for Ask {
    type Reply = u32;
}

struct Forever;
impl Message for Forever {
    type Reply = ();
}

struct AskOther(ActorRef<Waiter>);
impl Message for AskOther {
    type Reply = Result<u32, CallError>;
}

struct Busy;
impl Message for Busy {
    type Reply = ();
}

/// To be told to another one after a while.
struct Later(Duration, ActorRef<Waiter>);
impl Message for Later {
    type Reply = ();
}

/// Counts how many of its kind have been dropped.
struct Waiter(Arc<AtomicUsize>);

impl Actor for Waiter {
    type Args = Arc<AtomicUsize>;

    async fn init(dropped: Arc<AtomicUsize>, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Waiter(dropped))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Handler<Ask> for Waiter {
    async fn handle(&mut self, _: Ask, _: &mut Context<Self>) -> u32 {
        7
    }
}

impl Handler<Forever> for Waiter {
    async fn handle(&mut self, _: Forever, cx: &mut Context<Self>) {
        let _me = cx.me();
        std::future::pending::<()>().await;
    }
}

impl Handler<AskOther> for Waiter {
    async fn handle(
        &mut self,
        AskOther(other): AskOther,
        _: &mut Context<Self>,
    ) -> Result<u32, CallError> {
        other.call(Ask).no_timeout().await
    }
}

impl Handler<Busy> for Waiter {
    async fn handle(&mut self, _: Busy, cx: &mut Context<Self>) {
        let _ = cx.me().cast(Busy);
    }
}

impl Handler<Later> for Waiter {
    async fn handle(&mut self, Later(after, other): Later, cx: &mut Context<Self>) {
        cx.send_after(after, Tick(other));
    }
}

struct Tick(ActorRef<Waiter>);
impl Message for Tick {
    type Reply = ();
}

impl Handler<Tick> for Waiter {
    async fn handle(&mut self, Tick(other): Tick, _: &mut Context<Self>) {
        other.shutdown();
    }
}

fn waiter(sim: &Sim) -> ActorRef<Waiter> {
    sim.spawn::<Waiter>(Arc::default())
}

fn failure_of<F: Future<Output = ()>>(test: impl Fn(Sim) -> F) -> String {
    let run = Check::new().steps_max(10_000).run_seed(1, test);
    run.failure.expect("it fails").to_string()
}

#[test]
fn a_day_passes_at_once_and_exactly() {
    check(|sim| async move {
        let day = 24 * 60 * MINUTE;
        sim.advance(day).await;
        assert_eq!(sim.now().since_start(), day);
        let answer = time::timeout(MINUTE, std::future::pending::<()>()).await;
        assert!(answer.is_err());
        assert_eq!(sim.now().since_start(), day + MINUTE);
    });
}

#[test]
fn a_timer_of_zero_takes_no_time_and_the_next_one_its_own() {
    check(|sim| async move {
        for begun in [Duration::ZERO, Duration::from_micros(1_300)] {
            sim.advance(begun).await;
            for after in [Duration::ZERO, Duration::from_millis(3)] {
                let (one, two) = (waiter(&sim), waiter(&sim));
                let before = sim.now();
                let over = two.exit();
                assert!(one.cast(Later(after, two.clone())).is_ok());
                over.await;
                let took = sim.now() - before;
                // Up to the next full millisecond.
                let late = took.saturating_sub(after);
                assert!(took >= after && late < Duration::from_millis(1), "{took:?}");
                assert!(!after.is_zero() || took.is_zero(), "{took:?}");
            }
        }
    });
}

#[vaxel_testkit::test(seeds = 5)]
async fn the_attribute_runs_a_test(sim: Sim) -> Result<(), CallError> {
    assert_eq!(waiter(&sim).call(Ask).await?, 7);
    Ok(())
}

#[test]
fn with_delays_time_goes_on_while_there_is_work() {
    let check = Check::new().delays(Duration::from_millis(1));
    check.run(|sim| async move {
        let waiter = waiter(&sim);
        for _ in 0..100 {
            assert_eq!(waiter.call(Ask).await, Ok(7));
        }
        assert!(sim.now().since_start() > Duration::from_millis(10));
    });
}

#[test]
fn a_dead_end_names_who_waits() {
    let text = failure_of(|sim| async move {
        let (one, two) = (waiter(&sim), waiter(&sim));
        let _forever = two.cast(Forever);
        let _ = one.call(AskOther(two)).no_timeout().await;
    });
    assert!(text.contains("a dead end"), "{text}");
    assert!(
        text.contains("waits inside its handler of AskOther"),
        "{text}"
    );
    assert!(
        text.contains("waits inside its handler of Forever"),
        "{text}"
    );
}

#[test]
fn a_dead_end_of_the_test_itself_names_what_it_awaited() {
    let text = failure_of(|sim| async move {
        let probe = sim.probe::<Note>().limit(Duration::MAX);
        probe.next().await;
    });
    assert!(
        text.contains("the test waits for a message at Probe<Note>"),
        "{text}"
    );
}

#[test]
fn a_run_that_does_not_end_is_given_up() {
    let run = Check::new().steps_max(1_000).run_seed(0, |sim| async move {
        let waiter = waiter(&sim);
        waiter.cast(Busy).expect("it has room");
        sim.settle().await;
    });
    assert_eq!(run.failure, Some(Failure::TooLong(1_000)));
}

#[test]
fn an_error_of_the_test_is_its_failure() {
    let run = Check::new().run_seed(0, |_| async { Err("no luck") });
    assert_eq!(run.failure, Some(Failure::Error("\"no luck\"".to_owned())));
}

#[test]
fn probes_read_in_order() {
    check(|sim| async move {
        let probe = sim.probe::<Note>();
        let to = probe.recipient();
        for n in 1..=3 {
            to.cast(Note(n)).expect("it has no bound");
        }
        probe.expect(Note(1)).await;
        probe.expect_all([Note(2), Note(3)]).await;
        probe.expect_none_for(MINUTE).await;
        to.cast(Note(4)).expect("it has no bound");
        to.cast(Note(5)).expect("it has no bound");
        assert_eq!(probe.until("the fifth", |note| note.0 == 5).await, Note(5));
        assert_eq!(probe.total(), 5);
        assert_eq!(probe.take(), []);
    });
}

#[test]
fn a_probe_that_waits_in_vain_says_for_what() {
    let text = failure_of(|sim| async move {
        let probe = sim.probe::<Note>();
        probe.recipient().cast(Note(1)).expect("it has no bound");
        probe.expect_all([Note(1), Note(2)]).await;
    });
    assert!(
        text.contains("still waiting for Note(2) at Probe<Note>"),
        "{text}"
    );
    assert!(
        text.contains("after 5s of virtual time; 1 have come"),
        "{text}"
    );
    let text = failure_of(|sim| async move {
        let probe = sim.probe::<Note>();
        probe.recipient().cast(Note(1)).expect("it has no bound");
        probe.expect(Note(2)).await;
    });
    assert!(text.contains("got Note(1) and not Note(2)"), "{text}");
    let text = failure_of(|sim| async move {
        let probe = sim.probe::<Note>();
        let to = probe.recipient();
        let _late = sim.system().spawn_future(async move {
            // tidy: allow(sleep-in-test): virtual time
            time::sleep(MINUTE).await;
            let _ = to.cast(Note(9));
        });
        probe.expect_none_for(2 * MINUTE).await;
    });
    assert!(
        text.contains("got Note(9) after 60s, and nothing is expected"),
        "{text}"
    );
}

#[test]
fn a_probe_answers_calls() {
    #[derive(Debug)]
    struct Double(u32);
    impl Message for Double {
        type Reply = u32;
    }
    check(|sim| async move {
        let probe = sim.probe_answering(|Double(n)| n * 2);
        assert_eq!(probe.actor().call(Double(21)).await, Ok(42));
        assert_eq!(probe.next().await.0, 21);
    });
}

#[test]
fn ends_are_awaited_and_victims_chosen_by_the_seed() {
    let victims: std::collections::BTreeSet<usize> = (0..30)
        .map(|seed| {
            let victim = Arc::new(AtomicUsize::new(usize::MAX));
            let found = victim.clone();
            let run = Check::new().run_seed(seed, move |sim| {
                let victim = victim.clone();
                async move {
                    let all: Vec<_> = (0..4).map(|_| waiter(&sim)).collect();
                    for one in &all {
                        assert_eq!(one.call(Ask).await, Ok(7));
                    }
                    let exits: Vec<_> = all.iter().map(ActorRef::exit).collect();
                    let killed = sim.kill_one::<Waiter>().expect("four live");
                    sim.down(&killed).await;
                    let at = all.iter().position(|one| one.erase() == killed);
                    victim.store(at.expect("one of them"), SeqCst);
                    let exit = exits.into_iter().nth(at.expect("one of them"));
                    let reason = sim.ended("the kill", exit.expect("asked for")).await;
                    assert_eq!(reason, ExitReason::Killed);
                }
            });
            assert_eq!(run.failure, None);
            found.load(SeqCst)
        })
        .collect();
    assert_eq!(victims.len(), 4, "every one is chosen by some seed");
}

#[test]
fn what_lives_at_the_end_is_dropped() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = dropped.clone();
    Check::new().seeds(10).run(move |sim| {
        let dropped = dropped.clone();
        async move {
            let one = sim.spawn::<Waiter>(dropped.clone());
            let two = sim.spawn::<Waiter>(dropped.clone());
            one.cast(Forever).expect("it has room");
            sim.system().register("two", &two).expect("it is free");
            assert_eq!(two.call(Ask).await, Ok(7));
            sim.system().keep(two.erase());
            sim.settle().await;
        }
    });
    // The first seed runs twice.
    assert_eq!(count.load(SeqCst), 22);
}

#[test]
fn another_thread_is_noticed() {
    let mut wakes = 0;
    let run = Check::new().run_seed(0, |sim| async move {
        let waiter = waiter(&sim);
        std::thread::spawn(move || waiter.cast(Note(1).into_ask()))
            .join()
            .unwrap()
            .unwrap();
        sim.settle().await;
    });
    wakes += run.outside_wakes;
    assert_eq!((wakes, run.failure), (1, None));
}

impl Note {
    fn into_ask(self) -> Ask {
        Ask
    }
}

#[test]
fn a_test_that_depends_on_more_than_its_seed_is_found_out() {
    let count = AtomicUsize::new(0);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        check(|sim| {
            let n = count.fetch_add(1, SeqCst);
            async move {
                sim.note(n);
            }
        });
    }));
    let payload = panic.expect_err("the two runs differ");
    let report = payload.downcast_ref::<String>().expect("a report");
    assert!(
        report.contains("does not give the same run twice"),
        "{report}"
    );
    assert!(report.contains("first difference"), "{report}");
}
