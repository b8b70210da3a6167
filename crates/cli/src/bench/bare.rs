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
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use anyhow::Context;
use clap::Args;

use crate::file_table::{self, FileTable};
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
    /// Whose table of open files connections are in.
    #[arg(long, value_enum, default_value_t = FileTable::Shared)]
    file_tables: FileTable,
}

/// Serves until the process is killed.
pub(crate) fn run(args: &LoopArgs) -> anyhow::Result<()> {
    super::process::raise_file_limit();
    let server = BareLoop::start(args.listen, args.shards, args.file_tables)
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
    pub(crate) fn start(
        listen: SocketAddr,
        shards: u16,
        file_tables: FileTable,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(usize::from(shards))?);
        let mut server = Self {
            address: listen,
            shared,
            threads: Vec::new(),
        };
        // Nobody listens before all are bound: the first would get too many clients.
        let mut bound = Vec::new();
        for index in 0..usize::from(shards) {
            let (listen, shared) = (server.address, Arc::clone(&server.shared));
            let (report, reported) = sync_channel(2);
            let (start, may_start) = sync_channel::<()>(1);
            let serve = move || {
                if let Err(error) = serve(listen, index, shared, file_tables, &report, &may_start) {
                    let _ = report.send(Err(error));
                }
            };
            let thread = thread::Builder::new().name("bare-loop".to_owned());
            server.threads.push(thread.spawn(serve)?);
            server.address = reported.recv().map_err(io::Error::other)??;
            bound.push((start, reported));
        }
        for (start, _) in &bound {
            let _ = start.send(());
        }
        for (_, reported) in &bound {
            reported.recv().map_err(io::Error::other)??;
        }
        Ok(server)
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

/// The life of one thread; reports when it is bound, and when it listens.
fn serve(
    listen: SocketAddr,
    index: usize,
    shared: Arc<Shared>,
    file_tables: FileTable,
    report: &SyncSender<io::Result<SocketAddr>>,
    may_start: &Receiver<()>,
) -> io::Result<()> {
    if file_tables == FileTable::PerShard {
        // A shard's descriptors belong into its own table.
        file_table::split()?;
    }
    let mut shard = Shard::bind(listen, index, shared)?;
    let address = shard.address()?;
    let _ = report.send(Ok(address));
    if may_start.recv().is_ok() {
        shard.listen()?;
        let _ = report.send(Ok(address));
        shard.run();
    }
    Ok(())
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
