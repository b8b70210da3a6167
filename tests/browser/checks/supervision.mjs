/** The supervision tree: crash one actor, and only that one. */

import assert from "node:assert/strict";

/** A restart takes microseconds; the page shows the crash at least this long. */
const CRASH_SHOWN_MS = 600;

export const supervision = [
  {
    name: "crash raises one restart counter, the others and the connection stay",
    async run({ browser, note }) {
      const tab = await browser.tab();
      const watcher = await browser.tab();
      await tab.until("the tree is drawn", () => document.querySelector("[data-crash]"));
      await watcher.until("the tree is drawn", () => document.querySelector("[data-crash]"));
      const before = await tab.restarts();
      const ids = Object.keys(before);
      assert.ok(ids.length >= 2, "a tree of one proves nothing");
      const victim = ids.at(-1);
      await tab.page.evaluate((id) => {
        const { parentElement: row } = document.querySelector(`[data-crash="${CSS.escape(id)}"]`);
        window.looks = [[row.dataset.state, performance.now()]];
        new MutationObserver(() => {
          if (window.looks.at(-1)[0] === row.dataset.state) return;
          window.looks.push([row.dataset.state, performance.now()]);
        }).observe(row, { attributes: true });
      }, victim);
      await tab.page.click(`[data-crash="${victim}"]`);
      await tab.until("the actor is shown running again", () =>
        window.looks.length > 2 && window.looks.at(-1)[0] === "running");
      const looks = await tab.page.evaluate(() => window.looks);
      assert.deepEqual(looks.map(([look]) => look), ["running", "crashed", "restarted", "running"]);
      const shown = looks[2][1] - looks[1][1];
      assert.ok(shown >= CRASH_SHOWN_MS, `shown crashed for ${shown} ms only`);

      const expected = { ...before, [victim]: before[victim] + 1 };
      assert.deepEqual(await tab.restarts(), expected);
      await watcher.until("the other visitor sees the counter grow", ([id, count]) =>
        document.querySelector(`[data-crash="${CSS.escape(id)}"]`).parentElement
          .querySelector(".restarts .num").textContent === String(count),
      [victim, expected[victim]]);
      for (const { sockets, frames } of [tab, watcher]) {
        assert.equal(sockets.length, 1);
        assert.equal(sockets[0].closed, false);
      }
      assert.deepEqual([...tab.frames("phx_error"), ...watcher.frames("phx_error")], []);
      await tab.say("nobody was hurt");
      await watcher.reads("nobody was hurt");
      note(`${victim} of ${ids.length} workers, shown crashed for ${Math.round(shown)} ms`);
    },
  },
  {
    name: "every worker survives being crashed three times",
    async run({ browser }) {
      const tab = await browser.tab();
      await tab.until("the tree is drawn", () => document.querySelector("[data-crash]"));
      const before = await tab.restarts();
      for (const id of Object.keys(before)) {
        for (let crash = 1; crash <= 3; crash++) {
          await tab.page.click(`[data-crash="${id}"]`);
          await tab.until(`${id} is restarted ${crash} times`, ([actor, least]) =>
            Number(document.querySelector(`[data-crash="${CSS.escape(actor)}"]`).parentElement
              .querySelector(".restarts .num").textContent) >= least, [id, before[id] + crash]);
        }
      }
      const errors = await tab.page.locator(".row .error:not(:empty)").allTextContents();
      assert.deepEqual(errors, []);
      assert.equal(tab.sockets[0].closed, false);
      await tab.until("samples still arrive", () => {
        window.from ??= document.getElementById("facts").textContent;
        return document.getElementById("facts").textContent !== window.from;
      });
    },
  },
];
