"""HTTP requests and responses, with events that are hard to get from a real API Gateway."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shotgrid_login import __version__, cookie, http, log
from shotgrid_login.errors import InvalidOtp
from tests.support.lambda_events import Context, event

ORIGIN = "https://pages.example"


@http.endpoint("POST", frozenset({ORIGIN}))
def echo(request: http.Request) -> http.Response:
    fields = request.fields(required={"username": 256}, optional={"transport": 16})
    return http.Response(200, "echoed", {"username": fields["username"]})


@http.endpoint("POST", frozenset({ORIGIN}))
def fail(request: http.Request) -> http.Response:
    raise ValueError(f"choked on {request.fields(required={'username': 256}, optional={})}")


@http.endpoint("POST", frozenset({ORIGIN}))
def reject_code(request: http.Request) -> http.Response:
    raise InvalidOtp(attempts_left=3)


def test_response_has_the_version_of_the_code() -> None:
    for response in (echo(event(body='{"username": "a"}'), Context()), reject_code(event(), Context())):
        assert response["headers"]["x-gateway-version"] == __version__


def test_base64_body_is_decoded() -> None:
    body = base64.b64encode('{"username": "ä"}'.encode()).decode()
    response = echo(event(body=body, isBase64Encoded=True), Context())
    assert json.loads(response["body"]) == {"username": "ä"}


@pytest.mark.parametrize("body", ["not base64", base64.b64encode(b"\xff\xfe").decode()])
def test_invalid_base64_body_is_rejected(body: str) -> None:
    assert echo(event(body=body, isBase64Encoded=True), Context())["statusCode"] == 400


def test_letter_case_of_header_names_is_ignored() -> None:
    headers = {"CONTENT-TYPE": "application/json", "oRiGiN": ORIGIN}
    response = echo(event(headers=headers, body='{"username": "a"}'), Context())
    assert response["statusCode"] == 200
    assert response["headers"]["access-control-allow-origin"] == ORIGIN


def test_unexpected_exception_is_a_500_and_its_text_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    handler = Captured()
    logger = logging.getLogger(log.logger.name)
    logger.addHandler(handler)
    try:
        response = fail(event(headers={"content-type": "application/json"}, body='{"username": "me"}'), Context())
    finally:
        logger.removeHandler(handler)
    assert response["statusCode"] == 500
    problem = json.loads(response["body"])
    assert problem["code"] == "internal_error"
    assert problem["request_id"] == "request-id"
    assert any("ValueError" in line for line in handler.lines)
    assert not any("choked" in line or "'me'" in line for line in handler.lines)
    assert "choked" not in capsys.readouterr().out


def test_problem_has_every_field_of_the_contract() -> None:
    response = reject_code(event(), Context())
    assert response["statusCode"] == 401
    assert response["headers"]["content-type"] == "application/problem+json"
    assert json.loads(response["body"]) == {
        "status": 401,
        "code": "invalid_otp",
        "title": "Code rejected",
        "detail": json.loads(response["body"])["detail"],
        "request_id": "request-id",
        "attempts_left": 3,
    }


def test_powertools_event_logging_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    handler_with_event_logging = http.endpoint("POST", frozenset())(lambda request: http.Response(200, request.method))
    handler = Captured()
    logger = logging.getLogger(log.logger.name)
    logger.addHandler(handler)
    try:
        handler_with_event_logging(event(body='{"username": "typed-by-a-user"}'), Context())
    finally:
        logger.removeHandler(handler)
    assert handler.lines
    assert not any("typed-by-a-user" in line for line in handler.lines)


class Captured(logging.Handler):
    """Keeps the log records."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(str(record.__dict__))


values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
objects = st.dictionaries(st.sampled_from(["username", "transport", "x"]) | st.text(), values)


