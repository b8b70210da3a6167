//! Which requests become a connection, and what a connect hook decides.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use support::client::ok;
use support::routes;
use support::{Client, TestServer};
use vaxel_channels::{Assigns, ConnectRequest, Refusal};

fn status(server: &TestServer, target: &str) -> u16 {
    Client::try_connect(server.address(), target)
        .err()
        .unwrap_or(101)
}

#[test]
fn the_version_selects_the_serializer_or_is_refused() {
    let server = TestServer::start(routes::socket());
    let cases = [
        ("vsn=2.0.0", 101),
        ("vsn=1.0.0", 101),
        ("", 101),
        ("token=a%20b&&nested[a]=1&vsn=2.0.0&", 101),
        ("vsn=123.1.1", 403),
        ("vsn=abc", 403),
        ("vsn[]=2.0.0", 403),
        ("vsn=", 403),
    ];
    for (query, expected) in cases {
        assert_eq!(
            status(&server, &format!("/socket/websocket?{query}")),
            expected,
            "{query}"
        );
    }
    assert_eq!(status(&server, "/elsewhere/websocket?vsn=2.0.0"), 404);
    assert_eq!(status(&server, "/socket?vsn=2.0.0"), 404);
}

#[test]
fn other_methods_are_refused_with_400_and_an_empty_body() {
    let server = TestServer::start(routes::socket());
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let request = "POST /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

async fn decide(request: ConnectRequest) -> Result<Assigns, Refusal> {
    match request.param("mode") {
        Some("refuse") => Err(Refusal::new("no")),
        Some("busy") => Err(Refusal::new("busy").with_status(429)),
        Some("crash") => panic!("crash"),
        _ => {
            let expected = json!({"nested": {"a": "1"}, "x": "b c", "vsn": "2.0.0", "user": "ä"});
            assert_eq!(Value::Object(request.params), expected);
            assert!(request.headers.contains_key("sec-websocket-key"));
            Ok(Assigns::new().with(42u64))
        }
    }
}

#[test]
fn a_hook_sees_the_params_and_its_assigns_reach_the_channels() {
    let server = TestServer::mount([("/ws/:user".to_owned(), routes::socket().connect(decide))]);
    let target = "/ws/%C3%A4/websocket?nested[a]=1&x=b%20c&vsn=2.0.0";
    let mut client = Client::connect(server.address(), target);
    client.join("room:1", "1");
    client.send(json!(["1", "2", "room:1", "assigned", {}]));
    client.expect(json!(["1", "2", "room:1", "phx_reply", ok(json!(42))]));
}

#[test]
fn a_hook_refuses_with_a_status_and_a_crash_is_one() {
    let server = TestServer::start(routes::socket().connect(decide));
    for (mode, expected) in [("refuse", 403), ("busy", 429), ("crash", 500)] {
        let target = format!("/socket/websocket?vsn=2.0.0&mode={mode}");
        assert_eq!(status(&server, &target), expected, "{mode}");
    }
}

#[test]
fn frames_right_behind_the_request_are_not_lost_while_a_hook_decides() {
    let server = TestServer::start(routes::socket_with(Assigns::new().with(1u64)));
    let mut client = server.client();
    client.join("room:1", "1");
    client.expect_nothing_before_echo("room:1", "1");
}

#[test]
fn v1_clients_get_objects_without_a_join_ref() {
    let server = TestServer::start(routes::socket());
    let mut client = Client::connect(server.address(), "/socket/websocket");
    let message = |event: &str, reference: Value, payload: Value| {
        let mut message = json!({"topic": "room:1", "event": event, "payload": payload});
        message["ref"] = reference;
        message
    };
    client.send(message("phx_join", json!("1"), json!({})));
    client.expect(message("phx_reply", json!("1"), ok(json!({}))));
    client.send(message("bc", json!("2"), json!({"n": 1})));
    client.expect(message("bc", json!(null), json!({"n": 1})));
    client.send(message("boom", json!("3"), json!({})));
    client.expect(message(
        "phx_error",
        json!(null),
        json!({"reason": "channel_crash"}),
    ));
    client.send(message("echo", json!("4"), json!({})));
    client.expect(message(
        "phx_reply",
        json!("4"),
        support::client::error("unmatched topic"),
    ));
    client.send_text("[null,\"1\",\"phoenix\",\"heartbeat\",{}]");
    client.expect_close(1011);
}
