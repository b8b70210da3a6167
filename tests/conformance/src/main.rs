//! The server that the conformance suites drive: the routes that the protocol's cases name.
//!
//! Prints `listening on http://ADDRESS` once clients can connect, and ends on SIGTERM. With
//! `--listen ADDRESS` it listens there. Without, it takes a free port below the range from which
//! the system numbers outgoing connections: a client that polls a closed port inside that range
//! can end up connected to itself.
//!
//! `/socket` is the mount of most cases; `/fast` is the same with an idle time-out of 200 ms.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use vaxel::prelude::*;

const FAST_IDLE_TIMEOUT: Duration = Duration::from_millis(200);
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Accepts everybody and does what each event asks for.
struct Room;

#[derive(Deserialize)]
#[serde(crate = "vaxel::serde")]
struct JoinRoom {
    /// What the join is answered with.
    reply: Option<vaxel::serde_json::Value>,
}

impl Channel for Room {
    type Params = JoinRoom;

    async fn join(
        _: &Topic,
        params: JoinRoom,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        Ok(match params.reply {
            Some(reply) => Joined::new(Room).reply(reply),
            None => Room.into(),
        })
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
        .on_listening(announce)
}

/// Runs on the given address or on the first free port.
async fn run() -> Result<(), ServerError> {
    let mut args = std::env::args().skip(1);
    if let (Some("--listen"), Some(listen)) = (args.next().as_deref(), args.next()) {
        return server(&listen).run().await;
    }
    // Servers of several suites start at the same time; different beginnings keep them apart.
    let count = PORTS.end - PORTS.start;
    let first = PORTS.start + std::process::id() as u16 % count;
    for port in (first..PORTS.end).chain(PORTS) {
        match server(&format!("127.0.0.1:{port}")).run().await {
            Err(error) if error.is_address_taken() => {}
            outcome => return outcome,
        }
    }
    unreachable!("twenty thousand ports are not all taken")
}

fn announce(server: &Server) {
    _ = writeln!(
        std::io::stdout(),
        "listening on http://{}",
        server.address()
    );
}

#[vaxel::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(std::io::stderr(), "vaxel-conformance: {error}");
            ExitCode::FAILURE
        }
    }
}
