//! Order and completeness under load: nothing is lost, nothing is doubled, nothing is mixed up.

mod support;

use std::net::TcpStream;
use std::sync::Arc;

use serde_json::json;
use support::client::ok;
use support::routes::{self, Gate};
use support::{Client, TestServer};
use tokio::sync::Semaphore;
use vaxel_channels::{
    Assigns, Channel, ChannelContext, Ignored, Joined, Limits, Payload, Refusal, Reply, Socket,
    Topic,
};

#[test]
fn events_of_one_channel_are_answered_in_the_order_sent() {
    let server = TestServer::start(routes::socket());
    let mut client = server.client();
    client.join("room:1", "1");
    for n in 0..2_000 {
        client.send(json!(["1", n.to_string(), "room:1", "echo", {"n": n}]));
    }
    for n in 0..2_000 {
        client.expect(json!([
            "1",
            n.to_string(),
            "room:1",
            "phx_reply",
            ok(json!({"n": n}))
        ]));
    }
}

#[test]
fn a_join_that_takes_its_time_holds_what_follows_and_not_the_others() {
    let gate = Arc::new(Semaphore::new(0));
    let server = TestServer::start(routes::socket_with(Assigns::new().with(Gate(gate.clone()))));
    let (mut client, mut other) = (server.client(), server.client());
    client.send(json!(["1", "1", "room:1", "phx_join", {"do": "wait"}]));
    client.send(json!(["1", "2", "room:1", "echo", {"n": 1}]));
    client.send(json!(["1", "3", "room:1", "phx_leave", {}]));
    other.join("room:1", "1");
    other.expect_nothing_before_echo("room:1", "1");
    gate.add_permits(1);
    client.expect(json!(["1", "1", "room:1", "phx_reply", ok(json!({}))]));
    client.expect(json!([
        "1",
        "2",
        "room:1",
        "phx_reply",
        ok(json!({"n": 1}))
    ]));
    client.expect(json!(["1", "3", "room:1", "phx_reply", ok(json!({}))]));
}

/// Takes one message at a time, and only when the gate lets it.
struct Slow(Gate);

impl Channel for Slow {
    type Params = Ignored;

    const MAILBOX: vaxel_actor::Mailbox = vaxel_actor::Mailbox::bounded(4);

    async fn join(
        _: &Topic,
        _: Ignored,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        let gate = cx.assigns().get::<Gate>().expect("the hook assigns it");
        Ok(Slow(gate.clone()).into())
    }

    async fn handle_in(
        &mut self,
        _: &str,
        payload: Payload,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        self.0.0.acquire().await.expect("the gate stays").forget();
        Ok(Reply::echo(payload))
    }
}

fn slow_server(limits: Limits) -> (TestServer, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let assigns = Assigns::new().with(Gate(gate.clone()));
    let socket = Socket::new()
        .connect(move |_| std::future::ready(Ok(assigns.clone())))
        .channel::<Slow>("slow:*")
        .limits(limits);
    (TestServer::start(socket), gate)
}

/// Sends 1,000 messages at a channel that does not move, lets it move once the connection has
/// been paused, and expects all answers in order.
fn pause_and_go_on(limits: Limits, padding: usize) {
    let (server, gate) = slow_server(limits);
    let mut client = server.client();
    client.send(json!(["1", "1", "slow:1", "phx_join", {}]));
    client.expect(json!(["1", "1", "slow:1", "phx_reply", ok(json!({}))]));
    let padding = "x".repeat(padding);
    let mut writer = Writer(client.stream().try_clone().expect("a socket"));
    let writing = std::thread::spawn(move || {
        for n in 0..1_000 {
            writer.send(&json!(["1", n.to_string(), "slow:1", "echo", {"n": n, "p": padding}]));
        }
        padding
    });
    while server.endpoint.counters().pauses == 0 {
        std::thread::yield_now();
    }
    gate.add_permits(1_000);
    let replies: Vec<_> = (0..1_000)
        .map(|n| client.next(&format!("answer {n}")))
        .collect();
    let padding = writing.join().expect("the writer does not panic");
    for (n, reply) in replies.into_iter().enumerate() {
        let expected = ok(json!({"n": n, "p": padding}));
        assert_eq!(
            reply,
            json!(["1", n.to_string(), "slow:1", "phx_reply", expected])
        );
    }
    assert_eq!(server.endpoint.counters().messages_received, 1_001);
}

