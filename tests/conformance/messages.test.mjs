// Rows 14 to 39 and 43 to 45: what is answered to which message.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Poll } from "./support/poll.mjs";
import { Raw } from "./support/raw.mjs";
import { serve } from "./support/server.mjs";

let server;
before(async () => {
  server = await serve();
});
after(() => server?.stop());

const OK = { status: "ok", response: {} };
const UNMATCHED = { status: "error", response: { reason: "unmatched topic" } };
const CRASHED = { reason: "channel_crash" };

/** A test with a client of its own, once for each transport. */
function row(name, body) {
  for (const [transport, Client] of [["", Raw], [", over long poll", Poll]]) {
    test(name + transport, async () => {
      const raw = await Client.open(server.mount());
      try {
        await body(raw);
        assert.deepEqual(raw.rest, [], "messages nobody asked for");
      } finally {
        await raw.close();
      }
    });
  }
}

row("row 14: a heartbeat is answered", async (raw) => {
  raw.send(null, "1", "phoenix", "heartbeat", {});
  await raw.expect(null, "1", "phoenix", "phx_reply", OK);
});

row("row 14: the join_ref of a heartbeat is not echoed", async (raw) => {
  raw.send("7", "1", "phoenix", "heartbeat", {});
  await raw.expect(null, "1", "phoenix", "phx_reply", OK);
});

row("row 15: a join is accepted", async (raw) => {
  raw.send("1", "1", "room:1", "phx_join", { p: 1 });
  await raw.expect("1", "1", "room:1", "phx_reply", OK);
});

row("row 16: the application's map is the response to a join", async (raw) => {
  raw.send("1", "1", "room:1", "phx_join", { reply: { a: [1, "é"] } });
  await raw.expect("1", "1", "room:1", "phx_reply", { status: "ok", response: { a: [1, "é"] } });
});

row("row 17: a refused join carries the reason", async (raw) => {
  raw.send("1", "1", "deny:1", "phx_join", {});
  const refusal = { status: "error", response: { reason: "unauthorized" } };
  await raw.expect("1", "1", "deny:1", "phx_reply", refusal);
});

row("row 18: a topic without a route is unmatched, with a null join_ref", async (raw) => {
  raw.send("1", "1", "nowhere", "phx_join", {});
  await raw.expect(null, "1", "nowhere", "phx_reply", UNMATCHED);
});

row("row 19: a join that crashes is refused and does no harm", async (raw) => {
  raw.send("1", "1", "crash:1", "phx_join", {});
  const refusal = { status: "error", response: { reason: "join crashed" } };
  await raw.expect("1", "1", "crash:1", "phx_reply", refusal);
  await raw.join("room:1", "2");
});

row("row 20: the 101st channel of a socket is refused, the others live", async (raw) => {
  for (let n = 1; n <= 100; n += 1) await raw.join(`room:${n}`, `${n}`);
  raw.send("101", "101", "room:101", "phx_join", {});
  const refusal = { status: "error", response: { reason: "too many channels joined" } };
  await raw.expect("101", "101", "room:101", "phx_reply", refusal);
  await raw.expectNothingBeforeEcho("room:1", "1");
  await raw.expectNothingBeforeEcho("room:100", "100");
});

row("row 20: a channel that was left makes room for another", async (raw) => {
  for (let n = 1; n <= 100; n += 1) await raw.join(`room:${n}`, `${n}`);
  raw.send("1", "l", "room:1", "phx_leave", {});
  await raw.expect("1", "l", "room:1", "phx_reply", OK);
  await raw.expect("1", "1", "room:1", "phx_close", {});
  await raw.join("room:101", "101");
});

row("row 21: an event is answered by its channel", async (raw) => {
  await raw.join("room:1");
  raw.send("1", "2", "room:1", "echo", { x: 1 });
  await raw.expect("1", "2", "room:1", "phx_reply", { status: "ok", response: { x: 1 } });
});

row("row 21: any payload comes back as it was", async (raw) => {
  await raw.join("room:1");
  const payload = { "": null, 'k"\\é😀': ["\u0000\n", 1e300, -0.5, { a: [] }], t: true };
  raw.send("1", "2", "room:1", "echo", payload);
  await raw.expect("1", "2", "room:1", "phx_reply", { status: "ok", response: payload });
});

