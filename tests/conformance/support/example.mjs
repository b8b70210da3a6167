// One of the examples, as a program of its own that the npm client connects to.

import { spawn } from "node:child_process";
import { Socket } from "phoenix";
import WebSocket from "ws";

/** Below the range from which the system numbers outgoing connections. */
const PORT_FIRST = 12_000;
const PORTS = 20_000;

/** Starts the program that the environment names; `words` are made of its address. */
export function start(variable, words = (address) => [address]) {
  const binary = process.env[variable];
  if (!binary) throw new Error(`${variable} names no program; run \`cargo xtask test\``);
  const address = `127.0.0.1:${PORT_FIRST + (process.pid % PORTS)}`;
  return new Example(binary, words(address), address);
}

class Example {
  #command;
  #child;
  #sockets = [];

  constructor(binary, words, address) {
    this.address = address;
    this.mount = `ws://${address}/socket`;
    this.#command = [binary, words];
    this.startAgain();
  }

  /** Starts the program once more, at the same address. */
  startAgain() {
    this.#child = spawn(...this.#command, { stdio: "inherit" });
    /** How the program ended: `{code, signal}`. */
    this.exit = new Promise((resolve) => {
      this.#child.on("exit", (code, signal) => resolve({ code, signal }));
    });
  }

  kill(signal) {
    this.#child.kill(signal);
  }

  /** The npm client, which tries until the program listens. */
  connect(params = {}, mount = this.mount) {
    const socket = new Socket(mount, {
      transport: WebSocket,
      params,
      reconnectAfterMs: () => 50,
      rejoinAfterMs: () => 50,
    });
    this.#sockets.push(socket);
    socket.connect();
    return socket;
  }

  disconnect() {
    for (const socket of this.#sockets.splice(0)) socket.disconnect();
  }

  /** Ends everything, however far it got. */
  stop() {
    this.disconnect();
    this.kill("SIGKILL");
  }
}
