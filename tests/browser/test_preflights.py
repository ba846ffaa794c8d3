"""Pages whose requests have the headers of a tracing library, which the browser asks the gateway about first."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.support.client import Gateway

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
