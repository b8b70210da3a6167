//! Pools: workers that are lent to one holder at a time.
//!
//! For actors that stand for something scarce, such as a connection to a database, and that one
//! holder should have to itself for a while. (To spread messages over actors that many may use at
//! once, take a [`Router`](crate::Router).) The words and rules are those of poolboy.
//!
//! # Lending
//! [`check_out`](Pool::check_out) lends a worker that is free; when none is, one more is started,
//! up to `max_overflow`; when those are lent too, it waits, five seconds unless told otherwise.
//! The worker comes back when the [`CheckedOut`] is dropped: also when its holder crashes, is
//! killed, or gives a future up. It goes to who waits longest (`waiting_order`), else it is free; a
//! worker that was started beyond the size then stops.
//!
//! # Failure
//! The workers are children of a supervisor of their own, so one that crashes is started again at
//! its address, also while it is lent: its holder is told by the call that failed. An overflow
//! worker that crashes is gone, and replaced if somebody waits. When the supervisor gives up, who
//! waits is told that the pool is closed, and the pool's own supervisor starts it anew.
//!
//! # Bounds
//! `size` 5, `max_overflow` 10, and 1,024 that wait (`waiting_max`): one more is told so.
//! Nobody sends a message to the pool; it is a list behind a lock.
//!
//! ```
//! use vaxel_actor::pool::Pool;
//! use vaxel_actor::prelude::*;
//!
//! struct Connection {
//!     queries: u32,
//! }
//!
//! #[actor(crate = vaxel_actor)]
//! impl Connection {
//!     fn init(_url: &'static str) -> Self {
//!         Connection { queries: 0 }
//!     }
//!
//!     #[call]
//!     fn query(&mut self, _sql: &'static str) -> u32 {
//!         self.queries += 1;
//!         self.queries
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let pool: Pool<ConnectionRef> = Pool::builder().size(2).max_overflow(1).build();
//! let workers = pool.supervise(Connection::child("postgres://localhost"));
//! Supervisor::one_for_one().child(workers).start().await?;
//!
//! let connection = pool.check_out().await?;
//! assert_eq!(connection.query("begin").await?, 1);
//! assert_eq!(connection.query("commit").await?, 2);
//! assert_eq!(pool.status().busy, 1);
//! drop(connection);
//!
//! let rows = pool.transaction(async |connection| connection.query("select 1").await).await?;
//! assert_eq!(rows, Ok(3));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod builder;
mod checked_out;
mod shared;
mod supervised;

use std::sync::Arc;

use vaxel_runtime::ExitReason;
use vaxel_runtime::time::Elapsed;

pub use self::builder::{Order, PoolBuilder};
pub use self::checked_out::CheckedOut;
use self::shared::{Lent, Shared};
use crate::durations::secs;
use crate::reference::Reference;
use crate::time_limit::{TimeLimit, until};

/// Workers of a pool that was not told otherwise.
pub const SIZE: usize = 5;

/// Workers beyond the size, of a pool that was not told otherwise.
pub const MAX_OVERFLOW: usize = 10;

/// How many may wait for a worker, unless told otherwise.
pub const WAITING_MAX: usize = 1024;

/// Lends workers. A handle: clones are handles to the same pool.
///
/// `R` is the kind of reference it lends. See the [module](self).
pub struct Pool<R: Reference>(Arc<Shared<R>>);

/// A pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Workers that are free.
    pub idle: usize,
    /// Workers that are lent.
    pub busy: usize,
    /// Workers beyond the size, lent or about to start.
    pub overflow: usize,
    /// Holders that wait for a worker.
    pub waiting: usize,
}

/// No worker was lent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckOutError {
    /// All workers are lent, and none came back in time.
    #[error("no worker came back to the pool in time")]
    Timeout,
    /// All workers are lent, and as many wait as may; or the caller would not wait.
    #[error("all workers of the pool are lent")]
    Full,
    /// The pool was not started, or is stopping or starting again.
    #[error("the pool is not running")]
    Closed,
    /// A worker beyond the size did not start.
    #[error("a worker failed to start: {0}")]
    Start(ExitReason),
}

impl<R: Reference> Pool<R> {
    /// A pool of five workers, and ten more when they are all lent.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Begins a pool.
    pub fn builder() -> PoolBuilder<R> {
        PoolBuilder::new()
    }

    /// Borrows a worker, and waits for one up to five seconds.
    ///
    /// # Errors
    /// If none came back in time, if too many wait, if the pool is not running, or if a worker that
    /// was started for this did not start.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place; no worker is lost.
    pub async fn check_out(&self) -> Result<CheckedOut<R>, CheckOutError> {
        self.check_out_within(secs(5)).await
    }

    /// As [`check_out`](Self::check_out) with another limit.
    ///
    /// # Errors
    /// As for [`check_out`](Self::check_out).
    pub async fn check_out_within(
        &self,
        limit: impl Into<TimeLimit>,
    ) -> Result<CheckedOut<R>, CheckOutError> {
        let (mut waiting, system) = match self.0.lend()? {
            Lent::Now(worker) => return Ok(worker),
            Lent::Later(waiting, system) => (waiting, system),
        };
        let deadline = match limit.into() {
            TimeLimit::Unlimited => return waiting.worker().await,
            TimeLimit::At(deadline) => deadline,
            TimeLimit::After(limit) => system.now() + limit,
        };
        match until(&system, deadline, waiting.worker()).await {
            Ok(worker) => worker,
            Err(Elapsed) => Err(CheckOutError::Timeout),
        }
    }

    /// Borrows a worker if one is free now. Starts none.
    ///
    /// # Errors
    /// If none is free, or the pool is not running.
    pub fn try_check_out(&self) -> Result<CheckedOut<R>, CheckOutError> {
        self.0.lend_now()
    }

    /// Borrows a worker for as long as `work` takes.
    ///
    /// # Errors
    /// As for [`check_out`](Self::check_out).
    pub async fn transaction<T>(
        &self,
        work: impl AsyncFnOnce(&R) -> T,
    ) -> Result<T, CheckOutError> {
        let worker = self.check_out().await?;
        Ok(work(&worker).await)
    }

    /// How many workers are free, lent and waited for.
    pub fn status(&self) -> PoolStatus {
        self.0.status()
    }
}

impl<R: Reference> Default for Pool<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Reference> Clone for Pool<R> {
    fn clone(&self) -> Self {
        Pool(self.0.clone())
    }
}

impl<R: Reference> std::fmt::Debug for Pool<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pool").field(&self.status()).finish()
    }
}
