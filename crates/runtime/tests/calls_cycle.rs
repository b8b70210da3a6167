//! Call cycles are answered at once, exactly once, and nothing else is taken for one.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::Poll;
use std::time::{Duration, Instant};
use vaxel_runtime::{
    Actor, ActorRef, CallError, Context, ExitReason, Handler, Message, System, SystemBuilder, time,
};

/// Calls the next actor in its list, which then calls the one after it, and so on.
struct Knot {
    next: Option<ActorRef<Knot>>,
}

impl Actor for Knot {
    type Args = ();

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Self { next: None })
    }
}

struct Tie(ActorRef<Knot>);
impl Message for Tie {
    type Reply = ();
}

impl Handler<Tie> for Knot {
    async fn handle(&mut self, Tie(next): Tie, _: &mut Context<Self>) {
        self.next = Some(next);
    }
}

/// Goes round; the answer is what the chain of calls ended with.
struct Round;
impl Message for Round {
    type Reply = Result<(), CallError>;
}

impl Handler<Round> for Knot {
    async fn handle(&mut self, _: Round, _: &mut Context<Self>) -> Result<(), CallError> {
        match &self.next {
            Some(next) => next.call(Round).await?,
            None => Ok(()),
        }
    }
}

/// Calls another one in the way asked for.
struct Ask(ActorRef<Knot>, How);
impl Message for Ask {
    type Reply = Result<(), CallError>;
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    Alone,
    BesideATimer,
    Spawned,
    JoinedWith(Duration),
}

struct Nap(Duration);
impl Message for Nap {
    type Reply = ();
}

impl Handler<Nap> for Knot {
    async fn handle(&mut self, Nap(nap): Nap, _: &mut Context<Self>) {
        // tidy: allow(sleep-in-test): the handler under test is suspended by it, nothing waits
        time::sleep(nap).await;
    }
}

