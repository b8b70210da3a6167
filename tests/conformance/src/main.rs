//! The server that the conformance suites drive: the routes that the protocol's cases name.
//!
//! Prints `listening on http://ADDRESS` once clients can connect, and ends on SIGTERM. With
//! `--listen ADDRESS` it listens there. Without, it takes a free port below the range from which
//! the system numbers outgoing connections: a client that polls a closed port inside that range
//! can end up connected to itself.
//!
//! `/socket` is the mount of most cases; `/fast` is the same with an idle time-out of 200 ms;
//! `/auth` reads auth tokens, `/session` sessions, and `/hook` has a connect hook that does what
//! its params say; the window of long polls is 200 ms at `/quick` and 10 s elsewhere. The channel
//! `seen:*` shows what the hook was given. `GET /page` gives a session and its CSRF token, as a
//! page would.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use vaxel::Compression;
use vaxel::axum::Router;
use vaxel::axum::response::IntoResponse;
use vaxel::axum::routing::get;
use vaxel::prelude::*;
use vaxel::serde_json::Value;

const FAST_IDLE_TIMEOUT: Duration = Duration::from_millis(200);
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Accepts everybody and does what each event asks for.
struct Room;

#[derive(Deserialize)]
#[serde(crate = "vaxel::serde")]
struct JoinRoom {
    /// What the join is answered with.
    reply: Option<Value>,
}

impl Channel for Room {
    type Params = JoinRoom;

    const INTERCEPT: &'static [&'static str] = &["marked"];

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
            "marked" => {
                cx.broadcast(event, &payload);
                Ok(Reply::none())
            }
            "bc" | "shout" => {
                cx.broadcast(event, &payload);
                Ok(Reply::ok(json!({})))
            }
            "bin" => Ok(Reply::bytes("ok", [1, 2, 3, 4])),
            "pbin" => {
                cx.push_bytes("pbin", [9]);
                Ok(Reply::none())
            }
            "bbin" => {
                cx.broadcast_bytes("bbin", [8, 8]);
                Ok(Reply::none())
            }
            "disconnect" => {
                cx.endpoint().disconnect(&payload.parse::<String>()?);
                Ok(Reply::none())
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

    async fn handle_out(&mut self, broadcast: Broadcast, cx: &mut ChannelContext<'_, Self>) {
        if let Ok(Value::Object(mut payload)) = broadcast.parse() {
            payload.insert("marked".to_owned(), Value::Bool(true));
            cx.push(broadcast.event(), &payload);
        }
    }
}

/// Keeps the last few broadcasts for those who come back.
struct Kept;

impl Channel for Kept {
    type Params = Ignored;

    const RESUME: Option<Window> = Some(Window {
        broadcasts_max: 8,
        ..Window::DEFAULT
    });

    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        Ok(Kept.into())
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        match event {
            "say" => cx.broadcast("said", &payload),
            "say to others" => cx.broadcast_from("said", &payload),
            _ => return Err(Refusal::new("unknown event")),
        }
        Ok(Reply::ok(json!({})))
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

/// What a connect hook was given.
struct Seen(Value);

/// Answers its join with what the connect hook was given.
struct Show;

impl Channel for Show {
    type Params = Ignored;

    async fn join(
        _: &Topic,
        _: Ignored,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        let seen = cx.assigns().get::<Seen>().map(|seen| &seen.0);
        Ok(Joined::new(Show).reply(seen))
    }
}

/// Shows its client under the key it gives.
struct Here;

#[derive(Deserialize)]
#[serde(crate = "vaxel::serde")]
struct Visitor {
    key: Option<String>,
    meta: Option<Value>,
}

impl Channel for Here {
    type Params = Visitor;

    async fn join(
        _: &Topic,
        visitor: Visitor,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        let meta = visitor.meta.unwrap_or_else(|| json!({}));
        match visitor.key {
            Some(key) => cx.presence().track(&key, &meta)?,
            None => cx.presence().push_state(),
        }
        Ok(Here.into())
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        let Visitor { key, meta } = payload.parse()?;
        let key = key.unwrap_or_default();
        match event {
            "update" => cx.presence().update(&key, &meta)?,
            "untrack" => _ = cx.presence().untrack(&key),
            _ => return Err(Refusal::new("unknown event")),
        }
        Ok(Reply::ok(json!({})))
    }
}

/// Decides as the params say, and remembers what it was given.
async fn decide(request: ConnectRequest) -> Result<Assigns, Refusal> {
    if request.param("reject").is_some() {
        return Err(Refusal::new("rejected"));
    }
    if let Some(status) = request.param("status") {
        let status = status.parse().unwrap_or(403);
        return Err(Refusal::new("rejected").with_status(status));
    }
    let seen = json!({
        "params": request.params,
        "token": request.auth_token,
        "user": request.session.as_ref().and_then(|session| session.get("user")),
    });
    let assigns = Assigns::new().with(Seen(seen));
    Ok(match request.param("id") {
        Some(id) => assigns.with_socket_id(id),
        None => assigns,
    })
}

/// A page that begins a session and carries its CSRF token.
fn page(sessions: &Sessions) -> impl IntoResponse + use<> {
    let mut session = sessions.begin();
    session.insert("user".to_owned(), json!("ada"));
    let cookie = sessions.set_cookie(&session);
    let token = sessions.csrf_token(&session).unwrap_or_default();
    ([("set-cookie", cookie)], token)
}

/// Quick enough to watch a window go by.
fn quick() -> PollConfig {
    PollConfig {
        window: Duration::from_millis(200),
        ..PollConfig::default()
    }
}

fn socket() -> Socket {
    Socket::new()
        .long_poll(PollConfig::default())
        .channel::<Room>("room:*")
        .channel::<Deny>("deny:*")
        .channel::<Crash>("crash:*")
        .channel::<Here>("presence:*")
        .channel::<Show>("seen:*")
        .channel::<Kept>("kept:*")
}

fn server(listen: &str) -> vaxel::ServerBuilder {
    let sessions = Sessions::new([7; 32]);
    Server::builder()
        .listen(listen)
        .compression(Compression::default())
        .socket("/socket", socket())
        .socket("/auth", socket().auth_token().connect(decide))
        .socket("/hook", socket().connect(decide))
        .socket("/quick", socket().long_poll(quick()))
        .socket("/hook/:user", socket().connect(decide))
        .socket(
            "/session",
            socket().session(sessions.clone()).connect(decide),
        )
        .http(Router::new().route("/page", get(async move || page(&sessions))))
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
