/**
 * Browser sign-in: the user signs in to the ShotGrid site in another tab, and approves a request there. This
 * module polls the gateway until then. `shotgrid-login.js` imports it on demand.
 *
 * Nothing here depends on the other tab. The site sends no message to this page, and `closed` of a tab is always true
 * if one of the two pages has a Cross-Origin-Opener-Policy.
 */
export type LoginError = import("./shotgrid-login.js").LoginError;
export type Session = import("./shotgrid-login-tabs.js").Session;
export type User = import("./shotgrid-login.js").User;
export type Methods = {
    siteUrl: string;
    siteHost: string;
    /**
     * `oxygen` is Autodesk Identity.
     */
    method: "default" | "ldap" | "oxygen" | "saml2" | "unknown";
    /**
     * `legacy`: a legacy login with its own passphrase.
     */
    password: "yes" | "legacy" | "no" | "unknown";
    browser: "yes" | "no" | "unknown";
};
export type Access = {
    login: EventTarget & {
        user: User | null;
    };
    LoginError: typeof import("./shotgrid-login.js").LoginError;
    /**
     * With a final slash.
     */
    gateway: string;
    read: (request: Promise<Response>) => Promise<any>;
    call: (route: string, fields: object) => Promise<any>;
    /**
     * Of the session that a sign-in replaces.
     */
    handle: () => string | undefined;
    /**
     * Takes over the session of a response.
     */
    adopt: (body: object) => User;
    /**
     * The session, once it is restored.
     */
    session: () => Promise<Session>;
    /**
     * Gets tokens other than the rejected one.
     */
    renew: (rejected?: string, bySite?: boolean) => Promise<void>;
    /**
     * The origins of `addOrigin`.
     */
    apiOrigins: Set<string>;
    timeout: (ms: number) => AbortSignal;
};
export type ApprovalRequest = {
    challenge: string;
    approvalUrl: string;
    siteHost: string;
    appName: string;
    expiresAt: number;
    opened: boolean;
};
/** A sign-in that waits until the user approves it. */
export declare class BrowserSignIn {
    #private;
    /** The site's page for the approval. Keep it secret: any caller that has it can take the session. */
    approvalUrl: string;
    /** The host of the site. */
    siteHost: string;
    /** The name that the approval page shows. */
    appName: string;
    /** When the time to approve is over, in `Date.now()` milliseconds. The page waits a little longer for the result. */
    expiresAt: number;
    /** Whether a tab was opened. If not, the user needs a link to `approvalUrl`. */
    opened: boolean;
    /**
     * The user. Rejects with `LoginError`: `challenge_ended` (declined, or not approved in time), `cancelled`, or an
     * error of the gateway.
     * @type {Promise<User>}
     */
    done: Promise<User>;
    /**
     * Why the last poll failed. The sign-in still waits: the site or the gateway may respond later.
     * @type {LoginError | null}
     */
    problem: LoginError | null;
    /**
     * @param {Access} access
     * @param {ApprovalRequest} request
     * @param {number} polledAt  When the gateway was last called for this request, in `Date.now()` milliseconds.
     */
    constructor(access: Access, request: ApprovalRequest, polledAt: number);
    /** Forgets the request. An approval has no effect then. */
    cancel: () => void;
}
/**
 * Returns what the site supports.
 * @param {Access} access
 * @param {boolean} fresh  Without the browser's cache.
 * @returns {Promise<Methods>}
 */
export declare function methods({ gateway, read, timeout }: Access, fresh: boolean): Promise<Methods>;
/**
 * Requests the approval, and opens the approval page in a blank tab.
 * @param {Access} access
 * @param {Window | null} tab
 * @returns {Promise<BrowserSignIn>}
 */
export declare function start(access: Access, tab: Window | null): Promise<BrowserSignIn>;
/**
 * Continues the sign-in that waited when the page was loaded again. Returns null if no sign-in was waiting.
 * @param {Access} access
 * @returns {BrowserSignIn | null}
 */
export declare function resume(access: Access): BrowserSignIn | null;
