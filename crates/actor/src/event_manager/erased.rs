//! Handlers whose type is no longer of interest, and closures as handlers.

use std::any::{Any, TypeId, type_name};
use std::ops::ControlFlow;

use vaxel_runtime::ExitReason;

use super::next::Step;
use super::{EventHandler, Next, Removal};

/// A handler of some type. Whoever calls these catches panics.
pub(super) trait AnyHandler<E>: Send {
    fn begin(&mut self) -> Result<(), ExitReason>;
    fn event(&mut self, event: &E) -> Step<E>;
    fn end(self: Box<Self>, reason: &Removal) -> Box<dyn Any + Send>;
    fn state(&mut self) -> &mut dyn Any;
    fn state_name(&self) -> &'static str;
    fn output(&self) -> (TypeId, &'static str);
}

impl<E: 'static, H: EventHandler<E>> AnyHandler<E> for H {
    fn begin(&mut self) -> Result<(), ExitReason> {
        self.init()
    }

    fn event(&mut self, event: &E) -> Step<E> {
        self.handle_event(event).step
    }

    fn end(self: Box<Self>, reason: &Removal) -> Box<dyn Any + Send> {
        Box::new(self.terminate(reason))
    }

    fn state(&mut self) -> &mut dyn Any {
        self
    }

    fn state_name(&self) -> &'static str {
        type_name::<H>()
    }

    fn output(&self) -> (TypeId, &'static str) {
        (TypeId::of::<H::Output>(), type_name::<H::Output>())
    }
}

/// What a closure that is a handler may return: `()` to stay, or a [`ControlFlow`], whose `Break`
/// removes it.
pub trait Verdict {
    /// Whether the closure stays.
    fn stays(self) -> bool;
}

impl Verdict for () {
    fn stays(self) -> bool {
        true
    }
}

impl Verdict for ControlFlow<()> {
    fn stays(self) -> bool {
        self.is_continue()
    }
}

impl<E, F, V> EventHandler<E> for F
where
    E: 'static,
    F: FnMut(&E) -> V + Send + 'static,
    V: Verdict,
{
    type Output = ();

    fn handle_event(&mut self, event: &E) -> Next<E, Self> {
        if self(event).stays() {
            Next::keep()
        } else {
            Next::remove()
        }
    }

    fn terminate(self, _: &Removal) {}
}
