"""Pages in the browser: the sign-in form, the time of a page, and code that runs in a page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Literal

from playwright.sync_api import BrowserContext, Frame, Locator, Page, Route, ViewportSize, expect

from tests.local.stack import DOMAIN, ROOT
from tests.site.fake_site import Account
from tests.site.launcher import ApprovalRequest
from tests.support.browser import DESKTOP, PHONE, is_warm_up, posted
from tests.support.client import COOKIE, PAGE, Gateway, expire_access_token, until

# `npm ci` installs axe-core, chart.js and the TypeScript compiler here.
NODE = ROOT / "tests" / "node"

# Colours do not depend on the size, and sizes do not depend on the colours. So two looks are enough.
LOOKS: tuple[tuple[ViewportSize, Literal["light", "dark"]], ...] = ((DESKTOP, "light"), (PHONE, "dark"))

AXE = (NODE / "node_modules" / "axe-core" / "axe.min.js").read_text()

TOKEN_SECONDS = 600  # the default lifetime of the site's access tokens

# Scripts for a page. The module's waits take a hundredth of their time, a hundred times their time, or never end.
FAST_TIMERS = "globalThis.setTimeout = ((set) => (callback, ms) => set(callback, ms / 100))(globalThis.setTimeout);"
SLOW_TIMERS = "globalThis.setTimeout = ((set) => (callback, ms) => set(callback, ms * 100))(globalThis.setTimeout);"
STOPPED_TIMERS = "globalThis.setTimeout = () => 0;"

# The user comes back from another tab. Two seconds have passed, because the module does not poll more often.
COME_BACK = """
() => {
  const now = Date.now;
  Date.now = () => now() + 2000;
  dispatchEvent(new Event("focus"));
}
"""

# Runs code with the module that the page has loaded. Returns the code's result, or the code or name of its error.
RUN_WITH_LOGIN = """
async ([code, values]) => {
  const { login } = await import(document.querySelector("script").src.replace("-element", ""));
  const run = new Function("login", "values", `return (async () => { ${code} })()`);
  return run(login, values).catch((error) => (error.name === "LoginError" ? error.code : error.name));
}
"""


class Form:
    """`<shotgrid-login>` on a page or in a frame of it, and the list of projects on the page in the README."""

    def __init__(self, page: Page, gateway: Gateway, frame: Frame | None = None) -> None:
        self.page = page
        self.document = frame or page
        self.element = self.document.locator("shotgrid-login")
        self.username = self.document.get_by_label(re.compile("^(User name|Legacy login)$"))
        self.password = self.document.get_by_label(re.compile("^(Password|Legacy passphrase)$"))
        self.code = self.document.get_by_label("Code", exact=True)
        self.submit_button = self.element.get_by_role("button", name="Sign in", exact=True)
        self.browser_button = self.element.get_by_role("button", name=re.compile("^(Sign in at |Try again$)"))
        self.browser_link = self.element.get_by_role("button", name="Sign in with the browser instead")
        self.password_link = self.element.get_by_role("button", name=re.compile("legacy login|password instead"))
        self.approval_link = self.element.get_by_role("link")
        self.cancel_button = self.element.get_by_role("button", name="Cancel")
        self.sign_in_again_button = self.element.get_by_role("button", name="Sign in again")
        self.sign_out_button = self.element.get_by_role("button", name="Sign out")
        self.problem = self.element.get_by_role("alert")
        self.announcement = self.element.get_by_role("status").last  # only for screen readers
        self.projects = self.document.locator("#projects")
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

    def start_in_browser(self, button: Locator | None = None) -> tuple[ApprovalRequest, Page]:
        """Press the button, and wait for the approval page. Returns the approval request and the new tab."""
        with self.page.context.expect_page() as opened, self.page.expect_response(posted("/auth/browser")) as started:
            (button or self.browser_button).click()
        tab = opened.value
        body = started.value.json()
        self._gateway.secrets |= {body["challenge"], body["approval_url"]}
        self.wait_for_state("waiting")
        tab.wait_for_url(f"{self._gateway.site.url}/**")
        return self._gateway.site.approval_request(body["approval_url"]), tab

    def come_back(self) -> None:
        """Come back from the site's tab to this page. No browser test can hide a tab, so the page gets the event."""
        self.document.evaluate(COME_BACK)

    def sign_in_with_browser(self, user: Account, button: Locator | None = None) -> ApprovalRequest:
        """Sign in with the browser. The user approves the request, and closes the tab of the site."""
        request, tab = self.start_in_browser(button)
        self._gateway.site.approve(request.id, user)
        tab.close()
        self.come_back()
        self.expect_signed_in(user)
        return request

    def sign_out(self, to: str = "password") -> None:
        """Sign out, and wait for the state that the element then has. Then it moves the focus once more."""
        self.sign_out_button.click()
        self.wait_for_state(to)
        expect(self.browser_button if to == "browser" else self.username).to_be_focused()

    def wait_for_state(self, *states: str) -> str:
        """Wait until the element has one of these states, and return it."""
        return wait_for_attribute(self.element, "state", *states)

    def expect_signed_in(self, user: Account) -> None:
        """Wait until the user is signed in and the page has read the projects, so that no request is left."""
        self.expect_greeting(user)
        if self.projects.count():
            self.document.locator("#projects:not(:empty)").wait_for()

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


