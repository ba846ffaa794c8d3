/**
 * Signs people in to a ShotGrid site, through the gateway that serves this file, and reads the site as them.
 *
 * The access token is in memory only. The session is in a cookie that no script can read, or, on pages of another
 * site and in frames, its handle in `sessionStorage`. Tabs of an origin share one session.
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
     * Takes an app's code or a backup code. Rejects with
     * `LoginError`: `invalid_otp` has `attemptsLeft`; after `challenge_ended` call `signIn` again.
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
    /** Of HTTP; 0 without an answer. */
    status: number;
    /** How many more codes are taken. */
    attemptsLeft: number | undefined;
    /** Seconds to wait. */
    retryAfter: number | undefined;
    /** What the gateway's log knows the request by. */
    requestId: string | undefined;
    /**
     * @param {string} code  The gateway's, or `signed_out` (nobody is signed in), `unreachable` (no answer).
     * @param {string} message
     * @param {{status?: number, attempts_left?: number, retry_after?: number, request_id?: string}} [problem]
     */
    constructor(code: string, message: string, problem?: {
        status?: number;
        attempts_left?: number;
        retry_after?: number;
        request_id?: string;
    });
    /** Whether the same may work in a while. */
    get transient(): boolean;
}
/**
 * Fires `signedin`, `signedout`, `sessionended` (expired, or ended by the site), in whatever tab it happened, and
 * `unreachable` (no answer while restoring; it goes on trying).
 */
export declare class ShotGridLogin extends EventTarget {
    #private;
    /** @param {string | URL} [gateway]  By default where this file came from. */
    constructor(gateway?: string | URL);
    /** Who is signed in. */
    get user(): User | null;
    /** The ShotGrid site's root, without a final slash, while somebody is signed in. */
    get site(): string | null;
    get state(): State;
    /** Why the state is `unreachable`. */
    get problem(): LoginError | null;
    /** Who was signed in on load, once that is known. Rejects where waiting cannot help: `origin_not_allowed`. */
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
    /**
     * Calls back with who is signed in: now, if somebody is, and whenever somebody else is.
     * @param {(user: User) => void} callback
     */
    onSignedIn(callback: (user: User) => void): void;
    /** Waits until somebody is signed in. @returns {Promise<User>} */
    signedIn(): Promise<User>;
    /** Signs out, in all tabs. Rejects, still signed in, where the gateway could not be told. */
    signOut(): Promise<void>;
    /**
     * Lets `fetch` send the bearer to a studio's own API.
     * @param {string} origin  Such as `https://api.studio.com`.
     */
    addOrigin(origin: string): void;
    /**
     * `fetch`, with the bearer for the site and the origins of `addOrigin` only. Renews the token before it expires, and
     * once after a 401, which says that a request was not carried out (RFC 9110, 15.5.2): it is sent again, unless its
     * body is a stream.
     * @param {RequestInfo | URL} input
     * @param {RequestInit} [init]
     * @returns {Promise<Response>}
     * @throws {LoginError} As `accessToken`.
     */
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
    /**
     * The site's access token, fresh enough to be used now; keep it nowhere.
     * @throws {LoginError} `signed_out`, `session_ended`, or no new token to be had.
     */
    accessToken(): Promise<string>;
}
/** The sign-in of this page, through the gateway that served this file. */
export declare const login: ShotGridLogin;
