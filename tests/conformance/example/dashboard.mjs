// The example `dashboard`, watched by many npm clients at once.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "../support/example.mjs";
import { EXIT_MS } from "../support/server.mjs";
import { Inbox, within } from "../support/wait.mjs";

const WATCHERS = 100;
const UPDATES = 3;

let dashboard;
before(() => {
  dashboard = start("VAXEL_DASHBOARD");
});
after(() => dashboard?.stop());

/** A watcher; updates and the answers to its joins wait in it. */
function watch() {
  const channel = dashboard.connect().channel("board:live");
  const [joins, updates] = [new Inbox(), new Inbox()];
  channel.on("update", (update) => updates.push(update));
  channel.join().receive("ok", ({ history }) => joins.push(history));
  return { channel, joins, updates };
}

test("every watcher gets every update, and all the same", async () => {
  const watchers = Array.from({ length: WATCHERS }, watch);
  await Promise.all(watchers.map(({ joins }) => joins.next("a join")));
  // One that all watchers have joined before.
  let first;
  do first = await watchers[0].updates.next("an update");
  while (first.watchers < WATCHERS);
  const seen = await Promise.all(watchers.map(async ({ updates }) => {
    const seen = [];
    while (seen.length < UPDATES) {
      const update = await updates.next("an update");
      if (update.number > first.number) seen.push(update);
    }
    return seen;
  }));
  assert.deepEqual(seen[0].map(({ number }) => number - first.number), [1, 2, 3]);
  for (const other of seen) assert.deepEqual(other, seen[0]);
  const { deliveries, cpu_percent: cpu, rss_bytes: rss } = seen[0].at(-1);
  assert.ok(deliveries > WATCHERS / 2, `${deliveries} deliveries a second`);
  assert.ok(cpu >= 0 && rss > 1e6, `${cpu} % and ${rss} B`);
});

test("a newcomer is given what has been", async () => {
  const { joins, updates } = watch();
  const history = await joins.next("the join");
  const { number } = await updates.next("an update");
  assert.ok(history.length >= UPDATES && history.length <= 120, `${history.length}`);
  assert.deepEqual(history.map((update) => update.number), history.map((_, at) => at + 1));
  assert.equal(number, history.length + 1);
});

test("the page and its scripts are served", async () => {
  for (const [path, type] of [["/", "text/html"], ["/dashboard.js", "text/javascript"],
    ["/vaxel.js", "text/javascript"]]) {
    const answer = await fetch(`http://${dashboard.address}${path}`);
    assert.equal(answer.status, 200);
    assert.ok(answer.headers.get("content-type").startsWith(type), path);
  }
});

test("SIGTERM ends the program with 0", async () => {
  dashboard.disconnect();
  dashboard.kill("SIGTERM");
  assert.deepEqual(await within(EXIT_MS, "the program to end", dashboard.exit), {
    code: 0,
    signal: null,
  });
});
