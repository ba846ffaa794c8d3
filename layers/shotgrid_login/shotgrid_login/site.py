"""The ShotGrid site: one method for each grant of its token endpoint, one exception for each outcome, and user records.

Every status, code and shape below is described in `docs/site-contract.md`, with what is unknown. From a response, only
tokens and the user's record leave this module: the titles of the site's errors repeat what the user typed.
"""

from __future__ import annotations

import json
import queue
import threading
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

from shotgrid_login.errors import (
    InvalidCredentials,
    OtpRequired,
    PasswordSignInDisabled,
    SiteError,
    SiteUnavailable,
)
from shotgrid_login.users import User

CONNECT_SECONDS = 3
READ_SECONDS = 10  # for each part of a response
RESPONSE_SECONDS = 13  # for a whole response of the token endpoint, however slowly its parts arrive
USER_SECONDS = 4  # for a whole user record: a sign-in waits for it and can go on without it

# A token response has about 1.2 KB, an error response less.
MAX_RESPONSE_BYTES = 64 * 1024

# Longer values are not names, addresses or groups, and do not belong in an authorizer's context. Characters.
LONGEST_TEXT = 128

# Unicode general categories: control characters, surrogates, line and paragraph separators.
_FORBIDDEN_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}

# A kept connection that was idle for longer is not reused. Lambda freezes a function between requests, so the function
# may have missed that the site closed the connection. A request that is lost this way looks like one that the site
# has received without sending a response. Seconds.
KEPT_CONNECTION_SECONDS = 5

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
    """The site has ended the session: it returned 401, or 400 with its error envelope."""


class Site:
    """One site, over one kept HTTPS connection.

    No request is sent twice: a code, and on some sites a refresh token, works only once. Redirects are not followed,
    and proxies and netrc of the environment are not used: passwords are sent to the configured site or not at all.
    """

    def __init__(self, url: str, seconds: Callable[[], float] = time.time) -> None:
        """Take the site's root, without a final slash."""
        self._url = f"{url}/api/v1"
        self._seconds = seconds
        self._last_used = 0.0
        self._http = _connection()

    def password(self, username: str, password: str, auth_token: str | None = None) -> Tokens:
        """Sign in with a password, and with a code if there is one.

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
        # The recorded rejection is a bare 401 whose body is not known. So a 401 also counts without the site's error
        # envelope, unless it is an HTML page: then it comes from a proxy in between and not from the site.
        is_rejected = status == 400 and _error_code(status, body) is not None
        if is_rejected or (status == 401 and body is not _PAGE):
            raise RefreshTokenRejected
        return _tokens(status, body)

    def user(self, entity_type: str, entity_id: int, access_token: str) -> User:
        """Read a user's record with the user's own token; raises `SiteError`, `SiteUnavailable`."""
        if entity_type != "HumanUser":
            raise SiteError("not a HumanUser")  # it is unknown whether other records can be read this way
        status, body = self._call(
            "GET",
            f"/entity/human_users/{entity_id}",
            USER_SECONDS,
            params={"fields": "login,name,email,permission_rule_set"},
            headers={"Authorization": f"Bearer {access_token}"},
        )
        if status != 200:
            raise SiteError(f"user: status {status}")
        return _user(body, entity_id)

    def _post_grant(self, grant: dict[str, str]) -> tuple[int, Any]:
        """Post to the token endpoint; returns and raises as `_call`."""
        return self._call("POST", "/auth/access_token", RESPONSE_SECONDS, data=grant)

    def _call(self, method: str, route: str, seconds: float, **request: Any) -> tuple[int, Any]:
        """Send one request and return the status and the parsed body; raises `SiteError`, `SiteUnavailable`."""
        if self._seconds() - self._last_used > KEPT_CONNECTION_SECONDS:
            self._http.close()
        # `requests` limits the time for each part of a response, not for the whole. So a thread sends the request, and
        # this one waits for at most `seconds`. A thread that is late keeps the old connection for itself.
        outcomes: queue.SimpleQueue[tuple[int, Any] | Exception] = queue.SimpleQueue()
        arguments = (self._http, method, f"{self._url}{route}", request, outcomes)
        threading.Thread(target=_send_in_thread, args=arguments, daemon=True).start()
        try:
            outcome = outcomes.get(timeout=seconds)
        except queue.Empty:
            self._http = _connection()
            raise SiteUnavailable("response too slow") from None
        if isinstance(outcome, Exception):
            raise outcome
        self._last_used = self._seconds()
        return outcome


def _connection() -> requests.Session:
    connection = requests.Session()
    connection.trust_env = False
    connection.headers["Accept"] = "application/json"
    # A function serves one user after the other, so cookies of the site must not be kept.
    connection.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return connection


def _send_in_thread(
    connection: requests.Session,
    method: str,
    url: str,
    request: dict[str, Any],
    outcomes: queue.SimpleQueue[tuple[int, Any] | Exception],
) -> None:
    try:
        outcomes.put(_send(connection, method, url, request))
    except Exception as error:  # noqa: BLE001 - the waiting thread raises it again
        outcomes.put(error)


def _send(connection: requests.Session, method: str, url: str, request: dict[str, Any]) -> tuple[int, Any]:
    try:
        with connection.request(
            method, url, timeout=(CONNECT_SECONDS, READ_SECONDS), allow_redirects=False, stream=True, **request
        ) as response:
            body = _read(response)
    except requests.exceptions.SSLError:
        raise SiteUnavailable("TLS failed") from None
    except requests.exceptions.Timeout:
        raise SiteUnavailable("timed out") from None
    except (requests.exceptions.RequestException, ValueError) as error:
        # An invalid `Location` raises ValueError, although redirects are not followed. Only the class is reported,
        # because the text contains the whole request.
        raise SiteUnavailable(f"no response: {type(error).__name__}") from None
    if response.status_code >= 500 or response.status_code == 429:
        raise SiteUnavailable(f"status {response.status_code}", retry_after=_retry_after(response))
    return response.status_code, _parsed(response, body)


class _NotJson:
    """The body of a response that is not JSON."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


