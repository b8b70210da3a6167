//! The server of `vaxel bench loop`, written for other WebSocket libraries as their users write
//! it: a task for each connection, and one tokio broadcast channel on which all of them listen.
//!
//! Every library has the allocator of the `vaxel` binary, TCP_NODELAY, no compression, and a read
//! buffer of [`READ_BUFFER_BYTES`] where it can be told, which is less than their defaults: memory
//! for each connection is one of the rows.

#![forbid(unsafe_code)]

mod axum;
mod fastwebsockets;
mod request;
mod tungstenite;

use std::net::SocketAddr;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Longer than any frame of the rows, so that one read suffices for one.
const READ_BUFFER_BYTES: usize = 1_024;

/// Connections that have not been accepted yet, as in the bare loop.
const BACKLOG: u32 = 4_096;

/// Broadcasts that a connection may be behind; the bench has one at a time under way.
const BEHIND_MAX: usize = 64;

/// Serves one library until it is killed.
#[derive(Debug, Parser)]
#[command(name = "socket-peers")]
struct Arguments {
    /// Whose server.
    library: Library,
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Library {
    Axum,
    Fastwebsockets,
    Tungstenite,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let listener = listen(arguments.listen)
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    match arguments.library {
        Library::Axum => axum::serve(listener).await,
        Library::Fastwebsockets => fastwebsockets::serve(listener).await,
        Library::Tungstenite => tungstenite::serve(listener).await,
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
