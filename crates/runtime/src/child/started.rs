//! How a start went, in eight bytes.
//!
//! Nearly every start succeeds, and nobody asks again, so that is all a slot has room for; a list
//! of who waits, or the reason of a failure, is a box. Boxes are touched under one of a few locks
//! that all slots share.

use crate::ExitReason;
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{
    AtomicPtr,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How the start of the newest incarnation went; its later end is no failed start.
///
/// Null while that is open and nobody waits.
pub(crate) struct StartSlot(AtomicPtr<More>);

enum More {
    Waiting(Vec<Waker>),
    Failed(ExitReason),
}

const SUCCEEDED: *mut More = without_provenance_mut(1);

/// Enough that two workers rarely meet at one.
const LOCKS: usize = 64;
static SLOT_LOCKS: [Mutex<()>; LOCKS] = [const { Mutex::new(()) }; LOCKS];

impl StartSlot {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    fn lock(&self) -> MutexGuard<'static, ()> {
        let lock = std::ptr::from_ref(self).addr() >> 6;
        SLOT_LOCKS[lock % LOCKS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Exchanges what is there. The caller holds the lock and uses the box for nobody else.
    fn replace(&self, with: *mut More) -> Option<Box<More>> {
        let before = self.0.load(Relaxed);
        self.0.store(with, Release);
        // SAFETY: what is neither null nor the mark was made from a box, and under the lock
        // everybody who takes it puts something else there.
        (!before.is_null() && before != SUCCEEDED).then(|| unsafe { Box::from_raw(before) })
    }

    /// Sets how it went; the first word counts.
    pub(crate) fn set(&self, outcome: Result<(), ExitReason>) {
        let word = match outcome {
            Ok(()) => SUCCEEDED,
            Err(_) if self.0.load(Acquire) == SUCCEEDED => return,
            Err(reason) => Box::into_raw(Box::new(More::Failed(reason))),
        };
        let lock = self.lock();
        let before = self.0.load(Relaxed);
        let is_set = before == SUCCEEDED
            // SAFETY: under the lock a box is there for as long as its address is.
            || matches!(unsafe { before.as_ref() }, Some(More::Failed(_)));
        let known = (!is_set).then(|| self.replace(word)).flatten();
        drop(lock);
        if is_set && word != SUCCEEDED {
            // SAFETY: made above and given to nobody.
            drop(unsafe { Box::from_raw(word) });
        }
        if let Some(More::Waiting(wakers)) = known.map(|known| *known) {
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Forgets how it went, so that the next word counts. Who waits goes on waiting.
    pub(crate) fn reset(&self) {
        let lock = self.lock();
        let before = self.0.load(Relaxed);
        let boxed = before != SUCCEEDED && !before.is_null();
        // SAFETY: under the lock a box is there for as long as its address is.
        let waits = boxed && matches!(unsafe { &*before }, More::Waiting(_));
        let known = (!waits).then(|| self.replace(null_mut())).flatten();
        drop(lock);
        drop(known);
    }

    /// How it went, or the waker is noted.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Result<(), ExitReason>> {
        if self.0.load(Acquire) == SUCCEEDED {
            return Poll::Ready(Ok(()));
        }
        // Cloned before the lock is taken: the waker is somebody else's code.
        let mut waker = Some(cx.waker().clone());
        let _lock = self.lock();
        let now = self.0.load(Relaxed);
        if now == SUCCEEDED {
            return Poll::Ready(Ok(()));
        }
        // SAFETY: under the lock a box is there for as long as its address is, and ours alone.
        match unsafe { now.as_mut() } {
            Some(More::Failed(reason)) => return Poll::Ready(Err(reason.clone())),
            Some(More::Waiting(wakers)) => {
                if !wakers.iter().any(|known| known.will_wake(cx.waker())) {
                    wakers.extend(waker.take());
                }
            }
            None => {
                let waiting = More::Waiting(Vec::from_iter(waker.take()));
                self.0.store(Box::into_raw(Box::new(waiting)), Release);
            }
        }
        Poll::Pending
    }
}

impl Drop for StartSlot {
    fn drop(&mut self) {
        drop(self.replace(null_mut()));
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn the_first_word_counts_until_the_slot_is_reset() {
        let slot = StartSlot::new();
        let cx = Context::from_waker(Waker::noop());
        assert!(slot.poll(&cx).is_pending());
        slot.set(Err(ExitReason::Killed));
        slot.set(Ok(()));
        assert_eq!(slot.poll(&cx), Poll::Ready(Err(ExitReason::Killed)));
        slot.reset();
        assert!(slot.poll(&cx).is_pending());
        slot.set(Ok(()));
        slot.set(Err(ExitReason::Killed));
        assert_eq!(slot.poll(&cx), Poll::Ready(Ok(())));
    }

    #[test]
    fn everybody_who_waits_is_woken_once() {
        let slot = StartSlot::new();
        let (one, two) = (
            Arc::new(Count(AtomicUsize::new(0))),
            Arc::new(Count(AtomicUsize::new(0))),
        );
        let wakers = [&one, &two].map(|waiting| Waker::from(waiting.clone()));
        for waiting in [0, 1, 0] {
            // A clone, as what is kept of it is one: only those are sure to be known again.
            let waker = wakers[waiting].clone();
            assert!(slot.poll(&Context::from_waker(&waker)).is_pending());
        }
        drop(wakers);
        slot.reset();
        slot.set(Ok(()));
        assert_eq!((one.0.load(Relaxed), two.0.load(Relaxed)), (1, 1));
        assert_eq!(Arc::strong_count(&one), 1, "wakers are let go");
    }
}
