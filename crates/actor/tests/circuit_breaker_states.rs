//! What a circuit breaker promises, on a clock that moves only when told.

mod common;

use std::future::{pending, ready};
use std::time::Duration;

use common::{Log, Pen, in_timeless_system, log, soon};
use vaxel_actor::circuit_breaker::{
    BreakerError, BreakerEvent, BreakerState, CircuitBreaker, CircuitBreakerBuilder,
};
use vaxel_actor::prelude::*;

type Outcome = Result<u32, BreakerError<&'static str>>;

async fn fail(breaker: &CircuitBreaker) -> Outcome {
    breaker.call(|| ready(Err("away"))).await
}

async fn succeed(breaker: &CircuitBreaker) -> Outcome {
    breaker.call(|| ready(Ok(1))).await
}

/// How long an open breaker says to wait.
fn retry_in(outcome: Outcome) -> Duration {
    match outcome {
        Err(BreakerError::Open(open)) => open.retry_in,
        other => panic!("it is not open: {other:?}"),
    }
}

async fn opened(builder: CircuitBreakerBuilder) -> CircuitBreaker {
    let breaker = builder.build();
    while matches!(breaker.state(), BreakerState::Closed { .. }) {
        assert_eq!(fail(&breaker).await, Err(BreakerError::Failed("away")));
    }
    breaker
}

#[test]
fn five_failures_in_a_row_open_it_for_thirty_seconds() {
    in_timeless_system(|system| async move {
        let breaker = CircuitBreaker::new("bank");
        for _ in 0..4 {
            assert_eq!(fail(&breaker).await, Err(BreakerError::Failed("away")));
        }
        assert_eq!(succeed(&breaker).await, Ok(1));
        for failures in 1..=4 {
            assert_eq!(fail(&breaker).await, Err(BreakerError::Failed("away")));
            assert_eq!(breaker.state(), BreakerState::Closed { failures });
        }
        assert_eq!(fail(&breaker).await, Err(BreakerError::Failed("away")));
        assert_eq!(retry_in(succeed(&breaker).await), secs(30));
        system.advance(millis(29_999));
        assert_eq!(retry_in(succeed(&breaker).await), millis(1));
        system.advance(millis(1));
        assert_eq!(succeed(&breaker).await, Ok(1));
        assert_eq!(breaker.state(), BreakerState::Closed { failures: 0 });
        let counts = breaker.counts();
        assert_eq!((counts.succeeded, counts.failed), (2, 9));
        assert_eq!((counts.refused, counts.opened, counts.timed_out), (2, 1, 0));
    });
}

#[test]
fn half_open_lets_one_probe_through_and_its_failure_doubles_the_pause() {
    in_timeless_system(|system| async move {
        let builder = CircuitBreaker::builder("bank").failures_max(1);
        let builder = builder.reset_factor(2.0).reset_timeout_max(secs(100));
        let breaker = opened(builder).await;
        for pause in [30, 60, 100, 100] {
            system.advance(secs(pause - 1));
            assert_eq!(retry_in(succeed(&breaker).await), secs(1));
            system.advance(secs(1));
            let probe = breaker.permit().expect("it is half-open");
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
            assert_eq!(retry_in(succeed(&breaker).await), Duration::ZERO);
            probe.failure();
        }
        system.advance(secs(100));
        assert_eq!(succeed(&breaker).await, Ok(1));
        assert_eq!(fail(&breaker).await, Err(BreakerError::Failed("away")));
        assert_eq!(
            retry_in(succeed(&breaker).await),
            secs(30),
            "a success starts anew"
        );
    });
}

#[test]
fn a_dropped_probe_makes_room_for_another() {
    in_timeless_system(|system| async move {
        let breaker = opened(CircuitBreaker::builder("bank")).await;
        system.advance(secs(30));
        drop(breaker.permit().expect("it is half-open"));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(succeed(&breaker).await, Ok(1));
        assert_eq!(breaker.state(), BreakerState::Closed { failures: 0 });
    });
}

