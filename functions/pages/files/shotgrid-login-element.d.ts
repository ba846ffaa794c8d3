/**
 * `<shotgrid-login>`: the sign-in form. User name and password, then the code where the site asks for one, then who
 * is signed in and a button to sign out. What stands inside the element is shown while somebody is signed in.
 *
 * The attribute `state` (`restoring`, `unreachable`, `password`, `code`, `signed-in`) is for a page's style sheet;
 * a page's code listens to `login`. Everything is built by DOM calls and a constructed style sheet, so that the
 * strictest Content Security Policy and Trusted Types hold.
 */
import { LoginError, login } from "./shotgrid-login.js";
export { LoginError, login };
export type Challenge = import("./shotgrid-login.js").Challenge;
export declare class ShotGridLoginElement extends HTMLElement {
    #private;
    constructor();
    connectedCallback(): void;
    disconnectedCallback(): void;
    /** Puts the focus where the form waits for input. */
    focus(/** @type {FocusOptions} */ options?: FocusOptions): void;
}
