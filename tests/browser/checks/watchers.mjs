/** The page of the example `dashboard`: it counts who watches it, and survives its server. */

import assert from "node:assert/strict";
import { join } from "node:path";

import { Server } from "../server.mjs";

const SIZES = [[1440, 900], [390, 844]];

const state = () => document.getElementById("state").textContent;

async function watch(browser, server) {
  const tab = await browser.tab({ open: false, origin: server.url });
  await tab.page.goto(server.url);
  return tab;
}

function counts(tab, watchers) {
  return tab.until(`${watchers} watchers are counted`, (watchers) =>
    document.querySelector(".value").textContent.trim() === String(watchers), watchers);
}

export const watchers = [
  {
    name: "the example dashboard counts its watchers, and comes back with its server",
    needsServer: true,
    async run({ browser, shots }) {
      const program = process.env.VAXEL_DASHBOARD;
      assert.ok(program, "VAXEL_DASHBOARD names no program; run `cargo xtask test`");
      const server = await Server.of(program, (address) => [address]);
      await server.start();
      try {
        const [tab, other] = [await watch(browser, server), await watch(browser, server)];
        for (const each of [tab, other]) await counts(each, 2);
        await other.page.close();
        await counts(tab, 1);
        assert.match(await tab.page.evaluate(state), /^live, update \d/);
        for (const [width, height] of SIZES) {
          await tab.page.setViewportSize({ width, height });
          for (const colorScheme of ["light", "dark"]) {
            await tab.page.emulateMedia({ colorScheme });
            const out = await tab.page.evaluate(() =>
              document.documentElement.scrollWidth - innerWidth);
            assert.equal(out, 0, `${width} px`);
            const path = join(shots, `watchers-${width}-${colorScheme}.png`);
            await tab.page.screenshot({ path });
          }
        }
        tab.serverMayBeAway = true;
        await server.stop("SIGKILL");
        await tab.until("the loss is told", () =>
          /^(connection lost|connecting)/.test(document.getElementById("state").textContent));
        await server.start();
        await counts(tab, 1);
        await tab.until("it is live again", () =>
          document.getElementById("state").textContent.startsWith("live"));
      } finally {
        await server.stop();
      }
    },
  },
];
