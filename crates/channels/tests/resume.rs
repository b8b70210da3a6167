//! Clients that come back to a topic that keeps what was broadcast.

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use support::client::ok;
use support::routes::Gate;
use support::{Client, TestServer};
use tokio::sync::Semaphore;
use vaxel_actor::Mailbox;
use vaxel_channels::{
    Assigns, Channel, ChannelContext, Ignored, Joined, Payload, Refusal, Reply, Socket, Topic,
    Window,
};
use vaxel_pubsub::Broadcast;

/// Keeps little, so that a gap is soon too large.
struct Kept;

impl Channel for Kept {
    type Params = Ignored;

    const RESUME: Option<Window> = Some(Window {
        broadcasts_max: 4,
        bytes_max: 1 << 10,
        age_max: Duration::from_secs(3_600),
        topics_max: 16,
    });

    async fn join(
        _: &Topic,
        _: Ignored,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        cx.push("welcome", &json!({}));
        Ok(Kept.into())
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        match event {
            "echo" => return Ok(Reply::echo(payload)),
            "from" => cx.broadcast_from("said", &payload),
            _ => cx.broadcast("said", &payload),
        }
        Ok(Reply::none())
    }
}

fn server() -> TestServer {
    TestServer::start(Socket::new().channel::<Kept>("kept:*"))
}

/// Joins with what the client knows; what it is told about where it is.
fn join(client: &mut Client, resume: Value) -> Value {
    client.send(json!(["1", "1", "kept:1", "phx_join", {"vx_resume": resume}]));
    client.expect(json!(["1", "1", "kept:1", "phx_reply", ok(json!({}))]));
    let told = client.next("where it is");
    assert_eq!(
        told.as_array().unwrap()[..4],
        [json!("1"), json!(null), json!("kept:1"), json!("vx_resume")]
    );
    told[4].clone()
}

/// The next broadcast: its number and its offset.
fn said(client: &mut Client) -> (Value, Value) {
    let message = client.next("a broadcast");
    assert_eq!(
        message.as_array().unwrap()[..4],
        [json!(null), json!(null), json!("kept:1"), json!("said")]
    );
    (message[4]["n"].clone(), message[4]["vx_offset"].clone())
}

fn welcome(client: &mut Client) {
    client.expect(json!(["1", null, "kept:1", "welcome", {}]));
}

fn say(server: &TestServer, n: u32) {
    server
        .endpoint
        .broadcast("kept:1", "said", &json!({"n": n}));
}

#[test]
fn whoever_comes_back_gets_what_it_missed_once_and_in_order_then_what_is_new() {
    let server = server();
    let mut client = server.client();
    let told = join(&mut client, json!(null));
    assert_eq!(
        (&told["status"], &told["missed"]),
        (&json!("new"), &json!(0))
    );
    welcome(&mut client);
    say(&server, 1);
    let (n, offset) = said(&mut client);
    assert_eq!(n, 1);
    drop(client);
    for n in 2..=4 {
        say(&server, n);
    }
    let mut back = server.client();
    let told = join(&mut back, json!({"offset": offset, "as": told["as"]}));
    assert_eq!(
        (&told["status"], &told["missed"]),
        (&json!("resumed"), &json!(3))
    );
    let missed: Vec<Value> = (0..3).map(|_| said(&mut back).0).collect();
    assert_eq!(missed, [2, 3, 4]);
    welcome(&mut back);
    say(&server, 5);
    assert_eq!(said(&mut back).0, 5);
    back.expect_nothing_before_echo("kept:1", "1");
    let counters = server.endpoint.counters();
    assert_eq!((counters.resumes, counters.resume_gaps), (1, 0));
    assert_eq!(
        (counters.histories_open, counters.broadcasts_forgotten),
        (1, 1)
    );
}

