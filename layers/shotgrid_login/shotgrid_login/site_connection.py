"""HTTP to the ShotGrid site: one kept connection, strict time limits, and every failure as an exception.

No request is sent twice: a code, and on some sites a refresh token, works only once. Redirects are not followed, and
proxies of the environment are not used: secrets are sent to the configured site or not at all.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout, exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection

from shotgrid_login import tls
from shotgrid_login.errors import SiteError, SiteMoved, SiteRejectsGateway, SiteUnavailable

CONNECT_SECONDS = 3
READ_SECONDS = 10  # for each part of a response

# A token response has about 1.2 KB, an error response less.
MAX_RESPONSE_BYTES = 64 * 1024

# A kept connection that was idle for longer is not reused. Lambda freezes a function between requests, so the function
# may have missed that the site closed the connection. A request that is lost this way looks like one that the site
# has received without sending a response. Seconds.
KEPT_CONNECTION_SECONDS = 5

_HEADERS = {"Accept": "application/json", "User-Agent": "shotgrid-login"}

# urllib3 logs URLs and headers, and a URL of the launcher contains the id of an approval request.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class NotJson:
    """The body of a response that is not JSON."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


HTML_PAGE = NotJson("an HTML page")
GARBAGE = NotJson("not JSON")
MOVED = NotJson("a permanent redirect to another host")


