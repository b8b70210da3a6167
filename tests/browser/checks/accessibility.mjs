/** Keyboard, contrast, less motion. */

import assert from "node:assert/strict";

/** Presses Tab until the focus is where it should be; the way must be shorter than `most`. */
async function tabTo(page, selector, { key = "Tab", most = 60 } = {}) {
  for (let pressed = 0; pressed < most; pressed++) {
    if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`${most} times ${key} did not lead to ${selector}`);
}

/** Texts whose contrast to what is behind them is too low, as the page is now. */
function faintTexts() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const channels = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], under) =>
    [r, g, b].map((value, index) => value * a + under[index] * (1 - a));
  const background = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      layers.push(channels(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reduceRight((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  let looked = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const visible = node.checkVisibility() && node.getBoundingClientRect().width > 1;
    if (!visible || walker.currentNode.data.trim() === "" || node.closest(".sr, .skip")) continue;
    // Inactive controls are exempt in WCAG; they say so to everybody by other means.
    if (node.closest('[aria-disabled="true"]')) continue;
    const style = getComputedStyle(node);
    const behind = background(node);
    const colour = over(channels(style.color), behind);
    const [light, dark] = [luminance(colour), luminance(behind)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    looked++;
    if (ratio < (large ? 3 : 4.5)) {
      faint.push(`${walker.currentNode.data.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
  }
  return { looked, faint };
}

export const accessibility = [
  {
    name: "everything can be done with the keyboard alone",
    async run({ browser }) {
      const tab = await browser.tab();
      const other = await browser.tab();
      const { page } = tab;
      const { keyboard } = page;
      await page.bringToFront();
      await keyboard.press("Tab");
      await keyboard.press("Enter");
      await tab.until("the skip link leads to the message box", () =>
        document.activeElement.id === "message");
      await keyboard.type("typed, not clicked");
      await keyboard.press("Enter");
      await other.reads("typed, not clicked");

      await tabTo(page, '[role="tab"][aria-selected="true"]', { key: "Shift+Tab" });
      await keyboard.press("ArrowRight");
      await tab.until("the arrow leads to the next room", () =>
        document.activeElement.id === "tab-engineering"
          && document.activeElement.getAttribute("aria-selected") === "true");
      await tabTo(page, "#room-name");
      await keyboard.type("by-keyboard");
      await keyboard.press("Enter");
      await tab.until("the new room is in front", () =>
        document.querySelector('[aria-selected="true"]').id === "tab-by-keyboard"
          && document.activeElement.id === "message");
      await tab.until("the new room is joined, so there is a channel to crash", () =>
        document.querySelector("#crash-channel").getAttribute("aria-disabled") === "false");
      await tabTo(page, "#crash-channel", { key: "Shift+Tab" });
      await keyboard.press("Enter");
      await tab.until("the channel was crashed and is back", () =>
        [...document.querySelectorAll('.event[data-state="restarted"]')].length === 1);

      const before = await tab.restarts();
      await page.evaluate(() => document.querySelector("h1").scrollIntoView());
      await tabTo(page, 'input[name="theme"]', { key: "Shift+Tab", most: 200 });
      await keyboard.press("ArrowRight");
      await keyboard.press("ArrowRight");
      await tab.until("the arrows choose the dark colours", () =>
        document.documentElement.dataset.theme === "dark");
      await tabTo(page, "#board");
      await keyboard.press("ArrowRight");
      await tab.until("an arrow visits the first lamp and tells its name", () =>
        /, running, \d+ restarts$/.test(document.getElementById("announce").textContent));
      await tabTo(page, "[data-crash]");
      const id = await page.evaluate(() => document.activeElement.dataset.crash);
      await keyboard.press("Enter");
      await tab.until("the focused actor was restarted", ([actor, count]) =>
        document.activeElement.dataset.crash === actor
          && document.activeElement.parentElement.querySelector(".restarts .num").textContent
            === String(count), [id, before[id] + 1]);
      await tabTo(page, "#plot-latency canvas", { most: 200 });
      await tabTo(page, ".counters summary");
      await keyboard.press("Enter");
      assert.equal(await page.evaluate(() => document.querySelector(".counters").open), true);
    },
  },
  {
    name: "texts have the contrast of WCAG AA in both themes",
    async run({ browser, note }) {
      const tab = await browser.tab();
      await tab.page.evaluate(() => {
        document.querySelector(".counters").open = true;
      });
      await tab.say("a bubble of mine");
      await tab.reads("a bubble of mine");
      const counts = [];
      for (const theme of ["light", "dark"]) {
        await tab.page.check(`input[name="theme"][value="${theme}"]`);
        await tab.page.click("#crash-channel");
        await tab.until("the crash is shown", () =>
          document.querySelector('.event[data-state="crashed"]'));
        const crashed = await tab.page.evaluate(faintTexts);
        await tab.until("the rejoin is shown", () =>
          document.querySelector("#messages").lastElementChild.dataset.state === "restarted");
        const calm = await tab.page.evaluate(faintTexts);
        assert.deepEqual([...crashed.faint, ...calm.faint], [], theme);
        counts.push(calm.looked);
      }
      assert.ok(Math.min(...counts) > 40, `only ${counts} texts were looked at`);
      note(`${counts.join(" and ")} texts`);
    },
  },
  {
    name: "without motion the page says the same",
    async run({ browser }) {
      const tab = await browser.tab({ open: false });
      await tab.page.emulateMedia({ reducedMotion: "reduce" });
      await tab.open();
      await tab.until("the tree is drawn", () => document.querySelector("[data-crash]"));
      const [id] = Object.keys(await tab.restarts());
      await tab.page.click(`[data-crash="${id}"]`);
      await tab.until("the row says crashed", (actor) =>
        document.querySelector(`[data-crash="${CSS.escape(actor)}"]`).parentElement.dataset.state
          === "crashed", id);
      const moving = await tab.page.evaluate(() => document.getAnimations().length);
      assert.equal(moving, 0);
    },
  },
];
