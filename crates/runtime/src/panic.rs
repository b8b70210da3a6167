//! What a panic said and where: caught at the turn, told to callers, monitors and supervisors.
//!
//! The location of a panic is known to the panic hook alone. The runtime puts a hook of its own in
//! front of the program's: inside a handler it takes a note and stays silent, because the crash is
//! reported as an event; everywhere else the program's hook runs as before.

use crate::{Crash, ExitReason};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Once};

thread_local! {
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Arc<Crash>>> = const { RefCell::new(None) };
}

// Points at the stack of its thread, so each thread of an explorer needs its own.
crate::sync::thread_local! {
    static ENDING: Cell<*const ExitReason> = const { Cell::new(std::ptr::null()) };
}

/// While it lives, what is dropped on this thread is dropped because an actor ends for a reason.
/// Whoever is owed an answer by what is dropped is told that reason.
pub(crate) struct Ending<'a> {
    before: *const ExitReason,
    reason: std::marker::PhantomData<&'a ExitReason>,
}

impl<'a> Ending<'a> {
    #[inline]
    pub(crate) fn because(reason: &'a ExitReason) -> Self {
        Self {
            before: ENDING.with(|ending| ending.replace(reason)),
            reason: std::marker::PhantomData,
        }
    }
}

impl Drop for Ending<'_> {
    #[inline]
    fn drop(&mut self) {
        ENDING.with(|ending| ending.set(self.before));
    }
}

/// Why what this thread drops is dropped: a panic, the end of an actor, or nothing of the kind.
///
/// For the `Drop` of something that owes an answer: whoever waits can be told the reason.
pub fn ending_reason() -> Option<ExitReason> {
    if std::thread::panicking() {
        return Some(current());
    }
    // SAFETY: set by `Ending`, which borrows the reason for as long as the pointer stands here and
    // is dropped in the order of the stack it lives on.
    unsafe { ENDING.with(Cell::get).as_ref() }.cloned()
}

/// Installs the hook, once per process.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let program = take_hook();
        set_hook(Box::new(move |info| {
            if IN_HANDLER.try_with(Cell::get).unwrap_or(false) {
                let note = Arc::new(Crash::new(text(info), location(info)));
                let _ = LAST.try_with(|last| last.replace(Some(note)));
            } else {
                program(info);
            }
        }));
    });
}

fn text(info: &PanicHookInfo<'_>) -> String {
    info.payload_as_str()
        .unwrap_or("a panic without a message")
        .to_owned()
}

fn location(info: &PanicHookInfo<'_>) -> String {
    info.location()
        .map_or_else(|| "unknown".to_owned(), ToString::to_string)
}

/// Runs code whose panic is the end of nothing but itself; `Err` is the reason of the panic, with
/// its message and place. For actors that run the code of others and go on after a crash of it.
///
/// # Errors
/// If the code panics.
pub fn catch_panic<R>(code: impl FnOnce() -> R) -> Result<R, ExitReason> {
    catch(code)
}

/// Runs user code; `Err` is the reason of its panic.
#[inline]
pub(crate) fn catch<R>(code: impl FnOnce() -> R) -> Result<R, ExitReason> {
    let before = IN_HANDLER.replace(true);
    let result = catch_unwind(AssertUnwindSafe(code));
    IN_HANDLER.set(before);
    result.map_err(|payload| {
        // The payload's own drop may panic; it is the user's.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        let reason = current();
        LAST.with(|last| last.borrow_mut().take());
        reason
    })
}

/// The reason of the panic that is unwinding this thread.
pub(crate) fn current() -> ExitReason {
    let last = LAST.with(|last| last.borrow().clone());
    ExitReason::Panic(last.unwrap_or_else(|| {
        // resume_unwind does not call the hook.
        Arc::new(Crash::new(
            "a panic without a message".to_owned(),
            "unknown".to_owned(),
        ))
    }))
}

/// Runs user code that only cleans up (drops); a second panic there must not spread.
pub(crate) fn contain(code: impl FnOnce()) {
    if catch(code).is_err() {
        // Already ending: the first reason is the one that counts.
    }
}
