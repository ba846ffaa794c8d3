/**
 * Signs people in to a ShotGrid site, through the gateway that serves this file, and reads the site as them.
 *
 * The access token lives in this module's memory only. On pages of the gateway's own site the session is in a
 * cookie that no script can read; elsewhere, and in frames, its handle is in `sessionStorage`. Tabs of an origin
 * share one session: whoever refreshes tells the others, and so does whoever signs out.
 */
export type User = {
    type: string;
    id: number;
    login: string;
};
export type State = "restoring" | "unreachable" | "signed_out" | "signed_in";
export type Challenge = {
    /**
     * Until when the code is taken, in `Date.now()` milliseconds.
     */
    expiresAt: number;
    /**
     * Ends the sign-in with an app's code or a backup code.
     * Rejects with `LoginError`: `invalid_otp` has `attemptsLeft`; after `challenge_ended` call `signIn` again.
     */
    sendCode: (code: string) => Promise<User>;
};
export type Session = {
    user: User;
    site: string;
    accessToken: string;
    /**
     * With token transport only.
     */
    refreshToken: string | undefined;
    /**
     * These two in `Date.now()` milliseconds.
     */
    renewAt: number;
    expiresAt: number;
};
/** A refusal, or no answer. Decide by `code`; `message` is for people. */
export declare class LoginError extends Error {
    code: string;
    /** HTTP status, 0 where there was no answer. */
    status: number;
    /** How many more codes the challenge takes. */
    attemptsLeft: number | undefined;
    /** Seconds to wait. */
    retryAfter: number | undefined;
    /** What the gateway's log knows the request by. */
    requestId: string | undefined;
    /**
     * @param {string} code  One of the gateway's, or `signed_out` (nobody is signed in), `unreachable` (no answer).
     * @param {string} message
     * @param {{status?: number, attempts_left?: number, retry_after?: number, request_id?: string}} [problem]
     */
    constructor(code: string, message: string, problem?: {
        status?: number;
        attempts_left?: number;
        retry_after?: number;
        request_id?: string;
    });
    /** Whether the same may work in a while, as nothing was decided. */
    get transient(): boolean;
}
/**
 * Fires `signedin`, `signedout` (here or in another tab), `sessionended` (it expired, or the site ended it) and
 * `unreachable` (no answer while restoring; it goes on trying where that can help).
 */
export declare class ShotGridLogin extends EventTarget {
    #private;
    /** @param {string | URL} [gateway]  The gateway's address; without it, the folder that this file came from. */
    constructor(gateway?: string | URL);
    /** Who is signed in. */
    get user(): User | null;
    /** The ShotGrid site's root, such as `https://studio.shotgrid.autodesk.com`, while somebody is signed in. */
    get site(): string | null;
    get state(): State;
    /** Why the state is `unreachable`. */
    get problem(): LoginError | null;
    /**
     * Who was signed in when the page loaded, once that is known. Rejects with `LoginError` where waiting cannot
     * help, as with `origin_not_allowed`.
     */
    get restored(): Promise<User | null>;
    /** Looks for a session now, as on load: after `unreachable`. */
    restore(): Promise<User | null>;
    /**
     * Signs in. Null when that was all, a challenge when the site wants a code.
     * @param {string} username
     * @param {string} password
     * @returns {Promise<Challenge | null>}
     * @throws {LoginError}
     */
    signIn(username: string, password: string): Promise<Challenge | null>;
    /** Waits until somebody is signed in. @returns {Promise<User>} */
    signedIn(): Promise<User>;
    /** Signs out, in all tabs. Rejects with `LoginError`, still signed in, where the gateway could not be told. */
    signOut(): Promise<void>;
    /**
     * Names an origin, besides the site's, to which `fetch` sends the bearer: a studio's own API.
     * @param {string} origin  Such as `https://api.studio.com`.
     */
    addOrigin(origin: string): void;
    /**
     * `fetch`, with the bearer for the site and the origins of `addOrigin`, and for no other. Renews the token before
     * it expires, and once after a 401. A 401 says that a request was not carried out (RFC 9110, 15.5.2), so
     * that one is repeated, unless its body is a stream, which cannot be sent again.
     * @param {RequestInfo | URL} input
     * @param {RequestInit} [init]
     * @returns {Promise<Response>}
     * @throws {LoginError} `signed_out`, `session_ended`, or no new token to be had.
     */
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
    /**
     * The site's access token, fresh enough to be used now. For what `fetch` cannot do; keep it nowhere.
     * @throws {LoginError} `signed_out`, `session_ended`, or no new token to be had.
     */
    accessToken(): Promise<string>;
}
/** The sign-in of this page, through the gateway that served this file. */
export declare const login: ShotGridLogin;
