//! A running server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use vaxel_actor::{SupervisorRef, System};
use vaxel_channels::{ChannelsNet, Endpoint, LongPoll};
use vaxel_net::Drain;

use crate::builder::ServerBuilder;
use crate::figures::Figures;
use crate::http::Draining;
use crate::signal::Stop;

/// How long channels may take to terminate once their sockets are gone.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(5);

/// A running server.
///
/// [`shutdown`](Self::shutdown) stops it in order. Dropping it closes all connections at once and
/// leaves the supervision tree to its system.
pub struct Server {
    pub(crate) system: System,
    pub(crate) supervisor: Option<SupervisorRef>,
    pub(crate) endpoint: Endpoint,
    pub(crate) net: Arc<ChannelsNet>,
    pub(crate) draining: Draining,
    pub(crate) long_poll: LongPoll,
    pub(crate) drain: Drain,
}

impl Server {
    /// Begins a server.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The address listened on, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.net.address()
    }

    /// Where broadcasts go in.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The system that its actors run in.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// The application's supervision tree, if it has one.
    pub fn supervisor(&self) -> Option<&SupervisorRef> {
        self.supervisor.as_ref()
    }

    /// A reader of everything that is counted.
    pub fn figures(&self) -> Figures {
        Figures::new(self.net.clone(), self.endpoint.clone())
    }

    /// Stops the server: no new connections, 1012 to the clients in batches, channels terminate,
    /// then the supervision tree stops from right to left.
    ///
    /// Not cancel safe: dropped half-way, the rest ends as if the server was dropped.
    pub async fn shutdown(self) {
        self.leave_clients().await;
        self.finish().await;
    }

    pub(crate) async fn run_until(self, stop: &mut Stop) {
        let signal = stop.next().await;
        tracing::info!(
            signal,
            connections = self.net.counters().connections_open,
            "stopping"
        );
        tokio::select! {
            () = self.leave_clients() => {}
            signal = stop.next() => tracing::warn!(signal, "stopping without waiting for clients"),
        }
        self.finish().await;
        tracing::info!("stopped");
    }

    async fn leave_clients(&self) {
        self.draining.begin();
        tokio::join!(self.net.drain(self.drain), self.end_polls());
        let terminated = self.endpoint.channels_ended();
        if tokio::time::timeout(TERMINATE_TIMEOUT, terminated)
            .await
            .is_err()
        {
            tracing::warn!(timeout = ?TERMINATE_TIMEOUT, "channels have not terminated in time");
        }
    }

    /// Ends long-poll sessions batch by batch.
    async fn end_polls(&self) {
        while self.long_poll.drain(self.drain.batch.max(1)) > 0 {
            tokio::time::sleep(self.drain.interval).await;
        }
    }

    async fn finish(&self) {
        if let Some(supervisor) = &self.supervisor {
            stop(supervisor).await;
        }
        let net = self.net.clone();
        // It joins threads, which an async task must not wait for.
        if tokio::task::spawn_blocking(move || net.shutdown())
            .await
            .is_err()
        {
            tracing::error!("the connection plane panicked while it shut down");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Readers of figures may keep the plane's handle.
        self.net.shutdown();
    }
}

/// Stops a supervision tree and waits for its end.
pub(crate) async fn stop(supervisor: &SupervisorRef) {
    let exit = supervisor.exit();
    supervisor.shutdown();
    exit.await;
}
