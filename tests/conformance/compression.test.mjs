// permessage-deflate with a client of another make: what browsers offer is taken, and what a
// client sends compressed is bounded as everything else.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { deflateRawSync } from "node:zlib";
import WebSocket from "ws";

import { serve } from "./support/server.mjs";
import { Inbox, PATIENCE_MS, within } from "./support/wait.mjs";
import { OPCODE, Wire, frame, upgradeRequest } from "./support/wire.mjs";

const OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";

let server;
before(async () => {
  server = await serve();
});
after(() => server?.stop());

/** A client of `ws` with these options, once it is open, and what it receives. */
async function open(perMessageDeflate) {
  const url = `${server.mount()}/websocket?vsn=2.0.0`;
  const socket = new WebSocket(url, { perMessageDeflate });
  const inbox = new Inbox();
  socket.on("message", (data) => inbox.push(JSON.parse(data)));
  socket.on("close", () => inbox.end(new Error("the connection ended")));
  await within(PATIENCE_MS, "the socket to open", new Promise((resolve) => {
    socket.on("open", resolve);
  }));
  return { socket, inbox };
}

/** What a client writes for a message that it has compressed. */
function compressed(opcode, payload, options) {
  // A flush ends with four bytes that are not sent.
  const bytes = deflateRawSync(payload, { finishFlush: 2 }).subarray(0, -4);
  return frame(opcode, bytes, { reserved: 4, ...options });
}

test("what a client offers is taken, without context takeover", async () => {
  const { socket } = await open(true);
  assert.equal(socket.extensions, "permessage-deflate");
  const { params } = socket._extensions["permessage-deflate"];
  assert.deepEqual(
    [params.server_no_context_takeover, params.client_no_context_takeover],
    [true, true],
  );
  socket.close();
});

test("an offer of a window of 256 bytes is declined, and the next one taken", async () => {
  const small = "permessage-deflate; server_max_window_bits=8";
  for (const [offer, isTaken] of [[small, false], [`${small}, permessage-deflate`, true]]) {
    const wire = await Wire.connect(server);
    wire.write(upgradeRequest(server, { lines: [`Sec-WebSocket-Extensions: ${offer}`] }));
    const { headers } = await wire.head();
    assert.equal("sec-websocket-extensions" in headers, isTaken, offer);
    wire.close();
  }
});

test("a long broadcast reaches everybody, and those who offered get fewer bytes", async () => {
  const payload = { text: "the same for everybody, ".repeat(2_000) };
  const clients = await Promise.all([open(true), open(true), open(false)]);
  for (const { socket, inbox } of clients) {
    socket.send(JSON.stringify(["1", "1", "room:zip", "phx_join", {}]));
    await inbox.next("the reply to a join");
  }
  clients[0].socket.send(JSON.stringify(["1", null, "room:zip", "bc", payload]));
  for (const { inbox } of clients) {
    const [, , topic, event, received] = await inbox.next("the broadcast");
    assert.deepEqual([topic, event, received], ["room:zip", "bc", payload]);
  }
  const [zipped, , plain] = clients.map(({ socket }) => socket._socket.bytesRead);
  assert.ok(plain > 48_000 && zipped < 5_000, `${zipped} bytes instead of ${plain}`);
  for (const { socket } of clients) socket.close();
});

test("a compressed message is read, also in fragments", async () => {
  const wire = await Wire.open(server, { lines: [OFFER] });
  const text = Buffer.from(JSON.stringify([null, "1", "phoenix", "heartbeat", {}]));
  wire.write(compressed(OPCODE.text, text));
  assert.equal(JSON.parse((await wire.frame()).payload)[1], "1");
  const whole = deflateRawSync(text, { finishFlush: 2 }).subarray(0, -4);
  wire.write(frame(OPCODE.text, whole.subarray(0, 9), { reserved: 4, fin: false }));
  wire.write(frame(OPCODE.continuation, whole.subarray(9)));
  assert.equal(JSON.parse((await wire.frame()).payload)[1], "1");
  wire.close();
});

for (const [name, code, bytes] of [
  ["a bomb of 8 MiB in 8 KiB", 1009, compressed(OPCODE.text, Buffer.alloc(8 << 20, 0x61))],
  ["compressed bytes that do not inflate", 1007,
    frame(OPCODE.text, Buffer.alloc(20, 0xff), { reserved: 4 })],
  ["compressed text that is no UTF-8", 1007, compressed(OPCODE.text, Buffer.alloc(20, 0xff))],
  ["another reserved bit", 1002, frame(OPCODE.text, Buffer.from("x"), { reserved: 2 })],
  ["a compressed ping", 1002, frame(OPCODE.ping, Buffer.from("x"), { reserved: 4 })],
]) {
  test(`${name} closes with ${code}`, async () => {
    const memory = await server.memory();
    const wire = await Wire.open(server, { lines: [OFFER] });
    wire.write(bytes);
    assert.equal(await wire.closeCode(), code);
    assert.ok(await server.memory() - memory < 4 << 20, "memory is kept");
    wire.close();
  });
}
