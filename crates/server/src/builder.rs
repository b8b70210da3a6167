//! What a server is made of.

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;

use axum::Router;
use vaxel_actor::System;
use vaxel_actor::supervisor::SupervisorBuilder;
use vaxel_channels::{ChannelsProtocol, PresenceConfig, Socket};
use vaxel_net::{Compression, Drain, FileTables, Limits, NetConfig, Tls};

use crate::error::ServerError;
use crate::http::{self, Draining};
use crate::server::{self, Server};
use crate::signal::Stop;

/// What a server is made of, and the one place where it is configured.
#[must_use = "a server does nothing until it is started or run"]
pub struct ServerBuilder {
    listen: String,
    shards: Option<NonZero<usize>>,
    file_tables: FileTables,
    limits: Limits,
    compression: Option<Compression>,
    tls: Option<Tls>,
    drain: Drain,
    system: Option<System>,
    supervisor: Option<SupervisorBuilder>,
    sockets: Vec<(String, Socket)>,
    presence: PresenceConfig,
    http: Router,
    on_listening: Option<OnListening>,
}

type OnListening = Box<dyn FnOnce(&Server) + Send>;

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:4000".to_owned(),
            shards: None,
            file_tables: FileTables::default(),
            limits: Limits::default(),
            compression: None,
            tls: None,
            drain: Drain::default(),
            system: None,
            supervisor: None,
            sockets: Vec::new(),
            presence: PresenceConfig::new(),
            http: Router::new(),
            on_listening: None,
        }
    }
}

impl ServerBuilder {
    /// Where to listen: a host or address and a port. Port 0 takes any free one, which
    /// [`Server::address`] tells. Default `127.0.0.1:4000`.
    pub fn listen(mut self, address: impl ToString) -> Self {
        self.listen = address.to_string();
        self
    }

    /// How many threads serve connections. Default: one per core.
    pub fn shards(mut self, shards: NonZero<usize>) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Whether each shard has a table of descriptors of its own, so that the system's bound on
    /// open files (`ulimit -n`) holds for each shard and not for all together. One server in a
    /// process may have that. Default [`FileTables::Shared`]; what it costs is said at
    /// [`FileTables`].
    pub fn file_tables(mut self, tables: FileTables) -> Self {
        self.file_tables = tables;
        self
    }

    /// The bounds of the connection plane: frames, outboxes, time-outs, connections.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Compresses messages for clients that offer permessage-deflate, as browsers do. Off unless
    /// called: most messages are too short to gain, and compressing costs more than sending. A
    /// broadcast is compressed once for all its receivers, and no memory is kept per connection.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Puts every connection under TLS. Keep a clone to reload the certificate: open connections
    /// go on, new ones get the new certificate.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How connections are closed when the server stops.
    pub fn drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// Where actors run. Default: the current system.
    pub fn system(mut self, system: System) -> Self {
        self.system = Some(system);
        self
    }

    /// The application's supervision tree, started before the first client can connect and
    /// stopped after the last one has gone.
    pub fn supervise(mut self, supervisor: SupervisorBuilder) -> Self {
        self.supervisor = Some(supervisor);
        self
    }

    /// Mounts a socket: at `/socket`, clients connect to `/socket/websocket`. A segment of the
    /// path may be a variable, as in `/ws/:user_id`, whose value becomes a connect param.
    pub fn socket(mut self, path: &str, socket: Socket) -> Self {
        self.sockets.push((path.to_owned(), socket));
        self
    }

    /// The bounds of presence, and the hook that adds members to its entries.
    pub fn presence(mut self, config: PresenceConfig) -> Self {
        self.presence = config;
        self
    }

    /// Answers every other request, but for `/health`.
    pub fn http(mut self, router: Router) -> Self {
        self.http = router;
        self
    }

    /// Is called once clients can connect. With [`run`](Self::run), signals are watched by then.
    pub fn on_listening(mut self, hook: impl FnOnce(&Server) + Send + 'static) -> Self {
        self.on_listening = Some(Box::new(hook));
        self
    }

    /// Starts the server. Needs a tokio runtime, on which HTTP handlers run.
    ///
    /// # Errors
    /// See [`ServerError`]; what had been started is stopped again.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or without a system.
    pub async fn start(self) -> Result<Server, ServerError> {
        let address = resolve(&self.listen).await?;
        let system = self.system.unwrap_or_else(System::current);
        let supervisor = match self.supervisor {
            Some(supervisor) => Some(
                supervisor
                    .start_in(&system)
                    .await
                    .map_err(ServerError::Supervisor)?,
            ),
            None => None,
        };
        let mut config = NetConfig::new(address);
        config.file_tables = self.file_tables;
        config.limits = self.limits;
        config.compression = self.compression;
        config.tls = self.tls;
        config.shards = self.shards.unwrap_or(config.shards);
        let protocol = ChannelsProtocol::new(system.clone(), self.sockets, config.shards.get())
            .presence(self.presence);
        let endpoint = protocol.endpoint().clone();
        let draining = Draining::default();
        let long_poll = protocol.long_poll();
        let router = http::router(self.http, draining.clone(), long_poll.clone());
        let runtime = tokio::runtime::Handle::current();
        let net = match vaxel_net::start(config, protocol, router, runtime) {
            Ok(net) => net,
            Err(error) => {
                if let Some(supervisor) = supervisor {
                    server::stop(&supervisor).await;
                }
                return Err(error.into());
            }
        };
        system.add_flusher(Arc::new(net.flusher()));
        tracing::info!(address = %net.address(), shards = net.shards().len(), "listening");
        let server = Server {
            system,
            supervisor,
            endpoint,
            net: Arc::new(net),
            draining,
            long_poll,
            drain: self.drain,
        };
        if let Some(hook) = self.on_listening {
            hook(&server);
        }
        Ok(server)
    }

    /// Starts the server and stops it on SIGTERM or SIGINT; returns when it has stopped.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn run(self) -> Result<(), ServerError> {
        let mut stop = Stop::new().map_err(ServerError::Signals)?;
        let server = self.start().await?;
        server.run_until(&mut stop).await;
        Ok(())
    }
}

async fn resolve(listen: &str) -> Result<SocketAddr, ServerError> {
    let failed = |source| ServerError::Listen {
        listen: listen.to_owned(),
        source,
    };
    let mut addresses = tokio::net::lookup_host(listen).await.map_err(failed)?;
    addresses
        .next()
        .ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
}
