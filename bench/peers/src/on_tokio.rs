//! What the libraries on tokio share: a runtime, and waiting inside it.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use vaxel_bench_rows::{Plan, Tally};

pub(crate) fn runtime(plan: &Plan) -> anyhow::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    Ok(builder.worker_threads(plan.workers).enable_all().build()?)
}

/// Runs `future` on a worker, where an actor would run, and leaves the threads to their work.
pub(crate) fn on_worker<F, T>(plan: &Plan, future: F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let runtime = runtime(plan)?;
    let output = runtime.block_on(runtime.spawn(future));
    runtime.shutdown_background();
    output?
}

/// A panic is noted and not printed: printing would cost more than what is measured.
pub(crate) fn note_panics_silently() {
    std::panic::set_hook(Box::new(|info| {
        drop(std::hint::black_box(info.to_string()));
    }));
}

/// Looks every 50 µs. Blocking instead would keep back what this worker is to run next.
pub(crate) async fn until(tally: &Tally, goal: u64) {
    while tally.sum() < goal {
        tokio::time::sleep(Duration::from_micros(50)).await;
    }
}
