/**
 * Vaxel's own client: any number of channels over one WebSocket.
 *
 * It speaks the Phoenix Channels protocol, version 2.0.0, in its JSON form, so it works with every
 * server of that protocol and needs no build step: import this file as an ES module.
 *
 *     import { Socket } from "/vaxel.js";
 *
 *     const socket = new Socket("/socket", { params: { user: "ada" } });
 *     socket.onState((state) => console.log(state.name, state.nextAttemptAt));
 *     socket.connect();
 *
 *     const room = socket.channel("room:lobby");
 *     room.on("shout", (message) => console.log(message.body));
 *     room.join()
 *       .receive("ok", (reply) => console.log("joined", reply))
 *       .receive("error", (reply) => console.log("refused", reply));
 *     room.push("shout", { body: "hello" });
 *
 * Ordering: the messages of one channel arrive in the order the server sent them, and pushes leave
 * in the order made. Nothing is promised between channels.
 *
 * Bounds: a channel holds back at most `pushBufferMax` pushes while it is not joined.
 *
 * Failure: a lost connection is opened again after 10, 50, 100, 150, 200, 250, 500, 1000, 2000 and
 * then every 5000 ms; a channel that crashed is joined again after 1, 2, 5 and then every 10 s.
 * A push that was under way at that moment is answered `error`, and whether the server handled it
 * is not known. Only `leave` and `disconnect` stop the trying.
 *
 * Resuming: where the server keeps what was broadcast on a topic, a channel that comes back gets
 * what it missed, in order and once, before anything newer; `onResume` tells when it was too much.
 *
 * Herds: the server says how many clients there are to come back, and when it restarts they spread
 * their first attempts accordingly.
 *
 * Members whose name starts with an underscore belong to this module.
 */

const VSN = "2.0.0";
const RECONNECT_MS = [10, 50, 100, 150, 200, 250, 500, 1000, 2000];
const REJOIN_MS = [1000, 2000, 5000];

/** Callbacks of one kind. A callback that throws is reported and does not stop the others. */
class Hooks {
  #callbacks = new Set();

