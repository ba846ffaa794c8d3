// A page in TypeScript, against the declarations that pages find beside the modules.
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
    const answer: Response = await login.fetch(`${login.site}/api/v1/entity/projects`, { method: "GET" });
    return answer.ok ? await login.accessToken() : undefined;
  } catch (error) {
    if (error instanceof LoginError && error.transient) return `${error.code} ${error.attemptsLeft ?? error.retryAfter}`;
    throw error;
  }
}

// @ts-expect-error: a code is text
login.signIn("somebody", 123456);
// @ts-expect-error: nobody sets who is signed in
login.user = null;

export const element: HTMLElement = document.querySelector<ShotGridLoginElement>("shotgrid-login")!;
