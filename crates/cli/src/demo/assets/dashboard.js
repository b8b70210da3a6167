/**
 * The four figures, the plots and the counters: everything that reads samples.
 *
 * One cursor is shared by all plots: what happened to the latency when the messages rose is one
 * look. The pointer moves it, or the arrow keys on a focused plot.
 */

import { UNKNOWN, bytes, clock, count, joined, microseconds, whole } from "./format.js";
import { Plot, nearest, palette } from "./plot.js";
import { EDGE_MS, WINDOW_MS, read } from "./stats.js";

const FIGURES = [
  { key: "connections", title: "Connections", read: read.connections, show: whole, unit: "open" },
  { key: "messages", title: "Messages", read: read.messages, show: whole, unit: "/s" },
  { key: "p99", title: "Latency, p99", read: read.p99, show: microseconds,
    none: "not measured just now" },
  { key: "memory", title: "Memory a connection", read: read.perConnection, show: bytes,
    none: "too few open to tell" },
];

const area = (reader) => [{ read: reader, line: 1, fill: 0.12 }];

const PLOTS = [
  { key: "latency", title: "Server latency", wide: true, family: "time", least: 20, stacked: true,
    show: microseconds,
    legend: [["p50", read.p50], ["p99", read.p99], ["p99.9", read.p999]],
    series: [
      { read: read.p50, line: 0.9, fill: 0.5, width: 1 },
      { read: read.p99, line: 1, fill: 0.26, width: 2 },
      { read: read.p999, line: 0.55, fill: 0.1, width: 1 },
    ] },
  { key: "messages", title: "Messages a second", wide: true, family: "count", least: 20,
    show: whole, legend: [["", read.messages]], series: area(read.messages) },
  { key: "connections", title: "Connections", family: "count", least: 5, show: whole,
    legend: [["", read.connections]], series: area(read.connections) },
  { key: "actors", title: "Actors", family: "count", least: 5, show: whole,
    legend: [["", read.actors]], series: area(read.actors) },
  { key: "memory", title: "Memory a connection", family: "bytes", least: 1000, show: bytes,
    legend: [["", read.perConnection]], series: area(read.perConnection),
    none: "Shown once enough connections are open to divide by." },
];

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Writes only what has changed: an untouched text node costs no layout. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Writes words and numbers in turn, the numbers in their own type. */
function words(node, parts) {
  while (node.children.length < parts.length) {
    node.append(element("span", node.children.length % 2 ? "num" : ""));
  }
  [...node.children].forEach((child, index) => write(child, parts[index] ?? ""));
}

export class Dashboard {
  #cursor = null;
  #colours = null;
  #fresh = true;

