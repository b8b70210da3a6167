//! The messages of an agent. Nobody needs to name them; they stand in the types of its calls.

use std::marker::PhantomData;

use vaxel_runtime::{Context, Handler, Message};

use super::Agent;

/// See [`AgentRef::get`](super::AgentRef::get).
pub struct Get<F, R>(F, PhantomData<fn() -> R>);

/// See [`AgentRef::update`](super::AgentRef::update) and [`cast`](super::AgentRef::cast).
pub struct Update<F>(pub(super) F);

/// See [`AgentRef::get_and_update`](super::AgentRef::get_and_update).
pub struct GetAndUpdate<F, R>(F, PhantomData<fn() -> R>);

impl<F, R> Get<F, R> {
    pub(super) fn new(look: F) -> Self {
        Get(look, PhantomData)
    }
}

impl<F, R> GetAndUpdate<F, R> {
    pub(super) fn new(change: F) -> Self {
        GetAndUpdate(change, PhantomData)
    }
}

impl<F: Send + 'static, R: Send + 'static> Message for Get<F, R> {
    type Reply = R;
}

impl<F: Send + 'static> Message for Update<F> {
    type Reply = ();
}

impl<F: Send + 'static, R: Send + 'static> Message for GetAndUpdate<F, R> {
    type Reply = R;
}

impl<S, F, R> Handler<Get<F, R>> for Agent<S>
where
    S: Send + 'static,
    F: FnOnce(&S) -> R + Send + 'static,
    R: Send + 'static,
{
    async fn handle(&mut self, Get(look, _): Get<F, R>, _: &mut Context<Self>) -> R {
        look(&self.state)
    }
}

impl<S, F> Handler<Update<F>> for Agent<S>
where
    S: Send + 'static,
    F: FnOnce(&mut S) + Send + 'static,
{
    async fn handle(&mut self, Update(change): Update<F>, _: &mut Context<Self>) {
        change(&mut self.state);
    }
}

impl<S, F, R> Handler<GetAndUpdate<F, R>> for Agent<S>
where
    S: Send + 'static,
    F: FnOnce(&mut S) -> R + Send + 'static,
    R: Send + 'static,
{
    async fn handle(
        &mut self,
        GetAndUpdate(change, _): GetAndUpdate<F, R>,
        _: &mut Context<Self>,
    ) -> R {
        change(&mut self.state)
    }
}
