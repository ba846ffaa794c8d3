/**
 * `login.fetch`: which origin receives which token, and when a request is sent again. `shotgrid-login.js` imports this
 * module when a user is signed in.
 */

/** @typedef {import("./shotgrid-login-browser.js").Access} Access */
/** @typedef {import("./shotgrid-login-tabs.js").Session} Session */

let tokenAfterFailure = ""; // a network error with this token causes no further refresh

/**
 * Sends a request, with a token if its origin may receive one.
 * @param {Access} access
 * @param {{request: Request, isStream: boolean}} options  `isStream`: the body is a stream, so it cannot be sent again.
 * @returns {Promise<Response>}
 */
export async function fetchWithToken(access, { request, isStream }) {
  const { LoginError, session, renew, apiOrigins } = access;
  const { signal } = request;
  const { origin } = new URL(request.url);
  /** The site's token is for the site only. */
  const tokenOf = (/** @type {Session} */ { site, accessToken, apiToken }) => {
    if (origin === new URL(site).origin) return accessToken;
    return apiOrigins.has(origin) ? apiToken : "";
  };
  const first = await abortable(signal, session());
  if (!tokenOf(first)) return fetch(request);
  const freshToken = async () => {
    const fresh = await freshSession(access);
    if (fresh.user.id !== first.user.id) throw new LoginError("session_ended", "Another user has signed in.");
    return tokenOf(fresh);
  };

  const copy = isStream ? null : request.clone();
  const token = await abortable(signal, freshToken());
  const isSite = origin === new URL(first.site).origin;
  let response, networkError;
  try {
    response = await send(request, token);
  } catch (error) {
    networkError = error;
  }
  // CORS may hide a 401. Refresh once to find out.
  if (response ? response.status === 401 : isSite && !signal.aborted && token !== tokenAfterFailure) {
    await abortable(signal, renew(token, isSite));
    const newToken = await freshToken();
    if (!response) tokenAfterFailure = newToken;
    // After a network error the request may have been processed: only reads are sent again.
    if (newToken !== token && copy && (response || /^(GET|HEAD)$/.test(request.method))) return send(copy, newToken);
  }
  if (!response) throw networkError;
  return response;
}

/** Returns the session, with tokens that can be used now. */
export async function freshSession(/** @type {Access} */ { session, renew }) {
  if (Date.now() >= (await session()).renewAt) await renew();
  return session();
}

function send(/** @type {Request} */ request, /** @type {string} */ token) {
  request.headers.set("authorization", `Bearer ${token}`);
  // Older browsers send the token along when they follow a redirect to another origin.
  return fetch(request, { redirect: request.redirect === "manual" ? "manual" : "error" });
}

/**
 * Rejects when the signal aborts.
 * @template T
 * @param {AbortSignal} signal
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
function abortable(signal, promise) {
  return new Promise((resolve, reject) => {
    // Older browsers give no reason.
    const abort = () => reject(signal.reason ?? new DOMException("The request was aborted.", "AbortError"));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject);
  });
}
