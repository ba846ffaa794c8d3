/**
 * Starts the gateway's functions before a user signs in, because a function that was not used for some minutes starts
 * slowly. `shotgrid-login.js` imports this module when a way to sign in is shown.
 */

/** @typedef {import("./shotgrid-login-browser.js").Access} Access */

/** The routes of each way to sign in, in the order of their use. */
const ROUTES = { password: ["password", "otp"], browser: ["browser", "approval"] };

// Milliseconds after which functions may have stopped.
const INTERVAL = 5 * 60_000;

const TIMEOUT = 35_000; // milliseconds

/** @type {Map<string, number>} */
const warmedUpAt = new Map(); // `Date.now()` milliseconds by way and gateway

/**
 * Starts the functions of a way to sign in, at most once in five minutes. Errors are ignored: a sign-in works without it.
 * @param {Access} access
 * @param {"password" | "browser"} way
 */
export function warmUp({ gateway, timeout }, way) {
  const name = `${way} ${gateway}`;
  // The user is not here: many tabs can be open.
  if (document.hidden || Date.now() < (warmedUpAt.get(name) ?? 0) + INTERVAL) return;
  warmedUpAt.set(name, Date.now());
  for (const route of ROUTES[way]) {
    fetch(`${gateway}auth/${route}`, {
      // As in the call that follows, which then needs no preflight. Chromium ignores its cached preflights for requests
      // with the option `cache`.
      headers: { "content-type": "application/json" },
      credentials: "include",
      redirect: "error",
      signal: timeout(TIMEOUT),
    }).catch(() => {});
  }
  if (way === "password") import("./shotgrid-login-password.js").catch(() => {}); // needed next
}
