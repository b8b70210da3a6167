// Rows 66 to 68 and more: the npm client as it is published, over a real WebSocket and, where no
// WebSocket is meant, over long poll too.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LongPoll } from "phoenix";
import WebSocket from "ws";

import { stage as npmStage } from "./support/npm.mjs";
import { Inbox, PATIENCE_MS, within } from "./support/wait.mjs";

const QUICK_MS = 50;

const stage = npmStage(QUICK_MS);

/** A client that is quick to reconnect; `frames` holds what it received of the topic. */
function client(mount, options = {}) {
  const socket = stage.connect(mount, options);
  const frames = new Inbox();
  socket.onMessage((message) => frames.push(message));
  return { socket, frames };
}

/** Joins and returns an inbox with the join_ref of every join that succeeded. */
function join(socket, topic, params = {}) {
  const joins = new Inbox();
  const channel = socket.channel(topic, params);
  channel.join().receive("ok", () => joins.push(channel.joinRef()));
  return { channel, joins };
}

/** Pushes and returns what was answered: `[status, response]`. */
function push(channel, event, payload) {
  const answer = new Promise((resolve) => {
    const sent = channel.push(event, payload, PATIENCE_MS);
    for (const status of ["ok", "error", "timeout"]) {
      sent.receive(status, (response) => resolve([status, response]));
    }
  });
  return within(PATIENCE_MS + 1_000, `the answer to ${event}`, answer);
}

/** The next frame with this event. */
async function frame(frames, event) {
  for (;;) {
    const message = await frames.next(`the event ${event}`);
    if (message.event === event) return message;
  }
}

for (const code of [1000, 1001, 1012]) {
  test(`row 66: the client comes back and rejoins after a close with ${code}`, async () => {
    const { socket } = client(stage.proxy.mount);
    const { channel, joins } = join(socket, "room:66");
    const first = await joins.next("the first join");
    stage.proxy.closeClients(code);
    const second = await joins.next(`a join after ${code}`);
    assert.notEqual(second, first);
    assert.deepEqual(await push(channel, "echo", { code }), ["ok", { code }]);
  });
}

test("row 66: the client comes back after the server's own close of an idle socket", async () => {
  const { socket } = client(stage.server.mount("/fast"));
  const closes = new Inbox();
  socket.onClose((event) => closes.push(event.code));
  const { joins } = join(socket, "room:66");
  const first = await joins.next("the first join");
  assert.equal(await closes.next("the server to close the idle socket"), 1001);
  assert.notEqual(await joins.next("a join after the close"), first);
});

test("row 67: a client whose heartbeat is not answered closes and comes back", async () => {
  stage.proxy.swallowsHeartbeats = true;
  const { socket } = client(stage.proxy.mount, { heartbeatIntervalMs: 400 });
  const { channel, joins } = join(socket, "room:67");
  const first = await joins.next("the first join");
  const close = await stage.proxy.closes.next("the client to give up");
  assert.deepEqual(close, { code: 1000, reason: "heartbeat timeout" });
  stage.proxy.swallowsHeartbeats = false;
  assert.notEqual(await joins.next("a join after the time-out"), first);
  assert.deepEqual(await push(channel, "echo", { n: 1 }), ["ok", { n: 1 }]);
});

test("row 67: a client whose heartbeat is answered stays", async () => {
  const { socket, frames } = client(stage.proxy.mount, { heartbeatIntervalMs: QUICK_MS });
  const { joins } = join(socket, "room:67");
  await joins.next("the join");
  for (let n = 0; n < 5; n += 1) {
    const message = await frame(frames, "phx_reply");
    assert.equal(message.payload.status, "ok");
  }
  assert.equal(stage.proxy.clients.size, 1);
  assert.deepEqual(stage.proxy.closes.rest, []);
});

