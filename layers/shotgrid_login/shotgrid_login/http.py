"""HTTP requests and responses: reads and checks API Gateway's proxy event, calls the handler, and builds the response.

Origins, media types, sizes and query strings are checked here, in the same way for every route. Every exception of
`errors` becomes a response here. User input goes to the handler only: no log line, metric or error of this module
contains it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from shotgrid_login import __version__, cookie, log
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

MAX_BODY_BYTES = 8 * 1024
MAX_FORM_FIELDS = 20

# How long a browser caches the response to a preflight. Chromium does so for two hours at most (MDN:
# Access-Control-Max-Age). Requests from an origin that is not allowed any more are rejected all the same. Seconds.
PREFLIGHT_SECONDS = 7200

# What pages send to follow a request through several services (W3C Trace Context and Baggage, and Sentry). The gateway
# ignores these headers, but without this permission browsers send no request at all.
_TRACING_HEADERS = "traceparent, tracestate, baggage, sentry-trace"

# For every response. A page replaces the content security policy with its own. Browsers ignore the first header over
# http. It has no `includeSubDomains`, because the gateway does not own the names under its host.
_SECURITY_HEADERS = {
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}

# How long a browser does not repeat a request that has only started its function. Functions stay at least this long, as
# far as is known. Seconds.
WARM_SECONDS = 300

# The outcome of a request that has only started its function. It has no log line and no metric.
_WARMED_UP = "warmed_up"

_FIELD_NAME = re.compile(r"[A-Za-z_]{1,40}")

# The fields that a route accepts: the longest value in characters, by name.
Fields = Mapping[str, int]


@dataclass(frozen=True)
class Response:
    """A response with a JSON or text body. `outcome` is its name in logs."""

    status: int
    outcome: str
    body: Mapping[str, Any] | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Request:
    """A request of API Gateway's REST API.

    Attributes:
        used_cookie: whether the session's handle was read from the cookie.
    """

    def __init__(self, event: Mapping[str, Any]) -> None:
        """Read a proxy event (payload format 1.0)."""
        context = event["requestContext"]
        self._event = event
        self._headers = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
        self.method: str = event["httpMethod"]
        self.path: str = event["path"]
        self.path_with_stage: str = context.get("path", self.path)
        self.route: str = event["resource"]
        self.request_id: str = context["requestId"]
        self.extended_request_id: str = context.get("extendedRequestId", "")  # AWS Support finds a request by it
        self.source_address: str = context["identity"]["sourceIp"]
        # The host that the client connected to. A page cannot choose it. Local API Gateway does not send it.
        self._own_origin = f"https://{context['domainName']}" if context.get("domainName") else None
        self.authorizer: Mapping[str, Any] = context.get("authorizer") or {}
        self._cookies = {name: cookie.read(name, self._cookie_headers()) for name in (cookie.SESSION, cookie.BROWSER)}
        self.used_cookie = False

    @property
    def origin(self) -> str | None:
        """The origin of the calling page (RFC 6454); None if the caller is not a page in a browser."""
        return self._headers.get("origin")

    @property
    def sec_fetch_site(self) -> str | None:
        """How the calling page is related to the gateway's host, as the browser reports it (Fetch Metadata)."""
        return self._headers.get("sec-fetch-site")

    @property
    def has_cookie_access(self) -> bool:
        """Whether the browser gives the page its cookies: not in a frame of a page on another site.

        Browsers send the header only there (Storage Access Headers). Its value does not matter: even with access to
        cookies, Chromium drops those with `SameSite=Strict`.
        """
        return "sec-fetch-storage-access" not in self._headers

    @property
    def page_host(self) -> str:
        """The host of the calling page, with its port if it is not the default one; "" if the caller is not a page."""
        return (self.origin or "").partition("://")[2]

    @property
    def user_agent(self) -> str:
        """The name and version of the browser, as the browser reports it."""
        return self._headers.get("user-agent", "")

    def is_from(self, allowed_origins: frozenset[str]) -> bool:
        """Whether the caller is not a page, or a page of the gateway itself or of an allowed origin."""
        return self.origin in (None, self._own_origin) or self.origin in allowed_origins

    @property
    def cookie(self) -> str | None:
        """The value of the session cookie; None if there is none, or two different values."""
        return self._cookie(cookie.SESSION)

    @property
    def browser_cookie(self) -> str | None:
        """The value of the cookie that identifies the browser; None if there is none, or two different values."""
        return self._cookie(cookie.BROWSER)

    @property
    def has_session_cookie(self) -> bool:
        """Whether the request has the session cookie, with one value or several."""
        return bool(self._cookies[cookie.SESSION])

    @property
    def conflicting_cookies(self) -> list[str]:
        """The names of the gateway's cookies that came with different values."""
        return [name for name, values in self._cookies.items() if len(values) > 1]

    def require_page(self) -> None:
        """Raise `OriginNotAllowed` if the caller is not a page in a browser."""
        if self.origin is None:
            raise OriginNotAllowed("This route is only for pages in browsers, and this request has no Origin header.")

    def has_tag(self, etag: str) -> bool:
        """Whether the browser has the file with this entity tag (RFC 9110, 13.1.2: weak comparison)."""
        known = self._headers.get("if-none-match", "").split(",")
        return any(tag.strip().removeprefix("W/") == etag.removeprefix("W/") for tag in known)

    @property
    def has_query(self) -> bool:
        """Whether the URL has a query string."""
        return bool(self._event.get("multiValueQueryStringParameters") or self._event.get("queryStringParameters"))

    def fields(self, required: Fields, optional: Fields, flags: frozenset[str] = frozenset()) -> dict[str, str]:
        """Return the fields of a JSON body. Each value is text and not blank. `flags` are there if their value is true.

        Raises:
            InvalidRequest: the body is not a JSON object, or a field is missing, unknown, too long or not text. The
                message names the field.
            PayloadTooLarge, UnsupportedMediaType.
        """
        body = self._body()
        if not required and not body.strip():
            return {}
        if self._media_type != "application/json":
            raise UnsupportedMediaType("The body must be JSON, with the content type application/json.")
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            raise InvalidRequest("body: not JSON") from None
        if not isinstance(values, dict):
            raise InvalidRequest("body: not a JSON object")
        for name in required:
            if name not in values:
                raise InvalidRequest(f"{name}: missing")
        accepted = {**required, **optional}
        names = [*accepted, *sorted(flags)]
        for name, value in values.items():
            if name in flags and not isinstance(value, bool):
                raise InvalidRequest(f"{name}: must be true or false")
            if name not in names:
                # The name is repeated only if it looks like one: the caller may have swapped names and values.
                unknown = name if _FIELD_NAME.fullmatch(name) else "a field"
                raise InvalidRequest(f"{unknown}: unknown; accepted fields: {', '.join(names)}")
            if name in accepted:
                _check(name, value, accepted[name])
        return {name: value for name, value in values.items() if value is not False}

    def form(self, accepted: Fields) -> dict[str, str]:
        """Return the accepted fields of a form (RFC 6749, appendix B). Other fields are ignored.

        Raises:
            InvalidRequest: the body is not UTF-8, or a field is too long or sent twice. The message names the field.
            PayloadTooLarge, UnsupportedMediaType.
        """
        body = self._body()
        if self._media_type != "application/x-www-form-urlencoded":
            raise UnsupportedMediaType(
                "The body must be a form, with the content type application/x-www-form-urlencoded."
            )
        try:
            pairs = parse_qsl(body, keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
        except ValueError:
            raise InvalidRequest("body: not a form") from None
        values: dict[str, str] = {}
        for name, value in pairs:
            if name not in accepted:
                continue
            if name in values:
                raise InvalidRequest(f"{name}: more than once")
            if value:  # an empty value counts as missing (RFC 6749, 3.2)
                _check(name, value, accepted[name])
            values[name] = value
        return values

    @property
    def _media_type(self) -> str:
        return self._headers.get("content-type", "").partition(";")[0].strip().lower()

    def _cookie(self, name: str) -> str | None:
        values = self._cookies[name]
        return next(iter(values)) if len(values) == 1 else None

    def _cookie_headers(self) -> list[str]:
        """Return every `Cookie` header: HTTP/2 allows several (RFC 9113, 8.2.3); `headers` has only the last one."""
        for name, values in (self._event.get("multiValueHeaders") or {}).items():
            if name.lower() == "cookie":
                return [str(value) for value in values]
        return [self._headers.get("cookie", "")]

    def _body(self) -> str:
        body = self._event.get("body") or ""
        if len(body) > MAX_BODY_BYTES * 2:
            raise PayloadTooLarge(f"The body must not be larger than {MAX_BODY_BYTES} bytes.")
        if self._event.get("isBase64Encoded"):
            try:
                body = base64.b64decode(body, validate=True).decode()
            except (binascii.Error, ValueError):
                raise InvalidRequest("body: not UTF-8") from None
        if len(body.encode(errors="replace")) > MAX_BODY_BYTES:
            raise PayloadTooLarge(f"The body must not be larger than {MAX_BODY_BYTES} bytes.")
        return str(body)


Handler = Callable[[Request], Response]
ErrorResponse = Callable[[Request, LoginError], Response]
LambdaHandler = Callable[[Mapping[str, Any], Any], dict[str, Any]]


def problem(request: Request, error: LoginError) -> Response:
    """Return an error response with problem details (RFC 9457)."""
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
        headers |= cookie.clear_session_header()
    return Response(error.status, error.outcome or error.code, body, headers)


def endpoint(
    method: str,
    allowed_origins: frozenset[str],
    error_response: ErrorResponse = problem,
    warm_up: Callable[[], None] | None = None,
) -> Callable[[Handler], LambdaHandler]:
    """Make a Lambda handler for one method of one route.

    The Lambda handler also responds to preflights, turns every exception into a documented error response, and writes
    one log line for each request.

    With `warm_up`, a page can call the route with GET before a user needs it. That starts the function and calls
    `warm_up`, and is neither logged nor counted.
    """

    def decorate(handler: Handler) -> LambdaHandler:
        def handle(request: Request) -> Response:
            if warm_up is None or request.method != "GET":
                return handler(request)
            warm_up()
            return Response(204, _WARMED_UP, headers={"cache-control": f"private, max-age={WARM_SECONDS}"})

        return _lambda_handler(
            lambda request: _checked(request, method, allowed_origins, handle), allowed_origins, error_response
        )

    return decorate


def public(handler: Handler) -> LambdaHandler:
    """Make a Lambda handler for a public file: every caller receives the same response."""
    return _lambda_handler(handler, frozenset(), problem)


def _lambda_handler(handler: Handler, allowed_origins: frozenset[str], error_response: ErrorResponse) -> LambdaHandler:
    @log.logger.inject_lambda_context(clear_state=True, log_event=False)
    def lambda_handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        request = Request(event)
        log.logger.set_correlation_id(request.request_id)
        log.logger.append_keys(extended_request_id=request.extended_request_id)
        try:
            response = handler(request)
        except Exception as error:  # noqa: BLE001 - the last place that can return a response that pages can read
            response = error_response(request, _documented(error))
        if request.method != "OPTIONS" and response.outcome != _WARMED_UP:
            log.record_response(request.route, response.status, response.outcome)
        return _proxy_response(request, response, allowed_origins)

    return lambda_handler


def _checked(request: Request, method: str, allowed_origins: frozenset[str], handler: Handler) -> Response:
    if request.origin == "null":
        raise OriginNotAllowed(
            "The page has no origin: it is a file, or in a sandboxed frame without allow-same-origin. Open it from a"
            " web server."
        )
    if not request.is_from(allowed_origins):
        raise OriginNotAllowed("The page's origin is not in AllowedOrigins of this gateway.")
    if request.method == "OPTIONS":
        return Response(
            204,
            "preflight",
            headers={
                "access-control-allow-methods": method,
                "access-control-allow-headers": f"authorization, content-type, {_TRACING_HEADERS}",
                "access-control-max-age": str(PREFLIGHT_SECONDS),
                "vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
            },
        )
    if request.has_query:
        raise InvalidRequest("Query strings are not allowed; never put credentials in a URL.")
    if request.has_session_cookie and request.origin is None and request.method != "GET":
        raise OriginNotAllowed("The request has a cookie but no Origin header.")
    return handler(request)


def _documented(error: Exception) -> LoginError:
    if not isinstance(error, LoginError):
        log.record_unexpected(error)
        return InternalError()
    if isinstance(error, SiteError | SiteUnavailable):
        log.logger.append_keys(reason=error.reason)
    return error


def _proxy_response(request: Request, response: Response, allowed_origins: frozenset[str]) -> dict[str, Any]:
    headers = _SECURITY_HEADERS | {
        "cache-control": "no-store",
        "content-type": "application/json",
        "vary": "Origin",
        "x-request-id": request.request_id,
        "x-gateway-version": __version__,
    }
    if request.origin is not None and request.is_from(allowed_origins):
        headers |= {
            "access-control-allow-origin": request.origin,
            "access-control-allow-credentials": "true",
            "access-control-expose-headers": "retry-after, x-request-id",
        }
    headers |= response.headers
    set_cookies = [headers.pop("set-cookie")] if "set-cookie" in headers else []
    # Only in a response that no cache stores: a cache would clear the cookie of every user that it serves.
    if headers["cache-control"] == "no-store":
        for name in request.conflicting_cookies:
            if not any(line.startswith(f"{name}=") for line in set_cookies):
                set_cookies += cookie.clear_header(name).values()
    body = response.body
    if not isinstance(body, str):
        body = "" if body is None else json.dumps(body, ensure_ascii=False)
    return {
        "statusCode": response.status,
        "headers": headers,
        "multiValueHeaders": {"set-cookie": set_cookies} if set_cookies else {},
        "body": body,
    }


def _check(name: str, value: object, longest: int) -> None:
    if not isinstance(value, str):
        raise InvalidRequest(f"{name}: must be text")
    if not value.strip():
        raise InvalidRequest(f"{name}: empty")
    if len(value) > longest:
        raise InvalidRequest(f"{name}: longer than {longest} characters")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidRequest(f"{name}: not Unicode text")
