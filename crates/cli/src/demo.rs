//! `vaxel demo`: one process that serves a page to talk, to watch, and to crash actors on.
//!
//! The page is in the binary ([`assets`]). Its socket has the rooms of the chat ([`room`]), the
//! samples of the dashboard ([`stats`]), the supervision tree ([`tree`]) and the order book of
//! `examples/orders` ([`floor`]). The tree holds a small telephone exchange whose workers pass
//! calls on ([`exchange`]), and the instruments that watch the server ([`sampler`], [`probe`],
//! [`board`]); a visitor may crash every one of them. What is said and traded outlives the process
//! where it is told in which folder ([`data`], [`talk`]).

pub(crate) mod args;
mod assets;
mod board;
mod data;
mod exchange;
mod floor;
mod probe;
mod room;
mod sampler;
mod shared;
mod stats;
mod talk;
mod tree;

use std::io::{IsTerminal, Write};
use std::num::NonZero;
use std::sync::Arc;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use vaxel::{Compression, NetLimits, Program, Server, Socket, Supervisor};

use args::DemoArgs;
use data::Data;
use shared::Shared;
use talk::Archive;

/// Serves the demo until the process is told to stop.
pub(crate) fn run(args: DemoArgs) -> anyhow::Result<()> {
    log();
    let mut program = Program::new();
    if let Some(workers) = args.workers {
        program = program.workers(usize::from(workers));
    }
    program.run(serve(args))
}

async fn serve(args: DemoArgs) -> anyhow::Result<()> {
    let data = Data::open(args.data.as_deref())?;
    // Held until the end, since a supervisor to which nobody refers ends.
    let _archive = match data.kept() {
        Some(kept) => {
            let archive = Archive::child(kept.clone()).name("talks");
            Some(Supervisor::one_for_one().child(archive).start().await?)
        }
        None => None,
    };
    let socket = socket(data.kept().is_some());
    let shared = Arc::new(Shared::new(data));
    let mut limits = NetLimits::default();
    limits.connections_max = args.connections_max.unwrap_or(limits.connections_max);
    let mut server = Server::builder()
        .listen(args.listen)
        .file_tables(args.file_tables.into())
        .limits(limits)
        .supervise(exchange::tree(&shared))
        .socket("/socket", socket)
        .http(assets::router())
        .on_listening(move |server| {
            shared.started(server);
            announce(server);
        });
    if args.compress {
        server = server.compression(Compression::default());
    }
    if let Some(shards) = args
        .shards
        .and_then(|shards| NonZero::new(usize::from(shards)))
    {
        server = server.shards(shards);
    }
    server.run().await.context("the demo cannot be served")
}

fn socket(is_kept: bool) -> Socket {
    let socket = match is_kept {
        true => Socket::new().channel::<room::KeptRoom>("room:*"),
        false => Socket::new().channel::<room::Room>("room:*"),
    };
    socket
        .channel::<floor::Floor>("floor:demo")
        .channel::<orders::Desk>("book:*")
        .channel::<stats::Live>("stats:live")
        .channel::<tree::Crashes>("tree:demo")
}

/// Where to look, for people and for programs that wait for the line.
fn announce(server: &Server) {
    let mut out = std::io::stdout();
    let is_plain = !out.is_terminal() || std::env::var_os("NO_COLOR").is_some();
    let (brass, calm) = if is_plain {
        ("", "")
    } else {
        ("\u{1b}[38;2;224;168;74m", "\u{1b}[0m")
    };
    // Nobody to tell is no reason to stop.
    _ = writeln!(
        out,
        "{brass}vaxel demo{calm}: a chat, a live dashboard, a supervision tree to crash\n\
         listening on {brass}http://{}{calm}\n\
         open it in two tabs; Ctrl-C ends it",
        server.address()
    );
}

/// Crashes that a visitor asked for are the show, not trouble; `RUST_LOG` shows them.
fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}
