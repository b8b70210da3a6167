//! Registries: actors found by a key of any type, with a value beside each.
//!
//! A registry has unique keys, each held by at most one actor, or duplicate keys, each with any
//! number of entries. The words and rules are those of Elixir's `Registry`.
//!
//! # Whose an entry is
//! An entry belongs to the incarnation that lived when it was made, as monitors and timers do: it
//! goes when that incarnation ends, and a supervised actor that registers itself in `init` is
//! there again after a restart. It never collides with its former self. (The names of
//! [`System::register`](crate::System::register) are the other kind: they belong to the address and
//! survive restarts.) A registered actor is kept alive by its entry.
//!
//! # Consistency
//! An entry is there for everybody when [`register`](Registry::register) returns. It goes when the
//! end is told to monitors, in no order with them: who has just had a `Down` may still find it for
//! some microseconds. [`whereis`](Registry::whereis) does not return an actor that has ended for
//! good.
//!
//! # Cost and bounds
//! No message and no actor stands behind a registry. Keys are spread over 64 partitions; a look-up
//! takes one lock for reading and copies one reference, however many entries the key has. A change
//! of a duplicate key copies its list if a snapshot of it is out. There are as many entries as
//! living actors were given; an actor that was ever registered costs one watch until it ends.
//!
//! # Listeners
//! Each is told of every change; those of one key come in their order. A listener whose mailbox is
//! full misses the event, and the next one says how many it has missed.
//!
//! ```
//! use vaxel_actor::prelude::*;
//! use vaxel_actor::registry::{Registry, RegistryError};
//!
//! struct Session {
//!     seen: u64,
//! }
//!
//! #[actor(crate = vaxel_actor)]
//! impl Session {
//!     fn init(user: u64, sessions: Registry<u64, SessionRef>, cx: &mut Context<Self>)
//!         -> Result<Self, RegistryError<SessionRef>>
//!     {
//!         sessions.register(user, cx.me())?;
//!         Ok(Session { seen: 0 })
//!     }
//!
//!     #[call]
//!     fn touch(&mut self) -> u64 {
//!         self.seen += 1;
//!         self.seen
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let sessions: Registry<u64, SessionRef> = Registry::unique();
//! let ada = Session::spawn(1815, sessions.clone());
//! assert_eq!(ada.touch().await, Ok(1));
//!
//! let found = sessions.whereis(&1815).expect("it is registered");
//! assert_eq!(found.touch().await, Ok(2));
//!
//! let taken = sessions.register(1815, Session::spawn(1906, sessions.clone())).unwrap_err();
//! assert!(matches!(taken, RegistryError::AlreadyRegistered { owner } if owner == ada));
//! # });
//! ```

mod builder;
mod event;

use std::borrow::Borrow;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use vaxel_runtime::{AnyRef, Watchable};

pub use self::builder::RegistryBuilder;
use self::event::Listeners;
pub use self::event::{RegistryChange, RegistryEvent};
pub use crate::holders::{Entries, Entry, Key, Value};
use crate::holders::{Refused, Table, Which};
use crate::reference::Reference;

/// Partitions of a registry that was not told otherwise.
pub const PARTITIONS: usize = 64;

/// The greatest number of partitions.
pub const PARTITIONS_MAX: usize = 4096;

/// Actors by key. A handle: clones are handles to the same registry.
///
/// `K` is the key, `R` the kind of reference handed out, `V` what stands beside it. See the
/// [module](self).
pub struct Registry<K: Key, R: Reference, V: Value = ()> {
    table: Arc<Entered<K, R, V>>,
    is_unique: bool,
}

type Entered<K, R, V> = Table<K, R, V, Listeners<K, R, V>>;

/// An actor could not be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError<R: Debug> {
    /// The key is unique and held, perhaps by the same actor.
    #[error("the key is already registered by {owner:?}")]
    AlreadyRegistered {
        /// Who holds it.
        owner: R,
    },
    /// The actor has ended.
    #[error("the actor has ended")]
    Closed,
}

impl<K: Key, R: Reference, V: Value> Registry<K, R, V> {
    /// A registry in which a key is held by at most one actor.
    pub fn unique() -> Self {
        Self::builder().build()
    }

    /// A registry in which a key has any number of entries.
    pub fn duplicate() -> Self {
        Self::builder().duplicate().build()
    }

    /// Begins a registry with unique keys, 64 partitions and no listeners.
    pub fn builder() -> RegistryBuilder<K, R, V> {
        RegistryBuilder::default()
    }

    /// Registers an actor under a key, with the default value.
    ///
    /// # Errors
    /// If a unique key is held by another living incarnation, or by this one, or if the actor has
    /// ended.
    pub fn register(&self, key: K, actor: impl Into<R>) -> Result<(), RegistryError<R>>
    where
        V: Default,
    {
        self.register_with(key, actor, V::default())
    }

