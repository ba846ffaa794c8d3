"""`shotgrid-login check --user --gateway` in the browser: every response of the gateway, without a gateway."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from shotgrid_login.sign_in_methods import SignInMethods
from shotgrid_login_ops.check import gateway_check, gateway_user
from shotgrid_login_ops.check.connection import Connection, Response
from shotgrid_login_ops.check.findings import Finding, Status
from shotgrid_login_ops.check.site_sign_in import SignIn
from shotgrid_login_ops.check.terminal import Credentials, Terminal
from tests.support.check import Typing
from tests.support.replay import Replay, http, replaying

SITE = "https://studio.shotgrid.autodesk.com"
PAGE = "https://pages.studio.com"
CHALLENGE, URL = "the-challenge", f"{SITE}/app_session_request/the-request-id?sticky_id=the-request-id"
ACCESS_TOKEN, API_TOKEN, HANDLE = "the-access-token", "the-api-token", "the-handle"
SECRETS = (CHALLENGE, URL, "the-request-id", ACCESS_TOKEN, API_TOKEN, HANDLE)


def response(http_status: int, /, **fields: object) -> bytes:
    return http(http_status, json.dumps(fields))


def start(**fields: object) -> bytes:
    name = "ShotGrid sign-in at pages.studio.com"
    body = {"challenge": CHALLENGE, "approval_url": URL, "app_name": name, "interval": 5, "expires_in": 300}
    return response(202, status="approval_required", **{**body, **fields})


def pending(interval: object = 5) -> bytes:
    return response(202, status="approval_pending", interval=interval, expires_in=290)


TOKENS = {"access_token": ACCESS_TOKEN, "api_token": API_TOKEN, "refresh_token": HANDLE}
SIGNED_IN = response(200, status="signed_in", **TOKENS, site_url=SITE, user={"id": 24})
# The rest of a session: its user, a refresh, the sign-out, and the rejected token.
SESSION = (response(200, user={"id": 24}), SIGNED_IN, http(204, ""), http(401, "{}"))


def sign_in(*responses: bytes | None, typing: Typing | None = None) -> tuple[dict[str, Finding], Typing, Replay]:
    """Sign in through a gateway that sends these responses."""
    typing = typing or Typing(in_browser=lambda _: None)
    with replaying(*responses) as replay:
        found = gateway_user.sign_in_with_browser_and_out(Connection(replay.url), SITE, PAGE, cast(Terminal, typing))
    for secret in SECRETS:
        assert secret not in repr(found)
    for secret in (CHALLENGE, ACCESS_TOKEN, API_TOKEN, HANDLE):
        assert secret not in typing.shown
    return {finding.name: finding for finding in found}, typing, replay


def body(request: bytes) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(request.partition(b"\r\n\r\n")[2])
    return parsed


# ---- a sign-in ---------------------------------------------------------------------------------------------


def test_approved_sign_in_is_checked_from_start_to_sign_out() -> None:
    found, typing, replay = sign_in(start(), pending(), SIGNED_IN, *SESSION)
    assert {finding.status for finding in found.values()} == {Status.OK}
    assert list(found) == ["user.sign-in", "gateway.site", "user.session", "user.refresh", "user.sign-out"]
    assert found["user.sign-in"].value == "in the browser"
    assert typing.pauses == [5, 5]
    assert URL in typing.shown
    assert "ShotGrid sign-in at pages.studio.com" in typing.shown
    lines = [request.partition(b"\r\n")[0].decode() for request in replay.requests]
    assert lines == [
        "POST /auth/browser HTTP/1.1",
        "POST /auth/approval HTTP/1.1",
        "POST /auth/approval HTTP/1.1",
        "GET /auth/session HTTP/1.1",
        "POST /auth/refresh HTTP/1.1",
        "POST /auth/logout HTTP/1.1",
        "GET /auth/session HTTP/1.1",
    ]
    assert body(replay.requests[0]) == {"transport": "token"}
    for request in replay.requests[1:3]:
        assert body(request) == {"challenge": CHALLENGE, "transport": "token"}
    for request in replay.requests[:3]:
        assert f"origin: {PAGE}" in request.decode().lower()
    for request in (replay.requests[3], replay.requests[6]):
        assert f"authorization: Bearer {API_TOKEN}\r\n".lower() in request.decode().lower()
    for request in replay.requests[4:6]:
        assert body(request) == {"refresh_token": HANDLE}


def test_interval_of_the_gateway_is_used() -> None:
    _, typing, _ = sign_in(start(interval=7), pending(11), pending(None), SIGNED_IN, *SESSION)
    assert typing.pauses == [7, 11, 5]


@pytest.mark.parametrize(
    ("silence", "pause", "note"),
    [
        (response(503, code="site_unavailable", retry_after=30), 30, "503 site_unavailable"),
        (response(503, code="site_unavailable"), 5, "503 site_unavailable"),
        (response(429, code="too_many_attempts", retry_after=9), 9, "429 too_many_attempts"),
        (http(429, ""), 5, "429"),
        (b"", 5, "connection broke"),
    ],
)
def test_poll_without_a_result_is_sent_again(silence: bytes, pause: int, note: str) -> None:
    found, typing, _ = sign_in(start(), silence, SIGNED_IN, *SESSION)
    assert found["user.sign-in"].status is Status.OK
    assert typing.pauses == [5, pause]
    assert note in typing.shown


def test_cookie_that_a_refresh_does_not_set_again_is_kept_until_the_sign_out() -> None:
    cookie = f"{gateway_user.COOKIE}={HANDLE}"
    body_of_page = json.dumps({"access_token": ACCESS_TOKEN, "api_token": API_TOKEN, "site_url": SITE})
    attributes = "Path=/; Secure; HttpOnly; SameSite=Strict"
    user, _, sign_out, rejected = SESSION
    responses = (
        response(400, code="invalid_request"),
        http(200, body_of_page, ["content-type: application/json", f"set-cookie: {cookie}; {attributes}"]),
        *(user, http(200, body_of_page), sign_out, rejected),
    )
    with replaying(*responses) as replay:
        found = gateway_user.sign_in_and_out(Connection(replay.url), SITE, Credentials("a", "b"), lambda: "")
    assert {finding.status for finding in found} == {Status.OK}
    for request in replay.requests[3:5]:
        assert f"cookie: {cookie}\r\n".lower() in request.decode().lower()


# ---- no sign-in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (403, "origin_not_allowed", "--origin"),
        (403, "browser_sign_in_disabled", "BrowserSignIn"),
        (429, "too_many_attempts", "ten minutes"),
        (502, "site_error", "logs"),
        (503, "site_unavailable", "IP allow list"),
        (404, "not_found", "Deploy the stack"),
        (500, "internal_error", "logs"),
    ],
)
def test_rejected_start_is_a_problem_with_a_next_step(status: int, code: str, text: str) -> None:
    found, typing, _ = sign_in(response(status, code=code, title="", detail="", request_id="1"))
    assert list(found) == ["user.sign-in"]
    finding = found["user.sign-in"]
    assert (finding.status, finding.value) == (Status.PROBLEM, f"{status} {code}")
    assert text in f"{finding.meaning} {finding.next_step}"
    assert finding.next_step.endswith(".")
    assert typing.urls == []


@pytest.mark.parametrize(
    "fields",
    [
        {"challenge": None},
        {"challenge": 7},
    ],
)
def test_unusable_start_is_a_problem_and_shows_no_url(fields: dict[str, object]) -> None:
    found, typing, replay = sign_in(start(**fields))
    assert (found["user.sign-in"].status, found["user.sign-in"].value) == (Status.PROBLEM, "202 approval_required")
    assert typing.shown == ""
    assert len(replay.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        None,
        "javascript:alert(1)",
        "https://studio.example/app_session_request/the-request-id",
        f"{SITE}/app_session_request/\033[2J",
        f"{SITE}/app_session_request/a b",
        [f"{SITE}/app_session_request/the-request-id"],
    ],
)
def test_url_that_is_not_the_approval_page_of_the_site_is_not_shown(url: object) -> None:
    found, typing, replay = sign_in(start(approval_url=url))
    assert (found["user.sign-in"].status, found["user.sign-in"].value) == (Status.PROBLEM, "not the site's page")
    assert typing.shown == ""
    assert len(replay.requests) == 1


def test_application_name_of_the_gateway_cannot_control_the_terminal() -> None:
    _, typing, _ = sign_in(start(app_name="x\033[2J\r\n" + "y" * 500), SIGNED_IN, *SESSION)
    assert "\033" not in typing.shown
    assert "\r" not in typing.shown
    assert "y" * 100 not in typing.shown


@pytest.mark.parametrize(
    ("status", "code"), [(410, "challenge_ended"), (502, "site_error"), (400, "invalid_request"), (200, "")]
)
def test_poll_that_ends_without_a_session_is_a_problem(status: int, code: str) -> None:
    found, typing, _ = sign_in(start(), pending(), response(status, code=code))
    assert list(found) == ["user.sign-in"]
    finding = found["user.sign-in"]
    assert (finding.status, finding.value) == (Status.PROBLEM, f"{status} {code}".strip())
    assert finding.next_step.endswith(".")
    assert typing.pauses == [5, 5]


def test_sign_in_without_a_decision_ends_with_the_time_of_the_gateway() -> None:
    found, typing, _ = sign_in(start(expires_in=12), *[pending()] * 3)
    finding = found["user.sign-in"]
    assert (finding.status, finding.value) == (Status.UNKNOWN, None)
    assert "not approved within 12 s" in finding.meaning
    assert typing.pauses == [5, 5, 2]


@pytest.mark.parametrize("expires_in", [None, 0, -1, True, "300", 86400])
def test_unusable_time_of_the_gateway_is_five_minutes(expires_in: object) -> None:
    typing = Typing(in_browser=lambda _: None, seconds_per_pause=100)
    found, _, replay = sign_in(start(expires_in=expires_in), *[pending()] * 3, typing=typing)
    assert "not approved within 300 s" in found["user.sign-in"].meaning
    assert len(replay.requests) == 4


def test_gateway_that_stays_silent_is_a_problem() -> None:
    typing = Typing(in_browser=lambda _: None, seconds_per_pause=200)
    found, _, _ = sign_in(start(), pending(), response(503, code="site_unavailable"), typing=typing)
    assert (found["user.sign-in"].status, found["user.sign-in"].value) == (Status.PROBLEM, "no response")


def test_failed_refresh_still_signs_out() -> None:
    found, _, replay = sign_in(start(), SIGNED_IN, SESSION[0], response(401, code="session_ended"), *SESSION[2:])
    assert found["user.refresh"].status is Status.PROBLEM
    assert found["user.sign-out"].status is Status.OK
    assert len(replay.requests) == 6


# ---- gateway.methods ---------------------------------------------------------------------------------------

LAUNCHER = "authentication_app_session_launcher_enabled"


def methods(method: str, password: str, browser: str, site_url: str = SITE) -> Response:
    fields = {"site_url": site_url, "site_host": "", "method": method, "password": password, "browser": browser}
    return Response(200, {}, json.dumps(fields).encode())


@pytest.mark.parametrize("launcher", [True, False])
@pytest.mark.parametrize("method", ["default", "ldap", "oxygen", "saml2", "pigeon", None])
def test_gateway_that_offers_what_the_site_supports_is_ok(method: str | None, launcher: bool) -> None:
    about = {"user_authentication_method": method, LAUNCHER: launcher}
    known = SignInMethods.from_about(about)
    offered = methods(known.method, known.password.value, known.browser.value)
    finding = gateway_check.compare_methods(offered, SITE, SignIn.from_about(about))
    assert finding.status is Status.OK
    assert finding.value == f"password {known.password.value}, browser {known.browser.value}"


@pytest.mark.parametrize(
    ("method", "launcher", "offered", "status", "text"),
    [
        ("oxygen", True, ("unknown", "unknown", "unknown"), "PROBLEM", "IP allow list"),
        ("default", True, ("unknown", "unknown", "unknown"), "PROBLEM", "IP allow list"),
        ("oxygen", True, ("default", "yes", "yes"), "PROBLEM", "five minutes"),
        ("default", True, ("oxygen", "legacy", "yes"), "PROBLEM", "five minutes"),
        ("oxygen", True, ("oxygen", "legacy", "no"), "PROBLEM", "BrowserSignIn"),
        ("saml2", True, ("saml2", "no", "no"), "PROBLEM", "BrowserSignIn"),
        ("default", True, ("default", "yes", "no"), "OK", "BrowserSignIn=off"),
        ("pigeon", True, ("unknown", "unknown", "no"), "OK", "BrowserSignIn=off"),
        ("oxygen", False, ("oxygen", "legacy", "yes"), "PROBLEM", "five minutes"),
        ("default", False, ("default", "yes", "yes"), "PROBLEM", "five minutes"),
    ],
)
def test_gateway_that_offers_something_else_is_explained(
    method: str, launcher: bool, offered: tuple[str, str, str], status: str, text: str
) -> None:
    sign_in = SignIn.from_about({"user_authentication_method": method, LAUNCHER: launcher})
    finding = gateway_check.compare_methods(methods(*offered), SITE, sign_in)
    assert finding.status.value == status
    assert text in f"{finding.meaning} {finding.next_step}"
    assert bool(finding.next_step) == (status == "PROBLEM")


def test_methods_of_another_site_or_of_a_silent_site_are_not_compared() -> None:
    offered = methods("oxygen", "legacy", "no")
    other = SignIn.from_about({"user_authentication_method": "default", LAUNCHER: True})
    assert gateway_check.compare_methods(offered, "https://other.example", other).status is Status.OK
    assert gateway_check.compare_methods(offered, SITE, None).status is Status.OK


@pytest.mark.parametrize(
    ("status", "text"), [(404, "{}"), (200, "{}"), (200, "[]"), (200, '{"method": "default"}'), (500, "x")]
)
def test_unusable_methods_are_a_problem_that_names_the_route(status: int, text: str) -> None:
    finding = gateway_check.compare_methods(Response(status, {}, text.encode()), SITE, None)
    assert finding.status is Status.PROBLEM
    assert "/auth/methods" in finding.meaning
    assert finding.next_step.endswith(".")
