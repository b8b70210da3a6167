/** Talking: two tabs, a crash that only its own tab sees, foreign clients, floods. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const NPM_CLIENT = fileURLToPath(
  new URL("../node_modules/phoenix/priv/static/phoenix.min.js", import.meta.url),
);

/** Opens the page without its own script; the unmodified npm client runs on it instead. */
async function npmClient(browser) {
  const tab = await browser.tab({ open: false });
  const nothing = { contentType: "text/javascript", body: "" };
  await tab.page.route("**/app.js", (route) => route.fulfill(nothing));
  await tab.page.goto(browser.origin);
  await tab.page.addScriptTag({ path: NPM_CLIENT });
  await tab.page.evaluate(() => new Promise((resolve, reject) => {
    const socket = new window.Phoenix.Socket("/socket", { params: { npm: "yes" } });
    socket.connect();
    window.heard = [];
    window.errors = 0;
    window.room = socket.channel("room:lobby", {});
    window.room.on("shout", (payload) => window.heard.push(payload));
    window.room.onError(() => window.errors++);
    window.room.join().receive("ok", resolve).receive("error", reject);
  }));
  return tab;
}

/** Notes every state that the rooms and the connection of a tab go through from now on. */
function keepWatch(tab) {
  return tab.page.evaluate(() => {
    window.states = new Set();
    const look = () => {
      window.states.add(document.getElementById("connection-text").textContent);
      for (const room of document.querySelectorAll("#rooms .tab")) {
        window.states.add(room.dataset.state);
      }
    };
    look();
    const watcher = new MutationObserver(look);
    const everything = { subtree: true, childList: true, characterData: true, attributes: true };
    for (const id of ["rooms", "connection"]) {
      watcher.observe(document.getElementById(id), everything);
    }
  });
}

