//! Requests and crashes: a call from an actor, recovery after a panic, calls beside spinning
//! actors.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use vaxel::prelude::*;

use super::Fresh;
use crate::bench::actors::peer::foreign_runtime;
use vaxel_bench_rows::{Delays, OpenLoop, Outcome, Plan, Sample, open_loop, spin};

struct Server {
    n: u64,
}

#[actor]
impl Server {
    fn init() -> Self {
        Server { n: 0 }
    }

    #[call]
    fn next(&mut self) -> u64 {
        self.n += 1;
        self.n
    }

    #[cast]
    fn crash(&mut self) {
        panic!("asked to crash");
    }

    /// Computes, and asks itself for the rest: a message at a time, whatever its mailbox holds.
    #[cast]
    fn spin(&mut self, times: u32, each: Duration, cx: &mut Context<Self>) {
        spin(each);
        if times > 1 {
            let me: ServerRef = cx.me().into();
            me.spin(times - 1, each).expect("one message finds room");
        }
    }
}

struct Caller;

#[actor]
impl Caller {
    fn init() -> Self {
        Caller
    }

    #[call]
    async fn call(&mut self, server: ServerRef, calls: u64) -> Result<Sample, CallError> {
        let mut delays = Delays::new();
        for _ in 0..calls {
            let begun = Instant::now();
            server.next().await?;
            delays.record(begun.elapsed());
        }
        Ok(delays.finish())
    }

    /// From the message that crashes the server to its successor's answer: the message behind it
    /// waits at the same address.
    #[call]
    async fn recover(&mut self, server: ServerRef, crashes: u64) -> Result<Sample, CallError> {
        let mut delays = Delays::new();
        for _ in 0..crashes {
            let begun = Instant::now();
            let _ = server.crash();
            server.next().await?;
            delays.record(begun.elapsed());
        }
        Ok(delays.finish())
    }
}

pub(super) fn call(plan: &Plan, calls: u64) -> anyhow::Result<Sample> {
    let system = Fresh::new(plan);
    let server = Server::spawn_in(&system.0);
    let caller = Caller::spawn_in(&system.0);
    Ok(system.on_worker(caller.call(server, calls).no_timeout())??)
}

/// From a task on a tokio runtime of one thread, so that caller and callee never share one.
pub(super) fn call_foreign(plan: &Plan, calls: u64) -> anyhow::Result<Sample> {
    let system = Fresh::new(plan);
    let server = Server::spawn_in(&system.0);
    let caller = foreign_runtime()?;
    caller.block_on(caller.spawn(async move {
        let mut delays = Delays::new();
        for _ in 0..calls {
            let begun = Instant::now();
            server.next().await?;
            delays.record(begun.elapsed());
        }
        anyhow::Ok(delays.finish())
    }))?
}

pub(super) fn recover(plan: &Plan, crashes: u64) -> anyhow::Result<Sample> {
    let system = Fresh::new(plan);
    let supervisor = Supervisor::one_for_one()
        .max_restarts(u32::MAX)
        .within(millis(1))
        .child(Server::child().name("server"));
    system.on_worker(supervisor.start_in(&system.0))??;
    let server = system
        .0
        .whereis::<Server>("server")
        .context("the server has no name")?;
    let caller = Caller::spawn_in(&system.0);
    Ok(system.on_worker(caller.recover(server.into(), crashes).no_timeout())??)
}

pub(super) fn beside_spinners(plan: &Plan, load: &OpenLoop) -> anyhow::Result<Outcome> {
    let system = Fresh::new(plan);
    let server = Server::spawn_in(&system.0);
    let spinners: Vec<_> = (0..load.spinners)
        .map(|_| Server::spawn_in(&system.0))
        .collect();
    let (count, each) = load.spins();
    for spinner in &spinners {
        spinner
            .spin(count, each)
            .map_err(|_| anyhow::anyhow!("a spinner has ended"))?;
    }
    open_loop(load, || server.next().no_timeout())
}
