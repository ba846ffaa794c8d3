/**
 * Starts the gateway's functions before a user signs in, because a function that was not used for some minutes starts
 * slowly. `shotgrid-login.js` imports this module when a way to sign in is shown.
 */
export type Access = import("./shotgrid-login-browser.js").Access;
/**
 * Starts the functions of a way to sign in, at most once in five minutes. Errors are ignored: a sign-in works without it.
 * @param {Access} access
 * @param {"password" | "browser"} way
 */
export declare function warmUp({ gateway, timeout }: Access, way: "password" | "browser"): void;
