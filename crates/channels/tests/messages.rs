//! What each message of a client is answered with, frame by frame.

mod support;

use serde_json::json;
use support::client::{error, ok};
use support::routes;
use support::{Client, TestServer};
use vaxel_channels::Limits;
use vaxel_websocket::Opcode;

fn with_client(test: impl FnOnce(&TestServer, &mut Client)) {
    let server = TestServer::start(routes::socket());
    let mut client = server.client();
    test(&server, &mut client);
}

#[test]
fn a_heartbeat_is_answered_with_a_null_join_ref() {
    with_client(|server, client| {
        client.send(json!(["7", "1", "phoenix", "heartbeat", {}]));
        client.expect(json!([null, "1", "phoenix", "phx_reply", ok(json!({}))]));
        assert_eq!(server.endpoint.counters().heartbeats, 1);
    });
}

#[test]
fn a_topic_without_a_route_is_unmatched() {
    with_client(|_, client| {
        client.send(json!(["1", "1", "nowhere", "phx_join", {}]));
        client.expect(json!([
            null,
            "1",
            "nowhere",
            "phx_reply",
            error("unmatched topic")
        ]));
    });
}

#[test]
fn a_join_is_answered_with_the_applications_response() {
    with_client(|server, client| {
        client.join("room:1", "1");
        client.send(json!(["2", "2", "room:2", "phx_join", {"do": "answer"}]));
        client.expect(json!([
            "2",
            "2",
            "room:2",
            "phx_reply",
            ok(json!({"topic": "room:2"}))
        ]));
        assert_eq!(server.endpoint.counters().channels_open, 2);
    });
}

#[test]
fn the_replys_ref_is_the_messages_and_the_join_ref_is_the_joins() {
    with_client(|_, client| {
        client.send(json!(["j", "r", "room:1", "phx_join", {}]));
        client.expect(json!(["j", "r", "room:1", "phx_reply", ok(json!({}))]));
        client.send(json!(["j", "s", "room:1", "stop", {}]));
        client.expect(json!(["j", "s", "room:1", "phx_reply", ok(json!({}))]));
        client.expect(json!(["j", null, "room:1", "bye", {}]));
        client.expect(json!(["j", "j", "room:1", "phx_close", {}]));
    });
}

#[test]
fn a_refused_join_carries_the_reason_and_none_of_its_pushes() {
    with_client(|_, client| {
        client.send(json!(["1", "1", "deny:1", "phx_join", {}]));
        client.expect(json!([
            "1",
            "1",
            "deny:1",
            "phx_reply",
            error("unauthorized")
        ]));
        client.send(json!(["1", "2", "deny:1", "echo", {}]));
        client.expect(json!([
            null,
            "2",
            "deny:1",
            "phx_reply",
            error("unmatched topic")
        ]));
    });
}

#[test]
fn a_join_that_crashes_says_so() {
    with_client(|server, client| {
        client.send(json!(["1", "1", "crash:1", "phx_join", {}]));
        client.expect(json!([
            "1",
            "1",
            "crash:1",
            "phx_reply",
            error("join crashed")
        ]));
        client.join("room:1", "2");
        assert_eq!(server.endpoint.counters().joins_crashed, 1);
    });
}

#[test]
fn params_of_another_shape_are_refused_with_the_reason() {
    with_client(|_, client| {
        client.send(json!(["1", "1", "typed", "phx_join", {"user": 7}]));
        let reply = client.next("the refusal");
        let reason = reply[4]["response"]["reason"].as_str().expect("a reason");
        assert!(
            reason.starts_with("invalid payload: invalid type"),
            "{reason}"
        );
    });
}

#[test]
fn a_channel_beyond_the_limit_is_refused_and_the_others_live() {
    with_client(|_, client| {
        for n in 1..=100 {
            client.join(&format!("room:{n}"), &n.to_string());
        }
        client.send(json!(["x", "x", "room:101", "phx_join", {}]));
        client.expect(json!([
            "x",
            "x",
            "room:101",
            "phx_reply",
            error("too many channels joined")
        ]));
        client.expect_nothing_before_echo("room:100", "100");
        client.send(json!(["y", "y", "room:100", "phx_join", {}]));
        client.expect(json!(["100", null, "room:100", "bye", {}]));
        client.expect(json!(["y", "y", "room:100", "phx_reply", ok(json!({}))]));
    });
}

#[test]
fn a_topic_beyond_its_bound_is_refused() {
    let limits = Limits {
        topic_bytes_max: 10,
        ..Limits::default()
    };
    let server = TestServer::start(routes::socket().limits(limits));
    let mut client = server.client();
    client.send(json!(["1", "1", "room:123456", "phx_join", {}]));
    client.expect(json!([
        "1",
        "1",
        "room:123456",
        "phx_reply",
        error("topic too long")
    ]));
    client.join("room:12345", "2");
}