row("row 22: an event with a null join_ref is answered with the channel's", async (raw) => {
  await raw.join("room:1");
  raw.send(null, "2", "room:1", "echo", { x: 1 });
  await raw.expect("1", "2", "room:1", "phx_reply", { status: "ok", response: { x: 1 } });
});

row("row 23: an event with another join_ref is ignored", async (raw) => {
  await raw.join("room:1");
  raw.send("999", "2", "room:1", "echo", { x: 1 });
  await raw.expectNothingBeforeEcho("room:1");
});

row("row 24: an event on a topic never joined is unmatched", async (raw) => {
  raw.send("1", "2", "room:1", "echo", {});
  await raw.expect(null, "2", "room:1", "phx_reply", UNMATCHED);
});

row("row 25: an event without a reply is answered with nothing", async (raw) => {
  await raw.join("room:1");
  raw.send("1", "2", "room:1", "quiet", {});
  await raw.expectNothingBeforeEcho("room:1");
  await raw.heartbeat();
});

row("row 26: a crash is told to its own channel only", async (raw) => {
  await raw.join("room:1", "1");
  await raw.join("room:2", "2");
  raw.send("1", "3", "room:1", "boom", {});
  await raw.expect("1", "1", "room:1", "phx_error", CRASHED);
  await raw.expectNothingBeforeEcho("room:2", "2");
});

row("row 27: an event after a crash is unmatched", async (raw) => {
  await raw.join("room:1");
  raw.send("1", "2", "room:1", "boom", {});
  await raw.expect("1", "1", "room:1", "phx_error", CRASHED);
  raw.send("1", "3", "room:1", "echo", {});
  await raw.expect(null, "3", "room:1", "phx_reply", UNMATCHED);
});

row("row 28: a crashed channel can be joined again", async (raw) => {
  await raw.join("room:1");
  raw.send("1", "2", "room:1", "boom", {});
  await raw.expect("1", "1", "room:1", "phx_error", CRASHED);
  await raw.join("room:1", "5");
  await raw.expectNothingBeforeEcho("room:1", "5");
});

row("row 29: a channel that stops replies first, then closes", async (raw) => {
  await raw.join("room:1");
  raw.send("1", "2", "room:1", "stop", {});
  const reply = await raw.next("the reply to stop");
  assert.deepEqual([...reply.slice(0, 4), reply[4].status], ["1", "2", "room:1", "phx_reply", "ok"]);
  await raw.expect("1", "1", "room:1", "phx_close", {});
});

row("row 30: a leave is answered, then the channel closes", async (raw) => {
  await raw.join("room:1");
  raw.send("1", "3", "room:1", "phx_leave", {});
  await raw.expect("1", "3", "room:1", "phx_reply", OK);
  await raw.expect("1", "1", "room:1", "phx_close", {});
  raw.send("1", "4", "room:1", "echo", {});
  await raw.expect(null, "4", "room:1", "phx_reply", UNMATCHED);
});

row("row 31: a leave with a null join_ref leaves", async (raw) => {
  await raw.join("room:1");
  raw.send(null, "3", "room:1", "phx_leave", {});
  await raw.expect("1", "3", "room:1", "phx_reply", OK);
  await raw.expect("1", "1", "room:1", "phx_close", {});
});

row("row 32: a leave with another join_ref is ignored", async (raw) => {
  await raw.join("room:1");
  raw.send("999", "3", "room:1", "phx_leave", {});
  await raw.expectNothingBeforeEcho("room:1");
});

row("row 33: a leave of a topic not joined is answered and closes nothing", async (raw) => {
  raw.send("4", "5", "room:1", "phx_leave", {});
  await raw.expect("4", "5", "room:1", "phx_reply", OK);
  await raw.join("room:2", "6");
});

row("row 34: a second join takes the place of the first", async (raw) => {
  await raw.join("room:1", "1");
  raw.send("7", "7", "room:1", "phx_join", {});
  await raw.expect("7", "7", "room:1", "phx_reply", OK);
  await raw.expect("1", "1", "room:1", "phx_close", {});
  raw.send("7", "8", "room:1", "bc", { n: 1 });
  await raw.expectAll(
    ["7", "8", "room:1", "phx_reply", OK],
    [null, null, "room:1", "bc", { n: 1 }],
  );
});