#[test]
fn a_topic_more_than_may_keep_a_history_keeps_none_and_says_so() {
    let server = server();
    let mut client = server.client();
    for n in 1..=17 {
        let (join_ref, topic) = (n.to_string(), format!("kept:{n}"));
        client.send(json!([join_ref, join_ref, topic, "phx_join", {}]));
        client.next("the reply");
        let told = client.next("where it is");
        assert_eq!(told[4]["offset"].is_null(), n == 17, "{told}");
        client.next("the welcome");
        if n < 17 {
            // One in which nothing is kept would make way.
            server.endpoint.broadcast(&topic, "said", &json!({}));
            client.next("the broadcast");
        }
    }
    let counters = server.endpoint.counters();
    assert_eq!(
        (counters.histories_open, counters.histories_refused),
        (16, 1)
    );
}

#[test]
fn a_gap_that_is_too_large_is_told_and_nothing_is_made_up() {
    let server = server();
    let mut client = server.client();
    let told = join(&mut client, json!(null));
    drop(client);
    for n in 0..5 {
        say(&server, n);
    }
    for offset in [
        told["offset"].clone(),
        json!("not an offset"),
        json!("00000000-3"),
    ] {
        let mut back = server.client();
        let told = join(&mut back, json!({"offset": offset}));
        assert_eq!(
            (&told["status"], &told["missed"]),
            (&json!("gap"), &json!(0)),
            "{offset}"
        );
        welcome(&mut back);
        say(&server, 9);
        assert_eq!(said(&mut back).0, 9);
    }
    assert_eq!(server.endpoint.counters().resume_gaps, 3);
}

#[test]
fn a_sender_that_comes_back_does_not_get_what_it_was_left_out_of() {
    let server = server();
    let mut client = server.client();
    let told = join(&mut client, json!(null));
    welcome(&mut client);
    client.send(json!(["1", null, "kept:1", "from", {"n": 1}]));
    client.expect_nothing_before_echo("kept:1", "1");
    say(&server, 2);
    assert_eq!(said(&mut client).0, 2);
    let mut back = server.client();
    let resumed = join(
        &mut back,
        json!({"offset": told["offset"], "as": told["as"]}),
    );
    assert_eq!(resumed["missed"], 1);
    assert_eq!(said(&mut back).0, 2);
    let mut other = server.client();
    let resumed = join(&mut other, json!({"offset": told["offset"], "as": "0.0"}));
    assert_eq!(resumed["missed"], 2);
}

#[test]
fn nothing_is_missed_or_doubled_while_others_go_on() {
    const SENT: u64 = 4_000;
    let server = server();
    let endpoint = server.endpoint.clone();
    let mut client = server.client();
    let mut known = join(&mut client, json!(null));
    welcome(&mut client);
    let sender = std::thread::spawn(move || {
        for n in 1..=SENT {
            endpoint.broadcast("kept:1", "said", &json!({"n": n}));
        }
    });
    // Comes back again and again in the middle of the stream. A gap is possible, since little is
    // kept; a hole or a repetition that nobody speaks of is not.
    let mut last = 0;
    while last < SENT {
        let (n, offset) = said(&mut client);
        let n = n.as_u64().unwrap();
        assert!(n == last + 1, "{n} after {last}");
        last = n;
        known["offset"] = offset;
        if n % 400 == 0 && n < SENT {
            client = server.client();
            let told = join(&mut client, known.clone());
            if told["status"] == "gap" {
                let offset = told["offset"].as_str().unwrap();
                last = offset.split_once('-').unwrap().1.parse().unwrap();
            }
            known = told;
            for _ in 0..known["missed"].as_u64().unwrap() {
                let (n, offset) = said(&mut client);
                assert_eq!(n, last + 1);
                last += 1;
                known["offset"] = offset;
            }
            // What is new may come before what the join pushed last.
            loop {
                let message = client.next("the welcome");
                if message[3] == "welcome" {
                    break;
                }
                assert_eq!(message[4]["n"], last + 1);
                last += 1;
                known["offset"] = message[4]["vx_offset"].clone();
            }
        }
    }
    sender.join().unwrap();
}

/// Marks what is said, one at a time, as its gate lets it; the rest passes as it is.
struct Marked(Gate);

