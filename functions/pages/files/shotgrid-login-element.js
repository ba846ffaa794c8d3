/**
 * `<shotgrid-login>`: the sign-in form. It shows fields for user name and password, then a field for the code if the
 * site requires one. After sign-in it shows the user and a button to sign out. The element's content is visible only
 * while a user is signed in.
 *
 * The attribute `state` (`restoring`, `unreachable`, `password`, `code`, `signed-in`) is for a page's style sheet.
 * A page's code listens to the events of `login` instead. The element is built with DOM calls and a constructed style
 * sheet, so it works under the strictest Content Security Policy and Trusted Types.
 */

import { LoginError, login } from "./shotgrid-login.js";

export { LoginError, login };

/** @typedef {import("./shotgrid-login.js").Challenge} Challenge */

const STYLE = `
:host {
  --_accent: var(--shotgrid-login-accent, light-dark(#0b63ce, #6cb2ff));
  --_on-accent: var(--shotgrid-login-on-accent, light-dark(#ffffff, #06182b));
  --_background: var(--shotgrid-login-background, light-dark(#ffffff, #1c2128));
  --_text: var(--shotgrid-login-text, light-dark(#1d2129, #eef1f5));
  --_muted: var(--shotgrid-login-muted, light-dark(#57606e, #a5afbd));
  --_border: var(--shotgrid-login-border, light-dark(#858e9c, #737f8e));
  --_error: var(--shotgrid-login-error, light-dark(#b42318, #ff9c91));
  --_radius: var(--shotgrid-login-radius, 8px);
  color-scheme: light dark;
  display: block;
  font: var(--shotgrid-login-font, 1rem/1.5 system-ui, sans-serif);
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; margin: 0; }
.card {
  background: var(--_background);
  border-radius: calc(var(--_radius) * 1.5);
  color: var(--_text);
  display: grid;
  gap: 1rem;
  margin-inline: auto;
  max-width: 24rem;
  padding: 1.75rem;
}
:host(:not([state="signed-in"])) .card {
  border: 1px solid color-mix(in srgb, var(--_border) 45%, transparent);
  box-shadow: 0 8px 30px rgb(0 0 0 / 0.08);
}
form, .step { display: grid; gap: 1rem; }
.step + .step { gap: 0.25rem; }
.field { display: grid; gap: 0.375rem; }
h2 { font-size: 1.25rem; font-weight: 650; line-height: 1.3; }
label { font-size: 0.875rem; font-weight: 550; }
input, button { border-radius: var(--_radius); color: inherit; font: inherit; min-height: 2.75rem; width: 100%; }
input { background: transparent; border: 1px solid var(--_border); padding: 0.5rem 0.75rem; }
input[aria-invalid="true"] { border-color: var(--_error); }
input[name="code"] { font-variant-numeric: tabular-nums; letter-spacing: 0.1em; }
input:read-only { opacity: 0.6; }
button { cursor: pointer; padding: 0.5rem 1rem; }
:is(input, button):focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }
[tabindex="-1"] { outline: none; }
.primary { background: var(--_accent); border: 1px solid transparent; color: var(--_on-accent); font-weight: 600; }
.primary[aria-disabled="true"] { cursor: default; opacity: 0.65; }
.plain { background: none; border: 0; color: var(--_accent); min-height: 2rem; padding: 0.125rem; text-decoration: underline; text-underline-offset: 0.2em; width: auto; }
.options { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; justify-content: space-between; }
.hint, .countdown { color: var(--_muted); font-size: 0.875rem; }
.countdown { font-variant-numeric: tabular-nums; }
.problem { color: var(--_error); font-size: 0.9375rem; }
.status { color: var(--_muted); font-size: 0.9375rem; }
:is(.problem, .status):empty { position: absolute; }
:host([state="restoring"]) .card { animation: appear 0s 0.4s backwards; }
.busy::before {
  animation: turn 0.8s linear infinite;
  border: 2px solid currentcolor;
  border-block-start-color: transparent;
  border-radius: 50%;
  content: "";
  display: inline-block;
  height: 0.875em;
  margin-inline-end: 0.6em;
  vertical-align: -0.06em;
  width: 0.875em;
}
.user { align-items: center; display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; }
.user button { border: 1px solid var(--_border); background: none; min-height: 2.25rem; padding-block: 0.25rem; width: auto; }
:host([state="signed-in"]) .card { background: none; gap: 0.25rem; max-width: none; padding: 0; }
.visually-hidden { block-size: 1px; clip-path: inset(50%); inline-size: 1px; overflow: hidden; position: absolute; white-space: nowrap; }
@keyframes appear { from { visibility: hidden; } }
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .busy::before { animation-duration: 4s; } }
`;

// Times before the end of a challenge at which a screen reader announces the time left. Seconds.
const ANNOUNCED_TIMES = [60, 20];

const CODE_HINT = "From your authenticator app, or one of your backup codes.";