impl Handler<Ask> for Knot {
    async fn handle(&mut self, Ask(to, how): Ask, cx: &mut Context<Self>) -> Result<(), CallError> {
        match how {
            How::Alone => to.call(Round).await?,
            How::BesideATimer => {
                let limit = Duration::from_millis(300);
                let asked = time::timeout(limit, to.call(Round)).await;
                asked.unwrap_or(Err(CallError::Timeout))?
            }
            How::Spawned => {
                let join = cx.system().spawn_future(async move {
                    to.call(Round).timeout(Duration::from_millis(300)).await
                });
                join.await.expect("the task does not panic")?
            }
            How::JoinedWith(nap) => {
                let napping = cx.spawn::<Knot>(());
                let (slow, stuck) = (napping.call(Nap(nap)), to.call(Round));
                let (mut slow, mut stuck) = (pin!(slow), pin!(stuck));
                let (mut napped, mut asked) = (None, None);
                std::future::poll_fn(|cx| {
                    poll_into(slow.as_mut(), &mut napped, cx);
                    poll_into(stuck.as_mut(), &mut asked, cx);
                    if napped.is_some() && asked.is_some() {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
                assert_eq!(napped, Some(Ok(())));
                asked.expect("both are there")?
            }
        }
    }
}

fn poll_into<F: Future>(
    future: Pin<&mut F>,
    slot: &mut Option<F::Output>,
    cx: &mut std::task::Context<'_>,
) {
    if slot.is_none()
        && let Poll::Ready(output) = future.poll(cx)
    {
        *slot = Some(output);
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

fn systems() -> [System; 3] {
    let builders: [fn() -> SystemBuilder; 3] = [
        || System::builder().workers(2),
        || System::builder().workers(1),
        || System::builder().workers(2).manual_clock(),
    ];
    builders.map(|builder| builder().build())
}

fn knots(system: &System, count: usize) -> Vec<ActorRef<Knot>> {
    (0..count).map(|_| system.spawn::<Knot>(())).collect()
}

async fn tie(knots: &[ActorRef<Knot>]) {
    for (index, knot) in knots.iter().enumerate() {
        let next = knots[(index + 1) % knots.len()].clone();
        knot.call(Tie(next)).await.expect("it lives");
    }
}

#[test]
fn a_cycle_of_any_length_is_answered_promptly_and_names_its_actors() {
    for system in systems() {
        for length in [1, 2, 3, 50] {
            let knots = knots(&system, length);
            let before = system.counters().call_cycles;
            let first = knots[0].clone();
            first.system().register("first", &first).unwrap();
            let pids: Vec<_> = knots.iter().map(ActorRef::pid).collect();
            let ours = knots.clone();
            let (answer, took) = run(&system, "a cycle", async move {
                tie(&ours).await;
                let begun = Instant::now();
                let answer = ours[0].call(Round).await;
                (answer, begun.elapsed())
            });
            let Ok(Err(CallError::Cycle(cycle))) = answer else {
                panic!("a cycle of {length} ended with {answer:?}");
            };
            assert!(took < Duration::from_millis(1_000), "took {took:?}");
            let mut named: Vec<_> = cycle.pids().collect();
            named.sort_unstable();
            let mut all = pids.clone();
            all.sort_unstable();
            assert_eq!(named, all);
            let text = cycle.to_string();
            assert!(text.contains("Knot \"first\""), "{text}");
            assert!(
                pids.iter().all(|pid| text.contains(&pid.to_string())),
                "{text}"
            );
            assert_eq!(system.counters().call_cycles - before, 1, "one call fails");
            // Everybody goes on.
            let again = knots.clone();
            let alive = run(&system, "a call after a cycle", async move {
                let alone = again[0].system().spawn::<Knot>(());
                for knot in &again {
                    knot.call(Tie(alone.clone())).await?;
                }
                again[0].call(Round).await
            });
            assert_eq!(alive, Ok(Ok(())));
            system.unregister("first");
        }
        system.shutdown();
    }
}

#[test]
fn many_cycles_at_once_fail_one_call_each() {
    let system = System::builder().workers(2).build();
    let rings: Vec<_> = (0..200).map(|ring| knots(&system, 2 + ring % 3)).collect();
    let asking = rings.clone();
    let answers = run(&system, "200 cycles", async move {
        let mut calls = Vec::new();
        for ring in &asking {
            tie(ring).await;
        }
        for ring in &asking {
            calls.push(ring[0].call(Round));
        }
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await);
        }
        answers
    });
    let cycles = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(Err(CallError::Cycle(_)))));
    assert_eq!(cycles.count(), 200);
    assert_eq!(system.counters().call_cycles, 200);
    assert_eq!(system.counters().timers_pending, 0);
    system.shutdown();
}

#[test]
fn a_long_chain_without_a_cycle_is_not_one() {
    for workers in [1, 2] {
        let system = System::builder().workers(workers).build();
        let knots = knots(&system, 100);
        let ours = knots.clone();
        let answer = run(&system, "a chain", async move {
            for pair in ours.windows(2) {
                pair[0].call(Tie(pair[1].clone())).await?;
            }
            // The end of the chain is busy for a while: long enough for everybody to be examined.
            let busy = ours[99].call(Nap(Duration::from_millis(50)));
            let answer = ours[0].call(Round).await;
            busy.await?;
            answer
        });
        if system.counters().call_cycles != 0 {
            panic!("a chain was taken for a cycle: {answer:?}");
        }
        if answer != Ok(Ok(())) {
            panic!("a chain ended with {answer:?}");
        }
        system.shutdown();
    }
}

#[test]
fn an_actor_that_waits_for_something_else_too_is_not_stuck() {
    let system = System::builder().workers(2).build();
    for how in [How::BesideATimer, How::Spawned] {
        let pair = knots(&system, 2);
        let answer = run(&system, "a call beside something else", async move {
            pair[1].call(Tie(pair[0].clone())).await?;
            // 0 asks 1, which calls 0: a knot that 0 unties by itself.
            pair[0].call(Ask(pair[1].clone(), how)).await
        });
        assert_eq!(answer, Ok(Err(CallError::Timeout)));
        assert_eq!(system.counters().call_cycles, 0);
    }
    system.shutdown();
}

#[test]
fn of_joined_calls_the_stuck_one_is_found_when_the_others_are_answered() {
    let system = System::builder().workers(2).build();
    for nap in [1, 40] {
        let pair = knots(&system, 2);
        let how = How::JoinedWith(Duration::from_millis(nap));
        let answer = run(&system, "joined calls", async move {
            pair[1].call(Tie(pair[0].clone())).await?;
            pair[0].call(Ask(pair[1].clone(), how)).await
        });
        let failed = matches!(answer, Ok(Err(CallError::Cycle(_))));
        assert!(failed, "ended with {answer:?}");
    }
    system.shutdown();
}

#[test]
fn who_waits_for_a_cycle_without_being_part_of_it_gets_its_answer() {
    let system = System::builder().workers(2).build();
    let ring = knots(&system, 2);
    let outside = system.spawn::<Knot>(());
    let answer = run(&system, "a call into a cycle", async move {
        tie(&ring).await;
        outside.call(Ask(ring[0].clone(), How::Alone)).await
    });
    let failed = matches!(answer, Ok(Err(CallError::Cycle(_))));
    assert!(failed, "ended with {answer:?}");
    assert_eq!(system.counters().call_cycles, 1);
    system.shutdown();
}
