//! Vaxel: actors, supervision and realtime channels in one crate.
//!
//! A realtime backend: actors with OTP's supervision, WebSocket channels that unmodified
//! phoenix.js clients join, and broadcasts that reach every subscriber from one encoded frame.
//!
#![cfg_attr(feature = "server", doc = "```no_run")]
#![cfg_attr(not(feature = "server"), doc = "```ignore")]
//! use vaxel::prelude::*;
//!
//! struct Room;
//!
//! impl Channel for Room {
//!     type Params = Ignored;
//!
//!     async fn join(
//!         _topic: &Topic,
//!         _params: Ignored,
//!         _cx: &mut ChannelContext<'_, Self>,
//!     ) -> Result<Joined<Self>, Refusal> {
//!         Ok(Room.into())
//!     }
//!
//!     async fn handle_in(
//!         &mut self,
//!         event: &str,
//!         payload: Payload,
//!         cx: &mut ChannelContext<'_, Self>,
//!     ) -> Result<Reply, Refusal> {
//!         cx.broadcast(event, &payload);
//!         Ok(Reply::none())
//!     }
//! }
//!
//! #[vaxel::main]
//! async fn main() -> Result<(), ServerError> {
//!     Server::builder()
//!         .listen("127.0.0.1:4000")
//!         .socket("/socket", Socket::new().channel::<Room>("room:*"))
//!         .run()
//!         .await
//! }
//! ```
//!
//! - **Actors**: [`actor`] turns an `impl` block into one; [`Actor`], [`Handler`] and [`Message`]
//!   are what it stands on; [`Supervisor`] restarts them.
//! - **Channels**: [`Channel`], [`Socket`], [`Endpoint`].
//! - **State** that survives: feature `state`, modules `persistence`, `jobs`, `cache`
//!   and `store`.
//! - **A server**: [`Server`] listens, serves channels and an axum router on one port, and stops
//!   in order.
//!
//! Handlers may use any library of tokio: an actor system started by [`main`](macro@main) or
//! [`Program`] has a tokio runtime beside it.
//!
//! # Features
//! `server`, on by default, brings channels, pub-sub and the server. Without it
//! (`default-features = false`) this crate is actors and supervision alone, and compiles a few
//! dozen crates fewer.
//!
//! `state` brings event-sourced and durable actors, projections, and their engines: SQLite, whose
//! C sources it compiles, and memory for tests.
//!
//! `testkit`, off by default, brings [`testkit`](https://docs.rs/vaxel-testkit): tests in which a
//! seed decides who runs next, and time is virtual. It is for `[dev-dependencies]`:
//! `vaxel = { version = "…", features = ["testkit"] }`.

#![forbid(unsafe_code)]

#[cfg(all(doctest, feature = "server"))]
mod guides;
mod program;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use program::Program;
pub use vaxel_actor::*;
#[cfg(feature = "server")]
pub use vaxel_channels::{
    Assigns, Channel, ChannelContext, ChannelCounters, ChannelPresence, ChannelRef, ConnectRequest,
    Content, Endpoint, EventRate, Fetch, Fetched, HandleInfo, Ignored, Joined,
    Limits as SocketLimits, Origins, Payload, PayloadError, PollConfig, Presence, PresenceConfig,
    PresenceCounters, Presences, Probed, Refusal, Reply, ReplyRef, Session, Sessions, SlowClient,
    Socket, Topic, TrackError, Tracked, Window,
};
pub use vaxel_macros::{Message, actor, main};
#[cfg(feature = "server")]
pub use vaxel_net::{
    Compression, Drain, FileTables, Limits as NetLimits, NetCounters, Tls, TlsError,
};
#[cfg(feature = "server")]
pub use vaxel_pubsub::{Broadcast, PubSub, Subscription};
#[cfg(feature = "server")]
pub use vaxel_server::{Figures, Server, ServerBuilder, ServerError};
#[cfg(feature = "state")]
pub use {
    vaxel_cache as cache, vaxel_jobs as jobs, vaxel_persistence as persistence,
    vaxel_store as store,
};

#[cfg(any(feature = "server", feature = "state"))]
pub use serde;
#[cfg(feature = "server")]
pub use {axum, serde_json, serde_json::json};

/// What an application usually needs, for `use vaxel::prelude::*`.
pub mod prelude {
    #[cfg(feature = "server")]
    pub use crate::{
        Assigns, Broadcast, Channel, ChannelContext, ChannelRef, ConnectRequest, Endpoint,
        EventRate, HandleInfo, Ignored, Joined, Origins, Payload, PollConfig, Presence,
        PresenceConfig, Refusal, Reply, ReplyRef, Server, ServerError, Sessions, SlowClient,
        Socket, Topic, Window, json,
    };
    #[cfg(any(feature = "server", feature = "state"))]
    pub use serde::{Deserialize, Serialize};
    pub use vaxel_actor::prelude::*;
}

/// What generated code refers to. Not part of the public interface.
#[doc(hidden)]
pub mod __macro {
    pub use crate::Program;
    pub use vaxel_actor::__macro::*;
}
