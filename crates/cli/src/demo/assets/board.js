/**
 * The switchboard: three banks of lamps and the cords between them, on one canvas.
 *
 * Connections and channels are known by number only, so their lamps burn evenly, as brightly as
 * messages are many; this page's own are ringed and flash at each of its messages. Supervised
 * actors are known one by one. When a bank has more actors than room, a lamp stands for ten, a
 * hundred or more, and says so.
 *
 * A lamp is drawn only when it changes: ten thousand cost nothing while they burn steadily.
 */

import { count } from "./format.js";
import { Surface } from "./plot.js";

const PITCHES = [26, 20, 16, 13, 11, 9, 8, 7, 6, 5, 4];
/** Lamps of actors known by number only are not drawn smaller than this. */
const CROWD_PITCH = 6;
const BUCKETS = [1, 2, 5].flatMap((n) => [1, 10, 100, 1_000, 10_000, 100_000].map((p) => n * p))
  .sort((a, b) => a - b);
const MARGIN = 16;
/** From this many supervised actors on their bank and the whole board are made larger. */
const MANY = 1_500;
const FLASH_MS = 450;
const WORK_MS = 1_400;
/** Brightness goes in steps, so that fading redraws a lamp sixteen times and not sixty. */
const STEPS = 16;

const COLOUR = {
  jack: "#07080a", rim: "#2b2e35", off: "#4d3c1f", glow: "#ffd27a", brass: "#b9812f",
  fault: "#ff6b5e", steady: "#4cc38a", bone: "#e9e6df", night: "#0b0c0f",
};

/** The shapes a lamp can take; `lit` has STEPS brightnesses. */
const LOOKS = ["jack", "crashed", "restarting", "restarted"];

/** All looks of a lamp at one pitch, drawn once. */
class Sprites {
  constructor(pitch, scale) {
    this.size = Math.round(pitch * scale);
    this.sheet = document.createElement("canvas");
    this.sheet.width = this.size * (LOOKS.length + STEPS + 1);
    this.sheet.height = this.size;
    const context = this.sheet.getContext("2d");
    const radius = this.size * (pitch > 7 ? 0.25 : 0.34);
    const paint = (index, draw) => {
      context.save();
      context.beginPath();
      context.rect(index * this.size, 0, this.size, this.size);
      context.clip();
      context.translate((index + 0.5) * this.size, this.size / 2);
      draw(context, radius, this.size / 2);
      context.restore();
    };
    LOOKS.forEach((look, index) => paint(index, DRAW[look]));
    for (let step = 0; step <= STEPS; step++) {
      paint(LOOKS.length + step, (c, r, half) => drawLit(c, r, half, step / STEPS));
    }
  }

  paint(context, look, x, y) {
    context.drawImage(this.sheet, look * this.size, 0, this.size, this.size,
      x, y, this.size, this.size);
  }
}

function disc(context, radius, colour) {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(0, 0, radius, 0, 7);
  context.fill();
}

function ring(context, radius, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.arc(0, 0, radius, 0, 7);
  context.stroke();
}

function drawLit(context, radius, half, light) {
  disc(context, radius * 1.15, COLOUR.rim);
  disc(context, radius, COLOUR.off);
  if (light === 0) return;
  const halo = context.createRadialGradient(0, 0, radius * 0.6, 0, 0, half);
  halo.addColorStop(0, COLOUR.glow);
  halo.addColorStop(1, "#ffd27a00");
  context.globalAlpha = light * 0.6;
  context.fillStyle = halo;
  context.fillRect(-half, -half, half * 2, half * 2);
  context.globalAlpha = 0.25 + light * 0.75;
  disc(context, radius, COLOUR.glow);
  context.globalAlpha = light;
  disc(context, radius * 0.5, "#fff3d6");
}

const DRAW = {
  jack(context, radius) {
    disc(context, Math.max(1, radius * 0.62), COLOUR.rim);
    disc(context, Math.max(0.6, radius * 0.4), COLOUR.jack);
  },
  crashed(context, radius, half) {
    const reach = Math.min(half, radius * 1.8);
    context.fillStyle = COLOUR.fault;
    context.beginPath();
    for (const [x, y] of [[0, -1], [1, 0], [0, 1], [-1, 0]]) context.lineTo(x * reach, y * reach);
    context.fill();
    context.strokeStyle = COLOUR.jack;
    context.lineWidth = Math.max(1, radius * 0.35);
    const arm = reach * 0.36;
    context.beginPath();
    context.moveTo(-arm, -arm);
    context.lineTo(arm, arm);
    context.moveTo(arm, -arm);
    context.lineTo(-arm, arm);
    context.stroke();
  },
  restarting(context, radius) {
    ring(context, radius, COLOUR.glow, Math.max(1, radius * 0.4));
  },
  restarted(context, radius, half) {
    disc(context, radius * 0.8, COLOUR.glow);
    ring(context, Math.min(half - 1, radius * 1.5), COLOUR.steady, Math.max(1, radius * 0.4));
  },
};

