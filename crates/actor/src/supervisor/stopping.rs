//! Stopping children: asked first, killed when their time is up.

use std::time::Duration;

use vaxel_runtime::{AnyRef, Child, Exit, time};

use super::children::Children;
use super::spec::Shutdown;
use crate::durations::secs;

/// How long a killed child may take to be gone. Killing takes effect at the next await, so only
/// native code that never returns can outlast it; then its supervisor goes on without it, and the
/// watchdog has long reported the handler.
const KILL_LIMIT: Duration = secs(5);

/// Asks a child that stays on record to stop.
pub(super) fn ask(child: &Child, shutdown: Shutdown) {
    match shutdown {
        Shutdown::Kill => child.kill(),
        Shutdown::Limit(_) | Shutdown::Unlimited => child.shutdown(),
    }
}

/// A child on its way out.
struct Leaving {
    actor: AnyRef,
    exit: Exit,
    shutdown: Shutdown,
}

impl Leaving {
    /// Closes a child: it is asked to stop if it lives, and ends for good if it has crashed and
    /// nobody has looked at that yet.
    fn new(child: Child, shutdown: Shutdown) -> Self {
        let actor = child.actor().clone();
        let exit = actor.exit();
        if shutdown == Shutdown::Kill {
            child.kill();
        }
        child.close();
        Leaving {
            actor,
            exit,
            shutdown,
        }
    }

    /// Waits until it is gone; kills it when its time is up.
    async fn gone(mut self) {
        match self.shutdown {
            Shutdown::Unlimited => {
                self.exit.await;
                return;
            }
            Shutdown::Limit(limit) => {
                if time::timeout(limit, &mut self.exit).await.is_ok() {
                    return;
                }
                self.actor.kill();
            }
            Shutdown::Kill => {}
        }
        let _ = time::timeout(KILL_LIMIT, self.exit).await;
    }
}

/// Stops all children: those added later first and side by side, then the fixed ones one after
/// another from right to left, each gone before the next is asked.
pub(super) async fn stop_all(children: &mut Children) {
    let added = children.take_added();
    let leaving: Vec<_> = added
        .map(|(child, shutdown)| Leaving::new(child, shutdown))
        .collect();
    for child in leaving {
        child.gone().await;
    }
    while let Some(last) = children.take_last_fixed() {
        if let Some((child, shutdown)) = last {
            Leaving::new(child, shutdown).gone().await;
        }
    }
}
