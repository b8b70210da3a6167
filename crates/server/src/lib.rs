//! A Vaxel server: configuration, boot order, HTTP and drain.
//!
//! ```no_run
//! # async fn run() -> Result<(), vaxel_server::ServerError> {
//! use vaxel_channels::Socket;
//! use vaxel_server::Server;
//!
//! Server::builder()
//!     .listen("127.0.0.1:4000")
//!     .socket("/socket", Socket::new())
//!     .run()
//!     .await
//! # }
//! ```
//!
//! # Boot order
//! The supervision tree, then the endpoint, then the listeners: whoever can connect finds
//! everything running. A failure undoes what has been started.
//!
//! # Shutdown
//! On SIGTERM or SIGINT ([`ServerBuilder::run`]), or by [`Server::shutdown`]: the listeners close,
//! WebSockets are closed with 1012 in batches, HTTP requests finish, channels terminate, and then
//! the supervision tree stops, the child that was started last first. A second signal skips the
//! rest of the drain.
//!
//! # Health
//! `GET /health` is answered by the server itself with 200 and `{"status":"ok"}`, or with 503 and
//! `{"status":"draining"}`.

#![forbid(unsafe_code)]

mod builder;
mod error;
mod figures;
mod http;
mod server;
mod signal;

pub use builder::ServerBuilder;
pub use error::ServerError;
pub use figures::Figures;
pub use server::Server;
