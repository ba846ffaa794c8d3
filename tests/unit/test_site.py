"""The site module against answers that real sites were recorded or observed to send, and against none at all.

A small server repeats an answer byte for byte: status, headers and body.
"""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import threading
from typing import Any

import pytest

from shotgrid_login import site as site_module
from shotgrid_login.errors import InvalidCredentials, PasswordSignInDisabled, SiteError, SiteUnavailable
from shotgrid_login.site import OtpRequired, Person, RefreshTokenRefused, Site, Tokens
from tests.support.replay import http, receive_request, replaying

# Headers of a token answer as recorded in 2021 (version 8.26; shotgrid_api_ruby, spec/fixtures/vcr_cassettes,
# ShotgridApiRuby_Auth). The recording has placeholders for the two tokens; they stand here as they stand there.
RECORDED_HEADERS = [
    "date: Wed, 16 Jun 2021 08:54:44 GMT",
    "content-type: application/json; charset=utf-8",
    "transfer-encoding: chunked",
    "connection: keep-alive",
    "cache-control: private, max-age=0, must-revalidate",
    'etag: W/"a1c1319b807df88d9721a7e7765525f9"',
    "server: nginx + Phusion Passenger(R)",
    "status: 200 OK",
    "strict-transport-security: max-age=63072000; includeSubDomains; preload",
    "x-frame-options: SAMEORIGIN",
    "x-request-id: 6bd223c5f63c70fd754850f46aa5d366",
]
RECORDED_TOKENS = (
    '{"token_type":"Bearer","access_token":"<ACCESS_TOKEN>","expires_in":600,"refresh_token":"<REFRESH_TOKEN>"}'
)

# A person's row as a cloud site (8.89) sends it (sg-groundtruth; site-contract.md, Reading data), values made up.
PERSON: dict[str, Any] = {
    "type": "HumanUser",
    "id": 24,
    "attributes": {"login": "a_username", "name": "Ann Username", "email": "ann@studio.example"},
    "relationships": {
        "permission_rule_set": {
            "data": {"id": 8, "name": "Artist", "type": "PermissionRuleSet"},
            "links": {"self": "/api/v1/entity/human_users/24/relationships/permission_rule_set"},
        }
    },
    "links": {"self": "/api/v1/entity/human_users/24"},
}


def _error(code: int, title: str, status: int = 400, source: str = "{}") -> str:
    # The envelope as recorded (same place, Entities/find, a 404) and, for 106, as the vendor's staff quoted it.
    return (
        f'{{"errors":[{{"id":"bf3401730a0ab47b5da214930808e19f","status":{status},"code":{code},"title":"{title}",'
        f'"source":{source},"detail":null,"meta":null}}]}}'
    )


def test_the_recorded_success_goes_through_unchanged() -> None:
    with replaying(http(200, RECORDED_TOKENS, RECORDED_HEADERS, chunked=True)) as replay:
        tokens = Site(replay.url).password("a_username", "a password&more")
    assert tokens == Tokens("<ACCESS_TOKEN>", "<REFRESH_TOKEN>", 600)
    assert replay.form == {"grant_type": ["password"], "username": ["a_username"], "password": ["a password&more"]}
    assert replay.head.startswith("post /api/v1/auth/access_token http/1.1")  # nothing in the address
    assert "content-type: application/x-www-form-urlencoded" in replay.head
    assert "accept: application/json" in replay.head


def test_a_code_is_sent_along_as_auth_token() -> None:
    with replaying(http(200, RECORDED_TOKENS.replace("600", "3600"))) as replay:
        assert Site(replay.url).password("a", "b", "123456").expires_in == 3600
    assert replay.form["auth_token"] == ["123456"]