@given(
    body=st.none() | st.text() | objects.map(json.dumps),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "origin", "cookie", "sec-fetch-site"]) | st.text(),
        st.sampled_from(["application/json", ORIGIN, "null", f"{cookie.SESSION}=x", "same-site"]) | st.text(),
    ),
    query=st.none() | st.dictionaries(st.text(), st.text()),
    encoded=st.booleans(),
)
def test_random_request_never_raises_and_foreign_origin_is_rejected(
    body: str | None, headers: dict[str, str], query: dict[str, str] | None, encoded: bool
) -> None:
    response = echo(
        event(body=body, headers=headers, queryStringParameters=query, isBase64Encoded=encoded),
        Context(),
    )
    assert response["statusCode"] in (200, 400, 403, 413, 415)
    origin = {name.lower(): value for name, value in headers.items()}.get("origin")
    if origin not in (None, ORIGIN):
        assert response["statusCode"] == 403
        assert "access-control-allow-origin" not in response["headers"]
    if query:
        assert response["statusCode"] != 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (ORIGIN, 200),
        ("https://gateway.example", 200),
        ("http://gateway.example", 403),
        ("https://gateway.example.evil.example", 403),
        ("https://", 403),
    ],
)
def test_page_of_the_gateway_itself_is_allowed(origin: str, status: int) -> None:
    request = event(headers={"content-type": "application/json", "origin": origin}, body='{"username": "a"}')
    request["requestContext"]["domainName"] = "gateway.example"
    response = echo(request, Context())
    assert response["statusCode"] == status
    assert response["headers"].get("access-control-allow-origin") == (origin if status == 200 else None)


def test_missing_domain_name_allows_no_origin() -> None:
    request = event(headers={"content-type": "application/json", "origin": "https://"}, body='{"username": "a"}')
    assert echo(request, Context())["statusCode"] == 403


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_page_without_an_origin_gets_its_own_message_and_cannot_read_it(method: str) -> None:
    response = echo(event(httpMethod=method, headers={"origin": "null"}, body='{"username": "a"}'), Context())
    problem = json.loads(response["body"])
    assert (response["statusCode"], problem["code"]) == (403, "origin_not_allowed")
    assert "has no origin" in problem["detail"]
    assert not [name for name in response["headers"] if name.startswith("access-control-")]


def test_preflight_allows_the_headers_of_tracing_libraries() -> None:
    headers = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "baggage,content-type,sentry-trace,traceparent,tracestate",
    }
    response = echo(event(httpMethod="OPTIONS", headers=headers), Context())
    assert response["statusCode"] == 204
    allowed = response["headers"]["access-control-allow-headers"].split(", ")
    assert set(allowed) == {"authorization", *headers["access-control-request-headers"].split(",")}


