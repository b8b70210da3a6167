// A client that sends and sees exact messages: the `ws` package without a protocol above it.

import assert from "node:assert/strict";
import WebSocket from "ws";

import { Inbox, PATIENCE_MS, within } from "./wait.mjs";

/** What a client is asked in terms of `send` and `next`, whatever the transport. */
export class Conversation {
  /** The next message is exactly this one. */
  async expect(...message) {
    const actual = await this.next(JSON.stringify(message));
    assert.deepEqual(actual, message);
  }

  /** These messages come next, in any order. */
  async expectAll(...messages) {
    const actual = [];
    for (const message of messages) actual.push(await this.next(JSON.stringify(message)));
    const sorted = (list) => list.map((item) => JSON.stringify(item)).sort();
    assert.deepEqual(sorted(actual), sorted(messages));
  }

  /** Joins a topic and takes the reply. */
  async join(topic, ref = "1") {
    this.send(ref, ref, topic, "phx_join", {});
    await this.expect(ref, ref, topic, "phx_reply", { status: "ok", response: {} });
  }

  /**
   * A channel answers in order, so an answer to a request sent now proves that everything before
   * it has been dealt with, and that nothing else was sent.
   */
  async expectNothingBeforeEcho(topic, joinRef = "1") {
    const mark = { mark: Math.random() };
    this.send(joinRef, "fence", topic, "echo", mark);
    await this.expect(joinRef, "fence", topic, "phx_reply", { status: "ok", response: mark });
  }

  /** Sends a heartbeat and waits for its reply. */
  async heartbeat(ref = "hb") {
    this.send(null, ref, "phoenix", "heartbeat", {});
    await this.expect(null, ref, "phoenix", "phx_reply", { status: "ok", response: {} });
  }
}

/** One WebSocket and everything the server sent on it, in order. */
export class Raw extends Conversation {
  #socket;
  #inbox = new Inbox();
  #closed;

  /** Opens a socket on a mount, speaking V2. */
  static async open(mount, query = "vsn=2.0.0") {
    const raw = new Raw(new WebSocket(`${mount}/websocket?${query}`));
    await within(PATIENCE_MS, "the socket to open", raw.opened);
    return raw;
  }

  constructor(socket) {
    super();
    this.#socket = socket;
    this.opened = new Promise((resolve, reject) => {
      socket.on("open", resolve);
      socket.on("error", reject);
    });
    this.opened.catch(() => {});
    this.#closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => {
        this.#inbox.end(new Error(`the socket was closed with ${code}`));
        resolve({ code, reason: reason.toString() });
      });
    });
    socket.on("message", (data, isBinary) => {
      this.#inbox.push(isBinary ? data : JSON.parse(data.toString()));
    });
  }

  /** Sends one message as JSON. */
  send(...message) {
    this.#socket.send(JSON.stringify(message));
  }

  /** Sends any text, or bytes as a binary message. */
  sendRaw(data) {
    this.#socket.send(data);
  }

  next(what = "a message") {
    return this.#inbox.next(what);
  }

  /** What has arrived and nobody looked at. */
  get rest() {
    return this.#inbox.rest;
  }

  get isOpen() {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** The code and reason with which the server closes. */
  closed(milliseconds = PATIENCE_MS) {
    return within(milliseconds, "the server to close the socket", this.#closed);
  }

  /** Closes from this side. */
  close() {
    this.#socket.terminate();
  }
}
