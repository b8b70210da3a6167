//! The echo server that the Autobahn suite drives: text and binary messages over the connection
//! plane itself, permessage-deflate on, without channels.
//!
//! `--listen ADDRESS` says where, default `127.0.0.1:0`. Prints `listening on ws://ADDRESS` once
//! clients can connect, and ends on SIGTERM.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use tokio::signal::unix::{SignalKind, signal};
use vaxel_net::{
    Connection, Flow, Limits, NetConfig, Protocol, ShardHandle, ShardIo, Upgrade, UpgradeRequest,
};
use vaxel_websocket::Frame;
use vaxel_websocket::deflate::Compression;

/// The suite's largest messages are 16 MiB.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Answers every message with itself.
struct Echo;

impl Protocol for Echo {
    type Session = ();
    type Local = ();
    type Command = ();
    type Pass<'a> = ();

    fn local(&self, _: &ShardHandle<()>) {}

    fn pass(&self) {}

    fn upgrade(&self, (): &mut (), _: &UpgradeRequest<'_>) -> Upgrade<()> {
        Upgrade::Accept {
            session: (),
            subprotocol: None,
        }
    }

    fn text(&self, (): &mut (), connection: &mut Connection<'_, ()>, text: &str) -> Flow {
        connection.send(&Frame::text(text));
        Flow::Continue
    }

    fn binary(&self, (): &mut (), connection: &mut Connection<'_, ()>, payload: &[u8]) -> Flow {
        connection.send(&Frame::binary(payload));
        Flow::Continue
    }

    fn command(&self, (): &mut (), _: &mut ShardIo<()>, (): ()) {}
}

fn limits() -> Limits {
    Limits {
        frame_bytes_max: MESSAGE_BYTES_MAX,
        message_bytes_max: MESSAGE_BYTES_MAX,
        outbox_bytes_max: 2 * MESSAGE_BYTES_MAX,
        // The suite measures how fast one connection can be.
        frames_per_second_max: u32::MAX,
        bytes_per_second_max: usize::MAX,
        idle_timeout: Duration::from_secs(600),
        ..Limits::default()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let listen = match (args.next().as_deref(), args.next()) {
        (Some("--listen"), Some(listen)) => listen,
        _ => "127.0.0.1:0".to_owned(),
    };
    match serve(&listen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(io::stderr(), "vaxel-autobahn: {listen}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(listen: &str) -> io::Result<()> {
    let mut stop = signal(SignalKind::terminate())?;
    let mut config = NetConfig::new(listen.parse().map_err(io::Error::other)?);
    config.limits = limits();
    config.compression = Some(Compression::default());
    let runtime = tokio::runtime::Handle::current();
    let net = vaxel_net::start(config, Echo, Router::new(), runtime).map_err(io::Error::other)?;
    writeln!(io::stdout(), "listening on ws://{}", net.address())?;
    stop.recv().await;
    net.shutdown();
    Ok(())
}