#[test]
fn an_event_is_answered_by_its_channel() {
    with_client(|_, client| {
        client.join("room:1", "1");
        let payload = r#"{"k\u00e9": [1e3, "\n"] ,"x":{}}"#;
        client.send_text(&format!(r#"["1","2","room:1","echo",{payload}, "more"]"#));
        let received = client.receive("the echo");
        let reply = format!(r#"{{"status":"ok","response":{payload}}}"#);
        let expected = format!(r#"["1","2","room:1","phx_reply",{reply}]"#);
        let exact = support::client::Received::Text(expected);
        assert_eq!(received, exact, "the payload comes back as it was written");
        client.send(json!([null, "3", "room:1", "custom", {}]));
        let reply = json!({"status": "maybe", "response": [1]});
        client.expect(json!(["1", "3", "room:1", "phx_reply", reply]));
        client.send(json!(["1", "4", "room:1", "typed", 41]));
        client.expect(json!(["1", "4", "room:1", "phx_reply", ok(json!(42))]));
        client.send(json!(["1", "5", "room:1", "what", {}]));
        client.expect(json!([
            "1",
            "5",
            "room:1",
            "phx_reply",
            error("unknown event")
        ]));
    });
}

#[test]
fn messages_of_another_join_are_ignored() {
    with_client(|server, client| {
        client.join("room:1", "1");
        client.send(json!(["999", "2", "room:1", "echo", {}]));
        client.send(json!(["999", "3", "room:1", "phx_leave", {}]));
        client.expect_nothing_before_echo("room:1", "1");
        assert_eq!(server.endpoint.counters().messages_stale, 2);
    });
}

#[test]
fn events_on_a_topic_not_joined_are_unmatched() {
    with_client(|_, client| {
        client.send(json!(["1", "2", "room:1", "echo", {}]));
        client.expect(json!([
            null,
            "2",
            "room:1",
            "phx_reply",
            error("unmatched topic")
        ]));
        client.send(json!([null, "3", "phoenix", "echo", {}]));
        client.expect(json!([
            null,
            "3",
            "phoenix",
            "phx_reply",
            error("unmatched topic")
        ]));
    });
}

#[test]
fn a_message_without_a_ref_gets_no_reply() {
    with_client(|_, client| {
        client.join("room:1", "1");
        client.send(json!(["1", null, "room:1", "echo", {}]));
        client.send(json!(["1", "2", "room:1", "quiet", {}]));
        client.expect_nothing_before_echo("room:1", "1");
    });
}

#[test]
fn a_leave_is_answered_then_the_channel_closes() {
    with_client(|server, client| {
        for (number, join_ref) in [json!("1"), json!(null)].into_iter().enumerate() {
            let topic = format!("room:{number}");
            client.join(&topic, "1");
            client.send(json!([join_ref, "3", topic, "phx_leave", {}]));
            client.expect(json!(["1", "3", topic, "phx_reply", ok(json!({}))]));
            client.expect(json!(["1", null, topic, "bye", {}]));
            client.expect(json!(["1", "1", topic, "phx_close", {}]));
            client.send(json!(["1", "4", topic, "echo", {}]));
            client.expect(json!([
                null,
                "4",
                topic,
                "phx_reply",
                error("unmatched topic")
            ]));
        }
        assert_eq!(server.endpoint.counters().channels_open, 0);
    });
}

#[test]
fn a_leave_of_a_topic_not_joined_is_answered_alone() {
    with_client(|_, client| {
        client.send(json!(["4", "5", "room:1", "phx_leave", {}]));
        client.expect(json!(["4", "5", "room:1", "phx_reply", ok(json!({}))]));
        client.join("room:2", "6");
    });
}

#[test]
fn messages_behind_a_leave_wait_for_their_turn() {
    with_client(|_, client| {
        client.join("room:1", "1");
        client.send(json!(["1", "2", "room:1", "echo", {"n": 1}]));
        client.send(json!(["1", "3", "room:1", "phx_leave", {}]));
        client.expect(json!([
            "1",
            "2",
            "room:1",
            "phx_reply",
            ok(json!({"n": 1}))
        ]));
        client.expect(json!(["1", "3", "room:1", "phx_reply", ok(json!({}))]));
    });
}

#[test]
fn pushes_of_a_join_follow_its_reply() {
    with_client(|_, client| {
        client.send(json!(["1", "1", "room:x", "phx_join", {"do": "push"}]));
        client.expect(json!(["1", "1", "room:x", "phx_reply", ok(json!({}))]));
        client.expect(json!(["1", null, "room:x", "hello", {"rest": "x"}]));
    });
}

#[test]
fn pushes_timers_and_late_replies_arrive() {
    with_client(|_, client| {
        client.join("room:1", "1");
        client.send(json!(["1", null, "room:1", "push", {"n": 1}]));
        client.expect(json!(["1", null, "room:1", "push", {"n": 1}]));
        client.send(json!(["1", "2", "room:1", "later", {"n": 2}]));
        client.expect(json!([
            "1",
            "2",
            "room:1",
            "phx_reply",
            ok(json!({"n": 2}))
        ]));
        client.send(json!(["1", null, "room:1", "timer", {}]));
        client.expect(json!(["1", null, "room:1", "tick", 7]));
    });
}

#[test]
fn what_is_no_message_closes_with_1011_and_others_live() {
    let server = TestServer::start(routes::socket());
    let mut other = server.client();
    other.join("room:1", "1");
    let malformed = ["not json", "{}", "[1,2]", r#"[1,"1","room:1","echo",{}]"#];
    for text in malformed {
        let mut client = server.client();
        client.join("room:1", "1");
        client.send_text(text);
        client.expect_close(1011);
    }
    let long = format!(r#"["{}","1","room:1","phx_join",{{}}]"#, "9".repeat(256));
    let mut client = server.client();
    client.send_text(&long);
    client.expect_close(1011);
    other.expect_nothing_before_echo("room:1", "1");
    assert_eq!(
        server.endpoint.counters().frames_malformed,
        malformed.len() as u64 + 1
    );
}

#[test]
fn clients_that_ask_for_hints_are_told_over_how_long_to_come_back() {
    let limits = Limits {
        rejoins_per_second: 2,
        ..Limits::default()
    };
    let server = TestServer::start(routes::socket().limits(limits));
    let target = "/socket/websocket?vsn=2.0.0&vx=1";
    let (mut hinted, mut plain) = (Client::connect(server.address(), target), server.client());
    hinted.join("room:1", "1");
    plain.join("room:1", "1");
    plain.join("room:2", "2");
    hinted.send(json!([null, "7", "phoenix", "heartbeat", {}]));
    let reply = ok(json!({"reconnect_jitter_ms": 1_500}));
    hinted.expect(json!([null, "7", "phoenix", "phx_reply", reply]));
    plain.send(json!([null, "7", "phoenix", "heartbeat", {}]));
    plain.expect(json!([null, "7", "phoenix", "phx_reply", ok(json!({}))]));
}

#[test]
fn bytes_are_echoed_pushed_and_broadcast_in_binary_frames() {
    let server = TestServer::start(routes::socket());
    let (mut client, mut other) = (server.client(), server.client());
    client.join("room:1", "1");
    other.join("room:1", "1");
    client.send_raw(Opcode::Binary, b"\x00\x01\x01\x06\x0419room:1echo\x01\x02");
    client.expect_binary(b"\x01\x01\x01\x06\x0219room:1ok\x01\x02");
    client.send_raw(Opcode::Binary, b"\x00\x01\x00\x06\x081room:1push raw\x03");
    client.expect_binary(b"\x00\x01\x06\x081room:1push raw\x03");
    client.send_raw(Opcode::Binary, b"\x00\x00\x00\x06\x06room:1bc raw\x04");
    client.expect_binary(b"\x02\x06\x06room:1bc raw\x04");
    other.expect_binary(b"\x02\x06\x06room:1bc raw\x04");
    server.endpoint.broadcast_bytes("room:1", "raw", [5]);
    other.expect_binary(b"\x02\x06\x03room:1raw\x05");
}

#[test]
fn bytes_where_json_is_expected_are_refused_and_become_numbers_where_json_is_made() {
    let server = TestServer::start(routes::socket());
    let mut client = server.client();
    client.join("room:1", "1");
    client.send_raw(Opcode::Binary, b"\x00\x01\x01\x06\x0519room:1typed\x01");
    let refusal = error("invalid payload: bytes where JSON is expected");
    client.expect(json!(["1", "9", "room:1", "phx_reply", refusal]));
    client.send_raw(Opcode::Binary, b"\x00\x01\x00\x06\x021room:1bc\x01\x02");
    client.expect(json!([null, null, "room:1", "bc", [1, 2]]));
    client.send_raw(Opcode::Binary, b"\x00\x01\x01\x06\x0822room:2phx_join\x01");
    let refusal = error("invalid payload: bytes where JSON is expected");
    client.expect(json!(["2", "2", "room:2", "phx_reply", refusal]));
}

#[test]
fn bytes_are_not_sent_to_those_who_cannot_take_them() {
    let server = TestServer::start(routes::socket());
    let mut old = Client::connect(server.address(), "/socket/websocket");
    let join = json!({"topic": "room:1", "event": "phx_join", "payload": {}, "ref": "1"});
    old.send(join);
    old.next("the reply to the join");
    server.endpoint.broadcast_bytes("room:1", "raw", [5]);
    server.endpoint.broadcast("room:1", "json", &json!({}));
    let expected = json!({"topic": "room:1", "event": "json", "payload": {}, "ref": null});
    old.expect(expected);
    let mut client = server.client();
    client.join("room:1", "1");
    client.send(json!(["1", null, "room:1", "long raw", {}]));
    client.expect_nothing_before_echo("room:1", "1");
    assert_eq!(server.endpoint.counters().binary_undeliverable, 1);
}

#[test]
fn malformed_binary_messages_close_with_1011() {
    let server = TestServer::start(routes::socket());
    let mut client = server.client();
    client.send_raw(Opcode::Binary, b"\x00\x01\x01\x06\xc819");
    client.expect_close(1011);
    let mut old = Client::connect(server.address(), "/socket/websocket");
    old.send_raw(Opcode::Binary, b"\x00\x01\x01\x06\x0319room:1bin\x01\x02");
    old.expect_close(1011);
}
