//! Channels that crash, are killed, stop, are replaced, or lose their client.

mod support;

use std::sync::Arc;

use serde_json::json;
use support::TestServer;
use support::client::{error, ok};
use support::routes::{self, Gate, Reports};
use tokio::sync::{Semaphore, mpsc};
use vaxel_channels::Assigns;

fn crash() -> serde_json::Value {
    json!({"reason": "channel_crash"})
}

#[test]
fn a_crash_is_told_to_its_own_channel_alone() {
    let server = TestServer::start(routes::socket());
    let (mut client, mut other) = (server.client(), server.client());
    client.join("room:1", "1");
    client.join("room:2", "2");
    other.join("room:1", "1");
    client.send(json!(["1", "3", "room:1", "boom", {}]));
    client.expect(json!(["1", "1", "room:1", "phx_error", crash()]));
    client.send(json!(["1", "4", "room:1", "echo", {}]));
    client.expect(json!([
        null,
        "4",
        "room:1",
        "phx_reply",
        error("unmatched topic")
    ]));
    client.expect_nothing_before_echo("room:2", "2");
    other.expect_nothing_before_echo("room:1", "1");
    client.join("room:1", "5");
    client.expect_nothing_before_echo("room:1", "5");
    assert_eq!(server.endpoint.counters().channels_crashed, 1);
}

#[test]
fn a_crashed_channel_gets_no_more_broadcasts() {
    let server = TestServer::start(routes::socket());
    let mut client = server.client();
    client.join("room:1", "1");
    client.join("room:2", "2");
    client.send(json!(["1", "3", "room:1", "boom", {}]));
    client.expect(json!(["1", "1", "room:1", "phx_error", crash()]));
    server.endpoint.broadcast("room:1", "bc", &1);
    server.endpoint.broadcast("room:2", "bc", &2);
    client.expect(json!([null, null, "room:2", "bc", 2]));
}

#[test]
fn a_killed_channel_and_one_that_stops_badly_show_as_crashes() {
    let server = TestServer::start(routes::socket());
    let mut client = server.client();
    client.join("room:1", "1");
    client.send(json!(["1", null, "room:1", "kill", {}]));
    client.expect(json!(["1", "1", "room:1", "phx_error", crash()]));
    client.join("room:1", "2");
    client.send(json!(["2", null, "room:1", "stop badly", {}]));
    client.expect(json!(["2", null, "room:1", "bye", {}]));
    client.expect(json!(["2", "2", "room:1", "phx_error", crash()]));
}

#[test]
fn a_channel_that_stops_without_an_answer_closes() {
    let server = TestServer::start(routes::socket());
    let mut client = server.client();
    client.join("room:1", "1");
    client.send(json!(["1", "2", "room:1", "stop quietly", {}]));
    client.expect(json!(["1", null, "room:1", "bye", {}]));
    client.expect(json!(["1", "1", "room:1", "phx_close", {}]));
}

#[test]
fn a_second_join_takes_the_place_of_the_first() {
    let server = TestServer::start(routes::socket());
    let mut client = server.client();
    client.join("room:1", "1");
    let again = json!(["7", "7", "room:1", "phx_join", {"do": "push"}]);
    client.send(again);
    client.expect(json!(["1", null, "room:1", "bye", {}]));
    client.expect(json!(["7", "7", "room:1", "phx_reply", ok(json!({}))]));
    client.expect(json!(["1", "1", "room:1", "phx_close", {}]));
    client.expect(json!(["7", null, "room:1", "hello", {"rest": "1"}]));
    server.endpoint.broadcast("room:1", "bc", &1);
    client.expect(json!([null, null, "room:1", "bc", 1]));
    client.send(json!(["1", "8", "room:1", "echo", {}]));
    client.expect_nothing_before_echo("room:1", "7");
    assert_eq!(server.endpoint.counters().channels_open, 1);
}