def test_a_refresh_sends_the_token_alone() -> None:
    with replaying(http(200, RECORDED_TOKENS)) as replay:
        Site(replay.url).refresh_token("the refresh token")
    assert replay.form == {"grant_type": ["refresh_token"], "refresh_token": ["the refresh token"]}


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (
            400,
            _error(106, "Missing argument for 2FA login", source='{"auth_token": "missing for 2FA login"}'),
            OtpRequired,
        ),
        (400, _error(106, "Missing argument for 2FA login", source="null"), OtpRequired),
        (400, _error(102, "Can't authenticate user 'a_username'."), InvalidCredentials),
        (401, _error(102, "Can't authenticate user 'a_username'.", 401), InvalidCredentials),
        (400, _error(108, "Password login is not allowed"), PasswordSignInDisabled),
        (400, _error(110, "Password login is not allowed"), PasswordSignInDisabled),
        (400, _error(103, "Missing or invalid authentication arguments"), SiteError),
        (400, _error(999, "New in a later version"), SiteError),
        (400, "{}", SiteError),
        (400, '{"errors":[]}', SiteError),
        (400, '{"errors":["text"]}', SiteError),
        (400, '{"errors":{"code":102}}', SiteError),
        (400, '{"errors":[{"code":"102"}]}', SiteError),
        (401, "Unauthorized", SiteError),
        (404, _error(102, "Not this one", 404), SiteError),
        (415, _error(103, "Unsupported content type", 415), SiteError),
        (201, RECORDED_TOKENS, SiteError),
        (204, "", SiteError),
        (200, "[]", SiteError),
        (200, "null", SiteError),
        (200, "", SiteError),
        (200, "[" * 10_000, SiteError),
        (200, " " * 70_000, SiteError),
        (200, RECORDED_TOKENS[:-20], SiteError),
        (200, RECORDED_TOKENS.replace("600", '"600"'), SiteError),
        (200, RECORDED_TOKENS.replace("600", "true"), SiteError),
        (200, RECORDED_TOKENS.replace("600", "0"), SiteError),
        (200, RECORDED_TOKENS.replace("600", "-1"), SiteError),
        (200, RECORDED_TOKENS.replace("600", "1.5"), SiteError),
        (200, RECORDED_TOKENS.replace("Bearer", "MAC"), SiteError),
        (200, RECORDED_TOKENS.replace("<ACCESS_TOKEN>", ""), SiteError),
        (200, RECORDED_TOKENS.replace('"<REFRESH_TOKEN>"', "7"), SiteError),
        (500, _error(100, "Internal", 500), SiteUnavailable),
        (502, "<html>", SiteUnavailable),
        (429, "slow down", SiteUnavailable),
    ],
)
def test_each_answer_to_a_password_is_one_outcome(status: int, body: str, outcome: type[Exception]) -> None:
    with replaying(http(status, body)) as replay, pytest.raises(outcome) as caught:
        Site(replay.url).password("a_username", "b")
    assert "a_username" not in str(caught.value)
    assert "a_username" not in str(getattr(caught.value, "reason", ""))


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (401, "Unauthorized", RefreshTokenRefused),
        (401, "", RefreshTokenRefused),
        (401, _error(102, "Unauthorized", 401), RefreshTokenRefused),
        (400, _error(102, "Unauthorized"), RefreshTokenRefused),
        (400, _error(103, "whatever the code"), RefreshTokenRefused),
        (400, "a proxy's words", SiteError),
        (403, "", SiteError),
        (403, _error(102, "not from this address", 403), SiteError),
        (404, "", SiteError),
        (200, "{}", SiteError),
        (503, "", SiteUnavailable),
    ],
)
def test_each_answer_to_a_refresh_token_is_one_outcome(status: int, body: str, outcome: type[Exception]) -> None:
    with replaying(http(status, body)) as replay, pytest.raises(outcome):
        Site(replay.url).refresh_token("x")


def test_a_page_that_says_401_is_not_the_site_ending_a_session() -> None:
    page = http(401, "<html>sign in to the proxy</html>", ["content-type: text/html"])
    with replaying(page) as replay, pytest.raises(SiteError):
        Site(replay.url).refresh_token("x")


def test_a_redirect_is_not_followed() -> None:
    with replaying(http(200, RECORDED_TOKENS)) as elsewhere:
        redirect = http(307, "", [f"location: {elsewhere.url}/api/v1/auth/access_token"])
        with replaying(redirect) as replay, pytest.raises(SiteError):
            Site(replay.url).password("a", "b")
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [("retry-after: 17", 17), ("retry-after: 99999", 300), ("retry-after: soon", 5), ("a: b", 5)],
)
def test_a_busy_site_says_when_to_come_back(given: str, passed_on: int) -> None:
    with replaying(http(503, "", [given])) as replay, pytest.raises(SiteUnavailable) as caught:
        Site(replay.url).password("a", "b")
    assert caught.value.retry_after == passed_on


