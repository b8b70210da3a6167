//! What listeners are told, and how.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use vaxel_runtime::{Message, Recipient};

use crate::holders::{Entry, Observer};
use crate::reference::Reference;

/// A change in a registry.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegistryEvent<K, R, V> {
    /// The name of the registry.
    pub registry: std::sync::Arc<str>,
    /// What has happened.
    pub change: RegistryChange<K, R, V>,
    /// How many changes this listener has missed, over all, because its mailbox was full.
    pub missed: u64,
}

/// See [`RegistryEvent`].
#[derive(Debug, Clone)]
pub enum RegistryChange<K, R, V> {
    /// An actor was registered.
    Register {
        /// Under this key.
        key: K,
        /// The actor.
        actor: R,
        /// With this value.
        value: V,
    },
    /// A registration is gone: it was taken back, or the incarnation ended.
    Unregister {
        /// The key it was under.
        key: K,
        /// The actor.
        actor: R,
    },
}

impl<K, R, V> Message for RegistryEvent<K, R, V>
where
    K: Send + 'static,
    R: Send + 'static,
    V: Send + 'static,
{
    type Reply = ();
}

/// Whom a registry tells.
pub(crate) struct Listeners<K, R, V>
where
    RegistryEvent<K, R, V>: Message,
{
    pub(super) name: std::sync::Arc<str>,
    pub(super) list: Vec<Listener<RegistryEvent<K, R, V>>>,
}

/// One of them, and how many events it has missed.
pub(super) struct Listener<M: Message> {
    pub(super) to: Recipient<M>,
    pub(super) missed: AtomicU64,
}

impl<K, R, V> Listeners<K, R, V>
where
    K: Clone + Send + Sync + 'static,
    R: Reference,
    V: Clone + Send + Sync + 'static,
{
    fn tell(&self, change: impl Fn() -> RegistryChange<K, R, V>) {
        for listener in &self.list {
            let event = RegistryEvent {
                registry: self.name.clone(),
                change: change(),
                missed: listener.missed.load(Relaxed),
            };
            if listener.to.cast(event).is_err() {
                listener.missed.fetch_add(1, Relaxed);
            }
        }
    }
}

impl<K, R, V> Observer<K, R, V> for Listeners<K, R, V>
where
    K: Clone + Send + Sync + 'static,
    R: Reference,
    V: Clone + Send + Sync + 'static,
{
    fn is_watched(&self) -> bool {
        !self.list.is_empty()
    }

    fn added(&self, key: &K, entry: &Entry<R, V>) {
        self.tell(|| RegistryChange::Register {
            key: key.clone(),
            actor: entry.actor.clone(),
            value: entry.value.clone(),
        });
    }

    fn removed(&self, key: &K, entries: &[Entry<R, V>]) {
        for entry in entries {
            self.tell(|| RegistryChange::Unregister {
                key: key.clone(),
                actor: entry.actor.clone(),
            });
        }
    }
}
