//! Calls at a fixed rate, whether or not the earlier ones have been answered.
//!
//! The delay of a call counts from the moment at which it should have been sent, so a generator
//! that is late because everything else is late too does not flatter the result. One thread sends
//! and waits; it parks between two calls and is woken by answers.

use std::{
    future::Future,
    hint::black_box,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
    time::{Duration, Instant},
};

use crate::{Delays, NotPossible, Sample};

/// What is asked of whom, beside what.
#[derive(Debug, Clone, Copy)]
pub struct OpenLoop {
    /// How many actors compute meanwhile.
    pub spinners: usize,
    /// How long each of their messages takes; the whole duration if not told.
    pub slice: Option<Duration>,
    /// How long the spinners compute and the calls go on.
    pub duration: Duration,
    /// The rate of the calls.
    pub calls_per_second: u32,
}

impl OpenLoop {
    /// The messages that one spinner is sent: how many, and how long each computes.
    pub fn spins(&self) -> (u32, Duration) {
        let slice = self.slice.unwrap_or(self.duration);
        let count = self.duration.as_nanos().div_ceil(slice.as_nanos().max(1));
        (u32::try_from(count).unwrap_or(u32::MAX), slice)
    }
}

/// What the callers saw.
#[derive(Debug)]
pub struct Outcome {
    /// All calls.
    pub all: Sample,
    /// The calls meant to be sent after the recovery.
    pub after: Sample,
    /// From the start of the spinners until calls were quick again and stayed so for a while.
    pub recovery: Duration,
}

/// A call slower than this has been stalled, rather than merely scheduled.
const SLOW: Duration = Duration::from_millis(5);

/// So many quick calls in a row end the stall; what is slow later is the tail of the rest.
const STEADY: usize = 100;

/// How long answers may take after the last call was sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Computes without a pause, as a runaway handler does.
pub fn spin(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        black_box((0..1_000u64).fold(0, |sum, n| black_box(sum) ^ n));
    }
}

struct Outstanding<F> {
    intended: Instant,
    answer: Pin<Box<F>>,
    waker: Waker,
}

/// Wakes the generator and says which call has an answer.
struct Bell {
    index: usize,
    rung: Arc<Mutex<Vec<usize>>>,
    generator: Thread,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung
            .lock()
            .expect("nobody panics here")
            .push(self.index);
        self.generator.unpark();
    }
}

/// Sends calls for `load.duration` and waits for every answer.
///
/// # Errors
/// When a call is answered with an error, or not at all within a minute.
pub fn run<F, T, E>(load: &OpenLoop, call: impl Fn() -> F) -> anyhow::Result<Outcome>
where
    F: Future<Output = Result<T, E>>,
    E: std::fmt::Display,
{
    let interval = Duration::from_secs(1) / load.calls_per_second;
    let count = (load.duration.as_nanos() / interval.as_nanos()) as u32;
    let rung = Arc::new(Mutex::new(Vec::new()));
    let mut calls: Vec<Option<Outstanding<F>>> = Vec::with_capacity(count as usize);
    let mut answered = Vec::with_capacity(count as usize);
    let begun = Instant::now();
    while answered.len() < count as usize {
        let next = begun + interval * calls.len() as u32;
        let now = Instant::now();
        if now >= begun + load.duration + PATIENCE {
            return Err(NotPossible("calls were not answered within a minute").into());
        }
        if calls.len() < count as usize && now >= next {
            let index = calls.len();
            let (rung, generator) = (rung.clone(), std::thread::current());
            let waker = Waker::from(Arc::new(Bell {
                index,
                rung,
                generator,
            }));
            calls.push(Some(Outstanding {
                intended: next,
                answer: Box::pin(call()),
                waker,
            }));
            look_at(&mut calls[index], &mut answered)?;
        }
        let ready = std::mem::take(&mut *rung.lock().expect("nobody panics here"));
        for index in ready {
            look_at(&mut calls[index], &mut answered)?;
        }
        let next = begun + interval * calls.len() as u32;
        if rung.lock().expect("nobody panics here").is_empty() {
            let sending = calls.len() < count as usize;
            let limit = if sending {
                next.saturating_duration_since(Instant::now())
            } else {
                SLOW
            };
            std::thread::park_timeout(limit);
        }
    }
    Ok(outcome(begun, &answered))
}

/// Polls one call; an answer moves it to `answered`.
fn look_at<F, T, E>(
    call: &mut Option<Outstanding<F>>,
    answered: &mut Vec<(Instant, Instant)>,
) -> anyhow::Result<()>
where
    F: Future<Output = Result<T, E>>,
    E: std::fmt::Display,
{
    let Some(outstanding) = call else {
        return Ok(());
    };
    let mut cx = Context::from_waker(&outstanding.waker);
    match outstanding.answer.as_mut().poll(&mut cx) {
        Poll::Pending => {}
        Poll::Ready(Ok(_)) => {
            answered.push((outstanding.intended, Instant::now()));
            *call = None;
        }
        Poll::Ready(Err(error)) => anyhow::bail!("a call failed: {error}"),
    }
    Ok(())
}

fn outcome(begun: Instant, answered: &[(Instant, Instant)]) -> Outcome {
    let mut in_order = answered.to_vec();
    in_order.sort_unstable();
    let recovered = recovered(begun, &in_order);
    let (mut all, mut after) = (Delays::new(), Delays::new());
    for (intended, at) in in_order {
        let delay = at.duration_since(intended);
        all.record(delay);
        if intended >= recovered {
            after.record(delay);
        }
    }
    Outcome {
        all: all.finish(),
        after: after.finish(),
        recovery: recovered - begun,
    }
}

/// When the last call before the first [`STEADY`] quick ones in a row was answered.
fn recovered(begun: Instant, in_order: &[(Instant, Instant)]) -> Instant {
    let (mut recovered, mut quick) = (begun, 0);
    for (intended, at) in in_order {
        if at.duration_since(*intended) > SLOW {
            (recovered, quick) = (recovered.max(*at), 0);
        } else {
            quick += 1;
            if quick == STEADY {
                break;
            }
        }
    }
    recovered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_answered_and_counted() {
        let load = OpenLoop {
            spinners: 0,
            slice: None,
            duration: Duration::from_millis(50),
            calls_per_second: 1_000,
        };
        let outcome = run(&load, || std::future::ready(Ok::<_, String>(()))).expect("all answer");
        assert_eq!(outcome.all.operations, 50);
    }

    #[test]
    fn recovery_ends_with_the_stall_and_not_with_a_later_hiccup() {
        let begun = Instant::now();
        let ms = |ms| begun + Duration::from_millis(ms);
        let mut calls: Vec<_> = (0..300).map(|at| (ms(at), ms(at))).collect();
        calls[0].1 = ms(20);
        calls[10].1 = ms(21);
        calls[250].1 = ms(290);
        let outcome = outcome(begun, &calls);
        assert_eq!(outcome.recovery, Duration::from_millis(21));
        assert_eq!(outcome.all.operations, 300);
        assert_eq!(outcome.after.operations, 300 - 21);
    }

    #[test]
    fn a_failed_call_fails_the_run() {
        let load = OpenLoop {
            spinners: 0,
            slice: None,
            duration: Duration::from_millis(5),
            calls_per_second: 1_000,
        };
        assert!(run(&load, || std::future::ready(Err::<(), _>("closed"))).is_err());
    }
}
