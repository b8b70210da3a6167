// Rows 7 to 13, 47, 52 and 53: who may connect, what the application is told of it, and how it
// ends a connection.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { request } from "node:http";
import { Socket } from "phoenix";
import WebSocket from "ws";

import { Raw } from "./support/raw.mjs";
import { serve } from "./support/server.mjs";
import { Inbox, PATIENCE_MS, within } from "./support/wait.mjs";

let server;
before(async () => {
  server = await serve();
});
after(() => server?.stop());

/** The status of an upgrade, the subprotocol of its answer, and the body of a refusal. */
function upgrade(path, headers = {}) {
  const all = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    ...headers,
  };
  const answer = new Promise((resolve, reject) => {
    const asked = request({ host: server.host, port: server.port, path, headers: all });
    asked.on("error", reject);
    asked.on("upgrade", (response, socket) => {
      socket.destroy();
      const protocol = response.headers["sec-websocket-protocol"];
      resolve({ status: response.statusCode, protocol });
    });
    asked.on("response", async (response) => {
      let body = "";
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode, body });
    });
    asked.end();
  });
  return within(PATIENCE_MS, `the answer to ${path}`, answer);
}

const ACCEPTED = { status: 101, protocol: undefined };
const REFUSED = { status: 403, body: "" };

/** What the application saw, told by the channel that shows it. */
async function seen(mount, query, options) {
  const raw = new Raw(new WebSocket(`${mount}/websocket?vsn=2.0.0${query}`, options));
  await within(PATIENCE_MS, "the socket to open", raw.opened);
  raw.send("1", "1", "seen:1", "phx_join", {});
  const [, , , , { response }] = await raw.next("what was seen");
  raw.close();
  return response;
}

/** The npm client; `joined` is what the channel that shows it says of the connect. */
function phoenix(mount, options) {
  const socket = new Socket(mount, { transport: WebSocket, timeout: PATIENCE_MS, ...options });
  socket.connect();
  const joined = new Promise((resolve) => {
    socket.channel("seen:1").join().receive("ok", resolve);
  });
  return { socket, joined: within(PATIENCE_MS, "the join", joined) };
}

test("row 7: a page of another host is refused, one of this host and none are not", async () => {
  const path = "/socket/websocket?vsn=2.0.0";
  assert.deepEqual(await upgrade(path, { Origin: "https://evil.example" }), REFUSED);
  assert.deepEqual(await upgrade(path, { Origin: "null" }), REFUSED);
  assert.deepEqual(await upgrade(path, { Origin: `http://${server.host}:1` }), ACCEPTED);
  assert.deepEqual(await upgrade(path), ACCEPTED);
});

test("row 8: the application refuses with 403 and an empty body", async () => {
  assert.deepEqual(await upgrade("/hook/websocket?vsn=2.0.0&reject=true"), REFUSED);
});

test("row 8: the npm client is told of an error and tries again", async () => {
  const socket = new Socket(server.mount("/hook"), {
    transport: WebSocket,
    params: { reject: "true" },
    reconnectAfterMs: () => 10,
  });
  const errors = new Inbox();
  socket.onError((error) => errors.push(error));
  socket.connect();
  await errors.next("the first refusal");
  await errors.next("the second refusal");
  socket.disconnect();
});

test("row 9: a refusal with a reason of its own has the status that it was given", async () => {
  const path = "/hook/websocket?vsn=2.0.0&status=429";
  assert.deepEqual(await upgrade(path), { status: 429, body: "" });
});

test("row 10: params are read as nested form data, path variables among them", async () => {
  const { params } = await seen(server.mount("/hook"), "&nested[a]=1&x=b%20c");
  assert.deepEqual(params, { vsn: "2.0.0", nested: { a: "1" }, x: "b c" });
  const { params: named } = await seen(server.mount("/hook/%C3%A5da"), "");
  assert.deepEqual(named, { vsn: "2.0.0", user: "åda" });
});

