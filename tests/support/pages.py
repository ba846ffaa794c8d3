"""The sign-in form of a page, as a user uses it."""

from __future__ import annotations

import re
import time
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.local.stack import ROOT
from tests.site.fake_site import Account
from tests.support.client import Gateway

# What `npm ci` has installed: axe-core, chart.js and the TypeScript compiler.
NODE = ROOT / "tests" / "node"

# Runs code with the module that the page has loaded; a failure comes back as its code or name.
WITH_LOGIN = """
async ([code, values]) => {
  const { login } = await import(document.querySelector("script").src.replace("-element", ""));
  const run = new Function("login", "values", `return (async () => { ${code} })()`);
  return run(login, values).catch((error) => (error.name === "LoginError" ? error.code : error.name));
}
"""


class Form:
    """`<shotgrid-login>` on a page."""

    def __init__(self, page: Page, gateway: Gateway) -> None:
        self.page = page
        self.element = page.locator("shotgrid-login")
        self.username = page.get_by_label("User name")
        self.password = page.get_by_label("Password")
        self.code = page.get_by_label("Code", exact=True)
        self.button = self.element.get_by_role("button", name="Sign in")
        self.problem = self.element.get_by_role("alert")
        self.projects = page.locator("#projects")
        self.sign_out = self.element.get_by_role("button", name="Sign out")
        self._gateway = gateway

    def give(self, user: Account, password: str | None = None) -> None:
        """Send user name and password."""
        self._gateway.secrets.add(password or user.password)
        self.username.fill(user.login)
        self.password.fill(password or user.password)
        self.button.click()

    def give_code(self, code: str) -> None:
        self._gateway.secrets.add(code)
        self.code.fill(code)
        self.button.click()

    def sign_in(self, user: Account) -> None:
        """Sign in with whatever the site asks for."""
        self.give(user)
        expect(self.element).to_have_attribute("state", re.compile("code|signed-in"))
        if self.code.is_visible():
            self.give_code(self._gateway.site.code(user.login))
        self.expect_signed_in(user)

    def expect_signed_in(self, user: Account) -> None:
        """Wait for the user, and for what the README's first page reads then, so that no test cuts that off."""
        self.expect_greeting(user)
        if self.projects.count():
            expect(self.projects).not_to_be_empty()

    def expect_greeting(self, user: Account) -> None:
        expect(self.element).to_have_attribute("state", "signed-in")
        expect(self.who).to_contain_text(user.login)

    @property
    def who(self) -> Locator:
        return self.element.get_by_text("Signed in as ", exact=False).first


def stop_the_clock(page: Page) -> None:
    """Let the page's time pass only when a test says so, however long this machine takes."""
    page.clock.install()
    page.clock.pause_at(time.time() + 60)


def run(page: Page, code: str, **values: Any) -> Any:
    return page.evaluate(WITH_LOGIN, [code, values])
