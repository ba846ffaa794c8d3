/**
 * Signs users in to a ShotGrid site through the gateway that serves this file, and calls the site as that user.
 *
 * The access token is only in memory. The session is an HttpOnly cookie or, on other sites and in frames, a handle (the
 * gateway's refresh token) in `sessionStorage`. All tabs share it.
 */

/** @typedef {import("./shotgrid-login-browser.js").BrowserSignIn} BrowserSignIn */
/** @typedef {import("./shotgrid-login-browser.js").Methods} Methods */
/** @typedef {import("./shotgrid-login-password.js").Challenge} Challenge */
/** @typedef {import("./shotgrid-login-tabs.js").Session} Session */
/** @typedef {{type: string, id: number, login: string}} User  The site's row of the user. */
/** @typedef {"restoring" | "unreachable" | "signed_out" | "signed_in"} State */

// Seconds before expiry at which a token is renewed; at most half its lifetime. The gateway's margin is not smaller.
const RENEWAL_MARGIN = 30;

// Milliseconds. The gateway responds within 29 seconds or never.
const TIMEOUT = 35_000;

// Longest delays between tries. Seconds.
const MAX_RETRY_DELAY = 5;
const MAX_RESTORE_DELAY = 30;

// Seconds that a page with a handle waits for a tab with a newer one.
const OTHER_TAB_DELAY = 0.25;

/** An error response, or no response. Decide by `code`; `message` is for users. */
export class LoginError extends Error {
  /**
   * @param {string} code  The gateway's, or `signed_out`, `unreachable` (no response), `cancelled`.
   * @param {string} message
   * @param {{status?: number, attempts_left?: number, retry_after?: number, request_id?: string}} [problem]
   */
  constructor(code, message, problem = {}) {
    super(message);
    this.name = "LoginError";
    this.code = code;
    /** HTTP status; 0 without a response. */
    this.status = problem.status ?? 0;
    /** Attempts left for this challenge. */
    this.attemptsLeft = problem.attempts_left;
    /** Seconds to wait. */
    this.retryAfter = problem.retry_after;
    /** The request's id in the gateway's log. */
    this.requestId = problem.request_id;
  }

  /** Whether the same call may succeed later. */
  get transient() {
    return this.code === "unreachable" || this.code === "too_many_requests" || this.status >= 500;
  }
}

/**
 * Fires `signedin`, `signedout` and `sessionended` (expired, or ended by the site) in all tabs, and `unreachable`
 * (no session was found, because the gateway failed).
 */
export class ShotGridLogin extends EventTarget {
  #gateway;
  #apiOrigins = new Set();
  /** @type {Session | null} */
  #session = null;
  /** @type {State} */
  #state = "restoring";
  /** @type {LoginError | null} */
  #problem = null;
  /** @type {Promise<User | null>} */
  #restored = Promise.resolve(null);
  #restoring = false;
  #version = 0; // incremented on every session change; responses to older requests are dropped
  #newest = { number: 0, tie: 0 }; // of the newest session that this tab knows
  #endDelay = () => {};
  /** @type {Map<string, Promise<void>>} */
  #renewals = new Map(); // by rejected token
  #channel;