struct Writer(TcpStream);

impl Writer {
    fn send(&mut self, message: &serde_json::Value) {
        use std::io::Write;
        let mut frame = Vec::new();
        let text = message.to_string();
        let key = [9, 8, 7, 6];
        vaxel_websocket::encode_masked(
            vaxel_websocket::Opcode::Text,
            text.as_bytes(),
            key,
            &mut frame,
        );
        self.0.write_all(&frame).expect("the server reads");
    }
}

#[test]
fn a_full_mailbox_pauses_the_connection_and_loses_nothing() {
    pause_and_go_on(Limits::default(), 10);
}

#[test]
fn too_many_messages_in_flight_pause_the_connection() {
    pause_and_go_on(
        Limits {
            messages_in_flight_max: 2,
            ..Limits::default()
        },
        10,
    );
}

#[test]
fn too_many_bytes_in_flight_pause_the_connection() {
    pause_and_go_on(
        Limits {
            bytes_in_flight_max: 3_000,
            ..Limits::default()
        },
        1_000,
    );
}

#[test]
fn a_broadcast_reaches_a_thousand_clients_once() {
    let server = TestServer::start(routes::socket());
    let mut clients: Vec<Client> = (0..1_000).map(|_| server.client()).collect();
    for client in &mut clients {
        client.join("room:all", "1");
    }
    for n in 0..3 {
        server
            .endpoint
            .broadcast("room:all", "bc", &json!({"n": n}));
    }
    for client in &mut clients {
        for n in 0..3 {
            client.expect(json!([null, null, "room:all", "bc", {"n": n}]));
        }
    }
    let counters = server.endpoint.counters();
    assert_eq!((counters.deliveries, counters.broadcasts), (3_000, 3));
    for client in &mut clients {
        client.expect_nothing_before_echo("room:all", "1");
    }
}

#[test]
fn a_broadcast_from_a_channel_reaches_all_others() {
    let server = TestServer::start(routes::socket());
    let mut clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
    for client in &mut clients {
        client.join("room:1", "1");
        client.join("room:2", "2");
    }
    clients[0].send(json!(["1", null, "room:1", "bcf", {"n": 1}]));
    for client in &mut clients[1..] {
        client.expect(json!([null, null, "room:1", "bcf", {"n": 1}]));
    }
    clients[0].expect_nothing_before_echo("room:1", "1");
    clients[0].send(json!(["1", null, "room:1", "bc", {"n": 2}]));
    for client in &mut clients {
        client.expect(json!([null, null, "room:1", "bc", {"n": 2}]));
    }
}

#[test]
fn a_broadcast_sent_after_a_joins_reply_arrives_after_it() {
    let server = TestServer::start(routes::socket());
    let (mut speaker, mut client) = (server.client(), server.client());
    speaker.join("room:1", "1");
    for n in 0..200 {
        let join_ref = n.to_string();
        client.send(json!([join_ref, join_ref, "room:1", "phx_join", {}]));
        speaker.send(json!(["1", null, "room:1", "bc", {"n": n}]));
        speaker.expect(json!([null, null, "room:1", "bc", {"n": n}]));
        let mut first = client.next("the reply");
        if first[3] == "bye" {
            first = client.next("the reply");
        }
        // The broadcast may have come too early for this join, but never between join and reply.
        assert_eq!(
            first,
            json!([join_ref, join_ref, "room:1", "phx_reply", ok(json!({}))])
        );
        client.send(json!([join_ref, "l", "room:1", "phx_leave", {}]));
        while client.next("the close")[3] != "phx_close" {}
    }
}

#[test]
fn actors_hear_broadcasts_too() {
    let server = TestServer::start(routes::socket());
    let mut client = server.client();
    client.join("room:1", "1");
    client.send(json!(["1", null, "room:1", "listen", "news"]));
    client.expect_nothing_before_echo("room:1", "1");
    server.endpoint.broadcast("news", "flash", &json!({"n": 1}));
    client.expect(json!(["1", null, "room:1", "heard", {"topic": "news", "payload": {"n": 1}}]));
}
