/** Finds out why a call of the gateway had no response. `shotgrid-login.js` imports this module after such a call. */

// Milliseconds. The gateway serves its files faster than it responds to calls.
const TIMEOUT = 10_000;

/**
 * Returns a text for the user if the gateway rejects this page's origin, and "" if it cannot be reached. Both look
 * alike at first, because browsers hide error responses of other origins.
 * @param {string} gateway
 * @param {(ms: number) => AbortSignal} timeout
 * @param {() => Promise<Response>} call  A call that only the pages of allowed origins can read.
 */
export async function originRejected(gateway, timeout, call) {
  const file = `${gateway}shotgrid-login.js`; // any page can read it
  // Twice, because each of the two can be lost on its own.
  for (let round = 0; round < 2; round++) {
    const response = await fetch(file, { cache: "no-store", signal: timeout(TIMEOUT) }).catch(() => null);
    if (!response?.ok || (await call().catch(() => null))) return "";
  }
  if (location.protocol === "file:") return "Sign-in does not work in a page that is opened as a file.";
  if (self.origin === "null") return "Sign-in does not work in this page, because it is in a sandbox.";
  return `The sign-in service is not set up for pages at ${self.origin}.`;
}
