"""The gateway's copy of the site's token endpoint, with existing pages' requests and unmodified OAuth clients."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import LegacyApplicationClient, MissingTokenError
from requests.adapters import HTTPAdapter
from requests_oauthlib import OAuth2Session

from shotgrid_login.user_attempts import ALL_FAILURES
from tests.site.fake_site import Account
from tests.support.client import OTHER_PAGE, PAGE, Gateway, Response, expire_access_token

PATH = "/api/v1/auth/access_token"
SECOND_PATH = "/api/v1.1/auth/access_token"
FORM = "application/x-www-form-urlencoded"
# The site's fields, and the token for studio APIs.
SHAPE = {"token_type", "access_token", "expires_in", "refresh_token", "api_token"}


def password(user: Account, **more: str) -> dict[str, str]:
    return {"grant_type": "password", "username": user.login, "password": user.password, **more}


def fault(response: Response) -> tuple[int, int | None]:
    """Return the status and the site's error code, after a check that the envelope is complete."""
    assert response.headers["content-type"] == "application/json", response.text
    assert response.headers["cache-control"] == "no-store"
    (error,) = response.body["errors"]
    assert error.keys() == {"id", "status", "code", "title", "source", "detail", "meta"}
    assert error["status"] == response.status
    assert error["id"] == response.headers["x-request-id"]
    return response.status, error["code"]


# ---- the site's shapes ------------------------------------------------------------------------------------


def test_password_signs_in_without_two_factor(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=False), gateway.caller()
    response = caller.access_token(**password(user))
    assert response.status == 200
    assert response.body.keys() == SHAPE
    assert response.body["token_type"] == "Bearer"
    assert 0 < response.body["expires_in"] <= 600
    assert response.cookie is None
    assert caller.session(response.body["api_token"]).body["user"]["login"] == user.login
    # The handle is the gateway's own: it works on the other routes and is not a token of the site.
    assert caller.refresh(response.body["refresh_token"]).status == 200
    assert response.body["refresh_token"] not in gateway.site.secrets
    assert caller.logout(response.body["refresh_token"]).status == 204
    assert caller.session(response.body["api_token"]).status == 401


def test_two_factor_requires_auth_token_as_the_site_does(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    required = caller.access_token(**password(user))
    assert fault(required) == (400, 106)
    (error,) = required.body["errors"]
    assert error["title"] == "Missing argument for 2FA login"
    assert error["source"] == {"auth_token": "missing for 2FA login"}
    assert fault(caller.access_token(**password(user, auth_token=""))) == (400, 106)
    code = gateway.site.code(user.login)
    signed_in = caller.access_token(**password(user, auth_token=f"{code[:3]} {code[3:]}"))
    assert signed_in.status == 200
    assert signed_in.body.keys() == SHAPE


@pytest.mark.parametrize("wrong_code", [102, 106])
def test_wrong_code_returns_the_sites_error_code_and_counts(gateway: Gateway, wrong_code: int) -> None:
    user, caller = gateway.new_user(two_factor=True, wrong_code=wrong_code), gateway.caller()
    for _ in range(ALL_FAILURES):
        assert fault(caller.access_token(**password(user, auth_token="000000"))) == (400, wrong_code)
    waits = caller.access_token(**password(user, auth_token=gateway.site.code(user.login)))
    assert fault(waits) == (429, None)
    assert int(waits.headers["retry-after"]) > 0
    # A request without a required code is not a failed attempt.
    other = gateway.new_user(two_factor=True)
    for _ in range(ALL_FAILURES + 1):
        assert fault(gateway.caller().access_token(**password(other))) == (400, 106)


def test_failed_attempts_count_together_with_those_of_the_other_route(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=False), gateway.caller()
    for _ in range(ALL_FAILURES):
        assert fault(caller.access_token(**password(user) | {"password": "wrong"})) == (400, 102)
    assert caller.password(user).code == "too_many_attempts"


def test_refresh_rotates_the_handle(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=False), gateway.caller()
    first = caller.access_token(**password(user)).body
    same = caller.access_token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert same.body["access_token"] == first["access_token"]
    expire_access_token(gateway, first["refresh_token"])
    second = caller.access_token(grant_type="refresh_token", refresh_token=first["refresh_token"]).body
    assert second.keys() == SHAPE
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]


def test_refresh_of_an_ended_session_is_401(gateway: Gateway) -> None:
    caller = gateway.caller()
    user = gateway.new_user(two_factor=False)
    handle = caller.access_token(**password(user)).body["refresh_token"]
    gateway.site.switch(user, two_factor=True)
    expire_access_token(gateway, handle)
    token_of_site = gateway.site.sign_in_directly(gateway.new_user())["refresh_token"]
    for ended in (handle, "never.issued", "not a handle", token_of_site, "x" * 4096):
        assert fault(caller.access_token(grant_type="refresh_token", refresh_token=ended)) == (401, 102)


