"""The ShotGrid site: one method for each grant of its token endpoint, one exception for each outcome, and user records.

Every status, code and shape below is described in `docs/site-contract.md`, with what is unknown. From a response, only
tokens and the user's record leave this module: the titles of the site's errors repeat what the user typed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from shotgrid_login.errors import (
    InvalidCredentials,
    OtpRequired,
    PasswordSignInDisabled,
    SiteError,
)
from shotgrid_login.sign_in_methods import SignInMethods
from shotgrid_login.site_connection import HTML_PAGE, SiteConnection, is_no_verdict, json_object
from shotgrid_login.users import User, usable_text, whole_number

RESPONSE_SECONDS = 13  # for a whole response of the token endpoint, however slowly its parts arrive
ABOUT_SECONDS = 4  # for the description of the site: a page waits for it and can go on without it
USER_SECONDS = 4  # for a whole user record: a sign-in waits for it and can go on without it

_USER_FIELDS = urlencode({"fields": "login,name,email,permission_rule_set"})

# Error codes of the site.
CANNOT_AUTHENTICATE = 102
OTP_MISSING = 106
SAML_SSO = 108
AUTODESK_IDENTITY = 110


@dataclass(frozen=True)
class Tokens:
    """A successful response of the token endpoint. `expires_in` is in seconds from when the request was sent."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


class RefreshTokenRejected(Exception):
    """The site has ended the session: it returned 401, or 400 or 403 with its error envelope."""


class SessionTokenRejected(Exception):
    """The site issues no tokens for a session token: it returned 401, or 400 or 403 with its error envelope."""


class Site:
    """One site, over one kept HTTPS connection.

    No request is sent twice: a code, and on some sites a refresh token, works only once.
    """

    def __init__(self, url: str, seconds: Callable[[], float] = time.time) -> None:
        """Take the site's root, without a final slash."""
        self.connection = SiteConnection(url, seconds)

    def password(
        self, username: str, password: str, auth_token: str | None = None, session_uuid: str | None = None
    ) -> Tokens:
        """Sign in with a password, and with a code if there is one.

        `session_uuid` is what the page sent under this name, if anything (`site-contract.md`, "extra fields").

        Raises:
            OtpRequired: the site requires a code; with `auth_token`, it rejected the code (some sites return 102 then).
            InvalidCredentials: the site rejected user name and password; with `auth_token`, perhaps only the code.
                Every rejection with an unknown error code is one too.
            PasswordSignInDisabled: the site uses SSO or Autodesk Identity.
            SiteError, SiteUnavailable: as documented there.
        """
        grant = {"grant_type": "password", "username": username, "password": password}
        if auth_token is not None:
            grant["auth_token"] = auth_token
        if session_uuid is not None:
            grant["session_uuid"] = session_uuid
        status, body = self._post_grant(grant)
        code = _error_code(status, body)
        if code is None:
            return _tokens(status, body)
        if code == OTP_MISSING:
            raise OtpRequired
        if code in (SAML_SSO, AUTODESK_IDENTITY):
            raise PasswordSignInDisabled(code)
        raise InvalidCredentials(code)

    def refresh_token(self, refresh_token: str) -> Tokens:
        """Exchange a refresh token for new tokens. It is unknown whether the old refresh token still works afterwards.

        Raises:
            RefreshTokenRejected: the token is invalid, expired or revoked, or the site has ended the session.
            SiteError, SiteUnavailable: as documented there.
        """
        status, body = self._post_grant({"grant_type": "refresh_token", "refresh_token": refresh_token})
        if _is_rejection(status, body):
            raise RefreshTokenRejected
        return _tokens(status, body)

    def session_token(self, session_token: str) -> Tokens:
        """Exchange a session token for tokens. The session token still works afterwards.

        Raises:
            SessionTokenRejected: the token is invalid or expired, or the user's license has ended.
            SiteError, SiteUnavailable: as documented there.
        """
        status, body = self._post_grant({"grant_type": "session_token", "session_token": session_token})
        if _is_rejection(status, body):
            raise SessionTokenRejected
        return _tokens(status, body)

    def user(self, entity_type: str, entity_id: int, access_token: str) -> User:
        """Read a user's record with the user's own token; raises `SiteError`, `SiteUnavailable`."""
        if entity_type != "HumanUser":
            raise SiteError("not a HumanUser")  # it is unknown whether other records can be read this way
        status, body = self.connection.call(
            "GET",
            f"/api/v1/entity/human_users/{entity_id}?{_USER_FIELDS}",
            USER_SECONDS,
            headers={"Authorization": f"Bearer {access_token}"},
        )
        return _user(json_object(status, body, "user: "), entity_id)

    def sign_in_methods(self) -> SignInMethods:
        """Return how users can sign in, as the site reports it; raises `SiteError`, `SiteUnavailable`."""
        status, body = self.connection.call("GET", "/api/v1", ABOUT_SECONDS)
        match json_object(status, body, "about: "):
            case {"data": dict(about)}:
                return SignInMethods.from_about(about)
            case _:
                raise SiteError("about: not the description of a site")

    def _post_grant(self, grant: dict[str, str]) -> tuple[int, Any]:
        """Post to the token endpoint; returns and raises as `SiteConnection.call`."""
        return self.connection.call("POST", "/api/v1/auth/access_token", RESPONSE_SECONDS, form=grant)