impl Channel for Marked {
    type Params = Ignored;

    const MAILBOX: Mailbox = Mailbox::bounded(2);
    const INTERCEPT: &'static [&'static str] = &["said"];
    const RESUME: Option<Window> = Some(Window::DEFAULT);

    async fn join(
        _: &Topic,
        _: Ignored,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        let gate = cx.assigns().get::<Gate>().expect("the hook assigns it");
        Ok(Marked(gate.clone()).into())
    }

    async fn handle_out(&mut self, broadcast: Broadcast, cx: &mut ChannelContext<'_, Self>) {
        let passed = self.0.0.acquire().await;
        passed.expect("the gate stays").forget();
        let mut payload: Value = broadcast.parse().expect("an object");
        payload["marked"] = json!(true);
        cx.push("said", &payload);
    }
}

fn marked_server() -> (TestServer, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let assigns = Assigns::new().with(Gate(gate.clone()));
    let socket = Socket::new()
        .connect(move |_| std::future::ready(Ok(assigns.clone())))
        .channel::<Marked>("kept:*");
    (TestServer::start(socket), gate)
}

/// Sends numbers, the even ones by an event that is intercepted.
fn say_both(server: &TestServer, numbers: impl Iterator<Item = u32>) {
    for n in numbers {
        let event = if n.is_multiple_of(2) { "said" } else { "plain" };
        server.endpoint.broadcast("kept:1", event, &json!({"n": n}));
    }
}

/// The next of them, which is marked if it was intercepted; its offset.
#[track_caller]
fn expect_both(client: &mut Client, n: u32) -> Value {
    let message = client.next("a broadcast");
    assert_eq!(message[4]["n"], n, "{message}");
    let is_marked = message[4]["marked"].as_bool().unwrap_or(false);
    assert_eq!(is_marked, n.is_multiple_of(2), "{message}");
    message[4]["vx_offset"].clone()
}

#[test]
fn what_is_intercepted_is_so_when_it_was_missed_too_and_keeps_its_place() {
    let (server, gate) = marked_server();
    gate.add_permits(1_000);
    let mut client = server.client();
    let mut known = join(&mut client, json!(null));
    say_both(&server, 1..=2);
    expect_both(&mut client, 1);
    known["offset"] = expect_both(&mut client, 2);
    drop(client);
    say_both(&server, 3..=8);
    let mut back = server.client();
    let told = join(&mut back, known);
    assert_eq!(
        (&told["status"], &told["missed"]),
        (&json!("resumed"), &json!(6))
    );
    let offsets: Vec<Value> = (3..=8).map(|n| expect_both(&mut back, n)).collect();
    say_both(&server, 9..=9);
    let offset = expect_both(&mut back, 9);
    // Whatever was intercepted carries its offset: nothing comes twice.
    for (offset, missed) in [(&offset, 0), (&offsets[5], 1), (&offsets[4], 2)] {
        let mut back = server.client();
        let told = join(&mut back, json!({"offset": offset, "as": told["as"]}));
        assert_eq!(told["missed"], missed);
    }
}

#[test]
fn whoever_falls_behind_what_is_intercepted_comes_back_and_misses_nothing() {
    const SENT: u32 = 100;
    let (server, gate) = marked_server();
    let mut client = server.client();
    let mut known = join(&mut client, json!(null));
    say_both(&server, 1..=SENT);
    // The channel waits at its gate, its mailbox is full, and it is killed.
    let mut next = 1;
    loop {
        let message = client.next("the end of the channel");
        if message[3] == "phx_error" {
            break;
        }
        assert_eq!(message[4]["n"], next);
        known["offset"] = message[4]["vx_offset"].clone();
        next += 1;
    }
    assert!(server.endpoint.counters().intercepts_missed > 0);
    gate.add_permits(SENT as usize);
    assert_eq!(join(&mut client, known)["status"], "resumed");
    for n in next..=SENT {
        expect_both(&mut client, n);
    }
}
