// A thread that writes requests as fast as the server takes them and never reads an answer.

import { parentPort, workerData } from "node:worker_threads";

import { Wire, message } from "./wire.mjs";

const { event } = workerData;
const server = { url: new URL(workerData.url) };
server.host = server.url.hostname;
server.port = Number(server.url.port);

const payload = { text: "x".repeat(1024) };
const batch = Buffer.concat(
  Array.from({ length: 64 }, (_, n) => message("1", `${n}`, "room:flood", event, payload)),
);
let bytes = 0;
let isOver = false;

parentPort.on("message", () => {
  isOver = true;
  parentPort.postMessage({ bytes });
});

/** Floods one connection until it ends; when the server closes it, the next one takes over. */
async function flood() {
  const wire = await Wire.open(server);
  wire.write(message("1", "1", "room:flood", "phx_join", {}));
  await wire.frame();
  wire.stopReading();
  const gone = new Promise((resolve) => wire.socket.once("close", resolve));
  while (!isOver && !wire.socket.destroyed) {
    const before = wire.socket.bytesWritten;
    const isTaken = new Promise((resolve) => wire.socket.write(batch, resolve));
    await Promise.race([isTaken, gone]);
    bytes += wire.socket.bytesWritten - before;
  }
  wire.close();
}

parentPort.postMessage("begun");
while (!isOver) await flood();
