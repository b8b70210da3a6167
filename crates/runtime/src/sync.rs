//! The atomics of the lock-free protocols, in one place so that Loom can take them over.
//!
//! Only the modules that hold a protocol ([`crate::cell::word`], [`crate::cell::signal`],
//! [`crate::call::slot`], [`crate::call::pending`], [`crate::timer::alarm`],
//! [`crate::worker::ring`], [`crate::worker::idle`]) import from here. Everything else uses the
//! standard library, so a `--cfg loom` build still compiles the whole crate.

#[cfg(not(loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, fence},
    sync::{Condvar, Mutex, MutexGuard},
};

#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, fence},
    sync::{Condvar, Mutex, MutexGuard},
};

/// Which planted fault a Loom model runs with; there is none outside the models.
///
/// A model that cannot fail proves nothing, so every protocol step that matters can be left out
/// by name, and a test shows that its model then fails.
#[cfg(all(loom, test))]
pub(crate) mod fault {
    use std::sync::Mutex;

    static ACTIVE: Mutex<Option<&'static str>> = Mutex::new(None);
    static SERIAL: Mutex<()> = Mutex::new(());

    /// Runs `model` with the fault planted. Models run one at a time: the fault is global.
    pub(crate) fn with<R>(fault: Option<&'static str>, model: impl FnOnce() -> R) -> R {
        let _serial = SERIAL
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *ACTIVE.lock().unwrap() = fault;
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(model));
        *ACTIVE.lock().unwrap() = None;
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    pub(crate) fn planted(fault: &'static str) -> bool {
        *ACTIVE.lock().unwrap() == Some(fault)
    }
}

#[cfg(not(all(loom, test)))]
pub(crate) mod fault {
    #[inline(always)]
    pub(crate) const fn planted(_fault: &'static str) -> bool {
        false
    }
}
