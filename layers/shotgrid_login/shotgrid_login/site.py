"""The ShotGrid site: its token endpoint, one method a grant, one exception an outcome, and who a token is for.

What sites answer, and what nobody has seen yet, is in `site-contract.md`; every status, code and shape below
comes from there. Nothing of an answer but its tokens, and who the person is, leaves this module: titles of errors
repeat what the person typed.
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

from shotgrid_login.errors import InvalidCredentials, PasswordSignInDisabled, SiteError, SiteUnavailable

CONNECT_SECONDS = 3
READ_SECONDS = 10  # for each part of the answer
ANSWER_SECONDS = 13  # for all of it, however small its parts
PERSON_SECONDS = 4  # likewise for who the person is: the sign-in waits for it, and goes on without it

# A success is about 1.2 KB and an error less; more than this is no answer of a token endpoint.
MAX_ANSWER_BYTES = 64 * 1024

# What is longer is no name, address or group, and has no place in what API Gateway hands on. Characters.
LONGEST_TEXT = 128

# Control characters, halves of characters, and ends of lines and paragraphs (Unicode, general categories).
_NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}

# A kept connection that rested longer is not used again. Lambda freezes a function between requests, so it may
# not have seen the site close it, and a request lost that way cannot be told from one that was answered.
KEPT_CONNECTION_SECONDS = 5


@dataclass(frozen=True)
class Tokens:
    """A success of the token endpoint. `expires_in` is in seconds from when the request was sent."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True)
class Person:
    """What a site says of a person. All but `login` are empty where it says nothing that can be used."""

    login: str
    name: str
    email: str
    permission_group: str


class OtpRequired(Exception):
    """106: the site wants a code. Whether it looked at the password first is unknown."""


class RefreshTokenRefused(Exception):
    """The site ended the session: 401, or 400 in its own envelope."""


class Site:
    """One site, over one kept HTTPS connection.

    Nothing is sent twice: a code, and on some sites a refresh token, works once. Redirects are not followed and
    the environment (proxies, netrc) is not consulted: passwords go to the configured site or nowhere.
    """

    def __init__(self, url: str, seconds: Callable[[], float] = time.time) -> None:
        """Take the site's root, without a final slash."""
        self._url = f"{url}/api/v1"
        self._seconds = seconds
        self._last_used = 0.0
        self._http = _connection()

    def password(self, username: str, password: str, auth_token: str | None = None) -> Tokens:
        """Sign in with a password, and with a code when there is one.

        Raises:
            OtpRequired: a code is wanted; with `auth_token`, the code was refused (some sites say 102 then).
            InvalidCredentials: user or password were refused, or with `auth_token` perhaps only the code.
            PasswordSignInDisabled: the site is on SSO or Autodesk Identity.
            SiteError, SiteUnavailable: see there.
        """
        grant = {"grant_type": "password", "username": username, "password": password}
        if auth_token is not None:
            grant["auth_token"] = auth_token
        status, answer = self._ask(grant)
        match _error_code(status, answer):
            case None:
                return _tokens(status, answer)
            case 106:  # Missing argument for 2FA login
                raise OtpRequired
            case 102:  # Can't authenticate user
                raise InvalidCredentials
            case 108 | 110 as site_code:  # SAML SSO, Autodesk Identity
                raise PasswordSignInDisabled(site_code)
            case code:
                raise SiteError(f"password grant: status {status}, code {code}")

    def refresh_token(self, refresh_token: str) -> Tokens:
        """Trade a refresh token for new tokens. Whether the old one still works afterwards is unknown.

        Raises:
            RefreshTokenRefused: it is fake, expired or revoked, or the site ended the session.
            SiteError, SiteUnavailable: see there.
        """
        status, answer = self._ask({"grant_type": "refresh_token", "refresh_token": refresh_token})
        # The recorded refusal is a bare 401 whose body nobody has written down, so a 401 counts without the
        # site's envelope too, unless it is a page: that is something in between speaking, not the site.
        refused = status == 400 and _error_code(status, answer) is not None
        if refused or (status == 401 and answer is not _PAGE):
            raise RefreshTokenRefused
        return _tokens(status, answer)

    def person(self, entity_type: str, entity_id: int, access_token: str) -> Person:
        """Read who a token is for, as that person; raises `SiteError`, `SiteUnavailable`."""
        if entity_type != "HumanUser":
            raise SiteError("not a HumanUser")  # nobody has seen another row read
        status, answer = self._exchange(
            "GET",
            f"/entity/human_users/{entity_id}",
            PERSON_SECONDS,
            params={"fields": "login,name,email,permission_rule_set"},
            headers={"Authorization": f"Bearer {access_token}"},
        )
        if status != 200:
            raise SiteError(f"person: status {status}")
        return _person(answer, entity_id)

    def _ask(self, grant: dict[str, str]) -> tuple[int, Any]:
        """Post one grant; returns and raises as `_exchange`."""
        return self._exchange("POST", "/auth/access_token", ANSWER_SECONDS, data=grant)

    def _exchange(self, method: str, route: str, seconds: float, **request: Any) -> tuple[int, Any]:
        """Send one request and return the status and the parsed body; raises `SiteError`, `SiteUnavailable`."""
        if self._seconds() - self._last_used > KEPT_CONNECTION_SECONDS:
            self._http.close()
        # The timeouts of `requests` are for each part of an answer. The limit for all of it is how long this waits
        # for a thread; one that is still busy then is left to itself, with the connection it has.
        outcomes: queue.SimpleQueue[tuple[int, Any] | Exception] = queue.SimpleQueue()
        arguments = (self._http, method, f"{self._url}{route}", request, outcomes)
        threading.Thread(target=_exchange, args=arguments, daemon=True).start()
        try:
            outcome = outcomes.get(timeout=seconds)
        except queue.Empty:
            self._http = _connection()
            raise SiteUnavailable("answer too slow") from None
        if isinstance(outcome, Exception):
            raise outcome
        self._last_used = self._seconds()
        return outcome


