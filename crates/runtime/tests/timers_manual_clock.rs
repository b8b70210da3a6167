//! A clock that is moved by hand fires what is due, also what becomes due just then.

use std::sync::mpsc;
use std::time::Duration;
use vaxel_runtime::{Actor, Context, ExitReason, Handler, Message, System};

struct Clock(mpsc::SyncSender<&'static str>);

struct Tell {
    after: Duration,
    what: &'static str,
}

impl Message for Tell {
    type Reply = ();
}

struct Now(&'static str);

impl Message for Now {
    type Reply = ();
}

impl Actor for Clock {
    type Args = mpsc::SyncSender<&'static str>;

    async fn init(told: Self::Args, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Clock(told))
    }
}

impl Handler<Tell> for Clock {
    async fn handle(&mut self, Tell { after, what }: Tell, cx: &mut Context<Self>) {
        cx.send_after(after, Now(what));
        let _ = self.0.try_send("set");
    }
}

impl Handler<Now> for Clock {
    async fn handle(&mut self, Now(what): Now, _: &mut Context<Self>) {
        let _ = self.0.try_send(what);
    }
}

struct Beat(Duration);

impl Message for Beat {
    type Reply = ();
}

impl Handler<Beat> for Clock {
    async fn handle(&mut self, Beat(period): Beat, cx: &mut Context<Self>) {
        cx.send_every(period, || Now("beat"));
        let _ = self.0.try_send("set");
    }
}

/// Sets a timer of zero again whenever one has fired.
struct Restless;

struct Again;

impl Message for Again {
    type Reply = ();
}

impl Actor for Restless {
    type Args = ();

    async fn init((): (), cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        cx.send_after(Duration::ZERO, Again);
        Ok(Restless)
    }
}

impl Handler<Again> for Restless {
    async fn handle(&mut self, _: Again, cx: &mut Context<Self>) {
        cx.send_after(Duration::ZERO, Again);
    }
}

fn next(tells: &mpsc::Receiver<&'static str>, what: &str) {
    let next = tells.recv_timeout(Duration::from_secs(10));
    assert_eq!(next, Ok(what));
}

#[test]
fn a_timer_for_a_moment_that_is_there_fires_without_another_move() {
    let system = System::builder().workers(1).manual_clock().build();
    let (told, tells) = mpsc::sync_channel(4);
    let clock = system.spawn::<Clock>(told);
    let tell = |after, what| assert!(clock.cast(Tell { after, what }).is_ok());
    // The timer thread means to wake at 5 ms; the clock passes that, and who moves it fires.
    tell(Duration::from_millis(5), "first");
    next(&tells, "set");
    system.advance(Duration::from_millis(10));
    next(&tells, "first");
    tell(Duration::ZERO, "second");
    next(&tells, "set");
    next(&tells, "second");
    // Nor does it wait for the millisecond to be full.
    system.advance(Duration::from_micros(300));
    tell(Duration::ZERO, "third");
    next(&tells, "set");
    next(&tells, "third");
    system.shutdown();
}

#[test]
fn a_move_is_over_when_what_was_due_has_run_whoever_else_fires() {
    let system = System::builder().workers(1).manual_clock().build();
    let (told, tells) = mpsc::sync_channel(10_000);
    let clock = system.spawn::<Clock>(told);
    let restless = system.spawn::<Restless>(());
    assert!(clock.cast(Beat(Duration::from_micros(2_500))).is_ok());
    next(&tells, "set");
    // 2.5 ms round up to 3, 5, 8, 10: a beat that ran after the next move would be skipped.
    for _ in 0..2_500 {
        system.advance(Duration::from_millis(1));
    }
    (0..1_000).for_each(|_| next(&tells, "beat"));
    assert!(tells.try_recv().is_err());
    restless.kill();
    system.shutdown();
}
