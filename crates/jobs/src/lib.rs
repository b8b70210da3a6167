//! Durable jobs: what is to be done later, is done, however often the program ends meanwhile.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use vaxel_actor::{Supervisor, secs};
//! use vaxel_jobs::{Attempt, End, Job, Jobs, Queue, Request};
//! use vaxel_store::Memory;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Welcome {
//!     name: String,
//! }
//!
//! impl Job for Welcome {
//!     const KIND: &'static str = "welcome";
//!     const QUEUE: &'static str = "mail";
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let jobs = Jobs::new(Memory::new());
//! let (told, mut names) = tokio::sync::mpsc::channel(10);
//! let mail = Queue::new(&jobs, "mail").concurrency(5).handle(
//!     move |job: Welcome, _attempt: Attempt| {
//!         let told = told.clone();
//!         async move {
//!             told.send(job.name).await?;
//!             Ok(End::Done)
//!         }
//!     },
//! );
//! let supervisor = Supervisor::one_for_one().child(mail.child()).start().await?;
//!
//! jobs.enqueue(&Welcome { name: "Ada".into() }).await?;
//! let later = Request::of(&Welcome { name: "Bob".into() }).after(secs(3600)).priority(1);
//! jobs.enqueue(later).await?;
//! assert_eq!(names.recv().await.as_deref(), Some("Ada"));
//! # drop(supervisor);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Guarantees
//! - **At least once.** A job that was enqueued is run until an attempt ends well, it is cancelled,
//!   or its attempts are used up; then it is kept as dead, with its errors. A crash between the
//!   end of an attempt and its commit has it run again: [`End::DoneWith`] commits both at once.
//! - **One at a time.** A running job is leased to its worker, which renews the lease: however
//!   long it runs, nobody else runs it. When a worker is gone its jobs run again once their lease
//!   has ended. Where a worker lives on and the store does not confirm its lease, the attempt is
//!   ended a tenth of a lease before another process may begin the next. A handler that blocks
//!   its thread cannot be ended, nor can one on a machine whose clock is behind by more than that.
//! - **Order.** By priority, then by time. Jobs of one queue run beside each other.
//! - **Bounds.** Concurrency and rate per queue, attempts per job, sizes of payloads and errors;
//!   jobs that have been over for a day ([`Queue::keep`]) are pruned.

#![forbid(unsafe_code)]

pub mod cron;
mod job;
mod jobs;
mod queue;
pub mod reminder;

pub use cron::{CatchUp, Cron, CronActor, CronArgs, CronError};
pub use job::{Attempt, EncodeError, End, Job, JobFailure, Request};
pub use jobs::{EnqueueError, Jobs, JobsCounters};
pub use queue::{Queue, QueueActor, QueueArgs, QueueRef};
pub use reminder::{Missed, Reminder};
