//! Clients that send too much, too slowly, or do not read.

mod support;

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use support::client::{Client, Received, frame};
use support::{Command, PATIENCE, Server, wait_until};
use vaxel_net::{CloseReason, ConnectionId, Limits, OutboxPolicy, ShardHandle};
use vaxel_websocket::{Frame, Opcode};

const SHORT: Duration = Duration::from_millis(80);

#[test]
fn a_message_that_trickles_is_given_up() {
    let server = Server::with_limits(Limits {
        message_timeout: SHORT,
        ..Limits::default()
    });
    let mut client = server.connect();
    client.send_text("in time");
    client.expect_text("in time");
    let start = Instant::now();
    let bytes = frame(Opcode::Text, b"never whole");
    client.send(&bytes[..bytes.len() - 1]);
    assert_eq!(client.expect_close(1008), "message timeout");
    assert!(start.elapsed() >= SHORT);
    assert_eq!(server.closed(), CloseReason::MessageTimeout);
    assert_eq!(server.net.counters().message_timeouts, 1);
    server.assert_serves();
}

#[test]
fn pings_between_fragments_give_no_more_time() {
    // Longer than a busy machine makes a client wait for its turn.
    let server = Server::with_limits(Limits {
        message_timeout: 5 * SHORT,
        ..Limits::default()
    });
    let mut client = server.connect();
    let mut first = frame(Opcode::Text, b"first");
    first[0] &= 0x7f;
    client.send(&first);
    let start = Instant::now();
    loop {
        assert!(
            start.elapsed() < PATIENCE,
            "awaited the end of the message's time"
        );
        client.send_frame(Opcode::Ping, b"still there");
        match client.receive() {
            Received::Pong(_) => {}
            Received::Close(Some((1008, _))) => break,
            other => panic!("awaited pongs and a close frame, got {other:?}"),
        }
    }
    assert_eq!(server.closed(), CloseReason::MessageTimeout);
}

#[test]
fn a_flood_of_frames_waits_for_the_next_second_and_others_do_not() {
    let server = Server::with_limits(Limits {
        frames_per_second_max: 200,
        ..Limits::default()
    });
    let mut other = server.connect();
    let mut flood = server.connect();
    flood.send(&frame(Opcode::Text, b"flood").repeat(300));
    wait_until("a throttle", || server.net.counters().throttles == 1);
    other.send_text("not mine");
    other.expect_text("not mine");
    for _ in 0..300 {
        flood.expect_text("flood");
    }
}

#[test]
fn a_flood_of_bytes_waits_for_the_next_second() {
    let server = Server::with_limits(Limits {
        bytes_per_second_max: 100_000,
        ..Limits::default()
    });
    let mut flood = server.connect();
    for _ in 0..3 {
        flood.send(&frame(Opcode::Binary, &[7; 75_000]));
    }
    flood.send_text("after");
    for _ in 0..3 {
        assert_eq!(flood.receive(), Received::Binary(vec![7; 75_000]));
    }
    flood.expect_text("after");
    assert!(server.net.counters().throttles >= 1);
}

#[test]
fn a_turn_is_bounded() {
    let server = Server::with_limits(Limits {
        frames_per_turn_max: 10,
        ..Limits::default()
    });
    let mut client = server.connect();
    let numbers = (0..500).map(|number| frame(Opcode::Text, number.to_string().as_bytes()));
    client.send(&numbers.collect::<Vec<_>>().concat());
    for number in 0..500 {
        client.expect_text(&number.to_string());
    }
    assert!(server.net.counters().turns_cut >= 40);
    client.send_text("as usual");
    client.expect_text("as usual");
}

#[test]
fn connections_of_one_address_are_bounded() {
    let server = Server::with_limits(Limits {
        connections_per_address_max: 2,
        is_loopback_exempt: false,
        ..Limits::default()
    });
    let first = server.connect();
    let _second = server.connect();
    Client::new(server.net.address()).expect_end();
    assert_eq!(server.net.counters().connections_refused_address, 1);
    drop(first);
    server.closed();
    server.assert_serves();
}

