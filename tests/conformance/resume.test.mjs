// Clients that come back to a topic that keeps its broadcasts: the npm client by the recipe of the
// guide, over both transports, and our own by itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LongPoll } from "phoenix";
import WebSocket from "ws";

import { Socket as OwnSocket } from "../../js/vaxel.js";
import { stage as npmStage } from "./support/npm.mjs";
import { Proxy } from "./support/proxy.mjs";
import { Raw } from "./support/raw.mjs";
import { Inbox } from "./support/wait.mjs";

const QUICK_MS = 10;

const stage = npmStage(QUICK_MS);

/** Broadcasts some numbers on a topic. */
async function say(topic, ...numbers) {
  const raw = await Raw.open(stage.server.mount());
  raw.send("1", "1", topic, "phx_join", {});
  await raw.next("the reply");
  for (const n of numbers) raw.send("1", null, topic, "say", { n });
  raw.send("1", "end", topic, "say", { n: "end" });
  while ((await raw.next("the end"))[1] !== "end");
  raw.close();
}

/** The npm client by the recipe; `heard` has the numbers and how every join went. */
function phoenix(mount, topic, options = {}) {
  const socket = stage.connect(mount, options);
  const heard = new Inbox();
  let position;
  const channel = socket.channel(topic, () => ({ vx_resume: position }));
  channel.on("vx_resume", ({ status, offset, as, missed }) => {
    position = { offset: status === "resumed" ? position.offset : offset, as };
    heard.push(`${status} ${missed}`);
  });
  channel.onMessage = (event, payload) => {
    if (payload?.vx_offset) position.offset = payload.vx_offset;
    return payload;
  };
  channel.on("said", ({ n }) => heard.push(n));
  channel.join();
  return { socket, channel, heard };
}

/** Our own client. */
function own(mount, topic) {
  const socket = new OwnSocket(mount, {
    transport: WebSocket,
    reconnectAfter: () => QUICK_MS,
    rejoinAfter: () => QUICK_MS,
  });
  stage.adopt(socket);
  const heard = new Inbox();
  const channel = socket.channel(topic);
  channel.onResume(({ status, missed }) => heard.push(`${status} ${missed}`));
  channel.on("said", ({ n }) => heard.push(n));
  channel.join();
  return { socket, channel, heard };
}

async function expect(heard, ...expected) {
  for (const item of expected) assert.equal(await heard.next(`${item}`), item);
}

/** Takes the connection away, and holds new ones back until `meanwhile` is over. */
async function away(meanwhile) {
  const nowhere = await Proxy.to("ws://127.0.0.1:1");
  stage.proxy.redirect(nowhere.mount);
  stage.proxy.closeClients(1012);
  await meanwhile();
  stage.proxy.redirect(stage.server.mount());
  await nowhere.stop();
}

for (const [name, make] of [["the npm client", phoenix], ["our client", own]]) {
  test(`resume: ${name} gets what it missed, once and in order`, async () => {
    const topic = `kept:${name}`;
    const { heard } = make(stage.proxy.mount, topic);
    await expect(heard, "new 0");
    await say(topic, 1, 2);
    await expect(heard, 1, 2, "end");
    await away(() => say(topic, 3, 4));
    await expect(heard, "resumed 3", 3, 4, "end");
    await away(async () => {});
    await expect(heard, "resumed 0");
    await say(topic, 5);
    await expect(heard, 5, "end");
  });

  test(`resume: ${name} is told of a gap that is too large`, async () => {
    const topic = `kept:gap ${name}`;
    const { heard } = make(stage.proxy.mount, topic);
    await expect(heard, "new 0");
    await away(() => say(topic, 1, 2, 3, 4, 5, 6, 7, 8));
    await expect(heard, "gap 0");
    await say(topic, 9);
    await expect(heard, 9, "end");
  });
}

test("resume: a sender does not get what it sent to the others", async () => {
  const { channel, heard } = phoenix(stage.proxy.mount, "kept:from");
  await expect(heard, "new 0");
  const sent = new Promise((resolve) => {
    channel.push("say to others", { n: "own" }).receive("ok", resolve);
  });
  await sent;
  await away(() => say("kept:from", 1));
  await expect(heard, "resumed 2", 1, "end");
});

test("resume: over long poll, after a session that is gone", async () => {
  const mount = stage.server.mount("/hook");
  const options = { transport: LongPoll, params: { id: "polls:resume" } };
  const { heard } = phoenix(mount, "kept:poll", options);
  await expect(heard, "new 0");
  await say("kept:poll", 1);
  await expect(heard, 1, "end");
  const raw = await Raw.open(stage.server.mount());
  await raw.join("room:1");
  raw.send("1", null, "room:1", "disconnect", "polls:resume");
  await expect(heard, "resumed 0");
  await say("kept:poll", 2);
  await expect(heard, 2, "end");
  raw.close();
});

test("resume: a client that knows nothing of it sees broadcasts as ever", async () => {
  const socket = stage.connect(stage.server.mount());
  const heard = new Inbox();
  const channel = socket.channel("kept:plain");
  channel.on("said", ({ n }) => heard.push(n));
  channel.join().receive("ok", (response) => heard.push(JSON.stringify(response)));
  await expect(heard, "{}");
  await say("kept:plain", 1);
  await expect(heard, 1, "end");
});
