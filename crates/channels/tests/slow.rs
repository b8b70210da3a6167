//! Clients that do not read, on topics that may leave out what they cannot take.

mod support;

use serde_json::json;
use support::{Client, TestServer};
use vaxel_channels::{
    Channel, ChannelContext, Ignored, Joined, Refusal, SlowClient, Socket, Topic,
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

/// Broadcasts to a client that does not read meanwhile.
fn flooded(topic: &str) -> (TestServer, Client) {
    let socket = Socket::new()
        .channel::<Missable>("missable:*")
        .channel::<Newest>("newest:*")
        .channel::<Strict>("strict:*");
    let server = TestServer::start(socket);
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