def test_a_site_that_does_not_answer_in_time_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "READ_SECONDS", 0.1)
    with replaying(None) as replay, pytest.raises(SiteUnavailable) as caught:
        Site(replay.url).password("a", "b", "123456")
    assert caught.value.reason == "timed out"
    assert len(replay.requests) == 1  # a code is never sent twice


@pytest.mark.parametrize("dripping", ["headers", "body"])
def test_a_site_that_answers_drop_by_drop_is_unavailable(dripping: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "ANSWER_SECONDS", 0.3)
    whole = http(200, RECORDED_TOKENS)
    start = 5 if dripping == "headers" else len(whole) - 20
    dropped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                receive_request(connection)
                connection.sendall(whole[:start])
                for byte in whole[start:-1]:
                    if dropped.wait(0.05):
                        return
                    connection.sendall(bytes([byte]))
                dropped.wait(5)

        server = threading.Thread(target=drip, daemon=True)
        server.start()
        site = Site(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(SiteUnavailable) as caught:
            site.password("a", "b")
        dropped.set()
        server.join(5)
    assert caught.value.reason == "answer too slow"


def test_the_site_after_one_that_was_too_slow_is_asked_on_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "ANSWER_SECONDS", 0.1)
    with replaying(None) as silent:
        site = Site(silent.url)
        with pytest.raises(SiteUnavailable):
            site.password("a", "b")
    monkeypatch.setattr(site_module, "ANSWER_SECONDS", 5)
    with replaying(http(200, RECORDED_TOKENS)) as replay:
        monkeypatch.setattr(site, "_url", f"{replay.url}/api/v1")
        assert site.password("a", "b").expires_in == 600


