//! Requests that are no WebSocket.

mod support;

use std::io::Read;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Extension, http::StatusCode};
use hyper::body::Frame;
use support::client::Client;
use support::{PATIENCE, Server};
use vaxel_net::{Limits, PeerAddress};
use vaxel_websocket::handshake::{client_request, encode_key};

fn server() -> Server {
    let router = Router::new()
        .route("/hello", get(async || "hello"))
        .route(
            "/peer",
            get(async |Extension(peer): Extension<PeerAddress>| peer.0.to_string()),
        )
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route(
            "/thread",
            get(async || std::thread::current().name().unwrap_or("").to_owned()),
        )
        .route(
            "/panic",
            get(async || -> StatusCode { std::panic::resume_unwind(Box::new("x")) }),
        )
        .layer(DefaultBodyLimit::disable());
    Server::with(Limits::default(), 1, router)
}

#[test]
fn a_connection_is_kept_for_further_requests() {
    let server = server();
    let mut client = Client::new(server.net.address());
    for _ in 0..3 {
        client.send(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
        assert_eq!(client.receive_http(), (200, b"hello".to_vec()));
    }
    client.send(b"GET /peer HTTP/1.1\r\nhost: x\r\n\r\n");
    let peer = client.stream.local_addr().unwrap().to_string();
    assert_eq!(client.receive_http(), (200, peer.into_bytes()));
    client.send(b"GET /missing HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client.receive_http().0, 404);
    let counters = server.net.counters();
    assert_eq!((counters.http_connections, counters.http_requests), (1, 5));
    assert_eq!(counters.connections_open, 1);
}

#[test]
fn requests_may_be_pipelined() {
    let server = server();
    let mut client = Client::new(server.net.address());
    client.send(&b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n".repeat(3));
    for _ in 0..3 {
        assert_eq!(client.receive_http(), (200, b"hello".to_vec()));
    }
}

#[test]
fn a_head_may_come_byte_by_byte() {
    let server = server();
    let mut client = Client::new(server.net.address());
    for byte in b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n" {
        client.send(&[*byte]);
    }
    assert_eq!(client.receive_http(), (200, b"hello".to_vec()));
}

#[test]
fn a_large_body_comes_through() {
    let server = server();
    let mut client = Client::new(server.net.address());
    let length = 3_000_000;
    let head = format!("POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    let mut bytes = head.into_bytes();
    bytes.resize(bytes.len() + length, b'b');
    for piece in bytes.chunks(50_001) {
        client.send(piece);
    }
    assert_eq!(
        client.receive_http(),
        (200, length.to_string().into_bytes())
    );
}

#[test]
fn handlers_do_not_run_on_the_shard() {
    let server = server();
    let mut client = Client::new(server.net.address());
    client.send(b"GET /thread HTTP/1.1\r\nhost: x\r\n\r\n");
    let (_, thread) = client.receive_http();
    assert!(!String::from_utf8(thread).unwrap().contains("shard"));
}

/// A body of three pieces, each the name of the thread that made it.
struct Pieces(usize);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0 += 1;
        let name = std::thread::current().name().unwrap_or("").to_owned();
        match self.0 {
            1..=3 => Poll::Ready(Some(Ok(Frame::data(format!("{name};").into())))),
            _ => Poll::Ready(None),
        }
    }
}

#[test]
fn streams_are_made_off_the_shard() {
    let router = Router::new().route("/stream", get(async || Body::new(Pieces(0))));
    let server = Server::with(Limits::default(), 1, router);
    let mut client = Client::new(server.net.address());
    client.send(b"GET /stream HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    client.stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("0\r\n\r\n"), "{answer}");
    assert_eq!(answer.matches(';').count(), 3, "{answer}");
    assert!(!answer.contains("shard"), "{answer}");
}

#[test]
fn a_handler_that_panics_answers_500() {
    let server = server();
    let mut client = Client::new(server.net.address());
    client.send(b"GET /panic HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client.receive_http(), (500, vec![]));
    client.send(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client.receive_http(), (200, b"hello".to_vec()));
    assert_eq!(server.net.counters().http_panics, 1);
}

#[test]
fn a_handler_ends_when_its_client_leaves() {
    struct Announce(mpsc::SyncSender<&'static str>);
    impl Drop for Announce {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }
    let (sender, receiver) = mpsc::sync_channel(1 << 10);
    let handler = async move || {
        sender.send("started").unwrap();
        let _announce = Announce(sender);
        std::future::pending::<&str>().await
    };
    let router = Router::new().route("/wait", get(handler));
    let server = Server::with(Limits::default(), 1, router);
    let mut client = Client::new(server.net.address());
    client.send(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok("started"));
    drop(client);
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok("dropped"));
}

#[test]
fn a_kept_connection_may_not_stay_silent_for_ever() {
    let router = Router::new().route("/hello", get(async || "hello"));
    let handshake_timeout = Duration::from_millis(100);
    let limits = Limits {
        handshake_timeout,
        ..Limits::default()
    };
    let server = Server::with(limits, 1, router);
    let mut client = Client::new(server.net.address());
    client.send(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client.receive_http().0, 200);
    client.expect_end();
}

#[test]
fn refusals_have_a_status_and_no_body() {
    let server = server();
    let upgrade = |path| client_request("x", path, &encode_key([7; 16]), &[], &[]);
    let old = String::from_utf8(upgrade("/echo"))
        .unwrap()
        .replace("version: 13", "version: 8");
    let cases: [(Vec<u8>, u16); 6] = [
        (upgrade("/refused"), 403),
        (old.into_bytes(), 426),
        (
            b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".to_vec(),
            400,
        ),
        (b"GET /echo HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), 400),
        (b"GET /deferred HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), 400),
    ];
    for (request, status) in cases {
        let mut client = Client::new(server.net.address());
        client.send(&request);
        assert_eq!(client.receive_http(), (status, vec![]));
        client.expect_end();
    }
    assert_eq!(server.net.counters().handshakes_refused, 6);
    assert_eq!(server.net.counters().handshakes, 0);
}
