// Rows 40 to 42: payloads that are bytes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Socket } from "phoenix";
import WebSocket from "ws";

import { Raw } from "./support/raw.mjs";
import { serve } from "./support/server.mjs";
import { Inbox, PATIENCE_MS, within } from "./support/wait.mjs";

let server;
before(async () => {
  server = await serve();
});
after(() => server?.stop());

/** A binary frame: numbers are bytes, strings their UTF-8. */
function bytes(...parts) {
  const buffers = parts.map((part) => Buffer.from(typeof part === "number" ? [part] : part));
  return Buffer.concat(buffers);
}

const push = (event, ...data) =>
  bytes(0, 1, 1, 6, event.length, "1", "9", "room:1", event, ...data);

test("row 40: a binary push is answered with a binary reply", async () => {
  const raw = await Raw.open(server.mount());
  await raw.join("room:1");
  raw.sendRaw(push("bin", 1, 2));
  const expected = bytes(1, 1, 1, 6, 2, "1", "9", "room:1", "ok", 1, 2, 3, 4);
  assert.deepEqual(await raw.next("the reply"), expected);
  raw.sendRaw(push("echo", 5, 6, 7));
  const echo = bytes(1, 1, 1, 6, 2, "1", "9", "room:1", "ok", 5, 6, 7);
  assert.deepEqual(await raw.next("the echo"), echo);
  raw.close();
});

test("row 41: bytes are pushed in a frame of kind 0 without a ref", async () => {
  const raw = await Raw.open(server.mount());
  await raw.join("room:1");
  raw.send("1", null, "room:1", "pbin", {});
  assert.deepEqual(await raw.next("the push"), bytes(0, 1, 6, 4, "1", "room:1", "pbin", 9));
  raw.close();
});

test("row 42: bytes are broadcast in a frame of kind 2", async () => {
  const [a, b] = [await Raw.open(server.mount()), await Raw.open(server.mount())];
  for (const raw of [a, b]) await raw.join("room:42");
  a.send("1", null, "room:42", "bbin", {});
  const expected = bytes(2, 7, 4, "room:42", "bbin", 8, 8);
  for (const raw of [a, b]) assert.deepEqual(await raw.next("the broadcast"), expected);
  for (const raw of [a, b]) raw.close();
});

test("rows 40 to 42: the npm client sends and takes bytes, in names beyond ASCII too", async () => {
  const socket = new Socket(server.mount(), { transport: WebSocket, timeout: PATIENCE_MS });
  socket.connect();
  const channel = socket.channel("room:åäö");
  const events = new Inbox();
  for (const event of ["pbin", "bbin"]) {
    channel.on(event, (payload) => events.push([event, ...new Uint8Array(payload)]));
  }
  const joined = new Promise((resolve) => channel.join().receive("ok", resolve));
  await within(PATIENCE_MS, "the join", joined);
  const sent = new Uint8Array([0, 255, 7]).buffer;
  const echo = new Promise((resolve) => channel.push("echo", sent).receive("ok", resolve));
  assert.deepEqual(await within(PATIENCE_MS, "the echo", echo), sent);
  channel.push("pbin", {});
  assert.deepEqual(await events.next("the push"), ["pbin", 9]);
  channel.push("bbin", {});
  assert.deepEqual(await events.next("the broadcast"), ["bbin", 8, 8]);
  socket.disconnect();
});
