//! The actor of a durable state.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering::Relaxed;

use vaxel_actor::{Actor, ChildSpec, Context, ExitReason, Handler};
use vaxel_store::{EntityId, Fault, FaultKind, Put, Write, WriteError};

use super::{Durable, Update};
use crate::Persistence;
use crate::codec::Codec;
use crate::directory::{Idle, LookAround, Ticket};
use crate::entity::{Run, reason};
use crate::event_sourced::{Command, Upcast};

/// A state while it executes a command. It dereferences to the state; who takes it mutably has it
/// stored.
pub struct Stored<'a, S: Durable> {
    actor: &'a mut DurableActor<S>,
    cx: &'a mut Context<DurableActor<S>>,
}

impl<S: Durable> Deref for Stored<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.actor.state
    }
}

impl<S: Durable> DerefMut for Stored<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        self.actor.change = Some(Change::Store);
        &mut self.actor.state
    }
}

impl<S: Durable> Stored<'_, S> {
    /// Deletes what is stored. The actor ends after the reply; the next command finds a new state.
    pub fn delete(&mut self) {
        self.actor.change = Some(Change::Delete);
    }

    /// Stores this in the same transaction: jobs, events, rows of your own.
    pub fn also(&mut self, write: Write) {
        let also = &mut self.actor.also;
        *also = std::mem::take(also).and(write);
    }

    /// Its name in the store.
    pub fn id(&self) -> &EntityId {
        &self.actor.id
    }

    /// The actor from inside.
    pub fn context(&mut self) -> &mut Context<DurableActor<S>> {
        self.cx
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Store,
    Delete,
}

/// What a [`DurableActor`] is started from.
#[derive(Debug)]
pub struct DurableArgs<S> {
    persistence: Persistence,
    key: String,
    idle: Option<Idle>,
    state: PhantomData<fn() -> S>,
}

impl<S> DurableArgs<S> {
    pub(super) fn new(persistence: &Persistence, key: String) -> Self {
        DurableArgs {
            persistence: persistence.clone(),
            key,
            idle: None,
            state: PhantomData,
        }
    }

    /// For one that is put to sleep when it is idle.
    pub(super) fn idling(persistence: &Persistence, key: String, idle: Idle) -> Self {
        let mut args = Self::new(persistence, key);
        args.idle = Some(idle);
        args
    }
}

impl<S> Clone for DurableArgs<S> {
    fn clone(&self) -> Self {
        DurableArgs {
            persistence: self.persistence.clone(),
            key: self.key.clone(),
            idle: self.idle.clone(),
            state: PhantomData,
        }
    }
}

/// The actor of a durable state. Mostly started through [`States`](super::States).
pub struct DurableActor<S: Durable> {
    state: S,
    id: EntityId,
    version: u64,
    change: Option<Change>,
    also: Write,
    persistence: Persistence,
    idle: Option<Idle>,
}

impl<S: Durable> DurableActor<S> {
    /// The state with this key as a child of a supervisor, transient.
    pub fn child(persistence: &Persistence, key: impl Into<String>) -> ChildSpec<Self> {
        ChildSpec::new(DurableArgs::new(persistence, key.into())).transient()
    }

    fn encoded(&self, change: Change) -> Result<Put, WriteError> {
        let payload = match change {
            Change::Delete => None,
            Change::Store => Some(S::Format::encode(&self.state).map_err(|error| {
                let source = Fault::new(FaultKind::Rejected, format!("a state: {error}"));
                WriteError::NotWritten { source }
            })?),
        };
        Ok(Put {
            entity: self.id.clone(),
            expected: self.version,
            format: S::VERSION,
            payload,
        })
    }

    async fn commit(&mut self) -> Result<(), WriteError> {
        let mut write = std::mem::take(&mut self.also);
        let change = self.change.take();
        if let Some(change) = change {
            write = Write::new().put(self.encoded(change)?).and(write);
        }
        if write.is_empty() {
            return Ok(());
        }
        let turn = self.persistence.writing().await;
        let outcome = self.persistence.store().write(write).await;
        drop(turn);
        self.persistence.committed(outcome.is_ok());
        outcome?;
        self.version += u64::from(change.is_some());
        Ok(())
    }
}

async fn recover<S: Durable>(args: DurableArgs<S>) -> Result<DurableActor<S>, String> {
    let DurableArgs {
        persistence,
        key,
        idle,
        ..
    } = args;
    let id = EntityId::new(format!("{}/{key}", S::KIND));
    let turn = persistence.recovering().await;
    let stored = persistence.store().load(&id).await;
    let stored = stored.map_err(|error| format!("{id} cannot be read: {error}"))?;
    drop(turn);
    let version = stored.as_ref().map_or(0, |stored| stored.version);
    let state = match stored.and_then(|stored| Some((stored.format, stored.payload?))) {
        None => S::new(&key),
        Some((format, payload)) if format == S::VERSION => {
            S::Format::decode(&payload).map_err(|error| format!("{id}: {error}"))?
        }
        Some((version, payload)) => {
            let payload = payload.as_slice();
            S::upcast(Upcast { version, payload }).map_err(|error| format!("{id}: {error}"))?
        }
    };
    persistence.counts().recoveries.fetch_add(1, Relaxed);
    Ok(DurableActor {
        state,
        id,
        version,
        change: None,
        also: Write::new(),
        persistence,
        idle,
    })
}

impl<S: Durable> Actor for DurableActor<S> {
    type Args = DurableArgs<S>;

    async fn init(args: DurableArgs<S>, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        let idle = args.idle.clone();
        let actor = recover(args).await.map_err(ExitReason::error)?;
        if let Some(idle) = &idle {
            idle.begin(cx);
        }
        Ok(actor)
    }

    fn inspect(&self) -> Option<String> {
        Some(format!("{} at version {}", self.id, self.version))
    }
}

impl<S, C> Handler<Run<C>> for DurableActor<S>
where
    C: Command,
    S: Update<C>,
{
    async fn handle(
        &mut self,
        Run(command, ticket): Run<C>,
        cx: &mut Context<Self>,
    ) -> Result<C::Reply, WriteError> {
        let mut stored = Stored { actor: self, cx };
        let reply = S::update(command, &mut stored).await;
        let is_deleted = self.change == Some(Change::Delete);
        let committed = self.commit().await;
        if is_deleted || committed.is_err() {
            ticket.iter().for_each(Ticket::end);
        }
        match &committed {
            Err(error) => cx.stop_with(reason(error)),
            Ok(()) if is_deleted => cx.stop(),
            Ok(()) => {}
        }
        if let Some(idle) = &mut self.idle {
            idle.note(cx);
        }
        committed.map(|()| reply)
    }
}

impl<S: Durable> Handler<LookAround> for DurableActor<S> {
    async fn handle(&mut self, _: LookAround, cx: &mut Context<Self>) {
        if let Some(idle) = &mut self.idle {
            idle.look_around(cx);
        }
    }
}