#[test]
fn what_began_in_another_state_does_not_count() {
    in_timeless_system(|system| async move {
        let builder = CircuitBreaker::builder("bank").failures_max(1);
        let breaker = builder.build();
        let (early, other) = (breaker.permit(), breaker.permit());
        let (early, other) = (early.expect("it is closed"), other.expect("it is closed"));
        assert_eq!(fail(&breaker).await, Err(BreakerError::Failed("away")));
        early.success();
        assert_eq!(retry_in(succeed(&breaker).await), secs(30));
        system.advance(secs(30));
        let probe = breaker.permit().expect("it is half-open");
        other.failure();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        probe.success();
        assert_eq!(breaker.state(), BreakerState::Closed { failures: 0 });
    });
}

#[test]
fn a_call_that_takes_ten_seconds_has_failed() {
    in_timeless_system(|system| async move {
        let builder = CircuitBreaker::builder("bank").failures_max(1);
        let breaker = builder.build();
        let calling = breaker.clone();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let call = system.spawn_future(async move {
            let silent = || {
                let _ = begun.send(());
                pending::<Result<u32, &'static str>>()
            };
            calling.call(silent).await
        });
        soon("the call", begins).await.expect("it begins");
        system.advance(secs(10));
        let outcome = soon("the time limit", call).await.expect("it ends");
        assert_eq!(outcome, Err(BreakerError::Timeout));
        assert_eq!(retry_in(succeed(&breaker).await), secs(30));
        assert_eq!(breaker.counts().timed_out, 1);
    });
}

#[test]
fn a_panic_counts_and_a_harmless_error_does_not() {
    in_timeless_system(|system| async move {
        let builder = CircuitBreaker::builder("bank").failures_max(1);
        let breaker = builder.build();
        let poor = breaker.call_where(|| ready(Err::<u32, _>("poor")), |error| *error != "poor");
        assert_eq!(poor.await, Err(BreakerError::Failed("poor")));
        assert_eq!(breaker.state(), BreakerState::Closed { failures: 0 });
        let calling = breaker.clone();
        let crash = system.spawn_future(async move {
            let crash = || async { panic!("asked to crash") };
            calling.call::<u32, &'static str, _>(crash).await
        });
        assert!(soon("the crash", crash).await.is_err());
        assert_eq!(retry_in(succeed(&breaker).await), secs(30));
        assert_eq!(breaker.counts().failed, 1);
    });
}

struct Ear {
    pen: Pen<(BreakerState, BreakerState)>,
}

#[actor(crate = vaxel_actor)]
impl Ear {
    fn init(pen: Pen<(BreakerState, BreakerState)>) -> Self {
        Ear { pen }
    }

    #[info]
    fn changed(&mut self, event: BreakerEvent) {
        assert_eq!(&*event.breaker, "bank");
        let _ = self.pen.send((event.from, event.to));
    }
}

#[test]
fn listeners_hear_of_every_change_in_order() {
    in_timeless_system(|system| async move {
        let (pen, log): (_, Log<(BreakerState, BreakerState)>) = log();
        let ear = Ear::spawn(pen);
        let builder = CircuitBreaker::builder("bank").listener(ear.recipient());
        let breaker = opened(builder).await;
        system.advance(secs(30));
        assert_eq!(succeed(&breaker).await, Ok(1));
        let open = BreakerState::Open { retry_in: secs(30) };
        let over = BreakerState::Open {
            retry_in: Duration::ZERO,
        };
        let closed = |failures| BreakerState::Closed { failures };
        for change in [
            (closed(4), open),
            (over, BreakerState::HalfOpen),
            (BreakerState::HalfOpen, closed(0)),
        ] {
            assert_eq!(log.next("a change"), change);
        }
        assert!(log.rest().is_empty());
    });
}
