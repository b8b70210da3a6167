//! How a pool is made.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use super::{MAX_OVERFLOW, Pool, SIZE, WAITING_MAX};
use crate::durations::secs;
use crate::reference::Reference;

/// Which of several comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// The one that has been there longest.
    Fifo,
    /// The one that came last.
    Lifo,
}

/// A pool before it is made. See [`Pool::builder`].
#[must_use = "a builder does nothing until it builds"]
pub struct PoolBuilder<R> {
    settings: Settings,
    lends: PhantomData<fn() -> R>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) size: usize,
    pub(super) max_overflow: usize,
    pub(super) strategy: Order,
    pub(super) waiting_order: Order,
    pub(super) waiting_max: usize,
    pub(super) max_restarts: Option<u32>,
    pub(super) within: Duration,
}

impl<R: Reference> PoolBuilder<R> {
    pub(super) fn new() -> Self {
        PoolBuilder {
            settings: Settings {
                size: SIZE,
                max_overflow: MAX_OVERFLOW,
                strategy: Order::Lifo,
                waiting_order: Order::Fifo,
                waiting_max: WAITING_MAX,
                max_restarts: None,
                within: secs(5),
            },
            lends: PhantomData,
        }
    }

    /// Workers that are always there. Default: [`SIZE`].
    pub fn size(mut self, workers: usize) -> Self {
        self.settings.size = workers;
        self
    }

    /// Workers that may be started when those are all lent. Default: [`MAX_OVERFLOW`].
    pub fn max_overflow(mut self, workers: usize) -> Self {
        self.settings.max_overflow = workers;
        self
    }

    /// Which free worker is lent: the last to come back, so that the others rest, or the first, so
    /// that all work alike. Default: [`Order::Lifo`].
    pub fn strategy(mut self, order: Order) -> Self {
        self.settings.strategy = order;
        self
    }

    /// Who is served first of those that wait: the first to come, or the last, which serves more
    /// within their limit when there are too many. Default: [`Order::Fifo`].
    pub fn waiting_order(mut self, order: Order) -> Self {
        self.settings.waiting_order = order;
        self
    }

    /// How many may wait; one more is told [`Full`](super::CheckOutError::Full). Default:
    /// [`WAITING_MAX`].
    pub fn waiting_max(mut self, holders: usize) -> Self {
        self.settings.waiting_max = holders;
        self
    }

    /// More restarts of workers than this within the window close the pool, and its supervisor
    /// decides. Default: three for each of `size`.
    pub fn max_restarts(mut self, restarts: u32) -> Self {
        self.settings.max_restarts = Some(restarts);
        self
    }

    /// The window in which restarts are counted. Default: five seconds.
    pub fn within(mut self, window: Duration) -> Self {
        self.settings.within = window;
        self
    }

    /// Makes the pool. It lends nothing until its [workers](Pool::supervise) have started.
    pub fn build(self) -> Pool<R> {
        Pool(Arc::new(Shared::new(self.settings)))
    }
}

impl<R> std::fmt::Debug for PoolBuilder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PoolBuilder").field(&self.settings).finish()
    }
}