SECURITY_HEADERS = {
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


@pytest.mark.parametrize(
    ("handler", "changes", "status"),
    [
        (echo, {"body": '{"username": "a"}'}, 200),
        (echo, {"httpMethod": "OPTIONS", "headers": {"origin": ORIGIN}}, 204),
        (echo, {"body": "{}"}, 400),
        (reject_code, {}, 401),
        (echo, {"headers": {"origin": "https://evil.example"}}, 403),
        (fail, {"body": '{"username": "a"}'}, 500),
    ],
)
def test_every_response_has_the_security_headers(handler: Any, changes: dict[str, Any], status: int) -> None:
    response = handler(event(**changes), Context())
    assert response["statusCode"] == status
    assert response["headers"].items() >= SECURITY_HEADERS.items()


@http.endpoint("POST", frozenset({ORIGIN}))
def show_cookies(request: http.Request) -> http.Response:
    return http.Response(200, "shown", {cookie.SESSION: request.cookie, cookie.BROWSER: request.browser_cookie})


def send_cookies(*cookie_headers: str, handler: Any = show_cookies) -> dict[str, Any]:
    """Return the response to a page that sends these `Cookie` headers."""
    headers = {"Origin": ORIGIN, "Cookie": cookie_headers[-1]}
    many = {"Origin": [ORIGIN], "Cookie": list(cookie_headers)}
    response: dict[str, Any] = handler(event(headers=headers, multiValueHeaders=many), Context())
    return response


def set_cookies(response: dict[str, Any]) -> list[str]:
    assert "set-cookie" not in response["headers"]
    return list(response["multiValueHeaders"].get("set-cookie", []))


NAMES = [cookie.SESSION, cookie.BROWSER]


def shown(response: dict[str, Any], name: str) -> Any:
    return json.loads(response["body"])[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", ["", " ", "\t", " \t "])
def test_cookie_with_spaces_and_tabs_around_it_is_read(name: str, space: str) -> None:
    response = send_cookies(f"a=b;{space}{name}{space}={space}value{space}; c=d")
    assert shown(response, name) == "value"
    assert set_cookies(response) == []


# White space to Python's `strip`, but part of the name to a browser, which therefore does not protect the cookie.
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prefix", [*"\u2000\u00a0\u0085\u3000\u2028\u1680\x0b\x0c\x1c\x1f\n\r", "\u200b", "_", "\x00"])
def test_cookie_whose_name_only_looks_like_ours_is_ignored(name: str, prefix: str) -> None:
    for other in (f"{prefix}{name}", f"{name}{prefix}", f" {prefix} {name}"):
        response = send_cookies(f"{other}=value")
        assert shown(response, name) is None
        assert set_cookies(response) == []


@pytest.mark.parametrize("name", NAMES)
def test_value_without_a_name_that_looks_like_ours_is_ignored(name: str) -> None:
    response = send_cookies(f"{name}; {name}=value")
    assert shown(response, name) == "value"
    assert set_cookies(response) == []
    assert shown(send_cookies(name), name) is None


@pytest.mark.parametrize("name", NAMES)
def test_cookie_with_another_spelling_of_the_name_is_ignored(name: str) -> None:
    for other in (name.lower(), name.upper(), f'"{name}"', name[1:], f"{name}x"):
        assert shown(send_cookies(f"{other}=value"), name) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "cookie_headers", [("{0}=first; {0}=second",), ("{0}=first", "{0}=second"), ("{0}=first", "a=b; {0}=")]
)
def test_two_different_cookies_count_as_none_and_are_cleared(name: str, cookie_headers: tuple[str, ...]) -> None:
    response = send_cookies(*(header.format(name) for header in cookie_headers))
    assert shown(response, name) is None
    assert set_cookies(response) == [f"{name}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict"]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_cookie_twice_is_read_once(name: str) -> None:
    response = send_cookies(f"{name}=value", f"{name}=value")
    assert shown(response, name) == "value"
    assert set_cookies(response) == []


@http.endpoint("POST", frozenset({ORIGIN}))
def sign_in(request: http.Request) -> http.Response:
    return http.Response(200, "signed_in", {}, cookie.set_header(cookie.SESSION, "new", 60))


def test_new_cookie_is_set_while_the_other_one_is_cleared() -> None:
    conflicts = "; ".join(f"{name}={value}" for name in NAMES for value in ("first", "second"))
    response = send_cookies(conflicts, handler=sign_in)
    assert [line.partition(";")[0] for line in set_cookies(response)] == [f"{cookie.SESSION}=new", f"{cookie.BROWSER}="]


def test_two_different_cookies_without_an_origin_are_rejected() -> None:
    cookies = f"{cookie.SESSION}=first; {cookie.SESSION}=second"
    assert show_cookies(event(headers={"cookie": cookies}), Context())["statusCode"] == 403


@http.public
def send_file(request: http.Request) -> http.Response:
    return http.Response(200, "served", "text", {"cache-control": "public, max-age=600"})


def test_response_that_caches_can_store_clears_no_cookie() -> None:
    cookies = f"{cookie.SESSION}=first; {cookie.SESSION}=second"
    response = send_file(event(httpMethod="GET", headers={"cookie": cookies}), Context())
    assert response["statusCode"] == 200
    assert set_cookies(response) == []
