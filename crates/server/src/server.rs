//! A running server.

use std::net::SocketAddr;

use vaxel_actor::{SupervisorRef, System};
use vaxel_channels::{ChannelCounters, Endpoint};
use vaxel_net::{Drain, NetCounters, NetHandle};

use crate::builder::ServerBuilder;
use crate::error::ServerError;
use crate::http::Draining;
use crate::signal::Stop;

/// A running server. Dropping it closes all connections at once; [`shutdown`](Self::shutdown)
/// does so in order.
pub struct Server {
    system: System,
    supervisor: Option<SupervisorRef>,
    endpoint: Endpoint,
    net: NetHandle<vaxel_channels::Command>,
    draining: Draining,
    drain: Drain,
}
