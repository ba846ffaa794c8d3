"""A host next to the gateway plants its own session in the browser, with a cookie whose name resembles ours."""

from __future__ import annotations

from playwright.sync_api import BrowserContext

from tests.support.client import BROWSER_COOKIE, COOKIE, PAGE, Gateway

SIBLING = "sibling.login.localhost"  # on the gateway's site, but not an allowed origin
PREFIXES = ("\u2000", "\u00a0", "\u0085", "\u3000", "\u200b")  # characters that some parsers of cookies remove
CALL = """
async (url) => (await (await fetch(url, {
  method: "POST", credentials: "include", headers: {"content-type": "application/json"}, body: "{}",
})).json()).status
"""
PLANT = "cookie => { document.cookie = cookie; }"


def test_cookie_planted_by_a_sibling_host_signs_no_user_in(
    context: BrowserContext, gateway: Gateway, pages_port: int
) -> None:
    """It does not bind a browser sign-in either: the attacker knows its value, and could finish the sign-in."""
    attacker = gateway.new_user()
    handle = gateway.caller(origin=PAGE).signed_in(attacker, transport="cookie").cookie
    planted = "A" * 22
    sibling, page = context.new_page(), context.pages[0]
    sibling.goto(f"http://{SIBLING}:{pages_port}/")
    page.goto(f"http://pages.login.localhost:{pages_port}/")
    for prefix in PREFIXES:
        context.clear_cookies()
        for name, value in ((COOKIE, handle), (BROWSER_COOKIE, planted)):
            sibling.evaluate(PLANT, f"{prefix}{name}={value}; Domain=login.localhost; Path=/auth")
        with page.expect_request("**/auth/refresh") as sent:
            status = page.evaluate(CALL, f"http://{gateway.host}/auth/refresh")
        for name in (COOKIE, BROWSER_COOKIE):
            assert name in sent.value.all_headers()["cookie"]  # the browser did send the planted cookies
        assert status == "signed_out", prefix
        assert page.evaluate(CALL, f"http://{gateway.host}/auth/browser") == "approval_required"
        (value,) = (cookie["value"] for cookie in context.cookies() if cookie["name"] == BROWSER_COOKIE)
        assert value != planted, prefix


def test_browser_keeps_no_cookie_of_a_sibling_host_with_our_exact_name(
    context: BrowserContext, gateway: Gateway, pages_port: int
) -> None:
    page = context.pages[0]
    page.goto(f"http://{SIBLING}:{pages_port}/")
    for name in (COOKIE, BROWSER_COOKIE):
        for attributes in (
            "Domain=login.localhost; Path=/auth",
            "Domain=login.localhost; Path=/; Secure",
            "Path=/auth",
        ):
            page.evaluate(PLANT, f"{name}=planted; {attributes}")
    assert [cookie["name"] for cookie in context.cookies()] == []
