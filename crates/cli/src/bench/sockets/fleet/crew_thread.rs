//! A thread that lives as long as the connections of its lane, and does what it is told.
//!
//! Its connections may be in a table of open files of its own, so whatever touches them runs here:
//! opening, driving and closing.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

type Job = Box<dyn FnOnce() + Send>;

/// A thread and the way to it. Dropping it waits for the end of what it does.
#[derive(Debug)]
pub(super) struct CrewThread {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// What a job is going to return.
pub(super) struct Pending<R>(Receiver<thread::Result<R>>);

impl CrewThread {
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, taken) = sync_channel::<Job>(1);
        let run = move || {
            for job in taken {
                job();
            }
        };
        let thread = thread::Builder::new()
            .name("clients".to_owned())
            .spawn(run)?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Has `job` done on the thread, after those before it.
    pub(super) fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Pending<R> {
        let (done, result) = sync_channel(1);
        let job: Job = Box::new(move || {
            // Nobody waits for the result when the one who asked has panicked.
            let _ = done.send(catch_unwind(AssertUnwindSafe(job)));
        });
        let jobs = self.jobs.as_ref().expect("only a drop takes it");
        jobs.send(job)
            .expect("a job's panic does not end the thread");
        Pending(result)
    }
}

impl Drop for CrewThread {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<R> Pending<R> {
    /// Waits for it. A panic goes on here.
    pub(super) fn wait(self) -> R {
        let result = self.0.recv().expect("every job sends its result");
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
