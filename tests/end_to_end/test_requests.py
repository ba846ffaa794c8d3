"""Bodies, origins and transports of requests, and the headers of responses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.client import BROWSER_COOKIE, COOKIE, OTHER_PAGE, PAGE, Gateway, expire_access_token

POST_ROUTES = ["/auth/password", "/auth/otp", "/auth/refresh", "/auth/logout"]
VALID = {"username": "a_username", "password": "a password"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"password": "x"}, "username: missing"),
        ({"username": "x"}, "password: missing"),
        ({}, "username: missing"),
        ({**VALID, "username": 7}, "username: must be text"),
        ({**VALID, "password": None}, "password: must be text"),
        ({**VALID, "password": ["x"]}, "password: must be text"),
        ({**VALID, "username": " "}, "username: empty"),
        ({**VALID, "password": ""}, "password: empty"),
        ({**VALID, "username": "x" * 257}, "username: longer than 256 characters"),
        ({**VALID, "password": "x" * 257}, "password: longer than 256 characters"),
        ({**VALID, "password": "\ud800"}, "password: not Unicode text"),
        ({**VALID, "pasword": "x"}, "pasword: unknown; accepted fields: username, password, transport"),
        ({**VALID, "secret in the wrong place": "x"}, "a field: unknown"),
        ({**VALID, "transport": "pigeon"}, "transport: must be"),
        ([VALID], "body: not a JSON object"),
        ("text", "body: not a JSON object"),
    ],
)
def test_invalid_field_is_named(gateway: Gateway, body: Any, named: str) -> None:
    response = gateway.caller().send("POST", "/auth/password", body)
    assert (response.status, response.code) == (400, "invalid_request")
    assert response.body["detail"].startswith(named)
    assert "secret" not in response.text


@pytest.mark.parametrize("data", ["{", "", "username=a&password=b", "[" * 8000, '{"username": NaN', "\x00", "nul"])
def test_body_that_is_not_json_is_rejected(gateway: Gateway, data: str) -> None:
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
        ("/auth/logout", {"everywhere": "yes"}, "everywhere: must be true or false"),
        ("/auth/refresh", {"everywhere": True}, "everywhere: unknown"),
    ],
)
def test_invalid_field_of_another_route_is_named(gateway: Gateway, path: str, body: Any, named: str) -> None:
    response = gateway.caller().send("POST", path, body)
    assert (response.status, response.code) == (400, "invalid_request")
    assert response.body["detail"].startswith(named)


@pytest.mark.parametrize("path", POST_ROUTES)
def test_large_body_is_rejected(gateway: Gateway, path: str) -> None:
    for data in ("x" * (8 * 1024 + 1), "ä" * (4 * 1024 + 1), "x" * 100_000):
        response = gateway.caller().send("POST", path, data=data.encode())
        assert (response.status, response.code) == (413, "payload_too_large")


@pytest.mark.parametrize("path", POST_ROUTES)
@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", "", "multipart/form-data"])
def test_body_with_another_content_type_is_rejected(gateway: Gateway, path: str, media_type: str) -> None:
    response = gateway.caller().send("POST", path, data=json.dumps(VALID), content_type=media_type)
    assert (response.status, response.code) == (415, "unsupported_media_type")


def test_content_type_can_name_a_charset(gateway: Gateway) -> None:
    user = gateway.new_user()
    body = {"username": user.login, "password": user.password}
    response = gateway.caller().send("POST", "/auth/password", body, content_type="Application/JSON; charset=utf-8")
    assert response.status == 200


@pytest.mark.parametrize("path", POST_ROUTES)
def test_credentials_in_the_query_string_are_rejected(gateway: Gateway, path: str) -> None:
    user = gateway.new_user()
    query = f"?username={user.login}&password={user.password}"
    response = gateway.caller().send("POST", path + query, {"username": user.login, "password": user.password})
    assert (response.status, response.code) == (400, "invalid_request")
    assert response.body["detail"].startswith("Query strings are not allowed")
    assert user.password not in response.text
    assert gateway.site.requests_for(user, "password") == 0


@pytest.mark.parametrize("origin", [PAGE, OTHER_PAGE])
def test_allowed_page_can_read_responses_and_errors(gateway: Gateway, origin: str) -> None:
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
def test_preflight_of_an_allowed_page_succeeds(gateway: Gateway, path: str) -> None:
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
    allowed = response.headers["access-control-allow-headers"].split(", ")
    assert allowed == ["authorization", "content-type", "traceparent", "tracestate", "baggage", "sentry-trace"]
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
def test_page_of_another_origin_is_rejected_and_cannot_read_the_response(gateway: Gateway, origin: str) -> None:
    user, caller = gateway.new_user(), gateway.caller(origin=origin)
    bearer = gateway.caller().signed_in(user).body["api_token"]
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


def test_page_without_an_origin_gets_its_own_message(gateway: Gateway) -> None:
    response = gateway.caller(origin="null").send("POST", "/auth/refresh", {})
    assert (response.status, response.code) == (403, "origin_not_allowed")
    assert response.body["detail"].startswith("The page has no origin")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/auth/refresh", {}, 200),
        ("POST", "/auth/logout", {}, 204),
        ("OPTIONS", "/auth/refresh", {"origin": PAGE}, 204),
        ("POST", "/auth/password", {}, 415),
        ("POST", "/auth/refresh", {"origin": "https://evil.example"}, 403),
        ("POST", "/api/v1/auth/access_token", {}, 415),
        ("GET", "/auth/methods", {}, 200),
        ("GET", "/shotgrid-login.js", {}, 200),
        ("GET", "/nothing.js", {}, 404),
    ],
)
def test_every_response_has_the_security_headers(
    gateway: Gateway, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """`test_template` checks those that API Gateway creates itself."""
    response = gateway.caller().send(method, path, **headers)
    assert response.status == status
    assert response.headers["strict-transport-security"] == "max-age=31536000"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_conflicting_cookies_of_both_kinds_are_cleared(gateway: Gateway) -> None:
    names = (COOKIE, BROWSER_COOKIE)
    cookies = "; ".join(f"{name}={value}" for name in names for value in ("first", "second"))
    response = gateway.caller(origin=PAGE).send("POST", "/auth/refresh", cookie=cookies)
    assert response.body == {"status": "signed_out"}
    for name in names:
        assert f"{name}=; Max-Age=0; Path=/" in response.headers["set-cookie"]


def test_page_of_the_same_site_gets_the_cookie_by_default(gateway: Gateway) -> None:
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
def test_other_caller_gets_the_token_by_default(gateway: Gateway, headers: dict[str, str]) -> None:
    response = gateway.caller().send("POST", "/auth/password", _credentials(gateway), **headers)
    assert response.status == 200
    assert response.cookie is None
    assert response.body["refresh_token"]


@pytest.mark.parametrize("two_factor", [False, True])
def test_transport_can_be_chosen(gateway: Gateway, two_factor: bool) -> None:
    caller = gateway.caller(origin=PAGE, sec_fetch_site="same-site")
    token = caller.signed_in(gateway.new_user(two_factor=two_factor), transport="token")
    assert token.cookie is None
    assert token.body["refresh_token"]
    cookie = gateway.caller(origin=PAGE).signed_in(gateway.new_user(two_factor=two_factor), transport="cookie")
    assert cookie.cookie
    assert "refresh_token" not in cookie.body


def test_cookie_that_the_browser_would_reject_is_an_invalid_request(gateway: Gateway) -> None:
    user = gateway.new_user()
    cross_site = gateway.caller(origin=OTHER_PAGE, sec_fetch_site="cross-site")
    response = cross_site.password(user, transport="cookie")
    assert (response.status, response.code) == (400, "invalid_request")
    assert response.body["detail"].startswith("transport: ")
    assert gateway.caller().password(user, transport="cookie").code == "origin_not_allowed"
    assert gateway.site.requests_for(user, "password") == 0


def test_cookie_is_rotated_by_refresh_and_cleared_by_sign_out(gateway: Gateway) -> None:
    caller = gateway.caller(origin=PAGE, sec_fetch_site="same-site")
    first = caller.signed_in(gateway.new_user())
    again = caller.send("POST", "/auth/refresh", cookie=f"a=b; {COOKIE}={first.cookie}; c=d")
    assert again.status == 200
    assert again.cookie is None  # unchanged: a late response would replace a newer cookie
    assert "refresh_token" not in again.body
    expire_access_token(gateway, str(first.cookie))
    rotated = caller.send("POST", "/auth/refresh", cookie=f"{COOKIE}={first.cookie}")
    assert rotated.cookie not in (None, "", first.cookie)
    out = caller.send("POST", "/auth/logout", cookie=f"{COOKIE}={rotated.cookie}")
    assert (out.status, out.cookie) == (204, "")
    assert "Max-Age=0" in out.headers["set-cookie"]
    over = caller.send("POST", "/auth/refresh", cookie=f"{COOKIE}={rotated.cookie}")
    assert (over.status, over.code, over.cookie) == (401, "session_ended", "")


def test_cookie_without_an_origin_is_rejected(gateway: Gateway) -> None:
    caller = gateway.caller(origin=PAGE, sec_fetch_site="same-site")
    cookie = caller.signed_in(gateway.new_user()).cookie
    for path in ("/auth/refresh", "/auth/logout"):
        response = gateway.caller().send("POST", path, cookie=f"{COOKIE}={cookie}")
        assert (response.status, response.code) == (403, "origin_not_allowed")
    assert caller.send("POST", "/auth/refresh", cookie=f"{COOKIE}={cookie}").status == 200


def test_handle_in_the_body_takes_precedence_over_the_cookie(gateway: Gateway) -> None:
    caller = gateway.caller(origin=PAGE)
    cookie = caller.signed_in(gateway.new_user(), transport="cookie").cookie
    body = caller.signed_in(gateway.new_user(), transport="token").body
    response = caller.send(
        "POST", "/auth/refresh", {"refresh_token": body["refresh_token"]}, cookie=f"{COOKIE}={cookie}"
    )
    assert response.body["user"] == body["user"]
    assert response.cookie is None


def test_sign_out_by_body_does_not_clear_the_cookie(gateway: Gateway) -> None:
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
