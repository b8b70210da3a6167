//! Frames in, frames out.

mod support;

use std::sync::atomic::Ordering::SeqCst;

use support::client::{Client, Received, frame};
use support::{Command, Event, Server, wait_until};
use vaxel_net::CloseReason;
use vaxel_websocket::{CloseCode, Frame, Opcode, ProtocolError};

#[test]
fn messages_of_all_sizes_come_back() {
    let server = Server::new();
    let mut client = server.connect();
    for length in [0, 1, 125, 126, 65_535, 65_536, 128 << 10] {
        let text = "x".repeat(length);
        client.send_text(&text);
        client.expect_text(&text);
        client.send_frame(Opcode::Binary, text.as_bytes());
        assert_eq!(client.receive(), Received::Binary(text.into_bytes()));
    }
    let counters = server.net.counters();
    assert_eq!((counters.frames_in, counters.frames_out), (14, 14));
    assert_eq!(
        (counters.websockets_open, counters.connections_open),
        (1, 1)
    );
}

#[test]
fn bytes_may_come_one_by_one() {
    let server = Server::new();
    let mut client = Client::new(server.net.address());
    let mut bytes = Client::request("/echo");
    bytes.extend(frame(Opcode::Text, "first ä".as_bytes()));
    bytes.extend(frame(Opcode::Text, &[b'y'; 200]));
    for byte in bytes {
        client.send(&[byte]);
    }
    client.expect_upgraded();
    client.expect_text("first ä");
    client.expect_text(&"y".repeat(200));
}

#[test]
fn many_frames_may_come_in_one_segment() {
    let server = Server::new();
    let mut client = Client::new(server.net.address());
    let mut bytes = Client::request("/echo");
    for number in 0..500 {
        bytes.extend(frame(Opcode::Text, number.to_string().as_bytes()));
    }
    client.send(&bytes);
    client.expect_upgraded();
    for number in 0..500 {
        client.expect_text(&number.to_string());
    }
}

#[test]
fn fragments_are_put_together_around_a_ping() {
    let server = Server::new();
    let mut client = server.connect();
    let mut first = frame(Opcode::Text, b"frag");
    first[0] &= 0x7f;
    client.send(&first);
    client.send_frame(Opcode::Ping, b"hello");
    client.send_frame(Opcode::Continuation, b"ments");
    assert_eq!(client.receive(), Received::Pong(b"hello".to_vec()));
    client.expect_text("fragments");
}

#[test]
fn a_close_frame_is_answered_with_its_code() {
    let server = Server::new();
    let mut client = server.connect();
    client.send_frame(Opcode::Close, &1000u16.to_be_bytes());
    client.expect_close(1000);
    assert_eq!(server.closed(), CloseReason::Peer(Some(CloseCode::NORMAL)));
    let mut client = server.connect();
    client.send_frame(Opcode::Close, b"");
    assert_eq!(client.receive(), Received::Close(None));
    assert_eq!(client.receive(), Received::End);
    assert_eq!(server.closed(), CloseReason::Peer(None));
}

#[test]
fn a_client_that_just_leaves_is_noticed() {
    let server = Server::new();
    drop(server.connect());
    assert_eq!(server.closed(), CloseReason::Gone);
    assert_eq!(server.net.counters().websockets_open, 0);
}

#[test]
fn violations_are_closed_with_their_code() {
    let server = Server::new();
    let unmasked = Frame::text("x").as_bytes().to_vec();
    let too_big = frame(Opcode::Binary, &vec![0; (128 << 10) + 1]);
    let cases = [
        (frame(Opcode::Text, b"\xff"), 1007, ProtocolError::Utf8),
        (unmasked, 1002, ProtocolError::Unmasked),
        (
            too_big,
            1009,
            ProtocolError::FrameTooBig {
                bytes: (128 << 10) + 1,
                bytes_max: 128 << 10,
            },
        ),
        (vec![0x83], 1002, ProtocolError::Opcode(3)),
    ];
    for (bytes, code, error) in cases {
        let mut client = server.connect();
        client.send(&bytes);
        assert_eq!(client.expect_close(code), error.to_string());
        assert_eq!(server.closed(), CloseReason::Protocol(error));
    }
    let counters = server.net.counters();
    assert_eq!(
        (counters.protocol_errors, counters.messages_too_big),
        (3, 1)
    );
}

#[test]
fn what_comes_before_a_violation_is_answered() {
    let server = Server::new();
    let mut client = server.connect();
    let mut bytes = frame(Opcode::Text, b"good");
    bytes.extend(frame(Opcode::Text, b"\xff"));
    client.send(&bytes);
    client.expect_text("good");
    client.expect_close(1007);
}

#[test]
fn the_protocol_closes_with_its_own_code() {
    let server = Server::new();
    let mut client = server.connect();
    client.send_text("close");
    assert_eq!(client.expect_close(4000), "as you wish");
    assert_eq!(server.closed(), CloseReason::Local(CloseCode(4000)));
    let (mut client, id, shard) = server.connect_named();
    shard
        .push(Command::Close(id, CloseCode::GOING_AWAY))
        .unwrap();
    assert_eq!(client.expect_close(1001), "told to");
    assert_eq!(server.closed(), CloseReason::Local(CloseCode::GOING_AWAY));
}

