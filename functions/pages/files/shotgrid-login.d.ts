/**
 * Signs users in to a ShotGrid site through the gateway that serves this file, and calls the site as that user.
 *
 * The access token is only in memory. The session is a cookie that scripts cannot read or, for pages of another site
 * and in frames, a handle (the gateway's refresh token) in `sessionStorage`. Tabs of an origin share one session.
 */
export type User = {
    type: string;
    id: number;
    login: string;
};
export type State = "restoring" | "unreachable" | "signed_out" | "signed_in";
export type Challenge = {
    /**
     * `Date.now()` milliseconds.
     */
    expiresAt: number;
    /**
     * Accepts an app's code or a backup code. Rejects with
     * `LoginError`: `invalid_otp` has `attemptsLeft`; after `challenge_ended` call `signIn` again.
     */
    sendCode: (code: string) => Promise<User>;
};
export type Session = {
    user: User;
    site: string;
    accessToken: string;
    /**
     * The handle; only with token transport.
     */
    refreshToken: string | undefined;
    renewAt: number;
    expiresAt: number;
};
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
     * @param {string} code  The gateway's, or `signed_out` (no user is signed in), `unreachable` (no response).
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
 * (restoring failed; it is tried again if the error is transient).
 */
export declare class ShotGridLogin extends EventTarget {
    #private;
    /** @param {string | URL} [gateway]  Default: where this file came from. */
    constructor(gateway?: string | URL);
    /** The user who is signed in. */
    get user(): User | null;
    /** The site's root without a final slash, while a user is signed in. */
    get site(): string | null;
    get state(): State;
    /** Why the state is `unreachable`. */
    get problem(): LoginError | null;
    /** The user who was signed in on load, or null. Rejects if waiting cannot help: `origin_not_allowed`. */
    get restored(): Promise<User | null>;
    /** Looks for a session now, as on load. Use it after `unreachable`. */
    restore(): Promise<User | null>;
    /**
     * Signs in. Returns null if the user is signed in now, or a challenge if the site requires a code.
     * @param {string} username
     * @param {string} password
     * @returns {Promise<Challenge | null>}
     * @throws {LoginError}
     */
    signIn(username: string, password: string): Promise<Challenge | null>;
    /**
     * Calls back with the user: now, if one is signed in, and whenever another one signs in.
     * @param {(user: User) => void} callback
     */
    onSignedIn(callback: (user: User) => void): void;
    /** Waits until a user is signed in. @returns {Promise<User>} */
    signedIn(): Promise<User>;
    /** Signs out in all tabs. Rejects, and the user stays signed in, if the call fails. */
    signOut(): Promise<void>;
    /**
     * Lets `fetch` send the access token to a studio's own API.
     * @param {string} origin  Such as `https://api.studio.com`.
     */
    addOrigin(origin: string): void;
    /**
     * `fetch`, with the access token for the site and the origins of `addOrigin` only. Renews the token before it
     * expires, and once after a 401. A 401 means that a request was not processed (RFC 9110, 15.5.2): it is sent again,
     * unless its body is a stream.
     * @param {RequestInfo | URL} input
     * @param {RequestInit} [init]
     * @returns {Promise<Response>}
     * @throws {LoginError} As `accessToken`.
     */
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
    /**
     * The site's access token, fresh enough to be used now. Do not store it.
     * @throws {LoginError} `signed_out`, `session_ended`, or the token cannot be renewed.
     */
    accessToken(): Promise<string>;
}
/** The sign-in of this page, through the gateway that served this file. */
export declare const login: ShotGridLogin;
