/** The texts that `<shotgrid-login>` shows, except the labels of its buttons and links. */
export type LoginError = import("./shotgrid-login.js").LoginError;
export type Methods = import("./shotgrid-login.js").Methods;
export type Situation = "password" | "legacy" | "browser" | "waiting";
/** @typedef {import("./shotgrid-login.js").LoginError} LoginError */
/** @typedef {import("./shotgrid-login.js").Methods} Methods */
/** @typedef {"password" | "legacy" | "browser" | "waiting"} Situation  What the user does when an error occurs. */
export declare const TEXTS: {
    restoring: string;
    codeHint: string;
    browserHint: string;
    legacyHint: string;
    approve: string;
    approveHere: string;
    declineHint: string;
    frameHint: string;
    frameBlockedHint: string;
    waiting: string;
    lastCheck: string;
    closeTab: string;
    signedOut: string;
    signedOutHere: string;
    sessionEnded: string;
    codeEnded: string;
};
/** Returns the text for an error. */
export declare function errorText(/** @type {LoginError} */ error: LoginError, /** @type {Situation} */ situation?: Situation): string;
/** Returns what users of a site must know before they sign in, or "". */
export declare function noticeText(/** @type {Methods} */ { method, password, browser }: Methods): string;
/** Returns what a user can do whose password the site does not take. */
export declare function passwordDisabledText(/** @type {Methods} */ { password, browser }: Methods): string;
/** Returns minutes and seconds. */
export declare function formatTime(/** @type {number} */ seconds: number): string;
