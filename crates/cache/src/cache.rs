//! A bounded cache with single-flight loading.
//!
//! The cache itself is moka's: entries leave by their age, by their idleness, and beyond the bound
//! by how seldom they are used.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// A cache that is shared by its clones.
///
/// # Bounds
/// 10,000 entries unless told otherwise; or a weight, where entries differ in size. What does not
/// fit is not kept, and the value is answered all the same.
///
/// # Single flight
/// While a value is loaded, everybody who asks for its key waits for that one load. When it fails,
/// all who wait get its error, and the next who asks loads again. When the caller that loads is
/// dropped, one of those who wait goes on.
pub struct Cache<K, V>(moka::future::Cache<K, V>);

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Cache(self.0.clone())
    }
}

impl<K, V> std::fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cache(about {} entries)", self.0.entry_count())
    }
}

/// Describes a [`Cache`].
#[must_use = "a builder builds nothing by itself"]
pub struct CacheBuilder<K, V>(moka::future::CacheBuilder<K, V, moka::future::Cache<K, V>>);

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// How many entries it holds unless told otherwise.
    pub const ENTRIES_MAX: u64 = 10_000;

    /// A cache to be described.
    pub fn builder() -> CacheBuilder<K, V> {
        CacheBuilder(moka::future::Cache::builder().max_capacity(Self::ENTRIES_MAX))
    }

    /// What is kept under a key.
    pub async fn get(&self, key: &K) -> Option<V> {
        self.0.get(key).await
    }

    /// What is kept under a key, or what `load` makes; that is kept from then on.
    ///
    /// # Errors
    /// That of the load, shared by all who waited for it.
    ///
    /// # Cancel safety
    /// Dropping it ends the load unless others wait for it.
    pub async fn get_or_load<E>(
        &self,
        key: K,
        load: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        self.0.try_get_with(key, load).await
    }

    /// Keeps a value.
    pub async fn insert(&self, key: K, value: V) {
        self.0.insert(key, value).await;
    }

    /// Forgets a value: the next who asks loads it.
    pub async fn invalidate(&self, key: &K) {
        self.0.invalidate(key).await;
    }

    /// Forgets everything.
    pub fn invalidate_all(&self) {
        self.0.invalidate_all();
    }

    /// About how many entries there are.
    pub fn len(&self) -> u64 {
        self.0.entry_count()
    }

    /// Whether there is about nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, V> CacheBuilder<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// How many entries it holds. Default: [`Cache::ENTRIES_MAX`].
    pub fn entries_max(self, entries: u64) -> Self {
        CacheBuilder(self.0.max_capacity(entries))
    }

    /// How much its entries weigh together, and how much one weighs.
    pub fn weight_max(
        self,
        weight: u64,
        of: impl Fn(&K, &V) -> u32 + Send + Sync + 'static,
    ) -> Self {
        CacheBuilder(self.0.max_capacity(weight).weigher(of))
    }

    /// How long a value is kept. Default: as long as there is room.
    pub fn time_to_live(self, time: Duration) -> Self {
        CacheBuilder(self.0.time_to_live(time))
    }

    /// How long a value is kept that nobody asks for. Default: as long as there is room.
    pub fn time_to_idle(self, time: Duration) -> Self {
        CacheBuilder(self.0.time_to_idle(time))
    }

    /// The cache.
    pub fn build(self) -> Cache<K, V> {
        Cache(self.0.build())
    }
}
