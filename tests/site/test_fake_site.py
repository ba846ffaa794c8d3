"""The sign-in of the fake site behaves as `site-contract.md` describes real sites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jwt
import pyotp
import pytest
import requests

from tests.site.fake_site import FakeSite


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with FakeSite() as running:
        yield running


def request_tokens(site: FakeSite, grant_type: str, **arguments: str) -> requests.Response:
    form = {"grant_type": grant_type, **arguments}
    return requests.post(f"{site.url}/api/v1/auth/access_token", data=form, timeout=10)


def error(response: requests.Response) -> dict[str, Any]:
    (only,) = response.json()["errors"]
    assert only.keys() == {"id", "status", "code", "title", "source", "detail", "meta"}
    assert only["status"] == response.status_code
    return dict(only)


def test_successful_token_response_has_the_observed_shape(site: FakeSite) -> None:
    user = site.add_user("a", "b")
    response = request_tokens(site, "password", username="a", password="b")
    assert response.json().keys() == {"token_type", "access_token", "expires_in", "refresh_token"}
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["cache-control"] == "private, max-age=0, must-revalidate"
    assert response.headers["x-request-id"]
    claims = jwt.decode(response.json()["access_token"], options={"verify_signature": False})
    assert claims.keys() == {
        "iss", "aud", "exp", "iat", "jti", "user", "sudo_as_login", "auth_type", "session_uuid"
    }  # fmt: skip
    assert claims["user"] == {"type": "HumanUser", "id": user.id}


def test_json_and_unknown_grants_are_rejected(site: FakeSite) -> None:
    url = f"{site.url}/api/v1/auth/access_token"
    json_sent = requests.post(url, json={"grant_type": "password"}, timeout=10)
    assert (json_sent.status_code, error(json_sent)["code"]) == (415, 103)
    assert "content_type" in error(json_sent)["source"]
    unsupported = request_tokens(site, "authorization_code")
    assert (unsupported.status_code, error(unsupported)["code"]) == (400, 103)
    assert error(unsupported)["title"] == "Unsupported grant_type"
    assert error(request_tokens(site, "password"))["title"] == "Missing or invalid authentication arguments"


def test_credentials_in_the_query_string_are_accepted(site: FakeSite) -> None:
    site.add_user("a", "b")
    query = {"grant_type": "password", "username": "a", "password": "b"}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = requests.post(f"{site.url}/api/v1/auth/access_token", params=query, headers=headers, timeout=10)
    assert response.status_code == 200


def test_missing_code_is_error_106_and_a_code_is_valid_one_step_early_or_late(site: FakeSite) -> None:
    user = site.add_user("a", "b", two_factor=True)
    missing = error(request_tokens(site, "password", username="a", password="b"))
    assert (missing["code"], missing["title"]) == (106, "Missing argument for 2FA login")
    assert missing["source"] == {"auth_token": "missing for 2FA login"}
    now = 1_800_000_000
    site.clock = lambda: now
    totp = pyotp.TOTP(user.otp_secret)
    for steps, status in ((-3, 400), (-1, 200), (0, 200), (3, 400)):
        response = request_tokens(site, "password", username="a", password="b", auth_token=totp.at(now + steps * 30))
        assert response.status_code == status


@pytest.mark.parametrize(("method", "code"), [("saml2", 108), ("oxygen", 110)])
def test_site_without_passwords_rejects_them_and_names_its_method(site: FakeSite, method: str, code: int) -> None:
    site.add_user("a", "b")
    site.switch(authentication_method=method)
    assert error(request_tokens(site, "password", username="a", password="b"))["code"] == code
    about = requests.get(f"{site.url}/api/v1", timeout=10).json()["data"]
    assert about["user_authentication_method"] == method
    assert about["shotgun_version"]


@pytest.mark.parametrize("two_factor", [False, True])
def test_script_key_works_with_and_without_two_factor(site: FakeSite, two_factor: bool) -> None:
    site.add_script("render", "key")
    site.add_user("a", "b")
    site.switch(two_factor=two_factor)
    assert request_tokens(site, "client_credentials", client_id="render", client_secret="key").status_code == 200
    scope = "sudo_as_login:a"
    sudo = request_tokens(site, "client_credentials", client_id="render", client_secret="key", scope=scope).json()
    claims = jwt.decode(sudo["access_token"], options={"verify_signature": False})
    assert (claims["sudo_as_login"], claims["user"]) == ("a", {"type": "ApiUser", "id": 1})
    scope = "sudo_as_login:unknown"
    unknown = request_tokens(site, "client_credentials", client_id="render", client_secret="key", scope=scope)
    assert (unknown.status_code, error(unknown)["title"]) == (
        400,
        "Cannot 'sudo' - unknown or retired user: 'unknown'",
    )
    wrong = request_tokens(site, "client_credentials", client_id="render", client_secret="no")
    assert (wrong.status_code, error(wrong)["title"]) == (400, "Can't authenticate script 'render'")


def test_session_token_works_more_than_once(site: FakeSite) -> None:
    token = site.new_session_token(site.add_user("a", "b"))
    for _ in range(2):
        response = request_tokens(site, "session_token", session_token=token)
        claims = jwt.decode(response.json()["access_token"], options={"verify_signature": False})
        assert (claims["auth_type"], claims["user"]["type"]) == ("session_token", "HumanUser")
    wrong = request_tokens(site, "session_token", session_token="x-1234")
    assert (wrong.status_code, error(wrong)["title"]) == (400, "Can't authenticate session token ending with '1234'")


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
def test_refresh_token_works_once_or_always(site: FakeSite, retires_refresh_tokens: bool) -> None:
    site.add_user("a", "b", retires_refresh_tokens=retires_refresh_tokens)
    token = request_tokens(site, "password", username="a", password="b").json()["refresh_token"]
    statuses = [request_tokens(site, "refresh_token", refresh_token=token).status_code for _ in range(2)]
    assert statuses == [200, 401 if retires_refresh_tokens else 200]
    assert request_tokens(site, "refresh_token", refresh_token="fake").status_code == 401


def test_bearer_reads_a_user_until_two_factor_is_switched_on(site: FakeSite) -> None:
    user = site.add_user("a", "b")
    access_token = request_tokens(site, "password", username="a", password="b").json()["access_token"]
    bearer = {"authorization": f"Bearer {access_token}"}
    url = f"{site.url}/api/v1/entity/human_users"
    fields = {"fields": "login,permission_rule_set"}
    read = requests.get(f"{url}/{user.id}", params=fields, headers=bearer, timeout=10).json()["data"]
    assert read["attributes"] == {"login": "a"}
    assert read["relationships"]["permission_rule_set"]["data"]["name"] == "Artist"
    missing = requests.get(f"{url}/4000", headers=bearer, timeout=10)
    assert (missing.status_code, error(missing)["code"]) == (404, 104)
    assert requests.get(f"{url}/{user.id}", timeout=10).status_code == 401
    site.switch(two_factor=True)
    assert requests.get(f"{url}/{user.id}", headers=bearer, timeout=10).status_code == 401


def test_shown_code_is_valid_until_it_is_used(site: FakeSite) -> None:
    site.add_user("a", "b", two_factor=True)
    now = 1_800_000_000
    site.clock = lambda: now
    code = site.code("a")
    site.clock = lambda: now + 3600
    statuses = [
        request_tokens(site, "password", username="a", password="b", auth_token=code).status_code for _ in range(2)
    ]
    assert statuses == [200, 400]


def test_unknown_switch_is_rejected_by_name(site: FakeSite) -> None:
    response = requests.put(f"{site.url}/stand-in/switches", json={"two_facter": True}, timeout=10)
    assert (response.status_code, response.text) == (400, "unknown switches: two_facter\n")


def test_token_endpoint_has_a_second_path(site: FakeSite) -> None:
    site.add_user("a", "b")
    form = {"grant_type": "password", "username": "a", "password": "b", "session_uuid": "window-7"}
    response = requests.post(f"{site.url}/api/v1.1/auth/access_token", data=form, timeout=10)
    assert response.status_code == 200
    claims = jwt.decode(response.json()["access_token"], options={"verify_signature": False})
    assert claims["session_uuid"] == "window-7"


def test_numbers_can_be_text(site: FakeSite) -> None:
    user = site.add_user("a", "b", two_factor=True, numbers_as_text=True)
    missing = request_tokens(site, "password", username="a", password="b").json()["errors"][0]
    assert (missing["status"], missing["code"]) == ("400", "106")
    signed_in = request_tokens(site, "password", username="a", password="b", auth_token=site.code("a")).json()
    assert signed_in["expires_in"] == "600"
    claims = jwt.decode(signed_in["access_token"], options={"verify_signature": False})
    assert claims["user"] == {"type": "HumanUser", "id": str(user.id)}
    bearer = {"authorization": f"Bearer {signed_in['access_token']}"}
    row = requests.get(f"{site.url}/api/v1/entity/human_users/{user.id}", headers=bearer, timeout=10).json()
    assert row["data"]["id"] == str(user.id)


@pytest.mark.parametrize("padding", [0, 2600])
def test_tokens_can_be_longer(site: FakeSite, padding: int) -> None:
    site.add_user("a", "b", token_padding=padding)
    tokens = request_tokens(site, "password", username="a", password="b").json()
    for name in ("access_token", "refresh_token"):
        assert padding < len(tokens[name]) < padding + 600


@pytest.mark.parametrize("status", ["400", "401", "403"])
def test_deactivated_user_is_rejected_for_every_grant(site: FakeSite, status: str) -> None:
    user = site.add_user("a", "b")
    session_token = site.new_session_token(user)
    refresh_token = request_tokens(site, "password", username="a", password="b").json()["refresh_token"]
    site.switch(user, deactivated=status)
    for response in (
        request_tokens(site, "password", username="a", password="b"),
        request_tokens(site, "refresh_token", refresh_token=refresh_token),
        request_tokens(site, "session_token", session_token=session_token),
    ):
        assert (response.status_code, error(response)["code"]) == (int(status), 102)


def test_moved_site_redirects_to_its_new_host(site: FakeSite) -> None:
    site.switch(fault="moved")
    form = {"grant_type": "password", "username": "a", "password": "b"}
    url = f"{site.url}/api/v1/auth/access_token"
    response = requests.post(url, data=form, timeout=10, allow_redirects=False)
    assert response.status_code == 301
    assert response.headers["location"] == "https://new-name.studio.example/api/v1/auth/access_token"


def test_site_with_an_ip_allow_list_sends_a_page(site: FakeSite) -> None:
    site.switch(fault="ip_allow_list")
    response = request_tokens(site, "password", username="a", password="b")
    assert (response.status_code, response.headers["content-type"]) == (403, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.localhost"},
        {"origin": "null"},
        {"sec-fetch-mode": "no-cors"},
        {"sec-fetch-mode": "cors", "sec-fetch-site": "same-origin"},
        {"host": "evil.example:PORT"},
        {"host": "127.0.0.1:1"},
        {"host": "localhost"},
    ],
)
def test_web_page_cannot_use_the_routes_that_only_the_fake_site_has(site: FakeSite, headers: dict[str, str]) -> None:
    site.add_user("a", "b")
    port = site.url.rpartition(":")[2]
    sent = {name: value.replace("PORT", port) for name, value in headers.items()}
    for method, path in (("GET", "code/a"), ("GET", "switches"), ("PUT", "switches"), ("GET", "asked")):
        body = {"two_factor": True} if method == "PUT" else None
        response = requests.request(method, f"{site.url}/stand-in/{path}", json=body, headers=sent, timeout=10)
        assert response.status_code == 403, path
    assert not site.switches.two_factor


def test_developer_can_open_the_routes_that_only_the_fake_site_has(site: FakeSite) -> None:
    user = site.add_user("a", "b")
    headers = {"host": f"localhost:{site.url.rpartition(':')[2]}", "sec-fetch-mode": "navigate"}
    assert {requests.get(f"{site.url}/stand-in/code/a", headers=headers, timeout=10).text} == user.shown_codes
