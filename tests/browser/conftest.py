"""Chromium, and a watch over what every page in it does."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from tests.support.client import COOKIE, Gateway
from tests.support.pages import Form

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SHORTEST_SECRET = 6  # characters: a code of an app

DEADLINE = 20_000  # milliseconds: for whatever a page has to do, on a machine that does much else
expect.set_options(timeout=DEADLINE)

# What a page has kept, and where it has been. Never the module's memory, which is where the access token belongs.
KEPT = """
async () => JSON.stringify([
  Object.entries(localStorage), document.cookie, location.href, history.state, document.referrer, window.name,
  await indexedDB.databases(), await caches.keys(),
])
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "the browser tests need Chromium (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


class Watch:
    """Sees the console, the requests and what is kept, of all pages of a browser context."""

    def __init__(self, context: BrowserContext, gateway: Gateway) -> None:
        self.requests: list[Request] = []
        self.may_hold_a_handle = False  # in sessionStorage: with token transport
        self.bearers_may_go_to = {gateway.site.url}
        self._context = context
        self._gateway = gateway
        self._errors: list[str] = []
        self._expected: list[str] = []
        self._tolerated: list[str] = []
        context.on("request", lambda request: self.requests.append(request))
        context.on("weberror", lambda failure: self._errors.append(f"uncaught: {failure.error}"))
        context.on(
            "console",
            lambda message: (
                self._errors.append(f"{message.text} at {message.location['url']}")
                if message.type in ("error", "warning")
                else None
            ),
        )

    def expect(self, *errors: str) -> None:
        """Name what the browser itself will report, as regular expressions: a refusal that the test asks for."""
        self._expected += errors

    def expect_status(self, status: int, route: str) -> None:
        """Expect the browser's own report of a refusal."""
        self.expect(rf"Failed to load resource: the server responded with a status of {status} .* at .*{route}")

    def expect_down(self) -> None:
        """Expect refused connections, and tolerate that one was cut while it was in use."""
        self.expect("net::ERR_CONNECTION_REFUSED")
        self._tolerated.append("net::ERR_(EMPTY_RESPONSE|CONNECTION_RESET|CONNECTION_CLOSED|SOCKET_NOT_CONNECTED)")

    def tolerate_expiry(self) -> None:
        """Let tokens of seconds expire on their way, as they may on a busy machine: the page copes, and reads on."""
        self._tolerated.append(r"the server responded with a status of 401 .* at .*/api/v1/entity/")

    def asked(self, route: str) -> list[Request]:
        """Return the requests for a path, without preflights, which the browser does not show."""
        return [request for request in self.requests if urlsplit(request.url).path == route]

    def check(self) -> None:
        """Fail on an error that no test expects, and on a secret where none belongs."""
        known = self._expected + self._tolerated
        unexpected = [error for error in self._errors if not any(re.search(one, error) for one in known)]
        assert unexpected == []
        for one in self._expected:
            assert any(re.search(one, error) for error in self._errors), f"never reported: {one}"
        # Other tests type passwords of one letter, which stand in every address.
        secrets = {one for one in self._gateway.secrets | self._gateway.site.secrets if len(one) >= SHORTEST_SECRET}
        own = urlsplit(f"http://{self._gateway.host}").hostname
        for request in self.requests:
            headers = request.headers
            address = urlsplit(request.url)
            origin = f"{address.scheme}://{address.netloc}"
            assert not [secret for secret in secrets if secret in request.url], request.url
            assert not [secret for secret in secrets if secret in headers.get("referer", "")]
            if origin not in self.bearers_may_go_to and address.hostname != own:
                assert "authorization" not in headers, request.url
                assert not [secret for secret in secrets if secret in (request.post_data or "")], request.url
        for page in self._context.pages:
            if not page.url.startswith("http"):
                continue
            kept = page.evaluate(KEPT)
            assert not [secret for secret in secrets if secret in kept], kept
            session_storage = json.loads(page.evaluate("JSON.stringify(Object.entries(sessionStorage))"))
            if not self.may_hold_a_handle:
                assert session_storage == []
            for name, value in session_storage:
                assert name.startswith("shotgrid-login http")
                assert value in self._gateway.secrets or re.fullmatch(r"[\w-]+\.[\w-]+", value)
                assert value not in self._gateway.site.secrets
        assert not [secret for secret in secrets for seen in self._gateway.site.seen_addresses if secret in seen]
        for cookie in self._context.cookies():
            assert cookie["name"] == COOKIE
            assert cookie["httpOnly"]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    fresh = browser.new_context(viewport={"width": 1280, "height": 900})
    fresh.set_default_timeout(DEADLINE)
    yield fresh
    fresh.close()


@pytest.fixture
def watch(context: BrowserContext, gateway: Gateway) -> Iterator[Watch]:
    watching = Watch(context, gateway)
    yield watching
    watching.check()


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Page:
    """A page whose console, requests and storage are watched until the end of the test."""
    return context.new_page()


@pytest.fixture
def form(page: Page, gateway: Gateway, pages_port: int) -> Form:
    """The README's first page, on the gateway's site, with its form on show."""
    page.goto(f"http://pages.login.localhost:{pages_port}/projects")
    shown = Form(page, gateway)
    expect(shown.username).to_be_visible()
    return shown
