"""GET /auth/session, sign-out, and the gateway's own use of the authorizer."""

from __future__ import annotations

import secrets
import time

import pytest

from tests.support.client import COOKIE, PAGE, Gateway, expire_access_token, session_row


def test_session_route_returns_the_user_and_the_limits(gateway: Gateway) -> None:
    caller = gateway.caller()
    signed_in = caller.signed_in(gateway.new_user()).body
    response = caller.session(signed_in["api_token"])
    assert response.status == 200
    assert response.body == {"user": signed_in["user"], "session": signed_in["session"]}


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic {token}", "{token}", "Bearer {token}x", "Bearer x{token}", "Bearer {token} x"],
)
def test_malformed_bearer_is_rejected(gateway: Gateway, authorization: str) -> None:
    caller = gateway.caller()
    token = caller.signed_in(gateway.new_user()).body["api_token"]
    response = caller.send("GET", "/auth/session", authorization=authorization.format(token=token))
    assert response.status == 401


def test_token_that_this_gateway_did_not_issue_is_rejected(gateway: Gateway) -> None:
    user = gateway.new_user()
    site_token = gateway.site.sign_in_directly(user)["access_token"]
    assert gateway.caller().session(site_token).status == 401


def test_token_of_the_site_is_for_the_site_only(gateway: Gateway) -> None:
    caller = gateway.caller()
    signed_in = caller.signed_in(gateway.new_user()).body
    assert caller.session(signed_in["access_token"]).status == 401
    assert len(signed_in["api_token"]) == 43
    assert signed_in["api_token"] not in gateway.site.secrets


def test_expired_bearer_whose_row_still_exists_is_rejected(gateway: Gateway) -> None:
    caller = gateway.caller()
    signed_in = caller.signed_in(gateway.new_user()).body
    (bearer,) = gateway.state.get(session_row(signed_in["refresh_token"]))["bearers"]["S"].split()
    gateway.bearers.set(bearer, expires_at=int(time.time()))
    assert caller.session(signed_in["api_token"]).status == 401


def test_sign_out_ends_the_session_and_its_bearers_at_once(gateway: Gateway) -> None:
    caller = gateway.caller()
    first = caller.signed_in(gateway.new_user()).body
    expire_access_token(gateway, first["refresh_token"])
    second = caller.refresh(first["refresh_token"]).body
    out = caller.logout(second["refresh_token"])
    assert (out.status, out.text) == (204, "")
    assert caller.refresh(second["refresh_token"]).code == "session_ended"
    for body in (first, second):
        assert caller.session(body["api_token"]).status == 401
    assert gateway.bearers_of(first["refresh_token"]) == []


def test_sign_out_works_with_a_retired_handle(gateway: Gateway) -> None:
    caller = gateway.caller()
    handles = [caller.signed_in(gateway.new_user()).body["refresh_token"]]
    for _ in range(2):
        handles.append(caller.rotate(handles[-1]))
    assert caller.logout(handles[0]).status == 204
    assert caller.refresh(handles[-1]).code == "session_ended"


def test_sign_out_without_a_session_is_204(gateway: Gateway) -> None:
    caller = gateway.caller()
    handle = caller.signed_in(gateway.new_user()).body["refresh_token"]
    made_up = f"{handle.partition('.')[0]}.{secrets.token_urlsafe(32)}"
    for nothing in (made_up, "nonsense", f"{secrets.token_urlsafe(16)}.{secrets.token_urlsafe(32)}"):
        assert caller.logout(nothing).status == 204
    assert caller.send("POST", "/auth/logout").status == 204
    assert caller.refresh(handle).status == 200
    assert caller.logout(handle).status == 204
    assert caller.logout(handle).status == 204


def test_sessions_of_one_user_are_independent(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    desk, laptop = caller.signed_in(user).body, caller.signed_in(user).body
    assert caller.logout(desk["refresh_token"]).status == 204
    assert caller.refresh(laptop["refresh_token"]).status == 200
    assert caller.session(laptop["api_token"]).status == 200


def test_sign_out_everywhere_ends_all_sessions_of_the_user(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    desk, laptop = caller.signed_in(user).body, caller.signed_in(user).body
    other = caller.signed_in(gateway.new_user()).body
    assert caller.logout(desk["refresh_token"], everywhere="yes").code == "invalid_request"
    assert caller.logout(desk["refresh_token"], everywhere=False).status == 204
    assert caller.refresh(laptop["refresh_token"]).status == 200
    again = caller.signed_in(user).body
    assert caller.logout(again["refresh_token"], everywhere=True).status == 204
    for body in (desk, laptop, again):
        assert caller.refresh(body["refresh_token"]).code == "session_ended"
        assert caller.session(body["api_token"]).status == 401
        assert gateway.bearers_of(body["refresh_token"]) == []
    assert caller.session(other["api_token"]).status == 200


@pytest.mark.parametrize("two_factor", [False, True])
def test_sign_in_ends_the_session_whose_cookie_came_with_it(gateway: Gateway, two_factor: bool) -> None:
    first = gateway.caller(origin=PAGE, sec_fetch_site="same-site").signed_in(gateway.new_user())
    browser = gateway.caller(origin=PAGE, sec_fetch_site="same-site", cookie=f"{COOKIE}={first.cookie}")
    second = browser.signed_in(gateway.new_user(two_factor=two_factor))
    assert second.cookie not in (None, "", first.cookie)
    assert browser.send("POST", "/auth/refresh").code == "session_ended"
    assert browser.session(first.body["api_token"]).status == 401
    assert gateway.bearers_of(str(first.cookie)) == []
    assert browser.session(second.body["api_token"]).status == 200


@pytest.mark.parametrize("two_factor", [False, True])
def test_sign_in_ends_the_session_whose_handle_came_with_it(gateway: Gateway, two_factor: bool) -> None:
    caller = gateway.caller()
    first = caller.signed_in(gateway.new_user()).body
    user = gateway.new_user(two_factor=two_factor)
    assert caller.password(user, "wrong", refresh_token=first["refresh_token"]).status in (202, 401)
    assert caller.refresh(first["refresh_token"]).status == 200
    second = caller.signed_in(user, refresh_token=first["refresh_token"]).body
    assert caller.refresh(first["refresh_token"]).code == "session_ended"
    assert caller.refresh(second["refresh_token"]).status == 200
    for nothing in ("nonsense", f"{second['refresh_token'].partition('.')[0]}.{secrets.token_urlsafe(32)}"):
        assert caller.signed_in(user, refresh_token=nothing).status == 200
    assert caller.refresh(second["refresh_token"]).status == 200
