"""Browser sign-in through the deployed functions. `tests/unit/test_browser_sign_in.py` has every case."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from shotgrid_login.errors import ApprovalEnded
from tests.site.fake_site import Account
from tests.support.client import BROWSER_COOKIE, COOKIE, OTHER_PAGE, PAGE, Caller, Gateway, Response

SAME_SITE = {"origin": PAGE, "sec_fetch_site": "same-site"}
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36"


@pytest.fixture
def page(gateway: Gateway) -> Caller:
    """Return a page of another site. It uses token transport."""
    return gateway.caller(origin=OTHER_PAGE, sec_fetch_site="cross-site")


def approve(gateway: Gateway, started: Response, user: Account | None = None) -> Account:
    account = user or gateway.new_user(kind="autodesk")
    gateway.site.approve(started.body["approval_url"], account)
    return account


def test_methods_are_those_of_the_site_and_can_be_cached(gateway: Gateway) -> None:
    response = gateway.caller(origin=OTHER_PAGE).methods()
    assert response.status == 200
    assert response.body == {
        "site_url": gateway.site.url,
        "site_host": gateway.site.url.partition("://")[2],
        "method": "default",
        "password": "yes",
        "browser": "yes",
    }
    assert response.headers["cache-control"] == "public, max-age=300"
    assert response.headers["access-control-allow-origin"] == OTHER_PAGE
    assert response.headers["vary"] == "Origin"


def test_start_returns_what_the_page_shows(gateway: Gateway, page: Caller) -> None:
    response = page.send("POST", "/auth/browser", {}, user_agent=CHROME)
    assert response.status == 202
    assert response.headers["cache-control"] == "no-store"
    assert response.browser_cookie is None
    challenge, url = response.body["challenge"], response.body["approval_url"]
    assert response.body == {
        "status": "approval_required",
        "challenge": challenge,
        "approval_url": url,
        "site_host": gateway.site.url.partition("://")[2],
        "app_name": "ShotGrid sign-in at elsewhere.localhost:8003",
        "interval": 5,
        "expires_in": response.body["expires_in"],
    }
    assert 290 <= response.body["expires_in"] <= 300
    request = gateway.site.approval_request(url)
    assert request.app_name == "ShotGrid sign-in at elsewhere.localhost:8003"
    assert request.machine_id == f"Chrome on Windows, {page.address}"


def test_approved_sign_in_is_a_session_like_any_other(gateway: Gateway, page: Caller) -> None:
    started = page.browser()
    pending = page.approval(started)
    assert (pending.status, pending.body["status"], pending.body["interval"]) == (202, "approval_pending", 5)
    assert 290 <= pending.body["expires_in"] <= 300
    user = approve(gateway, started)
    allow_next_poll(gateway)
    signed_in = page.approval(started)
    assert signed_in.status == 200, signed_in.text
    assert signed_in.body["user"] == {"type": "HumanUser", "id": user.id, "login": user.login}
    assert page.session(signed_in.body["api_token"]).body["user"]["id"] == user.id
    handle = page.rotate(signed_in.body["refresh_token"])
    assert page.logout(handle).status == 204
    assert page.refresh(handle).code == "session_ended"


def allow_next_poll(gateway: Gateway) -> None:
    """Move the time of the next poll instead of waiting for it."""
    for row in gateway.state.all():
        if row["id"]["S"].startswith("approval#"):
            gateway.state.set(row["id"]["S"], next_poll_at=0)


def test_cookie_transport_binds_the_sign_in_to_the_browser(gateway: Gateway) -> None:
    page = gateway.caller(**SAME_SITE)
    started = page.browser()
    browser = started.browser_cookie
    assert browser
    assert "HttpOnly" in started.headers["set-cookie"]
    assert "Secure" in started.headers["set-cookie"]
    assert "SameSite=Strict" in started.headers["set-cookie"]
    assert "Max-Age=440" in started.headers["set-cookie"]
    again = page.send("POST", "/auth/browser", {}, cookie=f"{BROWSER_COOKIE}={browser}")
    assert again.browser_cookie == browser
    approve(gateway, started)
    assert page.approval(started).code == "invalid_request"
    other = page.send("POST", "/auth/approval", {"challenge": started.body["challenge"]}, cookie=f"{BROWSER_COOKIE}=x")
    assert other.code == "invalid_request"
    response = page.send(
        "POST", "/auth/approval", {"challenge": started.body["challenge"]}, cookie=f"{BROWSER_COOKIE}={browser}"
    )
    assert response.status == 200
    assert response.cookie
    assert "refresh_token" not in response.body
    assert page.send("POST", "/auth/refresh", {}, cookie=f"{COOKIE}={response.cookie}").status == 200


def test_transport_cannot_change_after_the_start(gateway: Gateway) -> None:
    page = gateway.caller(**SAME_SITE)
    started = page.browser(transport="token")
    approve(gateway, started)
    assert page.approval(started, transport="cookie").code == "invalid_request"
    assert page.approval(started, transport="token").status == 200


@pytest.mark.parametrize("path", ["/auth/browser", "/auth/approval"])
def test_caller_that_is_not_an_allowed_page_is_rejected(gateway: Gateway, path: str) -> None:
    body = {"challenge": "x"} if path == "/auth/approval" else {}
    for caller in (gateway.caller(), gateway.caller(origin="https://evil.example")):
        response = caller.send("POST", path, body)
        assert (response.status, response.code) == (403, "origin_not_allowed")


def test_declined_sign_in_has_ended(gateway: Gateway, page: Caller) -> None:
    started = page.browser()
    gateway.site.decline(started.body["approval_url"])
    response = page.approval(started)
    assert (response.status, response.code) == (410, "challenge_ended")
    assert response.body["detail"] == ApprovalEnded().detail


def test_challenges_of_the_two_kinds_are_rejected_at_the_route_of_the_other(gateway: Gateway, page: Caller) -> None:
    assert page.otp(page.browser(), "123456").code == "invalid_request"
    assert page.approval(page.password(gateway.new_user(two_factor=True))).code == "invalid_request"


def test_parallel_polls_create_one_session(gateway: Gateway, page: Caller) -> None:
    started = page.browser()
    approve(gateway, started)
    with ThreadPoolExecutor(3) as pool:  # each one needs a function of its own, which starts slowly
        responses = list(pool.map(lambda _: page.approval(started), range(3)))
    assert {response.status for response in responses} <= {200, 202}
    assert len({response.body["refresh_token"] for response in responses if response.status == 200}) == 1
    request = gateway.site.approval_request(started.body["approval_url"])
    assert (request.polls, request.hand_outs, gateway.site.mints(request.session_token)) == (1, 1, 1)


def test_eleventh_start_of_a_browser_has_to_wait(gateway: Gateway) -> None:
    page = gateway.caller(**SAME_SITE)
    cookie = f"{BROWSER_COOKIE}={page.browser().browser_cookie}"
    for _ in range(9):
        assert page.send("POST", "/auth/browser", {}, cookie=cookie).status == 202
    response = page.send("POST", "/auth/browser", {}, cookie=cookie)
    assert (response.status, response.code) == (429, "too_many_attempts")
    assert 590 <= int(response.headers["retry-after"]) <= 600
