// Counts the requests of the page's own module during browser sign-ins, with mocked time and a fake gateway.
//
// node page.mjs MODULE SCENARIOS: MODULE is the path of shotgrid-login.js. SCENARIOS is JSON: for each name the second of
// the approval, and whether the page is hidden from the click until a second after the approval. Prints the counts by
// name and route.

import { mock } from "node:test";
import { setImmediate as afterCallbacks } from "node:timers/promises";

const STEP = 100; // milliseconds
const SITE_FORGETS = 305_000; // milliseconds after the start; then a poll ends the sign-in
const LONGEST = 400_000; // milliseconds

const [modulePath, scenarios] = process.argv.slice(2);
const page = new EventTarget();
globalThis.window = globalThis.top = globalThis;
globalThis.document = Object.assign(new EventTarget(), { hidden: false });
delete globalThis.BroadcastChannel; // each scenario has its own session
globalThis.addEventListener = page.addEventListener.bind(page);
mock.timers.enable({ apis: ["setTimeout", "Date"], now: 0 });

let requests = {};
let isApproved = false;
let startedAt = 0;
const bodies = {
  refresh: () => ({ status: "signed_out" }),
  browser: () => ({ status: "approval_required", challenge: "c", approval_url: "https://site.example/", expires_in: 300 }),
  approval: () =>
    isApproved
      ? { status: "signed_in", user: { type: "HumanUser", id: 1, login: "a" }, access_token: "t", expires_in: 600 }
      : { status: "approval_pending", interval: 5 },
};
globalThis.fetch = async (url) => {
  const route = new URL(url).pathname.split("/").at(-1);
  requests[route] = (requests[route] ?? 0) + 1;
  if (route === "approval" && !isApproved && Date.now() >= startedAt + SITE_FORGETS)
    return Response.json({ status: 410, code: "challenge_ended" }, { status: 410 });
  return Response.json(bodies[route]());
};

function show(isVisible) {
  document.hidden = !isVisible;
  for (const target of [document, page]) target.dispatchEvent(new Event("visibilitychange")); // it bubbles
  if (isVisible) page.dispatchEvent(new Event("focus"));
}

async function count({ approved, hidden }) {
  const login = new ShotGridLogin("https://gateway.example/");
  await login.restored;
  requests = {};
  isApproved = false;
  startedAt = Date.now();
  const signIn = await login.signInWithBrowser({ open: false });
  if (hidden) show(false);
  let hasEnded = false;
  signIn.done.then(() => (hasEnded = true), () => (hasEnded = true));
  while (!hasEnded && Date.now() < startedAt + LONGEST) {
    isApproved = approved !== null && Date.now() >= startedAt + approved * 1000;
    if (document.hidden && isApproved && Date.now() >= startedAt + (approved + 1) * 1000) show(true);
    mock.timers.tick(STEP);
    await afterCallbacks();
  }
  if (!hasEnded) throw new Error("the sign-in did not end");
  document.hidden = false;
  return { ...requests };
}

const { ShotGridLogin, login } = await import(modulePath);
await login.restored;
const counts = {};
for (const [name, scenario] of Object.entries(JSON.parse(scenarios))) counts[name] = await count(scenario);
console.log(JSON.stringify(counts));
process.exit();
