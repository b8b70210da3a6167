//! The connection plane: listeners, sockets, WebSocket connections and their limits.
//!
//! One shard per core is a thread that owns a listener, an epoll and a table of connections. It
//! runs no code of the application: a [`Protocol`] turns frames into messages for actors, and
//! what is to be sent comes back through the shard's inbox ([`ShardHandle::push`]).
//!
//! - [`start`] opens the port and starts the shards; [`NetHandle`] is what it gives.
//! - [`Protocol`] says which requests are WebSockets and what their messages mean. Every other
//!   request goes to an HTTP service, whose handlers run on the shared tokio runtime.
//! - [`ShardIo`] and [`Connection`] send and close, on the shard's thread.
//!
//! # Ordering
//! Messages of one connection reach the protocol in the order received, and frames leave in the
//! order of the calls to `send`. Commands of one thread reach a shard in the order pushed.
//!
//! # Fairness
//! A shard serves every ready connection once before it serves any of them twice, with one read
//! of at most 64 KiB each, and then its inbox. A connection whose messages cannot be taken yet
//! ([`Flow::Pause`]) is not read from, so the kernel slows its client down.
//!
//! # Bounds
//! Everything that can grow has a bound in [`Limits`] and a counter in [`NetCounters`]. An idle
//! connection is an entry of some 48 bytes and its session; only incomplete input and output that
//! the socket did not take allocate, and both are given back. Compression
//! ([`NetConfig::compression`]) keeps nothing per connection; TLS ([`NetConfig::tls`]) does, about
//! 7 KiB.
//!
//! A client that sends too much is read more slowly; one that reads too slowly meets the
//! [`OutboxPolicy`] of the frames for it; one that is silent, trickles or hangs in a handshake
//! meets a time-out.
//!
//! # Failure
//! A callback that panics costs its own connection (1011), or the command, and nothing else.
//!
//! ```no_run
//! use vaxel_net::{Connection, Flow, NetConfig, Protocol, ShardHandle, ShardIo, Upgrade};
//! use vaxel_net::{UpgradeRequest, start};
//! use vaxel_websocket::Frame;
//!
//! struct Echo;
//!
//! impl Protocol for Echo {
//!     type Session = ();
//!     type Local = ();
//!     type Command = ();
//!     type Pass<'a> = ();
//!
//!     fn local(&self, _: &ShardHandle<()>) {}
//!
//!     fn pass(&self) {}
//!
//!     fn upgrade(&self, _: &mut (), request: &UpgradeRequest<'_>) -> Upgrade<()> {
//!         match request.path() {
//!             "/echo" => Upgrade::Accept { session: (), subprotocol: None },
//!             _ => Upgrade::NotMine,
//!         }
//!     }
//!
//!     fn text(&self, _: &mut (), connection: &mut Connection<'_, ()>, text: &str) -> Flow {
//!         connection.send(&Frame::text(text));
//!         Flow::Continue
//!     }
//!
//!     fn command(&self, _: &mut (), _: &mut ShardIo<()>, _: ()) {}
//! }
//!
//! # async fn run<S, B>(router: S) -> Result<(), vaxel_net::StartError>
//! # where
//! #     S: tower_service::Service<
//! #             http::Request<hyper::body::Incoming>,
//! #             Response = http::Response<B>,
//! #             Error = std::convert::Infallible,
//! #         > + Clone + Send + 'static,
//! #     S::Future: Send + 'static,
//! #     B: hyper::body::Body + Send + 'static,
//! #     B::Data: Send,
//! #     B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
//! # {
//! let config = NetConfig::new("127.0.0.1:4000".parse().unwrap());
//! let net = start(config, Echo, router, tokio::runtime::Handle::current())?;
//! net.drain(Default::default()).await;
//! net.shutdown();
//! # Ok(())
//! # }
//! ```

mod admission;
mod counters;
mod file_table;
mod http_driver;
mod inbox;
mod io;
mod limits;
mod listener;
mod net;
mod outbox;
mod protocol;
mod shard;
mod tls;

pub use counters::NetCounters;
pub use file_table::FileTables;
pub use http_driver::PeerAddress;
pub use inbox::{DeferWakes, NetFlusher, PushError, ShardHandle, flush_pending};
pub use io::{Connection, ConnectionId, ShardIo};
pub use limits::Limits;
pub use net::{Drain, NetConfig, NetHandle, StartError, start};
pub use outbox::OutboxPolicy;
pub use protocol::{CloseReason, Flow, Protocol, Upgrade, UpgradeRequest};
pub use tls::{Tls, TlsError};
pub use vaxel_websocket::deflate::Compression;
