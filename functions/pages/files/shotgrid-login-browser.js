/**
 * Browser sign-in: the user signs in to the ShotGrid site in another tab, and approves a request there. This
 * module polls the gateway until then. `shotgrid-login.js` imports it on demand.
 *
 * Nothing here depends on the other tab. The site sends no message to this page, and `closed` of a tab is always true
 * if one of the two pages has a Cross-Origin-Opener-Policy.
 */

/** @typedef {import("./shotgrid-login.js").LoginError} LoginError */
/** @typedef {import("./shotgrid-login-tabs.js").Session} Session */
/** @typedef {import("./shotgrid-login.js").User} User */
/**
 * How users can sign in to the site. `unknown`: the site did not respond, or it returned an unknown value.
 * @typedef {object} Methods
 * @property {string} siteUrl
 * @property {string} siteHost
 * @property {"default" | "ldap" | "oxygen" | "saml2" | "unknown"} method  `oxygen` is Autodesk Identity.
 * @property {"yes" | "legacy" | "no" | "unknown"} password  `legacy`: a legacy login with its own passphrase.
 * @property {"yes" | "no" | "unknown"} browser
 */
/**
 * What the modules that load on demand use of a `ShotGridLogin`. The functions throw `LoginError`.
 * @typedef {object} Access
 * @property {EventTarget & {user: User | null}} login
 * @property {typeof import("./shotgrid-login.js").LoginError} LoginError
 * @property {string} gateway  With a final slash.
 * @property {(request: Promise<Response>) => Promise<any>} read
 * @property {(route: string, fields: object) => Promise<any>} call
 * @property {() => string | undefined} handle  Of the session that a sign-in replaces.
 * @property {(body: object) => User} adopt  Takes over the session of a response.
 * @property {() => Promise<Session>} session  The session, once it is restored.
 * @property {(rejected?: string, bySite?: boolean) => Promise<void>} renew  Gets tokens other than the rejected one.
 * @property {Set<string>} apiOrigins  The origins of `addOrigin`.
 * @property {(ms: number) => AbortSignal} timeout
 */
/**
 * An approval request, as it is stored in `sessionStorage` while it waits.
 * @typedef {object} ApprovalRequest
 * @property {string} challenge
 * @property {string} approvalUrl
 * @property {string} siteHost
 * @property {string} appName
 * @property {number} expiresAt
 * @property {boolean} opened
 */

// Seconds between two polls: in a visible page, unless the gateway says otherwise, and in a hidden page.
const INTERVAL = 5;
const HIDDEN_INTERVAL = 15;

// After a poll, the gateway does not call the site for this time. Seconds.
const MIN_INTERVAL = 2;

// How long the page polls after the user's time is over. The gateway decides: the user may have approved in the last
// moment, and a result can be fetched for a minute. Seconds.
const GRACE = 80;

// Milliseconds for `methods`, which needs at most one call of the site.
const METHODS_TIMEOUT = 35_000;

// After these events, the user may be back from the other tab. A window next to this one changes no visibility.
const RETURN_EVENTS = ["visibilitychange", "focus", "pageshow", "online"];

/** @type {BrowserSignIn | null} */
let waiting = null; // the sign-in that was started last; all elements of a page share it

/** A sign-in that waits until the user approves it. */
export class BrowserSignIn {
  /**
   * Why the last poll failed. The sign-in still waits: the site or the gateway may respond later.
   * @type {LoginError | null}
   */
  problem = null;

  #access;
  #request;
  #interval = INTERVAL;
  #polledAt;
  #pollAfter = 0; // `Date.now()` milliseconds; the gateway would reject an earlier poll
  #isPolling = false;
  #hasReturned = false; // since the last poll
  #hasEnded = false;
  #isCancelled = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #listeners = new AbortController();
  #resolve = (/** @type {User} */ _user) => {};
  #reject = (/** @type {LoginError} */ _error) => {};

  /**
   * @param {Access} access
   * @param {ApprovalRequest} request
   * @param {number} polledAt  When the gateway was last called for this request, in `Date.now()` milliseconds.
   */
  constructor(access, request, polledAt) {
    this.#access = access;
    this.#request = request;
    this.#polledAt = polledAt;
    /** The site's page for the approval. Keep it secret: any caller that has it can take the session. */
    this.approvalUrl = request.approvalUrl;
    /** The host of the site. */
    this.siteHost = request.siteHost;
    /** The name that the approval page shows. */
    this.appName = request.appName;
    /** When the time to approve is over, in `Date.now()` milliseconds. The page waits a little longer for the result. */
    this.expiresAt = request.expiresAt;
    /** Whether a tab was opened. If not, the user needs a link to `approvalUrl`. */
    this.opened = request.opened;
    /**
     * The user. Rejects with `LoginError`: `challenge_ended` (declined, or not approved in time), `cancelled`, or an
     * error of the gateway.
     * @type {Promise<User>}
     */
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => {}); // a page can use the event `signedin` instead

    waiting = this;
    storage()?.setItem(storageName(access), JSON.stringify(request));
    const { signal } = this.#listeners;
    for (const type of RETURN_EVENTS) addEventListener(type, (event) => this.#onReturn(event), { signal });
    // The user has signed in, here or in another tab.
    access.login.addEventListener("signedin", () => this.#end(), { signal });
    this.#schedule();
  }

  /** Forgets the request. An approval has no effect then. */
  cancel = () => {
    this.#isCancelled = true;
    this.#end(new this.#access.LoginError("cancelled", "The sign-in was cancelled."));
  };

  #onReturn(/** @type {Event} */ { type }) {
    const isHidden = type === "visibilitychange" && document.hidden;
    this.#hasReturned ||= !isHidden;
    this.#schedule();
  }

