// Rows 2, 3 and 49 to 51: the older serializer, objects instead of arrays, no join_ref.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Raw } from "./support/raw.mjs";
import { serve } from "./support/server.mjs";

let server;
before(async () => {
  server = await serve();
});
after(() => server?.stop());

const OK = { status: "ok", response: {} };

function send(raw, topic, event, payload, ref) {
  raw.sendRaw(JSON.stringify({ topic, event, payload, ref }));
}

async function expect(raw, topic, event, payload, ref) {
  const actual = await raw.next(`${event} on ${topic}`);
  assert.deepEqual(actual, { topic, event, payload, ref });
}

async function joined(topic, query = "vsn=1.0.0") {
  const raw = await Raw.open(server.mount(), query);
  send(raw, topic, "phx_join", {}, "1");
  await expect(raw, topic, "phx_reply", OK, "1");
  return raw;
}

test("row 2: without a version V1 is spoken", async () => {
  const raw = await joined("room:1", "");
  send(raw, "phoenix", "heartbeat", {}, "2");
  await expect(raw, "phoenix", "phx_reply", OK, "2");
  raw.close();
});

test("rows 3 and 49: with vsn 1.0.0 a join is answered without a join_ref", async () => {
  const raw = await joined("room:1");
  send(raw, "room:1", "echo", { x: 1 }, "2");
  await expect(raw, "room:1", "phx_reply", { status: "ok", response: { x: 1 } }, "2");
  raw.close();
});

test("row 50: a crash has a null ref, and the channel can be joined again", async () => {
  const raw = await joined("room:1");
  send(raw, "room:1", "boom", {}, "2");
  await expect(raw, "room:1", "phx_error", { reason: "channel_crash" }, null);
  send(raw, "room:1", "phx_join", {}, "3");
  await expect(raw, "room:1", "phx_reply", OK, "3");
  raw.close();
});

test("row 51: an unmatched topic echoes the ref", async () => {
  const raw = await joined("room:1");
  send(raw, "nowhere", "echo", {}, "2");
  const unmatched = { status: "error", response: { reason: "unmatched topic" } };
  await expect(raw, "nowhere", "phx_reply", unmatched, "2");
  raw.close();
});

test("a leave is answered and the channel closes with a null ref", async () => {
  const raw = await joined("room:1");
  send(raw, "room:1", "phx_leave", {}, "2");
  await expect(raw, "room:1", "phx_reply", OK, "2");
  await expect(raw, "room:1", "phx_close", {}, null);
  raw.close();
});

test("a broadcast reaches clients of both versions in their own words", async () => {
  const old = await joined("room:v");
  const current = await Raw.open(server.mount());
  await current.join("room:v");
  current.send("1", null, "room:v", "bc", { t: "å" });
  await expect(old, "room:v", "bc", { t: "å" }, null);
  await current.expect(null, null, "room:v", "bc", { t: "å" });
  for (const raw of [old, current]) raw.close();
});

test("an array closes with 1011 where V1 is spoken", async () => {
  const raw = await joined("room:1");
  raw.send("1", "2", "room:1", "echo", {});
  assert.equal((await raw.closed()).code, 1011);
});
