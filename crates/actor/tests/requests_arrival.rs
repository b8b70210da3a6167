//! What request collections promise: the order of arrival, labels, limits, and giving up.

mod common;

use std::future::ready;

use common::{in_timeless_system, soon};
use tokio::sync::oneshot;
use vaxel_actor::prelude::*;
use vaxel_actor::requests::Requests;
use vaxel_actor::{Message, TimeLimit};

type Gate = oneshot::Receiver<u32>;

/// Answers with what comes through a gate.
struct Porter;

#[actor(crate = vaxel_actor)]
impl Porter {
    fn init() -> Self {
        Porter
    }

    #[call]
    async fn through(&mut self, gate: Gate) -> Result<u32, &'static str> {
        gate.await.map_err(|_| "the gate is shut")
    }

    #[cast]
    fn crash(&mut self) {
        panic!("asked to crash");
    }

    /// Asks others, as an actor asks: from within a handler. Tells when all have been asked.
    #[call]
    async fn ask(
        &mut self,
        others: Vec<(PorterRef, Gate)>,
        asked: oneshot::Sender<()>,
    ) -> Vec<(usize, u32)> {
        let mut requests = Requests::new();
        for (at, (other, gate)) in others.into_iter().enumerate() {
            requests.add(at, other.through(gate));
        }
        let _ = asked.send(());
        let mut answers = Vec::new();
        while let Ok(Some((at, Ok(answer)))) = requests.wait_response(TimeLimit::Unlimited).await {
            answers.push((at, answer));
        }
        answers
    }
}

#[derive(Message)]
#[message(crate = vaxel_actor, reply = u32)]
struct Double(u32);

impl Handler<Double> for Porter {
    async fn handle(&mut self, Double(n): Double, _: &mut Context<Self>) -> u32 {
        2 * n
    }
}

struct Fixture {
    porters: Vec<PorterRef>,
    gates: Vec<oneshot::Sender<u32>>,
    requests: Requests<usize, Result<u32, CallError<&'static str>>>,
}

fn fixture(count: usize) -> Fixture {
    let mut fixture = Fixture {
        porters: Vec::new(),
        gates: Vec::new(),
        requests: Requests::new(),
    };
    for at in 0..count {
        let (gate, through) = oneshot::channel();
        let porter = Porter::spawn();
        fixture.requests.add(at, porter.through(through));
        fixture.porters.push(porter);
        fixture.gates.push(gate);
    }
    fixture
}

impl Fixture {
    /// Lets an answer through, and waits until its porter has given it.
    async fn open(&mut self, at: usize) {
        let gate = std::mem::replace(&mut self.gates[at], oneshot::channel().0);
        let _ = gate.send(at as u32 * 10);
        let answered = self.porters[at].call(Double(1)).no_timeout();
        assert_eq!(soon("the porter", answered).await, Ok(2));
    }
}

#[test]
fn answers_come_in_the_order_of_arrival_with_their_labels() {
    in_timeless_system(|_| async {
        let mut fixture = fixture(5);
        let order = [3, 0, 4, 1, 2];
        // All have arrived before the first is waited for.
        for at in order {
            fixture.open(at).await;
        }
        assert_eq!(fixture.requests.len(), 5);
        for at in order {
            let answer = soon("an answer", fixture.requests.wait_response(secs(1))).await;
            assert_eq!(answer, Ok(Some((at, Ok(at as u32 * 10)))));
        }
        let none = soon("the end", fixture.requests.wait_response(secs(1))).await;
        assert_eq!((none, fixture.requests.is_empty()), (Ok(None), true));
        // A place that is free again is used again.
        fixture.requests.add(7, ready(Ok(1)));
        let answer = soon("an answer", fixture.requests.wait_response(secs(1))).await;
        assert_eq!(answer, Ok(Some((7, Ok(1)))));
    });
}

#[test]
fn a_wait_that_is_over_leaves_the_calls_and_a_receive_gives_them_up() {
    in_timeless_system(|system| async move {
        let mut fixture = fixture(3);
        let deadline = system.now() + secs(2);
        fixture.open(1).await;
        let answer = soon("an answer", fixture.requests.receive_response(deadline)).await;
        assert_eq!(answer, Ok(Some((1, Ok(10)))));
        system.advance(secs(2));
        let over = soon("the limit", fixture.requests.wait_response(deadline)).await;
        assert!(over.is_err());
        let mut labels: Vec<_> = fixture.requests.labels().copied().collect();
        labels.sort_unstable();
        assert_eq!(labels, [0, 2]);
        fixture.open(2).await;
        let late = soon("an answer", fixture.requests.wait_response(deadline)).await;
        assert_eq!(late, Ok(Some((2, Ok(20)))), "what has arrived is taken");
        let over = soon("the limit", fixture.requests.receive_response(deadline)).await;
        assert!(over.is_err() && fixture.requests.is_empty());
        fixture.open(0).await;
        let none = soon("the end", fixture.requests.receive_response(deadline)).await;
        assert_eq!(none, Ok(None), "a late answer is dropped");
    });
}

