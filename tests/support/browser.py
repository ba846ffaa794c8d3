"""Chromium for the browser tests: a context that tests share, and a monitor for what pages do."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    ViewportSize,
    WebError,
    expect,
    sync_playwright,
)

from tests.local.stack import SetupFailed
from tests.site.launcher import PAGE_PATH
from tests.site.pages import LOGIN_PATH
from tests.support.client import BROWSER_COOKIE, COOKIE, Gateway
from tests.support.secrecy import known_secrets, secrets_in

# No page notices these, and they took a quarter of the CPU time: the pages in Chromium's own window, which each browser
# context loads again, and new objects in the browser for each page load. With the last feature of the list on, frames
# in pages of another site would have a storage of their own. The list replaces that of Playwright, so the other
# features that Playwright turns off are on, as users have them.
_FEATURES_OFF = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup"),
    "RenderDocument",
    "ThirdPartyStoragePartitioning",
)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(_FEATURES_OFF)}",
]

# Playwright turns the popup blocker off with this flag. The tests leave it on, as users do.
NO_POPUP_BLOCKER = "--disable-popup-blocking"

# With GET, these routes only start their function.
WARM_UPS = ("/auth/password", "/auth/otp", "/auth/browser", "/auth/approval")

# Paths of the site's pages whose URLs contain the secret id of an approval request.
APPROVAL_PATHS = (f"{PAGE_PATH}/", LOGIN_PATH)

# Milliseconds for anything that a page does. Long enough for a machine that runs much else.
TIMEOUT = 20_000
expect.set_options(timeout=TIMEOUT)

DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

# All that a page has stored or shown, except `sessionStorage`. The access token must be only in the module's memory.
STORED = """
async () => JSON.stringify([
  Object.entries(localStorage), document.cookie, location.href, history.state, document.referrer, window.name,
  await indexedDB.databases(), await caches.keys(),
])
"""


class SharedContext:
    """The browser context that most tests use one after the other."""

    def __init__(self, browser: Browser, empty_page: str) -> None:
        """Use the URL of an empty page on the gateway's site, so that Chromium keeps the process of the page."""
        self._browser = browser
        self._empty_page = empty_page
        self._context: BrowserContext | None = None

    def get(self) -> BrowserContext:
        if self._context is None:
            self._context = new_context(self._browser)
        return self._context

    def clear_cache(self) -> None:
        """Empty the HTTP cache."""
        context = self.get()
        session = context.new_cdp_session(context.pages[0])
        session.send("Network.clearBrowserCache")
        session.detach()

    def empty(self) -> None:
        """Remove all that a test has left, except the HTTP cache. Replace the context if that fails."""
        context, self._context = self.get(), None
        try:
            page, *tabs = context.pages
            for tab in tabs:
                tab.close()
            page.unroute_all()
            context.set_offline(False)
            context.clear_cookies()
            page.set_viewport_size(DESKTOP)
            page.emulate_media(color_scheme=None)
            if page.url.startswith("http"):
                page.evaluate("sessionStorage.clear()")
            page.goto(self._empty_page)
            # Neither a clock nor an init script can be removed.
            timers = page.evaluate("'__pwClock' in globalThis ? 'clock' : String(setTimeout)")
            assert "[native code]" in timers, "a test that changes timers needs own_context or a new page"
        except BaseException:
            context.close()
            raise
        self._context = context


def is_warm_up(request: Request) -> bool:
    """Whether a request only starts a function before it is needed."""
    return request.method == "GET" and urlsplit(request.url).path in WARM_UPS


def posted(path: str) -> Callable[[Response], bool]:
    """Return a condition for `Page.expect_response`: a response to a POST to a URL that ends so."""
    return lambda response: response.request.method == "POST" and response.url.endswith(path)