row("row 35: an event for the first join is ignored after the second", async (raw) => {
  await raw.join("room:1", "1");
  raw.send("7", "7", "room:1", "phx_join", {});
  await raw.expect("7", "7", "room:1", "phx_reply", OK);
  await raw.expect("1", "1", "room:1", "phx_close", {});
  raw.send("1", "8", "room:1", "echo", {});
  await raw.expectNothingBeforeEcho("room:1", "7");
});

row("row 36: a broadcast reaches every socket of the topic, its sender included", async (a) => {
  const b = await Raw.open(server.mount());
  const other = await Raw.open(server.mount());
  await a.join("room:36", "1");
  await b.join("room:36", "9");
  await other.join("room:36b", "1");
  a.send("1", "2", "room:36", "bc", { t: "å" });
  await a.expectAll(
    ["1", "2", "room:36", "phx_reply", OK],
    [null, null, "room:36", "bc", { t: "å" }],
  );
  await b.expect(null, null, "room:36", "bc", { t: "å" });
  await other.expectNothingBeforeEcho("room:36b");
  for (const raw of [b, other]) await raw.close();
});

row("row 37: a broadcast from a channel reaches the others only", async (a) => {
  const b = await Raw.open(server.mount());
  await a.join("room:37", "1");
  await b.join("room:37", "9");
  a.send("1", null, "room:37", "bcf", { n: 2 });
  await b.expect(null, null, "room:37", "bcf", { n: 2 });
  await a.expectNothingBeforeEcho("room:37");
  await b.close();
});

row("row 38: a push goes to one channel, with its join_ref and a null ref", async (a) => {
  const b = await Raw.open(server.mount());
  await a.join("room:38", "1");
  await b.join("room:38", "9");
  a.send("1", null, "room:38", "push", { n: 3 });
  await a.expect("1", null, "room:38", "push", { n: 3 });
  await b.expectNothingBeforeEcho("room:38", "9");
  await b.close();
});

row("row 39: an intercepted broadcast arrives as the channel has it", async (a) => {
  const b = await Raw.open(server.mount());
  await a.join("room:39", "1");
  await b.join("room:39", "9");
  a.send("1", null, "room:39", "marked", { n: 1 });
  await a.expect("1", null, "room:39", "marked", { n: 1, marked: true });
  await b.expect("9", null, "room:39", "marked", { n: 1, marked: true });
  await b.close();
});

row("events of one channel are answered in the order sent", async (raw) => {
  await raw.join("room:1");
  for (let n = 0; n < 500; n += 1) raw.send("1", `${n}`, "room:1", "echo", { n });
  for (let n = 0; n < 500; n += 1) {
    await raw.expect("1", `${n}`, "room:1", "phx_reply", { status: "ok", response: { n } });
  }
});

/** Input that no client sends by mistake ends the connection, and only that one. */
function fatal(name, data) {
  test(name, async () => {
    const [raw, other] = [await Raw.open(server.mount()), await Raw.open(server.mount())];
    await raw.join("room:1");
    await other.join("room:1");
    raw.sendRaw(data);
    assert.equal((await raw.closed()).code, 1011);
    assert.deepEqual(raw.rest, [], "nothing is answered");
    await other.expectNothingBeforeEcho("room:1");
    await other.close();
  });
}

fatal("row 43: a binary message whose lengths reach past its end closes with 1011",
  Buffer.from([0, 1, 1, 6, 200, 0x31, 0x39]));
fatal("row 43: an empty binary message closes with 1011", Buffer.alloc(0));
fatal("row 43: a binary message of an unknown kind closes with 1011", Buffer.from([9, 0, 0, 0, 0]));
fatal("row 44: text that is no JSON closes with 1011", "not json");
fatal("row 44: an object closes with 1011 where V2 is spoken", "{}");
fatal("row 44: an array that is too short closes with 1011", "[1,2]");
fatal("row 44: a topic that is no string closes with 1011", '["1","2",3,"echo",{}]');
fatal("row 44: JSON that ends too early closes with 1011", '["1","2","room:1","echo",{"x":');

row("row 45: further elements of a message are ignored", async (raw) => {
  raw.send("1", "1", "room:1", "phx_join", {}, "more");
  await raw.expect("1", "1", "room:1", "phx_reply", OK);
});