const LIT = LOOKS.length;

/** Of two looks the one that must not be overlooked: crashed before all, then the brightest. */
function graver(a, b) {
  const special = (look) => (look > 0 && look < LIT ? LIT + STEPS + LIT - look : look);
  return special(b) > special(a) ? b : a;
}

/** A rectangle of lamps. `looks` holds what is on the canvas, to draw only what differs. */
class Bank {
  constructor(title, smallest) {
    this.title = title;
    this.pitches = PITCHES.filter((pitch) => pitch >= smallest);
    this.looks = new Uint8Array(0);
    this.bucket = 1;
  }

  /** Chooses the largest lamps that fit the box, and the bucket when none do. */
  place(box, scale, total) {
    const fits = (pitch, lamps) =>
      Math.floor(box.width / pitch) * Math.floor(box.height / pitch) >= lamps;
    const smallest = this.pitches.at(-1);
    const bucket = BUCKETS.find((size) => fits(smallest, total / size)) ?? BUCKETS.at(-1);
    const lamps = Math.ceil(total / bucket);
    const pitch = this.pitches.find((size) => fits(size, lamps)) ?? smallest;
    const key = JSON.stringify([box, scale, pitch, bucket]);
    this.lamps = lamps;
    if (key === this.key) return false;
    this.key = key;
    const columns = Math.floor(box.width / pitch);
    const rows = Math.floor(box.height / pitch);
    const x = box.x + (box.width - columns * pitch) / 2;
    const y = box.y + (box.height - rows * pitch) / 2;
    const sprites = new Sprites(pitch, scale);
    Object.assign(this, { box, scale, pitch, bucket, columns, rows, x, y, sprites });
    this.looks = new Uint8Array(columns * rows).fill(255);
    return true;
  }

  /** The top left corner of a lamp, in device pixels. */
  corner(index) {
    const column = index % this.columns;
    const row = Math.floor(index / this.columns);
    return [Math.round((this.x + column * this.pitch) * this.scale),
      Math.round((this.y + row * this.pitch) * this.scale)];
  }

  draw(context, index, look) {
    if (this.looks[index] === look) return;
    this.looks[index] = look;
    const [x, y] = this.corner(index);
    context.clearRect(x, y, this.sprites.size, this.sprites.size);
    this.sprites.paint(context, look, x, y);
  }

  /** Which lamp is at a point, in CSS pixels; -1 for none. */
  at(x, y) {
    const column = Math.floor((x - this.x) / this.pitch);
    const row = Math.floor((y - this.y) / this.pitch);
    if (column < 0 || row < 0 || column >= this.columns || row >= this.rows) return -1;
    const index = row * this.columns + column;
    return index < this.lamps ? index : -1;
  }
}

/** A fixed number from 0 to 1 for each bulb, with no pattern to the eye. */
function unlike(index) {
  const mixed = Math.imul(index ^ (index >>> 4), 0x45d9f3b) ^ (index << 7);
  return (Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d) >>> 16 & 255) / 255;
}

export class Board {
  #dirty = true;
  #level = 0;
  #target = 0;
  #phase = 0;
  #last = 0;
  #drawnCords = "";

  /**
   * `calm` tells whether the visitor asked for less motion; `placed()` runs when the banks have
   * moved or their lamps stand for another number.
   */
  constructor(canvas, { calm, placed = () => {} }) {
    this.calm = calm;
    this.placed = placed;
    this.banks = [new Bank("connections", CROWD_PITCH), new Bank("channels", CROWD_PITCH),
      new Bank("supervised", 0)];
    this.numbers = { connections: 0, channels: 0, messages: 0 };
    this.actors = [];
    /** This page's channels: `{topic, state, flashedAt}`. */
    this.own = [];
    this.ownFlashedAt = -Infinity;
    this.selected = -1;
    this.online = false;
    this.surface = new Surface(canvas, () => {
      this.#dirty = true;
    });
  }

