// The server under test. `VAXEL_SERVER` names its binary and every suite starts its own; with
// `VAXEL_URL` the suites that do not stop the server use one that runs already.

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";

import { PATIENCE_MS, within } from "./wait.mjs";

/** How long a server may take to end by itself: the longest drain, in ms. */
export const EXIT_MS = 30_000;

/** Starts a server, or takes the one that runs; the caller stops it. */
export async function serve() {
  const url = process.env.VAXEL_URL;
  if (url) return new Server(new URL(url), null);
  return start();
}

/** Starts a server of one's own, for suites that end it. */
export async function start() {
  const binary = process.env.VAXEL_SERVER;
  if (!binary) throw new Error("VAXEL_SERVER names no server; run `cargo xtask test`");
  const child = spawn(binary, [], { stdio: ["ignore", "pipe", "inherit"] });
  const exit = new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve({ code, signal }));
  });
  const early = exit.then(({ code, signal }) => {
    throw new Error(`the server ended with ${code ?? signal} before it listened`);
  });
  const address = await within(PATIENCE_MS, "the server to listen", Promise.race([
    listening(child.stdout),
    early,
  ]));
  early.catch(() => {});
  return new Server(new URL(address), { child, exit });
}

function listening(output) {
  return new Promise((resolve) => {
    createInterface({ input: output }).on("line", (line) => {
      const found = line.match(/listening on (http:\/\/\S+)/);
      if (found) resolve(found[1]);
    });
  });
}

class Server {
  #process;

  constructor(url, process) {
    this.url = url;
    this.host = url.hostname;
    this.port = Number(url.port);
    this.#process = process;
  }

  /** The address of a mount for WebSockets, without `/websocket`. */
  mount(path = "/socket") {
    return `ws://${this.url.host}${path}`;
  }

  get pid() {
    return this.#process?.child.pid ?? Number(process.env.VAXEL_PID);
  }

  /** Resident memory in bytes, as Linux counts it. */
  async memory() {
    const status = await readFile(`/proc/${this.pid}/status`, "utf8");
    return Number(status.match(/VmRSS:\s+(\d+) kB/)[1]) * 1024;
  }

  /** Sends SIGTERM and waits until the process has ended by itself. */
  async terminate() {
    if (!this.#process) return null;
    this.#process.child.kill("SIGTERM");
    return within(EXIT_MS, "the server to end after SIGTERM", this.#process.exit);
  }

  /** Ends the server in any case. */
  async stop() {
    if (!this.#process || this.#process.child.exitCode !== null) return;
    this.#process.child.kill("SIGKILL");
    await this.#process.exit;
  }
}
