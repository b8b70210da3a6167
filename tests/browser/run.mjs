/**
 * The page of `vaxel demo`, driven in Chromium.
 *
 *     VAXEL_SERVER=target/release/vaxel node run.mjs     starts the binary, checks everything
 *     node run.mjs http://127.0.0.1:4000                 uses a running server, restarts nothing
 *
 * `CHROMIUM` names the browser (/usr/bin/chromium), `ONLY` a part of the name of the checks to
 * run, `SHOTS` the folder of the screenshots. One line a check, then the totals; the exit status
 * is not zero when a check failed.
 */

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Browser } from "./browser.mjs";
import { accessibility } from "./checks/accessibility.mjs";
import { appearance } from "./checks/appearance.mjs";
import { book } from "./checks/book.mjs";
import { chat } from "./checks/chat.mjs";
import { dashboard } from "./checks/dashboard.mjs";
import { outage } from "./checks/outage.mjs";
import { supervision } from "./checks/supervision.mjs";
import { watchers } from "./checks/watchers.mjs";
import { Server } from "./server.mjs";

const CHECK_MS = 90_000;

const given = process.argv[2] ?? process.env.VAXEL_URL;
const binary = process.env.VAXEL_SERVER;
const server = given ? null : await Server.of(binary ?? fail("set VAXEL_SERVER or give a URL"));
const origin = given ? new URL(given).origin : server.url;
const shots = process.env.SHOTS ?? await mkdtemp(join(tmpdir(), "vaxel-shots-"));

function fail(why) {
  console.error(why);
  process.exit(2);
}

/** Runs one check; what its tabs complained about, or asked of strangers, fails it too. */
async function run(check, browser) {
  const notes = [];
  const note = (text) => notes.push(text);
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took longer than ${CHECK_MS / 1000} s`)), CHECK_MS);
  });
  try {
    await browser.clear();
    await Promise.race([check.run({ browser, server, origin, shots, note }), late]);
    for (const { complaints, strangers } of browser.tabs) {
      if (complaints.length > 0) throw new Error(`the console says: ${complaints.join("\n")}`);
      if (strangers.length > 0) throw new Error(`requests left the server: ${strangers}`);
    }
    console.log(`ok      ${check.name}${notes.map((text) => `; ${text}`).join("")}`);
    return true;
  } catch (error) {
    const cause = error.cause ? `\n${error.cause.message}` : "";
    console.log(`FAILED  ${check.name}\n${`${error.message}${cause}`.replace(/^/gm, "        ")}`);
    return false;
  } finally {
    clearTimeout(timer);
  }
}

const checks = [...dashboard, ...chat, ...book, ...supervision, ...accessibility, ...appearance,
  ...outage, ...watchers].filter(({ name }) => name.includes(process.env.ONLY ?? ""));
let passed = 0;
let skipped = 0;
let browser;
try {
  await server?.start();
  browser = await Browser.launch(origin, process.env.CHROMIUM ?? "/usr/bin/chromium");
  for (const check of checks) {
    if (check.needsServer && !server) {
      skipped++;
      console.log(`skipped ${check.name}: needs VAXEL_SERVER`);
    } else if (await run(check, browser)) {
      passed++;
    }
  }
} finally {
  await browser?.close();
  await server?.stop();
}

const failed = checks.length - passed - skipped;
console.log(`screenshots in ${shots}`);
console.log(`# pass ${passed}\n# fail ${failed}\n# skipped ${skipped}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
