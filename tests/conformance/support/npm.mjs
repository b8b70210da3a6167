// What suites of the npm client have in common: a server for all tests, and for each a proxy in
// front of it and clients that end with it.

import { after, afterEach, before, beforeEach } from "node:test";
import { Socket } from "phoenix";
import WebSocket from "ws";

import { Proxy } from "./proxy.mjs";
import { serve } from "./server.mjs";
import { PATIENCE_MS } from "./wait.mjs";

/** Sets the suite up. Clients come back after `quickMs`. */
export function stage(quickMs) {
  const stage = new Stage(quickMs);
  before(async () => {
    stage.server = await serve();
  });
  after(() => stage.server?.stop());
  beforeEach(async () => {
    stage.proxy = await Proxy.to(stage.server.mount());
  });
  afterEach(() => stage.clear());
  return stage;
}

class Stage {
  server = null;
  proxy = null;
  #quickMs;
  #sockets = [];

  constructor(quickMs) {
    this.#quickMs = quickMs;
  }

  /** The npm client, connecting. */
  connect(mount, options = {}) {
    // Without a transport the package takes long polling in silence, which is not what is tested.
    const socket = new Socket(mount, {
      transport: WebSocket,
      reconnectAfterMs: () => this.#quickMs,
      rejoinAfterMs: () => this.#quickMs,
      timeout: PATIENCE_MS,
      ...options,
    });
    this.adopt(socket);
    return socket;
  }

  /** Connects a client of any kind, and ends it with the test. */
  adopt(socket) {
    this.#sockets.push(socket);
    socket.connect();
  }

  async clear() {
    for (const socket of this.#sockets.splice(0)) socket.disconnect();
    await this.proxy.stop();
  }
}