  /** @param {string | URL} [gateway]  Default: where this file came from. */
  constructor(gateway = new URL(".", import.meta.url)) {
    super();
    this.#gateway = String(gateway).replace(/\/*$/, "/");
    this.#channel = allowed(() => new BroadcastChannel(this.#sharedName));
    if (this.#channel) this.#channel.onmessage = ({ data }) => this.#onMessage(data ?? {});
    addEventListener("online", () => this.#onWake(false));
    addEventListener("pageshow", (event) => event.persisted && this.#onWake(true));
    document.addEventListener("visibilitychange", () => document.hidden || this.#onWake(false));
    this.restore();
  }

  /** The user who is signed in. @returns {User | null} */
  get user() {
    return this.#session?.user ?? null;
  }

  /** The site's root without a final slash, while a user is signed in. */
  get site() {
    return this.#session?.site ?? null;
  }

  get state() {
    return this.#state;
  }

  /** Why the state is `unreachable`. */
  get problem() {
    return this.#problem;
  }

  /** The user who was signed in on load, or null. Rejects if waiting cannot help: `origin_not_allowed`. */
  get restored() {
    return this.#restored;
  }

  /** Looks for a session now, as on load. */
  restore() {
    this.#endDelay();
    if (!this.#restoring) {
      this.#restoring = true;
      this.#restored = this.#restore().finally(() => (this.#restoring = false));
      this.#restored.catch((error) => {
        if (!(error instanceof LoginError)) throw error;
      });
    }
    return this.#restored;
  }

  /** How users can sign in to the site. @returns {Promise<Methods>} */
  methods({ fresh = false } = {}) {
    return this.#run("browser", "methods", fresh);
  }

  /**
   * Opens a tab to sign in to the site. Call it in a click handler, or browsers block the tab.
   * @param {{open?: boolean}} [options]  `open: false` opens no tab.
   * @returns {Promise<BrowserSignIn>}
   */
  signInWithBrowser({ open = true } = {}) {
    return this.#run("browser", "start", open ? allowed(() => window.open("about:blank", "_blank")) : null);
  }

  /** Continues `signInWithBrowser` after a reload. @returns {Promise<BrowserSignIn | null>} */
  resumeSignIn() {
    return this.#run("browser", "resume");
  }

  /**
   * Signs in. Returns null if the user is signed in now, or a challenge if the site requires a code.
   * @returns {Promise<Challenge | null>}
   * @throws {LoginError}
   */
  signIn(/** @type {string} */ username, /** @type {string} */ password) {
    return this.#run("password", "signIn", { username, password });
  }

  /** Makes a sign-in faster: starts the gateway's functions. Call it when you show a form. */
  warmUp(/** @type {"password" | "browser"} */ way = "password") {
    this.#run("warm-up", "warmUp", way).catch(() => {});
  }

  /** Stops looking for a session that cannot be restored now, so that the user can sign in. A sign-in ends that session. */
  signInAgain() {
    if (this.#session) return;
    this.#version++;
    this.#state = "signed_out";
    this.#problem = null;
    this.#endDelay();
  }

  /** Calls back with the user: now, if one is signed in, and whenever another one signs in. */
  onSignedIn(/** @type {(user: User) => void} */ callback) {
    const call = () => this.user && callback(this.user);
    this.addEventListener("signedin", call);
    call();
  }

  /** Waits for a user. @returns {Promise<User>} */
  signedIn() {
    return new Promise((resolve) => this.onSignedIn(resolve));
  }

  /**
   * Signs out in all tabs. Rejects, and the user stays signed in, if the call fails.
   * @param {{everywhere?: boolean}} [options]  `everywhere: true` ends all sessions of the user, on all devices.
   */
  async signOut({ everywhere } = {}) {
    await this.#withLock(async () => {
      await this.#call("logout", { refresh_token: this.#handle(), everywhere });
      this.#broadcast("signedout");
      this.#endSession("signedout");
    });
  }

  /** Lets `fetch` send the API token to a studio's own API, such as `https://api.studio.com`. */
  addOrigin(/** @type {string} */ origin) {
    const isSecure = /^https:|^http:..(127\.0\.0\.1|(.+\.)?localhost)(:|$)/.test(origin);
    if (new URL(origin).origin !== origin || !isSecure) throw new TypeError(`not an https origin: ${origin}`);
    this.#apiOrigins.add(origin);
  }

  /**
   * `fetch` as the user. The site receives the access token, the origins of `addOrigin` receive the API token.
   * @param {RequestInfo | URL} input
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   * @throws {LoginError} As `accessToken`.
   */
  async fetch(input, init) {
    const isStream = init?.body instanceof ReadableStream;
    return this.#run("fetch", "fetchWithToken", { request: new Request(input, init), isStream });
  }

  /**
   * The site's access token, fresh enough to be used now. Send it to the site only, and do not store it.
   * @returns {Promise<string>}
   * @throws {LoginError} `signed_out`, `session_ended`, or the token cannot be renewed.
   */
  async accessToken() {
    return (await this.#run("fetch", "freshSession")).accessToken;
  }

  /** The token for studio APIs. The site does not accept it. Do not store it. @returns {Promise<string>} */
  async apiToken() {
    return (await this.#run("fetch", "freshSession")).apiToken;
  }

  async #signedInSession() {
    await this.#restored;
    if (!this.#session) throw new LoginError("signed_out", "No user is signed in.");
    return this.#session;
  }

  /** Name of the channel, the lock and the storage item. */
  get #sharedName() {
    return `shotgrid-login ${this.#gateway}`;
  }

  /** Runs a function of a module that only some pages need. */
  async #run(/** @type {string} */ name, /** @type {string} */ action, /** @type {any} */ argument = null) {
    const file = `./shotgrid-login-${name}.js`;
    // Firefox caches a failed import.
    const module = await import(file).catch(() => import(`${file}?${Date.now()}`)).catch(() => {
      argument?.close?.();
      throw unreachable();
    });
    /** @type {import("./shotgrid-login-browser.js").Access} */
    const access = {
      login: this,
      LoginError,
      gateway: this.#gateway,
      read: (request) => this.#read(request),
      call: (route, fields) => this.#call(route, fields),
      handle: () => this.#handle(),
      adopt: (body) => this.#updateSession(body),
      session: () => this.#signedInSession(),
      renew: (token, bySite) => this.#renew(token, bySite),
      apiOrigins: this.#apiOrigins,
      timeout,
    };
    return module[action](access, argument);
  }

  async #restore() {
    const version = this.#version;
    this.#broadcast("ask");
    if (this.#handle()) await this.#delay(OTHER_TAB_DELAY);
    for (let delay = 1; ; delay = Math.min(delay * 2, MAX_RESTORE_DELAY)) {
      try {
        await this.#withLock(async () => {
          // Another tab may have sent its session.
          if (!this.#session) await this.#refresh();
        });
        if (!this.#session) this.#state = "signed_out";
        this.#problem = null;
        return this.user;
      } catch (error) {
        // The session has ended, another tab has sent one, or the user signs in again.
        if (this.#version !== version) return this.user;
        const problem = error instanceof LoginError ? error : unreachable();
        this.#problem = problem;
        this.#state = "unreachable";
        this.dispatchEvent(new Event("unreachable"));
        if (!problem.transient || problem !== error) throw error;
        await this.#delay(Math.max(delay, problem.retryAfter ?? 0));
        if (this.#version !== version) return this.user;
      }
    }
  }

  #delay(/** @type {number} */ seconds) {
    return new Promise((resolve) => {
      this.#endDelay = () => resolve(undefined);
      setTimeout(resolve, seconds * 1000);
    });
  }

  /** Gets a token other than `rejected`. `bySite`: the site rejected it, so the gateway must call the site. */
  #renew(rejected = "", bySite = false) {
    let renewal = this.#renewals.get(rejected);
    if (!renewal) {
      renewal = this.#withLock(async () => {
        const session = this.#session;
        if (!session) return;
        // Another tab or request may have renewed it.
        const isOther = ![session.accessToken, session.apiToken].includes(rejected);
        if (isOther && Date.now() < session.renewAt) return;
        try {
          await this.#refresh(bySite ? { refused_access_token: rejected } : {}, 3);
        } catch (error) {
          const usable = isOther && Date.now() < session.expiresAt;
          if (!(usable && error instanceof LoginError && error.transient)) throw error;
        }
      }).finally(() => this.#renewals.delete(rejected));
      this.#renewals.set(rejected, renewal);
    }
    return renewal;
  }