export const chat = [
  {
    name: "two tabs chat, under the names their visitors chose",
    async run({ browser }) {
      const ada = await browser.tab();
      await ada.page.fill("#nickname", "ada");
      const grace = await browser.tab();
      await grace.page.fill("#nickname", "grace");
      await ada.say("hello from ada");
      await grace.reads("hello from ada");
      await grace.say("hello from grace");
      await ada.reads("hello from grace");
      await ada.reads("hello from ada");
      const rows = await ada.page.locator(".message").allInnerTexts();
      assert.match(rows[0], /^ada \(you\)/);
      assert.match(rows[1], /^grace/);
      assert.equal(rows.length, 2, "the sender's own echo makes no second row");
      await ada.page.reload();
      await ada.ready();
      assert.equal(await ada.page.inputValue("#nickname"), "grace", "the last name is kept");
    },
  },
  {
    name: "a crashed channel rejoins by itself, and the other tab never notices",
    async run({ browser, note }) {
      const mine = await browser.tab();
      const other = await browser.tab();
      await keepWatch(other);
      await mine.say("before");
      await other.reads("before");
      await mine.page.click("#crash-channel");
      await mine.until("the row says that the channel crashed", () =>
        document.querySelector(".event")?.textContent.startsWith("channel crashed, rejoining"));
      await other.say("while you were away");
      await mine.until("the row says that it rejoined", () =>
        document.querySelector('.event[data-state="restarted"]')
          ?.textContent.startsWith("rejoined after"));
      await mine.say("after");
      await other.reads("after");
      await other.say("and back");
      await mine.reads("and back");

      const [error, ...more] = mine.frames("phx_error");
      assert.equal(more.length, 0);
      assert.equal(error[2], "room:lobby");
      assert.equal(mine.sockets.length, 1, "the crash cost the connection");
      assert.deepEqual(other.frames("phx_error"), []);
      assert.deepEqual(other.frames("phx_close"), []);
      assert.equal(other.sockets.length, 1);
      assert.equal(other.sockets[0].closed, false);
      const states = await other.page.evaluate(() => [...window.states].sort());
      assert.deepEqual(states, ["connected", "joined"]);
      const heard = other.frames("shout").map((frame) => frame[4].body);
      assert.deepEqual(heard, ["before", "while you were away", "after", "and back"]);
      note(await mine.page.textContent(".event[data-state='restarted']"));
    },
  },
  {
    name: "the unmodified npm client talks to the page's own, crashes and rejoins",
    async run({ browser }) {
      const own = await browser.tab();
      const npm = await npmClient(browser);
      const body = { user: "npm", body: "from the npm client", id: "1", more: [1, { deep: null }] };
      await npm.page.evaluate((payload) => window.room.push("shout", payload), body);
      await own.reads("from the npm client");
      await npm.until("its own shout comes back unchanged", (wanted) =>
        window.heard.some((payload) => JSON.stringify(payload) === wanted), JSON.stringify(body));
      await own.say("to the npm client");
      await npm.until("the page's shout arrives", () =>
        window.heard.some((payload) => payload.body === "to the npm client"));
      const pong = await npm.page.evaluate(() => new Promise((resolve) => {
        window.room.push("ping", { n: 7 }).receive("ok", resolve);
      }));
      assert.deepEqual(pong, { n: 7 });
      await npm.page.evaluate(() => window.room.push("crash", {}));
      await npm.until("the npm client sees the crash and rejoins", () =>
        window.errors === 1 && window.room.state === "joined");
      await npm.page.evaluate(() =>
        window.room.push("shout", { user: "npm", body: "again", id: "2" }));
      await own.reads("again");
      assert.deepEqual(own.frames("phx_error"), []);
    },
  },
  {
    name: "other rooms mark what was not read, and new rooms open by name or link",
    async run({ browser }) {
      const mine = await browser.tab();
      const other = await browser.tab();
      await other.page.click("#tab-engineering");
      await other.say("the build is green");
      await mine.until("engineering is marked", () =>
        document.querySelector("#tab-engineering .mark").textContent === "1");
      assert.equal(await mine.page.locator(".message").count(), 0);
      await mine.page.click("#tab-engineering");
      await mine.reads("the build is green");
      assert.equal(await mine.page.textContent("#tab-engineering .mark"), "");

      await mine.page.fill("#room-name", "Tea Break");
      await mine.page.press("#room-name", "Enter");
      await mine.until("the new room is joined", () =>
        document.getElementById("tab-tea-break")?.dataset.state === "joined");
      assert.ok(mine.page.url().endsWith("#room/tea-break"));
      const guest = await browser.tab({ open: false });
      await guest.open("/#room/tea-break");
      await guest.say("milk first");
      await mine.reads("milk first");
      await mine.page.fill("#room-name", "no/such name!");
      await mine.page.press("#room-name", "Enter");
      assert.equal(await mine.page.evaluate(() =>
        document.getElementById("room-name").validity.customError), true);
    },
  },
  {
    name: "strange payloads and long messages are shown as text and do no harm",
    async run({ browser }) {
      const own = await browser.tab();
      const npm = await npmClient(browser);
      await npm.page.evaluate(() => {
        const payloads = [
          { user: "<b>x</b>", body: "<img src=x onerror=window.hurt=1>", id: "a" },
          { user: { a: 1 }, body: ["list"], id: 7 },
          {},
          { user: "long", body: "w".repeat(10_000), id: "b" },
        ];
        for (const payload of payloads) window.room.push("shout", payload);
      });
      await own.until("all four are shown", () =>
        document.querySelectorAll(".message").length === 4);
      const bubbles = await own.page.locator(".bubble").allTextContents();
      assert.equal(bubbles[0], "<img src=x onerror=window.hurt=1>");
      assert.equal(bubbles[3].length, 2_000);
      assert.equal(await own.page.evaluate(() => window.hurt), undefined);
      await own.page.fill("#message", "y".repeat(450));
      await own.until("the page says how much room is left", () =>
        document.getElementById("composer-hint").textContent === "50 characters left");
      const typed = await own.page.evaluate(() => {
        const box = document.getElementById("message");
        return [box.maxLength, document.documentElement.scrollWidth - innerWidth];
      });
      assert.deepEqual(typed, [500, 0]);
    },
  },
  {
    name: "a flood of messages leaves the page quick and its rows bounded",
    async run({ browser, note }) {
      const own = await browser.tab();
      const npm = await npmClient(browser);
      await own.page.evaluate(() => {
        window.longest = 0;
        let last = performance.now();
        const frame = (now) => {
          window.longest = Math.max(window.longest, now - last);
          last = now;
          requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
      });
      await npm.page.evaluate(async () => {
        for (let n = 0; n < 3_000; n++) {
          window.room.push("shout", { user: "flood", body: `wave ${n}`, id: `f${n}` });
          if (n % 100 === 0) await new Promise((resolve) => setTimeout(resolve));
        }
        window.room.push("shout", { user: "flood", body: "the last wave", id: "end" });
      });
      await own.reads("the last wave", 30_000);
      const { rows, longest } = await own.page.evaluate(() =>
        ({ rows: document.querySelectorAll("#messages > li").length, longest: window.longest }));
      assert.ok(rows <= 200, `${rows} rows`);
      note(`longest frame ${Math.round(longest)} ms`);
      await own.say("still here");
      await own.reads("still here");
    },
  },
];
