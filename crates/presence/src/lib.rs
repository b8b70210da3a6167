//! Presence: who is on a topic, as Phoenix's clients keep it.
//!
//! [`Presence::track`] puts an entry under a key of a topic and returns a [`Tracked`], to be kept
//! in the state of the actor that is present: dropping it, and so every way in which the actor can
//! end, takes the entry out exactly once. Everybody on the topic hears of it by `presence_diff`;
//! whoever asks gets the whole by `presence_state`. Both have the shape that the `Presence` of
//! phoenix.js merges.
//!
//! # Ordering
//! Changes of a topic are published in the order in which they were made. A state contains every
//! change whose diff was published before it, so a client that subscribes first and asks for the
//! state then misses nothing.
//!
//! # Batches
//! A change is published by a task that runs beside whoever made it; what happens to the topic
//! until the task runs goes into the same diff. So ten thousand clients that come back at once
//! cause far fewer than ten thousand diffs, and one that comes alone is told of at once. An entry
//! that came and went within a batch is in no diff.
//!
//! # Bounds
//! [`PresenceConfig`] names them. An entry costs its JSON, 32 bytes, and a share of its key.
//!
//! # Failure
//! What the application's hook adds to an entry is left out when the hook panics or takes too
//! long; the entry itself is published all the same.
//!
//! # Clusters
//! A ref is the number of its node and the number of the change, so refs of several nodes do not
//! meet, and what one node knows can be told from what another does.

#![forbid(unsafe_code)]

mod config;
mod counters;
mod presence;
mod reference;

pub use config::{Fetch, Fetched, PresenceConfig};
pub use counters::PresenceCounters;
pub use presence::{Presence, Presences, StateSink, TrackError, Tracked};
