//! What a channel's mailbox holds.

use smol_str::SmolStr;
use vaxel_actor::Message;

use crate::payload::Payload;

/// A client's message to its channel. Short events and refs live in the message itself, so that
/// it costs the mailbox's node and the payload's bytes.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) event: SmolStr,
    pub(crate) reference: Option<SmolStr>,
    pub(crate) payload: Payload,
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