  /** `always`: also if the token has not expired. */
  #onWake(/** @type {boolean} */ always) {
    this.#endDelay();
    const session = this.#session;
    if (!session || !(always || Date.now() >= session.expiresAt)) return;
    // Other tabs may have a newer handle. If the renewal fails, the next request tries again.
    this.restore().then(() => this.#renew(session.accessToken)).catch(() => {});
  }

  /** Throws `session_ended` if there was a session and it has ended. */
  async #refresh(fields = {}, tries = 1) {
    const before = this.#session;
    const version = this.#version;
    let ended;
    try {
      const body = await this.#call("refresh", { refresh_token: this.#handle(), ...fields }, tries);
      if (this.#version !== version) return;
      if (body.status === "signed_in") this.#updateSession(body);
      else if (before) ended = new LoginError("session_ended", "The session has ended.");
    } catch (error) {
      if (!(error instanceof LoginError && error.code === "session_ended")) throw error;
      if (this.#version !== version) return;
      ended = error;
    }
    if (!ended) return;
    if (before) this.#broadcast("sessionended");
    this.#endSession("sessionended");
    throw ended;
  }

  #updateSession(/** @type {any} */ body) {
    const lifetime = body.expires_in;
    const now = Date.now();
    this.#setSession({
      user: body.user,
      site: body.site_url,
      accessToken: body.access_token,
      apiToken: body.api_token,
      refreshToken: body.refresh_token,
      renewAt: now + (lifetime - Math.min(RENEWAL_MARGIN, lifetime / 2)) * 1000,
      expiresAt: now + lifetime * 1000,
      number: Math.max(now, this.#newest.number + 1), // larger than those of all sessions that this tab knows
      tie: Math.random(),
    });
    this.#broadcast("session");
    return body.user;
  }

  #setSession(/** @type {Session} */ session) {
    // Pages drop what they show of another user.
    if (this.user && this.user.id !== session.user.id) this.#endSession("signedout");
    const before = this.user;
    this.#version++;
    this.#newest = { number: session.number, tie: session.tie };
    this.#session = session;
    this.#state = "signed_in";
    this.#problem = null;
    this.#storeHandle(session.refreshToken);
    storage()?.removeItem(`${this.#sharedName} waiting`);
    if (before) return;
    this.#endDelay();
    import("./shotgrid-login-fetch.js").catch(() => {}); // most pages need it next
    this.dispatchEvent(new Event("signedin"));
  }

  #endSession(/** @type {"signedout" | "sessionended"} */ event) {
    this.#version++;
    this.#session = null;
    this.#state = "signed_out";
    this.#problem = null;
    this.#storeHandle(undefined);
    this.dispatchEvent(new Event(event));
  }

  /** `ask` requests the session of other tabs. */
  #broadcast(/** @type {"ask" | "session" | "signedout" | "sessionended"} */ kind) {
    this.#channel?.postMessage({ kind, id: this.#sessionId(), session: kind === "session" ? this.#session : null });
  }

  #onMessage(/** @type {any} */ { kind, id, session }) {
    if (kind === "ask" && this.#session) {
      this.#broadcast("session");
    } else if (kind === "session" && (session?.number - this.#newest.number || session?.tie - this.#newest.tie) > 0) {
      this.#setSession(session); // no two have the same tie, so all tabs agree which session is the newest
    } else if ((kind === "signedout" || kind === "sessionended") && id === this.#sessionId()) {
      this.#version++;
      if (this.#session) this.#endSession(kind);
    }
  }

  /** Null with the cookie, which all tabs share. */
  #sessionId() {
    return this.#handle()?.split(".")[0] ?? null;
  }

  /** Identifies the session to the gateway; undefined with the cookie. */
  #handle() {
    return (this.#session ? this.#session.refreshToken : storage()?.getItem(this.#sharedName)) || undefined;
  }

  #storeHandle(/** @type {string | undefined} */ handle) {
    if (handle) storage()?.setItem(this.#sharedName, handle);
    else storage()?.removeItem(this.#sharedName);
  }

  /** Runs `action` in one tab at a time, with the newest handle. Without Web Locks, the gateway handles races. */
  async #withLock(/** @type {() => Promise<void>} */ action) {
    let started = false;
    const run = async () => {
      started = true;
      await this.#settle();
      await action().finally(() => this.#settle());
    };
    try {
      await navigator.locks.request(this.#sharedName, run);
    } catch (error) {
      if (started) throw error;
      await run();
    }
  }

  /** Waits until messages have arrived, so that all tabs use the newest handle. With the cookie, the browser has it. */
  async #settle() {
    if (!this.#handle() || !this.#channel) return;
    const module = await import("./shotgrid-login-tabs.js").catch(() => null);
    await module?.settle(this.#channel);
  }

  async #call(/** @type {string} */ route, /** @type {object} */ fields, tries = 1) {
    for (let tried = 1; ; tried++) {
      try {
        return await this.#read(this.#post(route, fields, "include"));
      } catch (error) {
        if (!(error instanceof LoginError)) throw error;
        if (!error.transient || tried >= tries) throw error;
        const delay = Math.min(error.retryAfter ?? tried, MAX_RETRY_DELAY);
        await new Promise((resolve) => setTimeout(resolve, delay * 1000));
      }
    }
  }

  async #read(/** @type {Promise<Response>} */ request) {
    const response = await request.catch(() => null);
    if (!response) throw await this.#networkError();
    if (response.status === 204) return {};
    const body = (await response.json().catch(() => null)) ?? {};
    if (response.ok) {
      if (body.status ?? body.method) return body;
      throw unreachable();
    }
    const problem = { ...body, status: response.status };
    throw new LoginError(body.code ?? "gateway_error", body.detail ?? "The sign-in service has failed.", problem);
  }

  #post(/** @type {string} */ route, /** @type {object} */ fields, /** @type {RequestCredentials} */ credentials) {
    return fetch(`${this.#gateway}auth/${route}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(fields),
      credentials,
      redirect: "error",
      signal: timeout(TIMEOUT),
    });
  }

  /** Finds out why there was no response. */
  async #networkError() {
    const module = await import("./shotgrid-login-network.js").catch(() => null);
    const rejected = await module?.originRejected(this.#gateway, timeout, () => this.#post("refresh", {}, "omit"));
    return rejected ? new LoginError("origin_not_allowed", rejected, { status: 403 }) : unreachable();
  }
}

function unreachable() {
  const message = navigator.onLine ? "The sign-in service cannot be reached." : "There is no network.";
  return new LoginError("unreachable", message);
}

/** `AbortSignal.timeout`, which older browsers do not have. */
function timeout(/** @type {number} */ ms) {
  if (AbortSignal.timeout) return AbortSignal.timeout(ms);
  const controller = new AbortController();
  setTimeout(() => controller.abort(), ms);
  return controller.signal;
}

function storage() {
  return allowed(() => sessionStorage);
}

/** Null if the browser denies it. @template T @param {() => T} action */
function allowed(action) {
  try {
    return action();
  } catch {
    return null;
  }
}

/** The sign-in of this page, through the gateway that served this file. */
export const login = new ShotGridLogin();
