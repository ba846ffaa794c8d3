"""Preflights: for the headers of a tracing library, and before a user needs their result."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page

from tests.support.browser import Monitor
from tests.support.client import Gateway, until
from tests.support.pages import open_form

CALL = """
async ([url, method, body]) => (await fetch(url, {
  method, body, credentials: "include",
  headers: {
    "content-type": body?.startsWith("{") ? "application/json" : "application/x-www-form-urlencoded",
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", tracestate: "vendor=1", baggage: "a=b",
    "sentry-trace": "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
  },
})).status
"""


def test_page_with_a_tracing_library_can_call_the_gateway(page: Page, gateway: Gateway, pages_port: int) -> None:
    page.goto(f"http://pages.login.localhost:{pages_port}/")
    for path, method, body, status in (
        ("/auth/refresh", "POST", "{}", 200),
        ("/auth/methods", "GET", None, 200),
    ):
        assert page.evaluate(CALL, [f"http://{gateway.host}{path}", method, body]) == status, path


def test_form_starts_both_functions_and_its_requests_then_need_no_preflight(
    own_context: BrowserContext, page: Page, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    preflights: list[tuple[str, str]] = []

    def note(sent: dict[str, Any]) -> None:
        if sent["request"]["method"] == "OPTIONS":
            method = sent["request"]["headers"]["Access-Control-Request-Method"]
            preflights.append((method, urlsplit(sent["request"]["url"]).path))

    cached: list[str] = []

    def note_cached(received: dict[str, Any]) -> None:
        if received["response"]["status"] == 204 and received["response"]["fromDiskCache"]:
            cached.append(urlsplit(received["response"]["url"]).path)

    session = own_context.new_cdp_session(page)
    session.on("Network.requestWillBeSent", note)
    session.on("Network.responseReceived", note_cached)
    session.send("Network.enable")
    url = f"http://pages.login.localhost:{pages_port}/projects"
    for load in range(2):
        form = open_form(page, gateway, url, "password")
        form.username.focus()
        form.password.focus()
        warm_ups = monitor.warm_ups()[2 * load :]
        assert [urlsplit(one.url).path for one in warm_ups] == ["/auth/password", "/auth/otp"]
        for warm_up in warm_ups:
            response = warm_up.response()
            assert response is not None
            assert response.status == 204
            response.finished()
    until(lambda: sorted(cached) == ["/auth/otp", "/auth/password"])  # those of the second load
    user = gateway.new_user(two_factor=True)
    form.sign_in(user)
    expected = [("POST", "/auth/refresh"), ("GET", "/auth/password"), ("GET", "/auth/otp")]
    assert [one for one in preflights if one[1].startswith("/auth/")] == expected
    page.goto(page.url)
    form.expect_signed_in(user)
    assert len(monitor.requests_to("/auth/refresh")) == 3
    assert preflights.count(("POST", "/auth/refresh")) == 1