def change_methods(gateway: Gateway, **switches: Any) -> None:
    """Change how users can sign in to the site, and stop the functions that remember how it was before."""
    gateway.site.switch(**switches)
    gateway.aws.kill("MethodsFunction")
    expected = switches.get("authentication_method", gateway.site.switches.authentication_method)
    caller = gateway.caller()

    def is_new() -> bool:
        response = caller.methods()
        return response.status == 200 and response.body["method"] in (expected, "unknown")

    until(is_new)


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


def hold(page: Page, url: str, times: int | None = None) -> Callable[[], Route]:
    """Hold the requests of the page to the URL pattern, or the first `times` of them. Other requests are sent.

    Return a function that waits for the first held request. Playwright reports a request to the test later than
    the page shows what it does meanwhile.
    """
    held: list[Route] = []
    page.route(url, lambda route: route.continue_() if is_warm_up(route.request) else held.append(route), times=times)

    def first() -> Route:
        until(lambda: page.evaluate("true") and held)
        return held[0]

    return first


def pass_time(page: Page | Frame, seconds: float) -> None:
    """Move the page's `Date.now()` forward and stop it there. No timer fires, as on a laptop that has slept."""
    page.evaluate("(ms) => { const now = Date.now() + ms; Date.now = () => now; }", seconds * 1000)


def expire_tokens(gateway: Gateway, user: Account, handle: str, *pages: Page | Frame) -> None:
    """Let the access token of a session expire: at the site, in the gateway and in these pages."""
    gateway.site.end_access_tokens(user)
    expire_access_token(gateway, handle, seconds=0)
    for page in pages:
        pass_time(page, TOKEN_SECONDS)


def stop_clock(page: Page) -> None:
    """Stop the page's time and timers. The test moves them with `page.clock`. Needs the fixture `own_context`."""
    page.clock.install()
    page.clock.pause_at(time.time() + 60)


def check_accessibility(page: Page) -> None:
    """Check the page with axe, in light on a desktop and in dark on a phone. It must not scroll sideways."""
    for viewport, scheme in LOOKS:
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme)
        page.evaluate(f"if (!globalThis.axe) {{ {AXE} }}")
        found: list[dict[str, Any]] = page.evaluate("axe.run().then(({ violations }) => violations)")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], scheme
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), scheme
    page.emulate_media(color_scheme=None)
    page.set_viewport_size(DESKTOP)


def run(page: Page | Frame, code: str, **values: Any) -> Any:
    """Run JavaScript with `login` and `values`. Returns its result, or the code or name of its error."""
    return page.evaluate(RUN_WITH_LOGIN, [code, values])


def read_site(page: Page | Frame, path: str = "/api/v1/entity/projects") -> Any:
    """Read the site with `login.fetch`. Returns the status, or the code or name of the error."""
    return run(page, "return (await login.fetch(login.site + values.path)).status;", path=path)
