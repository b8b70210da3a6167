//! The bare epoll loop: the denominator of every claim about sockets.
//!
//! It does what a server cannot leave out, and nothing else: it accepts, answers the WebSocket
//! handshake, unmasks in place, and writes one frame for a frame, or one pre-encoded frame to
//! every connection. No routing, no JSON, no limits, no time-outs. What a real server costs above
//! this loop is its own doing; the rest is the kernel's TCP stack.
//!
//! # What it speaks
//! Text frames whose payload starts with [`Request::MARK`] bytes saying what is wanted and how
//! long the answer shall be, so that the bytes on the wire can equal those of any other server in
//! both directions. Any other frame is echoed.
//!
//! # Bounds
//! A frame is at most [`FRAME_BYTES_MAX`] long. What a slow client does not read waits in memory
//! without a bound: this is a measuring device for well-behaved clients.
//!
//! # Failure
//! A violation of the protocol closes that connection without a word.

mod frames;
mod shard;

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};

use anyhow::Context;
use clap::Args;

pub(crate) use frames::{FRAME_BYTES_MAX, Request, Wanted};
use shard::{Shard, Shared};

/// Serve the bare epoll loop, the denominator of `vaxel bench sockets --compare loop`.
///
/// Runs until it is killed. One thread, or one per shard, each with its own listener on the same
/// port.
#[derive(Debug, Args)]
pub(crate) struct LoopArgs {
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Threads, each with its own epoll and its own listener.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    shards: u16,
}

/// Serves until the process is killed.
pub(crate) fn run(args: &LoopArgs) -> anyhow::Result<()> {
    super::process::raise_file_limit();
    let server = BareLoop::start(args.listen, args.shards)
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    writeln!(
        io::stderr(),
        "bare loop on {}, {} shards",
        server.address(),
        args.shards
    )?;
    server.join();
    Ok(())
}

/// A running loop; dropping it stops its threads and closes every connection.
pub(crate) struct BareLoop {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl BareLoop {
    /// Binds and starts `shards` threads. Port 0 picks a free port.
    pub(crate) fn start(listen: SocketAddr, shards: u16) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(usize::from(shards))?);
        let first = Shard::bind(listen, 0, Arc::clone(&shared))?;
        let address = first.address()?;
        let mut all = vec![first];
        for index in 1..usize::from(shards) {
            all.push(Shard::bind(address, index, Arc::clone(&shared))?);
        }
        let threads = all
            .into_iter()
            .map(|mut shard| {
                thread::Builder::new()
                    .name("bare-loop".to_owned())
                    .spawn(move || shard.run())
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            address,
            shared,
            threads,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn join(mut self) {
        for thread in self.threads.drain(..) {
            // A panic has already been printed by the thread itself.
            let _ = thread.join();
        }
    }
}

impl Drop for BareLoop {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
