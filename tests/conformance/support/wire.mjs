// A client made of bytes, for what a well-behaved library refuses to send.

import { randomBytes } from "node:crypto";
import { connect } from "node:net";

import { Inbox, PATIENCE_MS, within } from "./wait.mjs";

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** The bytes of one frame. Every rule of RFC 6455 section 5.2 can be broken by an option. */
export function frame(opcode, payload, options = {}) {
  const { fin = true, reserved = 0, isMasked = true, length = payload.length } = options;
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const maskBit = isMasked ? 0x80 : 0;
  let header;
  if (length < 126) {
    header = Buffer.from([first, maskBit | length]);
  } else if (length < 65_536) {
    header = Buffer.from([first, maskBit | 126, 0, 0]);
    header.writeUInt16BE(length, 2);
  } else {
    header = Buffer.alloc(10);
    header.set([first, maskBit | 127]);
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  if (!isMasked) return Buffer.concat([header, payload]);
  const key = randomBytes(4);
  const masked = Buffer.from(payload.map((byte, index) => byte ^ key[index % 4]));
  return Buffer.concat([header, key, masked]);
}

/** The bytes of one message of the protocol. */
export function message(...fields) {
  return frame(OPCODE.text, Buffer.from(JSON.stringify(fields)));
}

/** The request that opens a WebSocket; `lines` are further headers. */
export function upgradeRequest(server, { method = "GET", path, lines = [] } = {}) {
  return [
    `${method} ${path ?? "/socket/websocket?vsn=2.0.0"} HTTP/1.1`,
    `Host: ${server.url.host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    ...lines,
    "",
    "",
  ].join("\r\n");
}

/** One TCP connection and what the server sent on it. */
export class Wire {
  #pending = Buffer.alloc(0);
  #inbox = new Inbox();
  #head = null;
  #ended;

  /** Connects and says nothing. */
  static async connect(server) {
    const socket = connect(server.port, server.host);
    socket.setNoDelay(true);
    const wire = new Wire(socket);
    const connected = new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    await within(PATIENCE_MS, "a connection", connected);
    return wire;
  }

  /** Connects and upgrades; fails when the server refuses. */
  static async open(server, options) {
    const wire = await Wire.connect(server);
    wire.write(upgradeRequest(server, options));
    const { status } = await wire.head();
    if (status !== 101) throw new Error(`the server refused the upgrade with ${status}`);
    return wire;
  }

  constructor(socket) {
    this.socket = socket;
    this.#ended = new Promise((resolve) => socket.on("close", resolve));
    socket.on("error", () => {});
    socket.on("close", () => this.#inbox.end(new Error("the connection ended")));
    socket.on("data", (bytes) => {
      this.#pending = Buffer.concat([this.#pending, bytes]);
      this.#parse();
    });
  }

  write(bytes) {
    this.socket.write(bytes);
  }

  /** The status and headers of the answer to an upgrade. */
  head() {
    return this.#inbox.next("the answer to the request");
  }

  /** The next frame: its opcode and payload. */
  frame() {
    return this.#inbox.next("a frame");
  }

  /** The code of the close frame, whatever was sent before it. */
  async closeCode() {
    for (;;) {
      const { opcode, payload } = await this.#inbox.next("a close frame");
      if (opcode === OPCODE.close) return payload.length < 2 ? 1005 : payload.readUInt16BE(0);
    }
  }

  /** Until the connection is gone. */
  ended(milliseconds = PATIENCE_MS) {
    return within(milliseconds, "the server to end the connection", this.#ended);
  }

  /** From now on nothing is read, so that the server's output backs up. */
  stopReading() {
    this.socket.removeAllListeners("data");
    this.socket.pause();
  }

  close() {
    this.socket.destroy();
  }

  #parse() {
    for (;;) {
      const item = this.#head ? this.#takeFrame() : this.#takeHead();
      if (!item) return;
      this.#inbox.push(item);
    }
  }

  #takeHead() {
    const end = this.#pending.indexOf("\r\n\r\n");
    if (end < 0) return null;
    const [first, ...lines] = this.#pending.subarray(0, end).toString("latin1").split("\r\n");
    this.#pending = this.#pending.subarray(end + 4);
    const headers = lines.map((line) => line.split(/:\s*/, 2));
    this.#head = {
      status: Number(first.split(" ")[1]),
      headers: Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
    };
    return this.#head;
  }

  #takeFrame() {
    const bytes = this.#pending;
    if (bytes.length < 2) return null;
    const short = bytes[1] & 0x7f;
    const start = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (bytes.length < start) return null;
    const long = () => (short === 127 ? Number(bytes.readBigUInt64BE(2)) : bytes.readUInt16BE(2));
    const length = short < 126 ? short : long();
    if (bytes.length < start + length) return null;
    this.#pending = bytes.subarray(start + length);
    const isMasked = (bytes[1] & 0x80) !== 0;
    return { opcode: bytes[0] & 0x0f, isMasked, payload: bytes.subarray(start, start + length) };
  }
}