class Monitor:
    """Records the requests and the errors of all pages in a browser context, and checks them for secrets."""

    def __init__(self, context: BrowserContext, gateway: Gateway) -> None:
        self.requests: list[Request] = []
        self.allows_handle = False  # in sessionStorage: with token transport
        self.bearer_origins = {gateway.site.url}  # the origins that may receive a bearer, besides the gateway
        self._context = context
        self._gateway = gateway
        self._errors: list[str] = []
        self._expected: list[str] = []
        self._tolerated: list[str] = []
        context.on("request", self._on_request)
        context.on("weberror", self._on_error)
        context.on("console", self._on_console)

    def stop(self) -> None:
        self._context.remove_listener("request", self._on_request)
        self._context.remove_listener("weberror", self._on_error)
        self._context.remove_listener("console", self._on_console)

    def expect(self, *errors: str) -> None:
        """Expect errors that the browser itself reports, as regular expressions."""
        self._expected += errors

    def expect_status(self, status: int, path: str) -> None:
        """Expect the browser's report of an error response."""
        self.expect(rf"Failed to load resource: the server responded with a status of {status} .* at .*{path}")

    def expect_no_connection(self) -> None:
        """Expect connections that fail, and tolerate connections that close during a request."""
        self.expect("net::ERR_CONNECTION_REFUSED")
        self._tolerated.append("net::ERR_(EMPTY_RESPONSE|CONNECTION_RESET|CONNECTION_CLOSED|SOCKET_NOT_CONNECTED)")

    def requests_to(self, path: str) -> list[Request]:
        """Return the requests to a path, without warm-ups and preflights. The browser does not report the latter."""
        return [one for one in self.requests if urlsplit(one.url).path == path and not is_warm_up(one)]

    def warm_ups(self) -> list[Request]:
        """Return the requests that only start a function."""
        return [request for request in self.requests if is_warm_up(request)]

    def check(self) -> None:
        """Fail on unexpected errors, and on secrets in the wrong place."""
        secrets = known_secrets(self._gateway)
        self._check_requests(secrets)
        for page in self._context.pages:
            if page.url.startswith("http") and not self._is_of_site(page.url):
                self._check_storage(page, secrets)
        for cookie in self._context.cookies():
            assert cookie["httpOnly"]
            assert (
                cookie["name"] in (COOKIE, BROWSER_COOKIE)
                or cookie["domain"] == urlsplit(self._gateway.site.url).hostname
            )
        # Last, because the browser may report an error after the response.
        known = self._expected + self._tolerated
        unexpected = [error for error in self._errors if not any(re.search(one, error) for one in known)]
        assert unexpected == [], unexpected
        for one in self._expected:
            assert any(re.search(one, error) for error in self._errors), f"never reported: {one}"

    def _check_requests(self, secrets: set[str]) -> None:
        """Check all requests together: there are thousands of secrets."""
        no_secret, no_secret_of_the_site, no_bearer = [], [], []
        for request in self.requests:
            address = request.url
            url, headers = urlsplit(address), request.headers
            if not self._is_of_site(address):
                no_secret_of_the_site.append(headers.get("authorization", ""))
            elif url.path.startswith(APPROVAL_PATHS):
                continue
            no_secret += [address, headers.get("referer", "")]
            is_gateway = url.hostname == urlsplit(f"http://{self._gateway.host}").hostname
            if f"{url.scheme}://{url.netloc}" not in self.bearer_origins and not is_gateway:
                no_bearer += [address] if "authorization" in headers else []
                no_secret.append(request.post_data or "")
        assert no_bearer == []
        for texts, unwanted in ((no_secret, secrets), (no_secret_of_the_site, secrets & self._gateway.site.secrets)):
            text = "\n".join(texts)
            assert secrets_in(text, unwanted) == [], text

    def _check_storage(self, page: Page, secrets: set[str]) -> None:
        stored = page.evaluate(STORED)
        assert secrets_in(stored, secrets) == [], stored
        session_storage = json.loads(page.evaluate("JSON.stringify(Object.entries(sessionStorage))"))
        if not self.allows_handle:
            assert session_storage == []
        for name, value in session_storage:
            assert name.startswith("shotgrid-login http")
            assert value in self._gateway.secrets or re.fullmatch(r"[\w-]+\.[\w-]+", value)
            assert value not in self._gateway.site.secrets

    def _is_of_site(self, url: str) -> bool:
        return url.startswith(f"{self._gateway.site.url}/")

    def _on_request(self, request: Request) -> None:
        self.requests.append(request)

    def _on_error(self, error: WebError) -> None:
        self._errors.append(f"uncaught: {error.error}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._errors.append(f"{message.text} at {message.location['url']}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium; raises `SetupFailed` if it is not installed."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        raise SetupFailed("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS, ignore_default_args=[NO_POPUP_BLOCKER])
        yield started
        started.close()


def new_context(browser: Browser) -> BrowserContext:
    context = browser.new_context(viewport=DESKTOP)
    context.set_default_timeout(TIMEOUT)
    context.new_page()
    return context
