//! The manager as an actor.

use vaxel_runtime::{Actor, Context, Down, ExitReason, Handler, Message, TrappedExit};

use super::EventManager;
use super::handlers::Handlers;
use crate::parent::Parent;

impl<E: Send + 'static> Actor for EventManager<E> {
    type Args = ();

    async fn init((): (), cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(EventManager {
            handlers: Handlers::default(),
            parent: Parent::trap_exits(cx),
        })
    }

    async fn terminate(&mut self, reason: &ExitReason, cx: &mut Context<Self>) {
        self.handlers.stop(reason, cx);
    }
}

/// An event for all handlers.
pub struct Notify<E>(pub(super) E);

impl<E: Send + 'static> Message for Notify<E> {
    type Reply = ();
}

impl<E: Send + 'static> Handler<Notify<E>> for EventManager<E> {
    async fn handle(&mut self, Notify(event): Notify<E>, cx: &mut Context<Self>) {
        self.handlers.dispatch(&event, cx);
    }
}

impl<E: Send + 'static> Handler<Down> for EventManager<E> {
    async fn handle(&mut self, down: Down, cx: &mut Context<Self>) {
        self.handlers.owner_exited(down, cx);
    }
}

impl<E: Send + 'static> Handler<TrappedExit> for EventManager<E> {
    async fn handle(&mut self, exit: TrappedExit, cx: &mut Context<Self>) {
        self.parent.obey(exit, cx);
    }
}

/// Something to do with the handlers.
pub struct Ask<E: Send + 'static, R>(Request<E, R>);

type Request<E, R> = Box<dyn FnOnce(&mut Handlers<E>, &mut Context<EventManager<E>>) -> R + Send>;

impl<E: Send + 'static, R> Ask<E, R> {
    pub(super) fn new(
        request: impl FnOnce(&mut Handlers<E>, &mut Context<EventManager<E>>) -> R + Send + 'static,
    ) -> Self {
        Ask(Box::new(request))
    }
}

impl<E: Send + 'static, R: Send + 'static> Message for Ask<E, R> {
    type Reply = R;
}

impl<E: Send + 'static, R: Send + 'static> Handler<Ask<E, R>> for EventManager<E> {
    async fn handle(&mut self, Ask(request): Ask<E, R>, cx: &mut Context<Self>) -> R {
        request(&mut self.handlers, cx)
    }
}
