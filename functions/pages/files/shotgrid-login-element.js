/**
 * `<shotgrid-login>`: offers the ways to sign in that the site supports. In the browser: a button that opens the site
 * in a new tab, then a wait for the approval there. With a password: fields for user name and password, then a field
 * for the code if the site requires one. After sign-in it shows the user and a button to sign out. The element's
 * content is visible only while a user is signed in.
 *
 * The attribute `state` (`restoring`, `unreachable`, `browser`, `waiting`, `password`, `code`, `signed-in`) is for a
 * page's style sheet. A page's code listens to the events of `login` instead. The element is built with DOM calls and a
 * constructed style sheet, so it works under the strictest Content Security Policy and Trusted Types.
 */

import { LoginError, login } from "./shotgrid-login.js";
import { STYLE } from "./shotgrid-login-style.js";
import { TEXTS, errorText, formatTime, noticeText, passwordDisabledText } from "./shotgrid-login-texts.js";

export { LoginError, login };

/** @typedef {import("./shotgrid-login.js").BrowserSignIn} BrowserSignIn */
/** @typedef {import("./shotgrid-login.js").Challenge} Challenge */
/** @typedef {import("./shotgrid-login.js").Methods} Methods */

// Times before the end of a challenge at which a screen reader announces the time left. Seconds.
const ANNOUNCED_TIMES = [60, 20];

// Milliseconds without a response after which the element shows all ways to sign in. A gateway that has just started
// needs about 2 s, and waits for the site for 4 s.
const METHODS_DELAY = 8000;

// Milliseconds after which the hint to close the site's tab disappears.
const HINT_DELAY = 60_000;

/** @type {Methods} */
const UNKNOWN = { siteUrl: "", siteHost: "", method: "unknown", password: "unknown", browser: "unknown" };

export class ShotGridLoginElement extends HTMLElement {
  /** @type {Methods | null} */
  #methods = null; // null until they are known
  /** @type {"browser" | "password" | null} */
  #choice = null; // the way that the user has chosen
  /** @type {BrowserSignIn | null} */
  #waiting = null;
  /** @type {Challenge | null} */
  #challenge = null;
  #busy = false;
  #retrying = false;
  #hasBrowserFailed = false;
  #signedInWithBrowser = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #hintTimer; // removes the hint about the other tab
  #blockedUntil = 0; // `Date.now()` milliseconds; before this time the gateway rejects further attempts
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #listeners = new AbortController();

