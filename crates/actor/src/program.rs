//! Running a whole program inside an actor system, with tokio beside it.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use vaxel_runtime::System;

use crate::beside_tokio::{system_beside, system_within};
use crate::durations::secs;

/// How long blocking tasks of tokio may hold up the end of a program.
const TOKIO_SHUTDOWN_LIMIT: Duration = secs(5);

/// A program: a tokio runtime, an actor system whose workers can use it, and an async body.
///
/// `#[vaxel::main]` is sugar over this.
///
/// ```
/// use vaxel_actor::prelude::*;
///
/// struct Greeter;
///
/// #[actor(crate = vaxel_actor)]
/// impl Greeter {
///     fn init() -> Self {
///         Greeter
///     }
///
///     #[call]
///     async fn greet(&mut self, name: String) -> String {
///         // Libraries of tokio work in handlers.
///         tokio::time::sleep(millis(1)).await;
///         format!("hello, {name}")
///     }
/// }
///
/// let answer = vaxel_actor::Program::new().workers(2).run(async {
///     Greeter::spawn().greet("Ada".into()).await
/// });
/// assert_eq!(answer.as_deref(), Ok("hello, Ada"));
/// ```
#[derive(Default)]
#[must_use = "a program does nothing before it runs"]
pub struct Program {
    workers: Option<usize>,
    around: Option<Around>,
}

type Around = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

impl Program {
    /// One actor worker per core.
    pub fn new() -> Self {
        Program::default()
    }

    /// The number of actor workers; tokio's own are set by `TOKIO_WORKER_THREADS`.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Runs `hook` around the life of every worker thread of the system, inside the tokio runtime;
    /// it must call what it is given once. For what a thread must hold while handlers run.
    pub fn around_worker(
        mut self,
        hook: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static,
    ) -> Self {
        self.around = Some(Box::new(hook));
        self
    }

    /// Runs `body` on this thread, inside the system and the runtime, and returns its output.
    ///
    /// At the end, also when the body panics, the supervisors still running are stopped in the
    /// opposite order of their start, then the workers, then tokio.
    ///
    /// # Panics
    /// When a thread cannot be started, or the body panics.
    pub fn run<F: Future>(self, body: F) -> F::Output {
        let runtime = Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.expect("the operating system refuses threads or descriptors");
        let mut builder = match self.around {
            Some(around) => system_within(runtime.handle(), around),
            None => system_beside(runtime.handle()),
        };
        if let Some(workers) = self.workers {
            builder = builder.workers(workers);
        }
        let system = builder.build();
        system.make_default();
        let running = Running {
            system,
            runtime: Some(runtime),
        };
        let runtime = running
            .runtime
            .as_ref()
            .expect("it goes when this is dropped");
        runtime.block_on(body)
    }
}

/// Ends in order, also when the body panics.
struct Running {
    system: System,
    runtime: Option<Runtime>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.system.shutdown();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(TOKIO_SHUTDOWN_LIMIT);
        }
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}