  /** Takes the numbers of a sample. */
  population(sample) {
    const { connections, channels, messages_per_second: messages } = sample;
    this.numbers = { connections, channels, messages };
    const each = messages / Math.max(1, connections + channels);
    this.#target = messages === 0 ? 0 : Math.min(1, 0.2 + Math.log10(1 + each * 3) * 0.5);
    this.#dirty = true;
  }

  /** Takes the supervised actors. */
  supervised(actors) {
    this.surface.canvas.classList.toggle("many", actors.length > MANY);
    this.actors = actors;
    this.#dirty = true;
  }

  /** A message of this page went through one of its channels. */
  flash(topic, now = performance.now()) {
    const channel = this.own.find((own) => own.topic === topic);
    if (channel) channel.flashedAt = now;
    this.ownFlashedAt = now;
  }

  /** The supervised actor whose lamp is at a point, or null; of several, one in trouble. */
  actorAt(x, y) {
    const bank = this.banks[2];
    const index = bank.columns ? bank.at(x, y) : -1;
    if (index < 0) return null;
    const those = this.actors.slice(index * bank.bucket, (index + 1) * bank.bucket);
    return those.find((actor) => actor.shown !== "running") ?? those[0] ?? null;
  }

  /** How many lamps a row of the supervised bank has, for moving up and down. */
  get columns() {
    return this.banks[2].columns ?? 1;
  }

  /** Places and draws what has changed. To be called once a frame. */
  frame(now) {
    const { width, height, scale } = this.surface;
    if (width < 60 || height < 40) return;
    if (this.#dirty) this.#place(width, height, scale);
    const context = this.surface.context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    const elapsed = Math.min(100, now - this.#last);
    this.#last = now;
    const goal = this.online ? this.#target : 0;
    const near = Math.abs(goal - this.#level) < 0.01 || this.calm();
    this.#level = near ? goal : this.#level + (goal - this.#level) * Math.min(1, elapsed / 250);
    this.#crowd(context, this.banks[0], now);
    this.#crowd(context, this.banks[1], now);
    this.#each(context, this.banks[2], now);
    this.#cords(context, elapsed);
  }

  #place(width, height, scale) {
    this.#dirty = false;
    const gutter = Math.max(22, Math.min(104, width * 0.09));
    const many = this.actors.length > MANY ? 3 : 1;
    const room = width - 2 * MARGIN - 2 * gutter;
    const part = room / (2 + many);
    const totals = [this.numbers.connections, this.numbers.channels, this.actors.length];
    let x = MARGIN;
    let changed = false;
    this.banks.forEach((bank, index) => {
      const box = { x, y: MARGIN / 2, width: index === 2 ? part * many : part,
        height: height - MARGIN };
      changed = bank.place(box, scale, this.online ? totals[index] : 0) || changed;
      x += box.width + gutter;
    });
    this.gutter = gutter;
    if (!changed) return;
    this.surface.clear();
    for (const bank of this.banks) bank.looks.fill(255);
    this.#drawnCords = "";
    this.placed();
  }

  /** A bank known by number: even light, with this page's own lamps first. */
  #crowd(context, bank, now) {
    const step = Math.round(this.#level * STEPS);
    const connections = bank === this.banks[0];
    const own = connections ? [{ state: "joined", flashedAt: this.ownFlashedAt }] : this.own;
    const marked = this.online && bank.bucket === 1 ? own.length : 0;
    for (let index = 0; index < bank.looks.length; index++) {
      if (index < marked) {
        const channel = own[index];
        let look = LIT + this.#fade(now - channel.flashedAt, FLASH_MS, 0.3);
        if (channel.state === "errored") look = LOOKS.indexOf("crashed");
        else if (channel.state === "joining") look = LOOKS.indexOf("restarting");
        if (bank.looks[index] === look) continue;
        bank.draw(context, index, look);
        this.#mark(context, bank, index, COLOUR.bone);
        continue;
      }
      // No two bulbs are alike: a fixed pattern of slightly dimmer ones.
      const bulb = Math.round(step * unlike(index) * 0.5);
      bank.draw(context, index, index < bank.lamps ? LIT + step - bulb : 0);
    }
  }

  /** The bank whose actors are known one by one. */
  #each(context, bank, now) {
    for (let index = 0; index < bank.looks.length; index++) {
      const before = bank.looks[index];
      let look = 0;
      const first = index * bank.bucket;
      const end = index < bank.lamps ? Math.min(first + bank.bucket, this.actors.length) : first;
      for (let at = first; at < end; at++) look = graver(look, this.#look(this.actors[at], now));
      bank.draw(context, index, look);
      if (index === Math.floor(this.selected / bank.bucket) && bank.looks[index] !== before) {
        this.#mark(context, bank, index, COLOUR.bone);
      }
    }
  }

  #look(actor, now) {
    const special = LOOKS.indexOf(actor.shown);
    if (special > 0) return special;
    return LIT + this.#fade(now - actor.workedAt, WORK_MS, 0.22);
  }

  /** A light that goes out over `span` ms, down to what an idle lamp glows. */
  #fade(age, span, idle) {
    const light = age < span ? idle + (1 - idle) * (1 - age / span) : idle;
    if (this.calm()) return Math.round((age < span ? 1 : idle) * STEPS);
    return Math.round(light * STEPS);
  }

