/** Tabs that share the handle of a session. `shotgrid-login.js` imports this module with token transport only. */

/**
 * A session, as tabs send it to each other. Times are `Date.now()`.
 * @typedef {object} Session
 * @property {import("./shotgrid-login.js").User} user
 * @property {string} site
 * @property {string} accessToken  For the site.
 * @property {string} apiToken  For studio APIs.
 * @property {string | undefined} refreshToken  The handle; only with token transport.
 * @property {number} renewAt
 * @property {number} expiresAt
 * @property {number} number  Of two sessions, the one with the larger number is newer.
 * @property {number} tie  Decides between sessions with the same number. Tabs can renew in the same millisecond.
 */

// Milliseconds. Messages between tabs need a few. Without a response, the gateway handles what is missing.
const TIMEOUT = 1000;

/**
 * Waits until the browser has passed on the messages that this tab has sent, and this tab has received those that other
 * tabs had sent before. A message goes from the tab's channel to a second one of the same name, and another one comes
 * back: browsers keep the order of messages. A lock can be granted before a message arrives, and a tab that was frozen
 * has many waiting.
 * @param {BroadcastChannel} channel
 */
export async function settle(channel) {
  const echo = new BroadcastChannel(channel.name);
  const id = Math.random();
  const listener = new AbortController();
  await new Promise((resolve) => {
    setTimeout(resolve, TIMEOUT);
    echo.onmessage = ({ data }) => data?.sent === id && echo.postMessage({ returned: id });
    const onMessage = (/** @type {MessageEvent} */ { data }) => data?.returned === id && resolve(undefined);
    channel.addEventListener("message", onMessage, { signal: listener.signal });
    channel.postMessage({ sent: id });
  });
  listener.abort();
  echo.close();
}