#[test]
fn a_second_join_that_fails_ends_the_first_all_the_same() {
    let server = TestServer::start(routes::socket());
    let mut client = server.client();
    for (what, reason) in [("refuse", "not now"), ("crash", "join crashed")] {
        client.join("room:1", "1");
        client.send(json!(["7", "7", "room:1", "phx_join", {"do": what}]));
        client.expect(json!(["1", null, "room:1", "bye", {}]));
        client.expect(json!(["7", "7", "room:1", "phx_reply", error(reason)]));
        client.expect(json!(["1", "1", "room:1", "phx_close", {}]));
        client.send(json!(["7", "8", "room:1", "echo", {}]));
        client.expect(json!([
            null,
            "8",
            "room:1",
            "phx_reply",
            error("unmatched topic")
        ]));
    }
    assert_eq!(server.endpoint.counters().channels_open, 0);
}

#[test]
fn a_second_join_waits_until_the_first_channel_has_ended() {
    let (server, gate, mut ends) = with_gate();
    let mut client = server.client();
    client.join("room:1", "1");
    client.send(json!(["1", "2", "room:1", "gate", {}]));
    client.send(json!(["7", "7", "room:1", "phx_join", {"do": "wait"}]));
    gate.add_permits(2);
    client.expect(json!(["1", "2", "room:1", "phx_reply", ok(json!({}))]));
    client.expect(json!(["1", null, "room:1", "bye", {}]));
    client.expect(json!(["7", "7", "room:1", "phx_reply", ok(json!({}))]));
    client.expect(json!(["1", "1", "room:1", "phx_close", {}]));
    assert_eq!(ends.blocking_recv().as_deref(), Some("room:1 shutdown"));
}

#[test]
fn a_leave_and_a_join_back_to_back_are_answered_both() {
    let server = TestServer::start(routes::socket());
    let mut client = server.client();
    client.join("room:1", "1");
    client.send(json!(["1", "2", "room:1", "phx_leave", {}]));
    client.send(json!(["3", "3", "room:1", "phx_join", {}]));
    client.send(json!(["3", "4", "room:1", "echo", {"n": 1}]));
    client.expect(json!(["1", "2", "room:1", "phx_reply", ok(json!({}))]));
    client.expect(json!(["1", null, "room:1", "bye", {}]));
    client.expect(json!(["1", "1", "room:1", "phx_close", {}]));
    client.expect(json!(["3", "3", "room:1", "phx_reply", ok(json!({}))]));
    client.expect(json!([
        "3",
        "4",
        "room:1",
        "phx_reply",
        ok(json!({"n": 1}))
    ]));
}

/// Channels that wait at a gate and report their ends.
fn with_gate() -> (TestServer, Arc<Semaphore>, mpsc::Receiver<String>) {
    let gate = Arc::new(Semaphore::new(0));
    let (reports, ends) = mpsc::channel(16);
    let assigns = Assigns::new()
        .with(Gate(gate.clone()))
        .with(Reports(reports));
    (TestServer::start(routes::socket_with(assigns)), gate, ends)
}

#[test]
fn a_socket_that_goes_ends_its_channels() {
    let (server, _gate, mut ends) = with_gate();
    let mut client = server.client();
    client.join("room:1", "1");
    client.join("room:2", "2");
    drop(client);
    let mut ended = [ends.blocking_recv(), ends.blocking_recv()].map(Option::unwrap);
    ended.sort();
    assert_eq!(ended, ["room:1 shutdown", "room:2 shutdown"]);
    support::block_on(server.endpoint.channels_ended());
    assert_eq!(server.endpoint.counters().channels_open, 0);
}

#[test]
fn a_channel_whose_client_goes_while_it_joins_ends_too() {
    let (server, gate, mut ends) = with_gate();
    let mut client = server.client();
    client.send(json!(["1", "1", "room:1", "phx_join", {"do": "wait"}]));
    client.send(json!([null, "2", "phoenix", "heartbeat", {}]));
    client.expect(json!([null, "2", "phoenix", "phx_reply", ok(json!({}))]));
    drop(client);
    gate.add_permits(1);
    support::block_on(server.endpoint.channels_ended());
    // Whether `join` was still let through or not, a channel that came to be has terminated.
    drop(server);
    let end = ends.blocking_recv();
    assert!(
        end.is_none() || end.as_deref() == Some("room:1 shutdown"),
        "{end:?}"
    );
}
