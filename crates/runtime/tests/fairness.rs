//! Slow messages delay others by one of them, not by a turn of them.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use vaxel_runtime::{Actor, Context, ExitReason, Handler, Message, System};

/// How many messages each of which computes for a while have been handled.
struct Slow(Arc<AtomicU32>);

struct Compute(Duration);

impl Message for Compute {
    type Reply = ();
}

impl Actor for Slow {
    type Args = Arc<AtomicU32>;

    async fn init(handled: Self::Args, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Slow(handled))
    }
}

impl Handler<Compute> for Slow {
    async fn handle(&mut self, Compute(time): Compute, _: &mut Context<Self>) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            std::hint::spin_loop();
        }
        self.0.fetch_add(1, SeqCst);
    }
}

/// Notes how far the slow one had come.
struct Quick(Arc<AtomicU32>, mpsc::SyncSender<u32>);

struct Look;

impl Message for Look {
    type Reply = ();
}

impl Actor for Quick {
    type Args = (Arc<AtomicU32>, mpsc::SyncSender<u32>);

    async fn init((handled, seen): Self::Args, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Quick(handled, seen))
    }
}

impl Handler<Look> for Quick {
    async fn handle(&mut self, _: Look, _: &mut Context<Self>) {
        let _ = self.1.try_send(self.0.load(SeqCst));
    }
}

#[test]
#[cfg_attr(miri, ignore = "computes for two hundred milliseconds")]
fn a_backlog_of_slow_messages_lets_others_in_between() {
    const BACKLOG: u32 = 60;
    let system = System::builder().workers(1).build();
    let handled = Arc::new(AtomicU32::new(0));
    let (seen, looked) = mpsc::sync_channel(1);
    let quick = system.spawn::<Quick>((handled.clone(), seen));
    let slow = system.spawn::<Slow>(handled.clone());
    for _ in 0..BACKLOG {
        slow.cast(Compute(Duration::from_millis(4)))
            .expect("there is room");
    }
    // The backlog is under way before the other is asked for.
    while handled.load(SeqCst) == 0 {
        std::thread::yield_now();
    }
    let before = handled.load(SeqCst);
    quick.cast(Look).expect("there is room");
    let after = looked
        .recv_timeout(Duration::from_secs(10))
        .expect("the quick one is handled");
    assert!(
        after - before <= 8,
        "{} slow messages went first",
        after - before
    );
    drop(slow);
    system.shutdown();
}
