"""HTTP requests of the check: limited in time and size, sent once, with one explanation for each kind of failure."""

from __future__ import annotations

import json
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests

from shotgrid_login.site import RESPONSE_SECONDS
from shotgrid_login.site_connection import CONNECT_SECONDS, READ_SECONDS
from shotgrid_login_ops.check.addresses import is_local
from shotgrid_login_ops.check.findings import Finding, ok, problem

# For all requests to one host together. Seconds.
TOTAL_SECONDS = 60

# The largest file that the check reads, a JavaScript module, has about 20 KB.
MAX_RESPONSE_BYTES = 512 * 1024

# OpenSSL's X509_V_ERR_* numbers.
_CERTIFICATE_ERRORS = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed",
    19: "is signed by an authority that this machine does not trust",
    20: "is signed by an authority that this machine does not trust",
    62: "is for another host",
    64: "is for another host",
}


class NoResponse(Exception):
    """A request got no response. `value` has a few words; `meaning` and `next_step` are for the operator."""

    def __init__(self, value: str, meaning: str, next_step: str, *, is_tls: bool = False) -> None:
        super().__init__(value)
        self.value = value
        self.meaning = meaning
        self.next_step = next_step
        self._check = "tls" if is_tls else "reachable"

    def finding(self, target: str) -> Finding:
        """Return the finding for `target`: `site` or `gateway`."""
        return problem(f"{target}.{self._check}", self.value, self.meaning, self.next_step)


@dataclass(frozen=True)
class Response:
    """An HTTP response. `repr` shows only the status, because the rest can contain tokens."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # names are not case-sensitive
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The parsed body; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of the body; empty if it is not a JSON object."""
        return self.json if isinstance(self.json, dict) else {}

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Connection:
    """One host. Like the gateway, it follows no redirects, and uses no proxy or netrc of the environment."""

    def __init__(self, base: str) -> None:
        """Take an address without a final slash."""
        self.base = base
        self._seconds_left = float(TOTAL_SECONDS)

    def request(self, method: str, path: str, *, body: str | Mapping[str, str] = "", **headers: str) -> Response:
        """Send one request, and return its response; raises `NoResponse`.

        A mapping is sent as a form, a text as JSON. Names of headers are written with `_` for `-`.
        """
        if self._seconds_left <= 0:
            raise self._too_slow()
        url, host = _resolved(f"{self.base}{path}")
        sent = (
            {"Accept": "application/json"} | host | {name.replace("_", "-"): value for name, value in headers.items()}
        )
        if isinstance(body, str) and body:
            sent = {"content-type": "application/json"} | sent
        outcomes: queue.SimpleQueue[Response | Exception] = queue.SimpleQueue()
        started = time.monotonic()
        # `requests` limits the time for each part of a response, and not at all for resolving the host. So a thread
        # sends the request, and this one limits how long it waits for that thread.
        threading.Thread(target=_send_in_thread, args=(method, url, body, sent, outcomes), daemon=True).start()
        try:
            outcome = outcomes.get(timeout=min(RESPONSE_SECONDS, self._seconds_left))
        except queue.Empty:
            raise self._too_slow() from None
        self._seconds_left -= time.monotonic() - started
        if isinstance(outcome, Exception):
            raise _no_response(self.base, outcome) from None
        return outcome

    def _too_slow(self) -> NoResponse:
        return NoResponse(
            "too slow",
            f"{urlsplit(self.base).hostname} did not send a whole response within {RESPONSE_SECONDS} s, or all "
            f"responses within {TOTAL_SECONDS} s. Pages would wait as long.",
            "Run the check again. If the host is still slow, ask its administrators why.",
        )

    def tls(self, target: str) -> Finding:
        """Return the TLS finding of a host that has responded. `target` is `site` or `gateway`."""
        if self.base.startswith("https:"):
            return ok(f"{target}.tls", "verified", "The certificate is for this host, valid and trusted.")
        return ok(f"{target}.tls", "none", "The connection is not encrypted. Use this on your own machine only.")


