// Runs calls of the vendor's Node client. Reads one JSON object from each line of input, and writes one for each:
//
// {"siteUrl", "credentials", "calls": [[method, argument], ...]} -> {"calls": [{"value"} or {"error", "status"}], "token",
// "addresses"}. The method `getNext` reads the page after the last one. `token` is the client's token from the site.
// `addresses` are the addresses of all connections that this process has opened during the calls.

import { subscribe } from "node:diagnostics_channel";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { ShotgunApiClient } = createRequire(new URL("../node/", import.meta.url))("shotgun-nodejs");

const addresses = new Set();
subscribe("net.client.socket", ({ socket }) => {
  socket.on("lookup", (_error, _address, _family, host) => addresses.add(host));
  socket.on("connectionAttempt", (address, port) => addresses.add(`${address}:${port}`));
});

async function run({ siteUrl, credentials, calls }) {
  addresses.clear();
  const client = new ShotgunApiClient({ siteUrl, credentials });
  const results = [];
  let page;
  for (const [method, argument] of calls) {
    try {
      const value = method === "getNext" ? await page?.getNext({ client }) : await client[method](argument);
      if (value?.links?.self) page = value;
      results.push({ value: value ?? null });
    } catch (error) {
      results.push({ error: error.message, status: error.resp?.status ?? null });
    }
  }
  return { calls: results, token: client.token, addresses: [...addresses] };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
}
