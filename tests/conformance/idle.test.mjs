// Row 46: a socket that says nothing is closed. The mount `/fast` waits 200 ms.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Raw } from "./support/raw.mjs";
import { serve } from "./support/server.mjs";
import { elapse } from "./support/wait.mjs";

const IDLE_MS = 200;
/** Timers of both sides may be early by as much as they are coarse. */
const GRAIN_MS = 20;

let server;
before(async () => {
  server = await serve();
});
after(() => server?.stop());

test("row 46: a silent socket is closed with 1001, not before its time", async () => {
  const raw = await Raw.open(server.mount("/fast"));
  const opened = performance.now();
  assert.equal((await raw.closed()).code, 1001);
  const waited = performance.now() - opened;
  assert.ok(waited >= IDLE_MS - GRAIN_MS, `closed after ${waited} ms`);
});

test("row 46: what the server sends does not keep a silent socket open", async () => {
  const [silent, loud] = [await Raw.open(server.mount("/fast")), await Raw.open(server.mount())];
  await silent.join("room:46");
  await loud.join("room:46");
  let isOpen = true;
  const closed = silent.closed().then((close) => {
    isOpen = false;
    return close;
  });
  for (let n = 0; isOpen && n < 1_000; n += 1) {
    loud.send("1", null, "room:46", "bc", { n });
    await elapse(IDLE_MS / 8);
  }
  assert.equal((await closed).code, 1001);
  loud.close();
});

test("row 46: a heartbeat starts the time again", async () => {
  const raw = await Raw.open(server.mount("/fast"));
  const lives = await heartbeatsOverTime(raw);
  assert.ok(lives, "the socket was closed although it spoke in time");
  const last = performance.now();
  assert.equal((await raw.closed()).code, 1001);
  const waited = performance.now() - last;
  assert.ok(waited >= IDLE_MS - GRAIN_MS, `closed ${waited} ms after the last heartbeat`);
});

/**
 * Speaks for three times the idle time in steps well below it; false when the server closes.
 * On a machine that did not let us speak in time the attempt says nothing, so it begins anew.
 */
async function heartbeatsOverTime(raw) {
  let [begin, last] = [performance.now(), performance.now()];
  while (performance.now() - begin < 3 * IDLE_MS) {
    await elapse(IDLE_MS / 4);
    if (!raw.isOpen && performance.now() - last < IDLE_MS - GRAIN_MS) return false;
    await raw.heartbeat();
    const isLate = performance.now() - last > IDLE_MS - GRAIN_MS;
    last = performance.now();
    if (isLate) begin = last;
  }
  return raw.isOpen;
}
