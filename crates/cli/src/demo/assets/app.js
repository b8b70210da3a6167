/**
 * The page of `vaxel demo`: one socket, and the parts of the page that live from it.
 *
 * The wire, all of it over the socket mounted at `/socket`, Phoenix Channels 2.0.0 in JSON:
 *
 * `room:<name>`
 *     join reply {}; with `--data` {history: [{at, line}, …]}, at in epoch ms, line as it was shouted
 *     push `shout` {user, body, id}: broadcast unchanged as `shout` to all members, sender too
 *     push `ping` {…}: answered `ok` with the same payload
 *     push `crash`: the channel's actor panics; the member gets `phx_error`
 *
 * `stats:live`
 *     join reply {history: [sample, …], tree}: the last 120 samples at most
 *     broadcast `sample`, once a second: {t, connections, channels, actors, messages_per_second,
 *       latency_us: {p50, p99, p999, max}, memory: {rss_bytes, per_connection_bytes},
 *       counters: {name: number, …}, uptime_s}; t in epoch ms; per_connection_bytes and the
 *       members of latency_us may be null: not known
 *     broadcast `tree`, at every change: {name, strategy, max_restarts, within_s, children:
 *       [{id, name, pid, state, restarts, handled, kind, children}]}; state is running, crashed
 *       or restarting, kind worker or supervisor; a supervisor also has strategy, max_restarts,
 *       within_s and children
 *
 * `tree:demo`
 *     push `crash` {id}: answered `ok`, or `error` {reason}
 *
 * `floor:demo`
 *     join reply {symbol, is_kept}: the symbol of the order book, and whether `--data` keeps it
 *
 * `book:<symbol>`
 *     as in examples/orders
 */

import { Actors } from "./actors.js";
import { Board } from "./board.js";
import { Chat } from "./chat.js";
import { Dashboard, write } from "./dashboard.js";
import { UNKNOWN, bytes, count, duration, joined, microseconds } from "./format.js";
import { Stats } from "./stats.js";
import { recall, remember } from "./storage.js";
import { Tree } from "./tree.js";
import { Socket } from "./vaxel.js";

const PING_EVERY_MS = 1_000;
const TICK_EVERY_MS = 100;
/** Below this many connections the page tells how to make more. */
const QUIET_BELOW = 10;

const byId = (id) => document.getElementById(id);
const lessMotion = matchMedia("(prefers-reduced-motion: reduce)");
const calm = () => lessMotion.matches;
const announce = (text) => write(byId("announce"), text);

const socket = new Socket("/socket");
const stats = new Stats();
const dashboard = new Dashboard(stats, { calm, announce });
const board = new Board(byId("board"), { calm, placed: () => plates() });
const own = new Map();

/** Notes a channel of this page, so that the board shows its lamp. */
function watch(channel) {
  const entry = { topic: channel.topic, state: channel.state, flashedAt: -Infinity };
  own.set(channel.topic, entry);
  board.own = [...own.values()];
  channel.onState(({ name }) => {
    entry.state = name;
  });
}

// The supervision tree.

const treeChannel = socket.channel("tree:demo");
const tree = new Tree(byId("tree"), {
  crash: (id) => {
    const refused = (reply) => tree.refused(id, reply?.reason ?? "the server did not answer");
    treeChannel.push("crash", { id }).receive("ok", () => tree.refused(id, ""))
      .receive("error", refused).receive("timeout", refused);
    board.flash(treeChannel.topic);
  },
});
const actors = new Actors({
  onTree: () => {
    tree.update(actors.root);
    board.supervised([...actors.byId.values()]);
  },
  onShown: (actor) => tree.refresh(actor),
  onRestart: (actor) => {
    tree.flash(actor);
    announce(`${actor.name} crashed and was restarted, ${count(actor.restarts)} restarts`);
  },
});
tree.onPin = () => actors.root && tree.update(actors.root);
treeChannel.onState(({ name }) => tree.online(name === "joined"));
watch(treeChannel);
treeChannel.join();

// The samples.

const live = socket.channel("stats:live");
watch(live);
live.join().receive("ok", ({ history = [], tree: now }) => {
  stats.history(history);
  if (now) actors.update(now);
  sampled();
});
live.on("sample", (sample) => {
  stats.add(sample);
  board.flash(live.topic);
  sampled();
});
live.on("tree", (now) => actors.update(now));

function sampled() {
  dashboard.update();
  const sample = stats.latest;
  if (!sample) return;
  board.population(sample);
  const facts = [`up ${duration(sample.uptime_s)}`];
  if (sample.memory) facts.push(`${joined(bytes(sample.memory.rss_bytes))} of memory in use`);
  facts.push(`${count(sample.actors)} actors`);
  write(byId("facts"), facts.join(" · "));
  byId("load").hidden = sample.connections >= QUIET_BELOW;
  plates();
}

/** The engraved plates over the banks, and the same in words for those who do not see them. */
function plates() {
  const banks = board.describe();
  const box = byId("plates");
  while (box.children.length < banks.length) {
    const plate = document.createElement("p");
    plate.append(...["b", "span", "i"].map((tag) => document.createElement(tag)));
    box.append(plate);
  }
  banks.forEach(({ title, total, each, left, width }, index) => {
    Object.assign(box.children[index].style, { left: `${left}px`, width: `${width}px` });
    const [number, label, scale] = box.children[index].children;
    number.className = "num";
    write(number, total === null ? UNKNOWN : count(total));
    write(label, title);
    write(scale, each);
  });
  note(noted);
  const words = banks.map(({ title, total }) =>
    `${total === null ? "no known" : count(total)} ${title}`).join(", ");
  byId("board").setAttribute("aria-label", `Lamps: ${words}. Arrow keys visit supervised actors.`);
}

