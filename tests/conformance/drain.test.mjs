// Row 48: SIGTERM closes every client with 1012 and the process ends by itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Socket } from "phoenix";
import WebSocket from "ws";

import { Proxy } from "./support/proxy.mjs";
import { Raw } from "./support/raw.mjs";
import { start } from "./support/server.mjs";
import { Inbox } from "./support/wait.mjs";
import { Wire } from "./support/wire.mjs";

test("row 48: every client is closed with 1012 and the process ends with 0", async (t) => {
  const server = await start();
  t.after(() => server.stop());
  const clients = [];
  for (let n = 0; n < 50; n += 1) clients.push(await Raw.open(server.mount()));
  for (const [n, raw] of clients.entries()) if (n % 2 === 0) await raw.join(`room:${n}`);
  const closes = clients.map((raw) => raw.closed());
  const exit = await server.terminate();
  const codes = (await Promise.all(closes)).map(({ code }) => code);
  assert.deepEqual(codes, Array(50).fill(1012));
  assert.deepEqual(exit, { code: 0, signal: null });
});

test("row 48: neither half a handshake nor a client that never reads holds up the end", async (t) => {
  const server = await start();
  t.after(() => server.stop());
  const half = await Wire.connect(server);
  half.write("GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: x");
  const deaf = await Wire.open(server);
  deaf.stopReading();
  const exit = await server.terminate();
  assert.deepEqual(exit, { code: 0, signal: null });
  for (const wire of [half, deaf]) wire.close();
});

test("row 48: a server without clients ends at once", async (t) => {
  const server = await start();
  t.after(() => server.stop());
  assert.deepEqual(await server.terminate(), { code: 0, signal: null });
});

test("rows 48 and 66: the npm client moves on to the next server", async (t) => {
  const [old, next] = [await start(), await start()];
  const proxy = await Proxy.to(old.mount());
  const socket = new Socket(proxy.mount, { transport: WebSocket, reconnectAfterMs: () => 50 });
  t.after(async () => {
    socket.disconnect();
    await Promise.all([proxy.stop(), old.stop(), next.stop()]);
  });
  const [closes, joins] = [new Inbox(), new Inbox()];
  socket.onClose((event) => closes.push(event.code));
  socket.connect();
  socket.channel("room:move").join().receive("ok", () => joins.push("joined"));
  await joins.next("the first join");
  proxy.redirect(next.mount());
  const exit = await old.terminate();
  assert.equal(await closes.next("the close"), 1012);
  await joins.next("the join on the next server");
  assert.deepEqual(exit, { code: 0, signal: null });
});
