import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Socket } from "../vaxel.js";

/** A transport the test plays the server of. Every connection made is in `FakeTransport.made`. */
class FakeTransport {
  static made = [];

  static get last() {
    return FakeTransport.made.at(-1);
  }

  constructor(url) {
    this.url = url;
    this.sent = [];
    this.closedWith = null;
    FakeTransport.made.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code, reason) {
    this.closedWith = { code, reason };
  }

  /** Everything sent since the last call. */
  take() {
    return this.sent.splice(0);
  }

  open() {
    this.onopen?.({});
  }

  lose() {
    this.onclose?.({ code: 1006, reason: "" });
  }

  deliver(...frame) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  reply(frame, status = "ok", response = {}) {
    const [joinRef, ref, topic] = frame;
    this.deliver(joinRef, ref, topic, "phx_reply", { status, response });
  }
}

let states;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  FakeTransport.made = [];
  states = [];
});

afterEach(() => mock.timers.reset());

function socket(options = {}) {
  const made = new Socket("ws://localhost:4000/socket", { transport: FakeTransport, ...options });
  made.onState((state) => states.push(state));
  return made;
}

function open(options) {
  const made = socket(options);
  made.connect();
  FakeTransport.last.open();
  return made;
}

function joined(topic = "room:lobby", options = {}) {
  const channel = open(options).channel(topic, { from: "test" });
  channel.join();
  FakeTransport.last.reply(FakeTransport.last.take()[0]);
  return channel;
}

test("the address carries the parameters and the protocol version", () => {
  const made = socket({ params: { user: "ada & bob" } });
  made.connect();
  assert.equal(
    FakeTransport.last.url,
    "ws://localhost:4000/socket/websocket?user=ada+%26+bob&vx=1&vsn=2.0.0",
  );
  const secure = new Socket("https://example.test/live/", { params: () => ({ n: 1 }) });
  assert.equal(secure.url(), "wss://example.test/live/websocket?n=1&vx=1&vsn=2.0.0");
});

test("reconnecting follows the schedule and says when the next attempt comes", () => {
  socket().connect();
  const expected = [10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000, 5000];
  for (const [index, delay] of expected.entries()) {
    const connections = FakeTransport.made.length;
    FakeTransport.last.lose();
    const state = states.at(-1);
    assert.deepEqual(state, {
      name: "waiting",
      attempt: index + 1,
      nextAttemptAt: Date.now() + delay,
    });
    mock.timers.tick(delay - 1);
    assert.equal(FakeTransport.made.length, connections);
    mock.timers.tick(1);
    assert.equal(FakeTransport.made.length, connections + 1);
  }
  FakeTransport.last.open();
  FakeTransport.last.lose();
  assert.equal(states.at(-1).attempt, 1, "an opening starts the schedule anew");
});

test("connect makes the waiting attempt at once, disconnect ends the trying", () => {
  const made = open();
  FakeTransport.last.lose();
  made.connect();
  assert.equal(FakeTransport.made.length, 2);
  FakeTransport.last.open();
  made.disconnect();
  assert.deepEqual(FakeTransport.last.closedWith, { code: 1000, reason: "" });
  mock.timers.tick(60_000);
  assert.equal(FakeTransport.made.length, 2);
  assert.equal(made.state.name, "closed");
});

test("an attempt that gets no answer is given up", () => {
  socket().connect();
  mock.timers.tick(10_000);
  assert.equal(states.at(-1).name, "waiting");
  assert.ok(FakeTransport.made[0].closedWith);
});

test("heartbeats are sent, and a missing answer costs the connection", () => {
  open();
  const connection = FakeTransport.last;
  mock.timers.tick(30_000);
  const [beat] = connection.take();
  assert.deepEqual(beat, [null, beat[1], "phoenix", "heartbeat", {}]);
  connection.reply(beat);
  mock.timers.tick(30_000);
  assert.equal(connection.take().length, 1);
  mock.timers.tick(30_000);
  assert.deepEqual(connection.closedWith, { code: 1000, reason: "heartbeat timeout" });
  assert.equal(states.at(-1).name, "waiting");
});

test("join, push, event and leave use the frames of the protocol", () => {
  const channel = open().channel("room:lobby", { from: "test" });
  const connection = FakeTransport.last;
  const heard = [];
  channel.on("shout", (payload) => heard.push(payload));
  channel.join().receive("ok", (reply) => heard.push(reply));
  const [join] = connection.take();
  assert.deepEqual(join, [join[1], join[1], "room:lobby", "phx_join", { from: "test" }]);
  connection.reply(join, "ok", { welcome: true });
  assert.equal(channel.state, "joined");

  channel.push("ping", { n: 1 }).receive("ok", (reply) => heard.push(reply));
  const [ping] = connection.take();
  assert.deepEqual(ping, [join[1], ping[1], "room:lobby", "ping", { n: 1 }]);
  connection.reply(ping, "ok", { n: 1 });
  connection.deliver(null, null, "room:lobby", "shout", { body: "all" });
  connection.deliver(join[1], null, "room:lobby", "shout", { body: "you" });
  connection.deliver("999", null, "room:lobby", "shout", { body: "an earlier life" });
  assert.deepEqual(heard, [{ welcome: true }, { n: 1 }, { body: "all" }, { body: "you" }]);

  channel.onClose(() => heard.push("closed"));
  channel.leave().receive("ok", () => heard.push("left"));
  const [leave] = connection.take();
  assert.deepEqual(leave, [join[1], leave[1], "room:lobby", "phx_leave", {}]);
  connection.reply(leave);
  connection.deliver(join[1], join[1], "room:lobby", "phx_close", {});
  assert.deepEqual(heard.slice(4), ["closed", "left"]);
  assert.equal(channel.state, "closed");
});

