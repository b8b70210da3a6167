//! The actor of an event-sourced entity: recovers, executes, commits, answers.

mod recovery;

use std::any::type_name;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::Ordering::Relaxed;

use vaxel_actor::{Actor, ActorRef, ChildSpec, Context, ExitReason, Handler, Message};
use vaxel_store::{
    Answer, Append, EntityId, Fault, FaultKind, Fence, NewEvent, SaveSnapshot, Snapshot, Write,
    WriteError,
};

use crate::codec::Codec;
use crate::directory::{Idle, Ticket};
use crate::event_sourced::{Command, EventSourced, Execute, ExecuteError};
use crate::{Persistence, snapshots};

/// An entity while it executes a command: its state to look at, and what is to be stored.
///
/// It dereferences to the state.
pub struct Entity<'a, S: EventSourced> {
    actor: &'a mut EntityActor<S>,
    cx: &'a mut Context<EntityActor<S>>,
}

impl<S: EventSourced> Deref for Entity<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.actor.state
    }
}

impl<S: EventSourced> Entity<'_, S> {
    /// Says that this has happened: the state changes at once, and the reply of the command waits
    /// until it is stored. Where storing fails, the changed state is thrown away with the actor.
    pub fn persist(&mut self, event: S::Event) {
        match S::Format::encode(&event) {
            Ok(payload) => self.actor.decided.events.push(NewEvent {
                version: S::VERSION,
                payload,
                tags: S::tags(&event),
            }),
            Err(error) => {
                let source = Fault::new(FaultKind::Rejected, format!("an event: {error}"));
                self.actor.decided.failure = Some(WriteError::NotWritten { source });
            }
        }
        self.actor.state.apply(&event);
    }

    /// Stores this in the same transaction: jobs, states, rows of your own.
    pub fn also(&mut self, write: Write) {
        let decided = &mut self.actor.decided;
        decided.also = std::mem::take(&mut decided.also).and(write);
    }

    /// Has the reply wait until the store has confirmed that nobody else has become the owner, also
    /// where nothing is to be stored. Costs a turn of the store's writer, and no sync.
    ///
    /// A command that stores nothing is answered from memory. Where another process has claimed
    /// the entity meanwhile, that is what was true before; who must not see it checks.
    pub fn check_fence(&mut self) {
        self.actor.decided.is_fence_checked = true;
    }

    /// Its name in the store.
    pub fn id(&self) -> &EntityId {
        &self.actor.id
    }

    /// How many events it is made of, those included that are not stored yet.
    pub fn sequence(&self) -> u64 {
        self.actor.sequence + self.actor.decided.events.len() as u64
    }

    /// The actor from inside.
    pub fn context(&mut self) -> &mut Context<EntityActor<S>> {
        self.cx
    }
}

/// What an [`EntityActor`] is started from.
#[derive(Debug)]
pub struct EntityArgs<S> {
    pub(crate) persistence: Persistence,
    pub(crate) key: String,
    pub(crate) idle: Option<Idle>,
    pub(crate) state: PhantomData<fn() -> S>,
}

impl<S> Clone for EntityArgs<S> {
    fn clone(&self) -> Self {
        EntityArgs {
            persistence: self.persistence.clone(),
            key: self.key.clone(),
            idle: self.idle.clone(),
            state: PhantomData,
        }
    }
}

/// The actor of an entity.
///
/// Mostly started through [`Entities`](crate::Entities); with [`child`](Self::child) it is one of
/// a supervisor instead. Recovery runs in its `init`. It ends when a commit fails, with
/// `shutdown` as its reason where another one has become the owner: as a transient child it is
/// not started again then.
pub struct EntityActor<S: EventSourced> {
    state: S,
    id: EntityId,
    fence: Fence,
    /// The last event that is stored.
    sequence: u64,
    decided: Decided,
    snapshot: Option<Answer<(), WriteError>>,
    persistence: Persistence,
    idle: Option<Idle>,
}

/// What a command has decided and nobody has stored yet.
#[derive(Default)]
struct Decided {
    events: Vec<NewEvent>,
    also: Write,
    is_fence_checked: bool,
    failure: Option<WriteError>,
}

impl<S: EventSourced> EntityActor<S> {
    /// The entity with this key as a child of a supervisor, transient.
    pub fn child(persistence: &Persistence, key: impl Into<String>) -> ChildSpec<Self> {
        ChildSpec::new(EntityArgs::new(persistence, key.into())).transient()
    }

