"""A host next to the gateway plants its own session in the browser, with a cookie whose name resembles ours."""

from __future__ import annotations

from playwright.sync_api import BrowserContext

from tests.support.client import COOKIE, PAGE, Gateway

SIBLING = "sibling.login.localhost"  # on the gateway's site, but not an allowed origin
PREFIXES = ("\u2000", "\u00a0", "\u0085", "\u3000", "\u200b")  # characters that some parsers of cookies remove
REFRESH = """
async (url) => (await (await fetch(url, {
  method: "POST", credentials: "include", headers: {"content-type": "application/json"}, body: "{}",
})).json()).status
"""


def test_cookie_planted_by_a_sibling_host_signs_no_user_in(
    context: BrowserContext, gateway: Gateway, pages_port: int
) -> None:
    attacker = gateway.new_user()
    handle = gateway.caller(origin=PAGE).signed_in(attacker, transport="cookie").cookie
    page = context.pages[0]
    for prefix in PREFIXES:
        context.clear_cookies()
        page.goto(f"http://{SIBLING}:{pages_port}/")
        planted = f"{prefix}{COOKIE}={handle}; Domain=login.localhost; Path=/auth"
        page.evaluate("cookie => { document.cookie = cookie; }", planted)
        page.goto(f"http://pages.login.localhost:{pages_port}/")
        with page.expect_request("**/auth/refresh") as sent:
            status = page.evaluate(REFRESH, f"http://{gateway.host}/auth/refresh")
        assert COOKIE in sent.value.all_headers()["cookie"]  # the browser did send the planted cookie
        assert status == "signed_out", prefix