/** Texts for error codes. For all other codes the gateway's own message is shown. */
const MESSAGES = /** @type {Record<string, (error: LoginError) => string>} */ ({
  invalid_credentials: () => "The user name or the password is not right.",
  invalid_otp: ({ attemptsLeft }) =>
    "That code was not accepted. Each code works once: wait for the next one. Or start again, in case the password " +
    `was wrong. ${attemptsLeft === 1 ? "One try" : `${attemptsLeft} tries`} left.`,
  challenge_ended: () => "Your time or your tries for the code have run out. Enter your password again.",
  too_many_attempts: () => "Too many failed tries. You have to wait before the next one.",
  password_sign_in_disabled: () =>
    "Your ShotGrid site signs people in with single sign-on or Autodesk Identity, so a password does not work here.",
  site_unavailable: () => "ShotGrid does not answer at the moment. Nothing is lost: try again shortly.",
  too_many_requests: () => "Very many people are signing in right now. Try again in a moment.",
  unreachable: ({ message }) => `${message} Check your connection and try again.`,
  origin_not_allowed: ({ message }) => `${message} Whoever runs the sign-in service has to add that address.`,
});

export class ShotGridLoginElement extends HTMLElement {
  /** @type {Challenge | null} */
  #challenge = null;
  #busy = false;
  #retrying = false;
  #blockedUntil = 0; // `Date.now()` milliseconds; before this time the gateway rejects further attempts
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #listeners = new AbortController();