  /** `calm` tells whether the visitor asked for less motion. */
  constructor(stats, { calm, announce }) {
    this.stats = stats;
    this.calm = calm;
    this.announce = announce;
    this.figures = FIGURES.map((figure) => this.#figure(figure));
    this.plots = PLOTS.map((plot) => this.#plot(plot));
    this.#restyle();
    for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"]) {
      matchMedia(query).addEventListener("change", () => this.#restyle());
    }
    addEventListener("resize", () => this.#restyle());
    new MutationObserver(() => this.#restyle())
      .observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  /** To be called when samples have arrived. */
  update() {
    this.#fresh = true;
    for (const { drawing } of [...this.figures, ...this.plots]) drawing.touch();
  }

  /** To be called once a frame. */
  frame() {
    const { samples } = this.stats;
    const view = { samples, now: this.stats.now(), cursor: this.#cursor,
      colours: this.#colours, calm: this.calm() };
    for (const { drawing } of [...this.figures, ...this.plots]) drawing.frame(view);
    if (this.#fresh) {
      this.#fresh = false;
      this.#words();
    }
  }

  /** Rewrites the figures, the read-outs and what is said about their age. */
  #words() {
    const { latest, samples } = this.stats;
    const stale = this.stats.staleSince();
    document.documentElement.toggleAttribute("data-stale", stale !== null);
    for (const figure of this.figures) this.#figureWords(figure, latest, samples, stale);
    const at = this.#cursor === null ? latest : nearest(samples, this.#cursor);
    for (const plot of this.plots) this.#plotWords(plot, at);
    const note = stale !== null ? `stale since ${clock(stale)}`
      : this.#cursor !== null && at ? `at ${clock(at.t)}` : "";
    write(document.getElementById("plots-note"), note);
    if (latest) counters(latest, samples.at(-2));
  }

  #figureWords(figure, latest, samples, stale) {
    const value = latest ? figure.read(latest) : null;
    const shown = value === null ? { value: UNKNOWN, unit: "" } : figure.show(value);
    write(figure.value, shown.value);
    write(figure.unit, value === null ? "" : figure.unitText ?? shown.unit);
    const known = samples.map(figure.read).filter((v) => v !== null);
    let note = ["waiting for the first sample"];
    if (stale !== null) note = ["stale since ", clock(stale)];
    else if (latest && value === null) note = [figure.none];
    else if (latest) {
      const low = joined(figure.show(Math.min(...known)));
      const high = joined(figure.show(Math.max(...known)));
      note = low === high ? ["steady at ", low] : ["", low, " to ", high];
    }
    words(figure.note, note);
  }

  #plotWords(plot, sample) {
    for (const { node, reader } of plot.values) {
      const value = sample ? reader(sample) : null;
      write(node, value === null ? UNKNOWN : joined(plot.show(value)));
    }
    const empty = plot.none && !this.stats.samples.some((s) => plot.values[0].reader(s) !== null);
    plot.empty.hidden = !empty;
  }

  #figure({ key, title, read: reader, show, unit, none }) {
    const box = element("article", "figure");
    box.id = `figure-${key}`;
    const value = element("span", "value num", UNKNOWN);
    const unitNode = element("span", "unit");
    const big = element("p", "big");
    big.append(value, " ", unitNode);
    const canvas = element("canvas", "spark");
    canvas.setAttribute("aria-hidden", "true");
    const note = element("p", "range");
    box.append(element("h2", "", title), big, canvas, note);
    document.getElementById("figures").append(box);
    const drawing = new Plot(canvas, { series: area(reader) });
    return { read: reader, show, unitText: unit, none, value, unit: unitNode, note, drawing };
  }

  #plot({ key, title, wide, show, legend, none, ...options }) {
    const box = element("figure", wide ? "plot wide" : "plot");
    box.id = `plot-${key}`;
    const caption = element("figcaption");
    const values = element("span", "values num");
    caption.append(element("span", "title", title), values);
    const nodes = legend.map(([label, reader], index) => {
      const entry = element("span", label ? `entry band-${index}` : "entry");
      const node = element("b", "", UNKNOWN);
      entry.append(...(label ? [element("i", "", label), " "] : []), node);
      values.append(entry);
      return { label, node, reader };
    });
    const canvas = element("canvas");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label",
      `${title}, the last two minutes. Left and right arrow read single values.`);
    const empty = element("p", "empty", none ?? "");
    empty.hidden = true;
    box.append(caption, canvas, empty);
    document.getElementById("plots").append(box);
    const plot = { title, show, values: nodes, empty, drawing: new Plot(canvas, options) };
    this.#listen(canvas, plot);
    return plot;
  }

  #listen(canvas, plot) {
    const edge = () => (this.calm() ? this.stats.latest?.t ?? 0 : this.stats.now() - EDGE_MS);
    canvas.addEventListener("pointermove", (event) => {
      this.#move(plot.drawing.timeAt(event.offsetX, edge()));
    });
    for (const end of ["pointerleave", "pointercancel", "blur"]) {
      canvas.addEventListener(end, () => this.#move(null));
    }
    canvas.addEventListener("keydown", (event) => {
      const keys = { ArrowLeft: -1_000, ArrowRight: 1_000, Home: -WINDOW_MS, End: WINDOW_MS };
      const step = keys[event.key];
      if (event.key === "Escape") this.#move(null);
      if (step === undefined || !this.stats.latest) return;
      event.preventDefault();
      const { samples, latest } = this.stats;
      const wanted = (this.#cursor ?? latest.t) + (this.#cursor === null ? 0 : step);
      this.#move(Math.max(samples[0].t, Math.min(latest.t, wanted)));
      this.#say(plot);
    });
  }

  #move(time) {
    if (time === this.#cursor) return;
    this.#cursor = time;
    this.update();
  }

  #say(plot) {
    const sample = nearest(this.stats.samples, this.#cursor);
    if (!sample) return;
    const values = plot.values.map(({ label, reader }) => {
      const value = reader(sample);
      return `${label} ${value === null ? "unknown" : joined(plot.show(value))}`;
    });
    this.announce(`${plot.title} at ${clock(sample.t)}: ${values.join(", ")}`);
  }

  #restyle() {
    const probe = document.body.appendChild(element("span"));
    this.#colours = palette(probe);
    const { fontFamily } = getComputedStyle(this.figures[0].value);
    const root = parseFloat(getComputedStyle(document.documentElement).fontSize);
    Object.assign(this.#colours, { fontMono: fontFamily, enlarged: root / 16 });
    probe.remove();
    this.update();
  }
}

/** The named counters: their value and what was added in the last second. */
function counters(sample, before) {
  const list = document.getElementById("counters");
  for (const [name, value] of Object.entries(sample.counters ?? {})) {
    let row = list.querySelector(`[data-name="${CSS.escape(name)}"]`);
    if (!row) {
      row = element("div");
      row.dataset.name = name;
      row.append(element("dt", "", name.replaceAll("_", " ")), element("dd", "num"),
        element("dd", "num rate"));
      list.append(row);
    }
    const grown = before ? value - (before.counters?.[name] ?? value) : 0;
    write(row.children[1], count(value));
    write(row.children[2], grown > 0 ? `+${count(grown)}` : "");
  }
}
