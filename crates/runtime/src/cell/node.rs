//! Message nodes: one exact-size allocation per message, linked through the mailbox.

use super::future::{Completion, Ran, drive};
use super::{ActorCell, Header};
use crate::worker::Worker;
use crate::{Actor, ExitReason, Handler, Message};
use std::any::TypeId;
use std::ptr::{NonNull, null_mut};

/// The common beginning of every message node. Sixteen-aligned: the state word keeps its flags in
/// the low bits of the address.
#[repr(C, align(16))]
pub(crate) struct Node {
    pub(crate) next: *mut Node,
    pub(crate) operations: &'static Operations,
}

/// What can be done with a node, by type.
pub(crate) struct Operations {
    /// Handles the message and consumes the node (S4).
    pub(crate) run: unsafe fn(NonNull<Header>, NonNull<Node>, &Worker) -> Ran,
    /// Consumes the node unhandled; whoever waits for an answer is told the reason (S4).
    pub(crate) drop: unsafe fn(NonNull<Node>, &ExitReason),
    /// The name of the message, for the watchdog's report.
    pub(crate) name: fn() -> &'static str,
    /// The runtime's own: belongs to one incarnation and does not survive a restart.
    pub(crate) of_incarnation: bool,
    /// The type of the whole node, so that a selective receive knows what it looks at. A function
    /// that the compiler has merged with another one would not do: types are compared.
    pub(crate) node_type: fn() -> TypeId,
}

impl Node {
    pub(crate) fn new(operations: &'static Operations) -> Self {
        Self {
            next: null_mut(),
            operations,
        }
    }
}

/// A message that nobody waits for.
#[repr(C)]
pub(crate) struct CastNode<M> {
    node: Node,
    message: M,
}

struct CastOperations<A, M>(std::marker::PhantomData<(A, M)>);

impl<A: Handler<M>, M: Message> CastOperations<A, M> {
    const OPERATIONS: &'static Operations = &Operations {
        run: run_cast::<A, M>,
        drop: drop_cast::<M>,
        name: std::any::type_name::<M>,
        of_incarnation: false,
        node_type: TypeId::of::<CastNode<M>>,
    };

    /// As above, for what a handler tells itself to do next.
    const CONTINUE: &'static Operations = &Operations {
        run: run_cast::<A, M>,
        drop: drop_cast::<M>,
        name: std::any::type_name::<M>,
        of_incarnation: true,
        node_type: TypeId::of::<Continue>,
    };
}

/// Stands for the type of a node that no receive may take.
struct Continue;

impl<M: Message> CastNode<M> {
    pub(crate) fn allocate<A: Handler<M>>(message: M) -> NonNull<Node> {
        Self::with(CastOperations::<A, M>::OPERATIONS, message)
    }

    /// A message of this incarnation to itself; a restart drops it.
    pub(crate) fn allocate_continue<A: Handler<M>>(message: M) -> NonNull<Node> {
        Self::with(CastOperations::<A, M>::CONTINUE, message)
    }

    #[inline]
    fn with(operations: &'static Operations, message: M) -> NonNull<Node> {
        let node = Node::new(operations);
        NonNull::from(Box::leak(Box::new(Self { node, message }))).cast()
    }

    /// The message of a node that stays where it is.
    ///
    /// # Safety
    /// The node was made by [`allocate`](Self::allocate) for this `M` and belongs to the caller.
    pub(crate) unsafe fn message_of<'a>(node: NonNull<Node>) -> &'a M {
        // SAFETY: what this needs is what the caller has promised.
        unsafe { &(*node.cast::<Self>().as_ptr()).message }
    }

    /// Takes a refused node apart.
    ///
    /// # Safety
    /// The node was made by [`allocate`](Self::allocate) for this `M` and is the caller's.
    pub(crate) unsafe fn into_message(node: NonNull<Node>) -> M {
        // SAFETY: what this needs is what the caller has promised.
        unsafe { Box::from_raw(node.cast::<Self>().as_ptr()) }.message
    }
}

unsafe fn run_cast<A: Handler<M>, M: Message>(
    cell: NonNull<Header>,
    node: NonNull<Node>,
    worker: &Worker,
) -> Ran {
    // SAFETY: S4, and a cast node of `M` has these operations.
    let message = unsafe { CastNode::<M>::into_message(node) };
    // SAFETY: the owner runs handlers in phase Running only (S2, S3).
    unsafe {
        drive::<A, _, _>(cell, worker, Discard::of::<M>(), |state, cx| {
            A::handle(state_of(state), message, cx)
        })
    }
}

unsafe fn drop_cast<M: Message>(node: NonNull<Node>, _reason: &ExitReason) {
    // SAFETY: S4.
    drop(unsafe { CastNode::<M>::into_message(node) });
}

/// The user's state, borrowed for as long as the future that is born from it (S5).
///
/// # Safety
/// Owner only, in the phases in which there is a state.
pub(crate) unsafe fn state_of<A: Actor>(cell: NonNull<Header>) -> &'static mut A {
    let cell = cell.cast::<ActorCell<A>>();
    // SAFETY: by the caller's word; S5 bounds the lifetime.
    unsafe { (*(*cell.as_ptr()).state.get()).assume_init_mut() }
}

/// Drops what a handler of an `M` returned: nobody asked.
pub(crate) struct Discard<M>(std::marker::PhantomData<fn(M)>);

impl Discard<()> {
    pub(crate) const fn of<M>() -> Discard<M> {
        Discard(std::marker::PhantomData)
    }
}

impl<T, M> Completion<T> for Discard<M> {
    const MESSAGE: fn() -> &'static str = std::any::type_name::<M>;

    #[inline]
    unsafe fn complete(self, _cell: NonNull<Header>, _value: T) {}

    fn abandon(self, _reason: &ExitReason) {}
}
