//! What a channel does with presence.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use smallvec::SmallVec;
use vaxel_presence::{Presences, StateSink, TrackError, Tracked};

use crate::channel::membership::Membership;

/// The entries that a channel tracks; they go when it ends, however it ends.
#[derive(Default)]
pub(crate) struct Tracks {
    kept: Option<Box<Kept>>,
}

#[derive(Default)]
struct Kept {
    /// Nearly every channel tracks one.
    entries: SmallVec<[Tracked; 1]>,
    /// Whether the client has been sent the state, or will be once it has joined.
    has_state: bool,
}

impl Tracks {
    /// Whether the client has to be sent the state when its join is accepted.
    pub(crate) fn owe_state(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.has_state)
    }
}

/// The presence of a channel's topic: [`ChannelContext::presence`](crate::ChannelContext).
///
/// What a channel tracks is taken out when it ends, however it ends, exactly once. The first
/// `track` or [`push_state`](Self::push_state) sends the client `presence_state`; in `join` that
/// happens right after the join's reply. So a channel that tracks or asks in `join` sends the
/// state on every join, which the `Presence` of phoenix.js needs.
pub struct ChannelPresence<'c> {
    membership: &'c Arc<Membership>,
    tracks: &'c mut Tracks,
    is_joining: bool,
}

impl<'c> ChannelPresence<'c> {
    pub(crate) fn new(
        membership: &'c Arc<Membership>,
        tracks: &'c mut Tracks,
        is_joining: bool,
    ) -> Self {
        Self {
            membership,
            tracks,
            is_joining,
        }
    }

    /// Tracks an entry under `key`, such as the user's id; `meta` is an object that everybody on
    /// the topic sees. Tracking a key again adds another entry.
    ///
    /// # Errors
    /// [`TrackError`] says which bound was reached, or that `meta` is no object. With `?` in a
    /// channel it refuses the join or the message.
    pub fn track<T: Serialize + ?Sized>(self, key: &str, meta: &T) -> Result<(), TrackError> {
        let presence = self.membership.link.endpoint.presence();
        let tracked = presence.track(&self.membership.topic, key, meta)?;
        let kept = self.tracks.kept.get_or_insert_default();
        kept.entries.push(tracked);
        if !kept.has_state {
            self.push_state();
        }
        Ok(())
    }

    /// Replaces what is shown of the entry tracked last under `key`.
    ///
    /// # Errors
    /// As [`track`](Self::track), and when this channel tracks nothing under `key`.
    pub fn update<T: Serialize + ?Sized>(self, key: &str, meta: &T) -> Result<(), TrackError> {
        let entries = self
            .tracks
            .kept
            .iter_mut()
            .flat_map(|kept| &mut kept.entries);
        let mut of_key = entries.rev().filter(|entry| entry.key() == key);
        let entry = of_key.next().ok_or(TrackError::NotTracked)?;
        entry.update(meta)
    }

    /// Takes out what this channel tracks under `key`; whether there was anything.
    pub fn untrack(self, key: &str) -> bool {
        let Some(kept) = &mut self.tracks.kept else {
            return false;
        };
        let before = kept.entries.len();
        kept.entries.retain(|entry| entry.key() != key);
        kept.entries.len() < before
    }

    /// Everybody who is there, without what the hook adds.
    pub fn list(self) -> Presences {
        let presence = self.membership.link.endpoint.presence();
        presence.list(&self.membership.topic)
    }

    /// Sends the client `presence_state`; for channels that watch and track nothing themselves.
    pub fn push_state(self) {
        self.tracks.kept.get_or_insert_default().has_state = true;
        // A state of before the subscription would miss what changes in between.
        if !self.is_joining {
            push_state(self.membership);
        }
    }
}

/// Asks for the state on behalf of a client that has joined.
pub(crate) fn push_state(membership: &Arc<Membership>) {
    let presence = membership.link.endpoint.presence();
    presence.push_state(&membership.topic, membership.clone());
}

impl StateSink for Membership {
    fn presence_state(&self, state: Box<RawValue>) {
        if let Some(frame) = self.push_frame("presence_state", &state.into(), None) {
            self.link.send(frame);
        }
    }
}
