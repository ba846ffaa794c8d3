/**
 * `<shotgrid-login>`: the sign-in form. It shows fields for user name and password, then a field for the code if the
 * site requires one. After sign-in it shows the user and a button to sign out. The element's content is visible only
 * while a user is signed in.
 *
 * The attribute `state` (`restoring`, `unreachable`, `password`, `code`, `signed-in`) is for a page's style sheet.
 * A page's code listens to the events of `login` instead. The element is built with DOM calls and a constructed style
 * sheet, so it works under the strictest Content Security Policy and Trusted Types.
 */
import { LoginError, login } from "./shotgrid-login.js";
export { LoginError, login };
export type Challenge = import("./shotgrid-login.js").Challenge;
export declare class ShotGridLoginElement extends HTMLElement {
    #private;
    constructor();
    connectedCallback(): void;
    disconnectedCallback(): void;
    /** Focuses the user name, or the code during the code step. */
    focus(/** @type {FocusOptions} */ options?: FocusOptions): void;
}