  /** Rings a lamp: one of this page's own, or the selected one. */
  #mark(context, bank, index, colour) {
    const [x, y] = bank.corner(index);
    const half = bank.sprites.size / 2;
    context.save();
    context.translate(x + half, y + half);
    ring(context, half - 1.5, colour, Math.max(1, bank.scale));
    context.restore();
  }

  /** Moves the ring of the keyboard to another supervised actor; -1 takes it away. */
  select(index) {
    const bank = this.banks[2];
    for (const actor of [this.selected, index]) {
      const touched = Math.floor(actor / bank.bucket);
      if (touched >= 0 && touched < bank.looks.length) bank.looks[touched] = 255;
    }
    this.selected = index;
  }

  /** The cords between neighbouring banks: as bright and as quick as the traffic. */
  #cords(context, elapsed) {
    const level = Math.round(this.#level * STEPS) / STEPS;
    const moving = level > 0 && !this.calm();
    const key = `${level}`;
    if (!moving && key === this.#drawnCords) return;
    this.#drawnCords = key;
    const speed = 6 + Math.log10(1 + this.numbers.messages) * 14;
    this.#phase = (this.#phase + (elapsed / 1000) * speed) % 24;
    const { scale, height } = this.surface;
    context.save();
    context.scale(scale, scale);
    for (const bank of this.banks.slice(0, 2)) {
      const left = bank.box.x + bank.box.width;
      context.clearRect(left, 0, this.gutter, height);
      this.#bundle(context, left, level, moving);
    }
    context.restore();
  }

  #bundle(context, left, level, moving) {
    const { height } = this.surface;
    const cords = Math.max(3, Math.min(9, Math.floor(height / 34) | 1));
    const inset = Math.min(10, this.gutter / 5);
    const right = left + this.gutter - inset;
    const jack = (index) => MARGIN + ((index + 0.2) / cords) * (height - 2 * MARGIN - 24);
    for (let index = 0; index < cords; index++) {
      const from = jack(index);
      // A fixed patching, with an odd number of cords: one in each jack, most of them aslant.
      const to = jack((index * 2 + 1) % cords);
      const sag = Math.min(this.gutter * 0.5, height - MARGIN / 2 - Math.max(from, to));
      const path = new Path2D();
      path.moveTo(left + inset, from);
      path.bezierCurveTo(left + inset, from + sag, right, to + sag, right, to);
      context.lineCap = "round";
      this.#stroke(context, path, 4.5, COLOUR.night, 0.8);
      this.#stroke(context, path, 2.25, COLOUR.brass, 0.35 + level * 0.5);
      if (moving) {
        context.setLineDash([3, 21]);
        context.lineDashOffset = (index % 2 ? 1 : -1) * this.#phase + index * 7;
        this.#stroke(context, path, 2.25, COLOUR.glow, 0.25 + level * 0.75);
        context.setLineDash([]);
      }
      context.globalAlpha = 1;
      for (const [x, y] of [[left + inset, from], [right, to]]) {
        context.fillStyle = COLOUR.brass;
        context.fillRect(x - 2, y - 2, 4, 8);
        context.fillStyle = COLOUR.bone;
        context.fillRect(x - 1, y - 5, 2, 3);
      }
    }
  }

  #stroke(context, path, width, colour, alpha) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.globalAlpha = alpha;
    context.stroke(path);
  }

  /** What the lamps of each bank stand for, and where the bank is, in CSS pixels. */
  describe() {
    const { connections, channels } = this.numbers;
    const totals = [connections, channels, this.actors.length];
    return this.banks.map(({ title, bucket, box }, index) => {
      const total = this.online ? totals[index] : null;
      const each = bucket > 1 ? `1 lamp = ${count(bucket)}` : "";
      return { title, total, each, left: box?.x ?? 0, width: box?.width ?? 0 };
    });
  }
}