_PAGE = _NotJson("an HTML page")
_GARBAGE = _NotJson("not JSON")


def _read(response: requests.Response) -> bytes:
    body = b""
    for chunk in response.iter_content(8192):
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            raise SiteError("response too large", is_forgivable=_is_no_verdict(response.status_code))
    return body


def _parsed(response: requests.Response, body: bytes) -> Any:
    if "html" in response.headers.get("content-type", "").lower():
        return _PAGE
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _GARBAGE


def _retry_after(response: requests.Response) -> int:
    value = response.headers.get("retry-after", "")
    # Only seconds are read. HTTP dates and longer waits are not useful to a user who is signing in.
    return min(int(value), 300) if value.isascii() and value.isdigit() and len(value) < 6 else 5


def _error_code(status: int, body: Any) -> int | None:
    """Return the code of the site's error envelope; 0 if the code is not a number, None if there is no envelope."""
    if status not in (400, 401, 403) or not isinstance(body, dict):
        return None
    errors = body.get("errors")
    if not isinstance(errors, list) or not errors or not isinstance(errors[0], dict):
        return None
    code = errors[0].get("code")
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) < 6:
        return int(code)
    return code if isinstance(code, int) and not isinstance(code, bool) else 0


def _is_no_verdict(status: int) -> bool:
    """Whether a status cannot mean that the site rejected a guess: a success or a redirect."""
    return status == 200 or 300 <= status < 400


def _tokens(status: int, body: Any) -> Tokens:
    """Read a successful response; raises `SiteError`.

    The error is forgivable if the site has certainly not judged a password or code: an HTML page of any status, as IP
    allow lists and proxies send it, a redirect, or a malformed success.
    """
    is_forgivable = _is_no_verdict(status) or body is _PAGE
    if status != 200:
        raise SiteError(f"status {status}", is_forgivable=is_forgivable)
    if isinstance(body, _NotJson):
        raise SiteError(body.reason, is_forgivable=is_forgivable)
    if not isinstance(body, dict):
        raise SiteError("not a JSON object", is_forgivable=is_forgivable)
    for name in ("access_token", "refresh_token"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise SiteError(f"no {name}", is_forgivable=is_forgivable)
    if str(body.get("token_type", "")).lower() != "bearer":
        raise SiteError("token_type is not Bearer", is_forgivable=is_forgivable)
    expires_in = body.get("expires_in")
    if isinstance(expires_in, bool) or not isinstance(expires_in, int) or expires_in <= 0:
        raise SiteError("expires_in is not a number of seconds", is_forgivable=is_forgivable)
    return Tokens(body["access_token"], body["refresh_token"], expires_in)


def _user(body: Any, entity_id: int) -> User:
    match body:
        case {"data": {"type": "HumanUser", "id": row_id, "attributes": {"login": str(login), **attributes}} as row}:
            pass
        case _:
            raise SiteError("not a user record")
    if row_id != entity_id or not usable_text(login):
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


def usable_text(value: Any) -> str:
    """Return a value that is one line of text of at most `LONGEST_TEXT` characters; for anything else return ""."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return ""
    return "" if any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in value) else value
