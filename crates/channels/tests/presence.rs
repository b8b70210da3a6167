//! Who is on a topic, as clients see it.

mod support;

use std::collections::HashMap;

use serde_json::{Value, json};
use support::client::{error, ok};
use support::{Client, TestServer};
use vaxel_channels::{
    Channel, ChannelContext, Joined, Payload, PresenceConfig, Refusal, Reply, Socket, Topic,
};

/// Shows its client under the key that the client asks for.
struct Seen {
    key: Option<String>,
}

#[derive(serde::Deserialize)]
struct As {
    key: Option<String>,
}

impl Channel for Seen {
    type Params = As;

    async fn join(
        _: &Topic,
        As { key }: As,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        match key.as_deref() {
            Some("late") => {}
            Some(key) => cx.presence().track(key, &json!({"n": 1}))?,
            None => cx.presence().push_state(),
        }
        if key.as_deref() == Some("refused") {
            return Err(Refusal::new("after all"));
        }
        Ok(Seen { key }.into())
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        let key = self.key.clone().unwrap_or_default();
        match event {
            "echo" => return Ok(Reply::echo(payload)),
            "boom" => panic!("boom"),
            "track" => cx.presence().track(&key, &payload)?,
            "update" => cx.presence().update(&key, &payload)?,
            "untrack" => return Ok(Reply::ok(cx.presence().untrack(&key))),
            "count" => return Ok(Reply::ok(cx.presence().list().len())),
            _ => return Err(Refusal::new("unknown event")),
        }
        Ok(Reply::none())
    }
}

fn server() -> TestServer {
    TestServer::start(Socket::new().channel::<Seen>("seen:*"))
}

/// Joins as `key`; the state that is pushed after the reply.
fn join(client: &mut Client, key: Option<&str>) -> Value {
    client.send(json!(["1", "1", "seen:1", "phx_join", {"key": key}]));
    client.expect(json!(["1", "1", "seen:1", "phx_reply", ok(json!({}))]));
    let state = client.next("the state");
    assert_eq!(state.as_array().unwrap()[..4], pushed("presence_state"));
    state[4].clone()
}

fn pushed(event: &str) -> [Value; 4] {
    [json!("1"), Value::Null, json!("seen:1"), json!(event)]
}

/// The next diff: its joins and its leaves.
fn diff(client: &mut Client) -> (Value, Value) {
    let diff = client.next("a diff");
    let expected = [
        Value::Null,
        Value::Null,
        json!("seen:1"),
        json!("presence_diff"),
    ];
    assert_eq!(diff.as_array().unwrap()[..4], expected);
    (diff[4]["joins"].clone(), diff[4]["leaves"].clone())
}

/// The entries of a key without their refs, and the refs.
fn metas(entry: &Value) -> (Vec<Value>, Vec<Value>) {
    let mut metas = entry["metas"].as_array().unwrap().clone();
    let refs = metas
        .iter_mut()
        .map(|meta| {
            let meta = meta.as_object_mut().unwrap();
            meta.remove("phx_ref_prev");
            meta.remove("phx_ref").unwrap()
        })
        .collect();
    (metas, refs)
}

#[test]
fn whoever_joins_gets_the_state_with_itself_and_others_a_diff() {
    let server = server();
    let mut watcher = server.client();
    assert_eq!(join(&mut watcher, None), json!({}));
    let mut ada = server.client();
    let state = join(&mut ada, Some("ada"));
    let (seen, refs) = metas(&state["ada"]);
    assert_eq!(seen, [json!({"n": 1})]);
    for client in [&mut watcher, &mut ada] {
        let (joins, leaves) = diff(client);
        assert_eq!(metas(&joins["ada"]).1, refs);
        assert_eq!(leaves, json!({}));
    }
    // A second entry under the same key: the diff has only the new one, the state has both.
    let mut tab = server.client();
    let state = join(&mut tab, Some("ada"));
    let (joins, leaves) = diff(&mut watcher);
    let (_, both) = metas(&state["ada"]);
    assert_eq!(both[0], refs[0]);
    assert_eq!(metas(&joins["ada"]).1, both[1..]);
    assert_eq!(leaves, json!({}));
}

#[test]
fn an_update_is_one_diff_and_remembers_the_ref_before() {
    let server = server();
    let mut ada = server.client();
    let state = join(&mut ada, Some("ada"));
    diff(&mut ada);
    ada.send(json!(["1", null, "seen:1", "update", {"n": 2}]));
    let (joins, leaves) = diff(&mut ada);
    let before = &state["ada"]["metas"][0]["phx_ref"];
    assert_eq!(&joins["ada"]["metas"][0]["phx_ref_prev"], before);
    assert_eq!(joins["ada"]["metas"][0]["n"], 2);
    assert_eq!(
        leaves,
        json!({"ada": {"metas": [{"n": 1, "phx_ref": before}]}})
    );
    ada.send(json!(["1", "2", "seen:1", "untrack", {}]));
    // The diff is published beside the channel, so either may come first.
    let (mut replies, mut diffs) = (0, 0);
    for _ in 0..2 {
        match ada.next("the reply or the diff") {
            message if message[3] == "phx_reply" => {
                assert_eq!(message[4], ok(json!(true)));
                replies += 1;
            }
            message => {
                assert_eq!(message[4]["joins"], json!({}));
                assert_eq!(
                    metas(&message[4]["leaves"]["ada"]).1,
                    [joins["ada"]["metas"][0]["phx_ref"].clone()]
                );
                diffs += 1;
            }
        }
    }
    assert_eq!((replies, diffs), (1, 1));
    ada.send(json!(["1", "3", "seen:1", "update", {"n": 2}]));
    ada.expect(json!([
        "1",
        "3",
        "seen:1",
        "phx_reply",
        error("presence refused")
    ]));
}

