//! A whole program: an actor system with a tokio runtime beside it.

use std::time::Duration;

use tokio::runtime::Runtime;
use vaxel_actor::{Event, System};
use vaxel_net::DeferWakes;

/// How long tasks on the tokio runtime may take to notice that the program ends.
const RUNTIME_TIMEOUT: Duration = Duration::from_secs(1);

/// What `#[vaxel::main]` stands for: an actor system and a tokio runtime, made for an async
/// function and ended with it.
///
/// ```
/// let answer = vaxel::Program::new().workers(1).run(async { 42 });
/// assert_eq!(answer, 42);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a program does nothing until it runs"]
pub struct Program {
    workers: Option<usize>,
}

impl Program {
    /// One worker per core.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many threads run actors.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Runs `main` to its end, then stops the system (supervision trees from right to left) and
    /// the runtime.
    ///
    /// The system is the process's default one meanwhile, so `System::current` finds it on every
    /// thread.
    ///
    /// # Panics
    /// When the operating system gives no threads, and when `main` panics.
    pub fn run<F: Future>(self, main: F) -> F::Output {
        let runtime = Runtime::new().expect("the operating system gives threads for tokio");
        let system = self.system(&runtime);
        system.make_default();
        let output = runtime.block_on(main);
        system.shutdown();
        runtime.shutdown_timeout(RUNTIME_TIMEOUT);
        output
    }

    /// All threads of the system hold a handle of the runtime, so that its timers, sockets and
    /// tasks work inside handlers. Workers leave the waking of shards to the end of a batch of
    /// messages; the other threads have no such end, and the watchdog wakes in place of a worker
    /// that is stuck.
    fn system(&self, runtime: &Runtime) -> System {
        let handle = runtime.handle().clone();
        let builder = System::builder().on_event(log).around_worker(move |work| {
            let _runtime = handle.enter();
            let is_worker = std::thread::current()
                .name()
                .is_some_and(|name| name.contains("-worker-"));
            let _wakes = is_worker.then(DeferWakes::new);
            work();
        });
        match self.workers {
            Some(workers) => builder.workers(workers).build(),
            None => builder.build(),
        }
    }
}

/// Crashes belong in the log even where nobody watches.
fn log(event: &Event) {
    match event {
        Event::ActorCrashed { actor, reason, .. } => {
            tracing::error!(actor, %reason, "an actor crashed");
        }
        Event::HandlerStuck {
            actor,
            message,
            worker,
            ..
        } => {
            tracing::warn!(actor, message, worker, "a handler does not return");
        }
        _ => {}
    }
}
