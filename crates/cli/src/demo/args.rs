//! The command line of `vaxel demo`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use crate::file_table::FileTable;

/// Where the demo listens when nothing else is said.
pub(crate) const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4000);

/// What can be told to the demo.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Address and port of the page and of its socket.
    #[arg(long, value_name = "ADDR", default_value_t = LISTEN_DEFAULT)]
    pub(crate) listen: SocketAddr,
    /// Threads that own sockets; one per core unless told otherwise.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) shards: Option<u16>,
    /// Whose table of open files connections are in; where `ulimit -n` cannot be raised, tables of
    /// their own let each shard hold that many.
    #[arg(long, value_enum, default_value_t = FileTable::Shared)]
    pub(crate) file_tables: FileTable,
    /// Connections that are accepted at most, all shards together.
    #[arg(long, value_name = "N")]
    pub(crate) connections_max: Option<usize>,
    /// Compress messages for clients that offer permessage-deflate, as browsers do.
    #[arg(long)]
    pub(crate) compress: bool,
    /// Threads that run actors; one per core unless told otherwise.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    /// Folder for what is said in the chat and traded in the order book, made if it is not there.
    /// Without it they are forgotten with the process.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}