  /** Adds a callback; the function returned takes it away again. */
  add(callback) {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  call(...values) {
    for (const callback of [...this.#callbacks]) guarded(callback, ...values);
  }
}

function guarded(callback, ...values) {
  try {
    callback(...values);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** One message to the server and what to do with its answer. Made by `Channel.push` and `join`. */
export class Push {
  constructor(channel, event, payload, timeout) {
    this.channel = channel;
    this.event = event;
    this.payload = payload;
    this.timeout = timeout;
    this._ref = null;
    this._answer = null;
    this._timer = null;
    this._receivers = [];
  }

  /**
   * Calls `callback(response)` when the answer has this status: `ok`, `error`, whatever else the
   * server uses, or `timeout` when none came in time. Also when the answer is already there.
   */
  receive(status, callback) {
    if (this._answer?.status === status) guarded(callback, this._answer.response);
    this._receivers.push({ status, callback });
    return this;
  }

  _start(onTimeout) {
    clearTimeout(this._timer);
    this._answer = null;
    this._timer = setTimeout(onTimeout, this.timeout);
  }

  _settle(status, response) {
    clearTimeout(this._timer);
    this._answer = { status, response };
    for (const receiver of [...this._receivers]) {
      if (receiver.status === status) guarded(receiver.callback, response);
    }
  }
}

/** One topic joined on a socket. Made by `Socket.channel`. */
export class Channel {
  constructor(socket, topic, params) {
    this.socket = socket;
    this.topic = topic;
    this.params = params;
    /** `closed`, `joining`, `joined`, `errored` (it will be joined again) or `leaving`. */
    this.state = "closed";
    this._events = new Map();
    this._errors = new Hooks();
    this._closes = new Hooks();
    this._states = new Hooks();
    this._waiting = new Map();
    this._buffer = [];
    this._joinPush = new Push(this, "phx_join", params, socket.timeout);
    this._joinRef = null;
    this._failures = 0;
    this._rejoinTimer = null;
    this._resumes = new Hooks();
    /** Where this channel is among the broadcasts of its topic, if the topic keeps them. */
    this._position = null;
  }

  /**
   * Joins the topic, now or as soon as the socket is open, and again after every failure. The
   * callbacks of the push returned run at every answer, so also after a rejoin. Another channel
   * of this socket with the same topic is left first: the server keeps one per topic.
   */
  join() {
    if (this.state === "closed") {
      this.socket._adopt(this);
      this._tryJoin();
    }
    return this._joinPush;
  }

  /**
   * Sends an event. Before the join has succeeded it waits its turn; one that is still waiting
   * after `timeout` ms is taken out of the queue and never sent.
   */
  push(event, payload = {}, timeout = this.socket.timeout) {
    const push = new Push(this, event, payload, timeout);
    if (this.state === "closed" || this.state === "leaving") {
      push._settle("error", { reason: "not joined" });
    } else if (this.state !== "joined" && this._buffer.length >= this.socket.pushBufferMax) {
      push._settle("error", { reason: "push buffer full" });
    } else {
      push._start(() => this._expire(push));
      if (this.state === "joined") this._send(push);
      else this._buffer.push(push);
    }
    return push;
  }

  /** Leaves the topic for good; the push returned is answered `ok` or `timeout`. */
  leave() {
    const push = new Push(this, "phx_leave", {}, this.socket.timeout);
    const heard = this.socket.isOpen() && (this.state === "joined" || this.state === "joining");
    for (const status of ["ok", "error", "timeout"]) push.receive(status, () => this._close());
    clearTimeout(this._rejoinTimer);
    clearTimeout(this._joinPush._timer);
    if (heard) {
      this._become("leaving");
      push._start(() => this._expire(push));
      this._send(push);
    } else {
      push._settle("ok", {});
    }
    return push;
  }

  /** Calls `callback(payload)` at every event of this name; returns a function that stops it. */
  on(event, callback) {
    if (!this._events.has(event)) this._events.set(event, new Hooks());
    return this._events.get(event).add(callback);
  }

  /** Calls `callback(reason)` when the channel crashed or the connection was lost. */
  onError(callback) {
    return this._errors.add(callback);
  }

  /** Calls `callback()` when the channel has ended for good: left, or closed by the server. */
  onClose(callback) {
    return this._closes.add(callback);
  }

  /** Calls `callback({name, nextAttemptAt})` at every change of state; the time is epoch ms. */
  onState(callback) {
    return this._states.add(callback);
  }

  /**
   * Calls `callback({status, missed})` at every join of a topic that keeps its broadcasts. The
   * status is `new`, `resumed` (the `missed` broadcasts follow), or `gap`: more was missed than
   * the server keeps, so whatever is built from broadcasts has to be fetched anew.
   */
  onResume(callback) {
    return this._resumes.add(callback);
  }

  _become(name, nextAttemptAt = null) {
    this.state = name;
    this._states.call({ name, nextAttemptAt });
  }

  /** The payload of the next join. */
  _joinParams() {
    const params = typeof this.params === "function" ? this.params() : this.params;
    return this._position === null ? params : { ...params, vx_resume: this._position };
  }

  /** What is missed counts as seen when it comes, not when it is announced. */
  _resume({ status, offset, as, missed }) {
    this._position = { offset: status === "resumed" ? this._position.offset : offset, as };
    this._resumes.call({ status, missed });
  }

  _send(push) {
    push._ref = this.socket._nextRef();
    if (push === this._joinPush) {
      this._joinRef = push._ref;
      push.payload = this._joinParams();
    }
    this._waiting.set(push._ref, push);
    this.socket._send(this._joinRef, push._ref, this.topic, push.event, push.payload);
  }

  _expire(push) {
    this._waiting.delete(push._ref);
    this._buffer = this._buffer.filter((other) => other !== push);
    push._settle("timeout", {});
  }

  _tryJoin() {
    clearTimeout(this._rejoinTimer);
    this._become("joining");
    if (!this.socket.isOpen()) return;
    this._joinPush._start(() => {
      this.socket._send(this._joinRef, this.socket._nextRef(), this.topic, "phx_leave", {});
      this._retryLater();
      this._expire(this._joinPush);
    });
    this._send(this._joinPush);
  }

  _joined(response) {
    this._failures = 0;
    this._become("joined");
    this._joinPush._settle("ok", response);
    for (const push of this._buffer.splice(0)) this._send(push);
  }

  _retryLater() {
    const delay = this.socket.rejoinAfter(++this._failures);
    clearTimeout(this._rejoinTimer);
    this._rejoinTimer = setTimeout(() => this._tryJoin(), delay);
    this._become("errored", Date.now() + delay);
  }

  /** The incarnation is gone: what it was asked will not be answered any more. */
  _abandon(reason) {
    clearTimeout(this._joinPush._timer);
    const waiting = [...this._waiting.values()];
    this._waiting.clear();
    this._joinRef = null;
    for (const push of waiting) {
      if (push.event === "phx_leave") push._settle("ok", {});
      else if (push !== this._joinPush) push._settle("error", { reason });
    }
  }

  _crashed(reason) {
    if (this.state === "leaving") return this._close();
    this._abandon(reason);
    this._retryLater();
    this._errors.call(reason);
  }

  /** The connection is gone; the socket's next opening joins again. */
  _disconnected() {
    if (this.state === "closed" || this.state === "errored") {
      clearTimeout(this._rejoinTimer);
      return;
    }
    if (this.state === "leaving") return this._close();
    this._abandon("connection lost");
    this._become("errored");
    this._errors.call("connection lost");
  }

  _close() {
    if (this.state === "closed") return;
    this.state = "closed";
    this._position = null;
    clearTimeout(this._rejoinTimer);
    this._abandon("channel closed");
    for (const push of this._buffer.splice(0)) push._settle("error", { reason: "channel closed" });
    this.socket._release(this);
    this._become("closed");
    this._closes.call();
  }

  _receive(joinRef, ref, event, payload) {
    if (joinRef !== null && joinRef !== this._joinRef) return;
    if (event === "phx_reply") this._answered(ref, payload);
    else if (event === "phx_error") this._crashed(payload?.reason ?? "channel_crash");
    else if (event === "phx_close") this._close();
    else if (event === "vx_resume") this._resume(payload);
    else {
      if (this._position && payload?.vx_offset) this._position.offset = payload.vx_offset;
      this._events.get(event)?.call(payload);
    }
  }

  _answered(ref, { status, response }) {
    const push = this._waiting.get(ref);
    if (!push) return;
    this._waiting.delete(ref);
    if (push !== this._joinPush) push._settle(status, response);
    else if (this.state !== "joining") return;
    else if (status === "ok") this._joined(response);
    else {
      this._retryLater();
      push._settle(status, response);
    }
  }
}

/** One connection to a server, opened again whenever it is lost. */
export class Socket {
  /**
   * `endpoint` is the path or URL the socket is mounted at. Options: `params` (an object, or a
   * function called at every attempt), `transport` (a WebSocket class), `timeout` (10 000 ms, for
   * answers and for connecting), `heartbeatInterval` (30 000 ms), `pushBufferMax` (256 a channel),
   * `reconnectAfter(attempt)` and `rejoinAfter(attempt)` (ms; attempts count from 1).
   */
  constructor(endpoint, options = {}) {
    this.endpoint = endpoint;
    this.params = options.params ?? {};
    this.transport = options.transport ?? globalThis.WebSocket;
    this.timeout = options.timeout ?? 10_000;
    this.heartbeatInterval = options.heartbeatInterval ?? 30_000;
    this.pushBufferMax = options.pushBufferMax ?? 256;
    this.reconnectAfter = options.reconnectAfter ?? ((n) => RECONNECT_MS[n - 1] ?? 5000);
    this.rejoinAfter = options.rejoinAfter ?? ((n) => REJOIN_MS[n - 1] ?? 10_000);
    /** `name` is `closed`, `connecting`, `open` or `waiting`, then with `nextAttemptAt`. */
    this.state = { name: "closed", attempt: 0, nextAttemptAt: null };
    this._states = new Hooks();
    this._messages = new Hooks();
    this._channels = new Map();
    this._connection = null;
    this._timer = null;
    this._heartbeatTimer = null;
    this._heartbeatRef = null;
    this._refs = 0;
    /** The time over which the server wants a herd of clients to come back, in ms. */
    this._jitter = 0;
  }

  /**
   * A channel for a topic; `params` is the payload of its join, or a function that makes it at
   * every join. It is not joined yet.
   */
  channel(topic, params = {}) {
    return new Channel(this, topic, params);
  }

  isOpen() {
    return this.state.name === "open";
  }

  /** Calls `callback({name, attempt, nextAttemptAt})` at every change; the time is epoch ms. */
  onState(callback) {
    return this._states.add(callback);
  }

  /** Calls `callback([joinRef, ref, topic, event, payload])` for every frame that arrives. */
  onMessage(callback) {
    return this._messages.add(callback);
  }

  /** Opens the connection. While one waits for its next attempt, the attempt is made now. */
  connect() {
    const { name, attempt } = this.state;
    if (name === "open" || name === "connecting") return;
    clearTimeout(this._timer);
    const connection = (this._connection = new this.transport(this.url()));
    this._become("connecting", attempt);
    this._timer = setTimeout(() => this._lost(), this.timeout);
    connection.onopen = () => this._opened();
    connection.onclose = ({ code } = {}) => this._lost("", code);
    connection.onmessage = ({ data }) => this._receive(data);
  }

  /** Closes the connection and stays closed; the channels are joined again by a `connect`. */
  disconnect() {
    this._drop(1000, "");
    this._become("closed", 0);
    for (const channel of [...this._channels.values()]) channel._disconnected();
  }

  /** The address of the next attempt. */
  url() {
    const url = new URL(this.endpoint, globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.pathname = `${url.pathname.replace(/\/$/, "")}/websocket`;
    const params = typeof this.params === "function" ? this.params() : this.params;
    for (const [key, value] of Object.entries(params)) url.searchParams.set(key, value);
    url.searchParams.set("vx", "1");
    url.searchParams.set("vsn", VSN);
    return url.href;
  }

  _become(name, attempt, nextAttemptAt = null) {
    this.state = { name, attempt, nextAttemptAt };
    this._states.call(this.state);
  }

  _opened() {
    clearTimeout(this._timer);
    this._become("open", 0);
    this._beatLater();
    for (const channel of [...this._channels.values()]) channel._tryJoin();
  }

  /**
   * Forgets the connection at once. A peer that has vanished answers no close frame, so waiting
   * for the close event could take a minute.
   */
  _drop(code, reason) {
    clearTimeout(this._timer);
    clearTimeout(this._heartbeatTimer);
    this._heartbeatRef = null;
    const connection = this._connection;
    this._connection = null;
    if (!connection) return;
    connection.onopen = connection.onclose = connection.onmessage = null;
    connection.close(code, reason);
  }

  _lost(reason = "", code = 1006) {
    this._drop(1000, reason);
    const attempt = this.state.attempt + 1;
    const delay = this.reconnectAfter(attempt) + this._spread(attempt, code);
    this._timer = setTimeout(() => this.connect(), delay);
    this._become("waiting", attempt, Date.now() + delay);
    for (const channel of [...this._channels.values()]) channel._disconnected();
  }

  /**
   * A server that restarts says so with 1012, or it is away when the first attempt is made: then
   * everybody comes back. Whoever has only lost its own network finds the server at once.
   */
  _spread(attempt, code) {
    const isHerd = (attempt === 1 && code === 1012) || (attempt === 2 && code !== 1012);
    const spread = isHerd ? Math.random() * this._jitter : 0;
    if (isHerd) this._jitter = 0;
    return spread;
  }

  _beatLater() {
    this._heartbeatTimer = setTimeout(() => {
      if (this._heartbeatRef !== null) return this._lost("heartbeat timeout");
      this._heartbeatRef = this._nextRef();
      this._send(null, this._heartbeatRef, "phoenix", "heartbeat", {});
      this._beatLater();
    }, this.heartbeatInterval);
  }

  _nextRef() {
    return String(++this._refs);
  }

  _send(...frame) {
    if (this.isOpen()) this._connection.send(JSON.stringify(frame));
  }

  _receive(data) {
    if (typeof data !== "string") return;
    const frame = JSON.parse(data);
    const [joinRef, ref, topic, event, payload] = frame;
    if (ref !== null && ref === this._heartbeatRef) {
      this._heartbeatRef = null;
      this._jitter = payload?.response?.reconnect_jitter_ms ?? 0;
    }
    this._channels.get(topic)?._receive(joinRef, ref, event, payload);
    this._messages.call(frame);
  }

  _adopt(channel) {
    const other = this._channels.get(channel.topic);
    if (other) {
      other.leave();
      other._close();
    }
    this._channels.set(channel.topic, channel);
  }

  _release(channel) {
    if (this._channels.get(channel.topic) === channel) this._channels.delete(channel.topic);
  }
}
