/**
 * The chat: tabs for the rooms, the rows of the one in front, and the composer.
 *
 * Rows are drawn at most once every 30 ms, however many messages arrive, and only those that are
 * new or changed.
 */

import { count, shortClock } from "./format.js";
import { write } from "./dashboard.js";
import { BODY_MAX, Room, roomName } from "./rooms.js";
import { recall, remember } from "./storage.js";

const ROOMS = ["lobby", "engineering", "random"];
const ROOMS_MAX = 12;
const LINK = "#room/";
const DRAW_EVERY_MS = 30;
const SAME_BREATH_MS = 180_000;
const NEAR_BOTTOM_PX = 48;

const byId = (id) => document.getElementById(id);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function lamp() {
  const holder = element("span");
  holder.innerHTML = '<svg class="lamp" aria-hidden="true"><use href="#lamp"/></svg>';
  return holder.firstChild;
}

export class Chat {
  #timer = null;
  #drawn = new Map();
  #drawnRoom = null;

  /** `flash(topic)` runs at every message, `changed()` when rooms were added or changed state. */
  constructor(socket, { flash, changed }) {
    this.socket = socket;
    this.hooks = { flash, changed: (room) => this.#changed(room, changed) };
    this.rooms = new Map();
    this.tabs = new Map();
    this.nickname = byId("nickname");
    this.nickname.value = recall("nickname") ?? `operator-${100 + Math.floor(Math.random() * 900)}`;
    for (const name of [...ROOMS, ...(recall("rooms") ?? "").split(",")]) this.open(name);
    this.show(this.#linked() ?? this.open(recall("room") ?? "") ?? this.rooms.get("lobby"));
    this.#listen();
  }

  /** The room in front. */
  get room() {
    return this.#drawnRoom;
  }

  /** Joins a room and gives it a tab, unless that has happened; null for no name or too many. */
  open(typed) {
    const name = roomName(typed);
    if (name === null) return null;
    const known = this.rooms.get(name);
    if (known || this.rooms.size >= ROOMS_MAX) return known ?? null;
    const room = new Room(this.socket, name, this.hooks);
    this.rooms.set(name, room);
    byId("rooms").append(this.#tab(room));
    const own = [...this.rooms.keys()].filter((other) => !ROOMS.includes(other));
    remember("rooms", own.join(","));
    return room;
  }

  /** The room that the address names, so that a room can be sent to somebody as a link. */
  #linked() {
    return location.hash.startsWith(LINK) ? this.open(location.hash.slice(LINK.length)) : null;
  }

  /** Brings a room to the front. */
  show(room) {
    if (room === this.#drawnRoom) return;
    this.#drawnRoom = room;
    this.#drawn.clear();
    byId("messages").replaceChildren();
    room.unread = 0;
    for (const [name, tab] of this.tabs) {
      tab.setAttribute("aria-selected", name === room.name);
      tab.tabIndex = name === room.name ? 0 : -1;
    }
    const tab = this.tabs.get(room.name);
    const tabs = byId("rooms");
    const middle = tab.offsetLeft - tabs.offsetLeft + tab.offsetWidth / 2;
    tabs.scrollLeft = middle - tabs.clientWidth / 2;
    byId("talk").setAttribute("aria-labelledby", `tab-${room.name}`);
    byId("message").placeholder = `Say something in #${room.name}`;
    remember("room", room.name);
    history.replaceState(null, "", room.name === "lobby" ? location.pathname : LINK + room.name);
    this.draw(true);
  }

  /** Draws everything that has changed; `down` scrolls to the newest row. */
  draw(down = false) {
    const room = this.#drawnRoom;
    if (!room) return;
    const talk = byId("talk");
    const bottom = talk.scrollHeight - talk.scrollTop - talk.clientHeight < NEAR_BOTTOM_PX;
    const follow = down || bottom || room.rows.at(-1)?.status === "sending";
    if (follow && !document.hidden) room.unread = 0;
    this.#rows(room);
    if (follow) talk.scrollTop = talk.scrollHeight;
    this.#marks(room, follow);
    this.#state(room);
  }

  /** Rewrites what counts down; to be called about ten times a second. */
  tick() {
    const now = Date.now();
    for (const [row, item] of this.#drawn) {
      if (row.tone === "crashed" && !row.over) write(item.lastChild, crashText(row, now));
    }
  }

  #changed(room, changed) {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.draw();
    }, DRAW_EVERY_MS);
    changed(room);
  }

