//! TLS by rustls: certificates, and what a connection under TLS has.
//!
//! A connection under TLS is an entry like any other with a session of rustls in its backlog, so
//! one without pays nothing. The shard reads and writes the socket itself; bytes are decrypted
//! into a buffer of the shard and encrypted when the socket has room, so what waits for a slow
//! client waits unencrypted and within the same bounds.

mod certificates;
mod session;

pub use certificates::{Tls, TlsError};
pub(crate) use session::{Decrypted, TlsSession};
