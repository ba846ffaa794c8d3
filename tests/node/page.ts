// A page in TypeScript. The type check reads the declarations next to the modules.
import { LoginError, login, type Challenge, type User } from "../../functions/pages/files/shotgrid-login.js";
import { ShotGridLoginElement } from "../../functions/pages/files/shotgrid-login-element.js";

export async function page(username: string, password: string, code: string): Promise<string | undefined> {
  const restored: User | null = await login.restored;
  if (restored) return restored.login;
  login.addOrigin("https://api.studio.com");
  login.addEventListener("sessionended", () => console.log(login.state, login.user?.id));
  try {
    const challenge: Challenge | null = await login.signIn(username, password);
    if (challenge) await challenge.sendCode(code);
    const response: Response = await login.fetch(`${login.site}/api/v1/entity/projects`, { method: "GET" });
    if (response.ok) return [await login.accessToken(), await login.apiToken()].join();
    if (login.state === "unreachable") login.signInAgain();
    await login.signOut({ everywhere: true });
  } catch (error) {
    if (error instanceof LoginError && error.transient) return `${error.code} ${error.attemptsLeft ?? error.retryAfter}`;
    throw error;
  }
}

// @ts-expect-error: a password is a string
login.signIn("a_username", 123456);
// @ts-expect-error: a page cannot set the user
login.user = null;

export const element: HTMLElement = document.querySelector<ShotGridLoginElement>("shotgrid-login")!;
