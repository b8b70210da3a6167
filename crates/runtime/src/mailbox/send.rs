//! A send that may wait for room.

use super::room::{Entered, Standing, Ticket};
use super::{AtBound, OnFull, at_bound};
use crate::cell::node::{CastNode, Node};
use crate::cell::word::Pushed;
use crate::cell::{self, Counted};
use crate::reference::{SendError, count_dead_letter};
use crate::{Handler, Message};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// A message on its way to a mailbox that may be full; see [`ActorRef::send`](crate::ActorRef).
///
/// # Cancel safety
/// Dropped before it is done, the message has not been sent.
#[must_use = "a message is sent when this is awaited"]
pub struct Sending<M: Message> {
    to: Counted,
    stage: Stage,
    message: PhantomData<M>,
}

enum Stage {
    Ready(NonNull<Node>),
    Waits(Ticket),
    Done,
}

// SAFETY: a node of a message, which is Send, that nobody else refers to, or a ticket.
unsafe impl<M: Message> Send for Sending<M> {}
// SAFETY: a shared reference to a send offers nothing.
unsafe impl<M: Message> Sync for Sending<M> {}

impl<M: Message> Sending<M> {
    pub(crate) fn new<A: Handler<M>>(to: &Counted, message: M) -> Self {
        Self {
            to: to.clone(),
            stage: Stage::Ready(CastNode::allocate::<A>(message)),
            message: PhantomData,
        }
    }

    /// # Safety
    /// The node was made here, and is ours.
    unsafe fn unpack(node: NonNull<Node>) -> M {
        // SAFETY: what this needs is what the caller has promised.
        unsafe { CastNode::into_message(node) }
    }

    /// Sends, or begins to wait.
    fn begin(&mut self, node: NonNull<Node>) -> Result<(), SendError<M>> {
        let table = self.to.header().table();
        let limit = Some(table.capacity);
        // SAFETY: in every arm but those that send, the node is ours.
        unsafe {
            loop {
                match cell::push(self.to.cell(), node, limit) {
                    Pushed::Schedule | Pushed::Queued => return Ok(()),
                    Pushed::Dead => break,
                    Pushed::Full if table.mailbox.policy() == OnFull::Wait => {}
                    Pushed::Full => {
                        let key = || CastNode::<M>::message_of(node).key();
                        match at_bound(&self.to, node, key) {
                            AtBound::Sent => return Ok(()),
                            AtBound::Dropped => {
                                drop(Self::unpack(node));
                                return Ok(());
                            }
                            AtBound::Refused => return Err(SendError::Full(Self::unpack(node))),
                            AtBound::Dead => break,
                        }
                    }
                }
                match table.core().room.enter(&self.to, node, true) {
                    Entered::Waits(ticket) => {
                        self.stage = Stage::Waits(ticket);
                        return Ok(());
                    }
                    Entered::Room => {}
                    Entered::Dead => break,
                }
            }
            count_dead_letter(&self.to);
            Err(SendError::Closed(Self::unpack(node)))
        }
    }
}

// A message on the heap does not care where this is.
impl<M: Message> Unpin for Sending<M> {}

impl<M: Message> Future for Sending<M> {
    type Output = Result<(), SendError<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::Ready(node) = this.stage {
            this.stage = Stage::Done;
            if let Err(refused) = this.begin(node) {
                return Poll::Ready(Err(refused));
            }
        }
        let Stage::Waits(ticket) = this.stage else {
            return Poll::Ready(Ok(()));
        };
        let room = &this.to.header().table().core().room;
        let standing = room.look(&this.to, ticket, cx.waker());
        if !matches!(standing, Standing::Waits) {
            this.stage = Stage::Done;
        }
        match standing {
            Standing::Waits => Poll::Pending,
            Standing::Sent => Poll::Ready(Ok(())),
            Standing::Returned(node) => {
                count_dead_letter(&this.to);
                // SAFETY: a node that comes back is ours.
                Poll::Ready(Err(SendError::Closed(unsafe { Self::unpack(node) })))
            }
        }
    }
}

impl<M: Message> Drop for Sending<M> {
    fn drop(&mut self) {
        let node = match self.stage {
            Stage::Ready(node) => Some(node),
            Stage::Waits(ticket) => {
                let room = &self.to.header().table().core().room;
                room.withdraw(&self.to, ticket)
            }
            Stage::Done => None,
        };
        if let Some(node) = node {
            // SAFETY: it was never sent, or has been taken back.
            drop(unsafe { Self::unpack(node) });
        }
    }
}
