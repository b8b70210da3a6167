//! What a channel's mailbox holds.

use smol_str::SmolStr;
use vaxel_actor::Message;
use vaxel_pubsub::Broadcast;

use crate::payload::Payload;

/// What comes to a channel from its client's side.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// A client's message. Short events and refs live in the message itself, so that it costs the
    /// mailbox's node and the payload's bytes.
    Event {
        event: SmolStr,
        reference: Option<SmolStr>,
        payload: Payload,
    },
    /// A broadcast that is intercepted.
    Out(Broadcast),
}

impl Message for Inbound {
    type Reply = ();
}

/// A message from elsewhere. The wrapper keeps users' messages apart from a channel's own.
#[derive(Debug)]
pub struct Info<M>(pub(crate) M);

impl<M: Send + 'static> Message for Info<M> {
    type Reply = ();
}
