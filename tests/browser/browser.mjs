/** Chromium, and pages that remember what happened on them. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const WAIT_MS = 15_000;

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A page with its console, its requests and the frames of its sockets. */
export class Tab {
  constructor(page, origin) {
    this.page = page;
    this.origin = origin;
    this.complaints = [];
    this.strangers = [];
    this.sockets = [];
    /** While true, a refused connection is what the test wants and no complaint. */
    this.serverMayBeAway = false;
    page.on("pageerror", (error) => this.complaints.push(error.stack ?? String(error)));
    page.on("console", (message) => this.#console(message));
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.protocol.startsWith("http") && url.origin !== origin) this.strangers.push(url.href);
    });
    page.on("websocket", (socket) => this.#socket(socket));
  }

  #console(message) {
    if (!["error", "warning"].includes(message.type())) return;
    const expected = this.serverMayBeAway && message.text().includes("WebSocket connection");
    if (!expected) this.complaints.push(message.text());
  }

  #socket(socket) {
    const record = { url: socket.url(), received: [], closed: false };
    this.sockets.push(record);
    socket.on("framereceived", ({ payload }) => {
      if (typeof payload === "string") record.received.push(JSON.parse(payload));
    });
    socket.on("close", () => {
      record.closed = true;
    });
    if (new URL(record.url).host !== new URL(this.origin).host) this.strangers.push(record.url);
  }

  /** The frames with this event that the tab received, over all its sockets. */
  frames(event) {
    return this.sockets.flatMap(({ received }) => received.filter((frame) => frame[3] === event));
  }

  /** Opens the page and waits until it is connected, its rooms are joined and samples arrive. */
  async open(path = "/") {
    await this.page.goto(this.origin + path);
    await this.ready();
    return this;
  }

  async ready() {
    await this.until("the page says it is connected", () =>
      document.getElementById("connection-text").textContent === "connected");
    await this.until("every room is joined", () => {
      const tabs = [...document.querySelectorAll("#rooms .tab")];
      return tabs.length > 0 && tabs.every((tab) => tab.dataset.state === "joined");
    });
    await this.until("a sample has arrived", () =>
      document.querySelector("#figure-connections .value").textContent !== "–");
  }

  /** Waits until `condition(argument)` holds in the page; the error names what was awaited. */
  async until(what, condition, argument, wait = WAIT_MS) {
    try {
      await this.page.waitForFunction(condition, argument, { timeout: wait });
    } catch (error) {
      throw new Error(`not within ${wait / 1000} s: ${what}`, { cause: error });
    }
  }

  /** Sends a chat message the way a visitor does. */
  async say(text) {
    await this.page.fill("#message", text);
    await this.page.press("#message", "Enter");
  }

  /** Waits until a message with this text is in the rows, by whomever. */
  async reads(text, wait) {
    await this.until(`the message “${text}” arrives`, (expected) =>
      [...document.querySelectorAll(".message:not([data-status='sending']) .bubble")]
        .some((bubble) => bubble.textContent === expected), text, wait);
  }

  /** The restart counters of all supervised actors, by the label of their button. */
  restarts() {
    return this.page.evaluate(() => Object.fromEntries(
      [...document.querySelectorAll("[data-crash]")].map((button) => [button.dataset.crash,
        Number(button.parentElement.querySelector(".restarts .num").textContent)])));
  }
}

export class Browser {
  #folder;

  static async launch(origin, executablePath) {
    const made = new Browser();
    made.origin = origin;
    made.tabs = [];
    made.#folder = await mkdtemp(join(tmpdir(), "vaxel-chromium-"));
    // An own profile: nothing of the person who runs the tests is read or changed.
    made.context = await chromium.launchPersistentContext(made.#folder, {
      executablePath,
      args: ARGUMENTS,
      headless: true,
      viewport: { width: 1440, height: 900 },
      colorScheme: "light",
    });
    return made;
  }

  /** A new tab, of another server perhaps; `open: false` leaves it blank. */
  async tab({ open = true, origin = this.origin } = {}) {
    const tab = new Tab(await this.context.newPage(), origin);
    this.tabs.push(tab);
    if (open) await tab.open();
    return tab;
  }

  /** Closes all tabs and forgets what the page has stored. */
  async clear() {
    const [first] = this.context.pages();
    for (const page of this.context.pages()) if (page !== first) await page.close();
    await first.goto("about:blank");
    this.tabs = [];
    const cleaner = await this.context.newPage();
    await cleaner.goto(`${this.origin}/icon.svg`);
    await cleaner.evaluate(() => localStorage.clear());
    await cleaner.close();
  }

  async close() {
    await this.context.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
