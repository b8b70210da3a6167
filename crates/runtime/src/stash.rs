//! What a handler does with mail besides handling it: going on by itself, and putting aside.
//!
//! # Order
//! What [`continue_with`](Context::continue_with) and [`unstash_all`](Context::unstash_all) bring
//! is handled after the current message and before everything that waits in the mailbox, in the
//! order in which it was brought.
//!
//! # Bounds
//! A stash holds as many messages as the mailbox of its actor, and no more than
//! [`Mailbox::CAPACITY_MAX`] where that has no bound; then the message comes back.
//!
//! # Failure
//! When an incarnation ends, its stash goes back to the front of the mail: a restarted child finds
//! it there, and everybody else's mail fails with the reason of the end. What was to be gone on
//! with belongs to the incarnation and ends with it.

use crate::cell::node::CastNode;
use crate::cell::out_of_turn;
use crate::{Actor, Context, Handler, Mailbox, Message};
use std::fmt;

/// The stash is at its bound; the message comes back.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stash is full")]
pub struct StashFull<M>(pub M);

impl<M> fmt::Debug for StashFull<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StashFull(..)")
    }
}

impl<A: Actor> Context<A> {
    /// Handles a message next, before everything that waits in the mailbox, as OTP's
    /// `{continue, Term}` does.
    ///
    /// In `init` this is how to answer first and go on working: the actor counts as started, its
    /// spawner and supervisor go on, and no mail is handled before the message. Several are handled
    /// in the order given. They belong to this incarnation and end with it.
    ///
    /// ```
    /// use vaxel_runtime::{Actor, Context, ExitReason, Handler, Message, System};
    ///
    /// struct Cache(Vec<u32>);
    ///
    /// struct Load;
    /// impl Message for Load {
    ///     type Reply = ();
    /// }
    /// struct Sum;
    /// impl Message for Sum {
    ///     type Reply = u32;
    /// }
    ///
    /// impl Actor for Cache {
    ///     type Args = ();
    ///     async fn init((): (), cx: &mut Context<Self>) -> Result<Self, ExitReason> {
    ///         cx.continue_with(Load);
    ///         Ok(Cache(Vec::new()))
    ///     }
    /// }
    ///
    /// impl Handler<Load> for Cache {
    ///     async fn handle(&mut self, _: Load, _: &mut Context<Self>) {
    ///         self.0 = vec![1, 2, 3]; // takes its time, and nobody who starts it waits
    ///     }
    /// }
    ///
    /// impl Handler<Sum> for Cache {
    ///     async fn handle(&mut self, _: Sum, _: &mut Context<Self>) -> u32 {
    ///         self.0.iter().sum()
    ///     }
    /// }
    ///
    /// let system = System::builder().workers(1).build();
    /// let cache = system.spawn::<Cache>(());
    /// let (done, answer) = std::sync::mpsc::sync_channel(1);
    /// let task = system.spawn_future(async move { done.send(cache.call(Sum).await) });
    /// assert_eq!(answer.recv().unwrap(), Ok(6));
    /// # drop(task);
    /// system.shutdown();
    /// ```
    pub fn continue_with<M: Message>(&mut self, message: M)
    where
        A: Handler<M>,
    {
        let node = CastNode::allocate_continue::<A>(message);
        out_of_turn::insert(self.header(), node);
    }

    /// Puts a message aside until [`unstash_all`](Self::unstash_all).
    ///
    /// A call is put aside together with its [`ReplyTo`](crate::ReplyTo), as part of a message that
    /// carries one.
    ///
    /// # Errors
    /// If the stash is at its bound; the message comes back.
    pub fn stash<M: Message>(&mut self, message: M) -> Result<(), StashFull<M>>
    where
        A: Handler<M>,
    {
        let header = self.header();
        let bound = header.table().mailbox.capacity();
        let bound = bound.unwrap_or(Mailbox::CAPACITY_MAX);
        if out_of_turn::stash_len(header) >= bound as usize {
            return Err(StashFull(message));
        }
        out_of_turn::stash(header, CastNode::allocate::<A>(message));
        Ok(())
    }

    /// Brings everything back that was put aside, before newer mail and in the order in which it
    /// was put aside. Returns how many messages that are.
    pub fn unstash_all(&mut self) -> usize {
        out_of_turn::unstash(self.header())
    }

    /// Messages that are put aside.
    pub fn stash_len(&self) -> usize {
        out_of_turn::stash_len(self.header())
    }
}
