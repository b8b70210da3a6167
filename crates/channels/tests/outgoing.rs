//! Broadcasts that go through channels, and events that come too often.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::client::{error, ok};
use support::{Client, TestServer};
use vaxel_channels::{
    Channel, ChannelContext, EventRate, Ignored, Joined, Payload, Refusal, Reply, Socket, Topic,
};
use vaxel_pubsub::Broadcast;

/// Takes a part in some of what is broadcast.
struct Filter;

impl Channel for Filter {
    type Params = Ignored;

    const INTERCEPT: &'static [&'static str] = &["changed", "secret", "crash"];
    const RATES: &'static [EventRate] = &[EventRate::new("rare", 2, Duration::from_secs(3_600))];

    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        Ok(Filter.into())
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        match event {
            "echo" | "rare" => return Ok(Reply::echo(payload)),
            "from" => cx.broadcast_from("changed", &payload),
            event => cx.broadcast(event, &payload),
        }
        Ok(Reply::none())
    }

    async fn handle_out(&mut self, broadcast: Broadcast, cx: &mut ChannelContext<'_, Self>) {
        match broadcast.event() {
            "changed" => {
                let mut payload: Value = broadcast.parse().expect("an object");
                payload["seen"] = true.into();
                cx.push("changed", &payload);
            }
            "crash" => panic!("crash"),
            _ => {}
        }
    }
}

fn joined(server: &TestServer, join_ref: &str) -> Client {
    let mut client = server.client();
    client.join("filter:1", join_ref);
    client
}

fn server() -> TestServer {
    TestServer::start(Socket::new().channel::<Filter>("filter:*"))
}

#[test]
fn an_intercepted_broadcast_arrives_as_the_channel_pushes_it_or_not_at_all() {
    let server = server();
    let (mut a, mut b) = (joined(&server, "1"), joined(&server, "9"));
    a.send(json!(["1", null, "filter:1", "changed", {"n": 1}]));
    let seen = json!({"n": 1, "seen": true});
    a.expect(json!(["1", null, "filter:1", "changed", seen]));
    b.expect(json!(["9", null, "filter:1", "changed", seen]));
    a.send(json!(["1", null, "filter:1", "secret", {}]));
    a.send(json!(["1", null, "filter:1", "plain", {}]));
    for client in [&mut a, &mut b] {
        client.expect(json!([null, null, "filter:1", "plain", {}]));
    }
    a.send(json!(["1", null, "filter:1", "from", {"n": 2}]));
    b.expect(json!(["9", null, "filter:1", "changed", {"n": 2, "seen": true}]));
    a.expect_nothing_before_echo("filter:1", "1");
}

#[test]
fn a_crash_in_the_hook_is_its_own_channels() {
    let server = server();
    let mut client = joined(&server, "1");
    server.endpoint.broadcast("filter:1", "crash", &json!({}));
    client.expect(json!(["1", "1", "filter:1", "phx_error", {"reason": "channel_crash"}]));
}

#[test]
fn an_event_beyond_its_rate_is_refused_and_says_when_to_try_again() {
    let server = server();
    let (mut client, mut other) = (joined(&server, "1"), joined(&server, "1"));
    for n in ["2", "3"] {
        client.send(json!(["1", n, "filter:1", "rare", {}]));
        client.expect(json!(["1", n, "filter:1", "phx_reply", ok(json!({}))]));
    }
    client.send(json!(["1", "4", "filter:1", "rare", {}]));
    let refused = client.next("the refusal");
    let response = &refused[4]["response"];
    assert_eq!(response["reason"], "rate limited");
    let retry_after_ms = response["retry_after_ms"].as_u64().unwrap();
    assert!(
        (1_700_000..=1_800_000).contains(&retry_after_ms),
        "{retry_after_ms}"
    );
    client.expect_nothing_before_echo("filter:1", "1");
    other.send(json!(["1", "2", "filter:1", "rare", {}]));
    other.expect(json!(["1", "2", "filter:1", "phx_reply", ok(json!({}))]));
    assert_eq!(server.endpoint.counters().events_rate_limited, 1);
}

#[test]
#[should_panic(expected = "no topic reaches the route \"room:lobby\"")]
fn a_route_that_is_never_reached_is_a_mistake() {
    let _ = Socket::new()
        .channel::<Filter>("room:*")
        .channel::<Filter>("room:lobby");
}

#[test]
fn the_order_that_reaches_every_route_is_none() {
    let server = TestServer::start(
        Socket::new()
            .channel::<Filter>("room:lobby")
            .channel::<Filter>("room:*"),
    );
    let mut client = server.client();
    client.join("room:lobby", "1");
    client.send(json!(["2", "2", "lobby", "phx_join", {}]));
    client.expect(json!([
        null,
        "2",
        "lobby",
        "phx_reply",
        error("unmatched topic")
    ]));
}