#[test]
fn a_peer_that_is_half_open_is_forgotten() {
    let server = Server::with_limits(Limits {
        idle_timeout: SHORT,
        close_timeout: SHORT,
        ..Limits::default()
    });
    // It neither reads nor closes, like a machine without power.
    let _gone = server.connect();
    assert_eq!(server.closed(), CloseReason::Idle);
    wait_until("the end of the connection", || {
        server.net.counters().connections_open == 0
    });
    assert_eq!(server.net.counters().close_timeouts, 1);
}

#[test]
fn a_port_scan_leaves_nothing_behind() {
    let server = Server::new();
    for _ in 0..500 {
        drop(Client::new(server.net.address()));
    }
    server.assert_serves();
    wait_until("the end of the connections", || {
        server.net.counters().connections_open <= 1
    });
}

#[test]
fn a_request_whose_body_trickles_is_answered_with_408() {
    let limits = Limits {
        http_request_timeout: SHORT,
        ..Limits::default()
    };
    let router = Router::new().route("/", post(|body: String| async { body }));
    let server = Server::with(limits, 1, router);
    let mut client = Client::new(server.net.address());
    client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nsome");
    assert_eq!(client.receive_http().0, 408);
    assert_eq!(server.net.counters().http_timeouts, 1);
}

/// Frames that a client which does not read is sent.
const FRAME_BYTES: usize = 10_000;

fn numbered(number: usize) -> Frame {
    Frame::text(&format!("{number:0FRAME_BYTES$}"))
}

/// Sends numbered frames until `is_enough`; how many.
fn send_until(
    server: &Server,
    (id, shard): (ConnectionId, &ShardHandle<Command>),
    policy: OutboxPolicy,
    is_enough: impl Fn(&Server) -> bool,
) -> usize {
    let start = Instant::now();
    for number in 0.. {
        assert!(start.elapsed() < support::PATIENCE, "awaited a full outbox");
        shard
            .push(Command::SendWith(id, numbered(number), policy))
            .unwrap();
        server.outbox_bytes(id, shard);
        if is_enough(server) {
            return number + 1;
        }
    }
    unreachable!("numbers do not end")
}

/// The numbers of the frames that come, the last of which is known.
fn receive_until(client: &mut Client, last: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&last) {
        match client.receive() {
            Received::Text(text) => numbers.push(text.parse().unwrap()),
            other => panic!("awaited number {last}, got {other:?}"),
        }
    }
    assert!(numbers.is_sorted());
    numbers
}

#[test]
fn a_slow_client_gets_the_newest_of_a_kind() {
    let server = Server::new();
    let (mut client, id, shard) = server.connect_named();
    let policy = OutboxPolicy::Conflate { key: 1 };
    let sent = send_until(&server, (id, shard), policy, |server| {
        server.net.counters().frames_conflated >= 50
    });
    // What is half written, and the newest.
    assert!(server.outbox_bytes(id, shard) <= 2 * (FRAME_BYTES + 100));
    let numbers = receive_until(&mut client, sent - 1);
    assert_eq!(numbers.len(), sent - 50);
}

#[test]
fn a_slow_client_misses_what_may_be_missed() {
    let outbox_bytes_max = 200_000;
    let server = Server::with_limits(Limits {
        outbox_bytes_max,
        ..Limits::default()
    });
    let (mut client, id, shard) = server.connect_named();
    let sent = send_until(&server, (id, shard), OutboxPolicy::Drop, |server| {
        server.net.counters().frames_dropped >= 50
    });
    assert!(server.outbox_bytes(id, shard) <= outbox_bytes_max);
    let numbers = receive_until(&mut client, sent - 51);
    assert_eq!(numbers.len(), sent - 50);
    client.send_text("still open");
    client.expect_text("still open");
}

#[test]
fn kinds_without_end_close_a_slow_client() {
    let server = Server::with_limits(Limits {
        outbox_bytes_max: 200_000,
        ..Limits::default()
    });
    let (_client, id, shard) = server.connect_named();
    for key in 0..10_000 {
        let policy = OutboxPolicy::Conflate { key };
        shard
            .push(Command::SendWith(id, numbered(0), policy))
            .unwrap();
    }
    assert_eq!(server.closed(), CloseReason::SlowConsumer);
    server.assert_serves();
}
