/** The order book: opened by whoever looks, traded by a form, the same in every tab. */

import assert from "node:assert/strict";
import { join } from "node:path";

const SIZES = [[1440, 900], [390, 844]];

/** A tab in which the order book is open. */
async function trader(browser) {
  const tab = await browser.tab();
  await tab.page.click("#book summary");
  await tab.until("the market is open", () => document.querySelector("#book form"));
  return tab;
}

async function place(tab, side, price, quantity) {
  const [first, second] = await tab.page.locator("#book form input").all();
  await first.fill(String(price));
  await second.fill(String(quantity));
  await tab.page.click(`#book button[value="${side}"]`);
}

/** Waits until a table of the book has this row. */
function shows(tab, caption, row) {
  return tab.until(`${caption} shows ${row}`, ([caption, row]) =>
    [...document.querySelectorAll("#book table")]
      .filter((table) => table.caption.textContent === caption)
      .some((table) => [...table.querySelectorAll("tr")].some(({ cells }) =>
        [...cells].map((cell) => cell.textContent).join() === row)), [caption, row]);
}

export const book = [
  {
    name: "orders are placed, meet, and are seen in every tab",
    async run({ browser, shots }) {
      const [tab, other] = [await trader(browser), await trader(browser)];
      await place(tab, "sell", 103, 5);
      for (const each of [tab, other]) await shows(each, "Asks", "103,5");
      await place(other, "buy", 103, 2);
      for (const each of [tab, other]) await shows(each, "Asks", "103,3");
      assert.equal(await tab.page.textContent("#book .last .num"), "103");
      await place(tab, "buy", 2_000_000_000, 1);
      await tab.until("the refusal is told", () =>
        document.querySelector("#book .said[data-tone='refused']"));
      await place(tab, "buy", 98, 7);
      await shows(other, "Bids", "98,7");
      for (const [width, height] of SIZES) {
        await tab.page.setViewportSize({ width, height });
        const out = await tab.page.evaluate(() =>
          document.documentElement.scrollWidth - innerWidth);
        assert.equal(out, 0, `${width} px`);
        for (const theme of ["light", "dark"]) {
          await tab.page.check(`input[name="theme"][value="${theme}"]`);
          await tab.page.locator("#book").scrollIntoViewIfNeeded();
          await tab.page.locator("#book summary").evaluate((summary) => summary.scrollIntoView());
          await tab.page.screenshot({ path: join(shots, `book-${width}-${theme}.png`) });
        }
      }
    },
  },
];
