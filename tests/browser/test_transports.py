"""A page in Chromium signs in with plain fetch: by cookie on the gateway's site, by token on another one.

The browser decides here, not we: whether it keeps the cookie, when it sends it, and what a page may read.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.support.client import COOKIE, Gateway, expire_access_token

SAME_SITE = "pages.login.localhost"
OTHER_SITE = "elsewhere.localhost"

CALL = """
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


class Hosted:
    """A page at an origin, and the gateway it calls."""

    def __init__(self, context: BrowserContext, gateway: Gateway, host: str, port: int) -> None:
        self._gateway = gateway
        self.page: Page = context.new_page()
        self.page.goto(f"http://{host}:{port}/")

    def post(self, route: str, body: Any, credentials: str = "include") -> dict[str, Any]:
        url = f"http://{self._gateway.host}/auth/{route}"
        response: dict[str, Any] = self.page.evaluate(CALL, [url, body, credentials])
        for name in ("access_token", "refresh_token", "challenge"):
            if value := (response.get("body") or {}).get(name):
                self._gateway.secrets.add(value)
        return response

    def sign_in(self, **fields: str) -> dict[str, Any]:
        user = self._gateway.new_user(two_factor=True)
        asked = self.post("password", {"username": user.login, "password": user.password, **fields})
        assert asked["status"] == 202, asked
        code = self._gateway.site.code(user.login)
        return self.post("otp", {"challenge": asked["body"]["challenge"], "code": code, **fields})


def test_a_page_of_the_same_site_holds_a_cookie_that_it_cannot_read(
    context: BrowserContext, gateway: Gateway, pages_port: int
) -> None:
    hosted = Hosted(context, gateway, SAME_SITE, pages_port)
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


def test_a_page_of_another_site_holds_a_token(context: BrowserContext, gateway: Gateway, pages_port: int) -> None:
    hosted = Hosted(context, gateway, OTHER_SITE, pages_port)
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
    assert Hosted(context, gateway, SAME_SITE, pages_port).sign_in()["status"] == 200
    assert len(context.cookies()) == 1
    elsewhere = Hosted(context, gateway, OTHER_SITE, pages_port)
    assert elsewhere.post("refresh", {})["body"] == {"status": "signed_out"}
    assert len(context.cookies()) == 1


def test_a_page_that_asks_for_the_cookie_on_another_site_is_told(
    context: BrowserContext, gateway: Gateway, pages_port: int
) -> None:
    elsewhere = Hosted(context, gateway, OTHER_SITE, pages_port)
    response = elsewhere.post("password", {"username": "a", "password": "b", "transport": "cookie"})
    assert response["status"] == 400
    assert response["body"]["detail"].startswith("transport: ")


def test_a_page_that_is_not_allowed_reads_nothing(context: BrowserContext, gateway: Gateway, pages_port: int) -> None:
    user = gateway.new_user()
    hosted = Hosted(context, gateway, "evil.localhost", pages_port)
    for credentials in ("include", "omit"):
        response = hosted.post("password", {"username": user.login, "password": user.password}, credentials)
        assert response == {"error": "TypeError: Failed to fetch"}
    assert context.cookies() == []
    assert gateway.site.requests_for(user, "password") == 0
