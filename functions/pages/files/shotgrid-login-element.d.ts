/**
 * `<shotgrid-login>`: offers the ways to sign in that the site supports. In the browser: a button that opens the site
 * in a new tab, then a wait for the approval there. With a password: fields for user name and password, then a field
 * for the code if the site requires one. After sign-in it shows the user and a button to sign out. The element's
 * content is visible only while a user is signed in.
 *
 * The attribute `state` (`restoring`, `unreachable`, `browser`, `waiting`, `password`, `code`, `signed-in`) is for a
 * page's style sheet. A page's code listens to the events of `login` instead. The element is built with DOM calls and a
 * constructed style sheet, so it works under the strictest Content Security Policy and Trusted Types.
 */
import { LoginError, login } from "./shotgrid-login.js";
export { LoginError, login };
export type BrowserSignIn = import("./shotgrid-login.js").BrowserSignIn;
export type Challenge = import("./shotgrid-login.js").Challenge;
export type Methods = import("./shotgrid-login.js").Methods;
export declare class ShotGridLoginElement extends HTMLElement {
    #private;
    constructor();
    connectedCallback(): void;
    disconnectedCallback(): void;
    /** Focuses the first control of the current step. */
    focus(/** @type {FocusOptions} */ options?: FocusOptions): void;
}
