//! Exits as those behaviours of OTP take them that always trap: supervisors and event managers.
//!
//! An exit of whoever started the actor is its own end, with the same reason, whatever that is; its
//! `terminate` runs. Exits of others mean nothing: the crash of a client that has linked itself to
//! a supervisor does not take the tree along. A kill cannot be trapped.
//!
//! The parent is who spawned the actor with a link. A supervisor is none in this sense: it stops
//! its children by other signals than exits.

use vaxel_runtime::{Actor, Context, Handler, Pid, TrappedExit};

/// Whose exit is the actor's own end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parent(Option<Pid>);

impl Parent {
    /// Begins to trap exits. Before the first await of `init`: only the parent is linked then.
    pub(crate) fn trap_exits<A>(cx: &mut Context<A>) -> Self
    where
        A: Actor + Handler<TrappedExit>,
    {
        cx.trap_exits(true);
        Parent(cx.links().first().copied())
    }

    /// Stops the actor if the exit is its parent's, or one that no actor has sent.
    pub(crate) fn obey<A: Actor>(self, exit: TrappedExit, cx: &mut Context<A>) {
        if exit.from.is_none() || self.0 == Some(exit.from) {
            cx.stop_with(exit.reason);
        }
    }
}
