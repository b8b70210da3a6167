//! Tests of actors in which a seed decides who runs next, and time is virtual.
//!
//! [`check`] runs a test under many seeds. Each seed is one schedule: which of the actors that may
//! run runs next, how long it keeps its turn, whether an actor begins at once or later. The same
//! seed gives the same run, step by step. When a run fails, its seed is printed with the last steps
//! of its trace, and `VAXEL_SEED=0x…` replays it.
//!
//! ```
//! use vaxel_runtime::{Actor, Context, ExitReason, Handler, Message};
//!
//! struct Counter(i64);
//! #[derive(Debug)]
//! struct Add(i64);
//! impl Message for Add {
//!     type Reply = i64;
//! }
//! impl Actor for Counter {
//!     type Args = i64;
//!     async fn init(start: i64, _: &mut Context<Self>) -> Result<Self, ExitReason> {
//!         Ok(Counter(start))
//!     }
//! }
//! impl Handler<Add> for Counter {
//!     async fn handle(&mut self, Add(by): Add, _: &mut Context<Self>) -> i64 {
//!         self.0 += by;
//!         self.0
//!     }
//! }
//!
//! vaxel_testkit::check(|sim| async move {
//!     let counter = sim.spawn::<Counter>(40);
//!     assert_eq!(counter.call(Add(2)).await, Ok(42));
//! });
//! ```
//!
//! As an attribute, with other than the usual seeds:
//!
//! ```
//! #[vaxel_testkit::test(seeds = 20)]
//! async fn a_minute_passes(sim: vaxel_testkit::Sim) {
//!     sim.advance(std::time::Duration::from_secs(60)).await;
//! }
//! # fn main() {}
//! ```
//!
//! # What a seed decides
//! The order in which runnable actors take their turns and the test itself goes on; how many
//! messages an actor handles in a row; whether a spawned actor begins at once or in a turn of its
//! own; how long turns take, if [`Check::delays`] asks for that; whom [`Sim::kill_at_random`]
//! kills; every number of [`Sim::random`]. Messages are never lost or delayed beyond what mailboxes
//! promise.
//!
//! # Time
//! Time stands still while anything may run and then jumps to the next timer, so a minute's wait
//! costs nothing and nothing sleeps. `time::sleep`, `time::timeout`, call limits, `send_after`,
//! restarts: whatever uses the system's timers follows.
//!
//! # What a seed does not decide
//! What the test brings in from outside: threads, sockets, the machine's clock, the order of a
//! `HashMap` (its hasher is seeded anew in each process). Futures that other actors wake work,
//! among them the channels, locks and notifications of `tokio::sync`; tokio's timers, sockets and
//! tasks do not, there is no tokio runtime. A wake-up from another thread is counted and reported,
//! an await that nobody in the simulation will end is reported as a dead end, and the first seed of
//! a [`check`] and every failing one run twice: if the two runs differ, the report says so.
//!
//! Schedules interleave whole turns on one thread. What two threads do to one atomic word is the
//! business of Loom and Shuttle.

#![forbid(unsafe_code)]

mod chaos;
mod check;
mod failure;
mod probe;
mod run;
mod schedule;
mod sim;
mod trace;

pub use chaos::Chaos;
pub use check::{Check, SEEDS, STEPS_MAX, TRACE_LINES, Verdict, check};
pub use failure::Failure;
pub use probe::{PROBE_LIMIT, Probe, Probing};
pub use run::Run;
pub use sim::Sim;
pub use vaxel_macros::test;
