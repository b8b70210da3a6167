//! The handlers of a manager: their order, and what becomes of them.

use std::any::{Any, TypeId};

use vaxel_runtime::{Context, Down, Event, ExitReason, Pid, Recipient, catch_panic};

use super::erased::AnyHandler;
use super::error::{
    AddHandlerError, CallHandlerError, DeleteHandlerError, SwapHandlerError, WrongTypeError,
};
use super::next::{Make, Step};
use super::removal::{HandlerExit, Owner, Removal};
use super::{EventHandler, EventManager, HandlerId, Next};

pub(super) struct Handlers<E> {
    /// The one that has events first is the last.
    slots: Vec<Slot<E>>,
}

struct Slot<E> {
    id: HandlerId,
    handler: Box<dyn AnyHandler<E>>,
    owner: Option<Owner>,
}

impl<E> Default for Handlers<E> {
    fn default() -> Self {
        Handlers { slots: Vec::new() }
    }
}

impl<E: Send + 'static> Handlers<E> {
    /// In the order in which they have events.
    pub(super) fn ids(&self) -> Vec<HandlerId> {
        let newest_first = self.slots.iter().rev();
        newest_first.map(|slot| slot.id.clone()).collect()
    }

    fn find(&self, id: &HandlerId) -> Option<usize> {
        self.slots.iter().position(|slot| slot.id == *id)
    }

    /// Gives the event to all.
    pub(super) fn dispatch(&mut self, event: &E, cx: &mut Context<EventManager<E>>) {
        // What leaves moves only those that have had the event.
        for at in (0..self.slots.len()).rev() {
            let handler = &mut self.slots[at].handler;
            match catch_panic(|| handler.event(event)) {
                Ok(step) => self.go(at, step, cx),
                Err(reason) => self.crashed(at, reason, cx),
            }
        }
    }

    pub(super) fn call<H: EventHandler<E>, R>(
        &mut self,
        id: HandlerId,
        request: impl FnOnce(&mut H) -> (R, Next<E, H>),
        cx: &mut Context<EventManager<E>>,
    ) -> Result<R, CallHandlerError> {
        let Some(at) = self.find(&id) else {
            return Err(CallHandlerError::Unknown(id));
        };
        let handler = &mut self.slots[at].handler;
        let found = handler.state_name();
        let Some(handler) = handler.state().downcast_mut::<H>() else {
            return Err(WrongTypeError::expecting::<H>(&id, found).into());
        };
        match catch_panic(|| request(handler)) {
            Ok((answer, next)) => {
                self.go(at, next.step, cx);
                Ok(answer)
            }
            Err(reason) => {
                self.crashed(at, reason.clone(), cx);
                Err(CallHandlerError::Crashed(reason))
            }
        }
    }

    pub(super) fn add(
        &mut self,
        id: HandlerId,
        make: impl FnOnce() -> Option<Box<dyn AnyHandler<E>>>,
        owner: Option<(Recipient<HandlerExit>, Pid)>,
        cx: &mut Context<EventManager<E>>,
    ) -> Result<(), AddHandlerError> {
        if self.find(&id).is_some() {
            return Err(AddHandlerError::Duplicate(id));
        }
        let handlers_max = EventManager::<E>::HANDLERS_MAX;
        if self.slots.len() >= handlers_max {
            return Err(AddHandlerError::TooMany { handlers_max });
        }
        let handler = begin(make).map_err(AddHandlerError::Init)?;
        let owner = owner.map(|(to, pid)| {
            let (monitor, me) = (cx.monitor(&pid), cx.pid());
            Owner::new(to, (monitor, pid), me, id.clone())
        });
        self.slots.push(Slot { id, handler, owner });
        Ok(())
    }

    pub(super) fn delete<O: 'static>(
        &mut self,
        id: HandlerId,
        cx: &mut Context<EventManager<E>>,
    ) -> Result<O, DeleteHandlerError> {
        let Some(at) = self.find(&id) else {
            return Err(DeleteHandlerError::Unknown(id));
        };
        self.check_output::<O>(at)?;
        let removed = self.remove(at, Removal::Deleted, cx);
        let output = removed.map_err(DeleteHandlerError::Crashed)?;
        Ok(*output.downcast().expect("the type has been compared"))
    }

    /// As `gen_event` does: where the old one is not there, the new one is added all the same.
    pub(super) fn swap<O: 'static>(
        &mut self,
        old: &HandlerId,
        new: HandlerId,
        make: Make<E>,
        cx: &mut Context<EventManager<E>>,
    ) -> Result<(), SwapHandlerError> {
        let Some(at) = self.find(old) else {
            self.add(new, || make(None), None, cx)?;
            return Ok(());
        };
        self.check_output::<O>(at)?;
        if self.find(&new).is_some_and(|taken| taken != at) {
            return Err(AddHandlerError::Duplicate(new).into());
        }
        let first = self.slots.len() - 1;
        let replaced = self.replace(at, first, new, make, cx);
        Ok(replaced.map_err(AddHandlerError::Init)?)
    }

    fn check_output<O: 'static>(&self, at: usize) -> Result<(), WrongTypeError> {
        let Slot { id, handler, .. } = &self.slots[at];
        let (output, found) = handler.output();
        if output == TypeId::of::<O>() {
            return Ok(());
        }
        Err(WrongTypeError::expecting::<O>(id, found))
    }

    /// The owner of a handler has ended.
    pub(super) fn owner_exited(&mut self, down: Down, cx: &mut Context<EventManager<E>>) {
        let owned = |slot: &Slot<E>| {
            let owner = slot.owner.as_ref();
            owner.is_some_and(|owner| owner.monitor == down.monitor)
        };
        if let Some(at) = self.slots.iter().position(owned) {
            discard(self.remove(at, Removal::OwnerExited(down.reason), cx));
        }
    }

    /// The manager ends.
    pub(super) fn stop(&mut self, reason: &ExitReason, cx: &mut Context<EventManager<E>>) {
        for at in (0..self.slots.len()).rev() {
            discard(self.remove(at, Removal::Stopped(reason.clone()), cx));
        }
    }

    fn go(&mut self, at: usize, step: Step<E>, cx: &mut Context<EventManager<E>>) {
        match step {
            Step::Keep => {}
            Step::Remove => discard(self.remove(at, Removal::Removed, cx)),
            Step::Swap(new, make) => {
                if self.find(&new).is_some_and(|taken| taken != at) {
                    let reason = ExitReason::error(AddHandlerError::Duplicate(new));
                    return self.crashed(at, reason, cx);
                }
                // Reported where it failed; nobody waits for an answer.
                let _ = self.replace(at, at, new, make, cx);
            }
        }
    }

    fn crashed(&mut self, at: usize, reason: ExitReason, cx: &mut Context<EventManager<E>>) {
        report(&self.slots[at].id, &reason, cx);
        discard(self.remove(at, Removal::Crashed(reason), cx));
    }

    /// Ends a handler; its output, or the panic of its `terminate`.
    fn remove(
        &mut self,
        at: usize,
        reason: Removal,
        cx: &mut Context<EventManager<E>>,
    ) -> Result<Box<dyn Any + Send>, ExitReason> {
        let Slot { id, handler, owner } = self.slots.remove(at);
        let output = end(&id, handler, &reason, cx);
        match owner {
            Some(owner) if matches!(reason, Removal::OwnerExited(_)) => owner.release(),
            Some(owner) => {
                cx.demonitor(owner.monitor);
                owner.tell(reason);
            }
            None => {}
        }
        output
    }

    /// Ends the handler at `at` and puts another at `to`, which inherits the owner.
    fn replace(
        &mut self,
        at: usize,
        to: usize,
        new: HandlerId,
        make: Make<E>,
        cx: &mut Context<EventManager<E>>,
    ) -> Result<(), ExitReason> {
        let Slot { id, handler, owner } = self.slots.remove(at);
        let reason = Removal::Swapped { by: new.clone() };
        let output = end(&id, handler, &reason, cx).ok();
        match begin(|| make(output)) {
            Ok(handler) => {
                let owner = owner.map(|mut owner| {
                    owner.succeeded_by(new.clone());
                    owner
                });
                let slot = Slot {
                    id: new,
                    handler,
                    owner,
                };
                self.slots.insert(to, slot);
                Ok(())
            }
            Err(reason) => {
                report(&new, &reason, cx);
                if let Some(owner) = owner {
                    cx.demonitor(owner.monitor);
                    owner.tell(Removal::Crashed(reason.clone()));
                }
                Err(reason)
            }
        }
    }
}

