/**
 * The supervision tree as rows: who supervises whom, how often each was restarted, and a button
 * that crashes it.
 *
 * Rows are made once and then changed in place, so the keyboard's focus stays where it is while
 * actors come and go. A supervisor shows its first children; the others are a click away, on the
 * board or behind a button.
 */

import { count } from "./format.js";
import { write } from "./dashboard.js";

const SHOWN_AT_FIRST = 24;
const MORE = 100;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The lamp symbol; its look follows the `data-state` of what surrounds it. */
function lamp() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "lamp");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", "#lamp");
  svg.append(use);
  return svg;
}

function cell(className, label) {
  const box = element("span", `cell ${className}`);
  const value = element("span", "num");
  box.append(element("span", "label", label), " ", value);
  return { box, value };
}

function policy({ strategy, max_restarts: most, within_s: seconds }) {
  const limit = most === undefined ? "" : `, at most ${count(most)} restarts in ${seconds}\u00a0s`;
  return (strategy ?? "") + limit;
}

export class Tree {
  #rows = new Map();
  #limits = new Map();

  /** `crash(id)` asks the server to crash a worker. */
  constructor(root, { crash }) {
    this.root = root;
    this.crash = crash;
    this.pinned = new Set();
  }

  /** Brings the rows in line with the tree. */
  update(tree) {
    if (!this.list) this.#begin();
    write(this.title, tree.name);
    write(this.policy, policy(tree));
    const seen = new Set();
    this.#fill(this.list, tree, "", seen);
    for (const [id, row] of this.#rows) {
      if (seen.has(id)) continue;
      row.item.remove();
      this.#rows.delete(id);
    }
  }

  /** Shows what has changed of one actor. */
  refresh(actor) {
    const row = this.#rows.get(actor.id);
    if (row) this.#write(row, actor);
  }

  /** Lets the row of a restarted actor flash. */
  flash(actor) {
    const row = this.#rows.get(actor.id);
    if (!row) return;
    this.#write(row, actor);
    row.line.classList.remove("flash");
    void row.line.offsetWidth;
    row.line.classList.add("flash");
  }

  /** Brings an actor's row into view and focuses its button. */
  reveal(actor) {
    this.pinned.add(actor.id);
    this.onPin();
    const row = this.#rows.get(actor.id);
    row?.line.scrollIntoView({ block: "nearest" });
    row?.button?.focus({ preventScroll: true });
  }

  /** Says under a row what the server answered, when it refused. */
  refused(id, reason) {
    const row = this.#rows.get(id);
    if (row) write(row.error, reason);
  }

  /** While the server is away its actors cannot be asked for anything. */
  online(is) {
    this.root.classList.toggle("offline", !is);
    for (const { button } of this.#rows.values()) button?.setAttribute("aria-disabled", !is);
    this.isOnline = is;
  }

  /** Set by the owner: brings the rows in line after `pinned` has changed. */
  onPin() {}

  #begin() {
    this.root.replaceChildren();
    const head = element("div", "row root");
    head.dataset.state = "running";
    this.title = element("b", "name");
    this.policy = element("span", "policy");
    head.append(lamp(), this.title, this.policy);
    this.list = element("ul");
    this.root.append(head, this.list);
  }

  #fill(list, parent, key, seen) {
    const limit = this.#limits.get(key) ?? SHOWN_AT_FIRST;
    const children = parent.children.filter((child, index) =>
      index < limit || this.pinned.has(child.id) || child.shown === "crashed");
    let place = list.firstElementChild;
    for (const child of children) {
      const row = this.#rows.get(child.id) ?? this.#make(child);
      seen.add(child.id);
      if (row.item === place) place = place.nextElementSibling;
      else list.insertBefore(row.item, place);
      this.#write(row, child);
      if (row.list) this.#fill(row.list, child, child.id, seen);
    }
    this.#more(list, key, parent.children.length - children.length, limit);
  }

  #more(list, key, hidden, limit) {
    let item = list.querySelector(":scope > .more");
    if (hidden <= 0) return item?.remove();
    if (!item) {
      item = element("li", "more");
      const button = element("button", "small");
      button.type = "button";
      button.addEventListener("click", () => {
        this.#limits.set(key, (this.#limits.get(key) ?? SHOWN_AT_FIRST) + MORE);
        this.onPin();
      });
      item.append(button, element("span", "hint"));
    }
    list.append(item);
    write(item.firstChild, `Show ${count(Math.min(MORE, hidden))} more`);
    write(item.lastChild, `${count(hidden)} not listed; each has its lamp on the board`);
  }

  #make(actor) {
    const item = element("li");
    const line = element("div", `row ${actor.kind}`);
    const name = element("span", "name");
    const pid = cell("pid", "pid");
    const state = cell("state", "state");
    const handled = cell("handled", "handled");
    const restarts = cell("restarts", "restarts");
    const error = element("span", "error");
    line.append(lamp(), name, pid.box, state.box, handled.box, restarts.box);
    const row = { item, line, name, pid: pid.value, state: state.value, handled: handled.value,
      restarts: restarts.value, error };
    item.append(line);
    if (actor.kind === "supervisor") {
      row.policy = element("span", "policy");
      line.append(row.policy);
      row.list = element("ul");
      item.append(row.list);
    } else {
      row.button = this.#button(actor, row);
      line.append(row.button);
    }
    line.append(error);
    this.#rows.set(actor.id, row);
    return row;
  }

  #button(actor, row) {
    const button = element("button", "crash", "Crash");
    button.type = "button";
    button.dataset.crash = actor.id;
    button.setAttribute("aria-label", `Crash ${actor.name}`);
    button.setAttribute("aria-disabled", !this.isOnline);
    button.addEventListener("click", () => {
      write(row.error, this.isOnline ? "" : "not connected: nobody to ask");
      if (this.isOnline) this.crash(actor.id);
    });
    return button;
  }

  #write(row, actor) {
    row.line.dataset.state = actor.shown;
    write(row.name, actor.name);
    write(row.pid, actor.pid);
    write(row.state, actor.shown);
    write(row.handled, count(actor.handled ?? 0));
    write(row.restarts, count(actor.restarts));
    row.line.classList.toggle("scarred", actor.restarts > 0);
    if (row.policy) {
      write(row.policy, policy(actor));
    }
  }
}
