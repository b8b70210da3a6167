//! permessage-deflate on the whole way.

mod support;

use std::num::NonZero;

use axum::Router;
use support::client::{Client, Received, compressed_frame};
use support::{Command, Server, wait_until};
use vaxel_net::{CloseReason, Limits, NetConfig};
use vaxel_websocket::deflate::{Compression, Deflater};
use vaxel_websocket::{Frame, Opcode, ProtocolError};

const OFFER: &str = "permessage-deflate; client_max_window_bits";

fn server(limits: Limits) -> Server {
    let mut config = NetConfig::new("127.0.0.1:0".parse().unwrap());
    config.shards = NonZero::new(1).unwrap();
    config.limits = limits;
    config.compression = Some(Compression::default());
    Server::with_config(config, Router::new()).unwrap()
}

fn connect(server: &Server, offer: &str) -> (Client, Option<String>) {
    let mut client = Client::new(server.net.address());
    let chosen = client.upgrade_with("/echo", offer);
    (client, chosen)
}

#[test]
fn it_is_off_unless_asked_for() {
    let server = Server::new();
    let (mut client, chosen) = connect(&server, OFFER);
    assert_eq!(chosen, None);
    client.send(&compressed_frame(
        &[0; 1_000],
        &mut Deflater::new(Compression::default()),
    ));
    client.expect_close(1002);
    assert_eq!(
        server.closed(),
        CloseReason::Protocol(ProtocolError::ReservedBits)
    );
}

#[test]
fn messages_go_both_ways_compressed() {
    let server = server(Limits::default());
    let mut deflater = Deflater::new(Compression::default());
    let (mut client, chosen) = connect(&server, OFFER);
    assert_eq!(
        chosen.as_deref(),
        Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
    );
    for length in [0, 1, 500, 1_000, 100_000] {
        let payload: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
        client.send(&compressed_frame(&payload, &mut deflater));
        assert_eq!(client.receive(), Received::Binary(payload.clone()));
        client.send_frame(Opcode::Binary, &payload);
        assert_eq!(client.receive(), Received::Binary(payload));
    }
    // Frames are counted when they have been sent.
    let deflated = || server.net.counters().frames_deflated;
    wait_until("four compressed frames", || deflated() == 4);
    let counters = server.net.counters();
    assert_eq!(counters.frames_out, 10);
    assert!(counters.deflate_bytes_saved > 100_000, "{counters:?}");
}

#[test]
fn what_cannot_be_met_is_declined() {
    let server = server(Limits::default());
    for offer in [
        "x-webkit-deflate-frame",
        "permessage-deflate; server_max_window_bits=8",
    ] {
        let (mut client, chosen) = connect(&server, offer);
        assert_eq!(chosen, None, "{offer}");
        client.send_text("plain");
        client.expect_text("plain");
    }
    let (mut client, chosen) = connect(&server, "permessage-deflate; server_max_window_bits=9");
    assert!(chosen.unwrap().ends_with("; server_max_window_bits=9"));
    let text = "a window of 512 bytes ".repeat(1_000);
    client.send_text(&text);
    client.expect_text(&text);
}

#[test]
fn a_bomb_costs_its_own_connection_only() {
    let bytes_max = 1 << 20;
    let server = server(Limits {
        message_bytes_max: bytes_max,
        ..Limits::default()
    });
    let frame_bytes_max = Limits::default().frame_bytes_max;
    let (mut client, _) = connect(&server, OFFER);
    let bomb = compressed_frame(
        &vec![0; 8 << 20],
        &mut Deflater::new(Compression::default()),
    );
    assert!(bomb.len() < frame_bytes_max, "{}", bomb.len());
    client.send(&bomb);
    client.expect_close(1009);
    let error = ProtocolError::MessageTooBig { bytes_max };
    assert_eq!(server.closed(), CloseReason::Protocol(error));
    assert_eq!(server.net.counters().messages_too_big, 1);
    server.assert_serves();
}

#[test]
fn a_broadcast_is_compressed_once_for_all() {
    let server = server(Limits::default());
    let mut clients: Vec<_> = (0..20).map(|_| connect(&server, OFFER).0).collect();
    let mut plain = server.connect();
    for _ in 0..21 {
        server.opened();
    }
    let text = "to everybody ".repeat(100);
    let frame = Frame::text(&text).with_twin();
    server.net.shards()[0]
        .push(Command::Broadcast(frame))
        .unwrap();
    for client in clients.iter_mut().chain([&mut plain]) {
        client.expect_text(&text);
    }
    let deflated = || server.net.counters().frames_deflated;
    wait_until("twenty compressed frames", || deflated() == 20);
    assert_eq!(server.net.counters().deflates, 1);
}
