//! How others reach a channel and its client.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::Serialize;
use smol_str::SmolStr;
use vaxel_actor::{ActorRef, SendError};
use vaxel_pubsub::Content;

use crate::channel::inbox::Info;
use crate::channel::membership::Membership;
use crate::channel::process::ChannelActor;
use crate::channel::{Channel, HandleInfo};
use crate::payload::to_json;

/// A reference to a channel, for other actors and tasks. It names one join: a client that joins
/// anew gets a new channel.
///
/// It dereferences to an `ActorRef`, which can stop, kill and watch the channel.
pub struct ChannelRef<C: Channel> {
    actor: ActorRef<ChannelActor<C>>,
}

impl<C: Channel> ChannelRef<C> {
    pub(crate) fn new(actor: ActorRef<ChannelActor<C>>) -> Self {
        Self { actor }
    }

    /// Sends the channel a message. Never waits.
    ///
    /// # Errors
    /// The message comes back when the mailbox is full or the channel has ended.
    pub fn info<M: Send + 'static>(&self, message: M) -> Result<(), SendError<M>>
    where
        C: HandleInfo<M>,
    {
        self.actor.cast(Info(message)).map_err(|error| {
            let is_full = error.is_full();
            let Info(message) = error.into_message();
            if is_full {
                SendError::Full(message)
            } else {
                SendError::Closed(message)
            }
        })
    }
}

impl<C: Channel> Clone for ChannelRef<C> {
    fn clone(&self) -> Self {
        Self {
            actor: self.actor.clone(),
        }
    }
}

impl<C: Channel> Deref for ChannelRef<C> {
    type Target = ActorRef<ChannelActor<C>>;

    fn deref(&self) -> &Self::Target {
        &self.actor
    }
}

impl<C: Channel> fmt::Debug for ChannelRef<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChannelRef").field(&self.actor).finish()
    }
}

/// Answers one message of a client later than its handler returned.
///
/// Dropping it unused answers nothing; the client's own time-out ends its wait.
#[must_use = "a client waits for this reply"]
pub struct ReplyRef {
    membership: Arc<Membership>,
    reference: SmolStr,
}

impl ReplyRef {
    pub(crate) fn new(membership: Arc<Membership>, reference: SmolStr) -> Self {
        Self {
            membership,
            reference,
        }
    }

    /// Answers with status `ok`.
    ///
    /// # Panics
    /// When `response` has no JSON form.
    #[track_caller]
    pub fn ok<T: Serialize>(self, response: T) {
        self.status("ok", response);
    }

    /// Answers with status `error`.
    ///
    /// # Panics
    /// As [`ok`](Self::ok).
    #[track_caller]
    pub fn error<T: Serialize>(self, response: T) {
        self.status("error", response);
    }

    /// Answers with a status of the application's own.
    ///
    /// # Panics
    /// As [`ok`](Self::ok).
    #[track_caller]
    pub fn status<T: Serialize>(self, status: &str, response: T) {
        self.content(status, to_json(&response).into());
    }

    /// Answers with bytes, sent as a binary message; see [`Reply::bytes`](crate::Reply::bytes).
    pub fn bytes(self, status: &str, bytes: impl Into<Box<[u8]>>) {
        self.content(status, Content::Bytes(bytes.into()));
    }

    fn content(self, status: &str, response: Content) {
        let membership = &self.membership;
        let frame = membership.reply_frame(Some(&self.reference), status, &response);
        if let Some(frame) = frame {
            membership.link.send(frame);
        }
    }
}

impl fmt::Debug for ReplyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyRef")
            .field("topic", &self.membership.topic)
            .field("ref", &self.reference)
            .finish()
    }
}
