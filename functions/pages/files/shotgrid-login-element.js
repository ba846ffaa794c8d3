/**
 * `<shotgrid-login>`: the sign-in form. User name and password, then the code where the site asks for one, then who
 * is signed in and a button to sign out. What stands inside the element is shown while somebody is signed in.
 *
 * The attribute `state` (`restoring`, `unreachable`, `password`, `code`, `signed-in`) is for a page's style sheet;
 * a page's code listens to `login`. Everything is built by DOM calls and a constructed style sheet, so that the
 * strictest Content Security Policy and Trusted Types hold.
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
.ways { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; justify-content: space-between; }
.hint, .clock { color: var(--_muted); font-size: 0.875rem; }
.clock { font-variant-numeric: tabular-nums; }
.problem { color: var(--_error); font-size: 0.9375rem; }
.news { color: var(--_muted); font-size: 0.9375rem; }
:is(.problem, .news):empty { position: absolute; }
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
.person { align-items: center; display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; }
.person button { border: 1px solid var(--_border); background: none; min-height: 2.25rem; padding-block: 0.25rem; width: auto; }
:host([state="signed-in"]) .card { background: none; gap: 0.25rem; max-width: none; padding: 0; }
.unseen { block-size: 1px; clip-path: inset(50%); inline-size: 1px; overflow: hidden; position: absolute; white-space: nowrap; }
@keyframes appear { from { visibility: hidden; } }
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .busy::before { animation-duration: 4s; } }
`;

// When a screen reader is told of the time that a challenge has left. Seconds.
const TIMES_TOLD = [60, 20];

const CODE_HINT = "From your authenticator app, or one of your backup codes.";

/** What to say of a refusal; of those missing here, and of what has a new code, the gateway's own words are shown. */
const WORDS = /** @type {Record<string, (error: LoginError) => string>} */ ({
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
  #waitUntil = 0; // `Date.now()` milliseconds before which the gateway takes no further try
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticking;
  #listening = new AbortController();

  #problem = node("p", { class: "problem", part: "error", role: "alert", id: "problem" });
  #news = node("p", { class: "news", part: "status", role: "status" });
  #told = node("p", { class: "unseen", role: "status" });
  #username = input({ name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false" });
  #password = input({ name: "password", autocomplete: "current-password", type: "password" });
  #code = input({
    name: "code",
    autocomplete: "one-time-code",
    autocapitalize: "none",
    spellcheck: "false",
    "aria-describedby": "problem code-hint",
  });
  #clock = node("span", { class: "clock", part: "countdown" });
  #otherCode = node("button", { type: "button", class: "plain", part: "link" });
  #submit = node("button", { type: "submit", class: "primary", part: "button" });
  #retry = node("button", { type: "button", class: "primary", part: "button" });
  #who = node("p", { part: "user", tabindex: "-1" });
  #heading = node("h2", { part: "heading" }, node("slot", { name: "heading" }, "Sign in to ShotGrid"));
  #passwordStep = node(
    "div",
    { class: "step" },
    field("User name", this.#username),
    field("Password", this.#password),
  );
  #codeStep = node("div", { class: "step" });
  #ways = node("div", { class: "ways" });
  #form = node("form", { part: "form", novalidate: "" }, this.#passwordStep, this.#codeStep, this.#submit, this.#ways);
  #person = node("div", { class: "person" }, this.#who);
  #content = node("slot", {});

  constructor() {
    super();
    const startAgain = node("button", { type: "button", class: "plain", part: "link" }, "Start again");
    const signOut = node("button", { type: "button", part: "sign-out" }, "Sign out");
    this.#codeStep.append(
      field("Code", this.#code, node("p", { class: "hint", id: "code-hint" }, CODE_HINT)),
      this.#clock,
    );
    this.#ways.append(this.#otherCode, startAgain);
    this.#person.append(signOut);

    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submitted();
    });
    this.#otherCode.addEventListener("click", () => {
      this.#askFor(this.#code.inputMode === "numeric" ? "text" : "numeric");
      this.#code.focus();
    });
    startAgain.addEventListener("click", () => this.#backToPassword());
    this.#retry.addEventListener("click", () => {
      this.#retrying = true;
      this.#waitFor(login.restore());
      this.#show();
    });
    this.#username.addEventListener("input", () => {
      this.#waitUntil = 0; // it was for another name
      this.#tick();
    });
    signOut.addEventListener("click", () => this.#attempt(() => login.signOut()));

    const card = node(
      "section",
      { class: "card", part: "card" },
      ...[this.#heading, this.#problem, this.#news, this.#told, this.#form, this.#retry, this.#person],
    );
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    root.append(card, this.#content);
  }

  connectedCallback() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    login.addEventListener("signedin", () => this.#signedIn(), { signal });
    login.addEventListener("signedout", () => this.#signedOut("You are signed out."), { signal });
    login.addEventListener("sessionended", () => this.#signedOut("Your session has ended. Sign in to go on."), { signal });
    login.addEventListener(
      "unreachable",
      () => {
        this.#retrying = false;
        this.#show();
      },
      { signal },
    );
    if (login.user) this.#challenge = null;
    this.#waitFor(login.restored);
    this.#show();
  }

  disconnectedCallback() {
    this.#listening.abort();
    clearInterval(this.#ticking);
  }

  /** Puts the focus where the form waits for input. */
  focus(/** @type {FocusOptions} */ options = {}) {
    (this.#challenge ? this.#code : this.#username).focus(options);
  }

  /** Shows the form once it is known that nobody was signed in, which no event says. */
  #waitFor(/** @type {Promise<unknown>} */ restored) {
    const known = () => {
      this.#retrying = false;
      if (login.state !== "signed_out") return;
      this.#complain("");
      this.#show();
    };
    restored.then(known).catch(() => {}); // refused: `unreachable` says so
  }

  #submitted() {
    if (this.#busy || Date.now() < this.#waitUntil) return;
    const asked = this.#challenge ? [this.#code] : [this.#username, this.#password];
    const empty = asked.find((control) => !control.value.trim());
    if (empty) {
      this.#complain(`${empty.labels?.[0].textContent} is missing.`, empty);
    } else if (this.#challenge) {
      const { sendCode } = this.#challenge;
      this.#attempt(() => sendCode(this.#code.value));
    } else {
      this.#attempt(async () => {
        this.#challenge = await login.signIn(this.#username.value.trim(), this.#password.value);
        this.#password.value = "";
        if (this.#challenge) this.#askFor("numeric");
      });
    }
  }

  /** Does what the gateway has to be asked for, and says how it went. */
  async #attempt(/** @type {() => Promise<unknown>} */ what) {
    if (this.#busy) return;
    const focused = this.shadowRoot?.activeElement;
    this.#busy = true;
    this.#complain("");
    this.#news.textContent = "";
    this.#show();
    try {
      await what();
      this.#busy = false;
      this.#show();
      if (this.#challenge) this.#code.focus();
    } catch (error) {
      this.#busy = false;
      if (!(error instanceof LoginError)) throw error;
      this.#refused(error, focused);
    }
  }

  #refused(/** @type {LoginError} */ error, /** @type {Element | null | undefined} */ focused) {
    if (error.code === "challenge_ended" || error.attemptsLeft === 0) {
      this.#backToPassword(WORDS.challenge_ended(error));
      return;
    }
    const words = (WORDS[error.code] ?? unknown)(error);
    if (error.retryAfter && error.code === "too_many_attempts") this.#waitUntil = Date.now() + error.retryAfter * 1000;
    this.#show();
    const wrong = { invalid_credentials: this.#password, invalid_otp: this.#code }[error.code];
    this.#complain(words, wrong);
    if (!wrong && focused instanceof HTMLElement) focused.focus();
  }

  #signedIn() {
    this.#challenge = null;
    this.#waitUntil = 0;
    this.#complain("");
    this.#form.reset();
    const focused = this.shadowRoot?.activeElement;
    this.#show();
    if (focused) this.#who.focus();
    this.#news.textContent = "";
    this.#told.textContent = `Signed in as ${login.user?.login}.`;
  }

  #signedOut(/** @type {string} */ news) {
    const focused = this.shadowRoot?.activeElement;
    this.#told.textContent = "";
    this.#news.textContent = news;
    this.#show();
    if (focused) this.#username.focus();
  }

  #backToPassword(words = "") {
    this.#challenge = null;
    this.#code.value = "";
    this.#show();
    this.#complain(words);
    (this.#username.value ? this.#password : this.#username).focus();
  }

  /** Asks for an app's digits, with a keyboard for them, or for a backup code, with letters. */
  #askFor(/** @type {"numeric" | "text"} */ kind) {
    this.#code.value = "";
    this.#code.inputMode = kind;
    this.#otherCode.textContent = kind === "numeric" ? "Use a backup code" : "Use your app's code";
  }

  /** Says what is wrong, and with which input. */
  #complain(/** @type {string} */ words, /** @type {HTMLInputElement | undefined} */ control = undefined) {
    this.#problem.textContent = words;
    for (const one of [this.#username, this.#password, this.#code]) {
      one.setAttribute("aria-invalid", String(one === control));
    }
    control?.focus();
    control?.select();
  }

  #state() {
    if (login.state === "signed_out") return this.#challenge ? "code" : "password";
    return login.state === "signed_in" ? "signed-in" : login.state;
  }

  #show() {
    const state = this.#state();
    const form = state === "password" || state === "code";
    this.setAttribute("state", state);
    this.#heading.hidden = state === "signed-in";
    this.#form.hidden = !form;
    this.#passwordStep.hidden = state !== "password";
    this.#codeStep.hidden = this.#ways.hidden = state !== "code";
    this.#retry.hidden = state !== "unreachable";
    this.#retry.textContent = this.#retrying ? "Trying…" : "Try again";
    this.#retry.classList.toggle("busy", this.#retrying);
    this.#retry.setAttribute("aria-disabled", String(this.#retrying));
    this.#person.hidden = this.#content.hidden = state !== "signed-in";
    this.#who.replaceChildren("Signed in as ", node("strong", {}, login.user?.login ?? ""));
    this.#form.setAttribute("aria-busy", String(this.#busy));
    for (const control of [this.#username, this.#password, this.#code]) control.readOnly = this.#busy;
    if (state === "restoring") this.#news.textContent = "Looking for your session…";
    else if (this.#news.textContent === "Looking for your session…") this.#news.textContent = "";
    if (state === "unreachable" && login.problem) this.#complain((WORDS[login.problem.code] ?? unknown)(login.problem));
    this.#tick();
  }

  /** Shows what changes by the second. */
  #tick() {
    const now = Date.now();
    if (this.#challenge && now >= this.#challenge.expiresAt && !this.#busy) {
      this.#backToPassword(WORDS.challenge_ended(new LoginError("challenge_ended", "")));
      return;
    }
    const left = this.#challenge ? seconds(this.#challenge.expiresAt - now) : 0;
    const wait = seconds(this.#waitUntil - now);
    this.#clock.textContent = `Time left: ${clock(left)}`;
    if (TIMES_TOLD.includes(left)) this.#told.textContent = `${left} seconds left to enter the code.`;
    this.#submit.classList.toggle("busy", this.#busy);
    this.#submit.setAttribute("aria-disabled", String(this.#busy || wait > 0));
    this.#submit.textContent = this.#busy ? "Signing in…" : wait > 0 ? `Wait ${clock(wait)}` : "Sign in";
    clearInterval(this.#ticking);
    if (left > 0 || wait > 0) this.#ticking = setInterval(() => this.#tick(), 1000);
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
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

function input(/** @type {{name: string, [attribute: string]: string}} */ attributes) {
  return node("input", { type: "text", id: attributes.name, part: "input", "aria-describedby": "problem", ...attributes });
}

function field(/** @type {string} */ label, /** @type {HTMLInputElement} */ control, /** @type {Node[]} */ ...hints) {
  return node("div", { class: "field" }, node("label", { for: control.id, part: "label" }, label), control, ...hints);
}

function unknown(/** @type {LoginError} */ { message, requestId }) {
  return requestId ? `${message} (Reference: ${requestId})` : message;
}

function seconds(/** @type {number} */ milliseconds) {
  return Math.max(0, Math.ceil(milliseconds / 1000));
}

function clock(/** @type {number} */ time) {
  return `${Math.floor(time / 60)}:${String(time % 60).padStart(2, "0")}`;
}

// A page may name the module by two addresses.
if (!customElements.get("shotgrid-login")) customElements.define("shotgrid-login", ShotGridLoginElement);