class SiteConnection:
    """A connection to one site."""

    def __init__(self, url: str, seconds: Callable[[], float] = time.time) -> None:
        """Take the site's root, without a final slash."""
        self.url = url
        self._seconds = seconds
        self._last_used = 0.0
        self._http = _connection()

    def call(
        self,
        method: str,
        path: str,
        seconds: float,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Send one request and return the status and the parsed body.

        `form` is the body of the request. The body of the response is `HTML_PAGE`, `GARBAGE` or `MOVED` if it is not
        JSON.

        Raises:
            SiteError: the response is too large.
            SiteUnavailable: no complete response within `seconds`, or status 429 or 5xx.
        """
        if self._seconds() - self._last_used > KEPT_CONNECTION_SECONDS:
            self._http.clear()
        # urllib3 limits the time for each part of a response, not for the whole. So a thread sends the request, and
        # this one waits for at most `seconds`. A thread that is late keeps the old connection for itself.
        outcomes: queue.SimpleQueue[tuple[int, Any] | Exception] = queue.SimpleQueue()
        is_abandoned = threading.Event()
        request: dict[str, Any] = {"headers": _HEADERS | dict(headers or {})}
        if form is not None:
            request["body"] = urlencode(form)
            request["headers"]["Content-Type"] = "application/x-www-form-urlencoded"
        arguments = (self._http, method, f"{self.url}{path}", request, outcomes, is_abandoned)
        threading.Thread(target=_send_in_thread, args=arguments, daemon=True).start()
        try:
            outcome = outcomes.get(timeout=seconds)
        except queue.Empty:
            is_abandoned.set()
            self._http = _connection()
            raise SiteUnavailable("response too slow") from None
        if isinstance(outcome, Exception):
            raise outcome
        self._last_used = self._seconds()
        return outcome


def json_object(status: int, body: Any, subject: str = "", *, is_forgivable: bool = False) -> dict[str, Any]:
    """Return the JSON object of a response with status 200.

    Raises `SiteError`, with a reason that begins with `subject`, for any other response. Raises `SiteMoved` and
    `SiteRejectsGateway` if an administrator has to act.
    """
    if body is MOVED:
        raise SiteMoved(f"{subject}the site has moved to another host", is_forgivable=is_forgivable)
    if status == 403 and body is HTML_PAGE:
        raise SiteRejectsGateway(f"{subject}a 403 page, as from an IP allow list", is_forgivable=is_forgivable)
    if status != 200:
        reason = f"status {status}"
    elif isinstance(body, NotJson):
        reason = body.reason
    elif not isinstance(body, dict):
        reason = "not a JSON object"
    else:
        return body
    raise SiteError(f"{subject}{reason}", is_forgivable=is_forgivable)


def is_no_verdict(status: int) -> bool:
    """Whether a status cannot mean that the site rejected a guess: a success or a redirect."""
    return status == 200 or 300 <= status < 400


# For each thread that sends a request: whether no caller waits for the response any more.
_thread = threading.local()


def _stop_if_abandoned() -> None:
    """Stop before the request is sent, if its time is over.

    A name server can take longer than any limit. Lambda can freeze the function meanwhile, and continue it with the
    next request. The late request would use up a code, a refresh token or an approval, and its result would be lost.
    """
    if _thread.is_abandoned.is_set():
        raise exceptions.ConnectTimeoutError("abandoned before it was sent")


class _Connection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _stop_if_abandoned()


class _TlsConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _stop_if_abandoned()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _connection() -> PoolManager:
    connection = PoolManager(retries=False, timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS))
    connection.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    connection.connection_pool_kw["ssl_context"] = tls_context()
    return connection


def tls_context() -> ssl.SSLContext:
    """Return the TLS settings of all connections, with the roots that the site's certificate is checked with.

    The file SITE_CA_BUNDLE replaces the public roots: the certificate of a site with a private CA must not come from
    another CA.
    """
    return tls.context(os.environ.get("SITE_CA_BUNDLE") or None)


def _send_in_thread(
    connection: PoolManager,
    method: str,
    url: str,
    request: dict[str, Any],
    outcomes: queue.SimpleQueue[tuple[int, Any] | Exception],
    is_abandoned: threading.Event,
) -> None:
    _thread.is_abandoned = is_abandoned
    try:
        outcomes.put(_send(connection, method, url, request))
    except Exception as error:  # noqa: BLE001 - the waiting thread raises it again
        outcomes.put(error)


def _send(connection: PoolManager, method: str, url: str, request: dict[str, Any]) -> tuple[int, Any]:
    try:
        response = connection.urlopen(method, url, redirect=False, preload_content=False, **request)
        body = _read(response)
        if response.status >= 500 or response.status == 429:
            raise SiteUnavailable(f"status {response.status}", retry_after=_retry_after(response))
        return response.status, _parsed(response, url, body)
    except (exceptions.HTTPError, ValueError) as error:
        # `urlsplit` raises ValueError for an invalid `Location`, and urllib3 for a token that fits in no header.
        raise SiteUnavailable(_reason(error)) from None


def _reason(error: Exception) -> str:
    """Return the reason for the log: only the class, because the text can contain the request or the response."""
    if isinstance(error, exceptions.SSLError):
        return "TLS failed"
    # urllib3 derives the class for a host that refuses connections from the one for timeouts.
    if isinstance(error, exceptions.TimeoutError) and not isinstance(error, exceptions.NewConnectionError):
        return "timed out"
    return f"no response: {type(error).__name__}"


def _read(response: BaseHTTPResponse) -> bytes:
    """Return the body. The connection is kept if the body is complete, and closed otherwise."""
    body = b""
    try:
        # urllib3 requests no compression. Decompression could take any time, whatever the size of the response.
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise SiteError("compressed response", is_forgivable=is_no_verdict(response.status))
        for chunk in response.stream(8192, decode_content=False):
            body += chunk
            if len(body) > MAX_RESPONSE_BYTES:
                raise SiteError("response too large", is_forgivable=is_no_verdict(response.status))
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return body


def _parsed(response: BaseHTTPResponse, url: str, body: bytes) -> Any:
    if response.status in (301, 308) and _is_elsewhere(response, url):
        return MOVED
    is_html = "html" in response.headers.get("content-type", "").lower()
    if is_html and is_no_verdict(response.status):
        return HTML_PAGE
    try:
        return json.loads(body)  # a rejection counts as one, whatever its content type is
    except (ValueError, RecursionError):
        return HTML_PAGE if is_html else GARBAGE


def _is_elsewhere(response: BaseHTTPResponse, url: str) -> bool:
    """Whether a redirect leads to another host. The host itself is text from the site: it is not kept."""
    target = urlsplit(response.headers.get("location", "")).hostname
    return target is not None and target != urlsplit(url).hostname


def _retry_after(response: BaseHTTPResponse) -> int:
    value = response.headers.get("retry-after", "")
    # Only seconds are read. HTTP dates and longer waits are not useful to a user who is signing in.
    return min(int(value), 300) if value.isascii() and value.isdigit() and len(value) < 6 else 5