for (const [name, transport] of [["a WebSocket", WebSocket], ["long poll", LongPoll]]) {
  test(`row 68: the client rejoins after phx_error with a new ref, over ${name}`, async () => {
    const tries = [];
    const rejoinAfterMs = (attempt) => {
      tries.push(attempt);
      return QUICK_MS;
    };
    const { socket, frames } = client(stage.server.mount(), { transport, rejoinAfterMs });
    const { channel, joins } = join(socket, "room:68");
    const errors = new Inbox();
    channel.onError((reason) => errors.push(reason));
    const first = await joins.next("the first join");
    channel.push("boom", {});
    assert.deepEqual(await errors.next("the error hook"), { reason: "channel_crash" });
    const { join_ref: joinRef, ref } = await frame(frames, "phx_error");
    assert.deepEqual({ joinRef, ref }, { joinRef: first, ref: first });
    const second = await joins.next("a join after the crash");
    assert.notEqual(second, first);
    assert.equal(tries[0], 1);
    assert.deepEqual(await push(channel, "echo", { n: 1 }), ["ok", { n: 1 }]);
  });

  test(`a crash of one client's channel is nothing to another client, over ${name}`, async () => {
    const [a, b] = [0, 1].map(() => client(stage.server.mount(), { transport }));
    const [left, right] = [join(a.socket, "room:two"), join(b.socket, "room:two")];
    await left.joins.next("the join of a");
    const joinRef = await right.joins.next("the join of b");
    let errors = 0;
    right.channel.onError(() => {
      errors += 1;
    });
    left.channel.push("boom", {});
    await left.joins.next("a to join again");
    const heard = new Inbox();
    right.channel.on("bc", (payload) => heard.push(payload));
    left.channel.push("bc", { after: "crash" });
    assert.deepEqual(await heard.next("the broadcast"), { after: "crash" });
    assert.deepEqual([right.channel.joinRef(), errors], [joinRef, 0]);
  });

  test(`pushes made before the join is answered are answered in order, over ${name}`, async () => {
    const { socket } = client(stage.server.mount(), { transport });
    const channel = socket.channel("room:early");
    const order = [];
    const answers = [0, 1, 2, 3].map((n) => new Promise((resolve) => {
      queueMicrotask(() => channel.push("echo", { n }).receive("ok", (response) => {
        order.push(response.n);
        resolve();
      }));
    }));
    channel.join();
    await within(PATIENCE_MS, "the answers", Promise.all(answers));
    assert.deepEqual(order, [0, 1, 2, 3]);
  });

  test(`a second channel object of a topic replaces the first, over ${name}`, async () => {
    const { socket } = client(stage.server.mount(), { transport });
    const first = join(socket, "room:twice");
    await first.joins.next("the first join");
    const second = join(socket, "room:twice");
    await second.joins.next("the second join");
    assert.deepEqual(await push(second.channel, "echo", { n: 2 }), ["ok", { n: 2 }]);
    assert.equal(first.channel.state, "closed");
  });

  test(`a refused join says why, and leaving ends the trying, over ${name}`, async () => {
    const { socket } = client(stage.server.mount(), { transport });
    const channel = socket.channel("deny:1");
    const refused = new Promise((resolve) => channel.join().receive("error", resolve));
    const reason = await within(PATIENCE_MS, "the refusal", refused);
    assert.deepEqual(reason, { reason: "unauthorized" });
    channel.leave();
    assert.equal(channel.state, "closed");
  });

  test(`leaving is answered and the channel is closed for good, over ${name}`, async () => {
    const { socket } = client(stage.server.mount(), { transport });
    const { channel, joins } = join(socket, "room:leave");
    await joins.next("the join");
    const left = new Promise((resolve) => channel.leave().receive("ok", resolve));
    await within(PATIENCE_MS, "the answer to the leave", left);
    assert.equal(channel.state, "closed");
  });

  test(`a channel that the server stops is closed and not joined again, over ${name}`, async () => {
    const { socket } = client(stage.server.mount(), { transport });
    const { channel, joins } = join(socket, "room:stop");
    await joins.next("the join");
    const closed = new Promise((resolve) => channel.onClose(resolve));
    channel.push("stop", {});
    await within(PATIENCE_MS, "the close of the channel", closed);
    const other = join(socket, "room:after");
    await other.joins.next("another join");
    assert.deepEqual(joins.rest, []);
  });
}
