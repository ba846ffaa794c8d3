"""The site module against recorded and observed responses of real sites, broken responses, and silence."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from shotgrid_login import site as site_module
from shotgrid_login import site_connection
from shotgrid_login import tls as tls_settings
from shotgrid_login.app_session_launcher import AppSessionLauncher
from shotgrid_login.errors import (
    InvalidCredentials,
    LoginError,
    OtpRequired,
    PasswordSignInDisabled,
    SiteError,
    SiteMoved,
    SiteRejectsGateway,
    SiteUnavailable,
)
from shotgrid_login.site import RefreshTokenRejected, SessionTokenRejected, Site, Tokens
from shotgrid_login.site_connection import SiteConnection
from shotgrid_login.users import User
from tests.local.tls import TlsProxy
from tests.support.replay import http, receive_request, replaying

# Headers of a token response, recorded in 2021 (version 8.26; shotgrid_api_ruby, spec/fixtures/vcr_cassettes,
# ShotgridApiRuby_Auth). The recording has placeholders instead of the two tokens.
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

# A user's record of a cloud site (8.89; sg-groundtruth; site-contract.md, Reading data), with invented values.
RECORD: dict[str, Any] = {
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
    # The envelope as recorded (shotgrid_api_ruby, Entities/find, a 404) and, for 106, as the vendor's staff quoted it.
    return (
        f'{{"errors":[{{"id":"bf3401730a0ab47b5da214930808e19f","status":{status},"code":{code},"title":"{title}",'
        f'"source":{source},"detail":null,"meta":null}}]}}'
    )


def test_recorded_success_returns_its_tokens_unchanged() -> None:
    with replaying(http(200, RECORDED_TOKENS, RECORDED_HEADERS, chunked=True)) as replay:
        tokens = Site(replay.url).password("a_username", "a password&more")
    assert tokens == Tokens("<ACCESS_TOKEN>", "<REFRESH_TOKEN>", 600)
    assert replay.form == {"grant_type": ["password"], "username": ["a_username"], "password": ["a password&more"]}
    assert replay.head.startswith("post /api/v1/auth/access_token http/1.1")  # no credentials in the URL
    assert "content-type: application/x-www-form-urlencoded" in replay.head
    assert "accept: application/json" in replay.head


def test_lifetime_as_text_is_read() -> None:
    with replaying(http(200, RECORDED_TOKENS.replace("600", '"600"'))) as replay:
        assert Site(replay.url).refresh_token("x").expires_in == 600


def test_code_is_sent_as_auth_token() -> None:
    with replaying(http(200, RECORDED_TOKENS.replace("600", "3600"))) as replay:
        assert Site(replay.url).password("a", "b", "123456").expires_in == 3600
    assert replay.form["auth_token"] == ["123456"]


def test_session_uuid_is_passed_on() -> None:
    with replaying(http(200, RECORDED_TOKENS)) as replay:
        Site(replay.url).password("a", "b", session_uuid="4ee5e8a6-0000")
    assert replay.form["session_uuid"] == ["4ee5e8a6-0000"]


def test_refresh_sends_only_the_refresh_token() -> None:
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
        (403, _error(102, "Can't authenticate user 'a_username'.", 403), InvalidCredentials),
        (400, _error(103, "Missing or invalid authentication arguments"), InvalidCredentials),
        (400, _error(107, "Unknown code"), InvalidCredentials),
        (401, _error(999, "Unknown code", 401), InvalidCredentials),
        (400, "{}", SiteError),
        (400, '{"errors":[]}', SiteError),
        (400, '{"errors":["text"]}', SiteError),
        (400, '{"errors":{"code":102}}', SiteError),
        (400, '{"errors":[{"code":"102"}]}', InvalidCredentials),
        (400, '{"errors":[{"code":"106"}]}', OtpRequired),
        (400, '{"errors":[{"code":"110"}]}', PasswordSignInDisabled),
        (400, '{"errors":[{"code":null}]}', InvalidCredentials),
        (400, '{"errors":[{"code":true}]}', InvalidCredentials),
        (400, '{"errors":[{"code":"a_username"}]}', InvalidCredentials),
        (400, '{"errors":[{}]}', InvalidCredentials),
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
        (200, RECORDED_TOKENS.replace("600", '"600 s"'), SiteError),
        (200, RECORDED_TOKENS.replace("600", '"٦٠٠"'), SiteError),
        (200, RECORDED_TOKENS.replace("600", '"-600"'), SiteError),
        (200, RECORDED_TOKENS.replace("600", '""'), SiteError),
        (200, RECORDED_TOKENS.replace("600", "1" + "0" * 5000), SiteError),
        (200, RECORDED_TOKENS.replace("600", f'"{"1" * 5000}"'), SiteError),
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
def test_each_response_to_a_password_raises_its_outcome(status: int, body: str, outcome: type[Exception]) -> None:
    with replaying(http(status, body)) as replay, pytest.raises(outcome) as caught:
        Site(replay.url).password("a_username", "b")
    assert "a_username" not in str(caught.value)
    assert "a_username" not in str(getattr(caught.value, "reason", ""))


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (401, "Unauthorized", RefreshTokenRejected),
        (401, "", RefreshTokenRejected),
        (401, _error(102, "Unauthorized", 401), RefreshTokenRejected),
        (400, _error(102, "Unauthorized"), RefreshTokenRejected),
        (400, _error(103, "whatever the code"), RefreshTokenRejected),
        (400, "a proxy's words", SiteError),
        (403, _error(102, "User is deactivated", 403), RefreshTokenRejected),
        (403, '{"errors":[{"code":null}]}', RefreshTokenRejected),
        (403, "", SiteError),
        (403, "{}", SiteError),
        (404, _error(104, "Not Found", 404), SiteError),
        (404, "", SiteError),
        (301, "", SiteError),
        (301, _error(102, "in the envelope", 301), SiteError),
        (200, "{}", SiteError),
        (503, "", SiteUnavailable),
    ],
)
def test_each_response_to_a_refresh_token_raises_its_outcome(status: int, body: str, outcome: type[Exception]) -> None:
    with replaying(http(status, body)) as replay, pytest.raises(outcome):
        Site(replay.url).refresh_token("x")


def test_rejected_session_token_has_the_same_statuses() -> None:
    for status in (400, 401, 403):
        rejected = http(status, _error(102, "Can't authenticate session token ending with 'abcd'", status))
        with replaying(rejected) as replay, pytest.raises(SessionTokenRejected):
            Site(replay.url).session_token("x")


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refresh_with_an_html_page_is_a_site_error(status: int) -> None:
    """A proxy or an IP allow list sends such a page. It says nothing about the session."""
    page = http(status, "<html>not from here</html>", ["content-type: text/html"])
    with replaying(page) as replay, pytest.raises(SiteError):
        Site(replay.url).refresh_token("x")


def _each_call(site: Site) -> Iterator[Callable[[], object]]:
    launcher = AppSessionLauncher(site.connection)
    yield lambda: site.password("a", "b")
    yield lambda: site.refresh_token("x")
    yield lambda: site.session_token("x")
    yield lambda: site.user("HumanUser", 24, "t")
    yield site.sign_in_methods
    yield lambda: launcher.request("an app", "a machine")
    yield lambda: launcher.poll("an-id")


@pytest.mark.parametrize("status", [301, 308])
@pytest.mark.parametrize("media_type", ["text/html", "application/json"])
def test_permanent_redirect_to_another_host_means_that_the_site_has_moved(status: int, media_type: str) -> None:
    headers = ["location: https://new-name.shotgrid.example/api/v1", f"content-type: {media_type}"]
    with replaying(*[http(status, "{}", headers)] * 7) as replay:
        site = Site(replay.url)
        for call in _each_call(site):
            with pytest.raises(SiteMoved) as caught:
                call()
            assert "the site has moved" in caught.value.reason
            assert "has moved" in caught.value.detail
            assert "new-name" not in f"{caught.value.reason} {caught.value.detail}"
        assert len(replay.requests) == 7


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (301, "/api/v1/auth/access_token/"),  # the same host
        (301, "http://127.0.0.1/api"),
        (301, "https://[invalid"),
        (301, ""),
        (302, "https://identity-provider.example/"),  # for this one request
        (307, "https://elsewhere.example/"),
    ],
)
def test_other_redirect_does_not_mean_that_the_site_has_moved(status: int, location: str) -> None:
    response = http(status, "", [f"location: {location}"])
    with replaying(response) as replay, pytest.raises((SiteError, SiteUnavailable)) as caught:
        Site(replay.url).refresh_token("x")
    assert not isinstance(caught.value, SiteMoved)
    assert "has moved" not in caught.value.detail


def test_403_page_means_that_the_site_rejects_the_gateway() -> None:
    page = http(403, "<html>Your IP address 203.0.113.7 is not allowed</html>", ["content-type: text/html; charset=u"])
    with replaying(*[page] * 7) as replay:
        for call in _each_call(Site(replay.url)):
            with pytest.raises(SiteRejectsGateway) as caught:
                call()
            assert "IP allow list" in caught.value.reason
            assert "IP allow list" in caught.value.detail
            assert "203.0.113.7" not in f"{caught.value.reason} {caught.value.detail}"


def test_redirect_is_not_followed() -> None:
    with replaying(http(200, RECORDED_TOKENS)) as elsewhere:
        redirect = http(307, "", [f"location: {elsewhere.url}/api/v1/auth/access_token"])
        with replaying(redirect) as replay, pytest.raises(SiteError):
            Site(replay.url).password("a", "b")
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [("retry-after: 17", 17), ("retry-after: 99999", 300), ("retry-after: soon", 5), ("a: b", 5)],
)
def test_retry_after_of_a_busy_site_is_passed_on(given: str, passed_on: int) -> None:
    with replaying(http(503, "", [given])) as replay, pytest.raises(SiteUnavailable) as caught:
        Site(replay.url).password("a", "b")
    assert caught.value.retry_after == passed_on


def test_site_that_does_not_respond_in_time_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_connection, "READ_SECONDS", 0.1)
    with replaying(None) as replay, pytest.raises(SiteUnavailable) as caught:
        Site(replay.url).password("a", "b", "123456")
    assert caught.value.reason == "timed out"
    assert len(replay.requests) == 1  # a code is never sent twice


@pytest.mark.parametrize("slow_part", ["headers", "body"])
def test_site_that_sends_single_bytes_is_unavailable(slow_part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "RESPONSE_SECONDS", 0.3)
    whole = http(200, RECORDED_TOKENS)
    start = 5 if slow_part == "headers" else len(whole) - 20
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def send_slowly() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                receive_request(connection)
                connection.sendall(whole[:start])
                for byte in whole[start:-1]:
                    if stopped.wait(0.05):
                        return
                    connection.sendall(bytes([byte]))
                stopped.wait(5)

        server = threading.Thread(target=send_slowly, daemon=True)
        server.start()
        site = Site(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(SiteUnavailable) as caught:
            site.password("a", "b")
        stopped.set()
        server.join(5)
    assert caught.value.reason == "response too slow"


def test_request_after_a_slow_response_uses_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "RESPONSE_SECONDS", 0.1)
    with replaying(None) as silent:
        site = Site(silent.url)
        with pytest.raises(SiteUnavailable):
            site.password("a", "b")
    monkeypatch.setattr(site_module, "RESPONSE_SECONDS", 5)
    with replaying(http(200, RECORDED_TOKENS)) as replay:
        monkeypatch.setattr(site.connection, "url", replay.url)
        assert site.password("a", "b").expires_in == 600


def test_cookie_from_the_site_is_not_sent_with_the_next_request() -> None:
    headers = ["set-cookie: _session_id=alice; Path=/", "content-type: application/json"]
    with replaying(http(200, RECORDED_TOKENS, headers), http(200, RECORDED_TOKENS)) as replay:
        site = Site(replay.url)
        site.password("alice", "a")
        site.password("bob", "b")
    assert len(replay.requests) == 2
    assert "cookie" not in replay.head


@pytest.mark.parametrize("response", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{", b"nonsense\r\n\r\n"])
def test_broken_connection_is_unavailable_and_nothing_is_sent_twice(response: bytes) -> None:
    with replaying(response, http(200, RECORDED_TOKENS)) as replay, pytest.raises(SiteUnavailable):
        Site(replay.url).password("a", "b", "123456")
    assert len(replay.requests) == 1


def test_site_that_refuses_connections_is_unavailable() -> None:
    with replaying() as replay:
        url = replay.url
    with pytest.raises(SiteUnavailable) as caught:
        Site(url).password("a", "b")
    assert caught.value.reason == "no response: NewConnectionError"


def test_site_without_tls_is_unavailable() -> None:
    with replaying(b"not TLS") as replay, pytest.raises(SiteUnavailable):
        Site(replay.url.replace("http:", "https:")).password("a", "b")


class Tls:
    """A site with a certificate of a private CA, for the addresses in `tests.local.tls.HOSTS`."""

    def __init__(self, proxy: TlsProxy, bundle: Path) -> None:
        self.url = f"https://127.0.0.1:{proxy.port}"
        self.bundle = bundle
        proxy.authority.cert_pem.write_to_path(bundle)


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Tls]:
    responses = [http(200, RECORDED_TOKENS)] * 2
    with replaying(*responses) as replay, TlsProxy(urlsplit(replay.url).port or 0) as proxy:
        tls_settings.context.cache_clear()
        yield Tls(proxy, tmp_path / "ca.pem")
        tls_settings.context.cache_clear()


def test_certificate_of_an_unknown_authority_is_rejected(tls: Tls) -> None:
    with pytest.raises(SiteUnavailable) as caught:
        Site(tls.url).password("a", "b")
    assert caught.value.reason == "TLS failed"


def test_certificate_of_another_host_is_rejected(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_CA_BUNDLE", str(tls.bundle))
    with pytest.raises(SiteUnavailable) as caught:
        Site(tls.url.replace("127.0.0.1", "127.1")).password("a", "b")
    assert caught.value.reason == "TLS failed"


def test_roots_are_read_once_for_all_connections(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[None] = []
    read = ssl.SSLContext.load_verify_locations
    monkeypatch.setattr(
        ssl.SSLContext, "load_verify_locations", lambda *given, **named: reads.append(read(*given, **named))
    )
    monkeypatch.setenv("SITE_CA_BUNDLE", str(tls.bundle))
    site = Site(tls.url)
    assert site.password("a", "b") == site.password("a", "b")
    assert len(reads) == 1


def test_private_roots_replace_the_public_ones(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(site_connection.tls_context().get_ca_certs()) > 100
    tls_settings.context.cache_clear()
    tls.bundle.write_bytes("# Zertifizierungsstelle der Büros\n".encode("latin-1") + tls.bundle.read_bytes())
    monkeypatch.setenv("SITE_CA_BUNDLE", str(tls.bundle))
    assert len(site_connection.tls_context().get_ca_certs()) == 1


def test_missing_or_empty_file_of_private_roots_stops_the_function(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_CA_BUNDLE", "/opt/missing.pem")
    with pytest.raises(FileNotFoundError, match=r"/opt/missing\.pem"):
        Site(tls.url)
    tls.bundle.write_text("")
    monkeypatch.setenv("SITE_CA_BUNDLE", str(tls.bundle))
    with pytest.raises(ValueError, match="Empty"):
        Site(tls.url)


@pytest.mark.parametrize(("status", "is_forgivable"), [(200, True), (400, False)])
def test_compressed_response_is_rejected(status: int, is_forgivable: bool) -> None:
    headers = ["content-type: application/json", "content-encoding: gzip, gzip"]
    with replaying(http(status, RECORDED_TOKENS, headers)) as replay, pytest.raises(SiteError) as caught:
        Site(replay.url).password("a", "b")
    assert caught.value.reason == "compressed response"
    assert caught.value.is_forgivable is is_forgivable
    assert "accept-encoding: identity" in replay.head


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with replaying(http(200, RECORDED_TOKENS)) as proxy, replaying(http(200, RECORDED_TOKENS)) as replay:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        Site(replay.url).password("a", "b")
        assert len(replay.requests) == 1
        assert proxy.requests == []


def test_idle_connection_is_not_reused() -> None:
    clock = [0.0]
    with replaying(http(200, RECORDED_TOKENS), http(200, RECORDED_TOKENS)) as replay:
        site = Site(replay.url, seconds=lambda: clock[0])
        site.password("a", "b")
        clock[0] += site_connection.KEPT_CONNECTION_SECONDS + 1
        site.password("a", "b")
    assert len(replay.requests) == 2


def test_repr_of_tokens_contains_no_token() -> None:
    assert "secret" not in repr(Tokens("secret-a", "secret-r", 600))


def _record(login: str, name: str, email: str, permission_group: str) -> User:
    return User("HumanUser", 24, login, name, email, permission_group)


def _row(**changes: Any) -> str:
    return json.dumps({"data": RECORD | changes, "links": {"self": "/api/v1/entity/human_users/24"}})


def _attributes(**changes: Any) -> str:
    return _row(attributes=RECORD["attributes"] | changes)


def test_user_record_is_read_with_the_users_own_token() -> None:
    with replaying(http(200, _row())) as replay:
        user = Site(replay.url).user("HumanUser", 24, "the access token")
    assert user == _record("a_username", "Ann Username", "ann@studio.example", "Artist")
    assert replay.head.startswith(
        "get /api/v1/entity/human_users/24?fields=login%2cname%2cemail%2cpermission_rule_set "
    )
    assert "authorization: bearer the access token" in replay.head


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (_attributes(name=None, email=None), _record("a_username", "", "", "Artist")),
        (_row(id="24"), _record("a_username", "Ann Username", "ann@studio.example", "Artist")),
        (
            _attributes(name="Ann\r\nx-injected: 1"),
            _record("a_username", "", "ann@studio.example", "Artist"),
        ),
        (_attributes(name="a" * 129), _record("a_username", "", "ann@studio.example", "Artist")),
        (_attributes(name="Ann\u2028"), _record("a_username", "", "ann@studio.example", "Artist")),
        (_attributes(name="\ud800"), _record("a_username", "", "ann@studio.example", "Artist")),
        (
            _attributes(name="山田\u3000太郎"),
            _record("a_username", "山田\u3000太郎", "ann@studio.example", "Artist"),
        ),
        (
            _attributes(name="می\u200cرا"),
            _record("a_username", "می\u200cرا", "ann@studio.example", "Artist"),
        ),
        (_attributes(name=["Ann"]), _record("a_username", "", "ann@studio.example", "Artist")),
        (_row(attributes={"login": "a_username"}), _record("a_username", "", "", "Artist")),
        (_row(relationships={}), _record("a_username", "Ann Username", "ann@studio.example", "")),
        (_row(relationships=None), _record("a_username", "Ann Username", "ann@studio.example", "")),
        (
            _row(relationships={"permission_rule_set": {"data": None}}),
            _record("a_username", "Ann Username", "ann@studio.example", ""),
        ),
        (
            _row(relationships={"permission_rule_set": {"data": {"name": {"name": "Admin"}}}}),
            _record("a_username", "Ann Username", "ann@studio.example", ""),
        ),
    ],
)
def test_usable_fields_of_a_user_record_are_kept(body: str, expected: User) -> None:
    with replaying(http(200, body)) as replay:
        assert Site(replay.url).user("HumanUser", 24, "t") == expected


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, _row(id=25)),
        (200, _row(id="25")),
        (200, _row(id="24a")),
        (200, _row(id=True)),
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
def test_record_of_another_user_or_without_a_login_is_a_site_error(status: int, body: str) -> None:
    with replaying(http(status, body)) as replay, pytest.raises(SiteError):
        Site(replay.url).user("HumanUser", 24, "t")


@pytest.mark.parametrize("status", [b"302 Found", b"308 Permanent Redirect"])
@pytest.mark.parametrize("location", [b"http://[", b"/caf\xe9", b"//", b"\x00"])
def test_redirect_with_an_invalid_location_is_an_error(status: bytes, location: bytes) -> None:
    response = b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nlocation: " + location + b"\r\n\r\n"
    with replaying(response, response) as replay:
        with pytest.raises((SiteError, SiteUnavailable)):
            Site(replay.url).user("HumanUser", 24, "t")
        with pytest.raises((SiteError, SiteUnavailable)):
            Site(replay.url).password("a", "b")


def test_token_that_does_not_fit_in_a_header_is_unavailable() -> None:
    with replaying() as replay, pytest.raises(SiteUnavailable):
        Site(replay.url).user("HumanUser", 24, "t\u2028")


def test_record_of_a_script_is_not_read() -> None:
    with replaying() as replay, pytest.raises(SiteError):
        Site(replay.url).user("ApiUser", 24, "t")
    assert replay.requests == []


def test_slow_user_record_is_unavailable_after_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "USER_SECONDS", 0.1)
    with replaying(None) as silent, pytest.raises(SiteUnavailable) as caught:
        Site(silent.url).user("HumanUser", 24, "t")
    assert caught.value.reason == "response too slow"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("102", 102),
        ("null", 0),
        ('"102"', 102),
        ('"1e2"', 0),
        ("-102", 0),
        ('"a_username"', 0),
        ("true", 0),
        ("107", 107),
        ("[]", 0),
    ],
)
def test_rejection_reports_the_sites_error_code_if_it_is_a_number(code: str, expected: int) -> None:
    body = f'{{"errors":[{{"code":{code}}}]}}'
    with replaying(http(400, body)) as replay, pytest.raises(InvalidCredentials) as caught:
        Site(replay.url).password("a", "b")
    assert caught.value.site_code == expected


HTML = ["content-type: text/html"]


@pytest.mark.parametrize(
    ("response", "is_forgivable"),
    [
        (http(200, "[]"), True),  # malformed successes
        (http(200, ""), True),
        (http(200, " " * 70_000), True),
        (http(200, RECORDED_TOKENS.replace("600", "0")), True),
        (http(200, RECORDED_TOKENS.replace("<ACCESS_TOKEN>", "")), True),
        (http(301, "", ["location: https://elsewhere.example/"]), True),
        (http(403, "<html>not from this network</html>", HTML), True),  # an IP allow list
        (http(400, "<html>", HTML), True),
        (http(401, "<html>", HTML), True),
        (http(400, _error(102, "rejected"), HTML), False),  # a rejection with a wrong content type
        (http(200, RECORDED_TOKENS, HTML), True),
        (http(400, _error(108, "SSO")), True),
        (http(400, _error(110, "Identity")), True),
        (http(429, "slow down"), True),
        (http(503, _error(102, "whatever", 503)), True),
        (b"", True),  # the connection breaks
        (http(400, _error(102, "rejected")), False),
        (http(400, _error(107, "unknown code")), False),
        (http(403, _error(102, "rejected", 403)), False),
        (http(400, '{"errors":[{"code":null}]}'), False),
        (http(400, "{}"), False),
        (http(400, '{"errors":[]}'), False),
        (http(401, "Unauthorized", ["content-type: text/plain"]), False),
        (http(403, ""), False),
        (http(404, _error(102, "Not Found", 404)), False),
        (http(418, " " * 70_000), False),
        (http(201, RECORDED_TOKENS), False),
    ],
)
def test_only_a_response_that_judges_no_guess_is_forgivable(response: bytes, is_forgivable: bool) -> None:
    with replaying(response) as replay, pytest.raises(LoginError) as caught:
        Site(replay.url).password("a", "b", "123456")
    assert caught.value.is_forgivable is is_forgivable


def test_malformed_headers_of_the_site_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    response = http(200, '{"approved":false}', ["set-cookie secret-of-the-site", "x-other: y"])
    with caplog.at_level(logging.DEBUG), replaying(response) as replay:
        AppSessionLauncher(SiteConnection(replay.url)).poll("secret-request-id")
    assert "secret" not in caplog.text