    /// Registers an actor under a key, with a value.
    ///
    /// # Errors
    /// As for [`register`](Self::register).
    pub fn register_with(
        &self,
        key: K,
        actor: impl Into<R>,
        value: V,
    ) -> Result<(), RegistryError<R>> {
        let added = self.table.add(key, actor.into(), value, self.is_unique);
        added.map_err(|refused| match refused {
            Refused::Held { owner } => RegistryError::AlreadyRegistered { owner },
            Refused::Over => RegistryError::Closed,
        })
    }

    /// Takes back everything that this incarnation of `actor` has under the key; how much that was.
    pub fn unregister<Q>(&self, key: &Q, actor: &impl Watchable) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let pid = AnyRef::from(actor).pid();
        self.table.remove(key, pid, Which::All).len()
    }

    /// As [`unregister`](Self::unregister), but only the entries whose value `matches`, which runs
    /// under a lock: it must be quick and must not use the registry.
    pub fn unregister_matching<Q>(
        &self,
        key: &Q,
        actor: &impl Watchable,
        mut matches: impl FnMut(&V) -> bool,
    ) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let pid = AnyRef::from(actor).pid();
        let which = Which::Matching(&mut matches);
        self.table.remove(key, pid, which).len()
    }

    /// The actor that holds a unique key; of a duplicate one, any.
    #[inline]
    pub fn whereis<Q>(&self, key: &Q) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.table.first(key)?;
        AnyRef::from(&found).is_alive().then_some(found)
    }

    /// The entries under a key, as they are now.
    pub fn lookup<Q>(&self, key: &Q) -> Entries<R, V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.table.entries(key)
    }

    /// The entries under a key whose value `matches`.
    pub fn lookup_matching<Q>(
        &self,
        key: &Q,
        mut matches: impl FnMut(&V) -> bool,
    ) -> Vec<Entry<R, V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entries = self.table.entries(key);
        let matching = entries.iter().filter(|entry| matches(&entry.value));
        matching.cloned().collect()
    }

    /// Calls `send` for each entry under a key, outside of all locks; how many there were.
    pub fn dispatch<Q>(&self, key: &Q, mut send: impl FnMut(&R, &V)) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entries = self.table.entries(key);
        for entry in &entries {
            send(&entry.actor, &entry.value);
        }
        entries.len()
    }

    /// Changes the value that this incarnation of `actor` has under a key. False: it has none.
    ///
    /// With duplicate keys, all its values there. `change` runs under a lock: it must be quick and
    /// must not use the registry.
    pub fn update_value(
        &self,
        key: &K,
        actor: &impl Watchable,
        change: impl FnMut(&mut V),
    ) -> bool {
        let pid = AnyRef::from(actor).pid();
        self.table.update(key, pid, change) > 0
    }

    /// The keys of this incarnation of `actor`, in no order; one with several entries as often.
    pub fn keys(&self, actor: &impl Watchable) -> Vec<K> {
        self.table.keys_of(AnyRef::from(actor).pid())
    }

    /// The values that this incarnation of `actor` has under a key.
    pub fn values<Q>(&self, key: &Q, actor: &impl Watchable) -> Vec<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let pid = AnyRef::from(actor).pid();
        let entries = self.table.entries(key);
        let own = entries.iter().filter(|entry| entry.pid() == pid);
        own.map(|entry| entry.value.clone()).collect()
    }

    /// How many entries there are, over all keys.
    pub fn count(&self) -> usize {
        self.table.count()
    }

    /// How many entries under a key have a value that `matches`.
    pub fn count_matching<Q>(&self, key: &Q, mut matches: impl FnMut(&V) -> bool) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entries = self.table.entries(key);
        entries.iter().filter(|entry| matches(&entry.value)).count()
    }

    /// What `pick` makes of all entries, without those of which it makes nothing, in no order.
    ///
    /// One partition is looked at after another, so changes meanwhile may show or not. It takes
    /// time and memory as there are entries.
    pub fn select<T>(&self, mut pick: impl FnMut(&K, &R, &V) -> Option<T>) -> Vec<T> {
        let mut picked = Vec::new();
        self.table.visit(|key, entries| {
            let found = entries.iter();
            picked.extend(found.filter_map(|entry| pick(key, &entry.actor, &entry.value)));
        });
        picked
    }
}

impl<K: Key, R: Reference, V: Value> Clone for Registry<K, R, V> {
    fn clone(&self) -> Self {
        Registry {
            table: self.table.clone(),
            is_unique: self.is_unique,
        }
    }
}

impl<K: Key, R: Reference, V: Value> Debug for Registry<K, R, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("name", &self.table.observer.name)
            .field("is_unique", &self.is_unique)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
