//! Starting, answering and stopping.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vaxel_actor::{Actor, ChildSpec, Context, ExitReason, Program, Supervisor};
use vaxel_channels::{Channel, ChannelContext, Ignored, Joined, Refusal, Socket, Topic};
use vaxel_server::{Server, ServerError};

const PATIENCE: Duration = Duration::from_secs(20);

/// A log of what happened in which order.
type Log = Arc<Mutex<Vec<String>>>;

/// Notes its own end.
struct Noted {
    name: &'static str,
    log: Log,
}

impl Actor for Noted {
    type Args = (&'static str, Log);

    async fn init((name, log): Self::Args, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        if name == "broken" {
            return Err(ExitReason::error("out of order"));
        }
        Ok(Self { name, log })
    }

    async fn terminate(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        self.log.lock().unwrap().push(self.name.to_owned());
    }
}

/// A channel that notes its end; the log is found by its topic.
struct Room(Log);

static LOGS: Mutex<Vec<(String, Log)>> = Mutex::new(Vec::new());

impl Channel for Room {
    type Params = Ignored;

    async fn join(
        topic: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        let logs = LOGS.lock().unwrap();
        let found = logs.iter().find(|(name, _)| *name == **topic);
        Ok(Room(found.expect("the test has left a log").1.clone()).into())
    }

    async fn terminate(&mut self, _: &ExitReason, _: &mut ChannelContext<'_, Self>) {
        self.0.lock().unwrap().push("room".to_owned());
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The answer to a request on a connection of its own.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = connect(address);
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Opens a WebSocket and joins `topic`.
fn join(address: SocketAddr, topic: &str) -> TcpStream {
    let mut stream = connect(address);
    let request = "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n\
        connection: upgrade\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    read_until(&mut stream, "\r\n\r\n");
    let text = format!(r#"["1","1","{topic}","phx_join",{{}}]"#);
    // A masked text frame whose key is zero.
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    stream.write_all(&frame).unwrap();
    read_until(&mut stream, r#""status":"ok","response":{}}]"#);
    stream
}

fn read_until(stream: &mut TcpStream, end: &str) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(end.as_bytes()) {
        stream.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
}

/// Reads the rest and returns the code of the close frame in front.
fn close_code(mut stream: TcpStream) -> u16 {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest[0], 0x88, "a close frame comes first: {rest:?}");
    u16::from_be_bytes([rest[2], rest[3]])
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn noted(name: &'static str, log: &Log) -> ChildSpec<Noted> {
    ChildSpec::new((name, log.clone()))
}

#[test]
fn health_and_the_applications_routes_are_answered() {
    Program::new().workers(1).run(async {
        let hello = axum::routing::get(async || "hello");
        let router = axum::Router::new().route("/hello", hello);
        let server = Server::builder()
            .listen("127.0.0.1:0")
            .http(router)
            .start()
            .await
            .unwrap();
        let address = server.address();
        let health = off_thread(move || get(address, "/health")).await;
        assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
        assert!(health.ends_with(r#"{"status":"ok"}"#), "{health}");
        assert!(
            off_thread(move || get(address, "/hello"))
                .await
                .ends_with("hello")
        );
        assert!(
            off_thread(move || get(address, "/nope"))
                .await
                .starts_with("HTTP/1.1 404 ")
        );
        server.shutdown().await;
        assert!(
            TcpStream::connect(address).is_err(),
            "nobody listens any more"
        );
    });
}

#[test]
fn a_taken_port_is_named_with_the_way_out() {
    Program::new().workers(1).run(async {
        let first = Server::builder()
            .listen("127.0.0.1:0")
            .start()
            .await
            .unwrap();
        let log = Log::default();
        let second = Server::builder()
            .listen(first.address())
            .supervise(Supervisor::one_for_one().child(noted("a", &log)))
            .start()
            .await;
        let error = second.err().expect("the port is taken");
        assert!(error.is_address_taken());
        let text = error.to_string();
        assert!(
            text.contains(&first.address().to_string()) && text.contains("stop"),
            "{text}"
        );
        assert_eq!(
            *log.lock().unwrap(),
            ["a"],
            "what had been started is stopped"
        );
    });
}

#[test]
fn an_address_that_is_none_is_named() {
    Program::new().workers(1).run(async {
        let error = Server::builder()
            .listen("nowhere")
            .start()
            .await
            .err()
            .unwrap();
        assert!(matches!(error, ServerError::Listen { .. }));
        assert!(error.to_string().contains("\"nowhere\""), "{error}");
    });
}

#[test]
fn an_address_of_another_machine_is_named_though_shards_were_being_made() {
    Program::new().workers(1).run(async {
        let server = Server::builder().listen("192.0.2.1:0");
        let started = server.shards(NonZero::new(2).unwrap()).start().await;
        let error = started.err().expect("the address is not here");
        assert!(error.to_string().contains("192.0.2.1"), "{error}");
    });
}

#[test]
fn a_tree_that_does_not_start_starts_no_server() {
    Program::new().workers(1).run(async {
        let log = Log::default();
        let tree = Supervisor::one_for_one()
            .child(noted("a", &log))
            .child(noted("broken", &log));
        let started = Server::builder()
            .listen("127.0.0.1:0")
            .supervise(tree)
            .start()
            .await;
        let error = started.err().expect("a child does not start");
        assert!(matches!(error, ServerError::Supervisor(_)), "{error}");
        assert_eq!(*log.lock().unwrap(), ["a"]);
    });
}

#[test]
fn a_shutdown_closes_clients_then_channels_then_the_tree_from_right_to_left() {
    Program::new().workers(2).run(async {
        let log = Log::default();
        LOGS.lock()
            .unwrap()
            .push(("room:shutdown".to_owned(), log.clone()));
        let tree = Supervisor::one_for_one()
            .child(noted("first", &log))
            .child(noted("second", &log))
            .child(noted("third", &log));
        let server = Server::builder()
            .listen("127.0.0.1:0")
            .supervise(tree)
            .socket("/socket", Socket::new().channel::<Room>("room:*"))
            .start()
            .await
            .unwrap();
        let address = server.address();
        let client = off_thread(move || join(address, "room:shutdown")).await;
        let closing = tokio::task::spawn_blocking(move || close_code(client));
        server.shutdown().await;
        assert_eq!(closing.await.unwrap(), 1012);
        assert_eq!(*log.lock().unwrap(), ["room", "third", "second", "first"]);
    });
}
