/**
 * Lines and bands over a moving time axis, on a canvas.
 *
 * A plot draws only when asked, and only when something in it has moved by a visible amount: the
 * axis by a quarter of a pixel, a sample, the cursor, the colours or the size.
 */

import { clock, tick } from "./format.js";
import { EDGE_MS, GAP_MS, WINDOW_MS } from "./stats.js";

const LABEL_EVERY_MS = 30_000;
/** A plot this close to the screen is drawn already, so that scrolling finds it ready. */
const NEAR = "1200px";
/** Room for the labels under and over the plot, and their size, in CSS pixels at 16 px a rem. */
const FOOT = 22;
const HEAD = 20;
const LABEL = 11;

/** The colours of the theme in force, as a canvas understands them. */
export function palette(probe) {
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const names = ["ink", "muted", "hair", "accent", "paper"];
  return Object.fromEntries(names.map((name) => [name, colour(name)]));
}

/** The smallest of 1, 2, 5 × 10ⁿ steps that needs at most `most` of them to reach `value`. */
function niceStep(value, most) {
  const rough = value / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= rough);
}

/** Keeps a canvas's pixels in step with its size on screen. */
export class Surface {
  constructor(canvas, onResize) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.width = this.height = 0;
    new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      this.width = width;
      this.height = height;
      this.scale = Math.min(3, globalThis.devicePixelRatio || 1);
      canvas.width = Math.max(1, Math.round(width * this.scale));
      canvas.height = Math.max(1, Math.round(height * this.scale));
      onResize();
    }).observe(canvas);
  }

  /** The context with CSS pixels as units and nothing drawn. */
  clear() {
    const { context, scale } = this;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    return context;
  }
}

export class Plot {
  #drawnEdge = null;

  /**
   * `series` are drawn in order: `{read, line?, fill?}` with the opacities of line and area, the
   * area reaching down to the previous series, or to zero. `family` names the unit of the axis;
   * without one the plot is a sparkline: no axes, no cursor. `least` is the smallest top of the
   * axis, so that a small wobble does not look like a storm.
   */
  constructor(canvas, { series, family = null, least = 1, stacked = false }) {
    this.series = series;
    this.family = family;
    this.least = least;
    this.stacked = stacked;
    this.visible = true;
    this.top = 0;
    this.enlarged = 1;
    this.surface = new Surface(canvas, () => this.touch());
    const near = ([entry]) => {
      this.visible = entry.isIntersecting;
      this.touch();
    };
    new IntersectionObserver(near, { rootMargin: NEAR }).observe(canvas);
  }

  /** Makes the next `frame` draw whatever has moved or not. */
  touch() {
    this.#drawnEdge = null;
  }

  /** The time at a distance from the left edge, in CSS pixels. */
  timeAt(x, edge) {
    return edge - WINDOW_MS + (x / this.surface.width) * WINDOW_MS;
  }

  /** Draws if needed. `view` is `{samples, now, cursor, colours, calm}`. */
  frame(view) {
    const { width, height } = this.surface;
    if (!this.visible || width < 8 || height < 8) return;
    const edge = view.calm ? view.samples.at(-1)?.t ?? view.now : view.now - EDGE_MS;
    const step = (WINDOW_MS / width) * 0.25;
    const moving = this.#raise(view);
    if (!moving && this.#drawnEdge !== null && Math.abs(edge - this.#drawnEdge) < step) return;
    this.#drawnEdge = edge;
    this.enlarged = view.colours.enlarged;
    const context = this.surface.clear();
    if (this.family) this.#axes(context, view, edge);
    this.#curves(context, view, edge);
    if (this.family) this.#labels(context, view.colours);
    if (this.family && view.cursor !== null) this.#cursor(context, view, edge);
  }

  /** Moves the top of the axis towards what the samples need; true while it is on its way. */
  #raise({ samples, calm }) {
    let most = this.least;
    for (const sample of samples) {
      for (const { read } of this.series) most = Math.max(most, read(sample) ?? 0);
    }
    const step = niceStep(most * (this.family ? 1.08 : 1.02), 3);
    const wanted = this.family ? step * Math.ceil((most * 1.08) / step) : most * 1.02;
    if (this.top === wanted) return false;
    const near = Math.abs(wanted - this.top) < wanted * 0.003;
    if (calm || near || this.top === 0) this.top = wanted;
    else this.top += (wanted - this.top) * 0.18;
    return true;
  }

