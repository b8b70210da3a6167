// What the demo keeps in the folder that `--data` names.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { start } from "../support/example.mjs";
import { EXIT_MS } from "../support/server.mjs";
import { Inbox, within } from "../support/wait.mjs";

let folder;
let demo;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "vaxel-demo-"));
  const data = join(folder, "made", "by itself");
  demo = start("VAXEL_DEMO", (address) => ["demo", "--listen", address, "--data", data]);
});
after(async () => {
  demo?.stop();
  await rm(folder, { recursive: true });
});

/** Joins a topic: the channel, and the answers to its joins. */
function enter(topic) {
  const channel = demo.connect().channel(topic);
  const joins = new Inbox();
  channel.join().receive("ok", (reply) => joins.push(reply));
  return { channel, joins };
}

function push(channel, event, payload) {
  const answer = new Promise((resolve) => {
    const sent = channel.push(event, payload);
    sent.receive("ok", resolve).receive("error", ({ reason }) => resolve(reason));
  });
  return within(EXIT_MS, `the answer to ${event}`, answer);
}

async function killed() {
  demo.disconnect();
  demo.kill("SIGKILL");
  await demo.exit;
  demo.startAgain();
}

test("what was said is there after a kill -9, room by room and in order", async () => {
  const lobby = enter("room:lobby");
  assert.deepEqual(await lobby.joins.next("the join"), { history: [] });
  const lines = [1, 2, 3].map((n) => ({ user: "ada", body: `line ${n}`, id: `${n}` }));
  for (const line of lines) assert.deepEqual(await push(lobby.channel, "shout", line), {});
  await push(enter("room:random").channel, "shout", { user: "bob", body: "elsewhere", id: "4" });
  await killed();
  const { history } = await enter("room:lobby").joins.next("the join after the kill");
  assert.deepEqual(history.map(({ line }) => line), lines);
  assert.ok(history.every(({ at }) => Math.abs(Date.now() - at) < 600_000));
  const refused = await push(enter("room:lobby").channel, "shout", { body: "x".repeat(17_000) });
  assert.equal(refused, "a message has at most 16384 bytes");
});

test("of a long talk the end is kept", async () => {
  const { channel } = enter("room:long");
  const answers = [];
  for (let n = 0; n < 250; n += 1) answers.push(push(channel, "shout", { n }));
  await Promise.all(answers);
  await killed();
  const { history } = await enter("room:long").joins.next("the join after the kill");
  const last = Array.from({ length: 200 }, (_, n) => n + 50);
  assert.deepEqual(history.map(({ line }) => line.n), last);
});

test("the order book is opened when somebody looks, and survives as well", async () => {
  const floor = enter("floor:demo");
  const { symbol, is_kept: isKept } = await floor.joins.next("the market to open");
  assert.deepEqual([symbol, isKept], ["BRASS", true]);
  const placed = await push(enter("book:BRASS").channel, "place",
    { side: "sell", price: 101, quantity: 5 });
  assert.deepEqual(placed, { id: 1, traded: 0, resting: 5 });
  await killed();
  await enter("floor:demo").joins.next("the market to open again");
  const { channel } = enter("book:BRASS");
  const books = new Inbox();
  channel.on("book", (book) => books.push(book));
  const { asks, sequence } = await books.next("the book");
  assert.deepEqual([asks, sequence], [[[101, 5]], 1]);
});

test("a folder that cannot be used is an error that says what to do", async () => {
  const file = join(folder, "a file");
  await writeFile(file, "something else");
  const words = ["demo", "--listen", "127.0.0.1:0", "--data", file];
  const { status, stderr } = spawnSync(process.env.VAXEL_DEMO, words, { timeout: EXIT_MS });
  assert.equal(status, 1);
  assert.match(stderr.toString(), /--data .*a file is no folder .*: name a folder to write to/);
  await writeFile(join(folder, "demo.db"), "no database, and longer than its head ".repeat(100));
  words[4] = folder;
  const damaged = spawnSync(process.env.VAXEL_DEMO, words, { timeout: EXIT_MS });
  assert.equal(damaged.status, 1);
  assert.match(damaged.stderr.toString(), /damaged or no database: restore a backup/);
});