test("pushes made before the join wait for it, in order and not for ever", () => {
  const made = socket({ pushBufferMax: 2 });
  const channel = made.channel("room:lobby");
  channel.join();
  const outcomes = [];
  channel.push("a", {}, 1000).receive("timeout", () => outcomes.push("a timed out"));
  channel.push("b");
  channel.push("c").receive("error", ({ reason }) => outcomes.push(reason));
  made.connect();
  mock.timers.tick(1000);
  channel.push("d");
  FakeTransport.last.open();
  FakeTransport.last.reply(FakeTransport.last.take()[0]);
  assert.deepEqual(FakeTransport.last.take().map((frame) => frame[3]), ["b", "d"]);
  assert.deepEqual(outcomes, ["push buffer full", "a timed out"]);
});

test("a push without an answer times out", () => {
  const channel = joined();
  const outcomes = [];
  channel.push("quiet", {}, 500).receive("timeout", () => outcomes.push("timeout"));
  const [frame] = FakeTransport.last.take();
  mock.timers.tick(500);
  FakeTransport.last.reply(frame);
  assert.deepEqual(outcomes, ["timeout"]);
});

test("a crashed channel is joined again after 1, 2, 5, 10 and 10 s, with a new ref", () => {
  const channel = joined();
  const connection = FakeTransport.last;
  const seen = [];
  channel.onError((reason) => seen.push(reason));
  channel.onState(({ name, nextAttemptAt }) => {
    if (name === "errored") seen.push(nextAttemptAt - Date.now());
  });
  channel.push("crash").receive("error", ({ reason }) => seen.push(`push: ${reason}`));
  const first = connection.take()[0][0];
  connection.deliver(first, first, "room:lobby", "phx_error", { reason: "channel_crash" });
  assert.deepEqual(seen.splice(0), ["push: channel_crash", 1000, "channel_crash"]);

  const refs = new Set([first]);
  for (const [delay, next] of [[1000, 2000], [2000, 5000], [5000, 10_000], [10_000, 10_000]]) {
    mock.timers.tick(delay - 1);
    assert.deepEqual(connection.take(), []);
    mock.timers.tick(1);
    const [join] = connection.take();
    assert.deepEqual(join.slice(2), ["room:lobby", "phx_join", { from: "test" }]);
    assert.equal(join[0], join[1]);
    refs.add(join[0]);
    connection.reply(join, "error", { reason: "join crashed" });
    assert.deepEqual(seen.splice(0), [next]);
  }
  assert.equal(refs.size, 5);
  mock.timers.tick(10_000);
  connection.reply(connection.take()[0]);
  assert.equal(channel.state, "joined");
  assert.equal(connection.closedWith, null, "the connection is not touched by a crash");
});

test("a join without an answer is taken back and tried again", () => {
  const channel = open().channel("room:slow");
  const connection = FakeTransport.last;
  const outcomes = [];
  channel.join().receive("timeout", () => outcomes.push("timeout"));
  const [join] = connection.take();
  mock.timers.tick(10_000);
  const [leave] = connection.take();
  assert.deepEqual(leave.slice(2), ["room:slow", "phx_leave", {}]);
  assert.equal(leave[0], join[0]);
  assert.deepEqual(outcomes, ["timeout"]);
  connection.reply(join);
  assert.equal(channel.state, "errored", "the late answer counts for nothing");
  mock.timers.tick(1000);
  connection.reply(connection.take()[0]);
  assert.equal(channel.state, "joined");
});

test("after a lost connection every channel is joined again, and not before", () => {
  const channel = joined();
  const outcomes = [];
  channel.onError((reason) => outcomes.push(reason));
  channel.push("ping").receive("error", ({ reason }) => outcomes.push(`push: ${reason}`));
  FakeTransport.last.lose();
  assert.deepEqual(outcomes, ["push: connection lost", "connection lost"]);
  channel.push("shout", { body: "held back" });
  mock.timers.tick(10);
  FakeTransport.last.lose();
  mock.timers.tick(50);
  assert.equal(FakeTransport.made.length, 3);
  assert.deepEqual(FakeTransport.last.take(), []);
  FakeTransport.last.open();
  const [join] = FakeTransport.last.take();
  assert.equal(join[3], "phx_join");
  FakeTransport.last.reply(join);
  assert.deepEqual(FakeTransport.last.take().map((frame) => frame[4]), [{ body: "held back" }]);
  assert.equal(outcomes.length, 2);
});

