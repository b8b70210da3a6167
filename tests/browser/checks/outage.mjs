/** The server goes away and comes back. */

import assert from "node:assert/strict";

/** Ends the server, watches the page wait, starts it again and watches the page recover. */
function gone(signal, { seconds }) {
  return async ({ browser, server, note }) => {
    const tab = await browser.tab();
    const other = await browser.tab();
    tab.serverMayBeAway = other.serverMayBeAway = true;
    await tab.say("before the outage");
    await other.reads("before the outage");
    await server.stop(signal);
    try {
      await tab.until("the page says when it tries again", (least) =>
        new RegExp(`^reconnecting in [${least}-9] s…$`)
          .test(document.getElementById("connection-text").textContent), seconds);
      await tab.until("the figures say since when they are stale", () =>
        [...document.querySelectorAll(".figure .range")]
          .every((range) => range.textContent.startsWith("stale since")));
      assert.equal(await tab.page.isVisible("#retry"), true);
      await tab.say("said while the server was away");
    } finally {
      await server.start();
    }
    const began = Date.now();
    await tab.ready();
    await other.ready();
    note(`connected ${((Date.now() - began) / 1000).toFixed(1)} s after the start`);
    await tab.reads("said while the server was away");
    await tab.until("the figures are fresh", () => !("stale" in document.documentElement.dataset));
    await tab.until("the tree can be asked again", () =>
      document.querySelector('[data-crash][aria-disabled="false"]'));
    await tab.say("after the outage");
    await other.reads("after the outage");
    assert.equal(tab.frames("phx_error").length, 0, "an outage is not a crash");
  };
}

export const outage = [
  {
    name: "a killed server: the page tells when it tries again, and recovers by itself",
    needsServer: true,
    run: gone("SIGKILL", { seconds: 1 }),
  },
  {
    name: "a stopped server: the same after a polite goodbye",
    needsServer: true,
    run: gone("SIGTERM", { seconds: 1 }),
  },
];