#[test]
fn the_server_never_begins_a_close_with_1000() {
    let server = Server::new();
    let (mut client, id, shard) = server.connect_named();
    shard.push(Command::Close(id, CloseCode::NORMAL)).unwrap();
    assert_eq!(client.expect_close(1001), "told to");
}

#[test]
fn a_panic_costs_its_own_connection_only() {
    let server = Server::new();
    let (mut other, id, shard) = server.connect_named();
    let mut client = server.connect();
    client.send_text("panic");
    client.expect_close(1011);
    shard.push(Command::Panic).unwrap();
    shard.push(Command::Send(id, "alive".into())).unwrap();
    other.expect_text("alive");
    assert_eq!(
        server.closed(),
        CloseReason::Local(CloseCode::INTERNAL_ERROR)
    );
    assert_eq!(server.net.counters().protocol_panics, 2);
}

#[test]
fn commands_reach_a_sleeping_shard() {
    let server = Server::new();
    let (mut client, id, shard) = server.connect_named();
    let start = std::time::Instant::now();
    // The shard sleeps sooner or later, unless the client is always quicker.
    while server.net.counters().wakes == 0 {
        assert!(
            start.elapsed() < support::PATIENCE,
            "awaited a wake of the shard"
        );
        for number in 0..10 {
            shard.push(Command::Send(id, number.to_string())).unwrap();
            client.expect_text(&number.to_string());
        }
    }
    drop(client);
    server.closed();
    // Names a connection that is gone, and perhaps a slot that is used again.
    shard.push(Command::Send(id, "nobody".into())).unwrap();
    server.assert_serves();
}

#[test]
fn a_broadcast_reaches_everybody_in_order() {
    let server = Server::with(Default::default(), 2, axum::Router::new());
    let mut clients: Vec<_> = (0..20).map(|_| server.connect_named().0).collect();
    for number in 0..50 {
        for shard in server.net.shards() {
            shard
                .push(Command::Broadcast(Frame::text(&number.to_string())))
                .unwrap();
        }
    }
    for client in &mut clients {
        for number in 0..50 {
            client.expect_text(&number.to_string());
        }
    }
}

#[test]
fn a_pause_loses_nothing() {
    let server = Server::new();
    let mut client = server.connect();
    server.is_full.store(true, SeqCst);
    let writer = {
        let mut stream = client.stream.try_clone().unwrap();
        std::thread::spawn(move || {
            for number in 0..5_000 {
                let text = format!("{number} {}", "x".repeat(1_000));
                std::io::Write::write_all(&mut stream, &frame(Opcode::Text, text.as_bytes()))
                    .unwrap();
            }
        })
    };
    wait_until("a pause", || server.net.counters().pauses > 3);
    let before = server.net.counters().passes;
    wait_until("more pauses", || server.net.counters().pauses > 20);
    // Unread input must not keep the shard busy: it looks up about once for each offer.
    assert!(
        server.net.counters().passes - before < 200,
        "spins while paused"
    );
    assert_eq!(server.net.counters().frames_in, 1, "read on while paused");
    server.assert_paused_memory_is_bounded();
    server.is_full.store(false, SeqCst);
    for number in 0..5_000 {
        client.expect_text(&format!("{number} {}", "x".repeat(1_000)));
    }
    writer.join().unwrap();
}

impl Server {
    /// Five megabytes are on their way, but the shard reads at most once more than it needs.
    fn assert_paused_memory_is_bounded(&self) {
        assert!(self.net.counters().bytes_in <= 128 << 10);
    }
}

#[test]
fn garbage_harms_nobody() {
    let server = Server::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut garbage = |length: usize| -> Vec<u8> {
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    };
    for round in 0..100 {
        let mut client = Client::new(server.net.address());
        if round % 2 == 0 {
            client.upgrade("/echo");
        }
        // The server may have had enough before everything is sent.
        let _ = std::io::Write::write_all(&mut client.stream, &garbage(round * 37));
    }
    server.assert_serves();
}

#[test]
fn deferred_requests_are_decided_by_a_command() {
    let server = Server::new();
    let mut client = Client::new(server.net.address());
    let mut bytes = Client::request("/deferred");
    bytes.extend(frame(Opcode::Text, b"early"));
    client.send(&bytes);
    let Event::Deferred(id, shard) = server.event("a deferred request") else {
        panic!()
    };
    server.net.shards()[shard]
        .push(Command::Decide(id, true))
        .unwrap();
    client.expect_upgraded();
    client.expect_text("welcome");
    client.expect_text("early");

    let mut client = Client::new(server.net.address());
    client.send(&Client::request("/deferred"));
    server.opened();
    let Event::Deferred(id, shard) = server.event("a deferred request") else {
        panic!()
    };
    server.net.shards()[shard]
        .push(Command::Decide(id, false))
        .unwrap();
    assert_eq!(client.receive_http(), (401, vec![]));
    client.expect_end();
}