#[test]
fn every_way_out_is_one_leave() {
    let server = server();
    let mut watcher = server.client();
    join(&mut watcher, None);
    let gone = |client: &mut Client, how: &str| match how {
        "crash" => client.send(json!(["1", null, "seen:1", "boom", {}])),
        "leave" => client.send(json!(["1", null, "seen:1", "phx_leave", {}])),
        "rejoin" => client.send(json!(["2", "2", "seen:1", "phx_join", {"key": "late"}])),
        _ => client.stream().shutdown(std::net::Shutdown::Both).unwrap(),
    };
    for how in ["crash", "leave", "rejoin", "disconnect"] {
        let mut client = server.client();
        let refs = metas(&join(&mut client, Some(how))[how]).1;
        assert_eq!(metas(&diff(&mut watcher).0[how]).1, refs);
        gone(&mut client, how);
        let (joins, leaves) = diff(&mut watcher);
        assert_eq!((joins, metas(&leaves[how]).1), (json!({}), refs), "{how}");
    }
    watcher.expect_nothing_before_echo("seen:1", "1");
    assert_eq!(server.endpoint.presence().counters().entries, 0);
}

#[test]
fn a_refused_join_leaves_nothing_behind() {
    let server = server();
    let mut client = server.client();
    client.send(json!(["1", "1", "seen:1", "phx_join", {"key": "refused"}]));
    client.expect(json!(["1", "1", "seen:1", "phx_reply", error("after all")]));
    support::block_on(async {
        while server.endpoint.presence().counters().entries > 0 {
            tokio::task::yield_now().await;
        }
    });
    assert!(server.endpoint.presence().list("seen:1").is_empty());
    assert_eq!(join(&mut client, None), json!({}));
}

#[test]
fn what_is_tracked_after_the_join_brings_the_state_once() {
    let server = server();
    let mut client = server.client();
    client.send(json!(["1", "1", "seen:1", "phx_join", {"key": "late"}]));
    client.expect(json!(["1", "1", "seen:1", "phx_reply", ok(json!({}))]));
    client.send(json!(["1", null, "seen:1", "track", {"n": 1}]));
    let state = client.next("the state");
    assert_eq!(state.as_array().unwrap()[..4], pushed("presence_state"));
    diff(&mut client);
    client.send(json!(["1", null, "seen:1", "track", {"n": 2}]));
    let (joins, _) = diff(&mut client);
    assert_eq!(metas(&joins["late"]).0, [json!({"n": 2})]);
    client.send(json!(["1", "2", "seen:1", "track", [1]]));
    client.expect(json!([
        "1",
        "2",
        "seen:1",
        "phx_reply",
        error("presence refused")
    ]));
    client.send(json!(["1", "3", "seen:1", "count", {}]));
    client.expect(json!(["1", "3", "seen:1", "phx_reply", ok(json!(1))]));
}

#[test]
fn the_hook_adds_members_and_its_panic_takes_nothing_away() {
    let config = PresenceConfig::new().fetch(async |fetch: vaxel_channels::Fetch| {
        assert!(
            !fetch.keys.iter().any(|key| &**key == "nobody"),
            "asked for nobody"
        );
        let named = |key: &str| json!({"name": key.to_uppercase(), "metas": 1});
        let keys = fetch.keys.iter();
        keys.map(|key| (key.to_string(), named(key).as_object().unwrap().clone()))
            .collect::<HashMap<_, _>>()
    });
    let server = TestServer::with_presence(Socket::new().channel::<Seen>("seen:*"), config);
    let mut ada = server.client();
    let state = join(&mut ada, Some("ada"));
    assert_eq!(state["ada"]["name"], "ADA");
    assert_eq!(metas(&state["ada"]).0, [json!({"n": 1})]);
    assert_eq!(diff(&mut ada).0["ada"]["name"], "ADA");
    let mut nobody = server.client();
    let state = join(&mut nobody, Some("nobody"));
    assert_eq!(state["ada"].get("name"), None);
    assert!(diff(&mut ada).0["nobody"].get("metas").is_some());
    assert!(server.endpoint.presence().counters().fetch_failures > 0);
}

#[test]
fn bounds_refuse_an_entry_more() {
    let mut config = PresenceConfig::new();
    config.entries_max = 1;
    config.key_bytes_max = 8;
    let server = TestServer::with_presence(Socket::new().channel::<Seen>("seen:*"), config);
    let mut ada = server.client();
    join(&mut ada, Some("ada"));
    for key in ["bob", "longer than eight"] {
        let mut client = server.client();
        client.send(json!(["1", "1", "seen:1", "phx_join", {"key": key}]));
        client.expect(json!([
            "1",
            "1",
            "seen:1",
            "phx_reply",
            error("presence refused")
        ]));
    }
    assert_eq!(server.endpoint.presence().counters().refused, 2);
}