test("row 10: the params of the npm client arrive", async () => {
  const { socket, joined } = phoenix(server.mount("/hook"), {
    params: () => ({ user: { name: "å b&c" }, tags: ["x", "y"] }),
  });
  const { params } = await joined;
  assert.deepEqual(params.user, { name: "å b&c" });
  socket.disconnect();
});

test("row 11: the auth token is read and phoenix is the subprotocol of the answer", async () => {
  const offered = { "Sec-WebSocket-Protocol": "phoenix, base64url.bearer.phx.dG9rP24" };
  const answer = await upgrade("/auth/websocket?vsn=2.0.0", offered);
  assert.deepEqual(answer, { status: 101, protocol: "phoenix" });
});

for (const token of ["tok?n", "~~~", "a"]) {
  test(`row 11: the npm client's auth token ${token} arrives`, async () => {
    const { socket, joined } = phoenix(server.mount("/auth"), { authToken: () => token });
    assert.equal((await joined).token, token);
    socket.disconnect();
  });
}

test("row 11: a mount that reads no tokens still answers phoenix", async () => {
  const { socket, joined } = phoenix(server.mount("/hook"), { authToken: "secret" });
  assert.equal((await joined).token, null);
  socket.disconnect();
});

test("row 12: another subprotocol is refused where tokens are read", async () => {
  const offered = { "Sec-WebSocket-Protocol": "other" };
  assert.deepEqual(await upgrade("/auth/websocket?vsn=2.0.0", offered), REFUSED);
});

test("row 13: without a subprotocol there is no token", async () => {
  assert.equal((await seen(server.mount("/auth"), "")).token, null);
});

test("row 47: a disconnect of the socket id closes with 1001 and ends the channels", async () => {
  const query = "vsn=2.0.0&id=users:7";
  const [kicked, too] = [
    await Raw.open(server.mount("/hook"), query),
    await Raw.open(server.mount("/hook"), query),
  ];
  const other = await Raw.open(server.mount("/hook"), "vsn=2.0.0&id=users:8");
  for (const raw of [kicked, too, other]) await raw.join("room:47");
  other.send("1", null, "room:47", "disconnect", "users:7");
  assert.equal((await kicked.closed()).code, 1001);
  assert.equal((await too.closed()).code, 1001);
  await other.expectNothingBeforeEcho("room:47");
  other.close();
});

test("row 47: the npm client comes back after a disconnect", async () => {
  const { socket } = phoenix(server.mount("/hook"), {
    params: { id: "users:back" },
    reconnectAfterMs: () => 10,
    rejoinAfterMs: () => 10,
  });
  const joins = new Inbox();
  const channel = socket.channel("room:47");
  channel.join().receive("ok", () => joins.push(channel.joinRef()));
  const first = await joins.next("the first join");
  channel.push("disconnect", "users:back");
  assert.notEqual(await joins.next("a join after the disconnect"), first);
  socket.disconnect();
});

/** A session's cookie and CSRF token, from a page. */
async function page() {
  const response = await fetch(new URL("/page", server.url));
  const [cookie] = response.headers.get("set-cookie").split(";");
  return { cookie, token: encodeURIComponent(await response.text()) };
}

test("row 52: with its cookie and CSRF token the application sees the session", async () => {
  const { cookie, token } = await page();
  const options = { headers: { cookie } };
  const { user } = await seen(server.mount("/session"), `&_csrf_token=${token}`, options);
  assert.equal(user, "ada");
});

test("row 53: with a bad or missing CSRF token there is no session", async () => {
  const { cookie, token } = await page();
  const { token: other } = await page();
  const options = { headers: { cookie } };
  for (const query of ["", "&_csrf_token=bad", `&_csrf_token=${other}`]) {
    assert.equal((await seen(server.mount("/session"), query, options)).user, null, query);
  }
  assert.equal((await seen(server.mount("/session"), `&_csrf_token=${token}`)).user, null);
});