// The lamps by pointer and keyboard.

const canvas = byId("board");
const OWN_NOTE = "Ringed lamps are yours: this page's connection and its channels.";
const MANY_NOTE = "Point at a supervised lamp to read its name.";
let visited = -1;

function visit(index) {
  const all = board.actors;
  visited = all.length === 0 ? -1 : Math.max(0, Math.min(all.length - 1, index));
  board.select(visited);
  const actor = all[visited];
  if (!actor) return;
  note(actor);
  announce(`${actor.name}, ${actor.shown}, ${count(actor.restarts)} restarts`);
}

let noted = null;

function note(actor) {
  noted = actor;
  write(byId("board-note"), actor ? `${actor.name} ${actor.pid}: ${actor.shown}, restarted `
    + `${count(actor.restarts)} times, handled ${count(actor.handled)} messages`
    : board.banks[0].bucket === 1 ? OWN_NOTE : MANY_NOTE);
}

canvas.addEventListener("pointermove", (event) => {
  const actor = board.actorAt(event.offsetX, event.offsetY);
  canvas.style.cursor = actor ? "pointer" : "";
  note(actor);
});
canvas.addEventListener("pointerleave", () => note(null));
canvas.addEventListener("click", (event) => {
  const actor = board.actorAt(event.offsetX, event.offsetY);
  if (actor) tree.reveal(actor);
});
canvas.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -board.columns, ArrowDown: board.columns };
  if (event.key === "Enter" && board.actors[visited]) tree.reveal(board.actors[visited]);
  if (moves[event.key] === undefined) return;
  event.preventDefault();
  visit(visited + moves[event.key]);
});
canvas.addEventListener("blur", () => {
  board.select(-1);
  note(null);
});
note(null);

// The chat.

const chat = new Chat(socket, {
  flash: (topic) => board.flash(topic),
  changed: (room) => {
    if (!own.has(room.topic)) watch(room.channel);
  },
});
for (const room of chat.rooms.values()) if (!own.has(room.topic)) watch(room.channel);

setInterval(() => {
  const room = chat.room;
  if (!room.joined) return write(byId("round-trip-value"), "–");
  const sent = performance.now();
  room.channel.push("ping", {}, PING_EVERY_MS * 5).receive("ok", () => {
    write(byId("round-trip-value"), joined(microseconds((performance.now() - sent) * 1000)));
  });
}, PING_EVERY_MS);

// The order book, which is opened when somebody looks.

const bookBox = byId("book");
bookBox.addEventListener("toggle", async () => {
  const { Book } = await import("./book.js");
  new Book(socket, byId("book-view"), { watch });
}, { once: true });

// The connection.

const LAMP = { open: "running", connecting: "restarting", waiting: "crashed", closed: "crashed" };
let wasOpen = false;

function connection() {
  const { name, nextAttemptAt } = socket.state;
  byId("connection").dataset.state = LAMP[name];
  byId("retry").hidden = name !== "waiting";
  const seconds = Math.ceil(((nextAttemptAt ?? 0) - Date.now()) / 1000);
  const words = { open: "connected", closed: "closed",
    connecting: wasOpen ? "reconnecting…" : "connecting…",
    waiting: seconds > 0 ? `reconnecting in ${seconds} s…` : "reconnecting…" };
  write(byId("connection-text"), words[name]);
}

socket.onState(({ name }) => {
  if (name === "open") wasOpen = true;
  board.online = name === "open";
  if (stats.latest) board.population(stats.latest);
  plates();
  connection();
  chat.draw();
});
byId("retry").addEventListener("click", () => socket.connect());

/** What the visitor came back to, or the network, need not wait for the schedule. */
function hurry() {
  if (socket.state.name === "waiting" && !document.hidden) socket.connect();
}
addEventListener("online", hurry);
document.addEventListener("visibilitychange", hurry);

// The colours.

for (const input of document.querySelectorAll('input[name="theme"]')) {
  input.checked = input.value === (recall("theme") ?? "system");
  input.addEventListener("change", () => {
    const choice = input.value === "system" ? null : input.value;
    remember("theme", choice);
    if (choice) document.documentElement.dataset.theme = choice;
    else delete document.documentElement.dataset.theme;
  });
}

// The hint for a quiet server.

const scheme = location.protocol === "https:" ? "wss" : "ws";
const command = `cargo run --release -- bench sockets --url ${scheme}://${location.host}/socket `
  + "--connections 5000 --case broadcast-rate --rate 10/s --seconds 60";
byId("load-command").textContent = command;
byId("load-copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(command);
    write(byId("load-copy"), "Copied");
  } catch {
    getSelection().selectAllChildren(byId("load-command"));
    write(byId("load-copy"), "Selected");
  }
});

// Time.

setInterval(() => {
  connection();
  chat.tick();
  if (stats.staleSince() !== null) dashboard.update();
}, TICK_EVERY_MS);

function frame(now) {
  dashboard.frame();
  board.frame(now);
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);

socket.connect();
