//! What happens at each bound.

mod support;

use std::time::{Duration, Instant};

use support::client::{Client, Received};
use support::{Command, Event, Server};
use vaxel_net::{CloseReason, Limits};
use vaxel_websocket::{Frame, Opcode};

const SHORT: Duration = Duration::from_millis(80);

#[test]
fn a_silent_handshake_is_dropped() {
    let server = Server::with_limits(Limits {
        handshake_timeout: SHORT,
        ..Limits::default()
    });
    let start = Instant::now();
    let mut silent = Client::new(server.net.address());
    let mut slow = Client::new(server.net.address());
    slow.send(b"GET /echo HTTP/1.1\r\nhost: x\r\n");
    silent.expect_end();
    slow.expect_end();
    assert!(start.elapsed() >= SHORT);
    assert_eq!(server.net.counters().handshake_timeouts, 2);
    assert_eq!(server.net.counters().connections_open, 0);
    server.assert_serves();
}

#[test]
fn a_decision_that_never_comes_is_a_handshake_timeout() {
    let server = Server::with_limits(Limits {
        handshake_timeout: SHORT,
        ..Limits::default()
    });
    let mut client = Client::new(server.net.address());
    client.send(&Client::request("/deferred"));
    client.expect_end();
    assert_eq!(server.net.counters().handshake_timeouts, 1);
}

#[test]
fn an_idle_connection_is_closed_with_1001() {
    let server = Server::with_limits(Limits {
        idle_timeout: SHORT,
        ..Limits::default()
    });
    let start = Instant::now();
    let mut client = server.connect();
    client.expect_close(1001);
    assert!(start.elapsed() >= SHORT);
    assert_eq!(server.closed(), CloseReason::Idle);
    assert_eq!(server.net.counters().idle_timeouts, 1);
}

#[test]
fn a_client_that_does_not_close_is_dropped() {
    let server = Server::with_limits(Limits {
        close_timeout: SHORT,
        ..Limits::default()
    });
    let mut client = server.connect();
    client.send_text("close");
    client.expect_close(4000);
    // The client keeps its side open; the server must not.
    let start = Instant::now();
    while server.net.counters().connections_open > 0 {
        assert!(
            start.elapsed() < support::PATIENCE,
            "awaited the drop of the connection"
        );
        std::thread::yield_now();
    }
    assert_eq!(server.net.counters().close_timeouts, 1);
}

#[test]
fn a_head_too_big_is_refused() {
    let server = Server::new();
    let mut client = Client::new(server.net.address());
    client.send(b"GET / HTTP/1.1\r\n");
    client.send(format!("x: {}\r\n", "y".repeat(17 << 10)).as_bytes());
    assert_eq!(client.receive_http(), (431, vec![]));
    client.expect_end();
    assert_eq!(server.net.counters().http_heads_too_big, 1);
}

#[test]
fn connections_in_total_are_bounded() {
    let server = Server::with_limits(Limits {
        connections_max: 2,
        ..Limits::default()
    });
    let first = server.connect();
    let _second = server.connect();
    Client::new(server.net.address()).expect_end();
    assert_eq!(server.net.counters().connections_refused_total, 1);
    drop(first);
    server.closed();
    server.assert_serves();
}

#[test]
fn a_client_that_never_reads_is_closed_and_others_are_served() {
    let outbox_bytes_max = 256 << 10;
    let server = Server::with_limits(Limits {
        outbox_bytes_max,
        ..Limits::default()
    });
    let (mut slow, slow_id, shard) = server.connect_named();
    let (mut other, _, _) = server.connect_named();
    let frame = Frame::text(&"z".repeat(10_000));
    let mut sent = 0;
    let mut is_closed = false;
    // The kernel's buffers fill first, then the outbox.
    while !is_closed {
        assert!(
            sent < 10_000,
            "awaited the end of a connection that does not read"
        );
        shard.push(Command::Broadcast(frame.clone())).unwrap();
        shard.push(Command::Probe(slow_id)).unwrap();
        sent += 1;
        other.expect_text(&"z".repeat(10_000));
        loop {
            match server.event("the bytes of an outbox") {
                Event::Outbox(bytes) => break assert!(bytes <= outbox_bytes_max, "{bytes}"),
                Event::Closed(CloseReason::SlowConsumer) => is_closed = true,
                other => panic!("awaited the end of the slow connection, got {other:?}"),
            }
        }
    }
    assert_eq!(server.net.counters().slow_consumers, 1);
    server.assert_serves();

    // When it reads at last it finds whole frames and the reason.
    let mut received = 0;
    loop {
        match slow.receive() {
            Received::Text(_) => received += 1,
            Received::Close(Some((code, reason))) => {
                assert_eq!((code, reason.as_str()), (1008, "slow consumer"));
                break;
            }
            other => panic!("awaited frames and a close frame, got {other:?}"),
        }
    }
    assert!(received > 0 && received < sent, "{received} of {sent}");
    assert_eq!(slow.receive(), Received::End);
}

#[test]
fn pings_of_a_client_that_never_reads_are_bounded_too() {
    let limits = Limits {
        outbox_bytes_max: 64 << 10,
        ..Limits::default()
    };
    let server = Server::with_limits(limits);
    let client = server.connect();
    let mut stream = client.stream.try_clone().unwrap();
    let pings = support::client::frame(Opcode::Ping, &[1; 125]).repeat(100);
    let writer = std::thread::spawn(move || {
        // Ends when the server has had enough and the client is dropped.
        while std::io::Write::write_all(&mut stream, &pings).is_ok() {}
    });
    assert_eq!(server.closed(), CloseReason::SlowConsumer);
    client.stream.shutdown(std::net::Shutdown::Both).unwrap();
    writer.join().unwrap();
    server.assert_serves();
}