/// Makes a handler and runs its `init`.
fn begin<E>(
    make: impl FnOnce() -> Option<Box<dyn AnyHandler<E>>>,
) -> Result<Box<dyn AnyHandler<E>>, ExitReason> {
    let begun = catch_panic(|| {
        let Some(mut handler) = make() else {
            return Err(ExitReason::error("the handler before it left no output"));
        };
        handler.begin()?;
        Ok(handler)
    });
    begun.and_then(|begun| begun)
}

/// Runs `terminate`, whose panic is reported.
fn end<E: Send + 'static>(
    id: &HandlerId,
    handler: Box<dyn AnyHandler<E>>,
    why: &Removal,
    cx: &Context<EventManager<E>>,
) -> Result<Box<dyn Any + Send>, ExitReason> {
    let ended = catch_panic(|| handler.end(why));
    if let Err(reason) = &ended {
        report(id, reason, cx);
    }
    ended
}

/// Drops what nobody asked for; the drop is the user's, too.
fn discard(output: Result<Box<dyn Any + Send>, ExitReason>) {
    let _ = catch_panic(|| drop(output));
}

fn report<E: Send + 'static>(id: &HandlerId, reason: &ExitReason, cx: &Context<EventManager<E>>) {
    cx.system().emit(&Event::HandlerCrashed {
        manager: cx.pid(),
        handler: id.shared(),
        reason: reason.clone(),
    });
}
