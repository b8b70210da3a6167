//! A worker that is lent.

use std::ops::Deref;
use std::sync::Arc;

use super::shared::{Shared, Worker};
use crate::reference::Reference;

/// A worker that is lent to whoever holds this, and comes back when it is dropped.
///
/// It dereferences to the worker's reference. A copy of that reference works on when the worker has
/// come back: do not keep one.
#[must_use = "the worker comes back when this is dropped"]
pub struct CheckedOut<R: Reference> {
    /// None once it has come back.
    worker: Option<Worker<R>>,
    pool: Arc<Shared<R>>,
}

impl<R: Reference> CheckedOut<R> {
    pub(super) fn new(worker: Worker<R>, pool: Arc<Shared<R>>) -> Self {
        CheckedOut {
            worker: Some(worker),
            pool,
        }
    }

    /// Gives the worker back; the same as dropping.
    pub fn check_in(self) {}
}

impl<R: Reference> Deref for CheckedOut<R> {
    type Target = R;

    fn deref(&self) -> &R {
        let worker = self.worker.as_ref();
        &worker.expect("it is there until this is dropped").actor
    }
}

impl<R: Reference> Drop for CheckedOut<R> {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.pool.take_back(worker);
        }
    }
}

impl<R: Reference> std::fmt::Debug for CheckedOut<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CheckedOut").field(&**self).finish()
    }
}
