//! Phoenix Channels for Vaxel: unmodified phoenix.js clients join topics, and every joined
//! channel is an actor.
//!
//! - [`Channel`] is what an application writes for a topic, [`ChannelContext`] what it works
//!   with, [`Reply`] and [`Refusal`] what it answers.
//! - [`Socket`] routes topics to channels and decides who may connect.
//! - [`Endpoint`] broadcasts from anywhere.
//! - [`ChannelsProtocol`] is all of it as a protocol of the connection plane.
//!
//! # Where things run
//! The shard of a connection parses the array around a message, answers heartbeats, enforces
//! limits and sorts out messages for joins that are gone. Everything that an application writes
//! runs on the actor plane, the connect hook and `join` included. A reply is encoded there and
//! written by the shard.
//!
//! # Ordering
//! Messages of one client reach a channel in the order sent. Frames of one channel leave in the
//! order produced, the reply to the join first; broadcasts sent after that reply arrive after it.
//!
//! # Bounds
//! [`Limits`] names them. A client that is faster than its channels is not read on, so TCP slows
//! it down; a client that reads too slowly is closed by the connection plane.
//!
//! # Failure
//! A crash is seen by its own channel only: `phx_error`, or `join crashed`. A frame that is no
//! message closes its connection with 1011.
//!
//! # Memory
//! A connection with one joined channel costs, beside the connection plane's entry, a session of
//! 96 bytes, a link of 64, a membership of 80, a row of 24 among the topic's subscribers and the
//! channel's actor.

#![forbid(unsafe_code)]

mod assigns;
mod channel;
mod counters;
mod endpoint;
mod limits;
mod origins;
mod params;
mod payload;
mod poll;
mod rate;
mod refusal;
mod reply;
mod serializer;
mod sessions;
mod signer;
mod slow;
mod socket;
mod tokens;
mod topic;
mod vsn;

pub use assigns::Assigns;
pub use channel::context::ChannelContext;
pub use channel::presence::ChannelPresence;
pub use channel::process::ChannelActor;
pub use channel::reference::{ChannelRef, ReplyRef};
pub use channel::{Channel, HandleInfo, Ignored, Joined};
pub use counters::ChannelCounters;
pub use endpoint::{Endpoint, Probed};
pub use limits::Limits;
pub use origins::Origins;
pub use payload::{Payload, PayloadError};
pub use poll::{LongPoll, PollConfig, PollMount, PollResponse};
pub use rate::EventRate;
pub use refusal::Refusal;
pub use reply::Reply;
pub use sessions::{Session, Sessions};
pub use slow::SlowClient;
pub use socket::{ChannelsProtocol, ConnectRequest, Socket};
pub use topic::Topic;
pub use vaxel_presence::{
    Fetch, Fetched, Presence, PresenceConfig, PresenceCounters, Presences, StateSink, TrackError,
    Tracked,
};
pub use vaxel_pubsub::{Content, Window};

/// The connection plane of a server of channels.
pub type ChannelsNet = vaxel_net::NetHandle<<ChannelsProtocol as vaxel_net::Protocol>::Command>;
