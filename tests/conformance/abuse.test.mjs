// One client must not hurt the others: broken frames, storms, floods, half handshakes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Worker } from "node:worker_threads";

import { Raw } from "./support/raw.mjs";
import { serve } from "./support/server.mjs";
import { Inbox, PATIENCE_MS } from "./support/wait.mjs";
import { OPCODE, Wire, frame, message } from "./support/wire.mjs";

/** What the server may hold for one client that does not read, with room for the allocator. */
const MEMORY_GROWTH_MAX = 64 * 1024 * 1024;
/** What others may wait while a flood runs; generous, since the flood has half of the machine. */
const OTHERS_P99_MS = 250;
/** A half-open handshake is ended within this time, in ms. */
const HANDSHAKE_MS = 30_000;

let server;
before(async () => {
  server = await serve();
});
after(() => server?.stop());

/** Bytes after which the server closes with a code, while another client is served. */
function broken(name, code, ...frames) {
  test(`${name} closes with ${code}`, async () => {
    const other = await Raw.open(server.mount());
    const wire = await Wire.open(server);
    for (const bytes of frames) wire.write(bytes);
    assert.equal(await wire.closeCode(), code);
    await other.heartbeat();
    other.close();
    wire.close();
  });
}

const hello = Buffer.from("hello");
broken("an unmasked frame", 1002, frame(OPCODE.text, hello, { isMasked: false }));
broken("a reserved bit", 1002, frame(OPCODE.text, hello, { reserved: 4 }));
broken("a reserved opcode", 1002, frame(3, hello));
broken("a fragmented ping", 1002, frame(OPCODE.ping, hello, { fin: false }));
broken("a ping of 126 bytes", 1002, frame(OPCODE.ping, Buffer.alloc(126)));
broken("a continuation of nothing", 1002, frame(OPCODE.continuation, hello));
broken("a message inside of a message", 1002,
  frame(OPCODE.text, hello, { fin: false }), frame(OPCODE.text, hello));
broken("a close frame of one byte", 1002, frame(OPCODE.close, Buffer.alloc(1)));
broken("a close frame with a code nobody may send", 1002,
  frame(OPCODE.close, Buffer.from([0x03, 0xed])));
broken("text that is no UTF-8", 1007, frame(OPCODE.text, Buffer.from([0x22, 0xc3, 0x28, 0x22])));
broken("a frame that announces 16 GiB", 1009,
  frame(OPCODE.text, Buffer.alloc(0), { length: 2 ** 34 }));
broken("a message of endless fragments", 1009, ...fragments(64, 16 * 1024));

/** A message of `count` fragments that never ends. */
function fragments(count, bytes) {
  const part = (opcode) => frame(opcode, Buffer.alloc(bytes, 0x61), { fin: false });
  const more = part(OPCODE.continuation);
  return [part(OPCODE.text), ...Array(count - 1).fill(more)];
}

test("a close is answered with its own code", async () => {
  const wire = await Wire.open(server);
  wire.write(frame(OPCODE.close, Buffer.from([0x03, 0xe8])));
  assert.equal(await wire.closeCode(), 1000);
  await wire.ended();
});

test("a ping is answered with its payload, also between fragments", async () => {
  const wire = await Wire.open(server);
  const text = JSON.stringify([null, "1", "phoenix", "heartbeat", {}]);
  wire.write(frame(OPCODE.text, Buffer.from(text.slice(0, 9)), { fin: false }));
  wire.write(frame(OPCODE.ping, hello));
  assert.deepEqual(await wire.frame(), { opcode: OPCODE.pong, isMasked: false, payload: hello });
  wire.write(frame(OPCODE.continuation, Buffer.from(text.slice(9))));
  const reply = await wire.frame();
  assert.equal(JSON.parse(reply.payload)[1], "1");
  wire.close();
});

