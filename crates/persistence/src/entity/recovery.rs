//! How an entity comes back: a claim, the newest snapshot that is whole, and the events after it.

use std::marker::PhantomData;
use std::sync::atomic::Ordering::Relaxed;

use vaxel_store::{EntityId, ReadError, StoredEvent, WriteError};

use super::{Decided, EntityActor, EntityArgs};
use crate::codec::{Codec, DecodeError};
use crate::directory::Idle;
use crate::event_sourced::{EventSourced, Upcast};
use crate::{Persistence, snapshots};

/// Events that are read at once, at most.
const PAGE: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub(super) enum RecoveryError {
    #[error("it cannot be claimed: {}", chain(.0))]
    Claim(WriteError),
    #[error("it cannot be read: {}", chain(.0))]
    Read(#[from] ReadError),
    #[error(
        "event {sequence} (version {version}) {error}: teach `upcast` to read it, or start the \
         version of the program that wrote it"
    )]
    Event {
        sequence: u64,
        version: u16,
        error: DecodeError,
    },
    #[error("event {expected} is missing, {found} follows: restore a backup")]
    Gap { expected: u64, found: u64 },
    #[error("it ends with event {found} where {expected} was the last: restore a backup")]
    Short { expected: u64, found: u64 },
}

fn chain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

impl<S: EventSourced> EntityArgs<S> {
    pub(crate) fn new(persistence: &Persistence, key: String) -> Self {
        EntityArgs {
            persistence: persistence.clone(),
            key,
            idle: None,
            state: PhantomData,
        }
    }

    /// For one that is put to sleep when it is idle.
    pub(crate) fn idling(persistence: &Persistence, key: String, idle: Idle) -> Self {
        let mut args = Self::new(persistence, key);
        args.idle = Some(idle);
        args
    }

    pub(super) fn id(&self) -> EntityId {
        EntityId::new(format!("{}/{}", S::KIND, self.key))
    }
}

pub(super) async fn recover<S: EventSourced>(
    args: EntityArgs<S>,
    id: EntityId,
) -> Result<EntityActor<S>, RecoveryError> {
    let EntityArgs {
        persistence,
        key,
        idle,
        ..
    } = args;
    let turn = persistence.recovering().await;
    let claimed = persistence
        .store()
        .claim(&id)
        .await
        .map_err(RecoveryError::Claim)?;
    let restored = restore::<S>(&persistence, &id, claimed.sequence).await?;
    let (state, sequence) = restored.unwrap_or_else(|| (S::new(&key), 0));
    let mut actor = EntityActor {
        state,
        id,
        fence: claimed.fence,
        sequence,
        decided: Decided::default(),
        snapshot: None,
        persistence: persistence.clone(),
        idle,
    };
    if sequence < claimed.sequence {
        replay(&mut actor, claimed.sequence).await?;
    }
    drop(turn);
    persistence.counts().recoveries.fetch_add(1, Relaxed);
    Ok(actor)
}

/// The newest snapshot that can be read. One that cannot is passed over: the events are the truth.
async fn restore<S: EventSourced>(
    persistence: &Persistence,
    id: &EntityId,
    last: u64,
) -> Result<Option<(S, u64)>, RecoveryError> {
    if !S::SNAPSHOTS.are_taken() {
        return Ok(None);
    }
    let mut at_most = last;
    while let Some(snapshot) = persistence.store().snapshot(id, at_most).await? {
        let sequence = snapshot.sequence;
        match snapshots::decode(snapshot.version, &snapshot.payload) {
            Ok(state) => return Ok(Some((state, sequence))),
            Err(error) => {
                persistence.counts().snapshots_damaged.fetch_add(1, Relaxed);
                tracing::warn!(entity = %id, sequence, %error, "a snapshot is passed over");
            }
        }
        if sequence == 0 {
            break;
        }
        at_most = sequence - 1;
    }
    Ok(None)
}

/// Applies the events up to `last`. The next page is read while one is applied.
async fn replay<S: EventSourced>(
    actor: &mut EntityActor<S>,
    last: u64,
) -> Result<(), RecoveryError> {
    let store = actor.persistence.store().clone();
    let mut page = store.read(&actor.id, actor.sequence, PAGE).await?;
    while let Some(end) = page.last().map(|event| event.sequence) {
        let next = (end < last).then(|| store.read(&actor.id, end, PAGE));
        for event in &page {
            apply(actor, event)?;
        }
        actor
            .persistence
            .counts()
            .events_replayed
            .fetch_add(page.len() as u64, Relaxed);
        page = match next {
            Some(next) => next.await?,
            None => Vec::new(),
        };
    }
    if actor.sequence == last {
        return Ok(());
    }
    let (expected, found) = (last, actor.sequence);
    Err(RecoveryError::Short { expected, found })
}

fn apply<S: EventSourced>(
    actor: &mut EntityActor<S>,
    stored: &StoredEvent,
) -> Result<(), RecoveryError> {
    let (expected, found) = (actor.sequence + 1, stored.sequence);
    if found != expected {
        return Err(RecoveryError::Gap { expected, found });
    }
    let StoredEvent {
        version, payload, ..
    } = stored;
    let event = if *version == S::VERSION {
        S::Format::decode(payload)
    } else {
        let version = *version;
        S::upcast(Upcast { version, payload })
    };
    let event = event.map_err(|error| RecoveryError::Event {
        sequence: found,
        version: *version,
        error,
    })?;
    actor.state.apply(&event);
    actor.sequence = found;
    Ok(())
}
