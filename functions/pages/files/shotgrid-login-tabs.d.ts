/** Tabs that share the handle of a session. `shotgrid-login.js` imports this module with token transport only. */
export type Session = {
    user: import("./shotgrid-login.js").User;
    site: string;
    /**
     * For the site.
     */
    accessToken: string;
    /**
     * For studio APIs.
     */
    apiToken: string;
    /**
     * The handle; only with token transport.
     */
    refreshToken: string | undefined;
    renewAt: number;
    expiresAt: number;
    /**
     * Of two sessions, the one with the larger number is newer.
     */
    number: number;
    /**
     * Decides between sessions with the same number. Tabs can renew in the same millisecond.
     */
    tie: number;
};
/**
 * Waits until the browser has passed on the messages that this tab has sent, and this tab has received those that other
 * tabs had sent before. A message goes from the tab's channel to a second one of the same name, and another one comes
 * back: browsers keep the order of messages. A lock can be granted before a message arrives, and a tab that was frozen
 * has many waiting.
 * @param {BroadcastChannel} channel
 */
export declare function settle(channel: BroadcastChannel): Promise<void>;
