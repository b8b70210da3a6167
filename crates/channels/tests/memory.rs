//! What a joined client costs, by the bytes that are allocated.

mod support;

use std::alloc::System;

use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::{Client, TestServer};
use vaxel_channels::{
    Channel, ChannelContext, Ignored, Joined, Payload, Refusal, Reply, Socket, Topic,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CLIENTS: usize = 1_000;

/// Promised are 1,024 bytes for everything that a joined client costs.
const JOINED_BYTES_MAX: usize = 512;

/// What two shards and two workers may keep for the next time, whatever the number of clients.
const SHARDS_BYTES_MAX: usize = 512 * 1024;

/// A channel without a state of its own.
struct Plain;

impl Channel for Plain {
    type Params = Ignored;

    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        Ok(Plain.into())
    }

    async fn handle_in(
        &mut self,
        _: &str,
        payload: Payload,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        Ok(Reply::echo(payload))
    }
}

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Asks every client something eight times at once, and takes the answers.
fn storm(clients: &mut [Client]) {
    for client in &mut *clients {
        for n in 0..8 {
            client.send(json!(["1", n.to_string(), "room:1", "echo", {"text": "hello there"}]));
        }
    }
    for client in clients {
        for _ in 0..8 {
            client.next("an answer");
        }
        client.forget();
    }
}

#[test]
fn a_joined_client_costs_little_and_a_storm_leaves_nothing_behind() {
    let server = TestServer::start(Socket::new().channel::<Plain>("room:*"));
    // What is made once for all clients is not theirs.
    let mut first = server.client();
    first.join("room:1", "1");
    storm(std::slice::from_mut(&mut first));
    let mut clients = Vec::with_capacity(CLIENTS);
    let before = allocated();
    for _ in 0..CLIENTS {
        let mut client = server.client();
        client.join("room:1", "1");
        client.forget();
        clients.push(client);
    }
    let joined = allocated() - before;
    let each = joined / CLIENTS;
    assert!(
        each <= JOINED_BYTES_MAX,
        "a joined client costs {each} bytes"
    );
    storm(&mut clients);
    let after = allocated() - before;
    assert!(
        after < joined + SHARDS_BYTES_MAX,
        "{joined} bytes before the storm, {after} after it"
    );
    drop(clients);
    support::block_on(async {
        while server.endpoint.counters().channels_open > 1 {
            tokio::task::yield_now().await;
        }
    });
    let gone = allocated().saturating_sub(before);
    assert!(
        gone < SHARDS_BYTES_MAX,
        "{gone} bytes are left of {joined} when all have gone"
    );
}
