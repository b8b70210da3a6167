// The example `orders`: two npm clients keep the book from what they are pushed, and the program is
// killed while they trade.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { start } from "../support/example.mjs";
import { EXIT_MS } from "../support/server.mjs";
import { Inbox, within } from "../support/wait.mjs";

const KILLS = 3;

let folder;
let orders;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "vaxel-orders-"));
  orders = start("VAXEL_ORDERS", (address) => [address, join(folder, "orders.db")]);
});
after(async () => {
  orders?.stop();
  await rm(folder, { recursive: true });
});

/** A trader who keeps a copy of the book: what it was pushed first, and every change since. */
function trade(symbol) {
  const channel = orders.connect().channel(`book:${symbol}`);
  const [books, changes] = [new Inbox(), new Inbox()];
  let early = [];
  let book = null;
  const apply = (change) => {
    if (change.sequence <= book.sequence) return;
    assert.equal(change.sequence, book.sequence + 1, "no change is missing");
    book.sequence = change.sequence;
    for (const [side, price, by] of change.levels) {
      const levels = side === "buy" ? book.bids : book.asks;
      const quantity = (levels.get(price) ?? 0) + by;
      if (quantity === 0) levels.delete(price);
      else levels.set(price, quantity);
    }
    changes.push(change);
  };
  channel.on("book", (depth) => {
    book = { ...depth, bids: new Map(depth.bids), asks: new Map(depth.asks) };
    for (const change of early.splice(0)) apply(change);
    books.push(depth);
  });
  channel.on("change", (change) => (book ? apply(change) : early.push(change)));
  channel.onError(() => {
    book = null;
    early = [];
  });
  channel.join();
  const copy = () => ({ bids: [...book.bids].sort(), asks: [...book.asks].sort() });
  return { channel, books, changes, copy };
}

/** Pushes; the answer, or the reason of a refusal. */
function push({ channel }, event, payload) {
  const answer = new Promise((resolve) => {
    const sent = channel.push(event, payload, EXIT_MS);
    sent.receive("ok", resolve).receive("error", ({ reason }) => resolve(reason));
  });
  return within(EXIT_MS, `the answer to ${event}`, answer);
}

const place = (trader, side, price, quantity) => push(trader, "place", { side, price, quantity });

/** The book as the program has it. */
async function look(symbol) {
  const { channel, books } = trade(symbol);
  const depth = await books.next("the book");
  channel.leave();
  return depth;
}

/** What was placed is on the book, cancelled, or traded between two. */
function balance({ placed, traded, cancelled, bids, asks }) {
  const resting = [...bids, ...asks].reduce((sum, [, quantity]) => sum + quantity, 0);
  assert.equal(placed, resting + cancelled + 2 * traded);
}

test("orders meet by price, then by age, and everybody sees it", async () => {
  const [a, b] = [trade("ACME"), trade("ACME")];
  await Promise.all([a.books.next("the book of a"), b.books.next("the book of b")]);
  assert.deepEqual(await place(a, "sell", 102, 5), { id: 1, traded: 0, resting: 5 });
  assert.deepEqual(await place(a, "sell", 101, 5), { id: 2, traded: 0, resting: 5 });
  assert.deepEqual(await place(b, "sell", 101, 5), { id: 3, traded: 0, resting: 5 });
  assert.deepEqual(await place(b, "buy", 101, 7), { id: 4, traded: 7, resting: 0 });
  assert.deepEqual(await place(b, "buy", 99, 2), { id: 5, traded: 0, resting: 2 });
  assert.equal(await push(a, "cancel", { id: 2 }), "there is no such order, or it is filled");
  assert.deepEqual(await push(a, "cancel", { id: 3 }), { cancelled: 3 });
  for (const { changes } of [a, b]) {
    const trades = [];
    for (let n = 0; n < 8; n += 1) {
      const { trade } = await changes.next("a change");
      if (trade) trades.push([trade.price, trade.quantity]);
    }
    assert.deepEqual(trades, [[101, 5], [101, 2]]);
  }
  const depth = await look("ACME");
  assert.deepEqual([depth.bids, depth.asks, depth.last_price], [[[99, 2]], [[102, 5]], 101]);
  for (const { copy } of [a, b]) assert.deepEqual(copy(), { bids: depth.bids, asks: depth.asks });
  balance(depth);
});

test("what is no order is refused", async () => {
  const trader = trade("REFUSED");
  assert.equal(await place(trader, "buy", 0, 1), "a price is 1 to 1,000,000,000");
  assert.equal(await place(trader, "buy", 1, 0), "a quantity is 1 to 1,000,000");
  assert.match(await place(trader, "keep", 1, 1), /unknown variant/);
});

test("after a kill -9 every acknowledged order is there, and the sums agree", async () => {
  let acknowledged = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const trader = trade("KILL");
    await trader.books.next("the book");
    const wanted = 20 + 7 * kill;
    const done = new Inbox();
    for (let n = 0; n < 40; n += 1) {
      const [side, price] = n % 2 === 0 ? ["buy", 100 + (n % 5)] : ["sell", 102 - (n % 3)];
      trader.channel.push("place", { side, price, quantity: 1 + (n % 4) })
        .receive("ok", ({ id }) => done.push(id));
    }
    for (let n = 0; n < wanted; n += 1) acknowledged = await done.next("an acknowledgement");
    orders.disconnect();
    orders.kill("SIGKILL");
    await orders.exit;
    for (const id of done.rest) acknowledged = id;
    orders.startAgain();
    const depth = await look("KILL");
    balance(depth);
    const next = trade("KILL");
    const { id } = await place(next, "buy", 1, 1);
    assert.ok(id > acknowledged, `order ${id} after ${acknowledged} was acknowledged`);
    acknowledged = id;
    next.channel.leave();
  }
});

test("SIGTERM ends the program with 0", async () => {
  orders.disconnect();
  orders.kill("SIGTERM");
  assert.deepEqual(await within(EXIT_MS, "the program to end", orders.exit), {
    code: 0,
    signal: null,
  });
});