  #y(value) {
    const { height } = this.surface;
    const [head, foot] = this.family ? [HEAD * this.enlarged, FOOT * this.enlarged] : [3, 1];
    return height - foot - (value / this.top) * (height - head - foot);
  }

  #x(time, edge) {
    const room = this.family ? 0 : 4;
    return ((time - edge + WINDOW_MS) / WINDOW_MS) * (this.surface.width - room);
  }

  #axes(context, { colours, cursor }, edge) {
    const { width } = this.surface;
    const taken = cursor === null ? -Infinity : this.#x(cursor, edge);
    const step = niceStep(this.top, 3);
    context.font = `${LABEL * this.enlarged}px ${colours.fontMono}`;
    context.wordSpacing = "-0.27em";
    context.lineWidth = 1;
    for (let value = 0; value <= this.top * 1.001; value += step) {
      const y = Math.round(this.#y(value)) + 0.5;
      context.strokeStyle = value === 0 ? colours.muted : colours.hair;
      context.beginPath();
      context.moveTo(0, y);
      context.lineTo(width, y);
      context.stroke();
    }
    context.textAlign = "center";
    const zero = Math.round(this.#y(0));
    const first = Math.ceil((edge - WINDOW_MS) / LABEL_EVERY_MS) * LABEL_EVERY_MS;
    const every = width < 280 * this.enlarged ? LABEL_EVERY_MS * 2 : LABEL_EVERY_MS;
    for (let time = first; time <= edge; time += LABEL_EVERY_MS) {
      const x = this.#x(time, edge);
      context.fillStyle = colours.muted;
      context.fillRect(x, zero, 1, 4);
      const half = 28 * this.enlarged;
      const room = x > half && x < width - half && Math.abs(x - taken) > half * 2.3;
      if (time % every !== 0 || !room) continue;
      context.fillText(clock(time), x, zero + 17 * this.enlarged);
    }
  }

  /** The values of the axis, over the curves and haloed, so that nothing hides them. */
  #labels(context, colours) {
    const step = niceStep(this.top, 3);
    context.textAlign = "left";
    context.lineJoin = "round";
    context.lineWidth = 4;
    context.strokeStyle = colours.paper;
    context.fillStyle = colours.muted;
    for (let value = 0; value <= this.top * 1.001; value += step) {
      const text = tick(value, this.top, this.family);
      const y = Math.round(this.#y(value)) - 4;
      context.strokeText(text, 0, y);
      context.fillText(text, 0, y);
    }
  }

  /** Stretches of samples without a gap, as points of one series. */
  #stretches(samples, read, edge) {
    const stretches = [];
    let stretch = null;
    let previous = null;
    for (const sample of samples) {
      const value = read(sample);
      const gap = previous !== null && sample.t - previous > GAP_MS;
      previous = sample.t;
      if (value === null || gap) stretch = null;
      if (value === null) continue;
      if (!stretch) stretches.push((stretch = []));
      stretch.push([this.#x(sample.t, edge), this.#y(value)]);
    }
    return stretches;
  }

  #curves(context, { samples, colours }, edge) {
    context.save();
    context.beginPath();
    context.rect(0, 0, this.surface.width, this.surface.height);
    context.clip();
    context.lineJoin = "round";
    let floor = null;
    for (const { read, line = 0, fill = 0, width = 1.75 } of this.series) {
      const stretches = this.#stretches(samples, read, edge);
      for (const [index, points] of stretches.entries()) {
        if (fill) this.#area(context, points, this.stacked ? floor?.[index] : null, fill, colours);
        if (!line) continue;
        context.beginPath();
        for (const [x, y] of points) context.lineTo(x, y);
        context.globalAlpha = line;
        context.lineWidth = width;
        context.strokeStyle = colours.accent;
        context.stroke();
      }
      floor = stretches;
      const last = stretches.at(-1)?.at(-1);
      if (!this.family && last) this.#tip(context, last, colours);
    }
    context.restore();
  }

  #area(context, points, below, alpha, colours) {
    const base = below ?? [[points.at(0)[0], this.#y(0)], [points.at(-1)[0], this.#y(0)]];
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    for (const [x, y] of [...base].reverse()) context.lineTo(x, y);
    context.globalAlpha = alpha;
    context.fillStyle = colours.accent;
    context.fill();
    context.globalAlpha = 1;
  }

  /** The bead at the newest end of a sparkline. */
  #tip(context, [x, y], colours) {
    context.globalAlpha = 1;
    context.fillStyle = colours.accent;
    context.beginPath();
    context.arc(Math.min(x, this.surface.width - 3), y, 2.5, 0, 7);
    context.fill();
  }

  #cursor(context, { samples, cursor, colours }, edge) {
    const sample = nearest(samples, cursor);
    if (!sample) return;
    const x = this.#x(sample.t, edge);
    const zero = this.#y(0);
    context.globalAlpha = 1;
    context.fillStyle = colours.ink;
    context.fillRect(Math.round(x), HEAD, 1, zero - HEAD);
    for (const { read } of this.series) {
      const value = read(sample);
      if (value === null) continue;
      context.beginPath();
      context.arc(x, this.#y(value), 3.5, 0, 7);
      context.fillStyle = colours.ink;
      context.fill();
    }
    const text = clock(sample.t);
    const half = context.measureText(text).width / 2 + 4;
    const middle = Math.max(half, Math.min(this.surface.width - half, x));
    context.fillStyle = colours.paper;
    context.fillRect(middle - half, zero + 4, half * 2, (FOOT - 5) * this.enlarged);
    context.fillStyle = colours.ink;
    context.textAlign = "center";
    context.fillText(text, middle, zero + 17 * this.enlarged);
  }
}

/** The sample closest to a time, or null when none is within two seconds. */
export function nearest(samples, time) {
  let best = null;
  for (const sample of samples) {
    if (best === null || Math.abs(sample.t - time) < Math.abs(best.t - time)) best = sample;
  }
  return best !== null && Math.abs(best.t - time) < GAP_MS ? best : null;
}
