//! Stopping children: asked first, killed when their time is up, given up if even that is in vain.

use std::time::Duration;

use vaxel_runtime::{Child, ExitReason, Pid, time};

use super::spec::Shutdown;
use crate::durations::secs;

/// How long a killed child may take to be gone. Killing takes effect at the next await, so only
/// native code that never returns can outlast it; then the child is declared dead and its
/// supervisor goes on without it. The watchdog has long reported the handler.
pub(super) const KILL_LIMIT: Duration = secs(5);

/// How an incarnation went that was asked to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gone {
    /// It ended.
    For(ExitReason),
    /// It had ended before; why, its parent has been told by message.
    Before,
    /// It has not ended, though it was killed.
    Never,
}

/// Asks a child to stop.
pub(super) fn ask(child: &Child, shutdown: Shutdown) {
    match shutdown {
        Shutdown::Kill => child.kill(),
        Shutdown::Limit(_) | Shutdown::Unlimited => child.shutdown(),
    }
}

/// Asks an incarnation to stop, waits until it is over, and kills it when its time is up.
pub(super) async fn stop(child: &Child, pid: Pid, shutdown: Shutdown) -> Gone {
    let mut exit = child.exit_of(pid);
    ask(child, shutdown);
    match shutdown {
        Shutdown::Unlimited => return over(exit.await),
        Shutdown::Limit(limit) => match time::timeout(limit, &mut exit).await {
            Ok(reason) => return over(reason),
            Err(_) => child.kill(),
        },
        Shutdown::Kill => {}
    }
    time::timeout(KILL_LIMIT, exit)
        .await
        .map_or(Gone::Never, over)
}

fn over(reason: ExitReason) -> Gone {
    match reason {
        ExitReason::NoProcess => Gone::Before,
        reason => Gone::For(reason),
    }
}

/// What is reported of a child that was killed and does not end.
pub(super) fn declared_dead() -> ExitReason {
    ExitReason::error("killed, but its handler does not return: declared dead")
}
