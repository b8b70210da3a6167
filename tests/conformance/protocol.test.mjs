// The conversations in docs/protocol.md, held against the server: the document is what it does.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { Poll } from "./support/poll.mjs";
import { Raw } from "./support/raw.mjs";
import { serve } from "./support/server.mjs";

const DOCUMENT = new URL("../../docs/protocol.md", import.meta.url);
const QUERIES = { "": "vsn=2.0.0", v1: "vsn=1.0.0", vx: "vsn=2.0.0&vx=1", poll: "vsn=2.0.0" };
const HEX = /^([0-9a-f]{2} ?)+$/;

let server;
before(async () => {
  server = await serve();
});
after(() => server?.stop());

/** The blocks of the document: their kind, the heading above them, and their lines. */
function conversations() {
  const found = [];
  let heading = "";
  let block = null;
  for (const line of readFileSync(DOCUMENT, "utf8").split("\n")) {
    if (block && line === "```") block = null;
    else if (block) block.lines.push(line);
    else if (line.startsWith("#")) heading = line.replace(/^#+ /, "");
    else if (line.startsWith("```wire")) {
      block = { heading, kind: line.slice("```wire".length).trim(), lines: [] };
      found.push(block);
    }
  }
  return found;
}

/** Values that come again, by name. */
class Names {
  #known = new Map();

  /** Puts known values in for their names. */
  fill(value) {
    return walk(value, (name) => {
      assert.ok(this.#known.has(name), `<${name}> has not been seen yet`);
      return this.#known.get(name);
    });
  }

  /** What was written, with the actual values in for names and for whatever may be any value. */
  match(written, actual) {
    if (written === "…") return actual;
    const name = nameOf(written);
    if (name !== null) {
      if (!this.#known.has(name)) this.#known.set(name, actual);
      return this.#known.get(name);
    }
    if (typeof written !== "object" || written === null || typeof actual !== "object"
      || actual === null) return written;
    const entries = Object.entries(written).map(([key, value]) =>
      [key, this.match(value, actual[key])]);
    return Array.isArray(written) ? entries.map(([, value]) => value) : Object.fromEntries(entries);
  }
}

function nameOf(value) {
  return typeof value === "string" ? (value.match(/^<(\w+)>$/)?.[1] ?? null) : null;
}

function walk(value, replace) {
  if (nameOf(value) !== null) return replace(nameOf(value));
  if (Array.isArray(value)) return value.map((item) => walk(item, replace));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, walk(of, replace)]));
}

/** A client over WebSocket, in terms of lines. */
class Wire {
  constructor(query) {
    this.query = query;
  }

  async open() {
    this.raw = await Raw.open(`${server.mount()}`, this.query);
  }

  async send(text, names) {
    if (HEX.test(text)) this.raw.sendRaw(Buffer.from(text.replaceAll(" ", ""), "hex"));
    else this.raw.sendRaw(JSON.stringify(names.fill(JSON.parse(text))));
  }

  async expect(text, names) {
    const actual = await this.raw.next(text);
    if (HEX.test(text)) {
      assert.equal(Buffer.from(actual).toString("hex"), text.replaceAll(" ", ""));
    } else {
      assert.deepEqual(actual, names.match(JSON.parse(text), actual));
    }
  }

  async close() {
    this.raw.close();
  }
}

/** The same over long poll, where every line is a request or its answer. */
class Request {
  async open() {
    this.poll = new Poll(server.mount());
  }

  async send(text) {
    const [method, body] = text.match(/^(\w+) ?(.*)$/).slice(1);
    this.answer = method === "GET" ? await this.poll.get() : await this.poll.post([body]);
  }

  async expect(text, names) {
    assert.deepEqual(this.answer, names.match(JSON.parse(text), this.answer));
  }

  async close() {}
}

async function hold({ kind, lines }) {
  assert.ok(kind in QUERIES, `there is no kind ${kind}`);
  const make = () => (kind === "poll" ? new Request() : new Wire(QUERIES[kind]));
  const names = new Names();
  const clients = new Map();
  for (const line of lines) {
    if (line === "---") {
      await clients.get("").close();
      clients.delete("");
      continue;
    }
    const [who, way, text] = line.match(/^(\d?)([→←]) (.+)$|$/).slice(1);
    assert.ok(way, `${line} is no line of a conversation`);
    if (!clients.has(who)) {
      clients.set(who, make());
      await clients.get(who).open();
    }
    await (way === "→" ? clients.get(who).send(text, names) : clients.get(who).expect(text, names));
  }
  for (const client of clients.values()) await client.close();
}

const all = conversations();
for (const [index, conversation] of all.entries()) {
  test(`protocol document: ${conversation.heading}, conversation ${index + 1}`, async () => {
    await hold(conversation);
  });
}

test("protocol document: every kind of transport has its conversation", () => {
  assert.deepEqual(new Set(all.map(({ kind }) => kind)), new Set(Object.keys(QUERIES)));
  assert.ok(all.length >= 11, `${all.length} conversations were found`);
});