def _connection() -> requests.Session:
    connection = requests.Session()
    connection.trust_env = False
    connection.headers["Accept"] = "application/json"
    # A function serves one person after the other: what the site would have a browser keep is not kept.
    connection.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return connection


def _exchange(
    connection: requests.Session,
    method: str,
    url: str,
    request: dict[str, Any],
    outcomes: queue.SimpleQueue[tuple[int, Any] | Exception],
) -> None:
    try:
        outcomes.put(_send(connection, method, url, request))
    except Exception as error:  # noqa: BLE001 - raised again by the thread that waits for it
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
        # A `Location` that is no address is a ValueError, although nobody goes there. Named by its class alone, as its
        # text holds the whole request.
        raise SiteUnavailable(f"no answer: {type(error).__name__}") from None
    if response.status_code >= 500 or response.status_code == 429:
        raise SiteUnavailable(f"status {response.status_code}", retry_after=_retry_after(response))
    return response.status_code, _parsed(response, body)


class _NotTheSite:
    """A body that no token endpoint sends."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


_PAGE = _NotTheSite("a page")
_NOT_JSON = _NotTheSite("not JSON")


def _read(response: requests.Response) -> bytes:
    body = b""
    for chunk in response.iter_content(8192):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise SiteError("answer too large")
    return body


def _parsed(response: requests.Response, body: bytes) -> Any:
    if "html" in response.headers.get("content-type", "").lower():
        return _PAGE
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _retry_after(response: requests.Response) -> int:
    value = response.headers.get("retry-after", "")
    # Seconds only; an HTTP date, or a wait longer than a person would sit out, is not worth passing on.
    return min(int(value), 300) if value.isascii() and value.isdigit() and len(value) < 6 else 5


def _error_code(status: int, answer: Any) -> int | None:
    """Return the code of the site's error envelope, 0 where it has none, None where there is no envelope."""
    if status not in (400, 401, 403) or not isinstance(answer, dict):
        return None
    errors = answer.get("errors")
    if not isinstance(errors, list) or not errors or not isinstance(errors[0], dict):
        return None
    code = errors[0].get("code")
    return code if isinstance(code, int) else 0


def _tokens(status: int, answer: Any) -> Tokens:
    if status != 200:
        raise SiteError(f"status {status}")
    if isinstance(answer, _NotTheSite):
        raise SiteError(answer.reason)
    if not isinstance(answer, dict):
        raise SiteError("not a JSON object")
    for name in ("access_token", "refresh_token"):
        if not isinstance(answer.get(name), str) or not answer[name]:
            raise SiteError(f"no {name}")
    if str(answer.get("token_type", "")).lower() != "bearer":
        raise SiteError("token_type is not Bearer")
    expires_in = answer.get("expires_in")
    if isinstance(expires_in, bool) or not isinstance(expires_in, int) or expires_in <= 0:
        raise SiteError("expires_in is not a number of seconds")
    return Tokens(answer["access_token"], answer["refresh_token"], expires_in)


def _person(answer: Any, entity_id: int) -> Person:
    match answer:
        case {"data": {"type": "HumanUser", "id": row_id, "attributes": {"login": str(login), **attributes}} as row}:
            pass
        case _:
            raise SiteError("not a person")
    if row_id != entity_id or not usable_text(login):
        raise SiteError("not this person")
    match row.get("relationships"):
        case {"permission_rule_set": {"data": {"name": group}}}:
            pass
        case _:
            group = ""
    return Person(login, usable_text(attributes.get("name")), usable_text(attributes.get("email")), usable_text(group))


def usable_text(value: Any) -> str:
    """Return text of one line that is no longer than `LONGEST_TEXT`; empty for anything else."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return ""
    return "" if any(unicodedata.category(character) in _NO_TEXT for character in value) else value
