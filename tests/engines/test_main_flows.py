"""The main flows in Firefox and in WebKitGTK, over TLS. All other browser tests use Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local.stack import LocalAws
from tests.local.tls import TlsProxy
from tests.site.fake_site import Account
from tests.support.client import Gateway
from tests.support.documented_pages import GATEWAY, documented_pages
from tests.support.engines import Engine, Firefox, Tab, WebKit
from tests.support.tls import serve_pages

# WebKitGTK does not store cookies across hosts under `localhost`, which is not on the Public Suffix List.
SAME_SITE = "login.localhost"
OTHER_SITE = "elsewhere.localhost"


@pytest.fixture(scope="session")
def firefox() -> Iterator[Engine]:
    with Firefox.start() as running:
        yield running


@pytest.fixture(scope="session")
def webkit() -> Iterator[Engine]:
    with WebKit.start() as running:
        yield running


@pytest.fixture(scope="session")
def page_errors(aws: LocalAws, gateway: Gateway, tls_pages_port: int) -> Iterator[list[str]]:
    """Serve the page of the README, and a page with it in a frame. Returns the errors that these pages report."""
    with TlsProxy(aws.port) as tls:
        page = documented_pages()["projects"].replace(GATEWAY, f"https://login.localhost:{tls.port}")
        url = f"https://{SAME_SITE}:{tls_pages_port}/projects"
        pages = {
            "/projects": page,
            "/frame": f"<iframe src='{url}' width='600' height='600'></iframe>",
        }
        with serve_pages(pages, tls_pages_port, gateway.site) as errors:
            yield errors


@pytest.fixture(params=["firefox", "webkit"])
def engine(request: pytest.FixtureRequest, page_errors: list[str]) -> Iterator[Engine]:
    """Return a browser without tabs. At the end, check that no page has reported an error."""
    page_errors.clear()
    running: Engine = request.getfixturevalue(request.param)
    yield running
    running.reset()
    assert page_errors == []


def open_page(engine: Engine, host: str, port: int, path: str = "/projects") -> Tab:
    tab = engine.new_tab()
    tab.open(f"https://{host}:{port}{path}")
    return tab


def sign_in(tab: Tab, gateway: Gateway, *, two_factor: bool = False) -> Account:
    """Sign a new user in, and wait until the page has read the projects."""
    user = gateway.new_user(two_factor=two_factor)
    gateway.secrets.add(user.password)
    tab.fill("User name", user.login)
    tab.fill("Password", user.password)
    tab.click("Sign in")
    if two_factor:
        code = gateway.site.code(user.login)
        gateway.secrets.add(code)
        tab.fill("Code", code)
        tab.click("Sign in")
    expect_signed_in(tab, gateway, user)
    return user


def expect_signed_in(tab: Tab, gateway: Gateway, user: Account) -> None:
    tab.wait_for_text(f"Signed in as {user.login}")
    tab.wait_for_text(gateway.site.show.projects[0].name)


def approve(tab: Tab, gateway: Gateway, user: Account) -> None:
    """Sign in to the site in the tab that a page has opened, and approve the request of the page."""
    gateway.secrets.add(user.password)
    tab.fill("User name", user.login)
    tab.fill("Password", user.password)
    tab.click("Sign in")
    request = gateway.site.approval_requests[-1]
    gateway.secrets |= {request.id, request.url}
    tab.wait_for_text(request.app_name)
    tab.click("Approve")
    tab.wait_for_text("You can close this tab")


def come_back(tab: Tab, page: Tab) -> None:
    """Come back to a tab. In Xvfb, no window manager gives windows the focus, so the page gets the event."""
    tab.bring_to_front()
    page.evaluate("dispatchEvent(new Event('focus'))")


def test_sign_in_with_a_code_is_a_cookie_that_survives_a_reload_and_that_tabs_share(
    engine: Engine, gateway: Gateway, tls_pages_port: int
) -> None:
    first = open_page(engine, SAME_SITE, tls_pages_port)
    user = sign_in(first, gateway, two_factor=True)
    assert first.evaluate("[document.cookie, sessionStorage.length]") == ["", 0]
    first.reload()
    expect_signed_in(first, gateway, user)
    second = open_page(engine, SAME_SITE, tls_pages_port)
    expect_signed_in(second, gateway, user)
    assert gateway.site.requests_for(user, "password") == 2
    second.click("Sign out")
    for tab in (second, first):
        tab.wait_for_text("You are signed out.")


def test_page_of_another_site_holds_a_token_that_survives_a_reload(
    engine: Engine, gateway: Gateway, tls_pages_port: int
) -> None:
    tab = open_page(engine, OTHER_SITE, tls_pages_port)
    user = sign_in(tab, gateway)
    assert tab.evaluate("sessionStorage.length") == 1
    tab.reload()
    expect_signed_in(tab, gateway, user)
    tab.click("Sign out")
    tab.wait_for_text("You are signed out.")
    assert tab.evaluate("sessionStorage.length") == 0


def test_frame_in_a_page_of_another_site_signs_in_and_out(
    engine: Engine, gateway: Gateway, tls_pages_port: int
) -> None:
    frame = open_page(engine, OTHER_SITE, tls_pages_port, "/frame").frame()
    sign_in(frame, gateway, two_factor=True)
    frame.click("Sign out")
    frame.wait_for_text("You are signed out.")


@pytest.mark.parametrize("path", ["/projects", "/frame"])
def test_user_who_approves_in_the_new_tab_is_signed_in(
    engine: Engine, gateway: Gateway, tls_pages_port: int, path: str
) -> None:
    tab = open_page(engine, SAME_SITE if path == "/projects" else OTHER_SITE, tls_pages_port, path)
    page = tab if path == "/projects" else tab.frame()
    user = gateway.new_user(two_factor=False)
    page.click("Sign in with the browser instead")
    approve(engine.wait_for_popup(tab), gateway, user)
    come_back(tab, page)
    expect_signed_in(page, gateway, user)


def test_user_opens_the_approval_page_when_the_browser_blocks_the_tab(
    engine: Engine, gateway: Gateway, tls_pages_port: int
) -> None:
    tab = open_page(engine, SAME_SITE, tls_pages_port)
    tab.wait_for_text("Sign in with the browser instead")
    tab.press_without_the_user("Sign in with the browser instead")
    tab.wait_for_text("Open the approval page")
    assert engine.tabs() == [tab]
    user = gateway.new_user(two_factor=False)
    tab.click("Open the approval page")
    approve(engine.wait_for_popup(tab), gateway, user)
    come_back(tab, tab)
    expect_signed_in(tab, gateway, user)
