/**
 * Signs people in to a ShotGrid site, through the gateway that serves this file, and reads the site as them.
 *
 * The access token is in memory only. The session is in a cookie that no script can read, or, on pages of another
 * site and in frames, its handle in `sessionStorage`. Tabs of an origin share one session.
 */

/** @typedef {{type: string, id: number, login: string}} User  The site's own row. */
/** @typedef {"restoring" | "unreachable" | "signed_out" | "signed_in"} State */
/**
 * What a sign-in waits for when the site wants a second factor.
 * @typedef {object} Challenge
 * @property {number} expiresAt  Until when the code is taken, in `Date.now()` milliseconds.
 * @property {(code: string) => Promise<User>} sendCode  Takes an app's code or a backup code. Rejects with
 *   `LoginError`: `invalid_otp` has `attemptsLeft`; after `challenge_ended` call `signIn` again.
 */
/**
 * @typedef {object} Session
 * @property {User} user
 * @property {string} site
 * @property {string} accessToken
 * @property {string | undefined} refreshToken  With token transport only.
 * @property {number} renewAt  These two in `Date.now()` milliseconds.
 * @property {number} expiresAt
 */

// Seconds of life below which a token is renewed, or half of what is left; the gateway's own margin is never smaller.
const MARGIN = 30;

// Milliseconds: the gateway answers within 29 seconds or never.
const TIMEOUT = 35_000;

// Longest waits between two tries, in seconds: of a request, and while restoring.
const LONGEST_WAIT = 5;
const LONGEST_REST = 30;

// Seconds that a page with a handle waits for another tab, which may have a newer one.
const TAB_WAIT = 0.25;

/** A refusal, or no answer. Decide by `code`; `message` is for people. */
export class LoginError extends Error {
  /**
   * @param {string} code  The gateway's, or `signed_out` (nobody is signed in), `unreachable` (no answer).
   * @param {string} message
   * @param {{status?: number, attempts_left?: number, retry_after?: number, request_id?: string}} [problem]
   */
  constructor(code, message, problem = {}) {
    super(message);
    this.name = "LoginError";
    this.code = code;
    /** Of HTTP; 0 without an answer. */
    this.status = problem.status ?? 0;
    /** How many more codes are taken. */
    this.attemptsLeft = problem.attempts_left;
    /** Seconds to wait. */
    this.retryAfter = problem.retry_after;
    /** What the gateway's log knows the request by. */
    this.requestId = problem.request_id;
  }

  /** Whether the same may work in a while. */
  get transient() {
    return this.code === "unreachable" || this.code === "too_many_requests" || this.status >= 500;
  }
}

/**
 * Fires `signedin`, `signedout`, `sessionended` (expired, or ended by the site), in whatever tab it happened, and
 * `unreachable` (no answer while restoring; it goes on trying).
 */
export class ShotGridLogin extends EventTarget {
  #gateway;
  #origins = new Set();
  /** @type {Session | null} */
  #session = null;
  /** @type {State} */
  #state = "restoring";
  /** @type {LoginError | null} */
  #problem = null;
  /** @type {Promise<User | null>} */
  #restored = Promise.resolve(null);
  #restoring = false;
  #changes = 0; // of the session: what was asked before one is answered too late
  #doubted = ""; // a new access token, got because a request had no answer
  #hurry = () => {};
  /** @type {Map<string, Promise<void>>} */
  #renewals = new Map();
  /** @type {BroadcastChannel | undefined} */
  #channel;

