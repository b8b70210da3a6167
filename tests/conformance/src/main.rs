//! The server that the conformance suites drive: the routes that the protocol's cases name.
//!
//! Prints `listening on http://ADDRESS` once clients can connect, and ends on SIGTERM. With
//! `--listen ADDRESS` it listens there. Without, it takes a free port below the range from which
//! the system numbers outgoing connections: a client that polls a closed port inside that range
//! can end up connected to itself.
//!
//! `/socket` is the mount of most cases; `/fast` is the same with an idle time-out of 200 ms.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use vaxel::prelude::*;

const FAST_IDLE_TIMEOUT: Duration = Duration::from_millis(200);
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Accepts everybody and does what each event asks for.
struct Room;

impl Channel for Room {
    type Params = Ignored;

    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        Ok(Room.into())
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        match event {
            "echo" | "ping" => Ok(Reply::echo(payload)),
            "boom" | "crash" => panic!("{event} asks for it"),
            "quiet" => Ok(Reply::none()),
            "stop" => Ok(Reply::ok(json!({})).and_stop()),
            "bc" | "shout" => {
                cx.broadcast(event, &payload);
                Ok(Reply::ok(json!({})))
            }
            "bcf" => {
                cx.broadcast_from("bcf", &payload);
                Ok(Reply::ok(json!({})))
            }
            "push" => {
                cx.push("push", &payload);
                Ok(Reply::ok(json!({})))
            }
            _ => Err(Refusal::new("unknown event")),
        }
    }
}

/// Refuses everybody.
struct Deny;

impl Channel for Deny {
    type Params = Ignored;

    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        Err(Refusal::new("unauthorized"))
    }
}

/// Crashes in its join.
struct Crash;

impl Channel for Crash {
    type Params = Ignored;

    async fn join(
        topic: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        panic!("{topic} asks for it")
    }
}

fn socket() -> Socket {
    Socket::new()
        .channel::<Room>("room:*")
        .channel::<Deny>("deny:*")
        .channel::<Crash>("crash:*")
}

fn server(listen: &str) -> vaxel::ServerBuilder {
    Server::builder()
        .listen(listen)
        .socket("/socket", socket())
        .socket("/fast", socket().idle_timeout(FAST_IDLE_TIMEOUT))
}

/// Starts on the given address or on the first free port.
async fn start() -> Result<Server, ServerError> {
    let mut args = std::env::args().skip(1);
    if let (Some("--listen"), Some(listen)) = (args.next().as_deref(), args.next()) {
        return server(&listen).start().await;
    }
    // Servers of several suites start at the same time; different beginnings keep them apart.
    let first = std::process::id() as u16 % (PORTS.end - PORTS.start);
    let ports = (PORTS.start + first..PORTS.end).chain(PORTS);
    for port in ports {
        match server(&format!("127.0.0.1:{port}")).start().await {
            Err(error) if error.is_address_taken() => {}
            outcome => return outcome,
        }
    }
    unreachable!("twenty thousand ports are not all taken")
}

#[vaxel::main]
async fn main() -> ExitCode {
    let server = match start().await {
        Ok(server) => server,
        Err(error) => {
            _ = writeln!(std::io::stderr(), "vaxel-conformance: {error}");
            return ExitCode::FAILURE;
        }
    };
    _ = writeln!(
        std::io::stdout(),
        "listening on http://{}",
        server.address()
    );
    match server.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
