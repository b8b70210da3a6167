// Rows 62 to 65 and 69: who is on a topic, on the wire and in the npm client's Presence.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Presence, Socket } from "phoenix";
import WebSocket from "ws";

import { Raw } from "./support/raw.mjs";
import { serve } from "./support/server.mjs";
import { Inbox, PATIENCE_MS } from "./support/wait.mjs";

const QUICK_MS = 20;

let server;
const open = [];
before(async () => {
  server = await serve();
});
after(() => server?.stop());
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** Joins as `key` and takes the reply and the state. */
async function present(topic, key, meta = {}) {
  const raw = await Raw.open(server.mount());
  open.push(() => raw.close());
  raw.send("1", "1", topic, "phx_join", { key, meta });
  await raw.expect("1", "1", topic, "phx_reply", { status: "ok", response: {} });
  const [joinRef, ref, , event, state] = await raw.next("the state");
  assert.deepEqual([joinRef, ref, event], ["1", null, "presence_state"]);
  return { raw, state };
}

/** The next diff. */
async function diff(raw, topic) {
  const [joinRef, ref, to, event, payload] = await raw.next("a diff");
  assert.deepEqual([joinRef, ref, to, event], [null, null, topic, "presence_diff"]);
  return payload;
}

test("row 62: a join is followed by the state with one's own key", async () => {
  const { state } = await present("presence:62", "ada", { tab: 1 });
  assert.deepEqual(Object.keys(state), ["ada"]);
  const [{ tab, phx_ref: ref, ...rest }, ...others] = state.ada.metas;
  assert.deepEqual([tab, typeof ref, rest, others], [1, "string", {}, []]);
});

test("row 63: a second tab of one key is a diff with one meta", async () => {
  const { raw } = await present("presence:63", "ada", { tab: 1 });
  await diff(raw, "presence:63");
  const { state } = await present("presence:63", "ada", { tab: 2 });
  assert.deepEqual(state.ada.metas.map((meta) => meta.tab), [1, 2]);
  const { joins, leaves } = await diff(raw, "presence:63");
  assert.deepEqual(joins, { ada: { metas: [state.ada.metas[1]] } });
  assert.deepEqual(leaves, {});
});

test("row 64: an update is one diff, and remembers the ref before", async () => {
  const { raw, state } = await present("presence:64", "ada", { is: "here" });
  await diff(raw, "presence:64");
  raw.send("1", null, "presence:64", "update", { key: "ada", meta: { is: "away" } });
  const [before] = state.ada.metas;
  const { joins, leaves } = await diff(raw, "presence:64");
  assert.deepEqual(leaves, { ada: { metas: [before] } });
  const [{ is, phx_ref: ref, phx_ref_prev: previous }] = joins.ada.metas;
  assert.deepEqual([is, previous], ["away", before.phx_ref]);
  assert.notEqual(ref, before.phx_ref);
});

test("row 65: a socket that dies is a diff that leaves with its ref only", async () => {
  const { raw } = await present("presence:65", "ada", { tab: 1 });
  await diff(raw, "presence:65");
  const { raw: second, state } = await present("presence:65", "ada", { tab: 2 });
  await diff(raw, "presence:65");
  second.close();
  const { joins, leaves } = await diff(raw, "presence:65");
  assert.deepEqual([joins, leaves], [{}, { ada: { metas: [state.ada.metas[1]] } }]);
});

test("keys that JavaScript objects know by themselves come through", async () => {
  for (const key of ["constructor", "toString", "", "\u2028", "quote\"d"]) {
    const { state } = await present(`presence:${Math.random()}`, key);
    assert.deepEqual(Object.keys(state), [key]);
  }
});

/** The npm client with its Presence on a topic; `synced` hears of every change. */
function phoenix(topic, key, meta) {
  const socket = new Socket(server.mount(), {
    transport: WebSocket,
    timeout: PATIENCE_MS,
    reconnectAfterMs: () => QUICK_MS,
    rejoinAfterMs: () => QUICK_MS,
  });
  socket.connect();
  open.push(() => socket.disconnect());
  const channel = socket.channel(topic, { key, meta });
  const presence = new Presence(channel);
  const synced = new Inbox();
  presence.onSync(() => synced.push(list(presence)));
  channel.join();
  return { socket, channel, presence, synced };
}

/** What a Presence shows: for each key what it has, without refs, and the number of refs. */
function list(presence) {
  const entries = presence.list((key, { metas }) => {
    const seen = metas.map(({ is }) => is).sort();
    const refs = new Set(metas.map((meta) => meta.phx_ref));
    return [key, seen, refs.size];
  });
  return entries.sort();
}

/** Waits until a client shows this. */
async function shows(client, expected) {
  while (JSON.stringify(list(client.presence)) !== JSON.stringify(expected)) {
    await client.synced.next(`${JSON.stringify(expected)} instead of ${
      JSON.stringify(list(client.presence))}`);
  }
}

test("row 69: two npm clients agree after join, update, leave, rejoin and death", async () => {
  const topic = "presence:69";
  const ada = phoenix(topic, "ada", { is: "here" });
  const bob = phoenix(topic, "bob", { is: "here" });
  const both = [["ada", ["here"], 1], ["bob", ["here"], 1]];
  for (const client of [ada, bob]) await shows(client, both);

  bob.channel.push("update", { key: "bob", meta: { is: "away" } });
  const away = [["ada", ["here"], 1], ["bob", ["away"], 1]];
  for (const client of [ada, bob]) await shows(client, away);

  bob.channel.leave();
  await shows(ada, [["ada", ["here"], 1]]);

  const again = phoenix(topic, "bob", { is: "back" });
  const back = [["ada", ["here"], 1], ["bob", ["back"], 1]];
  for (const client of [ada, again]) await shows(client, back);

  const tab = phoenix(topic, "ada", { is: "there" });
  const tabs = [["ada", ["here", "there"], 2], ["bob", ["back"], 1]];
  for (const client of [ada, again, tab]) await shows(client, tabs);

  tab.socket.conn.terminate();
  tab.socket.disconnect();
  for (const client of [ada, again]) await shows(client, back);

  // The connection is lost and comes back by itself: a new state, the same picture.
  ada.socket.conn.terminate();
  const joined = new Inbox();
  again.presence.onJoin((key) => joined.push(key));
  assert.equal(await joined.next("ada to come back"), "ada");
  for (const client of [ada, again]) await shows(client, back);
});
