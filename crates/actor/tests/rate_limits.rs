//! What senders that hold back promise, on a clock that moves only when told.

mod common;

use common::{Log, Pen, in_timeless_system, log, soon};
use vaxel_actor::prelude::*;
use vaxel_actor::rate::{Debounced, Rate, RateError, RateLimited, Throttled, TokenBucket};
use vaxel_actor::{Message, Recipient};

#[derive(Message, Debug, PartialEq, Eq, Clone, Copy)]
#[message(crate = vaxel_actor)]
struct Note(u32);

struct Ear {
    pen: Pen<u32>,
}

#[actor(crate = vaxel_actor)]
impl Ear {
    fn init(pen: Pen<u32>) -> Self {
        Ear { pen }
    }

    #[info]
    fn note(&mut self, Note(n): Note) {
        let _ = self.pen.send(n);
    }

    /// Answered when everything before has been heard.
    #[call]
    fn heard(&mut self) {}
}

fn ear() -> (EarRef, Recipient<Note>, Log<u32>) {
    let (pen, log) = log();
    let ear = Ear::spawn(pen);
    let recipient = ear.recipient();
    (ear, recipient, log)
}

async fn heard(ear: &EarRef, log: &Log<u32>) -> Vec<u32> {
    soon("the ear", ear.heard()).await.expect("it answers");
    log.rest()
}

#[test]
fn a_bucket_holds_a_burst_and_fills_at_its_rate() {
    in_timeless_system(|system| async move {
        let bucket = TokenBucket::new(Rate::per_second(10).burst(3));
        assert_eq!(bucket.available(), 3);
        for _ in 0..3 {
            assert_eq!(bucket.try_take(), Ok(()));
        }
        assert_eq!(
            (bucket.try_take(), bucket.available()),
            (Err(millis(100)), 0)
        );
        system.advance(millis(99));
        assert_eq!(bucket.try_take(), Err(millis(1)));
        system.advance(millis(1));
        assert_eq!((bucket.available(), bucket.try_take()), (1, Ok(())));
        system.advance(secs(60));
        assert_eq!(bucket.available(), 3, "it holds no more than its burst");
        for _ in 0..3 {
            assert_eq!(bucket.try_take(), Ok(()));
        }
        assert_eq!(bucket.try_take(), Err(millis(100)));
    });
}

#[test]
fn what_the_rate_forbids_comes_back() {
    in_timeless_system(|system| async move {
        let (ear, recipient, log) = ear();
        let limited = RateLimited::new(recipient, Rate::new(1, secs(1)).burst(2));
        for n in 1..=4 {
            match limited.cast(Note(n)) {
                Ok(()) => assert!(n <= 2),
                Err(error) => {
                    assert!(n > 2 && error.is_limited());
                    assert_eq!(error.to_string(), "the rate limit is reached, retry in 1s");
                    assert_eq!(error.into_message(), Note(n));
                }
            }
        }
        system.advance(secs(1));
        assert_eq!(limited.cast(Note(5)), Ok(()));
        assert_eq!(heard(&ear, &log).await, [1, 2, 5]);
        ear.kill();
        soon("its end", ear.exit()).await;
        system.advance(secs(10));
        for _ in 0..5 {
            let refused = limited.cast(Note(6)).expect_err("nobody is there");
            assert_eq!(refused, RateError::Refused(SendError::Closed(Note(6))));
        }
    });
}

#[test]
fn those_that_wait_go_in_their_order_and_nobody_overtakes_them() {
    in_timeless_system(|system| async move {
        let (_ear, recipient, log) = ear();
        let limited = RateLimited::new(recipient, Rate::new(1, secs(1))).waiting_max(3);
        assert_eq!(limited.cast(Note(0)), Ok(()));
        assert_eq!(log.next("the first note"), 0);
        let mut waiting = Vec::new();
        for n in 1..=3 {
            let sender = limited.clone();
            waiting.push(tokio::spawn(async move { sender.send(Note(n)).await }));
            while limited.waiting() < n as usize {
                tokio::task::yield_now().await;
            }
        }
        let crowded = soon("the refusal", limited.send(Note(9))).await;
        assert_eq!(crowded, Err(RateError::Crowded(Note(9))));
        // Giving up costs nobody a token.
        waiting.remove(1).abort();
        while limited.waiting() > 2 {
            tokio::task::yield_now().await;
        }
        for n in [1, 3] {
            assert!(limited.cast(Note(8)).is_err_and(|error| error.is_limited()));
            system.advance(secs(1));
            assert_eq!(log.next("a note that waited"), n);
        }
        for task in waiting {
            let sent = soon("the sender", task).await.expect("it does not panic");
            assert_eq!(sent, Ok(()));
        }
        assert_eq!(limited.waiting(), 0);
        system.advance(secs(1));
        assert_eq!(limited.cast(Note(4)), Ok(()));
        assert_eq!(log.next("the last note"), 4);
    });
}

