"""The grants that the copy of the site's token endpoint accepts, as forms of its callers."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from shotgrid_login.errors import InvalidRequest, SessionEnded
from shotgrid_login.http import Request
from shotgrid_login.sessions import Handle
from shotgrid_login.token_endpoint import FIELDS, PasswordGrant, RefreshGrant, parse_grant
from tests.support.lambda_events import event

SITE = "https://studio.shotgrid.autodesk.com"
PASSWORD = {"grant_type": "password", "username": "a", "password": "b"}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "x"}


def parse(form: dict[str, str]) -> PasswordGrant | RefreshGrant:
    """Parse a form as it arrives in a request."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return parse_grant(Request(event(headers=headers, body=urlencode(form))).form(FIELDS), SITE)


def test_password_grant_has_what_is_for_the_site() -> None:
    grant = parse(PASSWORD | {"auth_token": "123456", "session_uuid": "4ee5e8a6-0000-4000", "client_id": "a page"})
    assert grant == PasswordGrant("a", "b", "123456", "4ee5e8a6-0000-4000")
    assert parse(PASSWORD | {"auth_token": "", "session_uuid": ""}) == PasswordGrant("a", "b", None, None)


@pytest.mark.parametrize("session_uuid", ["a b", "a&b", "é", "{}", "a" * 65, "x\n", "../x"])
def test_session_uuid_that_is_not_a_short_token_is_rejected(session_uuid: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^session_uuid: "):
        parse(PASSWORD | {"session_uuid": session_uuid})


@pytest.mark.parametrize("form", [PASSWORD, REFRESH])
@pytest.mark.parametrize(
    "scope", ["sudo_as_login:boss", "openid sudo_as_login:boss", "SUDO_AS_LOGIN:boss", "\tsudo_as_login:"]
)
def test_scope_that_acts_as_another_user_is_rejected_by_name(form: dict[str, str], scope: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^scope: sudo_as_login: is only for scripts") as caught:
        parse(form | {"scope": scope})
    assert "boss" not in caught.value.detail


@pytest.mark.parametrize("scope", ["", "anything", "openid profile", "sudo_as_login", "x" * 5000])
def test_other_scopes_are_ignored(scope: str) -> None:
    assert parse(PASSWORD | {"scope": scope}) == PasswordGrant("a", "b", None, None)
    assert parse(REFRESH | {"scope": scope}) == RefreshGrant("x")


@pytest.mark.parametrize("scope", [{}, {"scope": "sudo_as_login:a"}])
def test_script_is_sent_to_the_site(scope: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=f"directly to the site: {SITE}/api/v1/auth/access_token"):
        parse({"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"} | scope)


@pytest.mark.parametrize("length", [67, 410, 4096])
def test_long_refresh_token_of_the_site_is_of_an_ended_session(length: int) -> None:
    grant = parse(REFRESH | {"refresh_token": "eyJ." + "x" * (length - 4)})
    assert isinstance(grant, RefreshGrant)
    with pytest.raises(SessionEnded):
        Handle.parse(grant.refresh_token)


def test_refresh_token_above_4_kb_is_rejected_by_name() -> None:
    with pytest.raises(InvalidRequest, match=r"^refresh_token: longer than 4096"):
        parse(REFRESH | {"refresh_token": "x" * 4097})
