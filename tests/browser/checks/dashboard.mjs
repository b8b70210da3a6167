/** The figures, the plots, and what the page weighs. */

import assert from "node:assert/strict";

const WEIGHT_MAX_BYTES = 150_000;

export const dashboard = [
  {
    name: "the page is small, paints early and asks nobody else",
    async run({ browser, note }) {
      const tab = await browser.tab({ open: false });
      const network = await browser.context.newCDPSession(tab.page);
      await network.send("Network.enable");
      await network.send("Network.setCacheDisabled", { cacheDisabled: true });
      let bytes = 0;
      let files = 0;
      network.on("Network.loadingFinished", ({ encodedDataLength }) => {
        bytes += encodedDataLength;
        files++;
      });
      await tab.open();
      const paint = await tab.page.evaluate(() =>
        performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null);
      assert.ok(files > 5, `only ${files} files were seen`);
      assert.ok(bytes < WEIGHT_MAX_BYTES, `${bytes} bytes`);
      assert.ok(paint !== null && paint < 1_000, `first paint after ${paint} ms`);
      assert.equal(tab.sockets.length, 1);
      note(`${bytes} bytes in ${files} files, first paint after ${Math.round(paint)} ms`);
    },
  },
  {
    name: "the figures move by themselves",
    async run({ browser }) {
      const tab = await browser.tab();
      const samples = tab.frames("sample").length;
      await tab.until("three more samples", () => {
        const seen = (window.seen ??= new Set());
        seen.add(document.getElementById("facts").textContent);
        return seen.size >= 3;
      });
      assert.ok(tab.frames("sample").length >= samples + 2);
      const [frame] = tab.frames("sample").slice(-1);
      assert.deepEqual(frame.slice(0, 3), [null, null, "stats:live"], "one broadcast for all");
      const other = await browser.tab();
      assert.equal(other.sockets.length, 1);
      await tab.until("the first tab counts the second", () =>
        Number(document.querySelector("#figure-connections .value").textContent) >= 2);
      const stale = await tab.page.evaluate(() => document.documentElement.dataset.stale);
      assert.equal(stale, undefined);
    },
  },
  {
    name: "the plots draw, scroll and read out single values",
    async run({ browser }) {
      const tab = await browser.tab();
      const ink = (id) => tab.page.evaluate((plot) =>
        document.querySelector(`#plot-${plot} canvas`).toDataURL(), id);
      await tab.page.locator("#plot-messages").scrollIntoViewIfNeeded();
      const before = await ink("messages");
      await tab.until("two samples pass", () => {
        window.from ??= document.getElementById("facts").textContent;
        return document.getElementById("facts").textContent !== window.from;
      });
      assert.notEqual(await ink("messages"), before, "the time axis stands still");
      await tab.page.locator("#plot-latency canvas").focus();
      await tab.page.keyboard.press("ArrowLeft");
      await tab.page.keyboard.press("ArrowLeft");
      const said = await tab.page.textContent("#announce");
      assert.match(said, /^Server latency at \d.*p50 .*p99 .*p99\.9 /);
      assert.match(await tab.page.textContent("#plots-note"), /^at \d/);
      await tab.page.keyboard.press("Escape");
      await tab.until("the read-out is back at now", () =>
        document.getElementById("plots-note").textContent === "");
      await tab.page.hover("#plot-actors canvas", { position: { x: 200, y: 60 } });
      await tab.until("the plot under the pointer tells its time or has nothing there", () =>
        /^(at \d.*)?$/.test(document.getElementById("plots-note").textContent));
    },
  },
  {
    name: "ten thousand lamps keep up with the screen",
    async run({ browser, note }) {
      const tab = await browser.tab();
      const { steady, busiest } = await tab.page.evaluate(async () => {
        const { Board } = await import("/board.js");
        const canvas = document.createElement("canvas");
        canvas.style.cssText = "position:fixed;inset:0;width:1200px;height:700px;z-index:99";
        document.body.append(canvas);
        const board = new Board(canvas, { calm: () => false });
        board.online = true;
        board.supervised(Array.from({ length: 10_000 }, (_, id) =>
          ({ id, shown: "running", workedAt: -Infinity })));
        board.population({ connections: 10_000, channels: 10_000, messages_per_second: 1e5 });
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        const time = async (frames, each) => {
          const began = performance.now();
          for (let frame = 0; frame < frames; frame++) {
            each(frame);
            board.frame(performance.now() + frame * 16);
          }
          // A copy of a pixel waits for the drawing that was only queued.
          await createImageBitmap(canvas, 0, 0, 1, 1);
          return (performance.now() - began) / frames;
        };
        await time(30, () => {});
        const shown = (frame) => (frame % 2 ? "running" : "crashed");
        const result = {
          steady: await time(120, (frame) => {
            const those = board.actors.slice((frame * 100) % 10_000, (frame * 100) % 10_000 + 100);
            for (const actor of those) actor.shown = "crashed";
          }),
          busiest: await time(10, (frame) => {
            for (const actor of board.actors) actor.shown = shown(frame);
          }),
        };
        canvas.remove();
        return result;
      });
      assert.ok(steady < 16.6, `${steady} ms a frame with 100 of 10,000 lamps changing`);
      note(`${steady.toFixed(1)} ms a frame while 6,000 lamps change a second, `
        + `${busiest.toFixed(1)} ms when all 10,000 change at once`);
    },
  },
];
