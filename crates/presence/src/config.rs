//! The bounds of a presence and its hook.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

/// What a hook adds: for each key, members that stand beside `metas`.
pub type Fetched = HashMap<String, Map<String, Value>>;

/// What a hook is asked for: the keys of a topic that are about to be published.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fetch {
    /// The topic.
    pub topic: Arc<str>,
    /// Its keys, each once.
    pub keys: Vec<Arc<str>>,
}

type Hook = dyn Fn(Fetch) -> Pin<Box<dyn Future<Output = Fetched> + Send>> + Send + Sync;

/// The bounds of a presence, and the hook that adds members to entries.
#[derive(Clone)]
#[must_use = "it is given to a server or a presence"]
pub struct PresenceConfig {
    /// Entries over all topics. One more is refused, which `presence.refused` counts, as it does
    /// for the next two. Default 1,048,576.
    pub entries_max: u64,
    /// Bytes of an entry's JSON. A longer one is refused. Default 4 KiB.
    pub meta_bytes_max: usize,
    /// Bytes of a key. A longer one is refused. Default 1,024.
    pub key_bytes_max: usize,
    /// How long the hook may take; later, entries are published without what it adds
    /// (`presence.fetch_failures`). Default 5 s.
    pub fetch_timeout: Duration,
    pub(crate) fetch: Option<Arc<Hook>>,
}

impl PresenceConfig {
    /// The defaults, and no hook.
    pub fn new() -> Self {
        Self {
            entries_max: 1 << 20,
            meta_bytes_max: 4 << 10,
            key_bytes_max: 1024,
            fetch_timeout: Duration::from_secs(5),
            fetch: None,
        }
    }

    /// Sets the hook that adds members to entries, such as a user's name from a database.
    ///
    /// It is asked once for each batch, with all keys in it, and may await; what follows on the
    /// topic, and on the sixteenth of all topics that shares its lock, waits for it. A member
    /// named `metas` is left out.
    pub fn fetch<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(Fetch) -> R + Send + Sync + 'static,
        R: Future<Output = Fetched> + Send + 'static,
    {
        self.fetch = Some(Arc::new(move |fetch| Box::pin(hook(fetch))));
        self
    }
}

impl Default for PresenceConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PresenceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceConfig")
            .field("entries_max", &self.entries_max)
            .field("meta_bytes_max", &self.meta_bytes_max)
            .field("key_bytes_max", &self.key_bytes_max)
            .field("fetch_timeout", &self.fetch_timeout)
            .field("fetch", &self.fetch.is_some())
            .finish()
    }
}
