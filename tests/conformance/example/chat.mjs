// The example `chat`, driven by two npm clients, one of which comes and goes.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { Presence } from "phoenix";

import { start } from "../support/example.mjs";
import { Proxy } from "../support/proxy.mjs";
import { EXIT_MS } from "../support/server.mjs";
import { Inbox, within } from "../support/wait.mjs";

let chat;
let proxy;
before(async () => {
  chat = start("VAXEL_CHAT");
});
after(() => chat?.stop());
beforeEach(async () => {
  proxy = await Proxy.to(chat.mount);
});
afterEach(async () => {
  chat.disconnect();
  await proxy.stop();
});

/** A user in a room, resuming by the recipe of the guide. */
function enter(user, room, mount = chat.mount) {
  const socket = chat.connect({ user }, mount);
  let position;
  const channel = socket.channel(`room:${room}`, () => ({ vx_resume: position }));
  const [said, receipts, resumes, entered, seen] = [0, 1, 2, 3, 4].map(() => new Inbox());
  channel.on("vx_resume", ({ status, offset, as, missed }) => {
    position = { offset: status === "resumed" ? position.offset : offset, as };
    resumes.push(`${status} ${missed}`);
  });
  channel.onMessage = (event, payload) => {
    if (payload?.vx_offset) position.offset = payload.vx_offset;
    return payload;
  };
  channel.on("said", ({ id, from, text }) => said.push([id, from, text]));
  channel.on("receipt", ({ user, delivered, read }) => receipts.push([user, delivered, read]));
  const presence = new Presence(channel);
  presence.onSync(() => seen.push(presence.list((user, { metas }) => [user, metas[0].is_typing])));
  channel.join().receive("ok", (state) => entered.push(state));
  return { channel, said, receipts, resumes, entered, seen };
}

let keys = 0;

/** Pushes; the answer, or the reason of a refusal. */
function push({ channel }, event, payload) {
  const answer = new Promise((resolve) => {
    const sent = channel.push(event, payload);
    sent.receive("ok", resolve).receive("error", ({ reason }) => resolve(reason));
  });
  return within(EXIT_MS, `the answer to ${event}`, answer);
}

async function say(member, text, key = `key ${(keys += 1)}`) {
  return (await push(member, "say", { key, text })).id;
}

/** Takes from an inbox until something is like this. */
async function until(inbox, wanted) {
  for (;;) {
    const item = await inbox.next(JSON.stringify(wanted));
    if (JSON.stringify(item) === JSON.stringify(wanted)) return;
  }
}

test("a message is taken, delivered and read, and its sender sees each", async () => {
  const [ada, bob] = [enter("ada", "ticks"), enter("bob", "ticks")];
  await Promise.all([ada.entered.next("ada in the room"), bob.entered.next("bob in the room")]);
  assert.equal(await say(ada, "hello"), 1);
  assert.deepEqual(await bob.said.next("the message"), [1, "ada", "hello"]);
  assert.deepEqual(await push(bob, "delivered", { id: 1 }), {});
  await until(ada.receipts, ["bob", 1, 0]);
  await push(bob, "read", { id: 1 });
  await until(ada.receipts, ["bob", 1, 1]);
  // A receipt goes neither back nor beyond what was said.
  await push(bob, "delivered", { id: 0 });
  await push(bob, "read", { id: 7 });
  assert.equal(await say(ada, "again"), 2);
  await push(bob, "read", { id: 2 });
  assert.deepEqual(await ada.receipts.next("the next receipt"), ["bob", 2, 2]);
  const cyd = enter("cyd", "ticks");
  const { last, receipts } = await cyd.entered.next("cyd in the room");
  assert.deepEqual([last, receipts.bob], [2, { delivered: 2, read: 2 }]);
});

test("who is there, and who is typing, is seen by everybody", async () => {
  const [ada, bob] = [enter("ada", "here"), enter("bob", "here")];
  const both = [["ada", false], ["bob", false]];
  const sorted = (list) => JSON.stringify(list.sort());
  while (sorted(await ada.seen.next("both to be there")) !== sorted(both));
  await push(bob, "typing", { is_typing: true });
  while (!(await ada.seen.next("bob to type")).some(([user, types]) => user === "bob" && types));
  bob.channel.leave();
  while (sorted(await ada.seen.next("bob to be gone")) !== sorted([["ada", false]]));
});

test("whoever was away gets what was said, once and in order, and nothing is missed", async () => {
  const ada = enter("ada", "away");
  const bob = enter("bob", "away", proxy.mount);
  await Promise.all([ada.entered.next("ada in the room"), bob.entered.next("bob in the room")]);
  assert.equal(await bob.resumes.next("the first join"), "new 0");
  const ids = [await say(ada, "before")];
  assert.deepEqual(await bob.said.next("the message"), [1, "ada", "before"]);
  for (let round = 0; round < 3; round += 1) {
    const nowhere = await Proxy.to("ws://127.0.0.1:1");
    proxy.redirect(nowhere.mount);
    proxy.closeClients(1012);
    for (let n = 0; n < 3; n += 1) ids.push(await say(ada, `away ${n}`));
    proxy.redirect(chat.mount);
    await nowhere.stop();
    assert.match(await bob.resumes.next("bob to come back"), /^resumed \d+$/);
    ids.push(await say(ada, "back"));
    for (const text of ["away 0", "away 1", "away 2", "back"]) {
      const [id, from, heard] = await bob.said.next(text);
      assert.deepEqual([from, heard], ["ada", text]);
      assert.equal(id, ids[ids.length - 4 + ["away 0", "away 1", "away 2", "back"].indexOf(text)]);
    }
    assert.deepEqual(bob.said.rest, []);
  }
  assert.deepEqual(ids, ids.map((_, index) => index + 1));
});

test("a message that is said again because its answer was lost is said once", async () => {
  const [ada, bob] = [enter("ada", "twice"), enter("bob", "twice")];
  await Promise.all([ada.entered.next("ada in the room"), bob.entered.next("bob in the room")]);
  assert.deepEqual([await say(ada, "one", "same"), await say(ada, "one", "same")], [1, 1]);
  assert.equal(await say(ada, "two"), 2);
  assert.deepEqual(await bob.said.next("the first"), [1, "ada", "one"]);
  assert.deepEqual(await bob.said.next("the second"), [2, "ada", "two"]);
});

test("what is too long or has the wrong shape is refused, and the channel goes on", async () => {
  const ada = enter("ada", "refused");
  const long = await push(ada, "say", { key: "1", text: "x".repeat(4_097) });
  assert.equal(long, "a text has 4,096 bytes at most, a key 64");
  assert.match(await push(ada, "say", { text: "no key" }), /key/);
  assert.equal(await say(ada, "fine"), 1);
});

test("SIGTERM ends the program with 0", async () => {
  chat.disconnect();
  chat.kill("SIGTERM");
  assert.deepEqual(await within(EXIT_MS, "the program to end", chat.exit), {
    code: 0,
    signal: null,
  });
});
