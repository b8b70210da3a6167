//! What the tests of this crate share: a system whose time moves when told, and jobs on its clock.

#![allow(dead_code)]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use vaxel_actor::{System, system_beside};
use vaxel_jobs::Jobs;
use vaxel_store::{Store, Timestamp};

/// Long enough for a loaded machine, short enough to notice a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `body` beside a fresh system of two workers whose time moves only when told.
pub(crate) fn in_timeless_system<F: Future>(body: impl FnOnce(System) -> F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("threads can be started");
    let system = system_beside(runtime.handle())
        .workers(2)
        .manual_clock()
        .build();
    let output = {
        let _inside = system.enter();
        let _runtime = runtime.enter();
        runtime.block_on(body(system.clone()))
    };
    system.shutdown();
    output
}

/// Awaits what must happen soon.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    let outcome = tokio::time::timeout(PATIENCE, future).await;
    outcome.unwrap_or_else(|_| panic!("still waiting for {what}"))
}

/// Jobs whose time is that of the system, beginning at the second 1,000.
pub(crate) fn jobs_on(system: &System, store: Arc<dyn Store>) -> Jobs {
    let (system, start) = (system.clone(), system.now());
    Jobs::with_clock(store, move || Timestamp(1_000_000) + (system.now() - start))
}

/// Lets time pass until it holds.
pub(crate) async fn until(
    system: &System,
    what: &str,
    step: Duration,
    mut holds: impl AsyncFnMut() -> bool,
) {
    let held = async {
        while !holds().await {
            system.advance(step);
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
