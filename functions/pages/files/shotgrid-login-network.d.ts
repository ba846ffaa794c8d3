/** Finds out why a call of the gateway had no response. `shotgrid-login.js` imports this module after such a call. */
/**
 * Returns a text for the user if the gateway rejects this page's origin, and "" if it cannot be reached. Both look
 * alike at first, because browsers hide error responses of other origins.
 * @param {string} gateway
 * @param {(ms: number) => AbortSignal} timeout
 * @param {() => Promise<Response>} call  A call that only the pages of allowed origins can read.
 */
export declare function originRejected(gateway: string, timeout: (ms: number) => AbortSignal, call: () => Promise<Response>): Promise<string>;