def test_second_path_of_sites_works_too(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=False), gateway.caller(origin=PAGE)
    response = caller.send("POST", SECOND_PATH, data=urlencode(password(user)), content_type=FORM)
    assert response.status == 200
    assert response.body.keys() == SHAPE
    handle = response.body["refresh_token"]
    form = urlencode({"grant_type": "refresh_token", "refresh_token": handle})
    assert caller.send("POST", SECOND_PATH, data=form, content_type=FORM).status == 200
    preflight = caller.send("OPTIONS", SECOND_PATH)
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, PAGE)
    assert fault(caller.send("POST", SECOND_PATH, data="{}"))[0] == 415


def test_session_uuid_reaches_the_site(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    response = gateway.caller().access_token(**password(user, session_uuid="4ee5e8a6-window"))
    claims = jwt.decode(response.body["access_token"], options={"verify_signature": False})
    assert claims["session_uuid"] == "4ee5e8a6-window"


def test_scope_that_acts_as_another_user_is_rejected_before_the_site_is_called(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    response = gateway.caller().access_token(**password(user, scope="sudo_as_login:boss"))
    assert fault(response) == (400, 103)
    assert response.body["errors"][0]["detail"].startswith("scope: sudo_as_login: is only for scripts")
    assert gateway.site.requests_for(user, "password") == 0


def test_numbers_that_the_site_sends_as_text_are_read(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True, numbers_as_text=True), gateway.caller()
    assert fault(caller.access_token(**password(user))) == (400, 106)
    signed_in = caller.access_token(**password(user, auth_token=gateway.site.code(user.login))).body
    assert 0 < signed_in["expires_in"] <= 600
    assert caller.session(signed_in["api_token"]).body["user"] == {
        "type": "HumanUser",
        "id": user.id,
        "login": user.login,
    }
    expire_access_token(gateway, signed_in["refresh_token"])
    refreshed = caller.access_token(grant_type="refresh_token", refresh_token=signed_in["refresh_token"])
    assert 0 < refreshed.body["expires_in"] <= 600


@pytest.mark.parametrize(
    ("switches", "seen"),
    [
        ({"deactivated": "403"}, (401, 102)),
        ({"deactivated": "400"}, (401, 102)),
        ({"fault": "moved"}, (502, None)),
        ({"fault": "ip_allow_list"}, (502, None)),
    ],
)
def test_only_a_verdict_of_the_site_ends_the_session(
    gateway: Gateway, switches: dict[str, str], seen: tuple[int, int | None]
) -> None:
    user, caller = gateway.new_user(two_factor=False), gateway.caller()
    handle = caller.access_token(**password(user)).body["refresh_token"]
    expire_access_token(gateway, handle)
    gateway.site.switch(user, **switches)
    assert fault(caller.access_token(grant_type="refresh_token", refresh_token=handle)) == seen
    gateway.site.switch(user, deactivated="", fault="")
    has_session = caller.access_token(grant_type="refresh_token", refresh_token=handle).status == 200
    assert has_session is (seen[0] == 502)


@pytest.mark.parametrize(
    ("switches", "seen"),
    [
        ({"authentication_method": "saml2"}, (400, 108)),
        ({"authentication_method": "oxygen"}, (400, 110)),
        ({"fault": "503"}, (503, None)),
        ({"fault": "html"}, (502, None)),
        ({"fault": "moved"}, (502, None)),
        ({"deactivated": "403"}, (400, 102)),
    ],
)
def test_failure_of_the_site_is_passed_on(gateway: Gateway, switches: dict[str, str], seen: tuple[int, int]) -> None:
    assert fault(gateway.caller().access_token(**password(gateway.new_user(**switches)))) == seen


# ---- what is rejected -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "client_credentials", "client_id": "a_script", "client_secret": "a-script-key"},
        {"grant_type": "session_token", "session_token": "a-session-token"},
    ],
)
def test_script_is_rejected_with_the_sites_address(gateway: Gateway, form: dict[str, str]) -> None:
    gateway.secrets |= {"a-script-key", "a-session-token"}
    before = sum(gateway.site.requests.values())
    response = gateway.caller().access_token(**form)
    assert fault(response) == (400, 103)
    assert f"Scripts send the same request directly to the site: {gateway.site.url}{PATH}" in response.text
    assert sum(gateway.site.requests.values()) == before


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ({}, "grant_type"),
        ({"grant_type": "implicit"}, "grant_type"),
        ({"grant_type": "password", "username": "a"}, "password"),
        ({"grant_type": "password", "username": "", "password": "a"}, "username"),
        ({"grant_type": "refresh_token"}, "refresh_token"),
        ({"grant_type": "password", "username": "a" * 257, "password": "b"}, "username"),
    ],
)
def test_invalid_form_field_is_named(gateway: Gateway, form: dict[str, str], named: str) -> None:
    response = gateway.caller().access_token(**form)
    assert fault(response) == (400, 103)
    assert named in response.body["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("body", "media_type", "seen"),
    [
        ('{"grant_type": "password"}', "application/json", (415, 103)),
        ("grant_type=password", "", (415, 103)),
        ("grant_type=password&grant_type=password&username=a&password=b", None, (400, 103)),
        ("grant_type=password&username=%ff&password=b", None, (400, 103)),
        ("&".join(f"f{number}=1" for number in range(30)), None, (400, 103)),
        ("a" * 9000, None, (413, None)),
    ],
)
def test_body_that_is_not_a_form_is_rejected(
    gateway: Gateway, body: str, media_type: str | None, seen: tuple[int, int | None]
) -> None:
    content_type = FORM if media_type is None else media_type
    response = gateway.caller().send("POST", PATH, data=body, content_type=content_type)
    assert fault(response) == seen
    if seen[0] == 415:
        assert response.body["errors"][0]["detail"].startswith("The body must be a form")


