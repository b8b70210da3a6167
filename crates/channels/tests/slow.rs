//! Clients that do not read, on topics that may leave out what they cannot take.

mod support;

use serde_json::{Value, json};
use support::poll::Poll;
use support::{Client, TestServer};
use vaxel_channels::{
    Channel, ChannelContext, Ignored, Joined, PollConfig, Refusal, SlowClient, Socket, Topic,
};

/// More than the kernel and an outbox of 1 MiB hold: about 39 MB.
const SENT: u64 = 600;
const PADDING: usize = 64 * 1024;

struct Missable;
struct Newest;
struct Strict;

impl Channel for Missable {
    type Params = Ignored;

    const SLOW: SlowClient = SlowClient::Drop;

    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        Ok(Missable.into())
    }
}

impl Channel for Newest {
    type Params = Ignored;

    const SLOW: SlowClient = SlowClient::Conflate;

    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        Ok(Newest.into())
    }
}

impl Channel for Strict {
    type Params = Ignored;

    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        Ok(Strict.into())
    }
}

fn socket() -> Socket {
    Socket::new()
        .channel::<Missable>("missable:*")
        .channel::<Newest>("newest:*")
        .channel::<Strict>("strict:*")
}

/// Broadcasts to a client that does not read meanwhile.
fn flooded(topic: &str) -> (TestServer, Client) {
    let server = TestServer::start(socket());
    let mut client = server.client();
    client.join(topic, "1");
    let padding = "x".repeat(PADDING);
    for n in 1..=SENT {
        let payload = json!({"n": n, "padding": padding});
        server.endpoint.broadcast(topic, "tick", &payload);
    }
    (server, client)
}

/// The numbers that arrive, up to the answer to a heartbeat that is sent now.
fn heard(client: &mut Client) -> Vec<u64> {
    client.send(json!([null, "end", "phoenix", "heartbeat", {}]));
    let mut heard = Vec::new();
    loop {
        let message = client.next("what is left, then the answer to the heartbeat");
        match message[4]["n"].as_u64() {
            Some(n) => heard.push(n),
            None => return heard,
        }
    }
}

/// Waits until the shard has dealt with every broadcast.
fn settle(server: &TestServer) {
    let dealt = || server.endpoint.counters().deliveries + server.net.counters().frames_dropped;
    while dealt() < SENT {
        std::thread::yield_now();
    }
}

#[test]
fn broadcasts_that_may_be_missed_are_dropped_and_the_client_stays() {
    let (server, mut client) = flooded("missable:1");
    settle(&server);
    let heard = heard(&mut client);
    assert!(heard.is_sorted() && heard[0] == 1 && heard.len() < SENT as usize);
    let counters = server.net.counters();
    assert_eq!(heard.len() as u64 + counters.frames_dropped, SENT);
    assert_eq!(counters.slow_consumers, 0);
}

#[test]
fn of_broadcasts_that_replace_each_other_the_newest_arrives() {
    let (server, mut client) = flooded("newest:1");
    settle(&server);
    let heard = heard(&mut client);
    assert!(heard.is_sorted() && heard[0] == 1 && heard.len() < SENT as usize);
    assert_eq!(heard.last(), Some(&SENT));
    let counters = server.net.counters();
    assert_eq!(heard.len() as u64 + counters.frames_conflated, SENT);
    assert_eq!(counters.slow_consumers, 0);
}

#[test]
fn unless_told_otherwise_a_client_that_does_not_read_is_closed() {
    let (server, _client) = flooded("strict:1");
    while server.net.counters().slow_consumers == 0 {
        std::thread::yield_now();
    }
    assert_eq!(server.net.counters().frames_dropped, 0);
}

/// Few bytes, and few of everything else.
fn poll_server() -> TestServer {
    let config = PollConfig {
        batch_max: 2,
        outbox_bytes_max: 4 << 10,
        sessions_max: 2,
        ..PollConfig::default()
    };
    TestServer::start(socket().long_poll(config))
}

/// Broadcasts a hundred times what a quarter of its outbox holds to a session that is not polled
/// meanwhile; the numbers that it is given then.
fn polled(server: &TestServer, topic: &str) -> Vec<u64> {
    const BROADCASTS: u64 = 100;
    let mut poll = Poll::open(server);
    assert_eq!(poll.post(&[json!(["1", "1", topic, "phx_join", {}])]), 200);
    assert_eq!(poll.messages().len(), 1);
    let padding = "x".repeat(1_000);
    for n in 1..=BROADCASTS {
        let payload = json!({"n": n, "padding": padding});
        server.endpoint.broadcast(topic, "tick", &payload);
    }
    let counters = || server.endpoint.counters();
    while counters().deliveries < BROADCASTS && counters().poll_sessions_behind == 0 {
        std::thread::yield_now();
    }
    let numbers = |message: &Value| message[4]["n"].as_u64();
    poll.messages().iter().filter_map(numbers).collect()
}

#[test]
fn over_long_poll_broadcasts_that_may_be_missed_are_dropped_too() {
    let server = poll_server();
    let heard = polled(&server, "missable:1");
    assert_eq!(heard, [1, 2, 3]);
    let counters = server.endpoint.counters();
    assert_eq!(counters.poll_frames_dropped, 97);
    assert_eq!(counters.poll_sessions_behind, 0);
}

#[test]
fn over_long_poll_the_newest_broadcast_makes_others_obsolete_too() {
    let server = poll_server();
    let heard = polled(&server, "newest:1");
    assert_eq!(heard, [100]);
    let counters = server.endpoint.counters();
    assert_eq!(counters.poll_frames_conflated, 99);
    assert_eq!(counters.poll_sessions_behind, 0);
}

#[test]
fn over_long_poll_a_client_that_falls_behind_begins_anew() {
    let server = poll_server();
    let heard = polled(&server, "strict:1");
    assert_eq!(heard, [0; 0]);
    let counters = server.endpoint.counters();
    assert_eq!(
        (counters.poll_sessions_behind, counters.poll_frames_dropped),
        (1, 0)
    );
}

#[test]
fn what_long_poll_refuses_is_counted() {
    let server = poll_server();
    let poll = Poll::open(&server);
    let heartbeats = ["1", "2", "3"].map(|r| json!([null, r, "phoenix", "heartbeat", {}]));
    assert_eq!(poll.post(&heartbeats), 200);
    let _second = Poll::open(&server);
    assert_eq!(Poll::none(&server).get()["status"], 403);
    assert_eq!(server.long_poll.body_too_large().status(), 413);
    let counters = server.endpoint.counters();
    assert_eq!(counters.poll_messages_ignored, 1);
    assert_eq!(counters.poll_sessions_refused, 1);
    assert_eq!(counters.poll_bodies_too_large, 1);
}
