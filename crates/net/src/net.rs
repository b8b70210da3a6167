//! Starting, draining and stopping the shards.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tower_service::Service;
use vaxel_websocket::deflate::Compression;

use crate::admission::Admission;
use crate::counters::{Counters, NetCounters};
use crate::file_table::FileTables;
use crate::http_driver;
use crate::inbox::{Inbox, NetFlusher, Note, ShardHandle};
use crate::limits::Limits;
use crate::listener;
use crate::protocol::Protocol;
use crate::shard::{Seed, ShardRuntime, ShardThread, Starting};
use crate::tls::Tls;

/// Where to listen, and with what.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NetConfig {
    /// The address; port 0 takes any free one, see [`NetHandle::address`].
    pub address: SocketAddr,
    /// Threads that serve connections. Default: one per core.
    pub shards: NonZero<usize>,
    /// Whether each shard has a table of descriptors of its own, so that the system's bound on
    /// open files holds for each of them. Default [`FileTables::Shared`].
    pub file_tables: FileTables,
    /// The bounds.
    pub limits: Limits,
    /// Whether messages are compressed for clients that offer permessage-deflate, and how. Default
    /// `None`, since most messages are too short to gain and compression costs more than sending.
    ///
    /// There is no context takeover: a shard has one compressor (260 KiB) and one decompressor
    /// (40 KiB) for all its connections, made when first needed, and a broadcast
    /// ([`Frame::with_twin`](vaxel_websocket::Frame::with_twin)) is compressed once.
    pub compression: Option<Compression>,
    /// Whether every connection is under TLS, and with which certificate. Default `None`. Costs
    /// about 7 KiB for each connection.
    pub tls: Option<Tls>,
}

impl NetConfig {
    /// One shard per core and the default limits.
    pub fn new(address: SocketAddr) -> Self {
        let shards = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Self {
            address,
            shards,
            file_tables: FileTables::default(),
            limits: Limits::default(),
            compression: None,
            tls: None,
        }
    }
}

/// Why the connection plane did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Somebody else listens there.
    #[error(
        "address {address} is taken; stop the server that listens there or choose another port"
    )]
    Taken {
        /// The address of the configuration.
        address: SocketAddr,
    },
    /// The address cannot be listened on: it is not of this machine, or its port needs a right
    /// that the process does not have.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address of the configuration.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no epoll, eventfd or thread.
    #[error("cannot start a shard")]
    Shard(#[source] io::Error),
}

/// How to drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// WebSockets closed at a time, all shards together. Default 10,000.
    pub batch: usize,
    /// Time between two batches, so that the clients do not all come back elsewhere at once.
    /// Default 2 s.
    pub interval: Duration,
    /// When whatever is left is dropped. Default 30 s.
    pub deadline: Duration,
    /// How long HTTP requests under way may take to finish. Default 5 s.
    pub http_timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            batch: 10_000,
            interval: Duration::from_secs(2),
            deadline: Duration::from_secs(30),
            http_timeout: Duration::from_secs(5),
        }
    }
}