def _send_in_thread(
    method: str,
    url: str,
    body: str | Mapping[str, str],
    headers: Mapping[str, str],
    outcomes: queue.SimpleQueue[Response | Exception],
) -> None:
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            with session.request(
                method,
                url,
                data=body.encode() if isinstance(body, str) else body,
                headers=dict(headers),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                outcomes.put(Response(response.status_code, response.headers, _read(response)))
    except Exception as error:  # noqa: BLE001 - the waiting thread translates it
        outcomes.put(error)


def _read(response: requests.Response) -> bytes:
    """Return the body; empty if it is too large to be a known response."""
    body = b""
    for chunk in response.iter_content(65536):
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            return b""
    return body


def _resolved(url: str) -> tuple[str, dict[str, str]]:
    """Return the URL to connect to, and the Host header if it differs from the URL's host.

    Names under `localhost` are this machine (RFC 6761, 6.3). Browsers know that, but many system resolvers do not.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not (parts.hostname or "").endswith(".localhost"):
        return url, {}
    port = "" if parts.port is None else f":{parts.port}"
    return urlunsplit(parts._replace(netloc=f"127.0.0.1{port}")), {"Host": parts.netloc}


def _no_response(base: str, error: Exception) -> NoResponse:
    """Explain why there is no response. Only the error's class is used, because its text contains the request."""
    parts = urlsplit(base)
    host = parts.hostname or ""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _bad_certificate(host, cause.verify_code)
        if isinstance(cause, socket.gaierror):
            return NoResponse(
                "no such host",
                f"{host} does not resolve: the host does not exist, or this machine cannot look it up.",
                "Compare the address with the one in the browser. Then try from a network that can reach it.",
            )
        if isinstance(cause, ConnectionRefusedError):
            action = "Start the server" if is_local(host) else "Check the address and its port"
            return NoResponse(
                "connection refused",
                f"{host} exists, but no server listens on port {_port(base)}.",
                f"{action}, then run the check again.",
            )
    if any(isinstance(cause, ssl.SSLError) for cause in causes) or isinstance(error, requests.exceptions.SSLError):
        return NoResponse(
            "TLS failed",
            f"{host} does not support TLS on port {_port(base)}, or no version that this machine accepts.",
            "Check the port. If it is right, ask the host's administrators to enable TLS 1.2 or newer.",
            is_tls=True,
        )
    if isinstance(error, requests.exceptions.ConnectTimeout):
        has_proxy = any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
        return NoResponse(
            "cannot connect",
            f"{host} did not accept a connection within {CONNECT_SECONDS} s."
            + (" The check does not use the proxy of the environment: the gateway has none." if has_proxy else ""),
            "Look for a firewall or an IP allow list in between, or run the check from another network.",
        )
    if isinstance(error, requests.exceptions.Timeout):
        return NoResponse(
            "no response in time",
            f"{host} accepted the connection, but did not respond within {READ_SECONDS} s.",
            "Open the address in a browser. If it hangs too, ask the host's administrators. Else run the check again.",
        )
    return NoResponse(
        "connection broke",
        f"{host} closed the connection without a valid response.",
        "Run the check again. If it fails again, look for a proxy or firewall in between.",
    )


def _bad_certificate(host: str, verify_code: int) -> NoResponse:
    fault = _CERTIFICATE_ERRORS.get(verify_code, f"is not valid (OpenSSL error {verify_code})")
    return NoResponse(
        "bad certificate",
        f"The certificate of {host} {fault}. The check sent nothing. The gateway would not send passwords either.",
        "Compare the address with the one in the browser. If it is right, have the certificate renewed or replaced. "
        "If a firewall replaces the certificate, run the check from a network without that firewall.",
        is_tls=True,
    )


def _port(base: str) -> int:
    parts = urlsplit(base)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, including those that `requests` and its connection pool keep as attributes."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
        waiting += [one for one in inner if isinstance(one, BaseException)]
