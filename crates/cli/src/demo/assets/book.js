/**
 * The order book: its depth, the last trades, and a form to trade.
 *
 * The server pushes the book once after each join, and every change of it from then on; what is not
 * newer than the book is in it already.
 */

import { count, shortClock } from "./format.js";
import { write } from "./dashboard.js";

const LEVELS_SHOWN = 8;
const TRADES_SHOWN = 6;
const DRAW_EVERY_MS = 50;
const BY_ITSELF_MS = 600;
const FIRST_PRICE = 100;

function element(tag, parent, text) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

export class Book {
  #channel = null;
  #book = null;
  #early = [];
  #trades = [];
  #timer = null;
  #itself = null;

  /** Opens the market and shows its book in `box`; `watch(channel)` is told of channels. */
  constructor(socket, box, { watch }) {
    this.box = box;
    this.said = element("p", box, "Opening the market…");
    this.said.className = "said";
    this.said.setAttribute("role", "status");
    const floor = socket.channel("floor:demo");
    watch(floor);
    floor.join()
      .receive("ok", ({ symbol, is_kept }) => this.#open(socket, symbol, is_kept, watch))
      .receive("error", ({ reason }) => this.#tell(`No market: ${reason}; trying again`, true));
  }

  #open(socket, symbol, isKept, watch) {
    if (this.#channel) return;
    this.#build(symbol, isKept);
    this.#channel = socket.channel(`book:${symbol}`);
    this.#channel.on("book", (depth) => this.#begin(depth));
    this.#channel.on("change", (change) => {
      if (this.#book) this.#apply(change);
      else this.#early.push(change);
    });
    this.#channel.onState(({ name }) => {
      if (name === "joined") return;
      this.#book = null;
      this.#early = [];
    });
    watch(this.#channel);
    this.#channel.join();
  }

  #begin({ sequence, bids, asks, last_price: last }) {
    this.#book = { sequence, buy: new Map(bids), sell: new Map(asks), last };
    for (const change of this.#early.splice(0)) this.#apply(change);
    this.#changed();
  }

  #apply({ sequence, levels, trade }) {
    if (sequence <= this.#book.sequence) return;
    this.#book.sequence = sequence;
    for (const [side, price, by] of levels) {
      const quantity = (this.#book[side].get(price) ?? 0) + by;
      if (quantity > 0) this.#book[side].set(price, quantity);
      else this.#book[side].delete(price);
    }
    if (trade) {
      this.#book.last = trade.price;
      this.#trades.unshift({ ...trade, at: Date.now() });
      this.#trades.length = Math.min(this.#trades.length, TRADES_SHOWN);
    }
    this.#changed();
  }

  #changed() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (this.#book) this.#draw();
    }, DRAW_EVERY_MS);
  }

  #build(symbol, isKept) {
    const last = element("p", this.box);
    last.className = "last";
    element("span", last, `${symbol}, last price `);
    this.last = element("b", last, "–");
    this.last.className = "num";
    const sides = element("div", this.box);
    sides.className = "sides";
    this.tables = {};
    for (const [side, title] of [["buy", "Bids"], ["sell", "Asks"]]) {
      const table = element("table", sides);
      element("caption", table, title);
      const head = element("tr", element("thead", table));
      for (const name of ["price", "quantity"]) element("th", head, name).scope = "col";
      this.tables[side] = element("tbody", table);
    }
    this.#form();
    const trades = element("table", this.box);
    element("caption", trades, "Last trades");
    this.tables.trades = element("tbody", trades);
    this.box.append(this.said);
    this.#tell(isKept ? "Every order is stored before it is answered: kill the server and look again."
      : "Kept in memory. With --data DIR the book survives a kill -9.");
  }

  #form() {
    const form = element("form", this.box);
    const number = (name, value) => {
      const label = element("label", form, name);
      const input = element("input", label);
      Object.assign(input, { type: "number", min: 1, step: 1, value, required: true });
      return input;
    };
    const [price, quantity] = [number("Price", FIRST_PRICE), number("Quantity", 5)];
    for (const [side, title] of [["buy", "Buy"], ["sell", "Sell"]]) {
      const button = element("button", form, title);
      button.value = side;
    }
    const itself = element("button", form, "Trade by itself");
    itself.type = "button";
    itself.setAttribute("aria-pressed", "false");
    itself.addEventListener("click", () => {
      if (this.#itself) this.#itself = clearInterval(this.#itself);
      else this.#itself = setInterval(() => this.#random(), BY_ITSELF_MS);
      itself.setAttribute("aria-pressed", String(Boolean(this.#itself)));
      write(itself, this.#itself ? "Stop trading" : "Trade by itself");
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#place(event.submitter?.value ?? "buy", Number(price.value), Number(quantity.value));
    });
  }

  /** An order near the last price, so that about half of them meet somebody. */
  #random() {
    if (!this.#book) return;
    const side = Math.random() < 0.5 ? "buy" : "sell";
    const away = Math.round(Math.random() * 8) - 4;
    const price = Math.max(1, (this.#book.last ?? FIRST_PRICE) + away);
    this.#place(side, price, 1 + Math.floor(Math.random() * 9));
  }

  #place(side, price, quantity) {
    const words = `${side} ${count(quantity)} at ${count(price)}`;
    this.#channel.push("place", { side, price, quantity })
      .receive("ok", ({ id, traded, resting }) => {
        const outcome = `${count(traded)} traded, ${count(resting)} on the book`;
        this.#tell(`Order ${id}, ${words}: ${outcome}`);
      })
      .receive("error", ({ reason }) => this.#tell(`Refused, ${words}: ${reason}`, true))
      .receive("timeout", () => this.#tell(`No answer to ${words}: look at the book`, true));
  }

  #tell(words, isRefused = false) {
    this.said.dataset.tone = isRefused ? "refused" : "";
    write(this.said, words);
  }

  #draw() {
    write(this.last, this.#book.last === null ? "–" : count(this.#book.last));
    const best = { buy: (a, b) => b[0] - a[0], sell: (a, b) => a[0] - b[0] };
    for (const side of ["buy", "sell"]) {
      const levels = [...this.#book[side]].sort(best[side]).slice(0, LEVELS_SHOWN);
      const rows = levels.map(([price, quantity]) => [count(price), count(quantity)]);
      fill(this.tables[side], rows, side === "buy" ? "Nobody buys yet" : "Nobody sells yet");
    }
    const trades = this.#trades.map(({ at, side, price, quantity }) =>
      [shortClock(at), `${side} ${count(quantity)} at ${count(price)}`]);
    fill(this.tables.trades, trades, "No trade since this page was opened");
  }
}

function fill(body, rows, empty) {
  body.replaceChildren();
  for (const cells of rows.length > 0 ? rows : [[empty, ""]]) {
    const row = element("tr", body);
    for (const text of cells) element("td", row, text).className = rows.length > 0 ? "num" : "";
  }
}
