/** The server under test: the built binary, started, killed and started again on one port. */

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

const START_MS = 20_000;
const STOP_MS = 15_000;

/**
 * A free port below the range from which systems pick ports for outgoing connections. A page that
 * keeps asking for a closed port inside that range can end up connected to itself.
 */
async function freePort() {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await new Promise((resolve) => {
      const probe = createServer();
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error("no free port between 20000 and 30000");
}

export class Server {
  #child = null;

  /** A server to be started from a binary; it keeps its port over restarts. */
  static async of(binary, words = (address) => ["demo", "--listen", address]) {
    const server = new Server();
    server.words = words;
    server.binary = binary;
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    return server;
  }

  /** Starts the binary and waits until it says that it listens. */
  async start() {
    const words = this.words(`127.0.0.1:${this.port}`);
    const child = spawn(this.binary, words, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    let said = "";
    child.stderr.on("data", (data) => {
      said = (said + data).slice(-4_000);
    });
    await new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`${why}; the server said:\n${said}`));
      const timer = setTimeout(() => fail("no line 'listening on http://…' came"), START_MS);
      child.once("error", (error) => fail(error.message));
      child.once("exit", (code) => fail(`the server ended with ${code}`));
      createInterface({ input: child.stdout }).on("line", (line) => {
        said = `${said}${line}\n`.slice(-4_000);
        if (!line.includes("listening on http://")) return;
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Stops the server: SIGKILL loses it without a word, SIGTERM lets it say goodbye. */
  async stop(signal = "SIGTERM") {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(timer);
  }
}
