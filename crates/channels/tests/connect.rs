//! Which requests become a connection, and what a connect hook decides.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::client::ok;
use support::routes;
use support::{Client, TestServer};
use vaxel_channels::{Assigns, ConnectRequest, Limits, Origins, Refusal, Sessions};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

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

/// The status of an upgrade with these headers, and the subprotocol of the answer.
fn upgrade(server: &TestServer, target: &str, headers: &[(&str, &str)]) -> (u16, Option<String>) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let mut request = format!(
        "GET {target} HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    );
    if !headers.iter().any(|(name, _)| *name == "host") {
        request += "host: example.com:4000\r\n";
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    stream.write_all((request + "\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let answer = String::from_utf8(answer).unwrap();
    let status = answer[9..12].parse().unwrap();
    let protocol = answer
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
    (status, protocol.map(str::to_owned))
}

const TARGET: &str = "/socket/websocket?vsn=2.0.0";

#[test]
fn pages_of_other_hosts_are_refused_unless_they_are_listed() {
    let status = |server: &TestServer, origin| upgrade(server, TARGET, &[("origin", origin)]).0;
    let same = TestServer::start(routes::socket());
    assert_eq!(status(&same, "http://example.com"), 101);
    assert_eq!(status(&same, "http://evil.com"), 403);
    assert_eq!(status(&same, "null"), 403);
    assert_eq!(upgrade(&same, TARGET, &[]).0, 101);
    let listed = Origins::listed(["https://other.org"]);
    let listed = TestServer::start(routes::socket().origins(listed));
    assert_eq!(status(&listed, "https://other.org"), 101);
    assert_eq!(status(&listed, "http://example.com"), 403);
    let any = TestServer::start(routes::socket().origins(Origins::any()));
    assert_eq!(status(&any, "http://evil.com"), 101);
}

async fn only_ada(request: ConnectRequest) -> Result<Assigns, Refusal> {
    match request.auth_token.as_deref() {
        Some("tok?n") | None => Ok(Assigns::new().with(1u64)),
        Some(_) => Err(Refusal::new("unknown token").with_status(401)),
    }
}

#[test]
fn the_auth_token_travels_as_a_subprotocol_which_is_not_answered() {
    let server = TestServer::start(routes::socket().auth_token().connect(only_ada));
    let ask = |offered: &str| upgrade(&server, TARGET, &[("sec-websocket-protocol", offered)]);
    let phoenix = Some("phoenix".to_owned());
    let token = "phoenix, base64url.bearer.phx.dG9rP24";
    assert_eq!(ask(token), (101, phoenix.clone()));
    assert_eq!(ask("phoenix,base64url.bearer.phx.YQ"), (401, None));
    assert_eq!(ask("phoenix"), (101, phoenix.clone()));
    assert_eq!(ask("other"), (403, None));
    assert_eq!(upgrade(&server, TARGET, &[]), (101, None));

    let plain = TestServer::start(routes::socket());
    let ask = |offered: &str| upgrade(&plain, TARGET, &[("sec-websocket-protocol", offered)]);
    assert_eq!(ask(token), (101, phoenix), "a browser needs the answer");
    assert_eq!(ask("other"), (101, None));
}

#[test]
fn a_session_is_seen_with_its_own_csrf_token_only() {
    let sessions = Sessions::new([7; 32]);
    let mut session = sessions.begin();
    session.insert("user".into(), "ada".into());
    let cookie = sessions.set_cookie(&session);
    let (cookie, _) = cookie.split_once(';').unwrap();
    let token = sessions.csrf_token(&session).unwrap();
    let socket = routes::socket().session(sessions);
    let server =
        TestServer::start(
            socket.connect(async |request: ConnectRequest| match request.session {
                Some(session) if session["user"] == "ada" => {
                    Err(Refusal::new("seen").with_status(418))
                }
                Some(_) => Err(Refusal::new("another session").with_status(500)),
                None => Ok(Assigns::new()),
            }),
        );
    let ask = |query: &str, cookie: &str| {
        upgrade(&server, &format!("{TARGET}&{query}"), &[("cookie", cookie)]).0
    };
    assert_eq!(ask(&format!("_csrf_token={token}"), cookie), 418);
    assert_eq!(ask("_csrf_token=other", cookie), 101);
    assert_eq!(ask("", cookie), 101);
    assert_eq!(ask(&format!("_csrf_token={token}"), "a=b"), 101);
}

/// Asks to join; the payload of the answer.
fn join(client: &mut Client, topic: &str) -> Value {
    client.send(json!(["1", "1", topic, "phx_join", {}]));
    loop {
        let answer = client.next("the answer to the join");
        if answer[3] == "phx_reply" {
            return answer[4].clone();
        }
    }
}

#[test]
fn a_token_has_so_many_connections_and_so_many_channels() {
    let limits = Limits {
        connections_per_token_max: 2,
        channels_per_token_max: 2,
        ..Limits::default()
    };
    let socket = routes::socket().auth_token().limits(limits);
    let server = TestServer::start(socket.connect(async |_: ConnectRequest| Ok(Assigns::new())));
    let connect = |token: &str| {
        let token = format!("base64url.bearer.phx.{token}");
        Client::try_connect_as(server.address(), TARGET, &["phoenix", &token])
    };
    let mut first = connect("YWRh").unwrap();
    let mut second = connect("YWRh").unwrap();
    assert_eq!(connect("YWRh").err(), Some(429));
    assert_eq!(server.endpoint.counters().connections_refused_token, 1);
    let mut other = connect("Z3JhY2U").unwrap();
    let mut nobody = server.client();

    assert_eq!(join(&mut first, "room:1")["status"], "ok");
    assert_eq!(join(&mut second, "room:1")["status"], "ok");
    let full = json!({"reason": "too many channels joined with this token"});
    assert_eq!(join(&mut second, "room:2")["response"], full);
    // A second join of the same topic replaces the first.
    assert_eq!(join(&mut second, "room:1")["status"], "ok");
    for (client, topic) in [(&mut other, "room:2"), (&mut nobody, "room:2")] {
        assert_eq!(join(client, topic)["status"], "ok");
    }
    drop(first);
    let start = Instant::now();
    while join(&mut second, "room:2")["status"] != "ok" {
        assert!(start.elapsed() < PATIENCE, "awaited the place of the first");
    }
    assert!(connect("YWRh").is_ok());
}

#[test]
fn all_connections_of_a_socket_id_are_closed_with_1001() {
    let hook = async |request: ConnectRequest| {
        let user = request.param("user").unwrap_or("nobody").to_owned();
        Ok(Assigns::new().with_socket_id(format!("users:{user}")))
    };
    let server = TestServer::start(routes::socket().connect(hook));
    let client = |user: &str| Client::connect(server.address(), &format!("{TARGET}&user={user}"));
    let (mut ada, mut too, mut bob) = (client("ada"), client("ada"), client("bob"));
    for client in [&mut ada, &mut too, &mut bob] {
        client.join("room:1", "1");
    }
    server.endpoint.disconnect("users:ada");
    ada.expect_close(1001);
    too.expect_close(1001);
    bob.expect_nothing_before_echo("room:1", "1");
    let counters = server.endpoint.counters();
    assert_eq!((counters.disconnects, counters.channels_open), (2, 1));
    server.endpoint.disconnect("users:ada");
    bob.expect_nothing_before_echo("room:1", "1");
    assert_eq!(server.endpoint.counters().disconnects, 2);
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