test("a frame that arrives byte by byte is read", async () => {
  const wire = await Wire.open(server);
  for (const byte of message(null, "1", "phoenix", "heartbeat", {})) {
    wire.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  assert.equal(JSON.parse((await wire.frame()).payload)[1], "1");
  wire.close();
});

test("a storm of 1,000 joins on one socket: 100 are accepted", async () => {
  const raw = await Raw.open(server.mount());
  for (let n = 0; n < 1_000; n += 1) raw.send(`${n}`, `${n}`, `room:s${n}`, "phx_join", {});
  const counts = {};
  for (let n = 0; n < 1_000; n += 1) {
    const [, , , , { status, response }] = await raw.next(`reply ${n} of the storm`);
    const what = status === "ok" ? "ok" : response.reason;
    counts[what] = (counts[what] ?? 0) + 1;
  }
  assert.deepEqual(counts, { ok: 100, "too many channels joined": 900 });
  await raw.heartbeat();
  raw.close();
});

test("a client that floods and never reads harms nobody, and memory stays bounded", async (t) => {
  const before = await server.memory();
  const flood = await Flood.begin("echo");
  t.after(() => flood.stop());
  const { p99, peak } = await serveOthers();
  const { bytes } = await flood.end();
  assert.ok(bytes > 1024 * 1024, `the flood was a trickle of ${bytes} bytes`);
  assert.ok(p99 < OTHERS_P99_MS, `others waited ${p99} ms`);
  assert.ok(peak - before < MEMORY_GROWTH_MAX, `memory grew by ${peak - before} bytes`);
});

test("a member that never reads holds up neither the room nor the memory", async () => {
  const before = await server.memory();
  const deaf = await Wire.open(server);
  deaf.write(message("1", "1", "room:deaf", "phx_join", {}));
  await deaf.frame();
  deaf.stopReading();
  const [speaker, listener] = [await Raw.open(server.mount()), await Raw.open(server.mount())];
  await speaker.join("room:deaf");
  await listener.join("room:deaf");
  // 64 MiB in all, four times what the kernel and the bound of one outbox hold together.
  const payload = { text: "x".repeat(16 * 1024) };
  let peak = 0;
  for (let n = 0; n < 4_096; n += 1) {
    speaker.send("1", null, "room:deaf", "bc", payload);
    await Promise.all([speaker.next("one's own broadcast"), listener.next("the broadcast")]);
    if (n % 256 === 0) peak = Math.max(peak, await server.memory());
  }
  assert.ok(peak - before < MEMORY_GROWTH_MAX, `memory grew by ${peak - before} bytes`);
  for (const raw of [speaker, listener]) raw.close();
  deaf.close();
});

test("half a handshake is ended, and others are served meanwhile", async () => {
  const half = await Wire.connect(server);
  half.write("GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: x\r\nUpgrade: web");
  const silent = await Wire.connect(server);
  const raw = await Raw.open(server.mount());
  await raw.heartbeat();
  raw.close();
  await Promise.all([half.ended(HANDSHAKE_MS), silent.ended(HANDSHAKE_MS)]);
});

test("a request head without an end is refused", async () => {
  const wire = await Wire.connect(server);
  wire.write("GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\n");
  const line = `X-Long: ${"a".repeat(1_000)}\r\n`;
  for (let n = 0; n < 256 && !wire.socket.destroyed; n += 1) wire.write(line);
  await wire.ended(HANDSHAKE_MS);
});

test("bytes that are no HTTP are refused", async () => {
  const wire = await Wire.connect(server);
  wire.write(Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 0x0d, 0x0a, 0x0d, 0x0a, 0x00]));
  await wire.ended(HANDSHAKE_MS);
});

/** Requests one after the other on another socket: their p99 in ms and the server's memory. */
async function serveOthers() {
  const raw = await Raw.open(server.mount());
  await raw.join("room:others");
  const times = [];
  let peak = 0;
  for (let n = 0; n < 300; n += 1) {
    const begin = performance.now();
    await raw.heartbeat();
    await raw.expectNothingBeforeEcho("room:others");
    times.push(performance.now() - begin);
    if (n % 30 === 0) peak = Math.max(peak, await server.memory());
  }
  raw.close();
  times.sort((a, b) => a - b);
  return { p99: times[Math.floor(times.length * 0.99)], peak };
}

/** The flood runs in a thread of its own, so that what it burns is not taken for the server's. */
class Flood {
  #worker;
  #reports = new Inbox();

  static async begin(event) {
    const flood = new Flood();
    const workerData = { url: server.url.href, event };
    flood.#worker = new Worker(new URL("./support/flood.mjs", import.meta.url), { workerData });
    flood.#worker.on("message", (report) => flood.#reports.push(report));
    flood.#worker.on("error", (error) => flood.#reports.end(error));
    await flood.#reports.next("the flood to begin", PATIENCE_MS);
    return flood;
  }

  /** Stops and reports how many bytes were written. */
  async end() {
    this.#worker.postMessage("end");
    return this.#reports.next("the report of the flood");
  }

  stop() {
    return this.#worker.terminate();
  }
}
