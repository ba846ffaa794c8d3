// Runs calls of the vendor's Node client and prints what came of each, and every address that anything here dialled.
//
// In: {"siteUrl", "credentials", "calls": [[method, argument], ...]}; out: {"calls": [{"value"} or {"error"}], "dialled"}.
// `getNext` reads on from the page before it; "token" is what the client got from the site.

import { subscribe } from "node:diagnostics_channel";
import { createRequire } from "node:module";
import { json } from "node:stream/consumers";

const { ShotgunApiClient } = createRequire(new URL("../node/", import.meta.url))("shotgun-nodejs");

const dialled = new Set();
subscribe("net.client.socket", ({ socket }) => {
  socket.on("lookup", (_error, _address, _family, host) => dialled.add(host));
  socket.on("connectionAttempt", (address, port) => dialled.add(`${address}:${port}`));
});

const { siteUrl, credentials, calls } = await json(process.stdin);
const client = new ShotgunApiClient({ siteUrl, credentials });
const answers = [];
let page;
for (const [method, argument] of calls) {
  try {
    const value = method === "getNext" ? await page?.getNext({ client }) : await client[method](argument);
    if (value?.links?.self) page = value;
    answers.push({ value: value ?? null });
  } catch (error) {
    answers.push({ error: error.message, status: error.resp?.status ?? null });
  }
}
process.stdout.write(JSON.stringify({ calls: answers, token: client.token, dialled: [...dialled] }));
