// Rows 54 to 61 and 70: the same channels for clients that cannot open a WebSocket.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LongPoll, Presence, Socket } from "phoenix";

import { Poll } from "./support/poll.mjs";
import { Raw } from "./support/raw.mjs";
import { serve, start } from "./support/server.mjs";
import { Inbox, PATIENCE_MS, within } from "./support/wait.mjs";

const OK = { status: "ok", response: {} };
const WINDOW_MS = 200;

let server;
before(async () => {
  server = await serve();
});
after(() => server?.stop());

/** A session that has joined `topic`. */
async function joined(topic, mount = server.mount()) {
  const poll = await Poll.open(mount);
  const join = JSON.stringify(["1", "1", topic, "phx_join", {}]);
  assert.deepEqual(await poll.post([join]), { status: 200 });
  assert.deepEqual(await poll.next("the reply"), ["1", "1", topic, "phx_reply", OK]);
  return poll;
}

test("row 54: a GET without a token begins a session", async () => {
  const response = await new Poll(server.mount()).request("GET");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
  assert.equal(response.headers.get("cache-control"), "no-store");
  const { status, token, messages } = await response.json();
  assert.deepEqual([status, typeof token, messages], [410, "string", []]);
});

test("row 54: a token that is not known begins a new session", async () => {
  const poll = new Poll(server.mount());
  poll.token = "made.up";
  const { status, token } = await poll.get();
  assert.equal(status, 410);
  assert.notEqual(token, "made.up");
});

test("row 54: the path of a mount without long poll, and other methods, are nothing", async () => {
  assert.equal((await new Poll(server.mount("/nowhere")).request("GET")).status, 404);
  assert.equal((await new Poll(server.mount()).request("PUT")).status, 400);
});

test("row 54: a page of another origin may ask what it may do", async () => {
  const headers = { "access-control-request-headers": "x-phoenix-authtoken" };
  const response = await new Poll(server.mount()).request("OPTIONS", { headers });
  assert.deepEqual([response.status, await response.text()], [200, ""]);
  const answer = (name) => response.headers.get(`access-control-${name}`);
  assert.equal(answer("allow-headers"), "x-phoenix-authtoken");
  assert.equal(answer("allow-methods"), "get, post, options");
  assert.equal(answer("max-age"), "3600");
});

test("row 55: a refusal is HTTP 200 with status 403", async () => {
  const refused = { status: 403 };
  const get = async (mount, query, headers) => new Poll(server.mount(mount), query).get(headers);
  assert.deepEqual(await get("/hook", "vsn=2.0.0&reject=true"), refused);
  assert.deepEqual(await get("/hook", "vsn=2.0.0&status=429"), refused);
  assert.deepEqual(await get("/socket", "vsn=123.1.1"), refused);
  assert.deepEqual(await get("/socket", "vsn[]=2.0.0"), refused);
});

test("row 55: a page of another host is refused", async () => {
  const { request } = await import("node:http");
  const { host, port } = server;
  const headers = { Origin: "https://evil.example" };
  const path = "/socket/longpoll?vsn=2.0.0";
  const body = await new Promise((resolve, reject) => {
    const asked = request({ host, port, path, headers }, async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      resolve(text);
    });
    asked.on("error", reject);
    asked.end();
  });
  assert.deepEqual(JSON.parse(body), { status: 403 });
});

test("row 56: a join is posted, and its reply polled", async () => {
  const poll = await Poll.open(server.mount());
  const join = JSON.stringify(["1", "1", "room:1", "phx_join", {}]);
  assert.deepEqual(await poll.post([join]), { status: 200 });
  const { status, messages } = await poll.get();
  const reply = ["1", "1", "room:1", "phx_reply", OK];
  assert.deepEqual([status, messages.map((text) => JSON.parse(text))], [200, [reply]]);
});

test("row 56: the token is read from the header of newer clients, too", async () => {
  const poll = await joined("room:header");
  const { token } = poll;
  poll.token = null;
  const headers = { "x-phoenix-longpoll-token": token, "content-type": "application/x-ndjson" };
  const body = JSON.stringify(["1", "2", "room:header", "echo", {}]);
  const response = await poll.request("POST", { headers, body });
  assert.deepEqual(await response.json(), { status: 200 });
});