  #schedule() {
    clearTimeout(this.#timer);
    if (this.#hasEnded || this.#isPolling) return;
    const interval = this.#hasReturned ? 0 : document.hidden ? HIDDEN_INTERVAL : this.#interval;
    const pollAt = Math.max(this.#polledAt + interval * 1000, this.#pollAfter);
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(0, pollAt - Date.now()));
  }

  #onTimer() {
    if (Date.now() < this.expiresAt + GRACE * 1000) this.#poll();
    else this.#end(new this.#access.LoginError("challenge_ended", "The request was not approved in time."));
  }

  async #poll() {
    const { LoginError, call, handle } = this.#access;
    this.#isPolling = true;
    this.#hasReturned = false;
    this.#polledAt = Date.now();
    let pause = MIN_INTERVAL;
    try {
      const body = await call("approval", { challenge: this.#request.challenge, refresh_token: handle() });
      this.problem = null;
      this.#interval = body.interval ?? INTERVAL;
      if (body.status === "signed_in") await this.#onApproved(body);
    } catch (error) {
      if (!(error instanceof LoginError)) throw error;
      pause = Math.max(pause, error.retryAfter ?? 0);
      // An end after an unexpected response of the site is its consequence: the user did not decline.
      if (error.transient || error.status === 429) this.problem = error;
      else this.#end(error.code === "challenge_ended" && this.problem?.code === "site_error" ? this.problem : error);
    } finally {
      this.#pollAfter = Date.now() + pause * 1000; // the pause begins with the response
      this.#isPolling = false;
      this.#schedule();
    }
  }

  async #onApproved(/** @type {any} */ body) {
    const { adopt, call } = this.#access;
    if (this.#isCancelled) {
      await call("logout", { refresh_token: body.refresh_token });
    } else {
      adopt(body);
      this.#end();
    }
  }

  /** Stops waiting: with the user who is signed in now, or with an error. */
  #end(/** @type {LoginError | null} */ error = null) {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (waiting === this) waiting = null;
    clearTimeout(this.#timer);
    this.#listeners.abort();
    const stored = readRequest(this.#access); // can be of another sign-in, which was started later
    if (stored?.challenge === this.#request.challenge) storage()?.removeItem(storageName(this.#access));
    if (error) this.#reject(error);
    else this.#resolve(/** @type {User} */ (this.#access.login.user));
  }
}

/**
 * Returns what the site supports.
 * @param {Access} access
 * @param {boolean} fresh  Without the browser's cache.
 * @returns {Promise<Methods>}
 */
export async function methods({ gateway, read, timeout }, fresh) {
  const body = await read(
    fetch(`${gateway}auth/methods`, {
      cache: fresh ? "reload" : "default",
      credentials: "omit",
      redirect: "error",
      signal: timeout(METHODS_TIMEOUT),
    }),
  );
  const { site_url: siteUrl, site_host: siteHost, method, password, browser } = body;
  return { siteUrl, siteHost, method, password, browser };
}

/**
 * Requests the approval, and opens the approval page in a blank tab.
 * @param {Access} access
 * @param {Window | null} tab
 * @returns {Promise<BrowserSignIn>}
 */
export async function start(access, tab) {
  const startedAt = Date.now();
  try {
    if (tab) showWait(tab);
    // As in `signIn`: in a frame under a page of another site, the cookie is dropped.
    const body = await access.call("browser", top === window ? {} : { transport: "token" });
    const approvalUrl = String(body.approval_url);
    if (!/^https?:/.test(approvalUrl)) {
      throw new access.LoginError("site_error", "The site returned an invalid address.", { status: 502 });
    }
    /** @type {ApprovalRequest} */
    const request = {
      challenge: body.challenge,
      approvalUrl,
      siteHost: body.site_host,
      appName: body.app_name,
      expiresAt: Date.now() + body.expires_in * 1000,
      opened: navigate(tab, approvalUrl),
    };
    return new BrowserSignIn(access, request, startedAt);
  } catch (error) {
    tab?.close();
    throw error;
  }
}

/**
 * Continues the sign-in that waited when the page was loaded again. Returns null if no sign-in was waiting.
 * @param {Access} access
 * @returns {BrowserSignIn | null}
 */
export function resume(access) {
  const request = readRequest(access);
  if (request && !access.login.user && Date.now() < request.expiresAt + GRACE * 1000) {
    return waiting?.approvalUrl === request.approvalUrl ? waiting : new BrowserSignIn(access, request, 0);
  }
  storage()?.removeItem(storageName(access));
  return null;
}

/** Shows a text in the blank tab, because the gateway may need seconds. The sandbox of a frame can forbid it. */
function showWait(/** @type {Window} */ tab) {
  try {
    tab.document.documentElement.style.colorScheme = "light dark";
    tab.document.title = tab.document.body.textContent = "Opening ShotGrid…";
  } catch {}
}

/** Returns whether the tab opens the page. The page cannot reach this one. */
function navigate(/** @type {Window | null} */ tab, /** @type {string} */ url) {
  if (!tab) return false;
  try {
    tab.location.replace(url);
    tab.opener = null; // not earlier: in a sandboxed frame, only the opener of a tab can navigate it
    return true;
  } catch {
    tab.close();
    return false;
  }
}

/** @returns {ApprovalRequest | null} */
function readRequest(/** @type {Access} */ access) {
  return JSON.parse(storage()?.getItem(storageName(access)) ?? "null");
}

function storageName(/** @type {Access} */ { gateway }) {
  return `shotgrid-login ${gateway} waiting`;
}

/** Null if the browser denies it. A reload then forgets the request. */
function storage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
