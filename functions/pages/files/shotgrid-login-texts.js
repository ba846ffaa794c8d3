/** The texts that `<shotgrid-login>` shows, except the labels of its buttons and links. */

/** @typedef {import("./shotgrid-login.js").LoginError} LoginError */
/** @typedef {import("./shotgrid-login.js").Methods} Methods */
/** @typedef {"password" | "legacy" | "browser" | "waiting"} Situation  What the user does when an error occurs. */

export const TEXTS = {
  restoring: "Looking for your session…",
  codeHint: "From your authenticator app, or one of your backup codes.",
  browserHint: "Opens a new tab. Sign in to ShotGrid there as always, and approve the request of this page.",
  legacyHint:
    "Not your Autodesk password. Set it up in ShotGrid: Account Settings → Legacy Login and Personal Access Token.",
  approve: "Approve the request in the other tab. It is from ",
  approveHere: "Your browser did not open the tab: open the approval page here. The request is from ",
  declineHint: "If you did not start this sign-in yourself, decline the request.",
  frameHint: "If the page in the other tab does not react, copy its address and open it in a new tab.",
  frameBlockedHint:
    "If the link opens nothing, this page is in a frame that cannot open tabs. Open the page in a tab of its own.",
  waiting: "Waiting for your approval in the other tab.",
  lastCheck: "Your time is over. Checking once more…",
  closeTab: "You can close the ShotGrid tab.",
  signedOut: "You are signed out.",
  signedOutHere:
    "You are signed out. ShotGrid itself may still be signed in: to use another account, sign out in ShotGrid too.",
  sessionEnded: "Your session has ended. Sign in to go on.",
  codeEnded: "Your time or your tries for the code have run out. Enter your password again.",
};

const IDENTITY = "This site signs people in with their Autodesk account. Never type your Autodesk password here.";
const ENABLE = "ask your administrator to enable sign-in with the browser.";

/** Texts for error codes. For all other codes, the gateway's own message is shown. */
const ERRORS = /** @type {Record<string, (error: LoginError) => string>} */ ({
  invalid_credentials: () => "The user name or the password is not right.",
  invalid_otp: ({ attemptsLeft }) =>
    "That code was not accepted. Each code works once: wait for the next one. Or start again, in case the password " +
    `was wrong. ${attemptsLeft === 1 ? "One try" : `${attemptsLeft} tries`} left.`,
  challenge_ended: () => TEXTS.codeEnded,
  too_many_attempts: () => "Too many failed tries. You have to wait before the next one.",
  site_unavailable: () => "ShotGrid does not respond at the moment. Nothing is lost: try again shortly.",
  too_many_requests: () => "Very many people are signing in right now. Try again in a moment.",
  unreachable: ({ message }) => `${message} Check your connection and try again.`,
  origin_not_allowed: ({ message }) => {
    if (location.protocol === "file:") return `${message} Open the page at an address of a web server.`;
    if (self.origin === "null") {
      return `${message} Open the page in a tab of its own, or add allow-same-origin to the sandbox of its frame.`;
    }
    return `${message} The administrator of the sign-in service has to add that address.`;
  },
});

/** Texts that differ in a situation. */
const ERRORS_IN = /** @type {Record<Situation, typeof ERRORS>} */ ({
  password: {},
  legacy: {
    invalid_credentials: () =>
      "The legacy login or the legacy passphrase is not right. The passphrase is not your Autodesk password.",
  },
  browser: {
    invalid_request: () => "This browser has lost the request. Try again.",
    challenge_ended: () => "The request was declined, or its five minutes ran out. If you approved it, try once more.",
    too_many_attempts: ({ retryAfter = 60 }) =>
      `Too many sign-ins were started. Try again in ${formatTime(retryAfter)} minutes.`,
  },
  waiting: {
    too_many_attempts: () => "Very many people are signing in right now. This page keeps trying.",
    too_many_requests: () => "Very many people are signing in right now. This page keeps trying.",
    site_unavailable: () => "ShotGrid does not respond at the moment. This page keeps trying.",
    site_error: () => "ShotGrid sent an unexpected response. This page keeps trying.",
    unreachable: ({ message }) => `${message} This page keeps trying.`,
  },
});

/** Returns the text for an error. */
export function errorText(/** @type {LoginError} */ error, /** @type {Situation} */ situation = "password") {
  const { code, message, requestId } = error;
  const text = ERRORS_IN[situation][code] ?? ERRORS[code];
  return text?.(error) ?? (requestId ? `${message} (Reference: ${requestId})` : message);
}

/** Returns what users of a site must know before they sign in, or "". */
export function noticeText(/** @type {Methods} */ { method, password, browser }) {
  const sentences = [];
  if (method === "oxygen") sentences.push(IDENTITY);
  if (method === "unknown") sentences.push("Never type your Autodesk password here.");
  if (browser === "no" && password === "legacy") sentences.push(`If you have no legacy login, ${ENABLE}`);
  if (browser === "no" && password === "no") sentences.push(`This site cannot sign you in here: ${ENABLE}`);
  return sentences.join(" ");
}

/** Returns what a user can do whose password the site does not take. */
export function passwordDisabledText(/** @type {Methods} */ { password, browser }) {
  const sentences = ["ShotGrid does not take this password."];
  if (browser !== "no") sentences.push("Sign in with the browser instead.");
  if (password !== "no") {
    sentences.push(
      "To type a password here, set up a legacy login with a personal access token in ShotGrid: Account Settings.",
    );
  }
  return sentences.join(" ");
}

/** Returns minutes and seconds. */
export function formatTime(/** @type {number} */ seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