  #notice = node("p", { class: "notice", part: "notice", id: "notice" });
  #problem = node("p", { class: "problem", part: "error", role: "alert", id: "problem" });
  #status = node("p", { class: "status", part: "status", role: "status" });
  #announcement = node("p", { class: "visually-hidden", role: "status" });
  #username = input({ name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false" });
  #password = input({
    name: "password",
    autocomplete: "current-password",
    type: "password",
    "aria-describedby": "problem password-hint",
  });
  #passwordHint = node("p", { class: "hint", id: "password-hint" });
  #code = input({
    name: "code",
    autocomplete: "one-time-code",
    autocapitalize: "none",
    spellcheck: "false",
    "aria-describedby": "problem code-hint",
  });
  #countdown = node("span", { class: "countdown", part: "countdown" });
  #codeKindButton = button("plain", "link");
  #submitButton = node("button", { type: "submit", class: "primary", part: "button" });
  #retryButton = button("primary", "button");
  #signInAgainButton = button("plain", "link", {}, "Sign in again");
  #browserButton = button("primary", "button", { "aria-describedby": "browser-hint" });
  #toBrowserButton = button("plain", "link", {}, "Sign in with the browser instead");
  #toPasswordButton = button("plain", "link");
  #signOutButton = button("", "sign-out");
  #signedInAs = node("p", { part: "user", tabindex: "-1" });
  #heading = node("h2", { part: "heading" }, node("slot", { name: "heading" }, "Sign in to ShotGrid"));
  #passwordStep = node(
    "div",
    { class: "step" },
    field("User name", this.#username),
    field("Password", this.#password, this.#passwordHint),
  );
  #codeStep = node("div", { class: "step code" });
  #codeOptions = node("div", { class: "options" });
  #form = node(
    "form",
    { part: "form", novalidate: "" },
    ...[this.#passwordStep, this.#codeStep, this.#submitButton, this.#codeOptions, this.#toBrowserButton],
  );
  #browserStep = node(
    "div",
    { class: "step" },
    this.#browserButton,
    node("p", { class: "hint", id: "browser-hint" }, TEXTS.browserHint),
    this.#toPasswordButton,
  );
  #waitingText = node("p", { tabindex: "-1", id: "waiting" });
  #approvalLink = node("a", {
    target: "_blank",
    rel: "noopener noreferrer",
    part: "button",
    "aria-describedby": "waiting decline-hint",
  });
  #frameHint = node("p", { class: "hint" });
  #waitingCountdown = node("span", { class: "countdown busy", part: "countdown" });
  #waitingStep = node("div", { class: "step" }, this.#waitingText);
  #user = node("div", { class: "user" }, this.#signedInAs, this.#signOutButton);
  #content = node("slot", {});

  constructor() {
    super();
    const startAgain = button("plain", "link", {}, "Start again");
    const cancel = button("plain", "link", {}, "Cancel");
    this.#codeStep.append(
      field("Code", this.#code, node("p", { class: "hint", id: "code-hint" }, TEXTS.codeHint)),
      this.#countdown,
    );
    this.#codeOptions.append(this.#codeKindButton, startAgain);
    this.#waitingStep.append(
      ...[node("p", { class: "hint", id: "decline-hint" }, TEXTS.declineHint), this.#approvalLink, this.#frameHint],
      node("div", { class: "options" }, this.#waitingCountdown, cancel),
    );

    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#onSubmit();
    });
    this.#codeKindButton.addEventListener("click", () => {
      this.#setCodeKind(this.#code.inputMode === "numeric" ? "text" : "numeric");
      this.#code.focus();
    });
    startAgain.addEventListener("click", () => this.#backToPassword());
    this.#retryButton.addEventListener("click", () => {
      this.#retrying = true;
      this.#renderWhenRestored(login.restore());
      this.#render();
    });
    this.#signInAgainButton.addEventListener("click", async () => {
      login.signInAgain();
      this.#showProblem("");
      await this.#loadMethods();
      this.focus();
    });
    this.#username.addEventListener("input", () => {
      this.#blockedUntil = 0; // the wait was for another user name
      this.#renderTimes();
    });
    for (const start of [this.#browserButton, this.#toBrowserButton]) {
      start.addEventListener("click", () => this.#startInBrowser());
    }
    this.#toPasswordButton.addEventListener("click", () => {
      if (this.#busy) return;
      this.#choice = "password";
      this.#showProblem("");
      this.#render();
      this.#username.focus();
    });
    cancel.addEventListener("click", () => this.#waiting?.cancel());
    this.#signOutButton.addEventListener("click", () => this.#run(() => login.signOut()));

    const card = node(
      "section",
      { class: "card", part: "card" },
      ...[this.#heading, this.#notice, this.#problem, this.#status, this.#announcement, this.#browserStep],
      ...[this.#waitingStep, this.#form, this.#retryButton, this.#signInAgainButton, this.#user],
    );
    // The page may have been open for long when the user comes.
    for (const type of ["pointerenter", "focusin"]) card.addEventListener(type, () => this.#warmUp());
    const root = this.attachShadow({ mode: "open" });
    addStyle(root);
    root.append(card, this.#content);
  }

  connectedCallback() {
    this.#listeners = new AbortController();
    const { signal } = this.#listeners;
    login.addEventListener("signedin", () => this.#onSignedIn(), { signal });
    login.addEventListener("signedout", () => this.#onSignedOut(TEXTS.signedOut), { signal });
    login.addEventListener(
      "sessionended",
      () => this.#onSignedOut(TEXTS.sessionEnded, { hasEnded: true }),
      { signal },
    );
    login.addEventListener(
      "unreachable",
      () => {
        this.#retrying = false;
        this.#render();
      },
      { signal },
    );
    if (login.user) this.#challenge = this.#waiting = null;
    this.#renderWhenRestored(login.restored);
    this.#render();
  }

  disconnectedCallback() {
    this.#listeners.abort();
    clearInterval(this.#timer);
  }

  /** Focuses the first control of the current step. */
  focus(/** @type {FocusOptions} */ options = {}) {
    const controls = {
      unreachable: this.#retryButton,
      browser: this.#browserButton,
      waiting: this.#approvalLink,
      code: this.#code,
    };
    const control = controls[/** @type {keyof typeof controls} */ (this.#currentState())] ?? this.#username;
    control.focus(options);
  }

  /** Shows the ways to sign in when restoring has found no session: `login` fires no event for that. */
  #renderWhenRestored(/** @type {Promise<unknown>} */ restored) {
    const onRestored = async () => {
      this.#retrying = false;
      if (login.state !== "signed_out") return;
      this.#showProblem("");
      const signIn = this.#waiting ? null : await login.resumeSignIn().catch(() => null);
      if (signIn) this.#wait(signIn);
      await this.#loadMethods();
    };
    restored.then(onRestored).catch(() => {}); // the `unreachable` event shows the error
  }

  /** Finds out what the site supports, and shows it. */
  async #loadMethods({ fresh = false } = {}) {
    const show = (/** @type {Methods} */ methods) => {
      // The form stays if the user has begun to fill it in.
      if (this.#username.value || this.#password.value) this.#choice ??= "password";
      this.#methods = methods;
      this.#render();
    };
    const timer = setTimeout(() => this.#methods ?? show(UNKNOWN), METHODS_DELAY);
    const methods = await login.methods({ fresh }).catch(() => this.#methods ?? UNKNOWN);
    clearTimeout(timer);
    show(methods);
  }

  /** Call it in the event handler of a click: browsers block tabs that open later. */
  #startInBrowser() {
    this.#run(
      async () => this.#wait(await login.signInWithBrowser()),
      (error) => this.#onBrowserError(error),
    );
  }

  #wait(/** @type {BrowserSignIn} */ signIn) {
    // Another tab has signed in meanwhile.
    if (login.user) return signIn.cancel();
    this.#waiting = signIn;
    this.#hasBrowserFailed = false;
    signIn.done.catch((error) => this.#onBrowserError(error));
    this.#render();
    this.#announcement.textContent = signIn.opened ? TEXTS.waiting : "";
  }

  #onBrowserError(/** @type {LoginError} */ error) {
    const wasFocused = this.shadowRoot?.activeElement;
    const isCancelled = error.code === "cancelled";
    this.#waiting = null;
    this.#hasBrowserFailed = !isCancelled;
    if (!isCancelled) this.#choice = "browser";
    this.#status.textContent = this.#announcement.textContent = "";
    this.#render();
    this.#showProblem(isCancelled ? "" : errorText(error, "browser"));
    if (wasFocused) (this.#currentState() === "browser" ? this.#browserButton : this.#toBrowserButton).focus();
    if (error.code === "browser_sign_in_disabled") this.#loadMethods({ fresh: true });
  }

  #onSubmit() {
    if (this.#busy || Date.now() < this.#blockedUntil) return;
    const controls = this.#challenge ? [this.#code] : [this.#username, this.#password];
    const empty = controls.find((control) => !control.value.trim());
    if (empty) {
      this.#showProblem(`${empty.labels?.[0].textContent} is missing.`, empty);
    } else if (this.#challenge) {
      const { sendCode } = this.#challenge;
      this.#run(() => sendCode(this.#code.value));
    } else {
      this.#run(async () => {
        try {
          this.#challenge = await login.signIn(this.#username.value.trim(), this.#password.value);
        } catch (error) {
          // The site may have changed. Find out before the error is shown.
          if (isPasswordDisabled(error)) await this.#loadMethods({ fresh: true });
          throw error;
        }
        this.#password.value = "";
        if (this.#challenge) this.#setCodeKind("numeric");
      });
    }
  }

  /** Runs an action that calls the gateway, and shows its progress and result. */
  async #run(
    /** @type {() => Promise<unknown>} */ action,
    /** @type {(error: LoginError, focused: Element | null | undefined) => void} */ onError = (error, focused) =>
      this.#onError(error, focused),
  ) {
    if (this.#busy) return;
    const focused = this.shadowRoot?.activeElement;
    this.#busy = true;
    this.#showProblem("");
    this.#status.textContent = "";
    this.#render();
    try {
      await action();
      this.#busy = false;
      this.#render();
      if (this.#challenge) this.#code.focus();
      if (this.#waiting) (this.#waiting.opened ? this.#waitingText : this.#approvalLink).focus();
    } catch (error) {
      this.#busy = false;
      if (!(error instanceof LoginError)) throw error;
      onError(error, focused);
    }
  }

  #onError(/** @type {LoginError} */ error, /** @type {Element | null | undefined} */ focused) {
    if (error.code === "challenge_ended" || error.attemptsLeft === 0) {
      this.#backToPassword(TEXTS.codeEnded);
      return;
    }
    if (isPasswordDisabled(error)) {
      this.#onPasswordDisabled();
      return;
    }
    if (error.retryAfter && error.code === "too_many_attempts") {
      this.#blockedUntil = Date.now() + error.retryAfter * 1000;
    }
    this.#render();
    const invalid = { invalid_credentials: this.#password, invalid_otp: this.#code }[error.code];
    this.#showProblem(errorText(error, this.#methods?.password === "legacy" ? "legacy" : "password"), invalid);
    if (!invalid && focused instanceof HTMLElement) focused.focus();
  }

  /** The site uses Autodesk Identity or single sign-on, and this user has no legacy login. */
  #onPasswordDisabled() {
    let methods = this.#methods ?? UNKNOWN;
    // The gateway can take minutes to notice that the site has changed.
    if (methods.password !== "no") methods = { ...methods, password: "legacy" };
    this.#methods = methods;
    this.#choice = null;
    this.#password.value = "";
    this.#render();
    this.#showProblem(passwordDisabledText(methods));
    this.focus();
  }

  #onSignedIn() {
    if (this.#waiting) this.#signedInWithBrowser = true;
    this.#challenge = this.#waiting = this.#choice = null;
    this.#hasBrowserFailed = false;
    this.#blockedUntil = 0;
    this.#showProblem("");
    this.#form.reset();
    const focused = this.shadowRoot?.activeElement;
    this.#render();
    if (focused) this.#signedInAs.focus();
    this.#status.textContent = this.#signedInWithBrowser ? TEXTS.closeTab : "";
    clearTimeout(this.#hintTimer);
    this.#hintTimer = setTimeout(() => {
      if (this.#status.textContent === TEXTS.closeTab) this.#status.textContent = "";
    }, HINT_DELAY);
    this.#announcement.textContent = `Signed in as ${login.user?.login}.`;
  }

  async #onSignedOut(/** @type {string} */ message, { hasEnded = false } = {}) {
    const focused = this.shadowRoot?.activeElement;
    this.#announcement.textContent = "";
    this.#status.textContent = this.#signedInWithBrowser && !hasEnded ? TEXTS.signedOutHere : message;
    this.#signedInWithBrowser = false;
    this.#render();
    if (focused) this.focus();
    const state = this.#currentState();
    // A session can end because the site has changed how it signs users in. While the form stays the same, the focus is
    // left where it is: a user who types a password must not type it into another field.
    await this.#loadMethods({ fresh: hasEnded });
    if (focused && !login.user && this.#currentState() !== state) this.focus();
  }

  #backToPassword(problem = "") {
    this.#challenge = null;
    this.#code.value = "";
    this.#render();
    this.#showProblem(problem);
    (this.#username.value ? this.#password : this.#username).focus();
  }

  /** An app's code has digits only, so phones show their number keyboard. A backup code also has letters. */
  #setCodeKind(/** @type {"numeric" | "text"} */ kind) {
    this.#code.value = "";
    this.#code.inputMode = kind;
    this.#codeKindButton.textContent = kind === "numeric" ? "Use a backup code" : "Use your app's code";
  }

  /** Shows an error, and marks and focuses the input that caused it. An empty message clears both. */
  #showProblem(/** @type {string} */ message, /** @type {HTMLInputElement | undefined} */ invalid = undefined) {
    this.#problem.textContent = message;
    for (const control of [this.#username, this.#password, this.#code]) {
      control.setAttribute("aria-invalid", String(control === invalid));
    }
    invalid?.focus();
    invalid?.select();
  }

  #currentState() {
    if (login.state === "signed_in") return "signed-in";
    if (login.state !== "signed_out") return login.state;
    if (this.#waiting) return "waiting";
    if (this.#challenge) return "code";
    if (!this.#methods) return "restoring";
    return this.#isBrowserFirst(this.#methods) ? "browser" : "password";
  }

  #isBrowserFirst(/** @type {Methods} */ { password, browser }) {
    if (password === "no") return true;
    if (browser === "no") return false;
    return this.#choice ? this.#choice === "browser" : password === "legacy";
  }

  #render() {
    const state = this.#currentState();
    const form = state === "password" || state === "code";
    this.setAttribute("state", state);
    this.#heading.hidden = state === "signed-in";
    this.#form.hidden = !form;
    this.#passwordStep.hidden = state !== "password";
    this.#codeStep.hidden = this.#codeOptions.hidden = state !== "code";
    this.#waitingStep.hidden = state !== "waiting";
    this.#retryButton.hidden = this.#signInAgainButton.hidden = state !== "unreachable";
    this.#retryButton.textContent = this.#retrying ? "Trying…" : "Try again";
    this.#retryButton.classList.toggle("busy", this.#retrying);
    this.#retryButton.setAttribute("aria-disabled", String(this.#retrying));
    this.#user.hidden = this.#content.hidden = state !== "signed-in";
    this.#signedInAs.replaceChildren("Signed in as ", node("strong", {}, login.user?.login ?? ""));
    const signOut = this.#signedInWithBrowser ? "Not you? Sign out" : "Sign out";
    this.#signOutButton.textContent = this.#busy ? "Signing out…" : signOut;
    this.#signOutButton.classList.toggle("busy", this.#busy);
    this.#signOutButton.setAttribute("aria-disabled", String(this.#busy));
    this.#form.setAttribute("aria-busy", String(this.#busy));
    for (const control of [this.#username, this.#password, this.#code]) control.readOnly = this.#busy;
    if (state === "restoring" && login.state === "restoring") this.#status.textContent = TEXTS.restoring;
    else if (this.#status.textContent === TEXTS.restoring) this.#status.textContent = "";
    if (state === "unreachable" && login.problem) this.#showProblem(errorText(login.problem));
    this.#renderMethods(state);
    if (state === "waiting") this.#renderWaiting();
    this.#renderTimes();
    this.#warmUp();
  }

  /** Starts the gateway's functions for the way to sign in that is shown. */
  #warmUp() {
    const state = this.#currentState();
    if (state === "browser" || state === "password") login.warmUp(state);
  }

  /** Adapts the texts and the links to what the site supports. */
  #renderMethods(/** @type {string} */ state) {
    const methods = this.#methods ?? UNKNOWN;
    const { siteHost, password, browser } = methods;
    const isLegacy = password === "legacy";
    this.#notice.textContent = state === "browser" || state === "password" ? noticeText(methods) : "";
    this.#notice.hidden = !this.#notice.textContent;
    this.#username.labels?.[0].replaceChildren(isLegacy ? "Legacy login" : "User name");
    this.#password.labels?.[0].replaceChildren(isLegacy ? "Legacy passphrase" : "Password");
    this.#passwordHint.textContent = isLegacy ? TEXTS.legacyHint : "";
    this.#passwordHint.hidden = !isLegacy;

    this.#browserStep.hidden = state !== "browser" || browser === "no";
    this.#toBrowserButton.hidden = state !== "password" || browser === "no";
    this.#toPasswordButton.hidden = password === "no";
    this.#toPasswordButton.textContent = isLegacy ? "I have a legacy login" : "Sign in with a password instead";
    this.#browserButton.classList.toggle("busy", this.#busy);
    this.#browserButton.setAttribute("aria-disabled", String(this.#busy));
    const name = siteHost ? `Sign in at ${siteHost}` : "Sign in with the browser";
    this.#browserButton.textContent = this.#busy ? "Opening ShotGrid…" : this.#hasBrowserFailed ? "Try again" : name;
  }

  #renderWaiting() {
    const signIn = this.#waiting;
    if (!signIn) return;
    this.#waitingText.replaceChildren(
      signIn.opened ? TEXTS.approve : TEXTS.approveHere,
      node("strong", {}, signIn.appName),
      ".",
    );
    this.#approvalLink.href = signIn.approvalUrl;
    this.#approvalLink.className = signIn.opened ? "button" : "button primary";
    this.#approvalLink.textContent = signIn.opened ? "Open the approval page again" : "Open the approval page";
    // The sandbox of a frame can forbid new tabs, and it also applies to the pages in them.
    this.#frameHint.textContent = signIn.opened ? TEXTS.frameHint : TEXTS.frameBlockedHint;
    this.#frameHint.hidden = top === window;
  }

  /** Shows the times left, and repeats that every second while there are any. */
  #renderTimes() {
    const now = Date.now();
    if (this.#challenge && now >= this.#challenge.expiresAt && !this.#busy) {
      this.#backToPassword(TEXTS.codeEnded);
      return;
    }
    const left = toSeconds(((this.#challenge ?? this.#waiting)?.expiresAt ?? now) - now);
    const wait = toSeconds(this.#blockedUntil - now);
    this.#countdown.textContent = `Time left: ${formatTime(left)}`;
    this.#waitingCountdown.textContent = left > 0 ? `Waiting. Time left: ${formatTime(left)}` : TEXTS.lastCheck;
    if (ANNOUNCED_TIMES.includes(left)) {
      const purpose = this.#challenge ? "enter the code" : "approve the request";
      this.#announcement.textContent = `${left} seconds left to ${purpose}.`;
    }
    if (this.#waiting) {
      const { problem } = this.#waiting;
      const text = problem ? errorText(problem, "waiting") : "";
      if (this.#status.textContent !== text) this.#status.textContent = text; // each change is announced
    }
    this.#submitButton.classList.toggle("busy", this.#busy);
    this.#submitButton.setAttribute("aria-disabled", String(this.#busy || wait > 0));
    this.#submitButton.textContent = this.#busy ? "Signing in…" : wait > 0 ? `Wait ${formatTime(wait)}` : "Sign in";
    clearInterval(this.#timer);
    if (left > 0 || wait > 0 || this.#waiting) this.#timer = setInterval(() => this.#renderTimes(), 1000);
  }
}

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
function node(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...children);
  return element;
}

function input(/** @type {{name: string, [attribute: string]: string}} */ attributes) {
  return node("input", { type: "text", id: attributes.name, part: "input", "aria-describedby": "problem", ...attributes });
}

function field(/** @type {string} */ label, /** @type {HTMLInputElement} */ control, /** @type {Node[]} */ ...hints) {
  return node("div", { class: "field" }, node("label", { for: control.id, part: "label" }, label), control, ...hints);
}

function button(
  /** @type {string} */ style,
  /** @type {string} */ part,
  /** @type {Record<string, string>} */ attributes = {},
  /** @type {string[]} */ ...text
) {
  return node("button", { type: "button", class: style, part, ...attributes }, ...text);
}

function addStyle(/** @type {ShadowRoot} */ root) {
  if (!root.adoptedStyleSheets) {
    root.append(node("style", {}, STYLE)); // in browsers without constructed style sheets
    return;
  }
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
}

function isPasswordDisabled(/** @type {unknown} */ error) {
  return error instanceof LoginError && error.code === "password_sign_in_disabled";
}

function toSeconds(/** @type {number} */ milliseconds) {
  return Math.max(0, Math.ceil(milliseconds / 1000));
}

// A page may import the module from two URLs, but a name can be defined only once.
if (!customElements.get("shotgrid-login")) customElements.define("shotgrid-login", ShotGridLoginElement);