def test_a_cookie_of_one_persons_answer_is_not_sent_with_the_next_persons_password() -> None:
    headers = ["set-cookie: _session_id=alice; Path=/", "content-type: application/json"]
    with replaying(http(200, RECORDED_TOKENS, headers), http(200, RECORDED_TOKENS)) as replay:
        site = Site(replay.url)
        site.password("alice", "a")
        site.password("bob", "b")
    assert len(replay.requests) == 2
    assert "cookie" not in replay.head


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{", b"nonsense\r\n\r\n"])
def test_a_connection_that_breaks_is_unavailable_and_nothing_is_sent_twice(answer: bytes) -> None:
    with replaying(answer, http(200, RECORDED_TOKENS)) as replay, pytest.raises(SiteUnavailable):
        Site(replay.url).password("a", "b", "123456")
    assert len(replay.requests) == 1


def test_a_site_that_nobody_serves_is_unavailable() -> None:
    with replaying() as replay:
        url = replay.url
    with pytest.raises(SiteUnavailable):
        Site(url).password("a", "b")


def test_a_certificate_that_does_not_hold_is_unavailable() -> None:
    with replaying(b"not TLS") as replay, pytest.raises(SiteUnavailable):
        Site(replay.url.replace("http:", "https:")).password("a", "b")


def test_the_environment_does_not_redirect_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    with replaying(http(200, RECORDED_TOKENS)) as proxy, replaying(http(200, RECORDED_TOKENS)) as replay:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        Site(replay.url).password("a", "b")
        assert len(replay.requests) == 1
        assert proxy.requests == []


def test_a_connection_that_rested_is_not_used_again() -> None:
    clock = [0.0]
    with replaying(http(200, RECORDED_TOKENS), http(200, RECORDED_TOKENS)) as replay:
        site = Site(replay.url, seconds=lambda: clock[0])
        site.password("a", "b")
        clock[0] += site_module.KEPT_CONNECTION_SECONDS + 1
        site.password("a", "b")
    assert len(replay.requests) == 2


def test_tokens_do_not_show_themselves() -> None:
    assert "secret" not in repr(Tokens("secret-a", "secret-r", 600))


def _row(**changes: Any) -> str:
    return json.dumps({"data": PERSON | changes, "links": {"self": "/api/v1/entity/human_users/24"}})


def _attributes(**changes: Any) -> str:
    return _row(attributes=PERSON["attributes"] | changes)


def test_the_person_is_read_with_their_own_token() -> None:
    with replaying(http(200, _row())) as replay:
        person = Site(replay.url).person("HumanUser", 24, "the access token")
    assert person == Person("a_username", "Ann Username", "ann@studio.example", "Artist")
    assert replay.head.startswith(
        "get /api/v1/entity/human_users/24?fields=login%2cname%2cemail%2cpermission_rule_set "
    )
    assert "authorization: bearer the access token" in replay.head


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (_attributes(name=None, email=None), Person("a_username", "", "", "Artist")),
        (_attributes(name="Ann\r\nx-injected: 1"), Person("a_username", "", "ann@studio.example", "Artist")),
        (_attributes(name="a" * 129), Person("a_username", "", "ann@studio.example", "Artist")),
        (_attributes(name="Ann\u2028"), Person("a_username", "", "ann@studio.example", "Artist")),
        (_attributes(name="\ud800"), Person("a_username", "", "ann@studio.example", "Artist")),
        (_attributes(name="山田\u3000太郎"), Person("a_username", "山田\u3000太郎", "ann@studio.example", "Artist")),
        (_attributes(name="می\u200cرا"), Person("a_username", "می\u200cرا", "ann@studio.example", "Artist")),
        (_attributes(name=["Ann"]), Person("a_username", "", "ann@studio.example", "Artist")),
        (_row(attributes={"login": "a_username"}), Person("a_username", "", "", "Artist")),
        (_row(relationships={}), Person("a_username", "Ann Username", "ann@studio.example", "")),
        (_row(relationships=None), Person("a_username", "Ann Username", "ann@studio.example", "")),
        (
            _row(relationships={"permission_rule_set": {"data": None}}),
            Person("a_username", "Ann Username", "ann@studio.example", ""),
        ),
        (
            _row(relationships={"permission_rule_set": {"data": {"name": {"name": "Admin"}}}}),
            Person("a_username", "Ann Username", "ann@studio.example", ""),
        ),
    ],
)
def test_what_a_site_says_of_a_person_is_taken_as_far_as_it_goes(body: str, expected: Person) -> None:
    with replaying(http(200, body)) as replay:
        assert Site(replay.url).person("HumanUser", 24, "t") == expected


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, _row(id=25)),
        (200, _row(type="ApiUser")),
        (200, _row(attributes={"name": "Ann"})),
        (200, _attributes(login="")),
        (200, _attributes(login="a\nb")),
        (200, _attributes(login=7)),
        (200, "{}"),
        (200, "[]"),
        (200, ""),
        (200, "[" * 20_000),
        (200, '{"data": [1]}'),
        (401, _error(102, "Unauthorized", 401)),
        (404, _error(104, "Not Found", 404)),
    ],
)
def test_what_is_not_this_person_is_nobody(status: int, body: str) -> None:
    with replaying(http(status, body)) as replay, pytest.raises(SiteError):
        Site(replay.url).person("HumanUser", 24, "t")


# `requests` fails on some of these with the answer in its hands, and leaves the socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("location", [b"http://[", b"/caf\xe9", b"//", b"\x00"])
def test_a_redirect_to_nowhere_is_an_answer_like_others(location: bytes) -> None:
    answer = b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: " + location + b"\r\n\r\n"
    with replaying(answer, answer) as replay:
        with pytest.raises((SiteError, SiteUnavailable)):
            Site(replay.url).person("HumanUser", 24, "t")
        with pytest.raises((SiteError, SiteUnavailable)):
            Site(replay.url).password("a", "b")
    gc.collect()


def test_a_token_that_no_header_can_hold_is_an_answer_like_others() -> None:
    with replaying() as replay, pytest.raises(SiteUnavailable):
        Site(replay.url).person("HumanUser", 24, "t\u2028")


def test_only_people_are_read() -> None:
    with replaying() as replay, pytest.raises(SiteError):
        Site(replay.url).person("ApiUser", 24, "t")
    assert replay.requests == []


def test_the_person_is_waited_for_less_than_a_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "PERSON_SECONDS", 0.1)
    with replaying(None) as silent, pytest.raises(SiteUnavailable) as caught:
        Site(silent.url).person("HumanUser", 24, "t")
    assert caught.value.reason == "answer too slow"