/// Opens the port and starts the shards.
///
/// Requests that the protocol leaves alone are answered by `service`, an axum `Router` for
/// instance: the bytes are read and written on the shard, the handlers are spawned on `handlers`,
/// and a panic in one is answered with 500. Each request carries a [`PeerAddress`] extension.
///
/// [`PeerAddress`]: crate::PeerAddress
pub fn start<P, S, B>(
    config: NetConfig,
    protocol: P,
    service: S,
    handlers: Handle,
) -> Result<NetHandle<P::Command>, StartError>
where
    P: Protocol,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    listener::probe(config.address)?;
    let count = config.shards.get();
    let protocol = Arc::new(protocol);
    let limits = Arc::new(config.limits);
    let admission = Arc::new(Admission::new(&limits));
    let drained = Arc::new(Semaphore::new(0));
    let mut handle = NetHandle {
        address: config.address,
        shards: Vec::with_capacity(count),
        counters: Vec::with_capacity(count),
        drained: Arc::clone(&drained),
        threads: Mutex::default(),
    };
    let runtimes = (0..count).map(|_| handle.add_shard(&limits));
    let runtimes: Vec<_> = runtimes.collect::<Result<_, _>>()?;
    // Dropped before the handle, which waits for the threads.
    let mut starting = Vec::with_capacity(count);
    // Only now, since whatever wakes a shard has to be in every file table.
    for (index, runtime) in runtimes.into_iter().enumerate() {
        let seed = Seed {
            address: handle.address,
            file_tables: config.file_tables,
            protocol: Arc::clone(&protocol),
            handle: handle.shards[index].clone(),
            shard_count: count,
            limits: Arc::clone(&limits),
            compression: config.compression,
            tls: config.tls.clone(),
            admission: Arc::clone(&admission),
            http: http_driver::driver(
                service.clone(),
                handlers.clone(),
                Arc::clone(&limits),
                config.file_tables,
            ),
            counters: Arc::clone(&handle.counters[index]),
            drained: Arc::clone(&drained),
        };
        let (shard, thread) = seed.spawn(runtime)?;
        let threads = handle.threads.get_mut();
        threads.unwrap_or_else(PoisonError::into_inner).push(thread);
        let bound = shard.report();
        starting.push(shard);
        handle.address = bound?;
    }
    starting.iter().for_each(Starting::go);
    for shard in &starting {
        shard.report()?;
    }
    Ok(handle)
}

/// The running connection plane. Dropping it shuts it down.
#[derive(Debug)]
pub struct NetHandle<C> {
    address: SocketAddr,
    shards: Vec<ShardHandle<C>>,
    counters: Vec<Arc<Counters>>,
    drained: Arc<Semaphore>,
    threads: Mutex<Vec<ShardThread>>,
}

impl<C> NetHandle<C> {
    /// Makes what another shard is reached by, and the runtime it is going to have.
    fn add_shard(&mut self, limits: &Limits) -> Result<ShardRuntime, StartError> {
        let counters = Arc::new(Counters::default());
        let inbox = Inbox::new(limits.inbox_commands_max, Arc::clone(&counters));
        let inbox = Arc::new(inbox.map_err(|error| StartError::Shard(error.into()))?);
        let index = self.shards.len();
        self.shards.push(ShardHandle { index, inbox });
        self.counters.push(counters);
        ShardRuntime::new().map_err(StartError::Shard)
    }

    /// The address listened on, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The shards, by index.
    pub fn shards(&self) -> &[ShardHandle<C>] {
        &self.shards
    }

    /// What happened so far.
    pub fn counters(&self) -> NetCounters {
        let mut sum = NetCounters::default();
        for shard in &self.counters {
            sum.add(shard);
        }
        sum
    }

    /// What the actor runtime has to call when its workers defer their wakes
    /// ([`DeferWakes`](crate::DeferWakes)).
    pub fn flusher(&self) -> NetFlusher {
        let bells = self
            .shards
            .iter()
            .map(|shard| Arc::clone(shard.inbox.bell()));
        NetFlusher {
            bells: bells.collect(),
        }
    }

    /// Stops accepting, closes WebSockets with 1012 batch by batch, lets HTTP requests finish, and
    /// returns when no connection is left or the deadline has passed and the rest was dropped.
    ///
    /// Cancel safe: the draining goes on, and a second call waits for the same end.
    pub async fn drain(&self, drain: Drain) {
        for shard in &self.shards {
            shard.inbox.order(Note::Drain(drain));
        }
        // Every shard adds one permit when it is drained or ends, and none is ever kept.
        let _ = self.drained.acquire_many(self.shards.len() as u32).await;
    }

    /// Drops all connections and ends the shards. Blocks until their threads have ended, which
    /// takes as long as the callback that runs now; a second call does nothing. Not to be called
    /// from a callback, which would wait for itself.
    pub fn shutdown(&self) {
        for shard in &self.shards {
            shard.inbox.order(Note::Shutdown);
        }
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            thread.join();
        }
    }
}

impl<C> Drop for NetHandle<C> {
    fn drop(&mut self) {
        self.shutdown();
    }
}
