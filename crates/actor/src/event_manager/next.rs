//! What becomes of a handler after an event or a call.

use std::any::Any;
use std::marker::PhantomData;

use super::erased::AnyHandler;
use super::{EventHandler, HandlerId};

/// What becomes of a handler of type `H`: it stays, leaves, or is swapped for another.
#[must_use = "it decides whether the handler stays"]
pub struct Next<E, H> {
    pub(super) step: Step<E>,
    handler: PhantomData<fn(H)>,
}

pub(super) enum Step<E> {
    Keep,
    Remove,
    Swap(HandlerId, Make<E>),
}

/// Makes a handler of the output of the one before it, which has left none if it was not there or
/// its `terminate` panicked. None: there can be no handler without it.
pub(super) type Make<E> =
    Box<dyn FnOnce(Option<Box<dyn Any + Send>>) -> Option<Box<dyn AnyHandler<E>>> + Send>;

impl<E: 'static, H: EventHandler<E>> Next<E, H> {
    /// It stays.
    pub fn keep() -> Self {
        Self::of(Step::Keep)
    }

    /// It leaves, and its `terminate` runs with [`Removal::Removed`](super::Removal).
    pub fn remove() -> Self {
        Self::of(Step::Remove)
    }

    /// Another takes its place in the order, and its owner if it has one. What `terminate` returns
    /// goes into the new one, which does not get the event. The id may be the same.
    pub fn swap<N: EventHandler<E>>(
        id: impl Into<HandlerId>,
        make: impl FnOnce(H::Output) -> N + Send + 'static,
    ) -> Self {
        let make: Make<E> = Box::new(|output| {
            let output = output?.downcast().ok()?;
            Some(Box::new(make(*output)))
        });
        Self::of(Step::Swap(id.into(), make))
    }

    fn of(step: Step<E>) -> Self {
        Next {
            step,
            handler: PhantomData,
        }
    }
}

impl<E, H> std::fmt::Debug for Next<E, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.step {
            Step::Keep => f.write_str("Keep"),
            Step::Remove => f.write_str("Remove"),
            Step::Swap(by, _) => f.debug_tuple("Swap").field(by).finish(),
        }
    }
}
