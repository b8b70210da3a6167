// The server of `vaxel bench loop` on Node's `ws`.

import { WebSocketServer } from "ws";

// Longer answers are not given.
const ANSWER_BYTES_MAX = 64 * 1024;
const BACKLOG = 4096;

// The bytes of the request, cut or padded to the length it asks for.
const answer = (payload) => {
  const length = Number.parseInt(payload.slice(1, 9), 16);
  return length <= ANSWER_BYTES_MAX ? payload.slice(0, length).padEnd(length, ".") : payload;
};

const [host, port] = process.argv[process.argv.indexOf("--listen") + 1].split(":");
const server = new WebSocketServer({
  host,
  port: Number(port),
  backlog: BACKLOG,
  perMessageDeflate: false,
});

server.on("connection", (socket) => {
  // An error is the end of a connection, which the generator notices.
  socket.on("error", () => {});
  socket.on("message", (data) => {
    const payload = data.toString();
    if (payload.startsWith("R")) {
      socket.send(answer(payload));
    } else if (payload.startsWith("B")) {
      const text = answer(payload);
      for (const client of server.clients) client.send(text);
    } else {
      socket.send(payload);
    }
  });
});
