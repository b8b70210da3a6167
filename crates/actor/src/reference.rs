//! References of every kind.

use std::fmt::Debug;

use vaxel_runtime::Watchable;

/// What stands for an actor: an [`ActorRef`](crate::ActorRef), a typed reference that the
/// `#[actor]` macro wrote, a [`Recipient`](crate::Recipient), an [`AnyRef`](crate::AnyRef).
///
/// Registries, process groups, routers and pools hand out references of the kind they were given.
pub trait Reference: Watchable + Clone + Debug + Send + Sync + 'static {}

impl<R: Watchable + Clone + Debug + Send + Sync + 'static> Reference for R {}
