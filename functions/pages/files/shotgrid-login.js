/**
 * Signs users in to a ShotGrid site through the gateway that serves this file, and calls the site as that user.
 *
 * The access token is only in memory. The session is an HttpOnly cookie or, on other sites and in frames, a handle (the
 * gateway's refresh token) in `sessionStorage`. All tabs share it.
 */

/** @typedef {import("./shotgrid-login-browser.js").BrowserSignIn} BrowserSignIn */
/** @typedef {import("./shotgrid-login-browser.js").Methods} Methods */
/** @typedef {{type: string, id: number, login: string}} User  The site's row of the user. */
/** @typedef {"restoring" | "unreachable" | "signed_out" | "signed_in"} State */
/** @typedef {{expiresAt: number, sendCode: (code: string) => Promise<User>}} Challenge  Times are `Date.now()`. */
/**
 * @typedef {object} Session
 * @property {User} user
 * @property {string} site
 * @property {string} accessToken
 * @property {string | undefined} refreshToken  The handle; only with token transport.
 * @property {number} renewAt
 * @property {number} expiresAt
 */

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
  #tokenAfterFailure = ""; // a network error with this token causes no further refresh
  #endDelay = () => {};
  /** @type {Map<string, Promise<void>>} */
  #renewals = new Map(); // by rejected token
  /** @type {BroadcastChannel | undefined} */
  #channel;

  /** @param {string | URL} [gateway]  Default: where this file came from. */
  constructor(gateway = new URL(".", import.meta.url)) {
    super();
    this.#gateway = String(gateway).replace(/\/*$/, "/");
    if (typeof BroadcastChannel === "function") {
      this.#channel = new BroadcastChannel(this.#sharedName);
      this.#channel.onmessage = ({ data }) => this.#onMessage(data ?? {});
    }
    addEventListener("online", () => this.#onWake(false));
    addEventListener("pageshow", (event) => event.persisted && this.#onWake(true));
    document.addEventListener("visibilitychange", () => document.hidden || this.#onWake(false));
    this.restore();
  }

  /** The user who is signed in. */
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
    return this.#browser("methods", fresh);
  }

  /**
   * Opens a tab to sign in to the site. Call it in a click handler, or browsers block the tab.
   * @param {{open?: boolean}} [options]  `open: false` opens no tab.
   * @returns {Promise<BrowserSignIn>}
   */
  signInWithBrowser({ open = true } = {}) {
    return this.#browser("start", open ? openTab() : null);
  }

  /** Continues `signInWithBrowser` after a reload. @returns {Promise<BrowserSignIn | null>} */
  resumeSignIn() {
    return this.#browser("resume", null);
  }

  /**
   * Signs in. Returns null if the user is signed in now, or a challenge if the site requires a code.
   * @param {string} username
   * @param {string} password
   * @returns {Promise<Challenge | null>}
   * @throws {LoginError}
   */
  async signIn(username, password) {
    // In a frame under a page of another site, the cookie is dropped.
    const transport = top === window ? {} : { transport: "token" };
    const body = await this.#call("password", { username, password, ...transport });
    if (body.status === "signed_in") {
      this.#updateSession(body);
      return null;
    }
    return {
      expiresAt: Date.now() + body.expires_in * 1000,
      sendCode: async (code) =>
        this.#updateSession(await this.#call("otp", { challenge: body.challenge, code, ...transport })),
    };
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

  /** Signs out in all tabs. Rejects, and the user stays signed in, if the call fails. */
  async signOut() {
    await this.#withLock(async () => {
      await this.#call("logout", { refresh_token: this.#handle() });
      this.#broadcast("signedout");
      this.#endSession("signedout");
    });
  }

  /** Lets `fetch` send the access token to a studio's own API, such as `https://api.studio.com`. */
  addOrigin(/** @type {string} */ origin) {
    const url = new URL(origin);
    const secure = url.protocol === "https:" || /^(.+\.)?localhost$|^127\.0\.0\.1$/.test(url.hostname);
    if (url.origin !== origin || !secure) throw new TypeError(`not an https origin: ${origin}`);
    this.#apiOrigins.add(origin);
  }

  /**
   * `fetch`, with the access token for the site and the origins of `addOrigin` only. Renews the token before it
   * expires, and after a 401. Then it sends the request again, unless the body is a stream.
   * @param {RequestInfo | URL} input
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   * @throws {LoginError} As `accessToken`.
   */
  async fetch(input, init) {
    const request = new Request(input, init);
    const { origin } = new URL(request.url);
    const { site, user } = await abortable(request.signal, this.#signedInSession());
    const isSite = origin === new URL(site).origin;
    if (!isSite && !this.#apiOrigins.has(origin)) return fetch(request);
    const copy = init?.body instanceof ReadableStream ? null : request.clone();
    const token = await abortable(request.signal, this.accessToken());
    let response, networkError;
    try {
      response = await send(request, token);
    } catch (error) {
      networkError = error;
    }
    // CORS may hide a 401. Refresh once to find out.
    if (response ? response.status === 401 : isSite && !request.signal.aborted && token !== this.#tokenAfterFailure) {
      await abortable(request.signal, this.#renew(token, isSite));
      const newToken = await this.accessToken();
      if (this.user?.id !== user.id) throw new LoginError("session_ended", "Another user has signed in.");
      if (!response) this.#tokenAfterFailure = newToken;
      // After a network error the request may have been processed: only reads are sent again.
      if (newToken !== token && copy && (response || /^(GET|HEAD)$/.test(request.method))) return send(copy, newToken);
    }
    if (!response) throw networkError;
    return response;
  }

  /**
   * The site's access token, fresh enough to be used now. Do not store it.
   * @throws {LoginError} `signed_out`, `session_ended`, or the token cannot be renewed.
   */
  async accessToken() {
    if (Date.now() >= (await this.#signedInSession()).renewAt) await this.#renew();
    return (await this.#signedInSession()).accessToken;
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

  async #browser(/** @type {string} */ name, /** @type {any} */ argument) {
    const file = "./shotgrid-login-browser.js";
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
      adopt: (body) => this.#updateSession(body),
    };
    return module[name](access, argument);
  }

  async #restore() {
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
        if (this.#session) return this.user; // from another tab
        if (!(error instanceof LoginError)) throw error;
        if (error.code === "session_ended") return null;
        this.#problem = error;
        this.#state = "unreachable";
        this.dispatchEvent(new Event("unreachable"));
        if (!error.transient) throw error;
        await this.#delay(Math.max(delay, error.retryAfter ?? 0));
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
        if (session.accessToken !== rejected && Date.now() < session.renewAt) return;
        try {
          await this.#refresh(bySite ? { refused_access_token: rejected } : {}, 3);
        } catch (error) {
          const usable = session.accessToken !== rejected && Date.now() < session.expiresAt;
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
    if (session && (always || Date.now() >= session.expiresAt)) {
      // The next request tries again.
      this.#renew(session.accessToken).catch(() => {});
    }
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
    const session = {
      user: body.user,
      site: body.site_url,
      accessToken: body.access_token,
      refreshToken: body.refresh_token,
      renewAt: Date.now() + (lifetime - Math.min(RENEWAL_MARGIN, lifetime / 2)) * 1000,
      expiresAt: Date.now() + lifetime * 1000,
    };
    this.#setSession(session);
    this.#broadcast("session");
    return session.user;
  }

  #setSession(/** @type {Session} */ session) {
    // Pages drop what they show of another user.
    if (this.user && this.user.id !== session.user.id) this.#endSession("signedout");
    const before = this.user;
    this.#version++;
    this.#session = session;
    this.#state = "signed_in";
    this.#problem = null;
    this.#storeHandle(session.refreshToken);
    storage()?.removeItem(`${this.#sharedName} waiting`);
    this.#endDelay();
    if (!before) this.dispatchEvent(new Event("signedin"));
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
    } else if (kind === "session" && session?.expiresAt > (this.#session?.expiresAt ?? 0)) {
      this.#setSession(session);
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

  /** Runs `action` in one tab at a time. Without Web Locks, the gateway handles races. */
  async #withLock(/** @type {() => Promise<void>} */ action) {
    let started = false;
    try {
      await navigator.locks.request(this.#sharedName, () => {
        started = true;
        return action();
      });
    } catch (error) {
      if (started) throw error;
      await action();
    }
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
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT),
    });
  }

  /** Finds out why there was no response. */
  async #networkError() {
    const module = await import("./shotgrid-login-network.js").catch(() => null);
    const rejected = await module?.originRejected(this.#gateway, () => this.#post("refresh", {}, "omit"));
    return rejected ? new LoginError("origin_not_allowed", rejected, { status: 403 }) : unreachable();
  }
}

function unreachable() {
  const message = navigator.onLine ? "The sign-in service cannot be reached." : "There is no network.";
  return new LoginError("unreachable", message);
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
    signal.throwIfAborted();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}

function send(/** @type {Request} */ request, /** @type {string} */ token) {
  request.headers.set("authorization", `Bearer ${token}`);
  return fetch(request);
}

/** Null if the browser denies it. */
function openTab() {
  try {
    return window.open("about:blank", "_blank");
  } catch {
    return null;
  }
}

/** Null if the browser denies it. */
function storage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

/** The sign-in of this page, through the gateway that served this file. */
export const login = new ShotGridLogin();
