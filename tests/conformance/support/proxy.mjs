// A WebSocket proxy between the real client and the server, which can do to a connection what
// the server itself never would: close with any code, or swallow the answers to heartbeats.

import { once } from "node:events";
import WebSocket, { WebSocketServer } from "ws";

import { Inbox } from "./wait.mjs";

/** One listener in front of a server; every client connection gets one of its own behind it. */
export class Proxy {
  /** Clients that are connected now. */
  clients = new Set();
  /** One `{code, reason}` for every close that a client began. */
  closes = new Inbox();
  /** While set, answers to heartbeats are not passed on. */
  swallowsHeartbeats = false;
  #listener;
  #target;

  /** Listens on a free port and passes everything on to the mount `target`. */
  static async to(target) {
    const proxy = new Proxy();
    proxy.#target = target;
    proxy.#listener = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    proxy.#listener.on("connection", (client, request) => proxy.#connect(client, request.url));
    await once(proxy.#listener, "listening");
    return proxy;
  }

  get mount() {
    return `ws://127.0.0.1:${this.#listener.address().port}`;
  }

  /** Later connections go to another server. */
  redirect(target) {
    this.#target = target;
  }

  /** Closes every connected client with a code, as if the server had. */
  closeClients(code) {
    for (const client of this.clients) client.close(code);
  }

  async stop() {
    for (const client of this.clients) client.terminate();
    this.#listener.close();
    await once(this.#listener, "close");
  }

  #connect(client, path) {
    const server = new WebSocket(`${this.#target}${path}`);
    const early = [];
    this.clients.add(client);
    client.on("message", (data, isBinary) => {
      if (server.readyState === WebSocket.OPEN) server.send(data, { binary: isBinary });
      else early.push([data, isBinary]);
    });
    server.on("open", () => {
      for (const [data, isBinary] of early) server.send(data, { binary: isBinary });
    });
    server.on("message", (data, isBinary) => {
      if (!isBinary && this.#isSwallowed(data)) return;
      client.send(data, { binary: isBinary });
    });
    server.on("error", () => client.terminate());
    server.on("close", (code, reason) => {
      if (code === 1005 || code === 1006) client.terminate();
      else client.close(code, reason);
    });
    client.on("close", (code, reason) => {
      this.clients.delete(client);
      this.closes.push({ code, reason: reason.toString() });
      server.terminate();
    });
  }

  #isSwallowed(data) {
    return this.swallowsHeartbeats && JSON.parse(data.toString())[2] === "phoenix";
  }
}
