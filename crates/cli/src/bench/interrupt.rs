//! Ctrl-C and SIGTERM: a flag that every long wait looks at, so that servers started for a
//! measurement are stopped and waited for before the process ends.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::bail;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Turns both signals into a request to stop. A second signal ends the process at once.
pub(crate) fn install() -> io::Result<()> {
    let requested = Arc::clone(REQUESTED.get_or_init(Arc::default));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&requested))?;
        flag::register(signal, Arc::clone(&requested))?;
    }
    Ok(())
}

/// Waits for `time`, unless the process has been told to stop.
///
/// # Errors
/// As [`check`].
pub(crate) fn pause(time: Duration) -> anyhow::Result<()> {
    // Nobody unparks this thread; should it wake early, its caller looks again.
    thread::park_timeout(time);
    check()
}

/// Fails once the process has been told to stop.
pub(crate) fn check() -> anyhow::Result<()> {
    if REQUESTED
        .get()
        .is_some_and(|requested| requested.load(Ordering::Relaxed))
    {
        bail!("interrupted");
    }
    Ok(())
}