def _error_code(status: int, body: Any) -> int | None:
    """Return the code of the site's error envelope; 0 if the code is not a number, None if there is no envelope."""
    if status not in (400, 401, 403) or not isinstance(body, dict):
        return None
    errors = body.get("errors")
    if not isinstance(errors, list) or not errors or not isinstance(errors[0], dict):
        return None
    return whole_number(errors[0].get("code")) or 0


def _is_rejection(status: int, body: Any) -> bool:
    """Whether the site rejects a refresh token or a session token."""
    # The recorded rejection is a bare 401 whose body is not known. So a 401 also counts without the site's error
    # envelope, unless it is an HTML page: then it comes from a proxy in between and not from the site. A 403 in the
    # envelope is one too: otherwise every page of this user would try again for ever.
    if status == 401:
        return body is not HTML_PAGE
    return _error_code(status, body) is not None


def _tokens(status: int, body: Any) -> Tokens:
    """Read a successful response; raises `SiteError`.

    The error is forgivable if the site has certainly not judged a password or code: an HTML page of any status, as IP
    allow lists and proxies send it, a redirect, or a malformed success.
    """
    is_forgivable = is_no_verdict(status) or body is HTML_PAGE
    tokens = json_object(status, body, is_forgivable=is_forgivable)
    for name in ("access_token", "refresh_token"):
        if not isinstance(tokens.get(name), str) or not tokens[name]:
            raise SiteError(f"no {name}", is_forgivable=is_forgivable)
    if str(tokens.get("token_type", "")).lower() != "bearer":
        raise SiteError("token_type is not Bearer", is_forgivable=is_forgivable)
    expires_in = whole_number(tokens.get("expires_in"))
    if not expires_in:
        raise SiteError("expires_in is not a number of seconds", is_forgivable=is_forgivable)
    return Tokens(tokens["access_token"], tokens["refresh_token"], expires_in)


def _user(body: dict[str, Any], entity_id: int) -> User:
    match body:
        case {"data": {"type": "HumanUser", "id": row_id, "attributes": {"login": str(login), **attributes}} as row}:
            pass
        case _:
            raise SiteError("not a user record")
    if whole_number(row_id) != entity_id or not usable_text(login):
        raise SiteError("the record is of another user or has no login")
    match row.get("relationships"):
        case {"permission_rule_set": {"data": {"name": group}}}:
            pass
        case _:
            group = ""
    return User(
        "HumanUser",
        entity_id,
        login,
        usable_text(attributes.get("name")),
        usable_text(attributes.get("email")),
        usable_text(group),
    )
