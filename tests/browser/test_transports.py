"""Which transport a page gets in Chromium, with plain `fetch`: the cookie on the gateway's site, the token on another.

The browser decides whether it keeps the cookie, when it sends it, and what a page may read.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.support.client import COOKIE, Gateway, expire_access_token

SAME_SITE = "pages.login.localhost"
OTHER_SITE = "elsewhere.localhost"

POST = """
async ([url, body, credentials]) => {
  try {
    const response = await fetch(url, {
      method: "POST", credentials, headers: {"content-type": "application/json"}, body: JSON.stringify(body),
    });
    return {status: response.status, body: await response.json().catch(() => null)};
  } catch (error) {
    return {error: String(error)};
  }
}
"""


class HostedPage:
    """An empty page on a host, and the gateway that it calls."""

    def __init__(self, page: Page, gateway: Gateway, host: str, port: int) -> None:
        self._gateway = gateway
        self.page = page
        self.page.goto(f"http://{host}:{port}/")

    def post(self, route: str, body: Any, credentials: str = "include") -> dict[str, Any]:
        url = f"http://{self._gateway.host}/auth/{route}"
        response: dict[str, Any] = self.page.evaluate(POST, [url, body, credentials])
        for name in ("access_token", "api_token", "refresh_token", "challenge"):
            if value := (response.get("body") or {}).get(name):
                self._gateway.secrets.add(value)
        return response

    def sign_in(self) -> dict[str, Any]:
        user = self._gateway.new_user(two_factor=True)
        first = self.post("password", {"username": user.login, "password": user.password})
        assert first["status"] == 202, first
        code = self._gateway.site.code(user.login)
        return self.post("otp", {"challenge": first["body"]["challenge"], "code": code})


def test_page_of_the_same_site_holds_a_cookie_that_it_cannot_read(
    context: BrowserContext, gateway: Gateway, pages_port: int
) -> None:
    hosted = HostedPage(context.pages[0], gateway, SAME_SITE, pages_port)
    signed_in = hosted.sign_in()
    assert signed_in["status"] == 200
    assert "refresh_token" not in signed_in["body"]
    (cookie,) = context.cookies()
    assert cookie["name"] == COOKIE
    assert cookie["httpOnly"]
    assert cookie["secure"]
    assert cookie["sameSite"] == "Strict"
    assert hosted.page.evaluate("document.cookie") == ""
    gateway.secrets.add(cookie["value"])

    hosted.page.reload()
    assert hosted.post("refresh", {})["body"]["access_token"] == signed_in["body"]["access_token"]
    expire_access_token(gateway, cookie["value"])
    refreshed = hosted.post("refresh", {})
    assert refreshed["body"]["access_token"] != signed_in["body"]["access_token"]
    (rotated,) = context.cookies()
    assert rotated["value"] != cookie["value"]
    gateway.secrets.add(rotated["value"])

    assert hosted.post("logout", {})["status"] == 204
    assert context.cookies() == []
    assert hosted.post("refresh", {})["body"] == {"status": "signed_out"}


def test_page_of_another_site_holds_a_token_and_gets_no_cookie(
    context: BrowserContext, gateway: Gateway, pages_port: int
) -> None:
    hosted = HostedPage(context.pages[0], gateway, OTHER_SITE, pages_port)
    response = hosted.post("password", {"username": "a", "password": "b", "transport": "cookie"})
    assert response["status"] == 400
    assert response["body"]["detail"].startswith("transport: ")
    signed_in = hosted.sign_in()
    assert signed_in["status"] == 200
    assert context.cookies() == []
    handle = signed_in["body"]["refresh_token"]
    assert hosted.post("refresh", {"refresh_token": handle}, "omit")["status"] == 200
    assert hosted.post("refresh", {})["body"] == {"status": "signed_out"}
    assert hosted.post("logout", {"refresh_token": handle})["status"] == 204
    assert hosted.post("refresh", {"refresh_token": handle})["status"] == 401


def test_another_site_cannot_use_the_cookie_of_the_same_browser(
    context: BrowserContext, gateway: Gateway, pages_port: int
) -> None:
    assert HostedPage(context.pages[0], gateway, SAME_SITE, pages_port).sign_in()["status"] == 200
    assert len(context.cookies()) == 1
    elsewhere = HostedPage(context.pages[0], gateway, OTHER_SITE, pages_port)
    assert elsewhere.post("refresh", {})["body"] == {"status": "signed_out"}
    assert len(context.cookies()) == 1


def test_page_that_is_not_allowed_reads_nothing(context: BrowserContext, gateway: Gateway, pages_port: int) -> None:
    user = gateway.new_user()
    hosted = HostedPage(context.pages[0], gateway, "evil.localhost", pages_port)
    for credentials in ("include", "omit"):
        response = hosted.post("password", {"username": user.login, "password": user.password}, credentials)
        assert response == {"error": "TypeError: Failed to fetch"}
    assert context.cookies() == []
    assert gateway.site.requests_for(user, "password") == 0
