// A long-poll client made of single requests.

import { Conversation } from "./raw.mjs";
import { Inbox, PATIENCE_MS, within } from "./wait.mjs";

/** Lines of one request, as many as the server takes. */
const BATCH_MAX = 100;

/** One session, with the same words as a WebSocket client. */
export class Poll extends Conversation {
  #url;
  #lines = [];
  #posting = null;
  #inbox = new Inbox();
  token = null;

  /** `mount` is an address of a WebSocket mount, as `server.mount()` gives it. */
  constructor(mount, query = "vsn=2.0.0") {
    super();
    this.#url = `${mount.replace(/^ws/, "http")}/longpoll?${query}`;
  }

  /** A session that is open. */
  static async open(mount, query) {
    const poll = new Poll(mount, query);
    await poll.get();
    return poll;
  }

  #address() {
    const token = this.token === null ? "" : `&token=${encodeURIComponent(this.token)}`;
    return this.#url + token;
  }

  async request(method, options = {}) {
    const answer = fetch(this.#address(), { method, ...options });
    return within(PATIENCE_MS + 10_000, `the answer to a ${method}`, answer);
  }

  /** Polls once; the answer. Its token is used from now on, its messages are kept. */
  async get(headers = {}) {
    const answer = await (await this.request("GET", { headers })).json();
    if (answer.token) this.token = answer.token;
    for (const message of answer.messages ?? []) this.#inbox.push(JSON.parse(message));
    return answer;
  }

  /** Posts lines; the answer. */
  async post(lines, type = "application/x-ndjson") {
    const body = Array.isArray(lines) ? lines.join("\n") : lines;
    return (await this.request("POST", { headers: { "content-type": type }, body })).json();
  }

  /** Sends one message; those of one turn go in one request, and requests one by one. */
  send(...message) {
    this.#lines.push(JSON.stringify(message));
    this.#posting ??= this.#postAll();
  }

  async #postAll() {
    await null;
    while (this.#lines.length > 0) {
      const { status } = await this.post(this.#lines.splice(0, BATCH_MAX));
      if (status !== 200) throw new Error(`posted, and answered ${status}`);
    }
    this.#posting = null;
  }

  /** What has arrived and nobody looked at. */
  get rest() {
    return this.#inbox.rest;
  }

  /** Waits for what is being sent; a session that is not polled ends, so it needs not be told. */
  async close() {
    await this.#posting;
  }

  /** The next message, polled for as often as needed. */
  async next(what) {
    while (this.#inbox.rest.length === 0) {
      const { status } = await this.get();
      if (status !== 200 && status !== 204) throw new Error(`polled ${status} for ${what}`);
    }
    return this.#inbox.next(what);
  }
}
