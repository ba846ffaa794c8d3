/**
 * `login.fetch`: which origin receives which token, and when a request is sent again. `shotgrid-login.js` imports this
 * module when a user is signed in.
 */
export type Access = import("./shotgrid-login-browser.js").Access;
export type Session = import("./shotgrid-login-tabs.js").Session;
/**
 * Sends a request, with a token if its origin may receive one.
 * @param {Access} access
 * @param {{request: Request, isStream: boolean}} options  `isStream`: the body is a stream, so it cannot be sent again.
 * @returns {Promise<Response>}
 */
export declare function fetchWithToken(access: Access, { request, isStream }: {
    request: Request;
    isStream: boolean;
}): Promise<Response>;
/** Returns the session, with tokens that can be used now. */
export declare function freshSession(/** @type {Access} */ { session, renew }: Access): Promise<import("./shotgrid-login-tabs.js").Session>;
