/**
 * The samples of the last two minutes and the server's clock.
 *
 * A sample arrives once a second. The time axis runs on the server's clock, estimated from the
 * samples' own times, so a plot moves evenly though samples do not arrive evenly.
 */

/** What the plots show, in ms. */
export const WINDOW_MS = 120_000;
/** The axis ends this long before now, so that the newest sample is always just beyond it. */
export const EDGE_MS = 1_000;
/** Two samples further apart than this are not joined by a line: nothing is known in between. */
export const GAP_MS = 2_500;

export class Stats {
  #arrivedAt = null;
  #offset = null;

  constructor() {
    this.samples = [];
  }

  get latest() {
    return this.samples.at(-1) ?? null;
  }

  /** Takes the history of a join. Samples already known stay, so a gap stays visible as a gap. */
  history(samples) {
    const known = new Map(this.samples.map((sample) => [sample.t, sample]));
    for (const sample of samples) known.set(sample.t, sample);
    this.samples = [...known.values()].sort((a, b) => a.t - b.t);
    if (samples.length > 0) this.#arrived(samples.at(-1).t);
  }

  add(sample) {
    if (this.latest && sample.t <= this.latest.t) return;
    this.samples.push(sample);
    this.#arrived(sample.t);
    const oldest = sample.t - WINDOW_MS - 2 * GAP_MS;
    while (this.samples[0].t < oldest) this.samples.shift();
  }

  /** The server's clock, in epoch ms. */
  now() {
    return Date.now() + (this.#offset ?? 0);
  }

  /** Since when, by the visitor's clock, nothing has arrived; null while samples are fresh. */
  staleSince() {
    const fresh = this.#arrivedAt === null || Date.now() - this.#arrivedAt < GAP_MS;
    return fresh ? null : this.#arrivedAt;
  }

  #arrived(t) {
    this.#arrivedAt = Date.now();
    const offset = t - this.#arrivedAt;
    const jump = this.#offset === null || Math.abs(offset - this.#offset) > 2_000;
    this.#offset = jump ? offset : this.#offset + (offset - this.#offset) * 0.1;
  }
}

/** The figures and plots read samples through these; null where a sample does not know. */
export const read = {
  connections: (s) => s.connections,
  actors: (s) => s.actors,
  messages: (s) => s.messages_per_second,
  p50: (s) => s.latency_us?.p50 ?? null,
  p99: (s) => s.latency_us?.p99 ?? null,
  p999: (s) => s.latency_us?.p999 ?? null,
  perConnection: (s) => s.memory?.per_connection_bytes ?? null,
};
