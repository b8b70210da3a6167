//! A system to run a test in, shared by the crates above the actors.

use std::future::Future;
use std::time::Duration;

use vaxel_actor::{System, SystemBuilder, system_beside};

/// Long enough for a loaded machine, short enough to notice a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `body` beside a fresh system of two workers that can use tokio.
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
