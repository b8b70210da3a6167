//! What an actor is asked for, and its answers.

use super::described::{Description, describe};
use super::{Trace, Tracer};
use crate::cell::{Header, PAUSED, Phase};
use crate::oneshot::OneShot;
use crate::{Pid, System};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::AcqRel;
use std::task::{Context, Poll};

/// Why an actor did not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// It has ended.
    #[error("no such actor")]
    NoProcess,
    /// Its type does not implement [`Actor::inspect`](crate::Actor::inspect), or it has no state
    /// yet.
    #[error("the actor does not show its state")]
    Hidden,
    /// [`Actor::inspect`](crate::Actor::inspect) panicked; the actor goes on.
    #[error("the actor panicked while it showed its state")]
    Panicked,
}

pub(super) type Slot<T> = Arc<OneShot<Result<T, InspectError>>>;

/// An answer that is awaited. Cancel-safe: dropping it forgets the wish to know.
#[must_use = "futures do nothing unless polled"]
pub struct Asked<T>(Slot<T>);

impl<T> Asked<T> {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    pub(super) fn slot(&self) -> Slot<T> {
        self.0.clone()
    }
}

impl<T> Future for Asked<T> {
    type Output = Result<T, InspectError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_take(cx)
    }
}

/// What an actor is asked for.
pub(crate) enum Ask {
    Describe(Slot<Description>),
    State(Slot<String>),
    Pause(bool, Slot<()>),
    Trace(Arc<Trace>, Slot<Tracer>),
}

impl Ask {
    /// Whether the answer needs the state, which a suspended handler has borrowed.
    pub(crate) fn needs_state(&self) -> bool {
        matches!(self, Self::State(_))
    }

    /// The actor is over.
    pub(crate) fn fail(self) {
        let error = InspectError::NoProcess;
        match self {
            Self::Describe(slot) => slot.set(Err(error)),
            Self::State(slot) => slot.set(Err(error)),
            Self::Pause(_, slot) => slot.set(Err(error)),
            Self::Trace(_, slot) => slot.set(Err(error)),
        }
    }

    /// Answers.
    ///
    /// # Safety
    /// Owner only; without a suspended handler if the answer needs the state.
    pub(crate) unsafe fn answer(self, cell: NonNull<Header>, me: Pid) {
        // SAFETY: S2, we own the cell.
        let header = unsafe { cell.as_ref() };
        match self {
            Self::Describe(slot) => slot.set(Ok(describe(header, cell, me))),
            Self::State(slot) => {
                if header.phase.get() != Phase::Running {
                    slot.set(Err(InspectError::Hidden));
                    return;
                }
                // SAFETY: S3, phase Running; by the caller's word nobody has borrowed the state.
                let shown = crate::panic::catch(|| unsafe { (header.table().inspect)(cell) });
                slot.set(match shown {
                    Ok(Some(text)) => {
                        Ok(crate::exit::cut_at(text, super::Inspector::STATE_BYTES_MAX))
                    }
                    Ok(None) => Err(InspectError::Hidden),
                    Err(_) => Err(InspectError::Panicked),
                });
            }
            Self::Pause(true, slot) => {
                header.signals.fetch_or(PAUSED, AcqRel);
                slot.set(Ok(()));
            }
            Self::Pause(false, slot) => {
                header.signals.fetch_and(!PAUSED, AcqRel);
                slot.set(Ok(()));
            }
            Self::Trace(trace, slot) => {
                trace.begin(header);
                let system = System::of(header.table().core);
                slot.set(Ok(Tracer::new(trace, system)));
            }
        }
    }
}

impl<T> fmt::Debug for Asked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked(..)")
    }
}
