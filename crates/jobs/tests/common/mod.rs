//! What the tests of this crate share: a system whose time moves when told, and jobs on its clock.

#![allow(dead_code)]

#[path = "../../../persistence/tests/common/system.rs"]
mod system;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use system::soon;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use vaxel_actor::{System, SystemBuilder};
use vaxel_jobs::{Jobs, QueueActor, QueueRef};
use vaxel_store::{Store, Timestamp};

/// Runs `body` beside a fresh system of two workers whose time moves only when told.
pub(crate) fn in_timeless_system<F: Future>(body: impl FnOnce(System) -> F) -> F::Output {
    system::in_system_of(SystemBuilder::manual_clock, body)
}

/// Jobs whose time is that of the system, beginning at the second 1,000.
pub(crate) fn jobs_on(system: &System, store: Arc<dyn Store>) -> Jobs {
    let (system, start) = (system.clone(), system.now());
    Jobs::with_clock(store, move || Timestamp(1_000_000) + (system.now() - start))
}

/// Lets time pass until it holds. A queue that is named "queue" has dealt with each step before
/// the next: leases are renewed in time, however slow the machine is.
pub(crate) async fn until(
    system: &System,
    what: &str,
    step: Duration,
    mut holds: impl AsyncFnMut() -> bool,
) {
    let held = async {
        while !holds().await {
            system.advance(step);
            if let Some(queue) = system.whereis::<QueueActor>("queue") {
                let _ = QueueRef::from(queue).running().await;
            }
            tokio::task::yield_now().await;
        }
    };
    soon(what, held).await;
}

/// What handlers write and a test reads, in order.
pub(crate) struct Log(Receiver<String>);

pub(crate) fn log() -> (Sender<String>, Log) {
    let (pen, lines) = channel(10_000);
    (pen, Log(lines))
}

impl Log {
    pub(crate) async fn next(&mut self) -> String {
        soon("a line in the log", self.0.recv())
            .await
            .expect("somebody writes")
    }

    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}
