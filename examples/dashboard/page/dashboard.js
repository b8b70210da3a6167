/** The page of the dashboard: four figures, each with its last two minutes. */

import { Socket } from "/vaxel.js";

const SHOWN_S = 120;
const STALE_MS = 2_500;
const UNKNOWN = "–";
const THIN = "\u202f";

const grouped = (value) => Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, THIN);

function bytes(value) {
  const units = ["B", "kB", "MB", "GB"];
  const step = Math.min(3, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  const scaled = value / 1000 ** step;
  return [scaled < 10 && step > 0 ? scaled.toFixed(1) : grouped(scaled), units[step]];
}

const FIGURES = [
  { name: "watchers", of: (at) => at.watchers, show: (value) => [grouped(value), ""] },
  { name: "updates delivered", of: (at) => at.deliveries,
    show: (value) => [grouped(value), "a second"] },
  { name: "CPU of the server", of: (at) => at.cpu_percent,
    show: (value) => [value.toFixed(1), "% of a core"] },
  { name: "memory for each watcher", of: (at) => at.watcher_bytes, show: bytes },
];

const state = document.getElementById("state");
const main = document.getElementById("figures");
/** Updates by number; those older than two minutes are forgotten. */
let updates = [];
let newestAt = 0;

function element(tag, name, parent) {
  const made = document.createElement(tag);
  made.className = name;
  parent.append(made);
  return made;
}

for (const figure of FIGURES) {
  const box = element("figure", "", main);
  element("figcaption", "", box).textContent = figure.name;
  figure.value = element("p", "value", box);
  figure.canvas = element("canvas", "", box);
  figure.canvas.setAttribute("role", "img");
  figure.read = element("p", "read", box);
  figure.canvas.addEventListener("pointermove", ({ offsetX }) => {
    const ago = Math.round(SHOWN_S * (1 - offsetX / figure.canvas.clientWidth));
    const at = updates.findLast(({ t }) => t <= updates.at(-1).t - ago * 1000);
    const value = at && figure.of(at);
    figure.read.textContent = value == null ? "" : `${ago}${THIN}s ago: ${words(figure, value)}`;
  });
  figure.canvas.addEventListener("pointerleave", () => {
    figure.read.textContent = "";
  });
}

function words(figure, value) {
  return value == null ? UNKNOWN : figure.show(value).join(THIN).trim();
}

function draw(figure) {
  const newest = updates.at(-1);
  const value = newest ? figure.of(newest) : null;
  const [number, unit] = value == null ? [UNKNOWN, ""] : figure.show(value);
  figure.value.replaceChildren(number, " ");
  element("small", "", figure.value).textContent = unit;
  figure.canvas.setAttribute("aria-label", `${figure.name}, now ${words(figure, value)}`);
  const { canvas } = figure;
  const scale = devicePixelRatio;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  // A canvas understands colours and no light-dark(): the style resolves it.
  const colour = (name) => {
    canvas.style.color = `var(${name})`;
    return getComputedStyle(canvas).color;
  };
  const most = Math.max(1, ...updates.map((at) => figure.of(at) ?? 0));
  const y = (of) => height - 20 - (height - 38) * (of / most);
  pen.fillStyle = colour("--muted");
  pen.font = `12px ${getComputedStyle(figure.read).fontFamily}`;
  pen.fillText(words(figure, most), 0, 10);
  pen.fillText(`${SHOWN_S}${THIN}s ago`, 0, height - 4);
  pen.textAlign = "right";
  pen.fillText("now", width, height - 4);
  pen.strokeStyle = colour("--hair");
  for (const of of [0, most]) {
    pen.beginPath();
    pen.moveTo(0, y(of));
    pen.lineTo(width, y(of));
    pen.stroke();
  }
  pen.strokeStyle = colour("--accent");
  pen.lineWidth = 2;
  pen.beginPath();
  let last = null;
  for (const at of updates) {
    const of = figure.of(at);
    const x = width * (1 - (newest.t - at.t) / 1000 / SHOWN_S);
    if (of == null) last = null;
    else if (last === null) pen.moveTo(x, y(of));
    else pen.lineTo(x, y(of));
    last = of ?? null;
  }
  pen.stroke();
}

function redraw() {
  for (const figure of FIGURES) draw(figure);
}

function take(...more) {
  updates.push(...more);
  updates = updates.filter(({ t }) => t > updates.at(-1).t - SHOWN_S * 1000);
  newestAt = performance.now();
  redraw();
}

const socket = new Socket("/socket");
const board = socket.channel("board:live");
board.on("update", take);
board.join().receive("ok", ({ history }) => {
  updates = [];
  if (history.length > 0) take(...history);
  else redraw();
});

function tell() {
  const { name, nextAttemptAt } = socket.state;
  const age = performance.now() - newestAt;
  const isStale = name !== "open" || age > STALE_MS;
  main.classList.toggle("stale", isStale);
  state.dataset.state = isStale ? "lost" : "live";
  const wait = Math.max(0, Math.ceil(((nextAttemptAt ?? 0) - Date.now()) / 1000));
  if (name === "waiting") state.textContent = `connection lost, trying again in ${wait}${THIN}s`;
  else if (name !== "open") state.textContent = "connecting…";
  else if (isStale) state.textContent = `no update for ${Math.round(age / 1000)}${THIN}s`;
  else state.textContent = `live, update ${grouped(updates.at(-1)?.number ?? 0)}`;
}

socket.onState(tell);
setInterval(tell, 250);
addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
document.getElementById("theme").addEventListener("click", () => {
  const isDark = getComputedStyle(document.documentElement).colorScheme === "dark"
    || (!document.documentElement.dataset.theme
      && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = isDark ? "light" : "dark";
  redraw();
});
redraw();
socket.connect();
