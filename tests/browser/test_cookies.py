"""A host beside the gateway tries to give a user its own session, by a cookie in Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext

from tests.support.client import COOKIE, PAGE, Gateway

SIBLING = "sibling.login.localhost"  # of the gateway's site, and not an allowed origin
REFRESH = """
async (url) => (await (await fetch(url, {
  method: "POST", credentials: "include", headers: {"content-type": "application/json"}, body: "{}",
})).json()).status
"""


@pytest.mark.parametrize("prefix", ["\u2000", "\u00a0", "\u0085", "\u3000", "\u200b"])
def test_cookie_set_by_a_sibling_host_signs_nobody_in(
    context: BrowserContext, gateway: Gateway, pages_port: int, prefix: str
) -> None:
    attacker = gateway.new_user()
    handle = gateway.caller(origin=PAGE).signed_in(attacker, transport="cookie").cookie
    page = context.new_page()
    page.goto(f"http://{SIBLING}:{pages_port}/")
    planted = f"{prefix}{COOKIE}={handle}; Domain=login.localhost; Path=/auth"
    page.evaluate("cookie => { document.cookie = cookie; }", planted)
    page.goto(f"http://pages.login.localhost:{pages_port}/")
    with page.expect_request("**/auth/refresh") as sent:
        status = page.evaluate(REFRESH, f"http://{gateway.host}/auth/refresh")
    assert COOKIE in sent.value.all_headers()["cookie"]  # the browser did send the planted cookie
    assert status == "signed_out"
