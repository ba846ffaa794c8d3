"""Fixtures for the browser tests: a page in Chromium that is monitored, with or without a user who is signed in.

A new browser context and its first page take about a second of CPU time. So most tests share one context and one page,
which are emptied after each test. The HTTP cache stays. Tests that install a clock need the fixture `own_context`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.site.fake_site import Account
from tests.support.browser import Monitor, SharedContext, chromium, new_context
from tests.support.client import Gateway
from tests.support.pages import Form, open_form, sign_in_over_http


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def shared_context(browser: Browser, pages_port: int) -> SharedContext:
    return SharedContext(browser, f"http://pages.login.localhost:{pages_port}/")


@pytest.fixture
def own_context(browser: Browser) -> Iterator[BrowserContext]:
    """Use a new browser context for one test. A clock cannot be removed from a context."""
    new = new_context(browser)
    yield new
    new.close()


@pytest.fixture
def context(request: pytest.FixtureRequest, shared_context: SharedContext) -> Iterator[BrowserContext]:
    """Return the context with one page: the test's own one, if it requests that, or the shared one."""
    if "own_context" in request.fixturenames:
        yield request.getfixturevalue("own_context")
    else:
        yield shared_context.get()
        shared_context.empty()


@pytest.fixture
def monitor(context: BrowserContext, gateway: Gateway) -> Iterator[Monitor]:
    """Monitor all pages of the context until the end of the test, and check what was recorded."""
    monitoring = Monitor(context, gateway)
    yield monitoring
    try:
        monitoring.check()
    finally:
        monitoring.stop()


@pytest.fixture
def page(context: BrowserContext, monitor: Monitor) -> Page:
    """Return an empty page of the monitored context."""
    return context.pages[0]


@pytest.fixture
def form(page: Page, gateway: Gateway, pages_port: int) -> Form:
    """Open the page of the README on the gateway's site. No user is signed in."""
    return open_form(page, gateway, f"http://pages.login.localhost:{pages_port}/projects", "password")


@pytest.fixture
def user(page: Page, gateway: Gateway) -> Account:
    """Sign a user in over HTTP. Pages of the gateway's site then find the session."""
    account = gateway.new_user(two_factor=False)
    sign_in_over_http(page.context, gateway, account)
    return account


@pytest.fixture
def signed_in_form(page: Page, user: Account, gateway: Gateway, pages_port: int) -> Form:
    """Open the page of the README on the gateway's site, with `user` signed in."""
    form = open_form(page, gateway, f"http://pages.login.localhost:{pages_port}/projects", "signed-in")
    form.expect_signed_in(user)
    return form
