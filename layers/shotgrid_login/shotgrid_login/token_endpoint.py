"""The site's token endpoint as this gateway speaks it: the same form in, the same JSON out, the same error envelope.

The shapes are those of `site-contract.md`. What differs is the `refresh_token`, which is the gateway's handle, and
that scripts have nothing to do here. Fields that OAuth clients add by themselves, such as `client_id` and `scope`,
count for nothing, as they do for people at the site.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shotgrid_login.errors import (
    InvalidCredentials,
    InvalidRequest,
    LoginError,
    OtpWanted,
    PasswordSignInDisabled,
    SessionEnded,
    UnsupportedMediaType,
)
from shotgrid_login.http import Request, Response
from shotgrid_login.sessions import SignedIn

FIELDS = ("grant_type", "username", "password", "auth_token", "refresh_token")

# How sites number what went wrong.
AUTHENTICATION = 102
REQUEST = 103
OTP_MISSING = 106


@dataclass(frozen=True)
class PasswordGrant:
    """A person signs in; `auth_token` is the code, when there is one."""

    username: str
    password: str = field(repr=False)
    auth_token: str | None = field(repr=False)


@dataclass(frozen=True)
class RefreshGrant:
    """A session goes on; `refresh_token` is this gateway's handle."""

    refresh_token: str = field(repr=False)


def grant(form: Mapping[str, str], site_url: str) -> PasswordGrant | RefreshGrant:
    """Return what a form asks for; raises `InvalidRequest` where that is nothing, or nothing that is done here."""
    match form.get("grant_type"):
        case "password":
            if not form.get("username") or not form.get("password"):
                raise InvalidRequest("Missing or invalid authentication arguments: username and password are needed.")
            # A page may send the field before anybody has asked for a code.
            return PasswordGrant(form["username"], form["password"], form.get("auth_token") or None)
        case "refresh_token":
            if not form.get("refresh_token"):
                raise InvalidRequest("Missing or invalid authentication arguments: refresh_token is needed.")
            return RefreshGrant(form["refresh_token"])
        case "client_credentials" | "session_token":
            raise InvalidRequest(
                "This gateway signs in people. Scripts go straight to the site, with the same request: "
                f"{site_url}/api/v1/auth/access_token"
            )
        case None:
            raise InvalidRequest("grant_type: missing")
        case _:
            raise InvalidRequest("Unsupported grant_type: password and refresh_token are known here.")


def success(result: SignedIn) -> Response:
    """Answer as the site does; `expires_in` is in seconds."""
    body = {
        "token_type": "Bearer",
        "access_token": result.access_token,
        "expires_in": max(0, result.session.access_expires_at - int(time.time())),
        "refresh_token": str(result.handle),
    }
    return Response(200, "signed_in", body)


def refusal(request: Request, error: LoginError) -> Response:
    """Answer in the site's error envelope. `code` is null where nobody has seen what a site says."""
    status, code, source = error.status, None, dict[str, Any]()
    match error:
        case OtpWanted():
            code, source = OTP_MISSING, {"auth_token": "missing for 2FA login"}
        case InvalidCredentials():
            status, code = 400, AUTHENTICATION
        case PasswordSignInDisabled():
            status, code = 400, error.site_code
        case SessionEnded():
            code = AUTHENTICATION
        case UnsupportedMediaType():
            code, source = REQUEST, {"content_type": "must be application/x-www-form-urlencoded"}
        case InvalidRequest():
            code = REQUEST
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
