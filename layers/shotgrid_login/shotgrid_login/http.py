"""HTTP in and out: API Gateway's proxy event in, a checked request to the handler, its answer back.

Origins, media types, sizes and transports are decided here, the same for every route, and every refusal of
`errors` becomes an answer here. What a person typed goes to the handler and nowhere else: no log line, metric
or error of this module holds any of it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import ClientError

from shotgrid_login.errors import (
    InternalError,
    InvalidRequest,
    LoginError,
    OriginNotAllowed,
    PayloadTooLarge,
    SiteError,
    SiteUnavailable,
    UnsupportedMediaType,
)
from shotgrid_login.failed_attempts import user_hash
from shotgrid_login.sessions import Handle, SignedIn

MAX_BODY_BYTES = 8 * 1024
MAX_FORM_FIELDS = 20

# The prefix makes the browser refuse it without Secure, with a Domain, or under another path (RFC 6265bis, 4.1.3.2).
COOKIE = "__Host-shotgrid_login"

# How long a browser keeps the answer to a preflight. Seconds.
PREFLIGHT_SECONDS = 600

# Longest values, in characters. User name and password fit a challenge even if JSON escapes all of them.
_LONGEST = {
    "username": 256,
    "password": 256,
    "transport": 16,
    "challenge": 7000,
    "code": 64,
    "refresh_token": 128,
    "refused_access_token": 4096,
    "grant_type": 64,
    "auth_token": 64,
}

_FIELD_NAME = re.compile(r"[A-Za-z_]{1,40}")

logger = Logger(service="shotgrid-login")
metrics = Metrics(namespace="ShotGridLogin", service="shotgrid-login")


class Transport(Enum):
    """How a page holds its handle."""

    COOKIE = "cookie"
    TOKEN = "token"  # noqa: S105


@dataclass(frozen=True)
class Response:
    """An answer, of JSON or of text. `outcome` is what the log and the metrics call it."""

    status: int
    outcome: str
    body: Mapping[str, Any] | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Request:
    """A request that passed the checks that all routes share."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        """Read API Gateway's REST proxy event (payload format 1.0)."""
        context = event["requestContext"]
        self._event = event
        self._headers = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
        self._cookie_headers = _cookie_headers(event)
        self.method: str = event["httpMethod"]
        self.path: str = event["path"]
        self.path_with_stage: str = context.get("path", self.path)
        self.route: str = event["resource"]
        self.request_id: str = context["requestId"]
        self.source_address: str = context["identity"]["sourceIp"]
        # The host that API Gateway was asked by, which a page cannot choose; local API Gateway does not say.
        self._own_origin = f"https://{context['domainName']}" if context.get("domainName") else None
        self.authorizer: Mapping[str, Any] = context.get("authorizer") or {}
        self.used_cookie = False

    @property
    def origin(self) -> str | None:
        """The origin of the page that asks (RFC 6454), None where no browser page does."""
        return self._headers.get("origin")

    def may_call(self, allowed_origins: frozenset[str]) -> bool:
        """Whether no browser page asks, or one of these origins, or one that the gateway itself serves."""
        return self.origin in (None, self._own_origin) or self.origin in allowed_origins

    @property
    def cookie(self) -> str | None:
        """The value of our cookie; None if the browser sent none, or two different values."""
        values = self._cookie_values
        return values.pop() if len(values) == 1 else None

    @property
    def has_conflicting_cookies(self) -> bool:
        """Whether the browser sent our cookie with different values, so that one was set by another host."""
        return len(self._cookie_values) > 1

    @property
    def _cookie_values(self) -> set[str]:
        """The distinct values of our cookie.

        Only space and tab are stripped, and the name must match exactly (RFC 6265bis, 5.6). The prefix `__Host-`
        protects exactly this name: a browser lets a sibling host set a cookie whose name merely looks the same, such
        as one that starts with U+2000.
        """
        values = set()
        for pair in ";".join(self._cookie_headers).split(";"):
            name, _, value = pair.partition("=")
            if name.strip(" \t") == COOKIE:
                values.add(value.strip(" \t"))
        return values

    def has_tag(self, etag: str) -> bool:
        """Whether the browser has the file with this tag (RFC 9110, 13.1.2: compared weakly)."""
        known = self._headers.get("if-none-match", "").split(",")
        return any(tag.strip().removeprefix("W/") == etag.removeprefix("W/") for tag in known)

    @property
    def _media_type(self) -> str:
        return self._headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def has_query(self) -> bool:
        """Whether anything stands after a `?`."""
        return bool(self._event.get("multiValueQueryStringParameters") or self._event.get("queryStringParameters"))

    def fields(self, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> dict[str, str]:
        """Return the body's fields, all of them text and none of them blank.

        Raises:
            InvalidRequest: not a JSON object, or a field is missing, unknown, too long or not text; names it.
            PayloadTooLarge, UnsupportedMediaType.
        """
        body = self._body()
        if not required and not body.strip():
            return {}
        if self._media_type != "application/json":
            raise UnsupportedMediaType("The body must be application/json, and its content-type must say so.")
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            raise InvalidRequest("body: not JSON") from None
        if not isinstance(values, dict):
            raise InvalidRequest("body: not a JSON object")
        for name in required:
            if name not in values:
                raise InvalidRequest(f"{name}: missing")
        for name, value in values.items():
            if name not in required and name not in optional:
                # Named only if it looks like a field: a key may be a value that landed in the wrong place.
                named = name if _FIELD_NAME.fullmatch(name) else "a field"
                raise InvalidRequest(f"{named}: unknown; known here: {', '.join(required + optional)}")
            _check(name, value)
        return values

    def form(self, known: tuple[str, ...]) -> dict[str, str]:
        """Return the known fields of a form (RFC 6749, appendix B); others are passed over.

        Raises:
            InvalidRequest: not UTF-8, or a known field came twice or is too long; names it.
            PayloadTooLarge, UnsupportedMediaType.
        """
        body = self._body()
        if self._media_type != "application/x-www-form-urlencoded":
            raise UnsupportedMediaType("The body must be application/x-www-form-urlencoded, as its content-type.")
        try:
            pairs = parse_qsl(body, keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
        except ValueError:
            raise InvalidRequest("body: not a form") from None
        values: dict[str, str] = {}
        for name, value in pairs:
            if name not in known:
                continue
            if name in values:
                raise InvalidRequest(f"{name}: more than once")
            if value:  # empty is as good as missing (RFC 6749, 3.2)
                _check(name, value)
            values[name] = value
        return values

    def transport(self, asked: str | None) -> Transport:
        """Decide how the page will hold its handle: as it asks, or as its site says.

        Raises:
            InvalidRequest: neither "cookie" nor "token", or a cookie that the browser would drop.
            OriginNotAllowed: a cookie for no page.
        """
        site = self._headers.get("sec-fetch-site")
        same_site = site in ("same-origin", "same-site")
        if asked is None:
            return Transport.COOKIE if same_site and self.origin else Transport.TOKEN
        try:
            transport = Transport(asked)
        except ValueError:
            raise InvalidRequest('transport: must be "cookie" or "token"') from None
        if transport is Transport.COOKIE:
            if self.origin is None:
                raise OriginNotAllowed("A cookie is for browser pages only, and this request has no origin.")
            if site is not None and not same_site:
                raise InvalidRequest('transport: a page on another site cannot keep the cookie; use "token"')
        return transport

    def handle(self, fields: Mapping[str, str]) -> tuple[Handle, Transport] | None:
        """Return the handle that the request carries and how, None where it carries none.

        One in the body's `fields` counts before the cookie, which a browser adds by itself. Raises `SessionEnded`
        for what has not the shape of a handle.
        """
        if "refresh_token" in fields:
            return Handle.parse(fields["refresh_token"]), Transport.TOKEN
        if self.cookie is not None:
            self.used_cookie = True
            return Handle.parse(self.cookie), Transport.COOKIE
        return None

    def _body(self) -> str:
        body = self._event.get("body") or ""
        if len(body) > MAX_BODY_BYTES * 2:
            raise PayloadTooLarge(f"The body may have {MAX_BODY_BYTES} bytes.")
        if self._event.get("isBase64Encoded"):
            try:
                body = base64.b64decode(body, validate=True).decode()
            except (binascii.Error, ValueError):
                raise InvalidRequest("body: not UTF-8") from None
        if len(body.encode(errors="replace")) > MAX_BODY_BYTES:
            raise PayloadTooLarge(f"The body may have {MAX_BODY_BYTES} bytes.")
        return str(body)


Answer = Callable[[Request], Response]
Refusal = Callable[[Request, LoginError], Response]
LambdaHandler = Callable[[Mapping[str, Any], Any], dict[str, Any]]


def problem(request: Request, error: LoginError) -> Response:
    """Answer a refusal with problem details (RFC 9457)."""
    body: dict[str, Any] = {
        "status": error.status,
        "code": error.code,
        "title": error.title,
        "detail": error.detail,
        "request_id": request.request_id,
    }
    headers = {"content-type": "application/problem+json"}
    if error.attempts_left is not None:
        body["attempts_left"] = error.attempts_left
    if error.retry_after is not None:
        body["retry_after"] = error.retry_after
        headers["retry-after"] = str(error.retry_after)
    if error.code == "session_ended" and request.used_cookie:
        headers |= clear_cookie()
    return Response(error.status, error.outcome or error.code, body, headers)


def endpoint(
    method: str, allowed_origins: frozenset[str], refusal: Refusal = problem
) -> Callable[[Answer], LambdaHandler]:
    """Make a Lambda handler of a function that answers one method of one route.

    The handler answers preflights too, turns every exception into a documented refusal, and logs one line and
    one metric an answer.
    """

    def decorate(answer: Answer) -> LambdaHandler:
        return _handler(lambda request: _checked(request, method, allowed_origins, answer), allowed_origins, refusal)

    return decorate


def public(answer: Answer) -> LambdaHandler:
    """Make a Lambda handler of a function that answers anybody, with the same for everybody: a file."""
    return _handler(answer, frozenset(), problem)


def _handler(answer: Answer, allowed_origins: frozenset[str], refusal: Refusal) -> LambdaHandler:
    @logger.inject_lambda_context(clear_state=True, log_event=False)
    def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        request = Request(event)
        logger.set_correlation_id(request.request_id)
        try:
            response = answer(request)
        except Exception as error:  # noqa: BLE001 - the last place to make one an answer that a page can read
            response = refusal(request, _documented(error))
        if request.method != "OPTIONS":
            _record(request, response)
        return _to_gateway(request, response, allowed_origins)

    return handler


def signed_in(result: SignedIn, transport: Transport, site_url: str) -> Response:
    """Answer 200 with the access token, the site it is for, and the handle where the transport puts it."""
    session = result.session
    log_user(session.user.login)  # by the site's name for them, whatever of their names they typed
    now = int(time.time())
    body: dict[str, Any] = {
        "status": "signed_in",
        "token_type": "Bearer",
        "access_token": result.access_token,
        "expires_in": max(0, session.access_expires_at - now),
        "site_url": site_url,
        "user": {"type": session.user.type, "id": session.user.id, "login": session.user.login},
        "session": session_times(session.expires_at, session.idle_expires_at),
    }
    headers = {}
    if transport is Transport.COOKIE:
        headers["set-cookie"] = _cookie(str(result.handle), max(0, session.expires_at - now))
    else:
        body["refresh_token"] = str(result.handle)
    return Response(200, "signed_in", body, headers)


def session_times(expires_at: int, idle_expires_at: int) -> dict[str, str]:
    """Return a session's two limits, given in epoch seconds, as RFC 3339 UTC times."""
    return {"expires_at": _rfc3339(expires_at), "idle_expires_at": _rfc3339(idle_expires_at)}


def clear_cookie() -> dict[str, str]:
    """Return the header that makes the browser drop the cookie."""
    return {"set-cookie": _cookie("", 0)}


def log_user(username: str) -> None:
    """Let the log lines of this request name the user, as a short hash."""
    logger.append_keys(user=user_hash(username))


def _checked(request: Request, method: str, allowed_origins: frozenset[str], answer: Answer) -> Response:
    if not request.may_call(allowed_origins):
        raise OriginNotAllowed("This page's origin is not one that the gateway is set up for (AllowedOrigins).")
    if request.method == "OPTIONS":
        return Response(
            204,
            "preflight",
            headers={
                "access-control-allow-methods": method,
                "access-control-allow-headers": "authorization, content-type",
                "access-control-max-age": str(PREFLIGHT_SECONDS),
                "vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
            },
        )
    if request.has_query:
        raise InvalidRequest("query string: not taken here; credentials never belong into an address")
    if (request.cookie is not None or request.has_conflicting_cookies) and request.origin is None and method != "GET":
        raise OriginNotAllowed("A cookie came without the origin of a page.")
    return answer(request)


def _documented(error: Exception) -> LoginError:
    if not isinstance(error, LoginError):
        _log_unexpected(error)
        return InternalError()
    if isinstance(error, SiteError | SiteUnavailable):
        logger.append_keys(reason=error.reason)
    return error


def _log_unexpected(error: Exception) -> None:
    # Where it happened and what it was, but not its text: that may hold what it choked on.
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
        trace = trace.tb_next
    keys = {"error": type(error).__name__, "frames": frames}
    if isinstance(error, ClientError):
        keys["aws_operation"] = error.operation_name
        keys["aws_error"] = error.response.get("Error", {}).get("Code", "")
    logger.error("unexpected_error", extra=keys)


def _record(request: Request, response: Response) -> None:
    log = logger.info if response.status < 500 else logger.error
    log(response.outcome, extra={"route": request.route, "status": response.status})
    metrics.add_dimension("route", request.route)
    metrics.add_metric(name=response.outcome, unit=MetricUnit.Count, value=1)
    metrics.flush_metrics()


def _to_gateway(request: Request, response: Response, allowed_origins: frozenset[str]) -> dict[str, Any]:
    headers = {
        "cache-control": "no-store",
        "content-type": "application/json",
        "vary": "Origin",
        "x-content-type-options": "nosniff",
        "x-request-id": request.request_id,
    }
    if request.origin is not None and request.may_call(allowed_origins):
        headers |= {
            "access-control-allow-origin": request.origin,
            "access-control-allow-credentials": "true",
            "access-control-expose-headers": "retry-after, x-request-id",
        }
    headers |= response.headers
    if request.has_conflicting_cookies and "set-cookie" not in headers:
        headers |= clear_cookie()
    body = response.body
    if not isinstance(body, str):
        body = "" if body is None else json.dumps(body, ensure_ascii=False)
    return {"statusCode": response.status, "headers": headers, "body": body}


def _cookie_headers(event: Mapping[str, Any]) -> list[str]:
    """Return every `Cookie` header: HTTP/2 allows several (RFC 9113, 8.2.3), and `headers` has only the last one."""
    every = {name.lower(): values for name, values in (event.get("multiValueHeaders") or {}).items()}
    last = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    return [str(value) for value in every.get("cookie") or [last.get("cookie", "")]]


def _check(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidRequest(f"{name}: must be text")
    if not value.strip():
        raise InvalidRequest(f"{name}: empty")
    if len(value) > _LONGEST[name]:
        raise InvalidRequest(f"{name}: longer than {_LONGEST[name]} characters")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidRequest(f"{name}: not Unicode text")


def _cookie(value: str, max_age: int) -> str:
    return f"{COOKIE}={value}; Max-Age={max_age}; Path=/; Secure; HttpOnly; SameSite=Strict"


def _rfc3339(epoch_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
