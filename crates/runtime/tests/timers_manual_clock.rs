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

#[test]
fn a_timer_for_a_moment_that_is_there_fires_without_another_move() {
    let system = System::builder().workers(1).manual_clock().build();
    let (told, tells) = mpsc::sync_channel(4);
    let next = |what: &str| {
        let next = tells.recv_timeout(Duration::from_secs(10));
        assert_eq!(next, Ok(what));
    };
    let clock = system.spawn::<Clock>(told);
    let tell = |after, what| assert!(clock.cast(Tell { after, what }).is_ok());
    // The timer thread means to wake at 5 ms; the clock passes that, and who moves it fires.
    tell(Duration::from_millis(5), "first");
    next("set");
    system.advance(Duration::from_millis(10));
    next("first");
    tell(Duration::ZERO, "second");
    next("set");
    next("second");
    system.shutdown();
}
