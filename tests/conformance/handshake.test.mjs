// Rows 1 to 6: which requests become a WebSocket.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { request } from "node:http";

import { serve } from "./support/server.mjs";
import { Raw } from "./support/raw.mjs";
import { PATIENCE_MS, within } from "./support/wait.mjs";
import { Wire } from "./support/wire.mjs";

let server;
before(async () => {
  server = await serve();
});
after(() => server?.stop());

/** Sends a request that asks for an upgrade and returns the status and the body of a refusal. */
function ask(method, path) {
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
  };
  const answer = new Promise((resolve, reject) => {
    const asked = request({ host: server.host, port: server.port, method, path, headers });
    asked.on("error", reject);
    asked.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode, headers: response.headers });
    });
    asked.on("response", async (response) => {
      let body = "";
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode, body });
    });
    asked.end();
  });
  return within(PATIENCE_MS, `the answer to ${method} ${path}`, answer);
}

test("row 1: an upgrade with vsn 2.0.0 is accepted", async () => {
  const { status, headers } = await ask("GET", "/socket/websocket?vsn=2.0.0");
  assert.equal(status, 101);
  // The accept value of the key above, computed by hand from RFC 6455 section 1.3.
  assert.equal(headers["sec-websocket-accept"], "ICX+Yqv66kxgM0FcWaLWlFLwTAI=");
  assert.equal(headers["sec-websocket-extensions"], undefined, "none was offered");
});

test("row 1: query parameters nobody knows, empty pairs and a trailing & do no harm", async () => {
  const raw = await Raw.open(server.mount(), "token=a%20b&&nested[a]=1&vsn=2.0.0&");
  await raw.heartbeat();
  raw.close();
});

test("row 4: an unknown version is refused with 403 and an empty body", async () => {
  const answer = await ask("GET", "/socket/websocket?vsn=123.1.1");
  assert.deepEqual(answer, { status: 403, body: "" });
});

test("row 5: a version that is none, or a list, is refused with 403", async () => {
  for (const query of ["vsn=abc", "vsn[]=2.0.0"]) {
    const answer = await ask("GET", `/socket/websocket?${query}`);
    assert.deepEqual(answer, { status: 403, body: "" }, query);
  }
});

test("row 6: a POST to the websocket path is answered with 400", async () => {
  const answer = await ask("POST", "/socket/websocket?vsn=2.0.0");
  assert.deepEqual(answer, { status: 400, body: "" });
});

test("frames that follow the request in the same packet are not lost", async () => {
  const { message, upgradeRequest } = await import("./support/wire.mjs");
  const wire = await Wire.connect(server);
  const heartbeat = message(null, "1", "phoenix", "heartbeat", {});
  wire.write(Buffer.concat([Buffer.from(upgradeRequest(server)), heartbeat]));
  assert.equal((await wire.head()).status, 101);
  const { opcode, isMasked, payload } = await wire.frame();
  assert.deepEqual({ opcode, isMasked }, { opcode: 1, isMasked: false });
  const reply = [null, "1", "phoenix", "phx_reply", { status: "ok", response: {} }];
  assert.deepEqual(JSON.parse(payload), reply);
  wire.close();
});