#[test]
fn every_call_ends_by_its_own_limit_or_the_crash_of_its_actor() {
    in_timeless_system(|system| async move {
        let mut fixture = fixture(3);
        fixture.open(0).await;
        let exit = fixture.porters[2].exit();
        fixture.porters[2].kill();
        assert_eq!(soon("its end", exit).await, ExitReason::Killed);
        system.advance(secs(5));
        let wait = fixture.requests.receive_all(TimeLimit::Unlimited);
        let all = soon("all answers", wait).await;
        let crashed = Err(CallError::Crashed(ExitReason::Killed));
        assert_eq!(all.answers[0], (0, Ok(0)));
        assert!(all.answers.contains(&(1, Err(CallError::Timeout))));
        assert!(all.answers.contains(&(2, crashed)));
        assert_eq!((all.answers.len(), all.missing), (3, Vec::new()));
    });
}

#[test]
fn receive_all_names_those_that_are_missing() {
    in_timeless_system(|system| async move {
        let mut fixture = fixture(4);
        for at in [2, 0] {
            fixture.open(at).await;
        }
        let deadline = system.now() + secs(1);
        system.advance(secs(1));
        let all = soon("the limit", fixture.requests.receive_all(deadline)).await;
        assert_eq!(all.answers, [(2, Ok(20)), (0, Ok(0))]);
        let mut missing = all.missing;
        missing.sort_unstable();
        assert_eq!(missing, [1, 3]);
        assert!(fixture.requests.is_empty());
    });
}

#[test]
fn an_actor_takes_answers_within_a_handler_and_async_code_with_plain_messages() {
    in_timeless_system(|_| async {
        let asking = Porter::spawn();
        let (mut gates, mut others) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (gate, through) = oneshot::channel();
            gates.push(gate);
            others.push((Porter::spawn(), through));
        }
        let porters: Vec<_> = others.iter().map(|(porter, _)| porter.clone()).collect();
        let (asked, all_asked) = oneshot::channel();
        let answers = asking.ask(others, asked).no_timeout();
        let answers = tokio::spawn(answers);
        soon("all requests", all_asked).await.expect("it asks");
        for (at, gate) in gates.into_iter().enumerate().rev() {
            gate.send(at as u32).expect("it waits");
            let answered = porters[at].call(Double(1)).no_timeout();
            assert_eq!(soon("the porter", answered).await, Ok(2));
        }
        let answers = soon("the answers", answers).await.expect("no panic");
        assert_eq!(answers, Ok(vec![(2, 2), (1, 1), (0, 0)]));

        let mut requests = Requests::new();
        for n in 0..100 {
            requests.send_request(n, &porters[n as usize % 3], Double(n));
        }
        let all = soon("all answers", requests.receive_all(secs(1))).await;
        assert_eq!((all.answers.len(), all.missing.len()), (100, 0));
        assert!(all.answers.iter().all(|(n, double)| *double == Ok(2 * n)));
    });
}

#[derive(Message)]
#[message(crate = vaxel_actor)]
struct Answer(usize, u32);

/// Asks, and goes on meanwhile.
struct Clerk {
    answers: Vec<(usize, u32)>,
}

#[actor(crate = vaxel_actor)]
impl Clerk {
    fn init() -> Self {
        Clerk {
            answers: Vec::new(),
        }
    }

    #[call]
    fn ask(&mut self, others: Vec<(PorterRef, Gate)>, cx: &mut Context<Self>) {
        let mut requests = Requests::new();
        for (at, (other, gate)) in others.into_iter().enumerate() {
            requests.add(at, other.through(gate));
        }
        let to = cx.me().recipient();
        drop(requests.forward(&to, |at, answer| Answer(at, answer.unwrap_or(0))));
    }

    #[info]
    fn answered(&mut self, Answer(at, answer): Answer) {
        self.answers.push((at, answer));
    }

    #[call]
    fn answers(&mut self) -> Vec<(usize, u32)> {
        self.answers.clone()
    }
}

#[test]
fn answers_come_as_messages_to_an_actor_that_goes_on() {
    in_timeless_system(|_| async {
        let clerk = Clerk::spawn();
        let (mut gates, mut others) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (gate, through) = oneshot::channel();
            gates.push(gate);
            others.push((Porter::spawn(), through));
        }
        soon("the clerk", clerk.ask(others))
            .await
            .expect("it answers");
        let mut expected = Vec::new();
        for (at, gate) in gates.into_iter().enumerate().rev() {
            let answers = soon("the clerk", clerk.answers()).await;
            assert_eq!(answers.as_ref(), Ok(&expected), "it goes on meanwhile");
            gate.send(at as u32 + 7).expect("it waits");
            expected.push((at, at as u32 + 7));
            let arrived = async {
                while clerk
                    .answers()
                    .await
                    .is_ok_and(|answers| answers != expected)
                {}
            };
            soon("the answer", arrived).await;
        }
    });
}
