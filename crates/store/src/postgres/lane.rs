//! What all connections of a store have in common: they are made, lost, and made again.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::sync::futures::Notified;

use super::queue::Queue;
use super::session::{Backoff, Session, Target};
use crate::{Fault, FaultKind, OpenError};

/// How often an idle connection is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A connection that writes.
#[derive(Clone)]
pub(super) struct Lane {
    pub(super) target: Arc<Target>,
    pub(super) queue: Arc<Queue>,
    /// How long writes wait for a server that is away.
    pub(super) patience: Duration,
}

impl Lane {
    /// The session, made again if it was lost. `None` when there is none yet, after a pause.
    pub(super) async fn ready<'a>(
        &self,
        session: &'a mut Option<Arc<Session>>,
    ) -> Option<&'a Arc<Session>> {
        if session.as_ref().is_some_and(|session| session.is_closed()) {
            *session = None;
            self.queue.connected.fetch_sub(1, Relaxed);
        }
        if session.is_none() {
            *session = self.connect().await;
        }
        session.as_ref()
    }

    async fn connect(&self) -> Option<Arc<Session>> {
        let (begun, mut backoff) = (Instant::now(), Backoff::new());
        loop {
            let error = match self.target.connect().await {
                Ok(session) => {
                    self.queue.connected.fetch_add(1, Relaxed);
                    self.queue.counts.connects.fetch_add(1, Relaxed);
                    return Some(session);
                }
                Err(error) => error,
            };
            let is_closed = self.queue.is_closed();
            let is_over = begun.elapsed() >= self.patience || is_closed;
            // While another connection is up it is not the server that is away.
            if is_over && self.queue.connected.load(Relaxed) == 0 {
                self.queue.refuse_all(&away(&error));
            }
            if is_closed {
                return None;
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }
}

/// Waits for work. Looks from time to time whether the connection is still there, so that it is
/// made again before it is needed.
pub(super) async fn idle(waiting: Notified<'_>) {
    _ = tokio::time::timeout(LOOK, waiting).await;
}

fn away(error: &OpenError) -> Fault {
    let kind = match error {
        OpenError::NoServer { .. } => FaultKind::Unreachable,
        OpenError::ReadOnly { .. } => FaultKind::ReadOnly,
        _ => FaultKind::Rejected,
    };
    Fault::new(kind, error)
}
