//! What the tests of this crate share: a system to live in, and a way to wait that says for what.

#![allow(dead_code)]

pub(crate) mod worker;

use std::future::Future;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use vaxel_actor::{System, SystemBuilder, system_beside};

/// Long enough for a loaded machine, short enough to notice a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `body` beside a fresh system of two workers that can use tokio.
pub(crate) fn in_system<F: Future>(body: impl FnOnce(System) -> F) -> F::Output {
    in_system_of(|builder| builder, body)
}

/// As [`in_system`], in a system whose time moves only when told.
pub(crate) fn in_timeless_system<F: Future>(body: impl FnOnce(System) -> F) -> F::Output {
    in_system_of(SystemBuilder::manual_clock, body)
}

/// As [`in_system`], in a system with these settings.
pub(crate) fn in_system_of<F: Future>(
    settings: impl FnOnce(SystemBuilder) -> SystemBuilder,
    body: impl FnOnce(System) -> F,
) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("threads can be started");
    let system = settings(system_beside(runtime.handle()).workers(2)).build();
    let output = {
        let _inside = system.enter();
        let _runtime = runtime.enter();
        let body = body(system.clone());
        runtime.block_on(body)
    };
    system.shutdown();
    output
}

/// Awaits what must happen soon.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    let outcome = tokio::time::timeout(PATIENCE, future).await;
    outcome.unwrap_or_else(|_| panic!("still waiting for {what}"))
}

/// A log that actors write and a test reads, in order.
pub(crate) struct Log<T> {
    lines: Receiver<T>,
}

/// The actors' end of a [`Log`].
pub(crate) type Pen<T> = SyncSender<T>;

pub(crate) fn log<T>() -> (Pen<T>, Log<T>) {
    let (pen, lines) = sync_channel(10_000);
    (pen, Log { lines })
}

impl<T> Log<T> {
    /// Blocks until the next line is there.
    pub(crate) fn next(&self, what: &str) -> T {
        let line = self.lines.recv_timeout(PATIENCE);
        line.unwrap_or_else(|_| panic!("still waiting for {what}"))
    }

    /// What has been written so far and not read.
    pub(crate) fn rest(&self) -> Vec<T> {
        self.lines.try_iter().collect()
    }
}