test("a second channel for a topic replaces the first", () => {
  const first = joined();
  const made = first.socket;
  const second = made.channel("room:lobby");
  let closes = 0;
  first.onClose(() => closes++);
  second.join();
  const [leave, join] = FakeTransport.last.take();
  assert.equal(leave[3], "phx_leave");
  assert.equal(join[3], "phx_join");
  FakeTransport.last.reply(join);
  FakeTransport.last.deliver(leave[0], leave[0], "room:lobby", "phx_close", {});
  assert.equal(first.state, "closed");
  assert.equal(second.state, "joined");
  assert.equal(closes, 1);
});

test("phx_close ends a channel for good", () => {
  const channel = joined();
  let closes = 0;
  channel.onClose(() => closes++);
  const joinRef = channel._joinRef;
  FakeTransport.last.deliver(joinRef, joinRef, "room:lobby", "phx_close", {});
  mock.timers.tick(60_000);
  assert.equal(channel.state, "closed");
  assert.equal(closes, 1);
  const joins = FakeTransport.last.take().filter((frame) => frame[3] === "phx_join");
  assert.deepEqual(joins, []);
  const outcomes = [];
  channel.push("shout").receive("error", ({ reason }) => outcomes.push(reason));
  assert.deepEqual(outcomes, ["not joined"]);
});

test("a topic that keeps its broadcasts is resumed where the channel was", () => {
  const channel = joined();
  const heard = [];
  channel.onResume(({ status, missed }) => heard.push(`${status} ${missed}`));
  channel.on("said", ({ n }) => heard.push(n));
  const tell = (told) => {
    FakeTransport.last.deliver(channel._joinRef, null, "room:lobby", "vx_resume", told);
  };
  const say = (n) => {
    const payload = { n, vx_offset: `e-${n}` };
    FakeTransport.last.deliver(null, null, "room:lobby", "said", payload);
  };
  const comeBack = () => {
    FakeTransport.last.lose();
    mock.timers.tick(10);
    FakeTransport.last.open();
    const [join] = FakeTransport.last.take();
    FakeTransport.last.reply(join);
    return join[4];
  };
  assert.deepEqual(comeBack(), { from: "test" }, "nothing is known of a history yet");
  tell({ status: "new", offset: "e-0", as: "0.1", missed: 0 });
  assert.deepEqual(comeBack(), { from: "test", vx_resume: { offset: "e-0", as: "0.1" } });
  tell({ status: "resumed", offset: "e-3", as: "0.2", missed: 3 });
  say(1);
  say(2);
  // What was announced and did not come is asked for again.
  assert.deepEqual(comeBack().vx_resume, { offset: "e-2", as: "0.2" });
  tell({ status: "gap", offset: "e-900", as: "0.3", missed: 0 });
  assert.deepEqual(comeBack().vx_resume, { offset: "e-900", as: "0.3" });
  assert.deepEqual(heard, ["new 0", "resumed 3", 1, 2, "gap 0"]);
});

test("params may be a function, which is called at every join", () => {
  let calls = 0;
  const channel = open().channel("room:lobby", () => ({ call: ++calls }));
  channel.join();
  assert.deepEqual(FakeTransport.last.take()[0][4], { call: 1 });
  FakeTransport.last.lose();
  mock.timers.tick(10);
  FakeTransport.last.open();
  assert.deepEqual(FakeTransport.last.take()[0][4], { call: 2 });
});

/** Opens a socket that knows how long a herd is to take. */
function hinted() {
  open();
  mock.timers.tick(30_000);
  const [beat] = FakeTransport.last.take();
  FakeTransport.last.reply(beat, "ok", { reconnect_jitter_ms: 8_000 });
}

test("after a restart of the server the first attempts are spread", () => {
  mock.method(Math, "random", () => 0.5);
  hinted();
  FakeTransport.last.onclose({ code: 1012, reason: "drain" });
  assert.equal(states.at(-1).nextAttemptAt, Date.now() + 10 + 4_000);
  mock.timers.tick(4_010);
  FakeTransport.last.lose();
  assert.equal(states.at(-1).nextAttemptAt, Date.now() + 50, "once");
  mock.restoreAll();
});

test("whoever loses its own network tries at once, and waits its turn if nobody answers", () => {
  mock.method(Math, "random", () => 0.5);
  hinted();
  FakeTransport.last.lose();
  assert.equal(states.at(-1).nextAttemptAt, Date.now() + 10);
  mock.timers.tick(10);
  FakeTransport.last.lose();
  assert.equal(states.at(-1).nextAttemptAt, Date.now() + 50 + 4_000);
  mock.restoreAll();
});
