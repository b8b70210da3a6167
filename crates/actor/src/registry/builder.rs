//! How a registry is made.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use vaxel_runtime::{Message, Recipient};

use super::event::{Listener, Listeners, RegistryEvent};
use super::{Key, PARTITIONS, PARTITIONS_MAX, Registry, Value};
use crate::holders::Table;
use crate::reference::Reference;

/// A registry before it is made. See [`Registry::builder`].
#[must_use = "a builder does nothing until it builds"]
pub struct RegistryBuilder<K: Key, R: Reference, V: Value> {
    name: Arc<str>,
    is_unique: bool,
    partitions: usize,
    listeners: Vec<Recipient<RegistryEvent<K, R, V>>>,
}

impl<K: Key, R: Reference, V: Value> Default for RegistryBuilder<K, R, V> {
    fn default() -> Self {
        RegistryBuilder {
            name: "registry".into(),
            is_unique: true,
            partitions: PARTITIONS,
            listeners: Vec::new(),
        }
    }
}

impl<K: Key, R: Reference, V: Value> RegistryBuilder<K, R, V> {
    /// What events call it. Default: `registry`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// A key may have many entries, of one actor too. Default: keys are unique.
    pub fn duplicate(mut self) -> Self {
        self.is_unique = false;
        self
    }

    /// Into how many parts, each behind a lock of its own, the keys are spread: between 1 and
    /// [`PARTITIONS_MAX`]. Default: [`PARTITIONS`].
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.partitions = partitions.clamp(1, PARTITIONS_MAX);
        self
    }

    /// An actor that is told of every registration and of its end. The registry keeps it alive.
    pub fn listener(mut self, listener: Recipient<RegistryEvent<K, R, V>>) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Makes the registry.
    pub fn build(self) -> Registry<K, R, V> {
        let listeners = Listeners {
            name: self.name,
            list: self.listeners.into_iter().map(unmissed).collect(),
        };
        Registry {
            table: Table::new(self.partitions, listeners),
            is_unique: self.is_unique,
        }
    }
}

fn unmissed<M: Message>(to: Recipient<M>) -> Listener<M> {
    Listener {
        to,
        missed: AtomicU64::new(0),
    }
}
