// The example `ticker`, a crate that knows nothing but `vaxel`, driven by the npm client.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "../support/example.mjs";
import { EXIT_MS } from "../support/server.mjs";
import { Inbox, PATIENCE_MS, within } from "../support/wait.mjs";

let ticker;
before(() => {
  ticker = start("VAXEL_TICKER");
});
after(() => ticker?.stop());

/** A client that watches a symbol; events and refusals of its channel wait in it. */
function watch(symbol, params = { every_ms: 20 }) {
  const channel = ticker.connect().channel(`ticker:${symbol}`, params);
  const [joins, refusals, ticks, trades] = [0, 1, 2, 3].map(() => new Inbox());
  channel.on("tick", (payload) => ticks.push(payload));
  channel.on("trade", (payload) => trades.push(payload));
  const join = channel.join();
  join.receive("ok", (response) => joins.push(response));
  join.receive("error", (response) => refusals.push(response));
  return { channel, joins, refusals, ticks, trades };
}

function trade(channel, by) {
  const answer = new Promise((resolve) => {
    channel.push("trade", { by }).receive("ok", resolve);
  });
  return within(PATIENCE_MS, "the answer to the trade", answer);
}

test("a client that joins is told the price and then hears it tick", async () => {
  const { joins, ticks } = watch("TICK");
  assert.deepEqual(await joins.next("the join"), { price: 100 });
  for (let n = 0; n < 3; n += 1) assert.deepEqual(await ticks.next("a tick"), { price: 100 });
});

test("a trade is answered, seen by everybody, and kept by the market", async () => {
  const [a, b] = [watch("ACME"), watch("ACME")];
  await Promise.all([a.joins.next("the join of a"), b.joins.next("the join of b")]);
  assert.deepEqual(await trade(a.channel, -3), { price: 97 });
  for (const { trades } of [a, b]) {
    assert.deepEqual(await trades.next("the trade"), { by: -3, price: 97 });
  }
  const late = watch("ACME");
  assert.deepEqual(await late.joins.next("a later join"), { price: 97 });
});

test("parameters that the application refuses come back with its reason", async () => {
  const { channel, refusals } = watch("FAST", { every_ms: 1 });
  const refusal = await refusals.next("the refusal");
  assert.deepEqual(refusal, { reason: "every_ms must be at least 10" });
  channel.leave();
});

test("SIGTERM ends the program with 0", async () => {
  ticker.disconnect();
  ticker.kill("SIGTERM");
  const exit = await within(EXIT_MS, "the program to end", ticker.exit);
  assert.deepEqual(exit, { code: 0, signal: null });
});
