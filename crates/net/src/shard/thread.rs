//! The thread of a shard: its start and its end.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, Runtime};

use super::{Seed, Shard};
use crate::file_table::{self, FileTables};
use crate::io::{Poll, Source};
use crate::listener;
use crate::net::StartError;
use crate::protocol::Protocol;

/// The tokio runtime of a shard. May be dropped anywhere, in async code too.
#[derive(Debug)]
pub(crate) struct ShardRuntime(Option<Runtime>);

impl ShardRuntime {
    pub(crate) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    fn get(&self) -> &Runtime {
        self.0.as_ref().expect("only a drop takes it")
    }
}

impl Drop for ShardRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A running shard. Its runtime belongs to whoever made it, since the descriptors that wake it are
/// in the maker's file table.
#[derive(Debug)]
pub(crate) struct ShardThread {
    thread: JoinHandle<()>,
    runtime: Arc<ShardRuntime>,
}

impl ShardThread {
    /// Waits for the end of a shard that has been told to end.
    pub(crate) fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("a shard thread panicked");
            // Its tasks may hold descriptors whose numbers mean other files on this thread.
            std::mem::forget(self.runtime);
        }
    }
}

/// A shard that is bound to the address and waits until all others are, so that the first clients
/// are not dealt out to the first shards.
pub(crate) struct Starting {
    go: SyncSender<()>,
    reported: Receiver<Result<SocketAddr, StartError>>,
}

impl Starting {
    /// Lets the shard listen. Dropping it instead ends the shard.
    pub(crate) fn go(&self) {
        // A thread that has ended has reported why.
        let _ = self.go.send(());
    }

    /// Waits for the next report: that it is bound, and then, that it listens.
    pub(crate) fn report(&self) -> Result<SocketAddr, StartError> {
        self.reported.recv().unwrap_or_else(|_| {
            let error = io::Error::other("the shard's thread panicked while it started");
            Err(StartError::Shard(error))
        })
    }
}

/// What a shard opens for itself, in the file table that it is going to use.
struct Opened {
    poll: Poll,
    listener: OwnedFd,
    epoll: AsyncFd<OwnedFd>,
}

impl<P: Protocol> Seed<P> {
    /// Starts the thread, which reports when it is bound to the address.
    pub(crate) fn spawn(
        self,
        runtime: ShardRuntime,
    ) -> Result<(Starting, ShardThread), StartError> {
        let (report, reported) = sync_channel(2);
        let (go, may_go) = sync_channel(1);
        let runtime = Arc::new(runtime);
        let own = Arc::clone(&runtime);
        let name = format!("vaxel-shard-{}", self.handle.index);
        let spawned = std::thread::Builder::new().name(name).spawn(move || {
            let opened = {
                let _inside = own.get().enter();
                self.start(&report, &may_go)
            };
            match opened {
                Ok(Some(Opened {
                    poll,
                    listener,
                    epoll,
                })) => {
                    let protocol = Arc::clone(&self.protocol);
                    own.get()
                        .block_on(Shard::new(self, poll, listener).run(&*protocol, epoll));
                }
                Ok(None) => {}
                // The starter waits for it.
                Err(error) => _ = report.send(Err(error)),
            }
        });
        let thread = spawned.map_err(StartError::Shard)?;
        Ok((Starting { go, reported }, ShardThread { thread, runtime }))
    }

    /// Opens everything and listens. None when the shard is not wanted any more.
    fn start(
        &self,
        report: &SyncSender<Result<SocketAddr, StartError>>,
        may_go: &Receiver<()>,
    ) -> Result<Option<Opened>, StartError> {
        let (opened, address) = self.open()?;
        let _ = report.send(Ok(address));
        if may_go.recv().is_err() {
            return Ok(None);
        }
        listener::listen(&opened.listener, address)?;
        let _ = report.send(Ok(address));
        Ok(Some(opened))
    }

    fn open(&self) -> Result<(Opened, SocketAddr), StartError> {
        if self.file_tables == FileTables::PerShard {
            file_table::split().map_err(StartError::Shard)?;
        }
        let listener = listener::bind(self.address)?;
        let address = listener::bound_address(&listener).map_err(StartError::Shard)?;
        let failed = |error: rustix::io::Errno| StartError::Shard(error.into());
        let poll = Poll::new().map_err(failed)?;
        poll.add(&listener, Source::Listener).map_err(failed)?;
        let inbox = self.handle.inbox.event();
        poll.add(inbox, Source::Inbox).map_err(failed)?;
        let epoll = poll.nest().map_err(StartError::Shard)?;
        Ok((
            Opened {
                poll,
                listener,
                epoll,
            },
            address,
        ))
    }
}