test("row 57: a poll without a message is answered with 204 after the window", async () => {
  const poll = await joined("room:57", server.mount("/quick"));
  const begin = performance.now();
  const { status, token, messages } = await poll.get();
  assert.deepEqual([status, token, messages], [204, poll.token, []]);
  assert.ok(performance.now() - begin >= WINDOW_MS - 5);
});

test("row 57: a poll that waits is answered as soon as there is a message", async () => {
  const poll = await joined("room:wait");
  const other = await joined("room:wait");
  const waiting = poll.get();
  await other.post([JSON.stringify(["1", null, "room:wait", "bc", { n: 1 }])]);
  const { status, messages } = await waiting;
  const expected = [null, null, "room:wait", "bc", { n: 1 }];
  assert.deepEqual([status, messages.map((text) => JSON.parse(text))], [200, [expected]]);
});

test("row 58: of 101 lines the first 100 are handled", async () => {
  const poll = await joined("room:58");
  const line = (n) => JSON.stringify(["1", `${n}`, "room:58", "echo", { n }]);
  const lines = Array.from({ length: 101 }, (_, n) => line(n + 1));
  assert.deepEqual(await poll.post(lines), { status: 200 });
  await poll.post([line("end")]);
  for (let n = 1; n <= 100; n += 1) {
    assert.equal((await poll.next(`reply ${n}`))[1], `${n}`);
  }
  assert.equal((await poll.next("the last reply"))[1], "end");
});

test("row 59: a line in base64 is a binary push", async () => {
  const poll = await joined("room:1");
  const { length } = "typed";
  const frame = Buffer.concat([Buffer.from([0, 1, 1, 6, length]), Buffer.from("19room:1typed")]);
  const answer = await poll.post([Buffer.concat([frame, Buffer.from([1, 2])]).toString("base64")]);
  assert.deepEqual(answer, { status: 200 });
  const refusal = { status: "error", response: { reason: "unknown event" } };
  assert.deepEqual(await poll.next("the reply"), ["1", "9", "room:1", "phx_reply", refusal]);
});

test("row 60: a session that is not polled ends with its channels", async () => {
  const poll = await Poll.open(server.mount("/quick"));
  const join = ["1", "1", "presence:60", "phx_join", { key: "poller" }];
  await poll.post([JSON.stringify(join)]);
  await poll.next("the reply");
  const watcher = await Raw.open(server.mount());
  watcher.send("1", "1", "presence:60", "phx_join", {});
  await watcher.next("the reply");
  const [, , , , state] = await watcher.next("the state");
  // The diff of the session's own join may still be on its way.
  let gone = Object.keys(state).length === 0;
  while (!gone) {
    const [, , , , { leaves }] = await watcher.next("the poller to leave");
    gone = leaves.poller !== undefined;
  }
  assert.deepEqual(await poll.post(["[]"]), { status: 410 });
  watcher.close();
});

test("row 60: a message that is none ends the session", async () => {
  const poll = await joined("room:bad");
  assert.deepEqual(await poll.post(["[1,2]"]), { status: 410 });
  assert.deepEqual(await poll.post(["[1,2]"]), { status: 410 });
});

test("row 61: any other content type is one frame, as V1 clients send it", async () => {
  const poll = await Poll.open(server.mount(), "");
  const join = { topic: "room:1", event: "phx_join", payload: {}, ref: "1" };
  assert.deepEqual(await poll.post(JSON.stringify(join), "application/json"), { status: 200 });
  const reply = { topic: "room:1", event: "phx_reply", payload: OK, ref: "1" };
  assert.deepEqual(await poll.next("the reply"), reply);
});

test("a body beyond the limit is refused", async () => {
  const poll = await joined("room:big");
  const headers = { "content-type": "application/x-ndjson" };
  const response = await poll.request("POST", { headers, body: "x".repeat(8_000_001) });
  assert.equal(response.status, 413);
});

test("row 47: a disconnect ends the session", async () => {
  const poll = await Poll.open(server.mount("/hook"), "vsn=2.0.0&id=polls:7");
  const raw = await Raw.open(server.mount("/hook"));
  await raw.join("room:1");
  const waiting = poll.get();
  raw.send("1", null, "room:1", "disconnect", "polls:7");
  assert.equal((await waiting).status, 410);
  raw.close();
});

