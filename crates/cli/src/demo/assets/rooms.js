/**
 * A chat room as this page knows it: its channel, its rows, and what was not read yet.
 *
 * Payloads come from whoever is in the room, with whatever client; nothing in them is trusted to
 * have a shape, and nothing is kept without bound.
 */

/** Rows kept a room; older ones are forgotten. */
export const ROWS_MAX = 200;
/** Characters a message of this page may have. */
export const BODY_MAX = 500;
/** Characters of others that are shown at most. */
const SHOWN_MAX = 2_000;
/** Ids of own messages remembered, to tell them from those of others. */
const OWN_IDS_MAX = 1_000;

const NAME = /^[a-z0-9][a-z0-9_-]{0,23}$/;

/** What a visitor typed as the name of a room, made one; null when nothing of it is left. */
export function roomName(text) {
  const name = text.trim().toLowerCase().replace(/^#/, "").replace(/\s+/g, "-");
  return NAME.test(name) ? name : null;
}

function text(value, fallback, most) {
  const is = typeof value === "string" ? value.trim() : "";
  return is === "" ? fallback : is.slice(0, most);
}

export class Room {
  #own = new Set();
  #crash = null;

  /** `changed(room)` runs after every change; `flash(topic)` at every message that came or went. */
  constructor(socket, name, { changed, flash }) {
    this.name = name;
    this.topic = `room:${name}`;
    this.changed = () => changed(this);
    this.flash = () => flash(this.topic);
    this.rows = [];
    this.unread = 0;
    /** Rows that were dropped because too many came. */
    this.forgotten = 0;
    this.nextAttemptAt = null;
    this.channel = socket.channel(this.topic);
    this.channel.on("shout", (payload) => this.#heard(payload));
    this.channel.onState((state) => this.#became(state));
    this.channel.onError((reason) => this.#failed(reason));
    this.channel.join().receive("ok", (reply) => this.#recalled(reply))
      .receive("error", (reply) => this.#refused(reply));
  }

  get joined() {
    return this.channel.state === "joined";
  }

  /** Sends a message. Its row is there at once, marked until the server has sent it round. */
  say(user, body) {
    const id = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    this.#own.add(id);
    if (this.#own.size > OWN_IDS_MAX) this.#own.delete(this.#own.values().next().value);
    const row = this.#add({ kind: "message", id, user, body, mine: true, status: "sending" });
    this.#send(row);
  }

  /** Sends a message again that did not arrive. */
  again(row) {
    row.status = "sending";
    this.#send(row);
    this.changed();
  }

  #send(row) {
    const { user, body, id } = row;
    const lost = () => {
      if (row.status !== "sending") return;
      row.status = "failed";
      this.changed();
    };
    this.channel.push("shout", { user, body, id }).receive("timeout", lost).receive("error", lost);
    this.flash();
  }

  /** Lets the channel's actor panic. */
  crash() {
    this.channel.push("crash");
  }

  #heard(payload) {
    this.flash();
    const id = typeof payload?.id === "string" ? payload.id : null;
    const mine = id !== null && this.#own.has(id);
    const waiting = mine && this.rows.find((row) => row.id === id);
    if (waiting) {
      waiting.status = "sent";
      this.changed();
      return;
    }
    if (!mine) this.unread++;
    this.#show(payload, id, mine);
  }

  /** What was said before, where the server keeps it; what this page has already is passed over. */
  #recalled(reply) {
    const history = Array.isArray(reply?.history) ? reply.history : [];
    const known = new Set(this.rows.map(({ id }) => id));
    for (const { at, line } of history) {
      const id = typeof line?.id === "string" ? line.id : null;
      if (id === null || !known.has(id)) this.#show(line, id, this.#own.has(id), at);
    }
  }

  #show(payload, id, mine, at) {
    const user = text(payload?.user, "someone", 24);
    const body = text(payload?.body, "(nothing to read)", SHOWN_MAX);
    this.#add({ kind: "message", id, user, body, mine, status: "sent" }, at);
  }

  #became({ name, nextAttemptAt }) {
    this.nextAttemptAt = nextAttemptAt;
    if (name === "joined" && this.#crash) {
      this.#crash.over = true;
      const after = (Date.now() - this.#crash.at) / 1000;
      this.#crash = null;
      this.#add({ kind: "event", tone: "restarted", after });
    }
    this.changed();
  }

  #failed(reason) {
    if (reason === "connection lost") {
      if (this.#crash) this.#crash.over = true;
      this.#crash = null;
      return;
    }
    this.#crash = this.#add({ kind: "event", tone: "crashed", over: false });
    this.#crash.retryAt = this.nextAttemptAt;
  }

  #refused(reply) {
    const reason = text(reply?.reason, "no reason given", 200);
    this.#add({ kind: "event", tone: "refused", reason });
  }

  #add(row, at = Date.now()) {
    row.at = at;
    this.rows.push(row);
    if (this.rows.length > ROWS_MAX) {
      this.rows.shift();
      this.forgotten++;
    }
    this.changed();
    return row;
  }
}
