/** Sign-in with a password, and with a code if the site requires one. `shotgrid-login.js` imports this module on demand. */

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
export async function signIn({ call, handle, adopt }, credentials) {
  // In a frame under a page of another site, the cookie is dropped.
  const transport = top === window ? {} : { transport: "token" };
  const body = await call("password", { ...credentials, ...transport, refresh_token: handle() });
  if (body.status === "signed_in") {
    adopt(body);
    return null;
  }
  return {
    expiresAt: Date.now() + body.expires_in * 1000,
    sendCode: async (code) => {
      const fields = { challenge: body.challenge, code, ...transport, refresh_token: handle() };
      return adopt(await call("otp", fields));
    },
  };
}