#[test]
fn a_throttled_sender_lets_one_a_period_through_and_then_the_newest() {
    in_timeless_system(|system| async move {
        let (_ear, recipient, log) = ear();
        let throttled = Throttled::new(recipient, millis(100));
        for n in 1..=4 {
            throttled.cast(Note(n));
        }
        assert_eq!(log.next("the first"), 1);
        system.advance(millis(99));
        throttled.cast(Note(5));
        assert!(log.rest().is_empty());
        system.advance(millis(1));
        assert_eq!(log.next("the newest"), 5);
        // The message at the end of a period begins another.
        throttled.cast(Note(6));
        throttled.cast(Note(7));
        assert!(log.rest().is_empty());
        system.advance(millis(100));
        assert_eq!(log.next("the newest"), 7);
        system.advance(millis(100));
        throttled.cast(Note(8));
        assert_eq!(log.next("the first of a new burst"), 8);
        let counts = throttled.counts();
        assert_eq!((counts.sent, counts.replaced, counts.lost), (4, 4, 0));
    });
}

#[test]
fn a_throttled_sender_without_an_edge() {
    in_timeless_system(|system| async move {
        let (ear, recipient, log) = ear();
        let leading = Throttled::builder(recipient.clone(), millis(100)).trailing(false);
        let leading = leading.build();
        leading.cast(Note(1));
        leading.cast(Note(2));
        system.advance(millis(100));
        leading.cast(Note(3));
        assert_eq!(heard(&ear, &log).await, [1, 3]);
        let trailing = Throttled::builder(recipient, millis(100))
            .leading(false)
            .build();
        trailing.cast(Note(4));
        trailing.cast(Note(5));
        assert!(heard(&ear, &log).await.is_empty());
        system.advance(millis(100));
        assert_eq!(log.next("the newest"), 5);
    });
}

#[test]
fn a_debounced_sender_waits_until_it_is_quiet() {
    in_timeless_system(|system| async move {
        let (ear, recipient, log) = ear();
        let debounced = Debounced::new(recipient, millis(100));
        for n in 1..=5 {
            debounced.cast(Note(n));
            system.advance(millis(60));
        }
        assert!(heard(&ear, &log).await.is_empty());
        system.advance(millis(40));
        assert_eq!(log.next("the newest"), 5);
        debounced.cast(Note(6));
        assert!(debounced.flush() && !debounced.flush());
        assert_eq!(log.next("what was held"), 6);
        debounced.cast(Note(7));
        assert_eq!(debounced.cancel(), Some(Note(7)));
        system.advance(secs(1));
        debounced.cast(Note(8));
        system.advance(millis(100));
        assert_eq!(log.next("the newest"), 8);
        assert_eq!(debounced.counts().replaced, 4);
    });
}

#[test]
fn a_debounced_sender_with_both_edges_and_a_longest_wait() {
    in_timeless_system(|system| async move {
        let (ear, recipient, log) = ear();
        let debounced = Debounced::builder(recipient, millis(100));
        let debounced = debounced.leading(true).max_wait(millis(250)).build();
        debounced.cast(Note(0));
        assert_eq!(heard(&ear, &log).await, [0]);
        for n in 1..=4 {
            system.advance(millis(60));
            debounced.cast(Note(n));
        }
        assert!(heard(&ear, &log).await.is_empty());
        system.advance(millis(10));
        assert_eq!(log.next("what was put off for long enough"), 4);
        system.advance(millis(60));
        debounced.cast(Note(5));
        assert!(heard(&ear, &log).await.is_empty());
        system.advance(millis(100));
        assert_eq!(log.next("the newest, now that it is quiet"), 5);
        // One message alone goes once, by the leading edge.
        system.advance(millis(100));
        debounced.cast(Note(6));
        assert_eq!(log.next("the first of a new burst"), 6);
        system.advance(secs(1));
        debounced.cast(Note(7));
        assert_eq!(log.next("the first of a new burst"), 7);
    });
}