def test_credentials_in_the_query_string_are_rejected_and_not_logged(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    gateway.secrets.add(user.password)
    query = f"?grant_type=password&username={user.login}&password={user.password}"
    response = gateway.caller().send("POST", PATH + query, data="", content_type=FORM)
    assert fault(response) == (400, 103)
    assert gateway.site.requests_for(user, "password") == 0


def test_only_pages_of_allowed_origins_can_read_the_response(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    for origin in (PAGE, OTHER_PAGE):
        response = gateway.caller(origin=origin).access_token(**password(user))
        assert response.status == 200
        assert response.headers["access-control-allow-origin"] == origin
        preflight = gateway.caller(origin=origin).send("OPTIONS", PATH)
        assert (preflight.status, preflight.headers["access-control-allow-methods"]) == (204, "POST")
    rejected = gateway.caller(origin="https://evil.example").access_token(**password(user))
    assert fault(rejected) == (403, None)
    assert "access-control-allow-origin" not in rejected.headers


# ---- unmodified OAuth clients --------------------------------------------------------------------------------


class OnLoopback(HTTPAdapter):
    """Connects to 127.0.0.1 for a name under `localhost`, which only browsers and curl resolve."""

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        address = urlsplit(request.url or "")
        request.headers["host"] = address.netloc
        request.url = address._replace(netloc=f"127.0.0.1:{address.port}").geturl()
        return super().send(request, *arguments, **options)


def remember(gateway: Gateway, token: Any) -> None:
    """Add the tokens to the secrets that must not appear in logs."""
    gateway.secrets |= {token["access_token"], token["api_token"], token["refresh_token"]}


@pytest.fixture
def _plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # on loopback


@pytest.mark.usefixtures("_plain_http")
def test_requests_oauthlib_signs_in_and_refreshes(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    url = f"http://{gateway.host}{PATH}"
    kept: list[Any] = []
    session = OAuth2Session(
        client=LegacyApplicationClient(client_id="a_page"), auto_refresh_url=url, token_updater=kept.append
    )
    session.mount(f"http://{gateway.host}", OnLoopback())
    with pytest.raises(MissingTokenError):
        session.fetch_token(url, username=user.login, password=user.password)
    token = session.fetch_token(
        url, username=user.login, password=user.password, auth_token=gateway.site.code(user.login)
    )
    remember(gateway, token)
    project = f"{gateway.site.url}/api/v1/entity/projects"
    assert session.get(project).status_code == 200
    expire_access_token(gateway, token["refresh_token"])
    session.token = dict(token) | {"expires_at": 1}
    assert session.get(project).status_code == 200
    (refreshed,) = kept
    remember(gateway, refreshed)
    assert refreshed["access_token"] != token["access_token"]
    assert gateway.caller().session(refreshed["api_token"]).status == 200
    session.close()


def test_authlib_signs_in_and_refreshes(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    url = f"http://{gateway.host}{PATH}"
    kept: list[Any] = []

    def keep(token: Any, **_: Any) -> None:
        kept.append(token)

    session = AuthlibSession(
        "a_page", token_endpoint=url, token_endpoint_auth_method="none", update_token=keep, scope="anything"
    )
    session.mount(f"http://{gateway.host}", OnLoopback())
    credentials = {"username": user.login, "password": user.password}
    with pytest.raises((OAuthError, KeyError)):
        session.fetch_token(url, **credentials)["access_token"]
    token = session.fetch_token(url, **credentials, auth_token=gateway.site.code(user.login))
    remember(gateway, token)
    project = f"{gateway.site.url}/api/v1/entity/projects"
    assert session.get(project).status_code == 200
    expire_access_token(gateway, token["refresh_token"])
    session.token = json.loads(json.dumps(token)) | {"expires_at": 1}
    assert session.get(project).status_code == 200
    (refreshed,) = kept
    remember(gateway, refreshed)
    assert refreshed["access_token"] != token["access_token"]
    session.close()