    /// Has an entity that was started as a child execute a command.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub fn execute<C: Command>(
        actor: &ActorRef<Self>,
        command: C,
    ) -> impl Future<Output = Result<C::Reply, ExecuteError>> + Send + use<S, C>
    where
        S: Execute<C>,
    {
        let call = actor.call(Run(command, None));
        async move { answered(call.await) }
    }

    /// Stores what was decided. The state is ahead of the store until this is done.
    async fn commit(&mut self) -> Result<(), WriteError> {
        let Decided {
            events,
            also,
            is_fence_checked,
            failure,
        } = std::mem::take(&mut self.decided);
        if let Some(error) = failure {
            return Err(error);
        }
        if events.is_empty() && also.is_empty() && !is_fence_checked {
            return Ok(());
        }
        let new = events.len() as u64;
        let append = Append {
            entity: self.id.clone(),
            fence: self.fence,
            expected: self.sequence,
            events,
        };
        let turn = self.persistence.writing().await;
        let store = self.persistence.store();
        let outcome = if also.is_empty() {
            store.append(append).await.map(drop)
        } else {
            let write = Write::new().append(append).and(also);
            store.write(write).await.map(drop)
        };
        drop(turn);
        self.persistence.committed(outcome.is_ok());
        outcome?;
        self.sequence += new;
        if S::SNAPSHOTS.is_due(self.sequence - new, self.sequence) {
            self.take_snapshot().await;
        }
        Ok(())
    }

    /// Begins to store a snapshot. Nobody waits for it before the next one.
    async fn take_snapshot(&mut self) {
        let counts = self.persistence.counts();
        if let Some(Err(error)) = match self.snapshot.take() {
            Some(last) => Some(last.await),
            None => None,
        } {
            counts.snapshots_failed.fetch_add(1, Relaxed);
            tracing::warn!(entity = %self.id, %error, "a snapshot was not stored");
        }
        counts.snapshots.fetch_add(1, Relaxed);
        let payload = match snapshots::encode(&self.state) {
            Ok(payload) => payload,
            Err(error) => {
                counts.snapshots_failed.fetch_add(1, Relaxed);
                tracing::warn!(entity = %self.id, %error, "a snapshot was not taken");
                return;
            }
        };
        let save = SaveSnapshot {
            entity: self.id.clone(),
            fence: self.fence,
            snapshot: Snapshot {
                sequence: self.sequence,
                version: S::SNAPSHOT_VERSION,
                payload,
            },
            keep: S::SNAPSHOTS.are_kept(),
        };
        self.snapshot = Some(self.persistence.store().save_snapshot(save));
    }
}

/// Why an actor ends whose commit failed.
pub(crate) fn reason(error: &WriteError) -> ExitReason {
    if matches!(error, WriteError::Fenced { .. }) {
        return ExitReason::shutdown_with(error.to_string());
    }
    let cause = std::error::Error::source(error);
    ExitReason::error(cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")))
}

/// A command on its way.
pub(crate) struct Run<C>(pub(crate) C, pub(crate) Option<Ticket>);

impl<C: Command> Message for Run<C> {
    type Reply = Result<C::Reply, WriteError>;
}

pub(crate) fn answered<T>(
    outcome: Result<Result<T, WriteError>, vaxel_actor::CallError>,
) -> Result<T, ExecuteError> {
    match outcome {
        Ok(reply) => reply.map_err(ExecuteError::Write),
        Err(error) => Err(ExecuteError::Call(error)),
    }
}

impl<S: EventSourced> Actor for EntityActor<S> {
    type Args = EntityArgs<S>;

    async fn init(args: EntityArgs<S>, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        let idle = args.idle.clone();
        let id = args.id();
        let actor = recovery::recover(args, id.clone()).await.map_err(|error| {
            tracing::error!(entity = %id, %error, "an entity does not recover");
            ExitReason::error(format_args!("{id}: {error}"))
        })?;
        if let Some(idle) = &idle {
            idle.begin(cx);
        }
        Ok(actor)
    }

    fn inspect(&self) -> Option<String> {
        let (id, kind) = (&self.id, type_name::<S>());
        Some(format!("{kind} {id} at {}", self.sequence))
    }
}

impl<S, C> Handler<Run<C>> for EntityActor<S>
where
    C: Command,
    S: Execute<C>,
{
    async fn handle(
        &mut self,
        Run(command, ticket): Run<C>,
        cx: &mut Context<Self>,
    ) -> Result<C::Reply, WriteError> {
        let mut entity = Entity { actor: self, cx };
        let reply = S::execute(command, &mut entity).await;
        let committed = self.commit().await;
        if let Err(error) = &committed {
            ticket.iter().for_each(Ticket::end);
            cx.stop_with(reason(error));
        }
        if let Some(idle) = &mut self.idle {
            idle.note(cx);
        }
        committed.map(|()| reply)
    }
}

impl<S: EventSourced> Handler<crate::directory::LookAround> for EntityActor<S> {
    async fn handle(&mut self, _: crate::directory::LookAround, cx: &mut Context<Self>) {
        if let Some(idle) = &mut self.idle {
            idle.look_around(cx);
        }
    }
}
