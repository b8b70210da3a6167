// Waiting on events, never on time: every wait names what it waits for and fails by name.

/** How long anything on loopback may take on a busy machine before it counts as never, in ms. */
export const PATIENCE_MS = 10_000;

/** The promise's value, or an error that names what did not happen within the time. */
export async function within(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    const complain = () => reject(new Error(`waited ${milliseconds} ms for ${what}`));
    timer = setTimeout(complain, milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets time pass, for the rows that are about time itself. */
export function elapse(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A queue that hands out what arrives in order, and fails all who wait once it has ended. */
export class Inbox {
  #items = [];
  #waiting = [];
  #end = null;

  push(item) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve(item);
    else this.#items.push(item);
  }

  end(error) {
    this.#end ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#end);
  }

  /** The next item; `what` is named when none comes. */
  next(what, milliseconds = PATIENCE_MS) {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    if (this.#end) return Promise.reject(new Error(`${this.#end.message}, waiting for ${what}`));
    const arrival = new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    return within(milliseconds, what, arrival);
  }

  /** What has arrived and nobody took. */
  get rest() {
    return [...this.#items];
  }
}
