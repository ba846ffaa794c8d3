"""Pages in the browser: the sign-in form, the time of a page, and code that runs in a page."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import BrowserContext, Frame, Locator, Page, expect

from tests.local.stack import DOMAIN, ROOT
from tests.site.fake_site import Account
from tests.support.client import COOKIE, PAGE, Gateway, expire_access_token, until

# `npm ci` installs axe-core, chart.js and the TypeScript compiler here.
NODE = ROOT / "tests" / "node"

TOKEN_SECONDS = 600  # the default lifetime of the site's access tokens

# Scripts for a page. The module's waits take a hundredth of their time, a hundred times their time, or never end.
FAST_TIMERS = "globalThis.setTimeout = ((set) => (callback, ms) => set(callback, ms / 100))(globalThis.setTimeout);"
SLOW_TIMERS = "globalThis.setTimeout = ((set) => (callback, ms) => set(callback, ms * 100))(globalThis.setTimeout);"
STOPPED_TIMERS = "globalThis.setTimeout = () => 0;"

# Runs code with the module that the page has loaded. Returns the code's result, or the code or name of its error.
RUN_WITH_LOGIN = """
async ([code, values]) => {
  const { login } = await import(document.querySelector("script").src.replace("-element", ""));
  const run = new Function("login", "values", `return (async () => { ${code} })()`);
  return run(login, values).catch((error) => (error.name === "LoginError" ? error.code : error.name));
}
"""


class Form:
    """`<shotgrid-login>` on a page, and the list of projects on the page in the README."""

    def __init__(self, page: Page, gateway: Gateway) -> None:
        self.page = page
        self.element = page.locator("shotgrid-login")
        self.username = page.get_by_label("User name")
        self.password = page.get_by_label("Password")
        self.code = page.get_by_label("Code", exact=True)
        self.submit_button = self.element.get_by_role("button", name="Sign in", exact=True)
        self.sign_out_button = self.element.get_by_role("button", name="Sign out")
        self.problem = self.element.get_by_role("alert")
        self.projects = page.locator("#projects")
        self._gateway = gateway

    @property
    def signed_in_as(self) -> Locator:
        return self.element.get_by_text("Signed in as ", exact=False).first

    def submit_password(self, user: Account, password: str | None = None) -> None:
        """Submit the password step. The default is the user's own password."""
        self._gateway.secrets.add(password or user.password)
        self.username.fill(user.login)
        self.password.fill(password or user.password)
        self.submit_button.click()

    def submit_code(self, code: str) -> None:
        self._gateway.secrets.add(code)
        self.code.fill(code)
        self.submit_button.click()

    def sign_in(self, user: Account) -> None:
        """Sign in, with a code if the site requires one."""
        self.submit_password(user)
        if self.wait_for_state("code", "signed-in") == "code":
            self.submit_code(self._gateway.site.code(user.login))
        self.expect_signed_in(user)

    def sign_out(self) -> None:
        self.sign_out_button.click()
        self.wait_for_state("password")

    def wait_for_state(self, *states: str) -> str:
        """Wait until the element has one of these states, and return it."""
        return wait_for_attribute(self.element, "state", *states)

    def expect_signed_in(self, user: Account) -> None:
        """Wait until the user is signed in and the page has read the projects, so that no request is left."""
        self.expect_greeting(user)
        if self.projects.count():
            self.page.locator("#projects:not(:empty)").wait_for()

    def expect_greeting(self, user: Account) -> None:
        self.wait_for_state("signed-in")
        expect(self.signed_in_as).to_contain_text(user.login)


def wait_for_attribute(locator: Locator, name: str, *values: str) -> str:
    """Wait until an attribute has one of these values, and return it. Faster than `expect`, which polls rarely."""

    def value() -> str | None:
        current = locator.get_attribute(name)
        return current if current in values else None

    found: str = until(value)
    return found


def wait_for_text(locator: Locator, text: str) -> None:
    """Wait until an element contains a text. Faster than `expect`, which polls rarely."""
    until(lambda: text in locator.inner_text())


def open_form(page: Page, gateway: Gateway, url: str, state: str) -> Form:
    """Open a page, and wait until its element has a state."""
    page.goto(url)
    form = Form(page, gateway)
    form.wait_for_state(state)
    return form


def sign_in_over_http(context: BrowserContext, gateway: Gateway, user: Account) -> str:
    """Sign in without a page, and store the session's cookie in the browser. Returns the session's handle."""
    handle = gateway.caller(origin=PAGE).signed_in(user, transport="cookie").cookie
    assert handle
    context.add_cookies(
        [
            {
                "name": COOKIE,
                "value": handle,
                "url": f"https://{DOMAIN}/",
                "httpOnly": True,
                "secure": True,
                "sameSite": "Strict",
            }
        ]
    )
    return handle


def pass_time(page: Page | Frame, seconds: float) -> None:
    """Move the page's `Date.now()` forward and stop it there. No timer fires, as on a laptop that has slept."""
    page.evaluate("(ms) => { const now = Date.now() + ms; Date.now = () => now; }", seconds * 1000)


def expire_tokens(gateway: Gateway, user: Account, handle: str, *pages: Page | Frame) -> None:
    """Let the access token of a session expire: at the site, in the gateway and in these pages."""
    gateway.site.end_access_tokens(user)
    expire_access_token(gateway, handle)
    for page in pages:
        pass_time(page, TOKEN_SECONDS)


def stop_clock(page: Page) -> None:
    """Stop the page's time and timers. The test moves them with `page.clock`. Needs the fixture `own_context`."""
    page.clock.install()
    page.clock.pause_at(time.time() + 60)


def run(page: Page | Frame, code: str, **values: Any) -> Any:
    """Run JavaScript with `login` and `values`. Returns its result, or the code or name of its error."""
    return page.evaluate(RUN_WITH_LOGIN, [code, values])


def read_site(page: Page | Frame, path: str = "/api/v1/entity/projects") -> Any:
    """Read the site with `login.fetch`. Returns the status, or the code or name of the error."""
    return run(page, "return (await login.fetch(login.site + values.path)).status;", path=path)
