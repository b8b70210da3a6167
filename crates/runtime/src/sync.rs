//! The atomics of the lock-free protocols, in one place so that Loom and Shuttle can take them
//! over.
//!
//! Only the modules that hold a protocol ([`crate::cell::word`], [`crate::cell::signal`],
//! [`crate::call::slot`], [`crate::call::pending`], [`crate::timer::alarm`],
//! [`crate::worker::ring`], [`crate::worker::slot`], [`crate::worker::idle`]) import from here.
//! Everything else uses the standard library, so a `--cfg loom` build still compiles the whole
//! crate.
//!
//! Under `--cfg shuttle` whole workers run on Shuttle's threads, so the locks inside of which the
//! protocols are used, parking, and the worker's thread-local come from here too.

#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, fence},
    sync::{Condvar, Mutex, MutexGuard},
};

#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, fence},
    sync::{Condvar, Mutex, MutexGuard},
};

#[cfg(shuttle)]
pub(crate) use shuttle::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, fence},
    sync::{Condvar, Mutex, MutexGuard},
    thread, thread_local,
};

#[cfg(not(shuttle))]
pub(crate) use std::{thread, thread_local};

/// Which planted fault a model runs with; there is none outside the models.
///
/// A model that cannot fail proves nothing, so every protocol step that matters can be left out
/// by name, and a test shows that its model then fails.
#[cfg(any(all(loom, test), shuttle))]
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

    /// How many preemptions a Loom model tries: three, or what `VAXEL_PREEMPTIONS` says.
    #[cfg(loom)]
    pub(crate) fn preemptions() -> Option<usize> {
        let wanted = std::env::var("VAXEL_PREEMPTIONS").ok();
        Some(wanted.and_then(|text| text.parse().ok()).unwrap_or(3))
    }

    pub(crate) fn planted(fault: &'static str) -> bool {
        *ACTIVE.lock().unwrap() == Some(fault)
    }
}

#[cfg(not(any(all(loom, test), shuttle)))]
pub(crate) mod fault {
    #[inline(always)]
    pub(crate) const fn planted(_fault: &'static str) -> bool {
        false
    }
}
