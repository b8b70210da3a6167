/** How it looks: themes, widths, and screenshots for people to judge. */

import assert from "node:assert/strict";
import { join } from "node:path";

const paper = () => getComputedStyle(document.body).backgroundColor;
const LIGHT = "rgb(247, 245, 240)";
const DARK = "rgb(16, 18, 22)";

export const appearance = [
  {
    name: "the colours follow the system until the visitor chooses",
    async run({ browser }) {
      const tab = await browser.tab();
      assert.equal(await tab.page.evaluate(paper), LIGHT);
      await tab.page.emulateMedia({ colorScheme: "dark" });
      assert.equal(await tab.page.evaluate(paper), DARK);
      await tab.page.check('input[name="theme"][value="light"]');
      assert.equal(await tab.page.evaluate(paper), LIGHT);
      await tab.page.reload();
      await tab.ready();
      assert.equal(await tab.page.evaluate(paper), LIGHT, "the choice outlives a reload");
      assert.equal(await tab.page.isChecked('input[value="light"]'), true);
      await tab.page.check('input[name="theme"][value="system"]');
      assert.equal(await tab.page.evaluate(paper), DARK);
    },
  },
  {
    name: "nothing sticks out from 360 px to 4K",
    async run({ browser }) {
      const tab = await browser.tab();
      await tab.until("the tree is drawn", () => document.querySelector("[data-crash]"));
      for (const width of [360, 390, 600, 768, 1024, 1081, 1440, 1800, 2560, 3840]) {
        await tab.page.setViewportSize({ width, height: Math.round(width * 0.6) + 300 });
        // Sizes are observed in one frame and drawn in the next.
        await tab.page.evaluate(async () => {
          for (let n = 0; n < 3; n++) await new Promise((drawn) => requestAnimationFrame(drawn));
        });
        const out = await tab.page.evaluate(() => {
          const page = document.documentElement;
          const parts = [...document.querySelectorAll("main *, header *, footer *")];
          const beyond = parts.filter((part) => part.checkVisibility()
            && part.getBoundingClientRect().right > innerWidth + 1 && !part.closest(".tabs"));
          return [page.scrollWidth - innerWidth, beyond.map((part) => part.className).join()];
        });
        assert.deepEqual(out, [0, ""], `${width} px`);
      }
    },
  },
  {
    name: "screenshots of desktop and phone, light and dark",
    async run({ browser, shots }) {
      const other = await browser.tab();
      await other.page.fill("#nickname", "ada");
      await other.say("I crashed an operator four times and nothing happened to me.");
      const tab = await browser.tab();
      await tab.page.fill("#nickname", "grace");
      await other.say("See?");
      await tab.say("That is rather the point.");
      await tab.reads("See?");
      for (const [width, height] of [[1440, 900], [390, 844]]) {
        await tab.page.setViewportSize({ width, height });
        for (const theme of ["light", "dark"]) {
          await tab.page.check(`input[name="theme"][value="${theme}"]`);
          await tab.page.locator("[data-crash]").nth(2).click();
          await tab.page.evaluate(() => scrollTo(0, 0));
          await tab.until("the crash is on the board", () =>
            document.querySelector('.row[data-state="crashed"]'));
          const path = join(shots, `${width}x${height}-${theme}.png`);
          await tab.page.screenshot({ path });
          await tab.until("the actor is back", () =>
            !document.querySelector('.row:is([data-state="crashed"], [data-state="restarted"])'));
        }
      }
    },
  },
];
