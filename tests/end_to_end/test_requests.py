"""What a request may look like: bodies, origins, transports, and the responses' headers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.client import COOKIE, OTHER_PAGE, PAGE, Gateway, expire_access_token

POST_ROUTES = ["/auth/password", "/auth/otp", "/auth/refresh", "/auth/logout"]
GOOD = {"username": "somebody", "password": "a password"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"password": "x"}, "username: missing"),
        ({"username": "x"}, "password: missing"),
        ({}, "username: missing"),
        ({**GOOD, "username": 7}, "username: must be text"),
        ({**GOOD, "password": None}, "password: must be text"),
        ({**GOOD, "password": ["x"]}, "password: must be text"),
        ({**GOOD, "username": " "}, "username: empty"),
        ({**GOOD, "password": ""}, "password: empty"),
        ({**GOOD, "username": "x" * 257}, "username: longer than 256 characters"),
        ({**GOOD, "password": "x" * 257}, "password: longer than 256 characters"),
        ({**GOOD, "password": "\ud800"}, "password: not Unicode text"),
        ({**GOOD, "pasword": "x"}, "pasword: unknown; known here: username, password, transport"),
        ({**GOOD, "secret in the wrong place": "x"}, "a field: unknown"),
        ({**GOOD, "transport": "pigeon"}, "transport: must be"),
        ([GOOD], "body: not a JSON object"),
        ("text", "body: not a JSON object"),
    ],
)
def test_a_wrong_field_is_named(gateway: Gateway, body: Any, named: str) -> None:
    response = gateway.caller().send("POST", "/auth/password", body)
    assert (response.status, response.code) == (400, "invalid_request")
    assert response.body["detail"].startswith(named)
    assert "secret" not in response.text


@pytest.mark.parametrize("data", ["{", "", "username=a&password=b", "[" * 8000, '{"username": NaN', "\x00", "nul"])
def test_what_is_not_json_is_said_to_be_so(gateway: Gateway, data: str) -> None:
    response = gateway.caller().send("POST", "/auth/password", data=data)
    assert (response.status, response.code) == (400, "invalid_request")
    assert response.body["detail"] == "body: not JSON"


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/auth/otp", {"challenge": "x"}, "code: missing"),
        ("/auth/otp", {"code": "123456"}, "challenge: missing"),
        ("/auth/otp", {"challenge": "x", "code": "1" * 65}, "code: longer than 64 characters"),
        ("/auth/otp", {"challenge": "x" * 7001, "code": "1"}, "challenge: longer than 7000 characters"),
        ("/auth/otp", {"challenge": "x", "code": 123456}, "code: must be text"),
        ("/auth/refresh", {"refresh_token": 1}, "refresh_token: must be text"),
        ("/auth/refresh", {"token": "x"}, "token: unknown"),
        ("/auth/logout", {"refresh_token": ["x"]}, "refresh_token: must be text"),
        ("/auth/logout", {"everywhere": True}, "everywhere: unknown"),
    ],
)
def test_the_other_routes_name_wrong_fields_too(gateway: Gateway, path: str, body: Any, named: str) -> None:
    response = gateway.caller().send("POST", path, body)
    assert (response.status, response.code) == (400, "invalid_request")
    assert response.body["detail"].startswith(named)


@pytest.mark.parametrize("path", POST_ROUTES)
def test_large_bodies_are_refused(gateway: Gateway, path: str) -> None:
    for data in ("x" * (8 * 1024 + 1), "ä" * (4 * 1024 + 1), "x" * 100_000):
        response = gateway.caller().send("POST", path, data=data.encode())
        assert (response.status, response.code) == (413, "payload_too_large")


@pytest.mark.parametrize("path", POST_ROUTES)
@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", "", "multipart/form-data"])
def test_bodies_that_do_not_say_json_are_refused(gateway: Gateway, path: str, media_type: str) -> None:
    response = gateway.caller().send("POST", path, data=json.dumps(GOOD), content_type=media_type)
    assert (response.status, response.code) == (415, "unsupported_media_type")


def test_a_charset_may_be_named(gateway: Gateway) -> None:
    user = gateway.new_user()
    body = {"username": user.login, "password": user.password}
    response = gateway.caller().send("POST", "/auth/password", body, content_type="Application/JSON; charset=utf-8")
    assert response.status == 200


@pytest.mark.parametrize("path", POST_ROUTES)
def test_credentials_in_the_address_are_refused(gateway: Gateway, path: str) -> None:
    user = gateway.new_user()
    query = f"?username={user.login}&password={user.password}"
    response = gateway.caller().send("POST", path + query, {"username": user.login, "password": user.password})
    assert (response.status, response.code) == (400, "invalid_request")
    assert response.body["detail"].startswith("query string: ")
    assert user.password not in response.text
    assert gateway.site.requests_for(user, "password") == 0


@pytest.mark.parametrize("origin", [PAGE, OTHER_PAGE])
def test_an_allowed_page_can_read_answers_and_errors(gateway: Gateway, origin: str) -> None:
    caller = gateway.caller(origin=origin)
    for response in (
        caller.signed_in(gateway.new_user()),
        caller.send("POST", "/auth/password", {}),
        caller.refresh("x"),
    ):
        assert response.headers["access-control-allow-origin"] == origin
        assert response.headers["access-control-allow-credentials"] == "true"
        assert response.headers["access-control-expose-headers"] == "retry-after, x-request-id"
        assert response.headers["vary"] == "Origin"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-request-id"]


@pytest.mark.parametrize("path", [*POST_ROUTES, "/auth/session"])
def test_preflights_of_allowed_pages_are_answered(gateway: Gateway, path: str) -> None:
    response = gateway.caller(origin=PAGE).send(
        "OPTIONS",
        path,
        access_control_request_method="POST",
        access_control_request_headers="content-type",
    )
    assert response.status == 204
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["access-control-allow-credentials"] == "true"
    assert response.headers["access-control-allow-methods"] == ("GET" if path == "/auth/session" else "POST")
    assert response.headers["access-control-allow-headers"] == "authorization, content-type"
    assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        f"{PAGE}.evil.example",
        PAGE.replace("http:", "https:"),
        PAGE.removesuffix("2"),
        f"{PAGE}/",
        PAGE.upper(),
        f"{PAGE},{OTHER_PAGE}",
        "*",
    ],
)
def test_a_page_that_is_not_allowed_gets_nothing_it_can_use(gateway: Gateway, origin: str) -> None:
    user, caller = gateway.new_user(), gateway.caller(origin=origin)
    bearer = gateway.caller().signed_in(user).body["access_token"]
    for response in (
        caller.password(user),
        caller.send("OPTIONS", "/auth/password", access_control_request_method="POST"),
        caller.send("POST", "/auth/refresh", cookie=f"{COOKIE}=x"),
        caller.session(bearer),
    ):
        assert (response.status, response.code) == (403, "origin_not_allowed")
        assert not any(name.lower().startswith("access-control-") for name in response.headers)
        assert "set-cookie" not in response.headers
    assert gateway.site.requests_for(user, "password") == 1


def test_a_page_of_the_same_site_gets_the_cookie_by_default(gateway: Gateway) -> None:
    for site in ("same-origin", "same-site"):
        response = gateway.caller(origin=PAGE, sec_fetch_site=site).send(
            "POST", "/auth/password", _credentials(gateway)
        )
        assert response.cookie
        assert "refresh_token" not in response.body
        attributes = {part.strip().lower() for part in response.headers["set-cookie"].split(";")[1:]}
        assert {"httponly", "secure", "path=/", "samesite=strict"} < attributes
        (max_age,) = (part for part in attributes if part.startswith("max-age="))
        assert 43_000 <= int(max_age.partition("=")[2]) <= 43_200
        assert not any(part.startswith("domain") for part in attributes)


@pytest.mark.parametrize(
    "headers", [{}, {"origin": OTHER_PAGE}, {"origin": OTHER_PAGE, "sec_fetch_site": "cross-site"}, {"origin": PAGE}]
)
def test_everyone_else_gets_a_token_by_default(gateway: Gateway, headers: dict[str, str]) -> None:
    response = gateway.caller().send("POST", "/auth/password", _credentials(gateway), **headers)
    assert response.status == 200
    assert response.cookie is None
    assert response.body["refresh_token"]


@pytest.mark.parametrize("two_factor", [False, True])
def test_the_transport_can_be_chosen(gateway: Gateway, two_factor: bool) -> None:
    caller = gateway.caller(origin=PAGE, sec_fetch_site="same-site")
    token = caller.signed_in(gateway.new_user(two_factor=two_factor), transport="token")
    assert token.cookie is None
    assert token.body["refresh_token"]
    cookie = gateway.caller(origin=PAGE).signed_in(gateway.new_user(two_factor=two_factor), transport="cookie")
    assert cookie.cookie
    assert "refresh_token" not in cookie.body


def test_a_cookie_that_the_browser_would_drop_is_not_promised(gateway: Gateway) -> None:
    user = gateway.new_user()
    cross_site = gateway.caller(origin=OTHER_PAGE, sec_fetch_site="cross-site")
    response = cross_site.password(user, transport="cookie")
    assert (response.status, response.code) == (400, "invalid_request")
    assert response.body["detail"].startswith("transport: ")
    assert gateway.caller().password(user, transport="cookie").code == "origin_not_allowed"
    assert gateway.site.requests_for(user, "password") == 0


def test_the_cookie_lives_through_refresh_and_sign_out(gateway: Gateway) -> None:
    caller = gateway.caller(origin=PAGE, sec_fetch_site="same-site")
    first = caller.signed_in(gateway.new_user())
    again = caller.send("POST", "/auth/refresh", cookie=f"a=b; {COOKIE}={first.cookie}; c=d")
    assert again.status == 200
    assert again.cookie == first.cookie
    assert "refresh_token" not in again.body
    expire_access_token(gateway, str(first.cookie))
    rotated = caller.send("POST", "/auth/refresh", cookie=f"{COOKIE}={first.cookie}")
    assert rotated.cookie not in (None, "", first.cookie)
    out = caller.send("POST", "/auth/logout", cookie=f"{COOKIE}={rotated.cookie}")
    assert (out.status, out.cookie) == (204, "")
    assert "Max-Age=0" in out.headers["set-cookie"]
    over = caller.send("POST", "/auth/refresh", cookie=f"{COOKIE}={rotated.cookie}")
    assert (over.status, over.code, over.cookie) == (401, "session_ended", "")


def test_a_cookie_without_an_origin_is_refused(gateway: Gateway) -> None:
    caller = gateway.caller(origin=PAGE, sec_fetch_site="same-site")
    cookie = caller.signed_in(gateway.new_user()).cookie
    for path in ("/auth/refresh", "/auth/logout"):
        response = gateway.caller().send("POST", path, cookie=f"{COOKIE}={cookie}")
        assert (response.status, response.code) == (403, "origin_not_allowed")
    assert caller.send("POST", "/auth/refresh", cookie=f"{COOKIE}={cookie}").status == 200


def test_a_handle_in_the_body_counts_before_the_cookie(gateway: Gateway) -> None:
    caller = gateway.caller(origin=PAGE)
    cookie = caller.signed_in(gateway.new_user(), transport="cookie").cookie
    body = caller.signed_in(gateway.new_user(), transport="token").body
    response = caller.send(
        "POST", "/auth/refresh", {"refresh_token": body["refresh_token"]}, cookie=f"{COOKIE}={cookie}"
    )
    assert response.body["user"] == body["user"]
    assert response.cookie is None


def test_the_end_of_a_handle_in_the_body_leaves_the_cookie_alone(gateway: Gateway) -> None:
    caller = gateway.caller(origin=PAGE)
    cookie = caller.signed_in(gateway.new_user(), transport="cookie").cookie
    handle = caller.signed_in(gateway.new_user(), transport="token").body["refresh_token"]
    sent = {"refresh_token": handle}
    out = caller.send("POST", "/auth/logout", sent, cookie=f"{COOKIE}={cookie}")
    assert (out.status, out.cookie) == (204, None)
    over = caller.send("POST", "/auth/refresh", sent, cookie=f"{COOKIE}={cookie}")
    assert (over.code, over.cookie) == ("session_ended", None)
    assert caller.send("POST", "/auth/refresh", cookie=f"{COOKIE}={cookie}").status == 200


def _credentials(gateway: Gateway) -> dict[str, str]:
    user = gateway.new_user()
    return {"username": user.login, "password": user.password}