  #problem = node("p", { class: "problem", part: "error", role: "alert", id: "problem" });
  #status = node("p", { class: "status", part: "status", role: "status" });
  #announcement = node("p", { class: "visually-hidden", role: "status" });
  #username = input({ name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false" });
  #password = input({ name: "password", autocomplete: "current-password", type: "password" });
  #code = input({
    name: "code",
    autocomplete: "one-time-code",
    autocapitalize: "none",
    spellcheck: "false",
    "aria-describedby": "problem code-hint",
  });
  #countdown = node("span", { class: "countdown", part: "countdown" });
  #codeKindButton = node("button", { type: "button", class: "plain", part: "link" });
  #submitButton = node("button", { type: "submit", class: "primary", part: "button" });
  #retryButton = node("button", { type: "button", class: "primary", part: "button" });
  #signedInAs = node("p", { part: "user", tabindex: "-1" });
  #heading = node("h2", { part: "heading" }, node("slot", { name: "heading" }, "Sign in to ShotGrid"));
  #passwordStep = node(
    "div",
    { class: "step" },
    field("User name", this.#username),
    field("Password", this.#password),
  );
  #codeStep = node("div", { class: "step" });
  #codeOptions = node("div", { class: "options" });
  #form = node(
    "form",
    { part: "form", novalidate: "" },
    ...[this.#passwordStep, this.#codeStep, this.#submitButton, this.#codeOptions],
  );
  #user = node("div", { class: "user" }, this.#signedInAs);
  #content = node("slot", {});

  constructor() {
    super();
    const startAgain = node("button", { type: "button", class: "plain", part: "link" }, "Start again");
    const signOut = node("button", { type: "button", part: "sign-out" }, "Sign out");
    this.#codeStep.append(
      field("Code", this.#code, node("p", { class: "hint", id: "code-hint" }, CODE_HINT)),
      this.#countdown,
    );
    this.#codeOptions.append(this.#codeKindButton, startAgain);
    this.#user.append(signOut);

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
    this.#username.addEventListener("input", () => {
      this.#blockedUntil = 0; // the wait was for another user name
      this.#renderTimes();
    });
    signOut.addEventListener("click", () => this.#run(() => login.signOut()));

    const card = node(
      "section",
      { class: "card", part: "card" },
      ...[this.#heading, this.#problem, this.#status, this.#announcement, this.#form, this.#retryButton, this.#user],
    );
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    root.append(card, this.#content);
  }

  connectedCallback() {
    this.#listeners = new AbortController();
    const { signal } = this.#listeners;
    login.addEventListener("signedin", () => this.#onSignedIn(), { signal });
    login.addEventListener("signedout", () => this.#onSignedOut("You are signed out."), { signal });
    login.addEventListener(
      "sessionended",
      () => this.#onSignedOut("Your session has ended. Sign in to go on."),
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
    if (login.user) this.#challenge = null;
    this.#renderWhenRestored(login.restored);
    this.#render();
  }

  disconnectedCallback() {
    this.#listeners.abort();
    clearInterval(this.#timer);
  }

  /** Focuses the user name, or the code during the code step. */
  focus(/** @type {FocusOptions} */ options = {}) {
    (this.#challenge ? this.#code : this.#username).focus(options);
  }

  /** Shows the form when restoring has found no session: `login` fires no event for that. */
  #renderWhenRestored(/** @type {Promise<unknown>} */ restored) {
    const onRestored = () => {
      this.#retrying = false;
      if (login.state !== "signed_out") return;
      this.#showProblem("");
      this.#render();
    };
    restored.then(onRestored).catch(() => {}); // the `unreachable` event shows the error
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
        this.#challenge = await login.signIn(this.#username.value.trim(), this.#password.value);
        this.#password.value = "";
        if (this.#challenge) this.#setCodeKind("numeric");
      });
    }
  }

  /** Runs an action that calls the gateway, and shows its progress and result. */
  async #run(/** @type {() => Promise<unknown>} */ action) {
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
    } catch (error) {
      this.#busy = false;
      if (!(error instanceof LoginError)) throw error;
      this.#onError(error, focused);
    }
  }

  #onError(/** @type {LoginError} */ error, /** @type {Element | null | undefined} */ focused) {
    if (error.code === "challenge_ended" || error.attemptsLeft === 0) {
      this.#backToPassword(MESSAGES.challenge_ended(error));
      return;
    }
    if (error.retryAfter && error.code === "too_many_attempts") {
      this.#blockedUntil = Date.now() + error.retryAfter * 1000;
    }
    this.#render();
    const invalid = { invalid_credentials: this.#password, invalid_otp: this.#code }[error.code];
    this.#showProblem(messageFor(error), invalid);
    if (!invalid && focused instanceof HTMLElement) focused.focus();
  }

  #onSignedIn() {
    this.#challenge = null;
    this.#blockedUntil = 0;
    this.#showProblem("");
    this.#form.reset();
    const focused = this.shadowRoot?.activeElement;
    this.#render();
    if (focused) this.#signedInAs.focus();
    this.#status.textContent = "";
    this.#announcement.textContent = `Signed in as ${login.user?.login}.`;
  }

  #onSignedOut(/** @type {string} */ message) {
    const focused = this.shadowRoot?.activeElement;
    this.#announcement.textContent = "";
    this.#status.textContent = message;
    this.#render();
    if (focused) this.#username.focus();
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
    if (login.state === "signed_out") return this.#challenge ? "code" : "password";
    return login.state === "signed_in" ? "signed-in" : login.state;
  }

  #render() {
    const state = this.#currentState();
    const form = state === "password" || state === "code";
    this.setAttribute("state", state);
    this.#heading.hidden = state === "signed-in";
    this.#form.hidden = !form;
    this.#passwordStep.hidden = state !== "password";
    this.#codeStep.hidden = this.#codeOptions.hidden = state !== "code";
    this.#retryButton.hidden = state !== "unreachable";
    this.#retryButton.textContent = this.#retrying ? "Trying…" : "Try again";
    this.#retryButton.classList.toggle("busy", this.#retrying);
    this.#retryButton.setAttribute("aria-disabled", String(this.#retrying));
    this.#user.hidden = this.#content.hidden = state !== "signed-in";
    this.#signedInAs.replaceChildren("Signed in as ", node("strong", {}, login.user?.login ?? ""));
    this.#form.setAttribute("aria-busy", String(this.#busy));
    for (const control of [this.#username, this.#password, this.#code]) control.readOnly = this.#busy;
    if (state === "restoring") this.#status.textContent = "Looking for your session…";
    else if (this.#status.textContent === "Looking for your session…") this.#status.textContent = "";
    if (state === "unreachable" && login.problem) this.#showProblem(messageFor(login.problem));
    this.#renderTimes();
  }

  /** Shows the times left, and repeats that every second while there are any. */
  #renderTimes() {
    const now = Date.now();
    if (this.#challenge && now >= this.#challenge.expiresAt && !this.#busy) {
      this.#backToPassword(MESSAGES.challenge_ended(new LoginError("challenge_ended", "")));
      return;
    }
    const left = this.#challenge ? toSeconds(this.#challenge.expiresAt - now) : 0;
    const wait = toSeconds(this.#blockedUntil - now);
    this.#countdown.textContent = `Time left: ${formatTime(left)}`;
    if (ANNOUNCED_TIMES.includes(left)) this.#announcement.textContent = `${left} seconds left to enter the code.`;
    this.#submitButton.classList.toggle("busy", this.#busy);
    this.#submitButton.setAttribute("aria-disabled", String(this.#busy || wait > 0));
    this.#submitButton.textContent = this.#busy ? "Signing in…" : wait > 0 ? `Wait ${formatTime(wait)}` : "Sign in";
    clearInterval(this.#timer);
    if (left > 0 || wait > 0) this.#timer = setInterval(() => this.#renderTimes(), 1000);
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

function messageFor(/** @type {LoginError} */ error) {
  const { code, message, requestId } = error;
  return MESSAGES[code]?.(error) ?? (requestId ? `${message} (Reference: ${requestId})` : message);
}

function toSeconds(/** @type {number} */ milliseconds) {
  return Math.max(0, Math.ceil(milliseconds / 1000));
}

function formatTime(/** @type {number} */ seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

// A page may import the module from two URLs, but a name can be defined only once.
if (!customElements.get("shotgrid-login")) customElements.define("shotgrid-login", ShotGridLoginElement);
