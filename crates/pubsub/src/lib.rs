//! Topics, local fan-out and the fast lane of Vaxel.
//!
//! A [`PubSub`] hands every [`Broadcast`] to two kinds of receivers:
//!
//! - **Lanes** ([`Lane`]): a connection plane. A lane encodes the broadcast once and gives it to
//!   each of its shards once; a shard walks its own [`SubscriberTable`] and writes the same bytes
//!   to every socket. No task and no actor is woken per connection.
//! - **Actors** ([`PubSub::subscribe`]): each receives the broadcast as a message.
//!
//! # Ordering
//! The broadcasts of one sender reach every receiver in the order in which they were sent.
//! Nothing is promised between senders.
//!
//! # Bounds
//! A broadcast never waits. An actor whose mailbox is full misses it, which
//! [`PubSub::counters`] counts as `broadcasts_missed`; what a slow socket does is decided by the
//! lane's outbox. The payload is held once, whatever the number of receivers.
//!
//! # Histories
//! A topic may keep what was broadcast on it lately ([`PubSub::keep_histories`]). Its broadcasts
//! are numbered, and whoever was away can ask for those after the last one it saw
//! ([`PubSub::resume`]).
//!
//! # Failure
//! A subscriber that has ended is forgotten the next time its topic is used.

#![forbid(unsafe_code)]

mod broadcast;
mod content;
mod history;
mod hub;
mod table;

pub use broadcast::{Broadcast, Origin};
pub use content::Content;
pub use history::{Missed, Offset, OffsetError, TopicMatch, Window};
pub use hub::{Counters, Lane, PubSub, Subscription};
pub use table::{Seat, SubscriberTable};