  #rows(room) {
    const list = byId("messages");
    const kept = new Set(room.rows);
    for (const [row, item] of this.#drawn) {
      if (kept.has(row)) continue;
      item.remove();
      this.#drawn.delete(row);
    }
    let previous = null;
    for (const row of room.rows) {
      let item = this.#drawn.get(row);
      if (!item) {
        item = row.kind === "message" ? this.#message(row, previous) : event(row);
        this.#drawn.set(row, item);
        list.append(item);
      }
      this.#refresh(row, item);
      previous = row;
    }
    this.#empty(list, room);
  }

  #empty(list, room) {
    let item = list.querySelector(".empty");
    if (room.rows.length > 0) return item?.remove();
    if (item) return;
    item = element("li", "empty");
    item.append(element("b", "", `Nobody has spoken in #${room.name} yet.`),
      " Say something, or open this page in a second tab and watch it arrive there.");
    list.append(item);
  }

  #message(row, previous) {
    const item = element("li", row.mine ? "message mine" : "message");
    const follows = previous?.kind === "message" && previous.user === row.user
      && previous.mine === row.mine && row.at - previous.at < SAME_BREATH_MS;
    if (!follows) {
      const head = element("p", "by");
      const time = element("time", "num", shortClock(row.at));
      time.dateTime = new Date(row.at).toISOString();
      head.append(element("b", "", row.mine ? `${row.user} (you)` : row.user), " ", time);
      item.append(head);
    }
    item.append(element("p", "bubble", row.body));
    return item;
  }

  #refresh(row, item) {
    if (row.kind === "event") {
      if (row.tone === "crashed") {
        item.dataset.state = row.over ? "gone" : "crashed";
        write(item.lastChild, crashText(row, Date.now()));
      }
      return;
    }
    if (item.dataset.status === row.status) return;
    item.dataset.status = row.status;
    item.querySelector(".again")?.remove();
    if (row.status !== "failed") return;
    const again = element("button", "again small", "Not delivered. Send again");
    again.type = "button";
    again.addEventListener("click", () => this.#drawnRoom.again(row));
    item.append(again);
  }

  #marks(room, follow) {
    let unread = 0;
    for (const [name, tab] of this.tabs) {
      const other = this.rooms.get(name);
      unread += other.unread;
      const mark = other === room && follow ? 0 : other.unread;
      tab.classList.toggle("unread", mark > 0);
      write(tab.querySelector(".mark"), mark > 0 ? String(Math.min(mark, 99)) : "");
      write(tab.querySelector(".sr"), mark > 0 ? `, ${count(mark)} unread` : "");
      tab.dataset.state = other.channel.state;
    }
    const newer = byId("newer");
    newer.hidden = follow || room.unread === 0;
    write(newer, `${count(room.unread)} new below`);
    document.title = unread > 0 ? `(${count(unread)}) Vaxel demo` : "Vaxel demo";
  }

  #state(room) {
    const open = this.socket.isOpen();
    byId("crash-channel").setAttribute("aria-disabled", !room.joined);
    const left = BODY_MAX - byId("message").value.length;
    let hint = "";
    if (!open) hint = "Not connected: what you send waits up to 10 s.";
    else if (!room.joined) hint = "Joining: what you send waits up to 10 s.";
    if (left <= 100) hint = `${left} characters left`;
    write(byId("composer-hint"), hint);
  }

  #tab(room) {
    const tab = element("button", "tab");
    tab.type = "button";
    tab.id = `tab-${room.name}`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", "talk");
    tab.append(element("span", "hash", "#"), room.name, element("span", "mark num"),
      element("span", "sr"));
    tab.querySelector(".mark").setAttribute("aria-hidden", "true");
    tab.addEventListener("click", () => this.show(room));
    this.tabs.set(room.name, tab);
    return tab;
  }

  #listen() {
    const message = byId("message");
    byId("rooms").addEventListener("keydown", (event) => this.#tabKey(event));
    byId("new-room").addEventListener("submit", (event) => this.#newRoom(event));
    byId("room-name").addEventListener("input", (event) => event.target.setCustomValidity(""));
    byId("composer").addEventListener("submit", (event) => this.#submit(event));
    byId("newer").addEventListener("click", () => this.draw(true));
    byId("talk").addEventListener("scroll", () => this.#scrolled(), { passive: true });
    byId("crash-channel").addEventListener("click", () => {
      if (this.#drawnRoom.joined) this.#drawnRoom.crash();
    });
    message.addEventListener("input", () => {
      fit(message);
      this.#state(this.#drawnRoom);
    });
    message.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      byId("composer").requestSubmit();
    });
    this.nickname.addEventListener("change", () => this.#rename());
    document.addEventListener("visibilitychange", () => this.draw());
    addEventListener("hashchange", () => {
      const room = this.#linked();
      if (room) this.show(room);
    });
  }

  #scrolled() {
    const talk = byId("talk");
    const bottom = talk.scrollHeight - talk.scrollTop - talk.clientHeight < NEAR_BOTTOM_PX;
    if (bottom && this.#drawnRoom.unread > 0) this.draw();
  }

  #tabKey(event) {
    const names = [...this.tabs.keys()];
    const here = names.indexOf(this.#drawnRoom.name);
    const moves = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: names.length - 1 };
    const next = moves[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const name = names[(next + names.length) % names.length];
    this.show(this.rooms.get(name));
    this.tabs.get(name).focus();
  }

  #newRoom(event) {
    event.preventDefault();
    const input = byId("room-name");
    if (input.value.trim() === "") return;
    const room = this.open(input.value);
    if (!room) {
      const full = this.rooms.size >= ROOMS_MAX;
      input.setCustomValidity(full ? `${ROOMS_MAX} rooms are open, that is all this page keeps`
        : "Letters, digits, - and _, up to 24 of them");
      input.reportValidity();
      return;
    }
    input.value = "";
    this.show(room);
    byId("message").focus();
  }

  #submit(event) {
    event.preventDefault();
    const message = byId("message");
    const body = message.value.trim();
    message.focus();
    if (body === "") return;
    this.#rename();
    this.#drawnRoom.say(this.nickname.value, body.slice(0, BODY_MAX));
    message.value = "";
    fit(message);
    this.draw(true);
  }

  #rename() {
    const name = this.nickname.value.trim().slice(0, 24);
    this.nickname.value = name || recall("nickname") || "visitor";
    remember("nickname", this.nickname.value);
  }
}

/** Lets the message box grow with its text, up to five lines. */
function fit(box) {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, 132)}px`;
}

function crashText(row, now) {
  if (row.over) return "channel crashed";
  const wait = Math.max(0, Math.ceil(((row.retryAt ?? now) - now) / 1000));
  return wait > 0 ? `channel crashed, rejoining in ${wait} s…` : "channel crashed, rejoining…";
}

function event(row) {
  const item = element("li", "event");
  item.dataset.state = row.tone;
  let text = "";
  if (row.tone === "restarted") {
    text = `rejoined after ${row.after.toFixed(1)} s; the connection stayed open`;
  } else if (row.tone === "refused") {
    item.dataset.state = "crashed";
    text = `the server refused the join: ${row.reason}; trying again`;
  }
  item.append(lamp(), element("span", "", text));
  return item;
}
