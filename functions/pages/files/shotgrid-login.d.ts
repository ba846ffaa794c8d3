/**
 * Signs users in to a ShotGrid site through the gateway that serves this file, and calls the site as that user.
 *
 * The access token is only in memory. The session is an HttpOnly cookie or, on other sites and in frames, a handle (the
 * gateway's refresh token) in `sessionStorage`. All tabs share it.
 */
export type BrowserSignIn = import("./shotgrid-login-browser.js").BrowserSignIn;
export type Methods = import("./shotgrid-login-browser.js").Methods;
export type Challenge = import("./shotgrid-login-password.js").Challenge;
export type Session = import("./shotgrid-login-tabs.js").Session;
export type User = {
    type: string;
    id: number;
    login: string;
};
export type State = "restoring" | "unreachable" | "signed_out" | "signed_in";
/** An error response, or no response. Decide by `code`; `message` is for users. */
export declare class LoginError extends Error {
    code: string;
    /** HTTP status; 0 without a response. */
    status: number;
    /** Attempts left for this challenge. */
    attemptsLeft: number | undefined;
    /** Seconds to wait. */
    retryAfter: number | undefined;
    /** The request's id in the gateway's log. */
    requestId: string | undefined;
    /**
     * @param {string} code  The gateway's, or `signed_out`, `unreachable` (no response), `cancelled`.
     * @param {string} message
     * @param {{status?: number, attempts_left?: number, retry_after?: number, request_id?: string}} [problem]
     */
    constructor(code: string, message: string, problem?: {
        status?: number;
        attempts_left?: number;
        retry_after?: number;
        request_id?: string;
    });
    /** Whether the same call may succeed later. */
    get transient(): boolean;
}
/**
 * Fires `signedin`, `signedout` and `sessionended` (expired, or ended by the site) in all tabs, and `unreachable`
 * (no session was found, because the gateway failed).
 */
export declare class ShotGridLogin extends EventTarget {
    #private;
    /** @param {string | URL} [gateway]  Default: where this file came from. */
    constructor(gateway?: string | URL);
    /** The user who is signed in. @returns {User | null} */
    get user(): User | null;
    /** The site's root without a final slash, while a user is signed in. */
    get site(): string | null;
    get state(): State;
    /** Why the state is `unreachable`. */
    get problem(): LoginError | null;
    /** The user who was signed in on load, or null. Rejects if waiting cannot help: `origin_not_allowed`. */
    get restored(): Promise<User | null>;
    /** Looks for a session now, as on load. */
    restore(): Promise<User | null>;
    /** How users can sign in to the site. @returns {Promise<Methods>} */
    methods({ fresh }?: {
        fresh?: boolean | undefined;
    }): Promise<Methods>;
    /**
     * Opens a tab to sign in to the site. Call it in a click handler, or browsers block the tab.
     * @param {{open?: boolean}} [options]  `open: false` opens no tab.
     * @returns {Promise<BrowserSignIn>}
     */
    signInWithBrowser({ open }?: {
        open?: boolean;
    }): Promise<BrowserSignIn>;
    /** Continues `signInWithBrowser` after a reload. @returns {Promise<BrowserSignIn | null>} */
    resumeSignIn(): Promise<BrowserSignIn | null>;
    /**
     * Signs in. Returns null if the user is signed in now, or a challenge if the site requires a code.
     * @returns {Promise<Challenge | null>}
     * @throws {LoginError}
     */
    signIn(/** @type {string} */ username: string, /** @type {string} */ password: string): Promise<Challenge | null>;
    /** Makes a sign-in faster: starts the gateway's functions. Call it when you show a form. */
    warmUp(/** @type {"password" | "browser"} */ way?: "password" | "browser"): void;
    /** Stops looking for a session that cannot be restored now, so that the user can sign in. A sign-in ends that session. */
    signInAgain(): void;
    /** Calls back with the user: now, if one is signed in, and whenever another one signs in. */
    onSignedIn(/** @type {(user: User) => void} */ callback: (user: User) => void): void;
    /** Waits for a user. @returns {Promise<User>} */
    signedIn(): Promise<User>;
    /**
     * Signs out in all tabs. Rejects, and the user stays signed in, if the call fails.
     * @param {{everywhere?: boolean}} [options]  `everywhere: true` ends all sessions of the user, on all devices.
     */
    signOut({ everywhere }?: {
        everywhere?: boolean;
    }): Promise<void>;
    /** Lets `fetch` send the API token to a studio's own API, such as `https://api.studio.com`. */
    addOrigin(/** @type {string} */ origin: string): void;
    /**
     * `fetch` as the user. The site receives the access token, the origins of `addOrigin` receive the API token.
     * @param {RequestInfo | URL} input
     * @param {RequestInit} [init]
     * @returns {Promise<Response>}
     * @throws {LoginError} As `accessToken`.
     */
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
    /**
     * The site's access token, fresh enough to be used now. Send it to the site only, and do not store it.
     * @returns {Promise<string>}
     * @throws {LoginError} `signed_out`, `session_ended`, or the token cannot be renewed.
     */
    accessToken(): Promise<string>;
    /** The token for studio APIs. The site does not accept it. Do not store it. @returns {Promise<string>} */
    apiToken(): Promise<string>;
}
/** The sign-in of this page, through the gateway that served this file. */
export declare const login: ShotGridLogin;
