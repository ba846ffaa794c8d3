/** Sign-in with a password, and with a code if the site requires one. `shotgrid-login.js` imports this module on demand. */
export type Access = import("./shotgrid-login-browser.js").Access;
export type User = import("./shotgrid-login.js").User;
export type Challenge = {
    expiresAt: number;
    sendCode: (code: string) => Promise<User>;
};
/** @typedef {import("./shotgrid-login-browser.js").Access} Access */
/** @typedef {import("./shotgrid-login.js").User} User */
/** @typedef {{expiresAt: number, sendCode: (code: string) => Promise<User>}} Challenge  Times are `Date.now()`. */
/**
 * Returns null if the user is signed in now, or a challenge if the site requires a code. A session that this sign-in
 * replaces is ended by the gateway.
 * @param {Access} access
 * @param {{username: string, password: string}} credentials
 * @returns {Promise<Challenge | null>}
 */
export declare function signIn({ call, handle, adopt }: Access, credentials: {
    username: string;
    password: string;
}): Promise<Challenge | null>;
