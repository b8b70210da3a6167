//! Stopping children: asked first, killed when their time is up.

use std::time::Duration;

use vaxel_runtime::{Child, time};

use super::children::Children;
use super::spec::Shutdown;
use crate::durations::secs;

/// How long a killed child may take to be gone. Killing takes effect at the next await, so only
/// native code that never returns can outlast it; then its supervisor goes on without it, and the
/// watchdog has long reported the handler.
const KILL_LIMIT: Duration = secs(5);

/// Stops one child and waits until it is gone.
pub(super) async fn stop(child: &Child, shutdown: Shutdown) {
    ask(child, shutdown);
    wait(child, shutdown).await;
}

/// Asks without waiting.
pub(super) fn ask(child: &Child, shutdown: Shutdown) {
    match shutdown {
        Shutdown::Kill => child.kill(),
        Shutdown::Limit(_) | Shutdown::Unlimited => child.shutdown(),
    }
}

/// Waits until a child that was asked is gone; kills it when its time is up.
async fn wait(child: &Child, shutdown: Shutdown) {
    match shutdown {
        Shutdown::Unlimited => {
            child.exit().await;
            return;
        }
        Shutdown::Limit(limit) => {
            if time::timeout(limit, child.exit()).await.is_ok() {
                return;
            }
            child.kill();
        }
        Shutdown::Kill => {}
    }
    let _ = time::timeout(KILL_LIMIT, child.exit()).await;
}

/// Stops all children: those added later first and side by side, then the fixed ones one after
/// another from right to left, each gone before the next is asked.
pub(super) async fn stop_all(children: &mut Children) {
    let added: Vec<_> = children.take_added();
    for (child, shutdown) in &added {
        ask(child, *shutdown);
    }
    for (child, shutdown) in added {
        wait(&child, shutdown).await;
    }
    while let Some(fixed) = children.fixed.pop() {
        if let Some(child) = fixed.child {
            stop(&child, fixed.spec.policy().shutdown).await;
        }
    }
}