  /** @param {string | URL} [gateway]  By default where this file came from. */
  constructor(gateway = new URL(".", import.meta.url)) {
    super();
    this.#gateway = String(gateway).replace(/\/*$/, "/");
    if (typeof BroadcastChannel === "function") {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = ({ data }) => this.#heard(data ?? {});
    }
    // The network is back, a page leaves the back-forward cache, where it heard no tab, or a laptop wakes.
    addEventListener("online", () => this.#awake(false));
    addEventListener("pageshow", (event) => event.persisted && this.#awake(true));
    document.addEventListener("visibilitychange", () => document.hidden || this.#awake(false));
    this.restore();
  }

  /** Who is signed in. */
  get user() {
    return this.#session?.user ?? null;
  }

  /** The ShotGrid site's root, without a final slash, while somebody is signed in. */
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

  /** Who was signed in on load, once that is known. Rejects where waiting cannot help: `origin_not_allowed`. */
  get restored() {
    return this.#restored;
  }

  /** Looks for a session now, as on load: after `unreachable`. */
  restore() {
    this.#hurry();
    if (!this.#restoring) {
      this.#restoring = true;
      this.#restored = this.#restore().finally(() => (this.#restoring = false));
      this.#restored.catch((error) => {
        if (!(error instanceof LoginError)) throw error;
      });
    }
    return this.#restored;
  }

  /**
   * Signs in. Null when that was all, a challenge when the site wants a code.
   * @param {string} username
   * @param {string} password
   * @returns {Promise<Challenge | null>}
   * @throws {LoginError}
   */
  async signIn(username, password) {
    // Under a page of another site a frame's cookie is dropped.
    const transport = top === window ? {} : { transport: "token" };
    const answer = await this.#post("password", { username, password, ...transport });
    if (answer.status === "signed_in") {
      this.#signedIn(answer);
      return null;
    }
    return {
      expiresAt: Date.now() + answer.expires_in * 1000,
      sendCode: async (code) =>
        this.#signedIn(await this.#post("otp", { challenge: answer.challenge, code, ...transport })),
    };
  }

  /**
   * Calls back with who is signed in: now, if somebody is, and whenever somebody else is.
   * @param {(user: User) => void} callback
   */
  onSignedIn(callback) {
    const call = () => this.user && callback(this.user);
    this.addEventListener("signedin", call);
    call();
  }

  /** Waits until somebody is signed in. @returns {Promise<User>} */
  async signedIn() {
    return (
      this.user ??
      new Promise((resolve) =>
        this.addEventListener("signedin", () => resolve(/** @type {User} */ (this.user)), { once: true }),
      )
    );
  }

  /** Signs out, in all tabs. Rejects, still signed in, where the gateway could not be told. */
  async signOut() {
    await this.#alone(async () => {
      await this.#post("logout", this.#handle());
      this.#tell("signedout");
      this.#drop("signedout");
    });
  }

  /**
   * Lets `fetch` send the bearer to a studio's own API.
   * @param {string} origin  Such as `https://api.studio.com`.
   */
  addOrigin(origin) {
    const url = new URL(origin);
    const secure = url.protocol === "https:" || /^(.+\.)?localhost$|^127\.0\.0\.1$/.test(url.hostname);
    if (url.origin !== origin || !secure) throw new TypeError(`not an https origin, such as https://HOST: ${origin}`);
    this.#origins.add(origin);
  }

  /**
   * `fetch`, with the bearer for the site and the origins of `addOrigin` only. Renews the token before it expires, and
   * once after a 401, which says that a request was not carried out (RFC 9110, 15.5.2): it is sent again, unless its
   * body is a stream.
   * @param {RequestInfo | URL} input
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   * @throws {LoginError} As `accessToken`.
   */
  async fetch(input, init) {
    const request = new Request(input, init);
    const { origin } = new URL(request.url);
    const { site, user } = await unless(request.signal, this.#signedInSession());
    const ofSite = origin === new URL(site).origin;
    if (!ofSite && !this.#origins.has(origin)) return fetch(request);
    const again = init?.body instanceof ReadableStream ? null : request.clone();
    const token = await unless(request.signal, this.accessToken());
    let response, failure;
    try {
      response = await send(request, token);
    } catch (error) {
      failure = error;
    }
    // No answer may be a 401 that the site lets no page read: the gateway finds out, once.
    if (response ? response.status === 401 : ofSite && !request.signal.aborted && token !== this.#doubted) {
      await unless(request.signal, this.#renew(token, ofSite));
      const newer = await this.accessToken();
      if (this.user?.id !== user.id) throw new LoginError("session_ended", "Somebody else has signed in.");
      if (!response) this.#doubted = newer;
      // What had no answer may have been carried out: only what reads is sent again.
      if (newer !== token && again && (response || /^(GET|HEAD)$/.test(request.method))) return send(again, newer);
    }
    if (!response) throw failure;
    return response;
  }

  /**
   * The site's access token, fresh enough to be used now; keep it nowhere.
   * @throws {LoginError} `signed_out`, `session_ended`, or no new token to be had.
   */
  async accessToken() {
    if (Date.now() >= (await this.#signedInSession()).renewAt) await this.#renew();
    return (await this.#signedInSession()).accessToken;
  }

  async #signedInSession() {
    await this.#restored;
    if (!this.#session) throw new LoginError("signed_out", "Nobody is signed in.");
    return this.#session;
  }

  get #name() {
    return `shotgrid-login ${this.#gateway}`;
  }

  async #restore() {
    this.#tell("ask");
    if (this.#handle().refresh_token) await this.#pause(TAB_WAIT);
    for (let wait = 1; ; wait = Math.min(wait * 2, LONGEST_REST)) {
      try {
        await this.#alone(async () => {
          // Another tab may have been faster.
          if (!this.#session) await this.#refresh();
        });
        if (!this.#session) this.#state = "signed_out";
        this.#problem = null;
        return this.user;
      } catch (error) {
        if (this.#session) return this.user; // another tab knew
        if (!(error instanceof LoginError)) throw error;
        if (error.code === "session_ended") return null;
        this.#problem = error;
        this.#state = "unreachable";
        this.dispatchEvent(new Event("unreachable"));
        if (!error.transient) throw error;
        await this.#pause(Math.max(wait, error.retryAfter ?? 0));
      }
    }
  }

  /** Waits, unless something makes it hurry. */
  #pause(/** @type {number} */ seconds) {
    return new Promise((resolve) => {
      this.#hurry = () => resolve(undefined);
      setTimeout(resolve, seconds * 1000);
    });
  }

  /**
   * Gets a token other than the `refused` one, unless the gateway says that it is good.
   * @param {string} [refused]
   * @param {boolean} [bySite]  The gateway must ask the site.
   */
  #renew(refused = "", bySite = false) {
    let renewal = this.#renewals.get(refused);
    if (!renewal) {
      renewal = this.#alone(async () => {
        const session = this.#session;
        if (!session) return;
        // Another tab or request may have been faster.
        if (session.accessToken !== refused && Date.now() < session.renewAt) return;
        try {
          await this.#refresh(bySite ? { refused_access_token: refused } : {}, 3);
        } catch (error) {
          const usable = session.accessToken !== refused && Date.now() < session.expiresAt;
          if (!(usable && error instanceof LoginError && error.transient)) throw error;
        }
      }).finally(() => this.#renewals.delete(refused));
      this.#renewals.set(refused, renewal);
    }
    return renewal;
  }

  /** @param {boolean} always  Ask the gateway even while the token has not expired. */
  #awake(always) {
    this.#hurry();
    const session = this.#session;
    if (session && (always || Date.now() >= session.expiresAt)) {
      // An end tells itself; for the rest, the next request tries again.
      this.#renew(session.accessToken).catch(() => {});
    }
  }

  /** Throws `session_ended` when a session was there and is over. */
  async #refresh(told = {}, tries = 1) {
    const before = this.#session;
    const changes = this.#changes;
    let ended;
    try {
      const answer = await this.#post("refresh", { ...this.#handle(), ...told }, tries);
      if (this.#changes !== changes) return; // signed out or in meanwhile, here or in another tab
      if (answer.status === "signed_in") this.#signedIn(answer);
      else if (before) ended = new LoginError("session_ended", "The session has ended.");
    } catch (error) {
      if (!(error instanceof LoginError && error.code === "session_ended")) throw error;
      if (this.#changes !== changes) return;
      ended = error;
    }
    if (!ended) return;
    if (before) this.#tell("sessionended");
    this.#drop("sessionended");
    throw ended;
  }

  #signedIn(/** @type {any} */ answer) {
    const life = answer.expires_in;
    const session = {
      user: answer.user,
      site: answer.site_url,
      accessToken: answer.access_token,
      refreshToken: answer.refresh_token,
      renewAt: Date.now() + (life - Math.min(MARGIN, life / 2)) * 1000,
      expiresAt: Date.now() + life * 1000,
    };
    this.#adopt(session);
    this.#tell("session");
    return session.user;
  }

  #adopt(/** @type {Session} */ session) {
    const before = this.#session;
    this.#changes++;
    this.#session = session;
    this.#state = "signed_in";
    this.#problem = null;
    this.#store(session.refreshToken);
    this.#hurry();
    if (before?.user.id !== session.user.id) this.dispatchEvent(new Event("signedin"));
  }

  #drop(/** @type {"signedout" | "sessionended"} */ event) {
    this.#changes++;
    this.#session = null;
    this.#state = "signed_out";
    this.#problem = null;
    this.#store(undefined);
    this.dispatchEvent(new Event(event));
  }

  #tell(/** @type {"ask" | "session" | "signedout" | "sessionended"} */ kind) {
    this.#channel?.postMessage({ kind, id: this.#id(), session: kind === "session" ? this.#session : null });
  }

  /** What another tab tells. */
  #heard(/** @type {any} */ { kind, id, session }) {
    if (kind === "ask" && this.#session) {
      this.#tell("session");
    } else if (kind === "session" && session?.expiresAt > (this.#session?.expiresAt ?? 0)) {
      this.#adopt(session);
    } else if ((kind === "signedout" || kind === "sessionended") && id === this.#id()) {
      this.#changes++;
      if (this.#session) this.#drop(kind);
    }
  }

  /** Which session this tab has, null with the cookie, which all tabs share. */
  #id() {
    return this.#handle().refresh_token?.split(".")[0] ?? null;
  }

  /** What the gateway knows the session by, where the cookie does not say it. */
  #handle() {
    const handle = this.#session ? this.#session.refreshToken : storage()?.getItem(this.#name);
    return handle ? { refresh_token: handle } : {};
  }

  #store(/** @type {string | undefined} */ handle) {
    if (handle) storage()?.setItem(this.#name, handle);
    else storage()?.removeItem(this.#name);
  }

  /** Does something while no other tab does, unless there are no Web Locks, or denied: the gateway copes. */
  async #alone(/** @type {() => Promise<void>} */ what) {
    let begun = false;
    try {
      await navigator.locks.request(this.#name, () => {
        begun = true;
        return what();
      });
    } catch (error) {
      if (begun) throw error;
      await what();
    }
  }

  /** @returns {Promise<any>} */
  async #post(/** @type {string} */ route, /** @type {object} */ body, tries = 1) {
    for (let tried = 1; ; tried++) {
      try {
        return await this.#postOnce(route, body);
      } catch (error) {
        if (!(error instanceof LoginError)) throw error;
        if (!error.transient || tried >= tries) throw error;
        const wait = Math.min(error.retryAfter ?? tried, LONGEST_WAIT);
        await new Promise((resolve) => setTimeout(resolve, wait * 1000));
      }
    }
  }

  async #postOnce(/** @type {string} */ route, /** @type {object} */ body) {
    const response = await this.#ask(route, body, "include").catch(() => null);
    if (!response) throw await this.#unanswered();
    if (response.status === 204) return {};
    const answer = (await response.json().catch(() => null)) ?? {};
    if (response.ok) {
      if (["signed_in", "signed_out", "otp_required"].includes(answer.status)) return answer;
      throw new LoginError("unreachable", "The answer of the sign-in service was lost.");
    }
    const problem = { ...answer, status: response.status };
    throw new LoginError(answer.code ?? "gateway_error", answer.detail ?? "The sign-in service has failed.", problem);
  }

  #ask(/** @type {string} */ route, /** @type {object} */ body, /** @type {RequestCredentials} */ credentials) {
    return fetch(`${this.#gateway}auth/${route}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      credentials,
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT),
    });
  }

  /** Why there was no answer: browsers hide refusals of other origins. */
  async #unanswered() {
    const options = /** @type {RequestInit} */ ({ cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
    // Any page may read this file, only an allowed one the answer to a refresh of nothing. Twice, as networks blink.
    for (let round = 0; round < 2; round++) {
      const there = await fetch(`${this.#gateway}shotgrid-login.js`, options).catch(() => null);
      if (!there?.ok || (await this.#ask("refresh", {}, "omit").catch(() => null))) {
        const message = navigator.onLine ? "The sign-in service cannot be reached." : "There is no network.";
        return new LoginError("unreachable", message);
      }
    }
    const message = `The sign-in service is not set up for pages at ${location.origin}.`;
    return new LoginError("origin_not_allowed", message, { status: 403 });
  }
}

/**
 * @template T
 * @param {AbortSignal} signal
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
function unless(signal, promise) {
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

/** Null where the browser denies it: then the handle lives as long as the page. */
function storage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

/** The sign-in of this page, through the gateway that served this file. */
export const login = new ShotGridLogin();