test("row 48: a drain ends sessions at once, and their clients are told", async () => {
  if (process.env.VAXEL_URL) return;
  const own = await start();
  const poll = await joined("room:1", own.mount());
  // A second poll ends the first, so when one of two is answered the other waits at the server.
  const polls = [poll.get(), poll.get()];
  const first = await Promise.race(polls.map(async (answer, nth) => ((await answer), nth)));
  assert.equal((await polls[first]).status, 204);
  const exit = own.terminate();
  assert.equal((await polls[1 - first]).status, 410);
  assert.deepEqual(await exit, { code: 0, signal: null });
});

/** The npm client over long poll. */
function phoenix(options = {}, mount = server.mount()) {
  const socket = new Socket(mount, { transport: LongPoll, timeout: PATIENCE_MS, ...options });
  socket.connect();
  return socket;
}

function answer(push, what) {
  const answered = new Promise((resolve) => {
    for (const status of ["ok", "error", "timeout"]) {
      push.receive(status, (response) => resolve([status, response]));
    }
  });
  return within(PATIENCE_MS, what, answered);
}

test("row 70: 63 pushes of the npm client in one tick are one POST and 63 replies", async () => {
  const socket = phoenix();
  const posts = [];
  const { fetch } = globalThis;
  const channel = socket.channel("room:70");
  assert.deepEqual(await answer(channel.join(), "the join"), ["ok", {}]);
  globalThis.fetch = (url, init) => {
    if (init.method === "POST") posts.push(init.body.split("\n").length);
    return fetch(url, init);
  };
  try {
    const order = [];
    const pushes = Array.from({ length: 63 }, (_, n) => {
      const push = channel.push("echo", { n }, PATIENCE_MS);
      push.receive("ok", (response) => order.push(response.n));
      return answer(push, `reply ${n}`);
    });
    await Promise.all(pushes);
    assert.deepEqual(order, Array.from({ length: 63 }, (_, n) => n));
    assert.deepEqual(posts, [63]);
  } finally {
    globalThis.fetch = fetch;
    socket.disconnect();
  }
});

test("row 11: the npm client's auth token arrives over long poll", async () => {
  const socket = phoenix({ authToken: "tok?n" }, server.mount("/auth"));
  const [, { token }] = await answer(socket.channel("seen:1").join(), "the join");
  assert.equal(token, "tok?n");
  socket.disconnect();
});

test("row 40: the npm client's bytes arrive over long poll", async () => {
  const socket = phoenix();
  const channel = socket.channel("room:40");
  await answer(channel.join(), "the join");
  const [status, response] = await answer(channel.push("typed", new Uint8Array([1]).buffer), "it");
  assert.deepEqual([status, response], ["error", { reason: "unknown event" }]);
  socket.disconnect();
});

test("row 69: Presence agrees between a long-poll client and a WebSocket", async () => {
  const socket = phoenix();
  const channel = socket.channel("presence:mixed", { key: "poll" });
  const presence = new Presence(channel);
  const synced = new Inbox();
  presence.onSync(() => synced.push(presence.list((key) => key).sort().join()));
  channel.join();
  assert.equal(await synced.next("the state"), "poll");
  const raw = await Raw.open(server.mount());
  raw.send("1", "1", "presence:mixed", "phx_join", { key: "raw" });
  while ((await synced.next("the other")) !== "poll,raw");
  raw.close();
  while ((await synced.next("the end of the other")) !== "poll");
  socket.disconnect();
});

test("a session that is gone is replaced and its channels joined again", async () => {
  const quick = { reconnectAfterMs: () => 10, rejoinAfterMs: () => 10 };
  const socket = phoenix({ params: { id: "polls:back" }, ...quick }, server.mount("/hook"));
  const joins = new Inbox();
  const channel = socket.channel("room:back");
  channel.join().receive("ok", () => joins.push(channel.joinRef()));
  const first = await joins.next("the first join");
  channel.push("disconnect", "polls:back");
  assert.notEqual(await joins.next("a join after the end of the session"), first);
  socket.disconnect();
});
