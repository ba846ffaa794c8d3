"""The gateway's copy of the site's token endpoint: the same form, the same JSON, the same error envelope.

`docs/site-contract.md` describes the shapes. Two things differ: the `refresh_token` is the gateway's handle, and
scripts are rejected. Fields that OAuth clients add, such as `client_id`, are ignored, and so is `scope` unless it
requests to act as another user.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shotgrid_login.challenges import LONGEST_CREDENTIAL
from shotgrid_login.errors import (
    InvalidCredentials,
    InvalidRequest,
    LoginError,
    OtpRequired,
    PasswordSignInDisabled,
    SessionEnded,
    UnsupportedMediaType,
)
from shotgrid_login.http import MAX_BODY_BYTES, Request, Response
from shotgrid_login.sessions import SignedIn
from shotgrid_login.site import CANNOT_AUTHENTICATE, OTP_MISSING

FIELDS = {
    "grant_type": 64,
    "username": LONGEST_CREDENTIAL,
    "password": LONGEST_CREDENTIAL,
    "auth_token": 64,
    "session_uuid": 64,
    "scope": MAX_BODY_BYTES,
    # A handle has fewer characters. A page that was signed in by the site itself sends the site's refresh token, a JWT.
    "refresh_token": 4096,
}

# Sites write a UUID.
_SESSION_UUID = re.compile(r"[A-Za-z0-9_-]+")

# A script that acts as a user (`site-contract.md`, "extra fields"). The site has no such grant for users.
_SUDO = "sudo_as_login:"

# The site's error code for an invalid request.
INVALID_REQUEST = 103


@dataclass(frozen=True)
class PasswordGrant:
    """A sign-in.

    Attributes:
        auth_token: the two-factor code, if there is one.
        session_uuid: the window of the site that opened the page, if there is one. It is for the site.
    """

    username: str
    password: str = field(repr=False)
    auth_token: str | None = field(repr=False)
    session_uuid: str | None


@dataclass(frozen=True)
class RefreshGrant:
    """A refresh. `refresh_token` is this gateway's handle."""

    refresh_token: str = field(repr=False)


def parse_grant(form: Mapping[str, str], site_url: str) -> PasswordGrant | RefreshGrant:
    """Return the grant that a form requests; raises `InvalidRequest` if it is missing, incomplete or not supported."""
    match form.get("grant_type"):
        case "password" | "refresh_token" if _is_sudo(form.get("scope", "")):
            raise InvalidRequest(f"scope: {_SUDO} is only for scripts. They call the site directly.")
        case "password":
            if not form.get("username") or not form.get("password"):
                raise InvalidRequest("Missing or invalid authentication arguments: username and password are required.")
            session_uuid = form.get("session_uuid") or None
            if session_uuid and not _SESSION_UUID.fullmatch(session_uuid):
                raise InvalidRequest("session_uuid: must be letters, digits, dashes and underscores")
            # A page may send the field before the site requires a code.
            return PasswordGrant(form["username"], form["password"], form.get("auth_token") or None, session_uuid)
        case "refresh_token":
            if not form.get("refresh_token"):
                raise InvalidRequest("Missing or invalid authentication arguments: refresh_token is required.")
            return RefreshGrant(form["refresh_token"])
        case "client_credentials" | "session_token":
            raise InvalidRequest(
                "This gateway signs in users only. Scripts send the same request directly to the site: "
                f"{site_url}/api/v1/auth/access_token"
            )
        case None:
            raise InvalidRequest("grant_type: missing")
        case _:
            raise InvalidRequest("Unsupported grant_type: this gateway supports password and refresh_token.")


def _is_sudo(scope: str) -> bool:
    return any(part.lower().startswith(_SUDO) for part in scope.split())


def success(result: SignedIn) -> Response:
    """Return a response like the site's. `expires_in` is in seconds."""
    body = {
        "token_type": "Bearer",
        "access_token": result.access_token,
        "api_token": result.api_token,
        "expires_in": max(0, result.session.access_expires_at - int(time.time())),
        "refresh_token": str(result.handle),
    }
    return Response(200, "signed_in", body)


def error_response(request: Request, error: LoginError) -> Response:
    """Return the site's error envelope. `code` is null if it is unknown which code the site returns."""
    status, code, source = error.status, None, dict[str, Any]()
    match error:
        case OtpRequired():
            code, source = OTP_MISSING, {"auth_token": "missing for 2FA login"}
        case InvalidCredentials():
            status, code = 400, CANNOT_AUTHENTICATE
        case PasswordSignInDisabled():
            status, code = 400, error.site_code
        case SessionEnded():
            code = CANNOT_AUTHENTICATE
        case UnsupportedMediaType():
            code, source = INVALID_REQUEST, {"content_type": "must be application/x-www-form-urlencoded"}
        case InvalidRequest():
            code = INVALID_REQUEST
    problem = {
        "id": request.request_id,
        "status": status,
        "code": code,
        "title": error.title,
        "source": source,
        "detail": error.detail,
        "meta": None,
    }
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return Response(status, error.outcome or error.code, {"errors": [problem]}, headers)
