//! A whole program: an actor system with a tokio runtime beside it.

#[cfg(feature = "server")]
use vaxel_net::DeferWakes;

/// What `#[vaxel::main]` stands for: an actor system and a tokio runtime, made for an async
/// function and ended with it.
///
/// ```
/// let answer = vaxel::Program::new().workers(1).run(async { 42 });
/// assert_eq!(answer, 42);
/// ```
#[derive(Debug)]
#[must_use = "a program does nothing until it runs"]
pub struct Program(vaxel_actor::Program);

impl Default for Program {
    fn default() -> Self {
        Self::new()
    }
}

impl Program {
    /// One worker per core.
    pub fn new() -> Self {
        let program = vaxel_actor::Program::new();
        #[cfg(feature = "server")]
        let program = program.around_worker(defer_wakes);
        Self(program)
    }

    /// How many threads run actors.
    pub fn workers(self, workers: usize) -> Self {
        Self(self.0.workers(workers))
    }

    /// Runs `main` to its end, then stops the system (supervision trees from right to left) and
    /// the runtime, also when `main` panics.
    ///
    /// The system is the process's default one meanwhile, so `System::current` finds it on every
    /// thread, and tokio's timers, sockets and tasks work inside handlers.
    ///
    /// # Panics
    /// When the operating system gives no threads, and when `main` panics.
    pub fn run<F: Future>(self, main: F) -> F::Output {
        self.0.run(main)
    }
}

#[cfg(feature = "server")]
/// Workers leave the waking of shards to the end of a batch of messages.
fn defer_wakes(work: &mut dyn FnMut()) {
    let _wakes = DeferWakes::new();
    work();
}
